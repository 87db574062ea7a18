package awssim_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// asking returns an AssumeRole call, changed by the options.
func asking(options ...func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
	in := &sts.AssumeRoleInput{RoleSessionName: aws.String("run-1")}
	for _, o := range options {
		o(in)
	}
	return in
}

func externalID(id string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) { in.ExternalId = &id }
}

func sessionName(name string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) { in.RoleSessionName = &name }
}

func sourceIdentity(id string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) { in.SourceIdentity = &id }
}

func tags(kv ...string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) {
		for i := 0; i < len(kv); i += 2 {
			in.Tags = append(in.Tags, types.Tag{Key: &kv[i], Value: &kv[i+1]})
		}
	}
}

func transitive(keys ...string) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) { in.TransitiveTagKeys = keys }
}

func lasting(seconds int32) func(*sts.AssumeRoleInput) {
	return func(in *sts.AssumeRoleInput) { in.DurationSeconds = &seconds }
}

// TestTrust asks, for one trust policy after another, whether the operator of
// the vendor's account gets in, across accounts and with every permission on
// its own side.
func TestTrust(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	allow := func(why, trust string, options ...func(*sts.AssumeRoleInput)) {
		t.Helper()
		w.customer.SetTrustPolicy("readonly", trust)
		in := asking(options...)
		in.RoleArn = &role.ARN
		if _, err := w.assume(w.operator.Key, in); err != nil {
			t.Errorf("%s: refused: %v", why, err)
		}
	}
	deny := func(why, trust string, options ...func(*sts.AssumeRoleInput)) {
		t.Helper()
		w.customer.SetTrustPolicy("readonly", trust)
		in := asking(options...)
		in.RoleArn = &role.ARN
		_, err := w.assume(w.operator.Key, in)
		if code(err) != "AccessDenied" || status(err) != 403 {
			t.Errorf("%s: want AccessDenied, got %v", why, err)
		}
		want := "User: " + w.operator.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + role.ARN
		if len(in.Tags) == 0 && in.SourceIdentity == nil && message(err) != want {
			t.Errorf("%s: message %q, want %q", why, message(err), want)
		}
	}
	me := `{"AWS":"` + w.operator.ARN + `"}`
	if_ := func(c string) string { return trusting(me, where(c)) }

	allow("the account as root", trusting(`{"AWS":"arn:aws:iam::111122223333:root"}`))
	allow("the account as digits", trusting(`{"AWS":"111122223333"}`))
	allow("the user", trusting(me))
	allow("one of several",
		trusting(`{"AWS":["arn:aws:iam::444455556666:root","`+w.operator.ARN+`"],"Service":"ecs-tasks.amazonaws.com"}`))
	allow("everyone", trusting(`"*"`))
	allow("every AWS principal", trusting(`{"AWS":"*"}`))
	deny("another account", trusting(`{"AWS":"444455556666"}`))
	deny("a user whose name begins like mine", trusting(`{"AWS":"`+w.vendor.CreateUser("operator2", "").ARN+`"}`))
	deny("a service", trusting(`{"Service":"ecs-tasks.amazonaws.com"}`))
	deny("a session of that name", trusting(`{"AWS":"arn:aws:sts::111122223333:assumed-role/operator/run-1"}`))
	deny("everyone but me",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotPrincipal":{"AWS":"`+w.operator.ARN+
			`"},"Action":"sts:AssumeRole"}}`)
	allow("everyone but another",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotPrincipal":{"AWS":"444455556666"},`+
			`"Action":"sts:AssumeRole"}}`)

	for _, action := range []string{`"sts:AssumeRole"`, `"STS:assumerole"`, `"sts:*"`, `"sts:Assume????"`, `"*"`,
		`["sts:TagSession","sts:AssumeRole"]`} {
		allow("action "+action,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":`+action+`}]}`)
	}
	deny("another action",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRoleWithSAML"}]}`)
	deny("all actions but this",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","NotAction":"sts:AssumeRole"}]}`)
	allow("all actions but another",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","NotAction":"sts:TagSession"}]}`)
	deny("denied after being allowed",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},`+
			` {"Effect":"Deny","Principal":`+me+`,"Action":"sts:AssumeRole"}]}`)

	deny("an external id is asked for and none came", if_(`{"StringEquals":{"sts:ExternalId":"e-42"}}`))
	deny("an external id is asked for and another came", if_(`{"StringEquals":{"sts:ExternalId":"e-42"}}`),
		externalID("e-43"))
	allow("the external id came", if_(`{"StringEquals":{"sts:ExternalId":"e-42"}}`), externalID("e-42"))
	allow("one of two external ids came", if_(`{"StringEquals":{"sts:ExternalId":["e-41","e-42"]}}`),
		externalID("e-42"))
	deny("case counts in values", if_(`{"StringEquals":{"sts:ExternalId":"E-42"}}`), externalID("e-42"))
	allow("case does not count in keys", if_(`{"StringEquals":{"STS:externalid":"e-42"}}`), externalID("e-42"))
	allow("a negation accepts an absent key", if_(`{"StringNotEquals":{"sts:ExternalId":"e-42"}}`))
	deny("a negation refuses each of its values", if_(`{"StringNotEquals":{"sts:ExternalId":["e-41","e-42"]}}`),
		externalID("e-42"))
	allow("IfExists accepts an absent key", if_(`{"StringEqualsIfExists":{"sts:ExternalId":"e-42"}}`))
	deny("IfExists compares a present key", if_(`{"StringEqualsIfExists":{"sts:ExternalId":"e-42"}}`),
		externalID("e-43"))
	allow("Null true means absent", if_(`{"Null":{"sts:ExternalId":"true"}}`))
	deny("Null true refuses what is there", if_(`{"Null":{"sts:ExternalId":true}}`), externalID("e-42"))
	deny("Null false refuses what is absent", if_(`{"Null":{"sts:ExternalId":"false"}}`))
	deny("all operators must hold",
		if_(`{"StringEquals":{"sts:ExternalId":"e-42"},"StringLike":{"sts:RoleSessionName":"x*"}}`), externalID("e-42"))
	allow("all operators hold",
		if_(`{"StringEquals":{"sts:ExternalId":"e-42"},"StringLike":{"sts:RoleSessionName":"run-?"}}`),
		externalID("e-42"))
	deny("the duration is not a key of AssumeRole", if_(`{"NumericLessThanEquals":{"sts:DurationSeconds":"43200"}}`),
		lasting(900))

	allow("the principal's ARN by pattern", trusting(`{"AWS":"111122223333"}`,
		where(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:user/op*"}}`)))
	deny("another ARN by pattern", trusting(`{"AWS":"111122223333"}`,
		where(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}}`)))
	deny("a pattern does not run over colons", trusting(`{"AWS":"111122223333"}`,
		where(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam:*operator"}}`)))
	allow("a string does", trusting(`{"AWS":"111122223333"}`,
		where(`{"StringLike":{"aws:PrincipalArn":"arn:aws:iam:*operator"}}`)))
	allow("the user's name as a variable", if_(`{"StringLike":{"sts:RoleSessionName":"${aws:username}-*"}}`),
		sessionName("operator-7"))
	deny("another name than the variable", if_(`{"StringLike":{"sts:RoleSessionName":"${aws:username}-*"}}`),
		sessionName("other-7"))
	deny("a variable without a value", if_(`{"StringLike":{"sts:RoleSessionName":"${aws:PrincipalTag/none}*"}}`))
	deny("no variables before 2012",
		`{"Version":"2008-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole",`+
			`"Condition":{"StringLike":{"sts:RoleSessionName":"${aws:username}-*"}}}}`, sessionName("operator-7"))
	allow("the address", if_(`{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","127.0.0.0/8"]}}`))
	deny("another address", if_(`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`))
	deny("but this address", if_(`{"NotIpAddress":{"aws:SourceIp":"127.0.0.1"}}`))
	allow("transport", if_(`{"Bool":{"aws:SecureTransport":true}}`))
	allow("the region asked", if_(`{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}`))
	allow("before the end of time",
		if_(`{"DateLessThan":{"aws:CurrentTime":"2999-01-01T00:00:00Z"},"NumericGreaterThan":{"aws:EpochTime":1000}}`))
	deny("no MFA key on long-term keys", if_(`{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`))
	allow("the type of principal",
		if_(`{"StringEquals":{"aws:PrincipalType":"User","aws:PrincipalAccount":"111122223333",`+
			`"aws:userid":"`+w.operator.ID+`"}}`))

	only := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`
	deny("tags without TagSession", only, tags("team", "blue"))
	deny("a source identity without SetSourceIdentity", only, sourceIdentity("alice"))
	allow("tags with TagSession", trusting(`"*"`), tags("team", "blue"))
	allow("a tag as asked for", if_(`{"StringEquals":{"aws:RequestTag/Team":["blue","green"]}}`), tags("team", "blue"))
	deny("a tag that is missing", if_(`{"StringEquals":{"aws:RequestTag/team":"blue"}}`), tags("other", "blue"))
	allow("only tags of these keys", if_(`{"ForAllValues:StringEquals":{"aws:TagKeys":["team","run"]}}`),
		tags("team", "blue"))
	deny("a tag of another key", if_(`{"ForAllValues:StringEquals":{"aws:TagKeys":["team","run"]}}`),
		tags("team", "blue", "cost", "1"))
	allow("ForAllValues holds of nothing", if_(`{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}`))
	deny("ForAnyValue does not", if_(`{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}`))
	allow("one of the tags", if_(`{"ForAnyValue:StringEquals":{"aws:TagKeys":["team"]}}`),
		tags("team", "blue", "cost", "1"))
	allow("the source identity", if_(`{"StringLike":{"sts:SourceIdentity":"al*"}}`), sourceIdentity("alice"))
	deny("aws:SourceIdentity is the session's, and there is none", if_(`{"StringLike":{"aws:SourceIdentity":"*"}}`),
		sourceIdentity("alice"))
}

// TestWhoMustAllow is the table of what must be allowed on which side.
func TestWhoMustAllow(t *testing.T) {
	const none = ""
	may := policyFor("sts:*", "arn:aws:iam::*:role/*")
	for _, test := range []struct {
		name      string
		account   string // of the role
		principal string // USER, ACCOUNT or *
		identity  string
		want      string
	}{
		{"across accounts, both sides", customerID, "USER", may, ""},
		{"across accounts, only the trust policy", customerID, "USER", none, "AccessDenied"},
		{"across accounts, everyone trusted, only the trust policy", customerID, "*", none, "AccessDenied"},
		{"within, the user named", vendorID, "USER", none, ""},
		{"within, everyone named", vendorID, "*", none, ""},
		{"within, the account named", vendorID, "ACCOUNT", none, "AccessDenied"},
		{"within, the account named and the user allowed", vendorID, "ACCOUNT", may, ""},
		{"within, another role allowed", vendorID, "ACCOUNT",
			policyFor("sts:AssumeRole", "arn:aws:iam::"+vendorID+":role/other"), "AccessDenied"},
		{"within, the user named and denied", vendorID, "USER",
			`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:*","Resource":"*"}}`, "AccessDenied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			user := w.vendor.CreateUser("someone", test.identity)
			principal := map[string]string{"USER": `{"AWS":"` + user.ARN + `"}`,
				"ACCOUNT": `{"AWS":"` + vendorID + `"}`, "*": `"*"`}[test.principal]
			role := w.aws.Account(test.account).CreateRole(
				awssim.Role{Name: "target", Path: "/a/b/", TrustPolicy: trusting(principal)})
			_, err := w.assume(user.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
			wantCode(t, err, test.want)
		})
	}
}

