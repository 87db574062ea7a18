package setup_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// merging is a subject with one role, whose current trust policy has these
// statements.
func merging(t testing.TB, statements string) setup.Subject {
	s := setup.Subject{Integration: "production", Mode: rolebroker.ModePlatform, Platform: placed,
		ExternalIDs: []string{externalID},
		Earlier:     []string{earlierID}, Roles: []rolebroker.Role{role(t, "readonly",
			"arn:aws:iam::444455556666:role/ReadOnly")}}
	s.Request.Role, s.Request.CurrentPolicy = "readonly", document(statements)
	return s
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

const (
	root  = "arn:aws:iam::111122223333:root"
	exact = "arn:aws:iam::111122223333:role/ops/broker"
	// What IAM shows for principals that were deleted.
	goneRole = "AROA3XFRBF535PLBIFPI4"
	goneUser = "AIDAHD5N2CPOLBEGZPHQ7"

	issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF0123456789ABCDEF0123456789"
	actAll = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	ec2    = `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`
)

// st is an Allow statement for a principal, with further elements.
func st(principal string, more ...string) string {
	return `{"Effect":"Allow","Principal":` + principal + strings.Join(append([]string{""}, more...), ",") + `}`
}

func awsOf(names ...string) string {
	if len(names) == 1 {
		return `{"AWS":"` + names[0] + `"}`
	}
	return `{"AWS":["` + strings.Join(names, `","`) + `"]}`
}

func action(raw string) string    { return `"Action":` + raw }
func condition(raw string) string { return `"Condition":` + raw }

// ours is our statement with further conditions.
func ours(more ...string) string {
	return st(awsOf(root), action(actAll), condition(`{"StringEquals":{"sts:ExternalId":"`+externalID+`"}`+
		strings.Join(append([]string{""}, more...), ",")+`}`))
}

func TestMerge(t *testing.T) {
	merge := func(why, current, want string, changes ...func(*setup.Subject)) {
		t.Helper()
		s := merging(t, current)
		for _, change := range changes {
			change(&s)
		}
		done := write(t, s).Roles[0]
		var got strings.Builder
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(json.RawMessage(done.Merged)); err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(got.String()) != document(want) {
			t.Errorf("%s:\n got %s\nwant %s", why, got.String(), document(want))
		}
		if (done.Diff == "") != (current == want) {
			t.Errorf("%s: the difference is %q", why, done.Diff)
		}
		s.Request.CurrentPolicy = done.Merged
		if again := write(t, s).Roles[0]; again.Merged != done.Merged || again.Diff != "" {
			t.Errorf("%s: a second time it is another: %s", why, again.Diff)
		}
	}
	keep := func(why, current string, changes ...func(*setup.Subject)) {
		t.Helper()
		merge(why, current, current, changes...)
	}
	byRole := func(s *setup.Subject) { s.Request.Principal = rolebroker.PrincipalExact }
	byTwo := func(s *setup.Subject) { s.ExternalIDs = []string{externalID, nextID} }
	withNone := func(s *setup.Subject) { s.ExternalIDs = nil }
	unknown := func(s *setup.Subject) { s.Platform = rolebroker.Identity{} }
	placeholder := strings.ReplaceAll(ours(), vendorID, "PLATFORM_ACCOUNT_ID")
	plainRoot := st(awsOf(root), action(`"sts:AssumeRole"`))
	two := `{"StringEquals":{"sts:ExternalId":["` + externalID + `","` + nextID + `"]}}`
	one := `{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}`
	ip := `"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`

	merge("into what trusts others", ec2, ec2+","+ours())
	merge("as the account", ec2+","+plainRoot, ec2+","+ours())
	merge("in its place", plainRoot+","+ec2, ours()+","+ec2)
	merge("as a bare account ID", st(awsOf(vendorID), action(`"sts:AssumeRole"`)), ours())
	merge("with an earlier external ID", st(awsOf(root), action(actAll),
		condition(`{"StringEquals":{"sts:ExternalId":"`+earlierID+`"}}`)), ours())
	merge("that an external ID may be absent", st(awsOf(root), action(actAll),
		condition(`{"StringEqualsIfExists":{"sts:ExternalId":"`+externalID+`"}}`)), ours())
	merge("among others, who stay", st(awsOf(root, "arn:aws:iam::777788889999:root"), `"Sid":"x"`,
		action(`"sts:AssumeRole"`)),
		st(`{"AWS":["arn:aws:iam::777788889999:root"]}`, `"Sid":"x"`, action(`"sts:AssumeRole"`))+","+ours())
	merge("among services, which stay", st(`{"Service":"a.b","AWS":"`+root+`"}`, action(`"sts:AssumeRole"`)),
		st(`{"Service":"a.b"}`, action(`"sts:AssumeRole"`))+","+ours())
	merge("in two statements", plainRoot+","+ec2+","+st(awsOf(exact), action(actAll)), ours()+","+ec2)
	merge("with a condition of theirs", st(awsOf(root), action(`"sts:AssumeRole"`),
		condition(`{`+ip+`,"StringLike":{"sts:RoleSessionName":"s*"}}`)),
		ours(ip, `"StringLike":{"sts:RoleSessionName":"s*"}`))
	merge("with a condition of theirs beside an old external ID",
		st(awsOf(root), action(`"sts:AssumeRole"`),
			condition(`{"StringEquals":{"aws:RequestedRegion":"x","STS:externalid":["`+earlierID+`"]}}`)),
		st(awsOf(root), action(actAll), condition(`{"StringEquals":{"sts:ExternalId":"`+
			externalID+`","aws:RequestedRegion":"x"}}`)))
	merge("with and without a condition: without is what counted",
		st(awsOf(root), action(`"sts:AssumeRole"`), condition(`{`+ip+`}`))+","+plainRoot, ours())
	merge("with one condition or another", st(awsOf(root), action(`"sts:AssumeRole"`), condition(`{`+ip+`}`))+","+
		st(awsOf(root), action(`"sts:*"`), condition(`{"Bool":{"a:b":true}}`)),
		ours(ip)+","+strings.Replace(ours(`"Bool":{"a:b":true}`), actAll, `"sts:*"`, 1))
	merge("too little beside what is right", plainRoot+","+ours(), ours())
	for _, pattern := range []string{`"*"`, `"rb-*"`, `["rb-????????????????","` + externalID + `"]`, `["` + earlierID +
		`","rb-0*"]`} {
		open := st(awsOf(root), action(actAll), condition(`{"StringLike":{"sts:ExternalId":`+pattern+`}}`))
		merge("with an external ID of the pattern "+pattern, open+","+ec2, ours()+","+ec2)
		merge("and by one of two external IDs", open, st(awsOf(root), action(actAll), condition(two)), byTwo)
	}
	for _, other := range []string{`"StringLike":{"sts:ExternalId":"theirs-*"}`,
		`"StringLike":{"sts:ExternalId":["rb-*","theirs"]}`,
		`"StringEquals":{"sts:ExternalId":"rb-*"}`, `"StringNotLike":{"sts:ExternalId":"rb-*"}`,
		`"StringLike":{"sts:ExternalId":"RB-*"}`} {
		theirs := st(awsOf(root), action(actAll), condition(`{`+other+`}`))
		merge("for somebody else's external ID by "+other, theirs, theirs+","+ours())
	}
	merge("that denies", `{"Effect":"Deny","Principal":{"AWS":"`+root+`"},"Action":"sts:*"}`,
		`{"Effect":"Deny","Principal":{"AWS":"`+root+`"},"Action":"sts:*"},`+ours())
	merge("for somebody else's external ID", st(awsOf(root), action(actAll),
		condition(`{"StringEquals":{"sts:ExternalId":"theirs"}}`)),
		st(awsOf(root), action(actAll), condition(`{"StringEquals":{"sts:ExternalId":"theirs"}}`))+","+ours())
	merge("for ours and somebody else's, with too few actions",
		st(awsOf(root), action(`"sts:AssumeRole"`), condition(`{"StringEquals":{"sts:ExternalId":["theirs","`+
			externalID+`"]}}`)),
		st(awsOf(root), action(`"sts:AssumeRole"`), condition(`{"StringEquals":{"sts:ExternalId":["theirs","`+
			externalID+`"]}}`))+","+ours())
	merge("for another role of our account", st(awsOf(root), action(`"sts:AssumeRole"`),
		condition(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/ci-*"}}`)),
		st(awsOf(root), action(`"sts:AssumeRole"`),
			condition(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/ci-*"}}`))+","+ours())
	merge("for our role by pattern", st(awsOf(root), action(`"sts:AssumeRole"`),
		condition(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*/br?ker"}}`)),
		ours(`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*/br?ker"}`))
	merge("that has other actions", st(awsOf(root), action(`"sts:TagSession"`)),
		st(awsOf(root), action(`"sts:TagSession"`))+","+ours())
	merge("of another account that begins alike", st(awsOf("arn:aws:iam::111122223333:role/brokers"),
		action(`"sts:AssumeRole"`)),
		st(awsOf("arn:aws:iam::111122223333:role/brokers"), action(`"sts:AssumeRole"`))+","+ours())
	merge("with two external IDs", ours(), st(awsOf(root), action(actAll), condition(two)), byTwo)
	merge("with one external ID again", st(awsOf(root), action(actAll), condition(two)), ours(),
		func(s *setup.Subject) { s.Earlier = []string{nextID} })
	merge("from the account to the role", ours(), st(awsOf(exact), action(actAll), condition(one)), byRole)
	merge("from both to the role", st(awsOf(root, exact), action(actAll), condition(one)),
		st(awsOf(exact), action(actAll), condition(one)), byRole)
	merge("without an external ID", st(awsOf(root), action(`"sts:AssumeRole"`)), st(awsOf(root), action(actAll)),
		withNone)
	merge("of a platform that is not known", plainRoot, plainRoot+","+placeholder, unknown)
	merge("into nothing", "", ours())

	for _, id := range []string{goneRole, goneUser, goneRole + ":session"} {
		stale := func(more ...string) string {
			return strings.Replace(ours(more...), root, id, 1)
		}
		byExact := strings.Replace(ours(), root, exact, 1)
		asked := func(s *setup.Subject) { s.Request.Principal = rolebroker.PrincipalAccount }
		merge("for an identity that we had", ec2+","+stale(), ec2+","+byExact)
		merge("for an identity that we had, with an earlier external ID",
			strings.Replace(stale(), externalID, earlierID, 1), byExact)
		merge("for an identity that we had, with a condition of theirs", stale(ip),
			strings.Replace(ours(ip), root, exact, 1))
		merge("for an identity that we had, as the account", stale(), ours(), asked)
		merge("for an identity that we had, beside what is right", stale()+","+ours(), ours())
		merge("for an identity that we had, and others",
			st(awsOf(id, "arn:aws:iam::777788889999:root"), action(`"sts:AssumeRole"`), condition(one)),
			st(`{"AWS":["arn:aws:iam::777788889999:root"]}`, action(`"sts:AssumeRole"`), condition(one))+","+byExact)
		for _, theirs := range []string{
			st(awsOf(id), action(`"sts:AssumeRole"`)),
			strings.Replace(stale(), externalID, "theirs", 1),
			st(awsOf(id), action(`"sts:AssumeRole"`),
				condition(`{"StringEquals":{"sts:ExternalId":["theirs","`+externalID+`"]}}`)),
			st(awsOf(id), action(`"sts:AssumeRole"`), condition(`{"StringLike":{"sts:ExternalId":"rb-*"}}`)),
			st(awsOf(id), action(`"sts:AssumeRole"`),
				condition(`{"StringNotEquals":{"sts:ExternalId":"`+externalID+`"}}`)),
			st(awsOf(id), action(`"sts:AssumeRole"`), condition(`{"StringEquals":{"sts:ExternalId":[]}}`)),
			strings.Replace(stale(), `"Allow"`, `"Deny"`, 1), strings.Replace(stale(), `"AWS"`, `"Federated"`, 1),
		} {
			merge("for others that were deleted", theirs, theirs+","+ours())
			merge("for others that were deleted, of a platform that is not known", theirs, theirs+","+placeholder,
				unknown)
			merge("for others that were deleted, without an external ID", theirs,
				theirs+","+st(awsOf(root), action(actAll)),
				withNone, func(s *setup.Subject) { s.Earlier = nil })
		}
	}

	keep("what is right", ec2+","+ours())
	keep("what is right with a bare account ID, in another order",
		st(awsOf(vendorID), action(`"sts:*"`), condition(`{"StringLike":{"STS:ExternalID":["`+externalID+`"]}}`)))
	keep("what is right with conditions of theirs", ours(ip))
	keep("what is right for ours and for theirs", st(awsOf(root), action(actAll),
		condition(`{"StringEquals":{"sts:ExternalId":["theirs","`+externalID+`"]}}`)))
	keep("both external IDs in the other order", st(awsOf(root), action(actAll),
		condition(`{"StringEquals":{"sts:ExternalId":["`+nextID+`","`+externalID+`"]}}`)), byTwo)
}

// Unless the request names a form, a policy that names the platform exactly keeps
// doing so, and does not let in the account.
func TestMergeWidensNoPrincipal(t *testing.T) {
	all, one := action(actAll), condition(`{"StringEquals":{"sts:ExternalId":"`+externalID+`"}}`)
	little, ip := action(`"sts:AssumeRole"`), condition(`{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)
	only := func(principal string) string { return st(awsOf(principal), all, one) }
	both := condition(`{"StringEquals":{"sts:ExternalId":"` + externalID +
		`"},"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)
	theirs := st(awsOf(exact), all, condition(`{"StringEquals":{"sts:ExternalId":"theirs"}}`))
	const unplaced = "arn:aws:iam::111122223333:role/broker"
	for _, test := range []struct {
		why           string
		platform      rolebroker.Identity
		form          rolebroker.PrincipalForm
		current, want string
	}{
		{"our role", placed, "", only(exact), only(exact)},
		{"our role, with too little", placed, "", st(awsOf(exact), little), only(exact)},
		{"our role under a path that it does not have", placed, "", only(unplaced), only(exact)},
		{"our role under a path that we do not know", session, "", st(awsOf(exact), little), only(exact)},
		{"our role under a path that we do not know, asked for", session, "exact", only(exact), only(exact)},
		{"our user", user, "", st(awsOf(user.ARN), little), only(user.ARN)},
		{"our session", placed, "", only(session.ARN), only(session.ARN)},
		{"our session, with too little", placed, "", st(awsOf(session.ARN), little), only(session.ARN)},
		{"our role, and the session with it", placed, "", st(awsOf(exact, session.ARN), little), only(exact)},
		{"our role, and the account from some addresses", placed, "", only(exact) + "," + st(awsOf(root), little, ip),
			only(exact) + "," + st(awsOf(root), all, both)},
		{"the account, and so our role", placed, "", only(root) + "," + st(awsOf(exact), little), only(root)},
		{"our role among others", placed, "", st(awsOf(exact, "arn:aws:iam::777788889999:root"), little),
			st(`{"AWS":["arn:aws:iam::777788889999:root"]}`, little) + "," + only(exact)},
		{"our role for another integration", placed, "", theirs, theirs + "," + only(exact)},
		{"the account", placed, "", only(root), only(root)},
		{"our role, and the account is asked for", placed, "account", only(exact), only(root)},
		{"our user, and the account is asked for", user, "account", only(user.ARN), only(root)},
		{"our session, and the account is asked for", session, "account", only(session.ARN), only(root)},
		{"the account, and the role is asked for", placed, "exact", only(root), only(exact)},
		{"our session, and the role is asked for", placed, "exact", only(session.ARN), only(exact)},
	} {
		s := merging(t, test.current)
		s.Platform, s.Request.Principal = test.platform, test.form
		done := write(t, s)
		if got := decoded(t, done.Roles[0].Merged); got != decoded(t, document(test.want)) {
			t.Errorf("%s:\n got %s\nwant %s", test.why, got, test.want)
		}
		if (done.Roles[0].Diff == "") != (test.current == test.want) {
			t.Errorf("%s: the difference is %s", test.why, done.Roles[0].Diff)
		}
		widens := strings.Contains(strings.Join(done.Notes, " "), "alone, and the new one, as it was asked "+
			"for, the whole account: "+root)
		if widens != (test.form == "account") {
			t.Errorf("%s: the notes are %q", test.why, done.Notes)
		}
		if s.Request.CurrentPolicy = done.Roles[0].Merged; write(t, s).Roles[0].Diff != "" {
			t.Errorf("%s: a second time it is another", test.why)
		}
	}
	for form, want := range map[rolebroker.PrincipalForm]string{"": exact, "account": root} {
		s := merging(t, st(awsOf(root), all, condition(`{"StringEquals":{"sts:ExternalId":"theirs"}}`))+","+only(exact))
		s.Platform, s.Request.Principal = session, form
		done := write(t, s)
		if done.Principal != want || !strings.Contains(done.Roles[0].Statement, want) ||
			!strings.Contains(done.TrustPolicy, want) || strings.Contains(done.AWSCLI, "does not tell") {
			t.Errorf("asked for %q, it is for %s, and has %s", form, done.Principal, done.Roles[0].Statement)
		}
		if exactly := strings.Contains(done.Text, "[x] exact"); exactly != (form == "") {
			t.Errorf("asked for %q, the guide says\n%s", form, done.Text)
		}
	}
}

// Actions that others allowed us besides stay, and let in nobody else.
func TestMergeKeepsOtherActions(t *testing.T) {
	one := condition(`{"StringEquals":{"sts:ExternalId":"` + externalID + `"}}`)
	with := func(actions string) string { return st(awsOf(root), action(actions), one) }
	plain := func(actions string) string { return st(awsOf(root), action(actions)) }
	const setContext = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity","sts:SetContext"]`
	for _, test := range []struct{ why, current, want string }{
		{"one more", plain(`["sts:AssumeRole","sts:SetContext"]`), with(setContext)},
		{"one more, in another case", plain(`["STS:assumerole","sts:SetContext","STS:setcontext"]`), with(setContext)},
		{"one more, of another account too", st(awsOf(root, "arn:aws:iam::777788889999:root"),
			action(`["sts:AssumeRole","sts:SetContext"]`)),
			st(`{"AWS":["arn:aws:iam::777788889999:root"]}`, action(`["sts:AssumeRole","sts:SetContext"]`)) + "," +
				with(setContext)},
		{"all of them", plain(`"sts:*"`), with(`"sts:*"`)},
		{"really all of them", plain(`["*"]`), with(`"*"`)},
		{"those of a pattern", plain(`["sts:Assume*","sts:SetContext"]`),
			with(`["sts:TagSession","sts:SetSourceIdentity","sts:Assume*","sts:SetContext"]`)},
		{"all but one of ours", st(awsOf(root), `"NotAction":"sts:TagSession"`), with(setContext)},
		{"all but one", st(awsOf(root), `"NotAction":["sts:SetContext"]`), with(actAll)},
		{"one more, beside what is right", plain(`["sts:AssumeRole","sts:SetContext"]`) + "," + with(actAll),
			with(setContext) + "," + with(actAll)},
		{"no more than what is right", plain(`["sts:AssumeRole","sts:SetContext"]`) + "," + with(setContext),
			with(setContext)},
		{"no more than all", plain(`["sts:AssumeRole","sts:S*"]`) + "," + with(`"sts:*"`), with(`"sts:*"`)},
		{"more than a pattern", plain(`["sts:AssumeRole","sts:S*"]`) + "," +
			with(`["sts:?ssumeRole","sts:TagSession","sts:S?tSourceIdentity"]`),
			with(`["sts:AssumeRole","sts:TagSession","sts:S*"]`) + "," +
				with(`["sts:?ssumeRole","sts:TagSession","sts:S?tSourceIdentity"]`)},
		{"one each", plain(`["sts:AssumeRole","sts:a"]`) + "," + plain(`["sts:AssumeRole","sts:b"]`),
			with(`["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity","sts:a"]`) + "," +
				with(`["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity","sts:b"]`)},
	} {
		s := merging(t, test.current)
		done := write(t, s).Roles[0]
		if got := decoded(t, done.Merged); got != decoded(t, document(test.want)) {
			t.Errorf("%s:\n got %s\nwant %s", test.why, got, test.want)
		}
		if s.Request.CurrentPolicy = done.Merged; write(t, s).Roles[0].Diff != "" {
			t.Errorf("%s: a second time it is another", test.why)
		}
	}
}

func TestMergeForServiceAccounts(t *testing.T) {
	cluster := func(c rolebroker.ClusterIdentity) func(string) (string, string) {
		return func(current string) (merged, diff string) {
			s := merging(t, current)
			s.Mode, s.Request.Cluster = rolebroker.ModeCluster, c
			done := write(t, s).Roles[0]
			return decoded(t, done.Merged), done.Diff
		}
	}
	federated := func(sub, more string) string {
		return st(`{"Federated":"arn:aws:iam::444455556666:oidc-provider/`+issuer+`"}`,
			action(`"sts:AssumeRoleWithWebIdentity"`),
			condition(`{"StringEquals":{"`+issuer+`:sub":"system:serviceaccount:`+sub+`"`+more+`}}`))
	}
	aud := `,"` + issuer + `:aud":"sts.amazonaws.com"`
	pods := func(namespace, more string) string {
		return st(`{"Service":"pods.eks.amazonaws.com"}`, action(`["sts:AssumeRole","sts:TagSession"]`),
			condition(`{"StringEquals":{`+more+`"aws:RequestTag/kubernetes-namespace":"`+
				namespace+`","aws:RequestTag/kubernetes-service-account":"rolebroker-runner"}}`))
	}
	source := `"aws:SourceAccount":"444455556666",`
	irsa, pod := cluster(rolebroker.ClusterIdentity{Issuer: idp}),
		cluster(rolebroker.ClusterIdentity{Variant: rolebroker.ClusterPodIdentity})
	whole := cluster(rolebroker.ClusterIdentity{Issuer: idp, Namespace: "agents", ServiceAccount: "*"})
	like := st(`{"Federated":"arn:aws:iam::444455556666:oidc-provider/`+issuer+`"}`,
		action(`"sts:AssumeRoleWithWebIdentity"`), condition(`{"StringLike":{"`+issuer+
			`:sub":"system:serviceaccount:agents:*"},"StringEquals":{`+aud[1:]+`}}`))
	for _, test := range []struct {
		why           string
		merge         func(string) (string, string)
		current, want string
	}{
		{"into what trusts others", irsa, ec2, ec2 + "," + federated("rolebroker:rolebroker-runner", aud)},
		{"without an audience", irsa, federated("rolebroker:rolebroker-runner", ""),
			federated("rolebroker:rolebroker-runner", aud)},
		{"with an action more", irsa, strings.Replace(federated("rolebroker:rolebroker-runner", ""),
			`"sts:AssumeRoleWithWebIdentity"`, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, 1),
			strings.Replace(federated("rolebroker:rolebroker-runner", aud), `"sts:AssumeRoleWithWebIdentity"`,
				`["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, 1)},
		{"for another service account", irsa, federated("a:b", aud), federated("a:b", aud) + "," +
			federated("rolebroker:rolebroker-runner", aud)},
		{"what is right", irsa, federated("rolebroker:rolebroker-runner", aud),
			federated("rolebroker:rolebroker-runner", aud)},
		{"for one service account of the namespace", whole, federated("agents:scout", aud), federated("agents:scout", aud) +
			"," + like},
		{"what is right", whole, like, like},
		{"what only looks right", whole, federated("agents:*", aud), like},
		{"into what trusts others", pod, ec2, ec2 + "," + pods("rolebroker", source)},
		{"from any account", pod, pods("rolebroker", ""), pods("rolebroker", source)},
		{"for another namespace", pod, pods("a", source), pods("a", source) + "," + pods("rolebroker", source)},
		{"what is right", pod, pods("rolebroker", source), pods("rolebroker", source)},
	} {
		got, diff := test.merge(test.current)
		if got != decoded(t, document(test.want)) || (diff == "") != (test.current == test.want) {
			t.Errorf("%s:\n got %s\nwant %s\n%s", test.why, got, test.want, diff)
		}
	}
}

// Statements of others stay as they are written, in their order.
func TestMergeKeepsOtherStatementsToTheLetter(t *testing.T) {
	s := merging(t, "")
	odd := `{"Sid":"\u00e9<&>\/","Condition":{"NumericLessThan":{"aws:EpochTime":1.50e10},"Bool":{"a:b":[true,"true"]}},"Action":["sts:AssumeRole"],"Principal":"*","Effect":"Allow"}`
	s.Request.CurrentPolicy = `{"Id":"x", "Statement" : ` + odd + ` ,"Version":"2008-10-17"}`
	done := write(t, s).Roles[0]
	compact := strings.NewReplacer("\n", "", "  ", "", ": ", ":").Replace(done.Merged)
	if want := `{"Id":"x","Statement":[` + odd + `,` + ours() + `],"Version":"2008-10-17"}`; compact != want {
		t.Errorf("\n got %s\nwant %s", compact, want)
	}
	if !strings.Contains(done.Diff, "\n+        \"AWS\": \""+root+"\"\n") || strings.Contains(done.Diff, "\n-") &&
		!strings.Contains(done.Diff, "\n-  \"Statement\": {") {
		t.Errorf("the difference is\n%s", done.Diff)
	}
}

// Invisible characters are escaped, so that a terminal shows them. The JSON means the
// same.
func TestInvisibleCharactersAreEscaped(t *testing.T) {
	for _, hidden := range []string{"\u007f", "\u0085", "\u009b", "\u200e", "\u200f", "\u2028", "\u2029", "\u202a",
		"\u202e", "\u2066", "\u2069", "\ufeff", "\U000e0041"} {
		odd := st(`{"AWS":["x`+hidden+`y"]}`, `"Sid":"no`+hidden+`2J"`, action(`"sts:AssumeRole"`),
			condition(`{"StringEquals":{"a:`+hidden+`":"é`+hidden+`"}}`))
		denial := `{"Sid":"no` + hidden + `2J","Effect":"Deny","Principal":"*","Action":"*"}`
		for _, current := range []string{odd + "," + denial, odd + "," + ours()} {
			s := merging(t, current)
			done := write(t, s)
			texts := append([]string{done.Text, done.AWSCLI, done.CloudFormation, done.Terraform, done.Roles[0].Merged,
				done.Roles[0].Diff}, done.Notes...)
			for i, text := range texts {
				if strings.Contains(text, hidden) {
					t.Errorf("%+q is in text %d:\n%+q", hidden, i, text)
				}
			}
			if got := decoded(t, done.Roles[0].Merged); !strings.HasPrefix(got,
				strings.TrimSuffix(decoded(t, document(odd)), `],"Version":"2012-10-17"}`)) {
				t.Errorf("%+q: it became %s", hidden, got)
			}
			if s.Request.CurrentPolicy = done.Roles[0].Merged; write(t, s).Roles[0].Diff != "" {
				t.Errorf("%+q: a second time it is another", hidden)
			}
		}
	}
}

// YAML has the types of JSON: what the AWS CLI quotes is a string.
func TestValuesInYAML(t *testing.T) {
	s := merging(t, "")
	s.Request.CurrentPolicy = `
Version: '2012-10-17'
Statement:
- Sid: "007"
  Effect: Allow
  Principal: '*'
  Action:
  - sts:AssumeRole
  - "sts:TagSession"
  Condition:
    Bool:
      aws:MultiFactorAuthPresent: 'true'
      "aws:SecureTransport": true
    NumericLessThan:
      aws:MultiFactorAuthAge: 3600
    StringEquals:
      aws:PrincipalAccount: '012345678901'
      aws:x: 012345678901
    "Null":
      aws:y: false
`
	want := document(`{"Sid":"007","Effect":"Allow","Principal":"*","Action":["sts:AssumeRole","sts:TagSession"],` +
		`"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true","aws:SecureTransport":true},` +
		`"NumericLessThan":{"aws:MultiFactorAuthAge":3600},"StringEquals":{"aws:PrincipalAccount":"012345678901",` +
		`"aws:x":"012345678901"},"Null":{"aws:y":false}}},` + ours())
	if got := decoded(t, write(t, s).Roles[0].Merged); got != decoded(t, want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// People paste the policy in several forms.
func TestCurrentPolicyIsReadInEveryForm(t *testing.T) {
	policy := document(ec2)
	quoted, err := json.Marshal(url.PathEscape(policy))
	if err != nil {
		t.Fatal(err)
	}
	const yaml = "Version: '2012-10-17'\nStatement:\n- Effect: Allow\n  Principal:\n    Service: ec2.amazonaws.com\n" +
		"  Action: sts:AssumeRole\n"
	indent := func(n int, text string) string {
		return strings.Repeat(" ", n) + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+strings.Repeat(" ", n))
	}
	want := write(t, merging(t, ec2)).Roles[0].Merged
	for _, text := range []string{
		policy, "\ufeff\n" + policy + "\r\n", url.PathEscape(policy), url.QueryEscape(policy), string(quoted),
		`{"Statement":` + ec2 + `,"Version":"2012-10-17"}`,
		`{"Role":{"RoleName":"ReadOnly","AssumeRolePolicyDocument":` + policy + `,"MaxSessionDuration":3600}}`,
		`{"AssumeRolePolicyDocument":` + policy + `}`,
		`{"Role":{"AssumeRolePolicyDocument":` + string(quoted) + `}}`, "[" + policy + "]",
		yaml, strings.ReplaceAll(yaml, "\n", "\r\n"), "\ufeff---\n" + yaml, "# mine\n" + yaml,
		"Role:\n  Path: /\n  Tags: []\n  MaxSessionDuration: 3600\n  AssumeRolePolicyDocument:\n" + indent(4, yaml),
		"- Role:\n    AssumeRolePolicyDocument:\n" + indent(6, yaml), "AssumeRolePolicyDocument: " + string(quoted),
		"AssumeRolePolicyDocument: |\n  " + policy,
	} {
		s := merging(t, "")
		s.Request.CurrentPolicy = text
		if got := write(t, s).Roles[0].Merged; decoded(t, got) != decoded(t, want) {
			t.Errorf("of %s came\n%s", text, got)
		}
	}
}

// The answer to GetRole says whose policy it is. One of another role is merged, with a warning in front.
func TestTheCurrentPolicyOfAnotherRoleIsWarnedOf(t *testing.T) {
	answer := func(arn string) string {
		return `{"Role":{"RoleName":"x","Arn":"` + arn + `","AssumeRolePolicyDocument":` + document(ec2) + `}}`
	}
	for text, warned := range map[string]bool{
		document(ec2): false,
		answer("arn:aws:iam::444455556666:role/ReadOnly"):                                                              false,
		answer("arn:aws:iam::444455556666:role/Deployer"):                                                              true,
		answer("arn:aws:iam::999999999999:role/ReadOnly"):                                                              true,
		"Role:\n  Arn: arn:aws:iam::444455556666:role/Deployer\n  AssumeRolePolicyDocument: '" + document(ec2) + "'\n": true,
	} {
		s := merging(t, "")
		s.Request.CurrentPolicy = text
		done := write(t, s)
		const want = "check that it is the right one"
		if got := len(done.Notes) > 0 && strings.Contains(done.Notes[0], want); got != warned {
			t.Errorf("of %s the notes are %q", text, done.Notes)
		}
		if unwrapped := strings.Join(strings.Fields(done.Text), " "); strings.Contains(unwrapped, want) != warned {
			t.Errorf("of %s the guide is\n%s", text, done.Text)
		}
	}
}

func TestDeepYAMLIsRefusedAtOnce(t *testing.T) {
	steps := &strings.Builder{}
	for i := 0; steps.Len() < 60_000; i++ {
		steps.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	for name, text := range map[string]string{
		"lists": "x:\n  " + strings.Repeat("- ", 30_000), "flow": "a: " + strings.Repeat("[", 60_000),
		"flow of objects": "a: " + strings.Repeat("{a: ", 15_000), "keys": strings.Repeat("? ", 30_000),
		"steps": steps.String(), "one line": strings.Repeat("a: ", 20_000), "empty lines": "a: |\n" + strings.Repeat(" \n", 30_000) + " b",
	} {
		s := merging(t, "")
		s.Request.CurrentPolicy = text
		if _, err := setup.New(t.Context(), s); err == nil || !strings.Contains(rolebroker.AsError(err).Fields[0].Message,
			"nested deeper, or has more lines, than any trust policy") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInvalidTrustPoliciesAreRefused(t *testing.T) {
	deep := strings.Repeat(`{"Role":`, 10) + "1" + strings.Repeat("}", 10)
	for text, want := range map[string]string{
		"hello": "is not JSON: invalid character 'h' looking for beginning of " +
			"value, at line 1, column 1",
		" \n": "is empty",
		"{\"Version\":\n  x}": "is not JSON: invalid character 'x' looking for beginning of " +
			"value, at line 2, column 3",
		`{"Version":"2012-10-17"`:  "is not JSON: unexpected end of JSON input, at line 1, column 23",
		"{\"Id\":\"\xff\"}":        "is not UTF-8",
		`[]`:                       "is not a trust policy: the policy is not an object",
		`null`:                     "is not a trust policy: the policy is not an object",
		`{"Roles":[]}`:             `is not a trust policy: it has no element "Roles"; it has Version and Statement`,
		`{"Version":"2012-10-17"}`: "is not a trust policy: it has no Statement",
		`{"Version":1}`:            "is not a trust policy: Version is not a string",
		`{"Id":"a","Id":"b"}`:      `is not a trust policy: the policy has "Id" twice`,
		document(`1`):              "is not a trust policy: its Statement[0] is not an object",
		document(ec2 + `,{}`):      "is not a trust policy: its Statement[1] has no Effect that is Allow or Deny",
		document(st(`"arn:x"`)): `is not a trust policy: its Statement[0] has a Principal that is not ` +
			`"*" and is not an object`,
		document(st(`{"AWS":[1]}`)): "is not a trust policy: its Statement[0] has a Principal that has a AWS that is " +
			"not a string or a list of strings",
		document(st(`{}`)): "is not a trust policy: its Statement[0] has no Principal; a trust policy says " +
			"in every statement for whom it is",
		document(st(`"*"`)): "is not a trust policy: its Statement[0] has no Action",
		document(st(`"*"`, action(`"a"`), `"NotAction":"b"`)): "is not a trust policy: its Statement[0] " +
			"has both Action and NotAction",
		document(st(`"*"`, action(`"s3:Get"`), `"Resource":"*"`)): "is not a trust policy: its Statement[0] " +
			"has a Resource: it is what a role may do, not who may assume it",
		document(st(`"*"`, action(`"a"`), condition(`{"Bool":{"a":{}}}`))): "is not a trust policy: its Statement[0] " +
			"has a Condition that has a a that is not a value or a list of values",
		document(st(`"*"`, action(`"a"`), `"Conditon":{}`)): `is not a trust policy: its Statement[0] ` +
			`has "Conditon", which is no element of a statement`,
		"- a":              "is not JSON: invalid character 'a' looking for beginning of value, at line 1, column 1",
		"- a: b\n- c: d\n": "is not a trust policy: the policy is not an object",
		"Version: x\nStatement:\n- Condition:\n    Bool: {aws:x: true}\n": "has " +
			"YAML that the AWS CLI does not write, at line 4",
		"Statement: [sts:x]\n": "has YAML that the AWS CLI does not write, at line 1",
		"Version: '2012-10-17'\nStatement:\n- Effect: &a Allow\n": "has " +
			"YAML that the AWS CLI does not write, at line 3",
		"Statement: !Sub x\n":               "has YAML that the AWS CLI does not write, at line 1",
		"Statement: *a\n":                   "has YAML that the AWS CLI does not write, at line 1",
		"Version: x\n<<: {Statement: []}\n": "has YAML that the AWS CLI does not write, at line 2",
		"Statement: .inf\n":                 "has YAML that the AWS CLI does not write, at line 1",
		"Version: x\n---\nVersion: x\n":     "has 2 YAML documents, not one",
		"# nothing\n":                       "is empty",
		"2012-10-17\nSTATEMENT\tsts:A\tAllow\n": "is text output of the AWS CLI, which does not say " +
			"whether it is of Principal or NotPrincipal, at line 2",
		"2012-10-17\nSTATEMENT\tsts:A\tAllow\nSTRINGEQUALS\tx\nPRINCIPAL\t" + root: "is text output of the AWS CLI, which does " +
			"not have the operators and keys of conditions, at line 3",
		"2012-10-17\nSTATEMENT\tsts:A\tAllow\nPRINCIPAL\tec2.amazonaws.com": "is text output of the AWS CLI, which does " +
			`not say what kind of principal "ec2.amazonaws.com" is, at line 3`,
		"2012-10-17\nSTATEMENT  sts:A  Allow\n": "is text output of the AWS CLI, which is cut, wrapped or changed, at line 2",
		"-----\n|  GetRole  |\n+---+\n":         "is a table of the AWS CLI that is cut, wrapped or changed, at line 2",
		"|  GetRole  |\n+-----------+\n":        "is a table of the AWS CLI that is without its top, at line 1",
		"-------------\n|  GetRole  |\n+-----------+\n": "is a table of the AWS CLI that does not show " +
			`what "GetRole" has, at line 2`,
		"-----------------\n|    GetRole    |\n+------+--------+\n|  a   |  True  |\n+------+--------+": "is a table of the AWS " +
			`CLI that does not show whether True is a string, in "GetRole", at line 2`,
		"-----------\n| GetR\u202ele |\n+---------+\n":  `is a table of the AWS CLI that has the character '\u202e', at line 2`,
		"[" + document(ec2) + "," + document(ec2) + "]": "is not a trust policy: the policy is not an object",
		document(st(awsOf("arn:aws:iam::777788889999:role/"+strings.Repeat("x", 8000)),
			action(`"sts:AssumeRole"`))): "with " +
			"the statement in it has 8348 characters without white space; IAM takes at most 8,192, if the account's " +
			`quota "Role trust policy length" is raised: take something out of it first`,
		deep:                  "has the policy in too many wrappings",
		document(ec2) + ` {}`: "is not JSON: invalid character '{' after top-level value, at line 1, column 129",
		document(st(`"*"`) + strings.Repeat(" ", 1<<18) + ec2): "has 262305 bytes, more than any trust policy",
		document(strings.Repeat(" ", 64<<10-39) + `1`):         "has 65537 bytes, more than any trust policy",
		"{\"\u009b2J\u202e\":1}": "is not a trust policy: it has no element " +
			"\"\\u009b2J\\u202e\"; it has Version and Statement",
		document(`{"Sid":["` + "\u009b" + `"]}`): `is not a trust policy: its Statement[0] has the ` +
			`Sid ["\u009b"], which is not a string`,
		document(`{"Sid":["` + strings.Repeat("é", 400) + `"]}`): `is not a trust policy: its ` +
			`Statement[0] has the Sid ["` + strings.Repeat("é", 234) + "…",
	} {
		s := merging(t, "")
		s.Request.CurrentPolicy = text
		_, err := setup.New(t.Context(), s)
		e := rolebroker.AsError(err)
		if got := e.Hint.String(); !strings.Contains(want, "at most 8,192") && !strings.Contains(got,
			"aws iam get-role --role-name ReadOnly --query Role.AssumeRolePolicyDocument --output json") {
			t.Errorf("%.60s: the hint is %q", text, got)
		}
		if e.Code != rolebroker.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Path != "current_trust_policy" ||
			e.Fields[0].Message != want {
			t.Errorf("%.60s: got %v, want %s", text, err, want)
		}
	}
}

// The guide has remarks on the current policy.
func TestGuideHasRemarksOnTheCurrentPolicy(t *testing.T) {
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, test := range []struct{ why, current, want string }{
		{"a denial", `{"Sid":"no","Effect":"Deny","Principal":{"AWS":"` + exact + `"},"Action":"sts:*"}`,
			`statement 1 ("no") denies sts:AssumeRole to the platform; it wins over every allow.`},
		{"a denial of everyone", ec2 +
			`,{"Effect":"Deny","Principal":"*","Action":"sts:TagSession","Condition":{"Bool":{"a:b":"true"}}}`,
			"statement 2 denies sts:TagSession to everyone under the conditions it has; it wins over every allow."},
		{"a denial of all but others", `{"Effect":"Deny","NotPrincipal":{"AWS":"777788889999"},"Action":"*"}`,
			"statement 1 denies sts:AssumeRole to everyone whom it does not list"},
		{"everyone", st(`"*"`, action(`"sts:AssumeRole"`)), "statement 1 lets everyone assume the role without our " +
			"external ID. It stays as it is"},
		{"everyone of an organization", st(`{"AWS":"*"}`, action(`"*"`),
			condition(`{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)),
			"statement 1 lets everyone assume the role without our external ID, under its other conditions."},
		{"any external ID", st(awsOf(root), action(`"sts:AssumeRole"`),
			condition(`{"StringLike":{"sts:ExternalId":"*"}}`)),
			"statement 1 accepts other external IDs than ours, and the new one does not: others who come in by it " +
				"need a statement of their own."},
		{"any external ID of everyone", st(`"*"`, action(`"sts:AssumeRole"`),
			condition(`{"StringLike":{"sts:ExternalId":"*"}}`)), "statement 1 lets everyone assume the role " +
			"without our external ID."},
		{"no external ID, if one likes", st(awsOf(root), action(`"sts:AssumeRole"`),
			condition(`{"StringNotEquals":{"sts:ExternalId":"x"}}`)), "statement 1 lets the platform assume the role " +
			"without our external ID."},
		{"our account without an external ID", st(awsOf(root), action(`"sts:AssumeRole"`)), "statement 1 asks for no " +
			"external ID, and the new one does: others who come in by it need a statement of their own."},
		{"MFA", st(awsOf(root), action(`"sts:AssumeRole"`),
			condition(`{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`)), "statement 1 asks for MFA, which no " +
			"program can give; take that condition out."},
		{"much of it", st(awsOf("arn:aws:iam::777788889999:role/"+strings.Repeat("x", 2000)),
			action(`"sts:AssumeRole"`)),
			`characters without white space. The account's quota "Role trust policy length" is 2,048 by default and ` +
				`at most 8,192: if it is less than that, raise it, or take something out of the policy first.`},
		{"our identity, which was deleted", st(awsOf(goneRole), action(`"sts:AssumeRole"`),
			condition(`{"StringEquals":{"sts:ExternalId":"`+externalID+`"}}`)),
			`statement 1 trusts "` + goneRole + `", which IAM shows for a user or role that was deleted. It requires ` +
				"our external ID: the new policy replaces it with our statement."},
		{"a user of others who was deleted", ec2 + "," +
			st(awsOf(goneUser, "777788889999"), `"Sid":"x"`, action(`"sts:AssumeRole"`)),
			`statement 2 ("x") trusts "` + goneUser + `", which IAM shows for a user or role that was deleted. IAM ` +
				"refuses the whole policy while it has that: in the current policy, put the ARN of the successor there or " +
				"take it out, with the statement if that has no other principal, and ask for the setup again."},
		{"a denial of a role that was deleted", `{"Effect":"Deny","Principal":{"AWS":"` + goneRole + `"},"Action":"*"}`,
			`statement 1 names "` + goneRole + `", which IAM shows for a user or role that was deleted. IAM refuses`},
		{"a denial of all but what was deleted", `{"Effect":"Deny","NotPrincipal":{"AWS":["` + goneRole + `","` +
			root + `"]},"Action":"*"}`, "put the ARN of the successor there, and ask for the setup again."},
	} {
		done := write(t, merging(t, test.current))
		_, about, _ := strings.Cut(done.Text, "\nAbout the current policy\n===")
		about, changes, _ := strings.Cut(about, "\nWhat changes in the trust policy of ReadOnly\n===")
		if text := words(about); !strings.Contains(text, test.want) || strings.Contains(words(changes), test.want) {
			t.Errorf("%s: the guide does not say %s where it should\n%s", test.why, test.want, done.Text)
		}
		if !strings.Contains(strings.Join(done.Notes, "\n"), test.want) {
			t.Errorf("%s: the notes are %q, and not %s", test.why, done.Notes, test.want)
		}
		made, _ := templates(t, done.CloudFormation)
		if notes := words(strings.Join(made[0].Metadata.Rolebroker.CurrentPolicy, " ")); !strings.Contains(notes,
			test.want) {
			t.Errorf("%s: the template's metadata say %s, and not %s", test.why, notes, test.want)
		}
		for _, text := range []string{done.AWSCLI, done.Terraform} {
			top, _, _ := strings.Cut(text, "\n\n")
			if top = "\n" + top; !strings.Contains(words(strings.ReplaceAll(top, "\n#", "\n")), test.want) ||
				strings.Count(top, "\n") != strings.Count(top, "\n#") {
				t.Errorf("%s: at the top is not %s, as a comment:%s", test.why, test.want, top)
			}
		}
	}
	for _, quiet := range []string{ec2, ours(), `{"Effect":"Deny","Principal":{"AWS":"777788889999"},"Action":"*"}`,
		`{"Effect":"Deny","NotPrincipal":{"AWS":"` + root + `"},"Action":"*"}`,
		st(`"*"`, action(`"sts:AssumeRole"`), condition(`{"StringEquals":{"sts:ExternalId":"theirs"}}`))} {
		if done := write(t, merging(t, quiet)); strings.Contains(strings.ToLower(done.Text+done.AWSCLI),
			"the current policy") || len(done.Notes) != 0 {
			t.Errorf("of %s the guide says\n%s", quiet, done.Text)
		}
	}
}

// FuzzMerge checks that no input panics, that the result is a trust policy that needs
// no further change, and that it has the statements of others unchanged.
func FuzzMerge(f *testing.F) {
	for _, seed := range []string{
		currentPolicy, document(ours()), document(""), url.PathEscape(document(ec2)),
		`{"Role":{"AssumeRolePolicyDocument":` + document(ec2) + `}}`,
		document(st(`{"AWS":["*","`+root+`"],"Service":[]}`, action(`["sts:*"]`),
			condition(`{"Null":{"sts:ExternalId":true}}`))),
		document(st(awsOf(exact), action(`["sts:AssumeRole","sts:SetContext"]`)) + "," + st(awsOf(root),
			`"NotAction":["sts:S?t*"]`)), document(st(`"*"`, "\"Sid\":\"\u009b\u202e\"", action(`"*"`))),
		document(st(awsOf(root), `"NotAction":"sts:x"`,
			condition(`{"ForAllValues:StringEquals":{"sts:ExternalId":[]}}`))),
		document(st(awsOf(root), action(`"*"`), condition(`{"StringEquals":{"sts:ExternalId":[null]}}`))),
		document(st(`{"AWS":["`+root+`"],"":[]}`, action(`"*"`))),
		document(`{"Effect":"Allow","NotPrincipal":"*","Action":"*"}`), `"%7B%7D"`, `{"Statement":null}`, "\ufeff",
		`{"Role":{"Role":""}}`, "%", `"\ud800"`,
		document(st(awsOf(goneRole, goneUser), action(`"*"`), condition(`{"StringLike":{"sts:ExternalId":"`+
			externalID+`"}}`))), "Version: '2012-10-17'\nStatement:\n- Effect: Allow\n  Principal: '*'\n  Action: a\n",
		"a: &a [*a, *a]\nb: |\n  c\n? d\n: !!int e\n", "STATEMENT\ta", "| a |",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := merging(t, "")
		s.Request.CurrentPolicy = text
		s.Request = s.Request.WithDefaults()
		done, err := setup.New(t.Context(), s)
		if text == "" {
			return
		}
		if err != nil {
			if rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		merged := done.Roles[0].Merged
		if len(merged) > 32<<10 {
			return // which is more than is taken
		}
		s.Request.CurrentPolicy = merged
		again, err := setup.New(t.Context(), s)
		if err != nil {
			t.Fatalf("%v in\n%s", err, merged)
		}
		if again.Roles[0].Diff != "" || again.Roles[0].Merged != merged {
			t.Errorf("a second time there is something to change:\n%s\nin\n%s", again.Roles[0].Diff, merged)
		}
		if !json.Valid([]byte(merged)) {
			t.Errorf("it is not JSON: %s", merged)
		}
		for _, kept := range foreign(text) {
			escaped := strings.ContainsFunc(kept, func(r rune) bool {
				return unicode.In(r, unicode.Cc, unicode.Cf,
					unicode.Zl, unicode.Zp)
			})
			if !escaped && !strings.Contains(squeezed(merged), squeezed(kept)) {
				t.Errorf("%s is not in\n%s", kept, merged)
			}
		}
	})
}

// foreign are the statements of a policy that do not concern us.
func foreign(text string) (all []string) {
	var policy struct{ Statement []json.RawMessage }
	if json.Unmarshal([]byte(text), &policy) != nil {
		return nil
	}
	for _, one := range policy.Statement {
		var read any
		if json.Unmarshal(one, &read) != nil {
			continue
		}
		if plain, _ := json.Marshal(read); !strings.Contains(string(plain), vendorID) &&
			!strings.Contains(string(plain), externalID) && !strings.Contains(string(plain), earlierID) {
			all = append(all, string(one))
		}
	}
	return all
}

func squeezed(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return r == ' ' || r == '\n' || r == '\t' ||
			r == '\r'
	}), "")
}
