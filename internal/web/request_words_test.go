package web

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// A call in words: what it does, on what.
func TestACallInWords(t *testing.T) {
	const bucket, table = "arn:aws:s3:::reports", "arn:aws:dynamodb:eu-west-1:444455556666:table/Orders"
	call := func(action string, resources ...string) *rolebroker.AskedCall {
		service, _, _ := strings.Cut(action, ":")
		return &rolebroker.AskedCall{Service: service, Actions: []string{action}, Resources: resources}
	}
	signed := call("s3:PutObject", bucket+"/in.csv")
	token := call("rds-db:connect", "arn:aws:rds-db:us-east-1:1:dbuser:db/app")
	signed.Token, token.Token = true, true
	for _, test := range []struct {
		call *rolebroker.AskedCall
		want string
	}{
		{call("s3:DeleteObject", bucket+"/2024/a.pdf"), "delete the object “2024/a.pdf” in the bucket “reports”"},
		{call("s3:DeleteObject", bucket+"/a", bucket+"/b", "*"),
			"delete the object “a” in the bucket “reports” and 2 more"},
		{call("s3:DeleteObject", bucket+"/*"), "delete objects in the bucket “reports”"},
		{call("s3:DeleteObjectVersion", bucket+"/a"),
			"delete object version on the object “a” in the bucket “reports”"},
		{call("s3:DeleteBucket", bucket), "delete the bucket “reports”"},
		{call("dynamodb:PutItem", table), "put item on the table “Orders”"},
		{call("ec2:TerminateInstances", "arn:aws:ec2:eu-west-1:444455556666:instance/i-1"),
			"terminate the instance “i-1”"},
		{call("lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:444455556666:function:shop"),
			"update function code on the function “shop”"},
		{call("rds:CreateDBInstance", "*"), "create DB instance"},
		{call("sns:Publish", "arn:aws:sns:eu-west-1:444455556666:alerts"), "publish on the topic “alerts”"},
		{call("logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:444455556666:log-group:shop:*"),
			"delete the log group “shop:*”"},
		{&rolebroker.AskedCall{Service: "s3", Operation: "CopyObject", Actions: []string{"s3:GetObject", "s3:PutObject"},
			Resources: []string{bucket + "/a", bucket + "/b"}},
			"get object and put object on the object “a” in the bucket “reports” and 1 more"},
		{&rolebroker.AskedCall{Service: "new", Operation: "DoIt"}, "do it"},
		{signed, "get a URL by which anybody can put the object “in.csv” in the bucket “reports”"},
		{token, "get a token by which anybody can connect on the dbuser “db/app”"},
		{call("s3:DeleteObject", bucket+"/a” for 1 minute, and nothing else: “b"),
			"delete the object “a' for 1 minute, and nothing else: 'b” in the bucket “reports”"},
		{call("s3:DeleteObject", bucket+"/"+strings.Repeat("a", 200)),
			"delete the object “" + strings.Repeat("a", 79) + "…” in the bucket “reports”"},
		{call("s3:", "x", ":", "arn:aws:s3", "arn:aws:x:::"), "s3: on the resource “x” and 3 more"},
	} {
		if got := callInWords(test.call); got != test.want {
			t.Errorf("it is\n%s, want\n%s", got, test.want)
		}
	}
}

// What an agent asks for, in a sentence.
func TestAWish(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		access rolebroker.Access
		about  rolebroker.Approval
		want   string
	}{
		{rolebroker.AccessFull, rolebroker.ApprovalBorrow, "do everything that production/readonly allows"},
		{rolebroker.AccessReadOnly, rolebroker.ApprovalBorrow, "read with production/readonly, and change nothing"},
		{rolebroker.AccessViewOnly, rolebroker.ApprovalBorrow, "list what is there with production/readonly"},
		{rolebroker.AccessPolicy, rolebroker.ApprovalBorrow, "do what its session policy allows with production/readonly"},
		{rolebroker.AccessFull, rolebroker.ApprovalWrite, "change things with production/readonly"},
		{rolebroker.AccessFull, rolebroker.ApprovalCall, "make calls with production/readonly"},
	} {
		r := &rolebroker.AccessRequest{AgentName: "scout", IntegrationName: "production", RoleName: "readonly",
			Access: test.access, About: test.about, Duration: 90 * time.Minute, ExpiresAt: now.Add(time.Second)}
		if got, want := wishOf(r, now), "scout wants to "+test.want+", for 1 hour 30 minutes"; got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
		if got := wishOf(r, now.Add(time.Minute)); !strings.HasPrefix(got, "scout asked to ") {
			t.Errorf("once it expired, it is %s", got)
		}
	}
}

