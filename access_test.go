package rolebroker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

const allowRead = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`

func TestASessionPolicyIsStoredCompactAndInASCII(t *testing.T) {
	for text, want := range map[string]string{
		allowRead: allowRead,
		" { \"Version\" : \"2012-10-17\",\n\"Statement\":{\"Effect\":\"Deny\",\"NotAction\":[\"s3:*\"],\"NotResource\":[\"*\"]}}\n": `{` +
			`"Version":"2012-10-17","Statement":{"Effect":"Deny","NotAction":["s3:*"],"NotResource":["*"]}}`,
		`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"ü😀","Effect":"Allow","Action":"*","Resource":"*",` +
			`"Condition":{"StringLikeIfExists":{"s3:prefix":["a","b"]},"Bool":{"aws:SecureTransport":true},` +
			`"Null":{"aws:TokenIssueTime":"false"},"ForAnyValue:StringEquals":{"aws:TagKeys":"k"}}}]}`: `{"Version":` +
			`"2012-10-17","Id":"x","Statement":[{"Sid":"\u00fc\ud83d\ude00","Effect":"Allow","Action":"*","Resource":"*",` +
			`"Condition":{"StringLikeIfExists":{"s3:prefix":["a","b"]},"Bool":{"aws:SecureTransport":true},` +
			`"Null":{"aws:TokenIssueTime":"false"},"ForAnyValue:StringEquals":{"aws:TagKeys":"k"}}}]}`,
	} {
		policy, wrong := rolebroker.ParseSessionPolicy(text)
		if policy != want || len(wrong) > 0 {
			t.Errorf("%s\nis stored as %s\nwrong: %v", text, policy, wrong)
		}
		if again, wrong := rolebroker.ParseSessionPolicy(policy); again != policy || len(wrong) > 0 {
			t.Errorf("%s\nis stored as %s\nwrong: %v", policy, again, wrong)
		}
	}
}

func TestWhatIsWrongInASessionPolicyIsNamed(t *testing.T) {
	statement := func(elements string) string {
		return `{"Version":"2012-10-17","Statement":[` + allowRead[len(`{"Version":"2012-10-17","Statement":[`):len(allowRead)-2] +
			`,{` + elements + `}]}`
	}
	for text, says := range map[string]string{
		``:              ": is not JSON",
		`{`:             ": is not JSON",
		"{\"\xff\": 1}": ": is not JSON",
		`[]`:            ": must be a policy, an object",
		`"x"`:           ": must be a policy",
		`null`:          ": must be a policy",
		`{}`:            ".Statement: is required",
		`{"Statement":[],"Version":"2012-10-17"}`:                                ".Statement: must have a statement",
		`{"Version":"2008-10-17","Statement":{}}`:                                `.Version: must be "2012-10-17"`,
		`{"Version":["2012-10-17"],"Statement":{}}`:                              ".Version: must be",
		`{"version":"2012-10-17"}`:                                               ".version: is not an element of a policy; it may have Version, Id, Statement",
		`{"Version":"2012-10-17","Version":"2012-10-17","Statement":{}}`:         ".Version: is given twice",
		`{"Version":"2012-10-17","Statement":[1]}`:                               ".Statement[0]: must be a statement",
		`{"Version":"2012-10-17","Statement":"x"}`:                               ".Statement: must be a list of statements",
		statement(`"Effect":"Allow","Action":"s3:*"`):                            ".Statement[1].Resource: is required",
		statement(`"Effect":"Allow","Resource":"*"`):                             ".Statement[1].Action: is required, or NotAction",
		statement(`"Action":"s3:*","Resource":"*"`):                              ".Statement[1].Effect: is required",
		statement(`"Effect":"allow","Action":"*","Resource":"*"`):                ".Statement[1].Effect: must be Allow or Deny",
		statement(`"Effect":"Deny","Action":"*","NotAction":"*","Resource":"*"`): ".Statement[1].NotAction: cannot be given",
		statement(`"Effect":"Deny","Action":[],"Resource":"*"`):                  ".Statement[1].Action: must not be empty",
		statement(`"Effect":"Deny","Action":["s3:*",{}],"Resource":"*"`):         ".Statement[1].Action[1]: must be a string",
		statement(`"Effect":"Deny","Action":"GetObject","Resource":"*"`):         ".Statement[1].Action: \"GetObject\" is not",
		statement(`"Effect":"Deny","Action":"s3:Get Object","Resource":"*"`):     ".Statement[1].Action: ",
		statement(`"Effect":"Deny","Action":"s3:*","Resource":"bucket"`):         ".Statement[1].Resource: \"bucket\" is not",
		statement(`"Effect":"Deny","Action":"*","Resource":"*","Principal":"*"`): ".Statement[1].Principal: is not an element",
		statement(`"Effect":"Deny","Action":"*","Action":"*","Resource":"*"`):    ".Statement[1].Action: is given twice",
		statement(`"Effect":"Deny","Action":"*","Resource":"*","Condition":[]`):  ".Statement[1].Condition: must be an object",
		statement(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Equals":{}}`): ".Statement[1].Condition.Equals: " +
			"is not a condition operator",
		statement(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":{}}}`): ".Statement[1].Condition.Bool" +
			`["a:b"]: must be a string`,
		statement(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"a:b":1,"a:b":2}}`): `["a:b"]: is given twice`,
		statement(`"Effect":"Deny","Action":"*","Resource":"*","a.b":1`):                                `.Statement[1]["a.b"]: is not an element`,
		strings.Replace(allowRead, "s3:Get*", "s3:"+strings.Repeat("x", 2000), 1):                       ": has 2087 characters",
		strings.Replace(allowRead, "s3:Get*", "s3:"+strings.Repeat("x", 100_000), 1):                    "; STS takes at most 2048 characters",
		strings.Repeat("[", 60_000): ": is not JSON",
		`{"Version":"2012-10-17","Statement":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`: ".Statement[0]: must be",
	} {
		_, wrong := rolebroker.ParseSessionPolicy(text)
		var said []string
		for _, f := range wrong {
			said = append(said, f.Path+": "+f.Message)
		}
		if all := strings.Join(said, "\n"); !strings.Contains(all, says) {
			t.Errorf("%.200s\ndoes not say %q: %s", text, says, all)
		}
	}
}

func TestARestrictionIsSentToSTS(t *testing.T) {
	restricted := func(c rolebroker.Connection, partition string) (rolebroker.Assumption, error) {
		a := rolebroker.Assumption{ARN: rolebroker.RoleARN{Partition: partition}}
		err := c.Restrict(&a)
		return a, err
	}
	of := func(access rolebroker.Access, policy string) rolebroker.Connection {
		return rolebroker.Connection{Access: access, SessionPolicy: policy, Keys: rolebroker.KeysLent, Approval: rolebroker.ApprovalNone}
	}
	for _, c := range []struct {
		connection     rolebroker.Connection
		partition, arn string
		policy         string // the beginning
	}{
		{of("full", ""), "aws", "", ""},
		{of("read-only", ""), "aws", "arn:aws:iam::aws:policy/ReadOnlyAccess", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny"`},
		{of("read-only", ""), "aws-cn", "arn:aws-cn:iam::aws:policy/ReadOnlyAccess", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny"`},
		{of("view-only", ""), "aws-us-gov", "arn:aws-us-gov:iam::aws:policy/job-function/ViewOnlyAccess", `{"Version":`},
		{of("policy", allowRead), "aws", "", allowRead},
	} {
		a, err := restricted(c.connection, c.partition)
		if err != nil || a.PolicyARN != c.arn || !strings.HasPrefix(a.Policy, c.policy) || (c.policy == "") != (a.Policy == "") {
			t.Errorf("%+v: %q and %q, %v", c.connection, a.PolicyARN, a.Policy, err)
		}
	}
	for _, c := range []rolebroker.Connection{{}, of("", ""), of("write", ""), of("policy", ""),
		{Access: "full", Approval: "of a later version"}} {
		if a, err := restricted(c, "aws"); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
			t.Errorf("%+v: %+v, %v", c, a, err)
		}
	}
}