func TestReasonsWithinAnAccount(t *testing.T) {
	w := newWorld(t)
	user := w.vendor.CreateUser("someone", "")
	role := w.vendor.CreateRole(awssim.Role{Name: "target", TrustPolicy: trusting(`{"AWS":"` + vendorID + `"}`)})
	who := "User: " + user.ARN + " is not authorized to perform: sts:AssumeRole"
	deny := func(want string) {
		t.Helper()
		_, err := w.assume(user.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
		wantMessage(t, err, who+want)
	}
	deny(" on resource: " + role.ARN + " because no identity-based policy allows the sts:AssumeRole action")

	w.vendor.SetUserPolicy("someone", "no",
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`)
	deny(" on resource: " + role.ARN + " with an explicit deny in an identity-based policy")
	w.vendor.SetUserPolicy("someone", "no", "")

	w.vendor.SetSCP(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}}`)
	deny(" on resource: " + role.ARN + " with an explicit deny in a service control policy")
	w.vendor.SetSCP()

	w.vendor.SetTrustPolicy("target", trusting(`{"AWS":"`+customerID+`"}`))
	deny(" because no role trust policy allows the sts:AssumeRole action")
	w.vendor.SetTrustPolicy("target",
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}}`)
	deny(" with an explicit deny in the role trust policy")

	gone := "arn:aws:iam::" + vendorID + ":role/gone"
	_, err := w.assume(user.Key, &sts.AssumeRoleInput{RoleArn: &gone})
	wantMessage(t, err, who+" because no role trust policy allows the sts:AssumeRole action")
}

// Across accounts a role that is not there, one that refuses, and a caller
// without permission get the same words.
func TestNoOracle(t *testing.T) {
	w := newWorld(t)
	nobody := w.vendor.CreateUser("nobody", "")
	open, shut := w.role("open", trusting(`"*"`)), w.role("shut", trusting(`{"AWS":"444455556666"}`))
	for _, try := range []struct {
		key  awssim.User
		role string
	}{
		{w.operator, shut.ARN},
		{w.operator, "arn:aws:iam::444455556666:role/missing"},
		{w.operator, "arn:aws:iam::999999999999:role/elsewhere"},
		{w.operator, "arn:aws:iam::444455556666:role/OPEN"},
		{w.operator, "arn:aws:iam::444455556666:role/path/open"},
		{w.operator, "arn:aws-cn:iam::444455556666:role/open"},
		{nobody, open.ARN},
	} {
		_, err := w.assume(try.key.Key, &sts.AssumeRoleInput{RoleArn: &try.role})
		wantCode(t, err, "AccessDenied")
		wantMessage(t, err, "User: "+try.key.ARN+" is not authorized to perform: sts:AssumeRole on resource: "+try.role)
	}
}

func TestRecreatedPrincipalIsAStranger(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`{"AWS":"`+w.operator.ARN+`"}`))
	w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	w.vendor.DeleteUser("operator")
	again := w.vendor.CreateUser("operator", awssim.AllowAll)
	if again.ARN != w.operator.ARN {
		t.Fatalf("the ARN changed: %s", again.ARN)
	}
	_, err := w.assume(again.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	wantCode(t, err, "AccessDenied")
	_, err = w.assume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	wantCode(t, err, "InvalidClientTokenId")
	shown, _ := w.customer.Role("readonly")
	if want := trusting(`{"AWS":"` + w.operator.ID + `"}`); shown.TrustPolicy != want {
		t.Errorf("trust policy shown:\n got %s\nwant %s", shown.TrustPolicy, want)
	}
}

// hop creates a role in the vendor's account and returns its session.
func (w *world) hop(name string, options ...func(*sts.AssumeRoleInput)) (awssim.Role, awssim.Credentials) {
	role := w.vendor.CreateRole(awssim.Role{Name: name, Path: "/hop/",
		TrustPolicy: trusting(`{"AWS":"` + vendorID + `"}`), MaxSessionDuration: 12 * time.Hour,
		Policies: map[string]string{"all": awssim.AllowAll}})
	in := asking(options...)
	in.RoleArn = &role.ARN
	return role, w.mustAssume(w.operator.Key, in)
}

func TestRoleSessionsAsPrincipals(t *testing.T) {
	w := newWorld(t)
	hop, session := w.hop("broker")
	role := w.customer.CreateRole(awssim.Role{Name: "target", TrustPolicy: trusting(`"*"`),
		MaxSessionDuration: 12 * time.Hour})
	for principal, want := range map[string]string{
		hop.ARN: "",
		"arn:aws:sts::111122223333:assumed-role/broker/run-1":     "",
		"arn:aws:sts::111122223333:assumed-role/broker/run-2":     "AccessDenied",
		"arn:aws:sts::111122223333:assumed-role/hop/broker/run-1": "AccessDenied",
		w.operator.ARN: "AccessDenied",
	} {
		w.customer.SetTrustPolicy("target", trusting(`{"AWS":"`+principal+`"}`))
		_, err := w.assume(session, &sts.AssumeRoleInput{RoleArn: &role.ARN})
		wantCode(t, err, want)
	}
	w.customer.SetTrustPolicy("target", trusting(`{"AWS":"111122223333"}`,
		where(
			`{"ArnEquals":{"aws:PrincipalArn":"`+hop.ARN+`"},"StringEquals":{"aws:PrincipalType":"AssumedRole",`+
				`"aws:userid":"`+hop.ID+`:run-1"}}`)))
	w.mustAssume(session, &sts.AssumeRoleInput{RoleArn: &role.ARN})
}

func TestSessionPolicyRestricts(t *testing.T) {
	w := newWorld(t)
	hop, _ := w.hop("broker")
	limited := func(policy string) awssim.Credentials {
		return w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &hop.ARN, Policy: &policy})
	}
	reading := limited(policyFor("iam:Get*", "*"))
	within := w.vendor.CreateRole(awssim.Role{Name: "within", TrustPolicy: trusting(`{"AWS":"` + hop.ARN + `"}`)})
	bySession := w.vendor.CreateRole(awssim.Role{Name: "by-session",
		TrustPolicy: trusting(`{"AWS":"arn:aws:sts::111122223333:assumed-role/broker/run-1"}`)})

	_, err := w.assume(reading, &sts.AssumeRoleInput{RoleArn: &within.ARN})
	wantMessage(t, err,
		"User: arn:aws:sts::111122223333:assumed-role/broker/run-1 is not authorized to perform: sts:AssumeRole on "+
			"resource: "+within.ARN+" because no session policy allows the sts:AssumeRole action")
	w.mustAssume(reading, &sts.AssumeRoleInput{RoleArn: &bySession.ARN})
	w.mustAssume(limited(policyFor("sts:AssumeRole", within.ARN)), &sts.AssumeRoleInput{RoleArn: &within.ARN})

	_, err = w.iam(reading).GetRole(context.Background(), getRole("within"))
	wantCode(t, err, "")
	_, err = w.iam(reading).DeleteRole(context.Background(), deleteRole("within"))
	wantCode(t, err, "AccessDenied")
}

func TestChains(t *testing.T) {
	w := newWorld(t)
	target := w.customer.CreateRole(awssim.Role{Name: "target", TrustPolicy: trusting(`{"AWS":"111122223333"}`),
		MaxSessionDuration: 12 * time.Hour})
	_, session := w.hop("broker", sourceIdentity("alice"), tags("Team", "blue", "Run", "7"), transitive("Team"))
	ask := func(want string, options ...func(*sts.AssumeRoleInput)) {
		t.Helper()
		in := asking(options...)
		in.RoleArn = &target.ARN
		_, err := w.assume(session, in)
		wantCode(t, err, want)
	}
	ask("", lasting(3600))
	ask("ValidationError", lasting(3601))
	ask("InvalidParameterValue", tags("team", "green"))
	ask("", tags("run", "8"))
	ask("AccessDenied", sourceIdentity("mallory"))
	ask("", sourceIdentity("alice"))

	w.customer.SetTrustPolicy("target", trusting(`{"AWS":"111122223333"}`,
		where(
			`{"StringEquals":{"aws:PrincipalTag/team":"blue","aws:PrincipalTag/run":"7",`+
				`"aws:ResourceTag/Team":"blue","sts:SourceIdentity":"alice","aws:SourceIdentity":"alice"}}`)))
	ask("")
	w.customer.SetTrustPolicy("target",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},`+
			`"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}}`)
	ask("AccessDenied") // inherited tags need sts:TagSession
	w.customer.SetTrustPolicy("target",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},`+
			`"Action":["sts:AssumeRole","sts:TagSession"]}}`)
	ask("AccessDenied") // and an inherited source identity sts:SetSourceIdentity
}

func TestServiceSession(t *testing.T) {
	w := newWorld(t)
	w.vendor.CreateRole(awssim.Role{Name: "pod", TrustPolicy: trusting(`{"Service":"pods.eks.amazonaws.com"}`,
		where(`{"StringEquals":{"aws:SourceAccount":"111122223333"}}`)),
		Policies: map[string]string{"all": awssim.AllowAll}})
	k, err := w.vendor.ServiceSession(awssim.ServiceSession{Service: "pods.eks.amazonaws.com", Role: "pod",
		Tags: map[string]string{"kubernetes-namespace": "agents"}, Transitive: []string{"kubernetes-namespace"}})
	if err != nil {
		t.Fatal(err)
	}
	role := w.role("target",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}`)
	_, err = w.assume(k, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	wantMessage(t, err,
		"User: arn:aws:sts::111122223333:assumed-role/pod/session is not authorized to perform: sts:TagSession on "+
			"resource: "+role.ARN)
	w.customer.SetTrustPolicy("target", trusting(`"*"`,
		where(`{"StringEquals":{"aws:PrincipalTag/kubernetes-namespace":"agents"}}`)))
	w.mustAssume(k, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	if _, err := w.vendor.ServiceSession(awssim.ServiceSession{Service: "lambda.amazonaws.com",
		Role: "pod"}); err == nil {
		t.Error("a service that is not trusted got a session")
	}
}