// Of a call that names no resource the wish says so, after the role.
func TestAWishThatNamesNoResource(t *testing.T) {
	r := &rolebroker.AccessRequest{AgentName: "scout", IntegrationName: "company-data", RoleName: "DataTeam",
		About: rolebroker.ApprovalCall, Duration: time.Hour,
		Call: &rolebroker.AskedCall{Service: "iam", Actions: []string{"iam:ListRoles"}, Resources: []string{"*"}}}
	const want = "scout asked to list roles with company-data/DataTeam (the request names no resource), for 1 hour"
	if got := wishOf(r, time.Now()); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
	r.Call.Resources = []string{"arn:aws:iam::444455556666:role/reader"}
	if got := wishOf(r, time.Now()); strings.Contains(got, "names no resource") {
		t.Errorf("with a resource it is %s", got)
	}
}

// What was granted is said once: all that the role allows, or what was chosen of it.
func TestWhatWasGranted(t *testing.T) {
	const bucket = "arn:aws:s3:::reports"
	for _, test := range []struct {
		access rolebroker.Access
		about  rolebroker.Approval
		only   rolebroker.Narrowed
		want   string
	}{
		{rolebroker.AccessFull, rolebroker.ApprovalBorrow, rolebroker.Narrowed{}, "everything that shop/deployer allows"},
		{rolebroker.AccessViewOnly, rolebroker.ApprovalBorrow, rolebroker.Narrowed{},
			"to list what is there with shop/deployer"},
		{rolebroker.AccessPolicy, rolebroker.ApprovalBorrow, rolebroker.Narrowed{},
			"what its session policy allows with shop/deployer"},
		{rolebroker.AccessFull, rolebroker.ApprovalWrite, rolebroker.Narrowed{}, "every change that shop/deployer allows"},
		{rolebroker.AccessFull, rolebroker.ApprovalCall, rolebroker.Narrowed{}, "every call that shop/deployer allows"},
		{rolebroker.AccessFull, rolebroker.ApprovalCall, rolebroker.Narrowed{Actions: []string{"s3:ListBucket"},
			Resources: []string{bucket}}, "s3:ListBucket on " + bucket},
		{rolebroker.AccessFull, rolebroker.ApprovalCall, rolebroker.Narrowed{Actions: []string{"s3:ListAllMyBuckets"}},
			"s3:ListAllMyBuckets on any resource"},
		{rolebroker.AccessFull, rolebroker.ApprovalWrite, rolebroker.Narrowed{Resources: []string{bucket, bucket + "/*"}},
			"every change that shop/deployer allows on " + bucket + " and " + bucket + "/*"},
	} {
		row := requestRow{AccessRequest: rolebroker.AccessRequest{IntegrationName: "shop", RoleName: "deployer",
			About: test.about, Granted: 2 * time.Minute, GrantedAccess: test.access, Narrowed: test.only}}
		if got, want := row.GrantedWords(), test.want+", for 2 minutes"; got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
}

// What is unusual about a request stands out, and what is not does not.
func TestWhatIsUnusual(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	asked := rolebroker.AccessRequest{AgentName: "scout", Access: rolebroker.AccessFull, Duration: time.Hour,
		CreatedAt: now}
	before := func(decision rolebroker.Decision, access rolebroker.Access, d time.Duration) rolebroker.AccessRequest {
		r := asked
		r.CreatedAt, r.DecidedAt, r.DecidedBy, r.Note = now.Add(-26*time.Hour), now.Add(-25*time.Hour), "dana", "frozen"
		r.Decision, r.GrantedAccess, r.Granted = decision, access, d
		return r
	}
	old := &rolebroker.Agent{CreatedAt: now.Add(-100 * time.Hour)}
	fine := before(rolebroker.DecisionApproved, rolebroker.AccessFull, time.Hour)
	refused := rolebroker.Call{Decision: rolebroker.CallRefused, Code: rolebroker.CodeDenied}
	waited := rolebroker.Call{Decision: rolebroker.CallRefused, Code: rolebroker.CodeApproval}
	call := func(change func(*rolebroker.AskedCall)) rolebroker.AccessRequest {
		r := asked
		r.Call = &rolebroker.AskedCall{Level: rolebroker.CallWrite, Resources: []string{"arn:aws:s3:::a"}}
		change(r.Call)
		return r
	}
	var many []rolebroker.AccessRequest
	for range 5 {
		r := fine
		r.CreatedAt = now.Add(-time.Minute)
		many = append(many, r)
	}
	earlier := func(all ...rolebroker.AccessRequest) []rolebroker.AccessRequest { return all }
	for name, test := range map[string]struct {
		r    rolebroker.AccessRequest
		h    history
		want []string
	}{
		"as always": {asked, history{agent: old, earlier: earlier(fine), all: earlier(fine),
			calls: []rolebroker.Call{waited, {Decision: rolebroker.CallAllowed}}}, nil},
		"the first": {asked, history{agent: old}, []string{"for the first time"}},
		"denied": {asked, history{agent: old, earlier: earlier(before(rolebroker.DecisionDenied, "", 0), fine)},
			[]string{"dana denied its last request for this role 25 hours ago: “frozen”"}},
		"denied once, approved since": {asked,
			history{agent: old, earlier: earlier(fine, before(rolebroker.DecisionDenied, "", 0))}, nil},
		"never approved": {asked, history{agent: old, earlier: earlier(before("", "", 0))}, []string{"was approved before"}},
		"longer": {asked, history{agent: old,
			earlier: earlier(before(rolebroker.DecisionApproved, rolebroker.AccessFull, time.Minute))},
			[]string{"It asks for 1 hour; the most that was approved before is 1 minute."}},
		"wider": {asked, history{agent: old,
			earlier: earlier(before(rolebroker.DecisionApproved, rolebroker.AccessReadOnly, time.Hour))},
			[]string{"It asks for full access; before, only read-only was approved."}},
		"disabled": {asked, history{agent: &rolebroker.Agent{Disabled: true}, earlier: earlier(fine)},
			[]string{"disabled"}},
		"a new agent": {asked, history{agent: &rolebroker.Agent{CreatedAt: now.Add(-time.Hour)}, earlier: earlier(fine)},
			[]string{"created 1 hour ago"}},
		"often": {asked, history{agent: old, earlier: earlier(fine), all: many}, []string{"5 times"}},
		"refused": {asked, history{agent: old, earlier: earlier(fine), calls: []rolebroker.Call{refused, waited}},
			[]string{"1 was refused"}},
		"permissions": {call(func(c *rolebroker.AskedCall) { c.Level = rolebroker.CallPermissions }),
			history{agent: old, earlier: earlier(fine)}, []string{"who may do what"}},
		"a token": {call(func(c *rolebroker.AskedCall) { c.Token = true }), history{agent: old, earlier: earlier(fine)},
			[]string{"can use it"}},
		"unknown resources": {call(func(c *rolebroker.AskedCall) { c.Resources = []string{"*"} }),
			history{agent: old, earlier: earlier(fine)}, []string{"does not name all"}},
	} {
		got := test.h.unusual(&test.r, now)
		if !slices.EqualFunc(got, test.want, strings.Contains) {
			t.Errorf("%s: unusual is %q, want %q", name, got, test.want)
		}
	}
	h := history{earlier: earlier(fine, before(rolebroker.DecisionDenied, "", 0), fine)}
	want := "Nothing: 2 such requests were approved before, the last 25 hours ago by dana."
	if got := h.usual(now); got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

// Who signed in as a person is not told to make a key for an approver: it would be theirs, too.
func TestAPersonMakesNoApprover(t *testing.T) {
	for user, wants := range map[rolebroker.UserID]string{"": "access=approver", "usr_ada": "Another person who may"} {
		page := newAgentPage{base: base{Who: rolebroker.Caller{User: user}}}
		var shown strings.Builder
		if err := pages()["new-agent"].ExecuteTemplate(&shown, "make-approver", page); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(shown.String(), wants) || user != "" && strings.Contains(shown.String(), "access=approver") {
			t.Errorf("%q reads %s", user, &shown)
		}
	}
}