// The policy goes with session tags and with the end of a grant, so it leaves room.
func TestThePolicyAgainstCredentialsIsValidAndShort(t *testing.T) {
	c := rolebroker.Connection{Access: rolebroker.AccessReadOnly, Keys: rolebroker.KeysLent, Approval: rolebroker.ApprovalNone}
	a := rolebroker.Assumption{ARN: rolebroker.RoleARN{Partition: "aws-us-gov"}}
	if err := c.Restrict(&a); err != nil {
		t.Fatal(err)
	}
	policy, wrong := rolebroker.ParseSessionPolicy(a.Policy)
	if policy != a.Policy || len(wrong) > 0 {
		t.Errorf("%s: %v", a.Policy, wrong)
	}
	if n := len(a.Policy) + len(a.PolicyARN); n > 1800 {
		t.Errorf("the session policies have %d characters of %d", n, rolebroker.MaxSessionPolicy)
	}
	seen := map[string]bool{}
	for _, action := range rolebroker.CredentialActions() {
		if seen[action] || !strings.Contains(action, ":") || !strings.Contains(a.Policy, `"`+action+`"`) {
			t.Errorf("%s is listed twice, or not denied", action)
		}
		seen[action] = true
	}
}

func TestALimitedConnectionOffersItsRolesOnly(t *testing.T) {
	production := integration("production", role("readonly"), role("deployer"))
	staging := integration("staging", role("deployer"))
	g := grants(production, staging)
	c := &g.Agent.Connections[0]
	c.Access = rolebroker.AccessViewOnly
	c.Roles = []rolebroker.ConnectionRole{{ID: production.Roles[0].ID, Name: "readonly"}}
	var offered []string
	for _, o := range g.Offers() {
		offered = append(offered, o.Reference+" "+string(o.Access))
	}
	if diff := cmp.Diff([]string{"readonly view-only", "deployer full"}, offered); diff != "" {
		t.Error(diff)
	}
	if grant, err := g.Resolve("deployer"); err != nil || grant.Reference() != "staging/deployer" {
		t.Errorf("deployer means %+v, %v", grant, err)
	}
	for _, reference := range []string{"production/deployer", string(production.ID) + "/" + string(production.Roles[1].ID)} {
		_, err := g.Resolve(reference)
		refusal := rolebroker.AsError(err)
		if refusal.Code != rolebroker.CodeDenied || !strings.Contains(refusal.Message,
			"is not one of those that agent scout may borrow from integration production; available are readonly (default), deployer") ||
			!strings.Contains(refusal.Hint.String(), "rolebroker agent connect scout production --only-role readonly --only-role deployer") {
			t.Errorf("%s: %v\n%s", reference, err, refusal.Hint)
		}
	}
	// A subset of which nothing is left lends nothing, and its default role neither.
	c.Roles = []rolebroker.ConnectionRole{}
	if _, err := g.Resolve(""); rolebroker.CodeOf(err) != rolebroker.CodeDenied ||
		!strings.Contains(err.Error(), "the default role readonly is not one of those") {
		t.Errorf("without roles: %v", err)
	}
	if offers := g.Offers(); len(offers) != 1 {
		t.Errorf("without roles: %+v", offers)
	}
	// An integration without a connection lends nothing.
	g.Agent.Connections = g.Agent.Connections[1:]
	if _, err := g.Resolve("readonly"); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("without a connection: %v", err)
	}
}

// The end of a grant goes into the session policy, so it has to fit.
func TestASessionPolicyLeavesRoomForAnApproval(t *testing.T) {
	in := rolebroker.Integration{ID: "int_a", Name: "production"}
	c := rolebroker.NewConnection(&in, time.Time{})
	c.Access = rolebroker.AccessPolicy
	c.SessionPolicy = strings.Replace(allowRead, "s3:Get*", "s3:"+strings.Repeat("x", 1900), 1)
	if err := c.Check(); err != nil {
		t.Errorf("without approval: %v", err)
	}
	c.Approval = rolebroker.ApprovalBorrow
	err := rolebroker.AsError(c.Check())
	if err == nil || len(err.Fields) != 1 || err.Fields[0].Path != "session_policy" ||
		!strings.Contains(err.Fields[0].Message, "with the end of the approval in it") {
		t.Errorf("with approval: %+v", err)
	}
}
