package rolebroker_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

func put(resources ...string) *rolebroker.AskedCall {
	return &rolebroker.AskedCall{Service: "dynamodb", Operation: "PutItem", Actions: []string{"dynamodb:PutItem"},
		Resources: resources, Level: rolebroker.CallWrite}
}

// An approval that is narrowed allows what it names and nothing else.
func TestWhatANarrowedApprovalAllows(t *testing.T) {
	const jobs, orders = "arn:aws:dynamodb:eu-west-1:444455556666:table/jobs", "arn:aws:dynamodb:eu-west-1:444455556666:table/orders"
	copies := &rolebroker.AskedCall{Actions: []string{"s3:GetObject", "s3:PutObject"},
		Resources: []string{"arn:aws:s3:::a/k", "arn:aws:s3:::b/k"}, Level: rolebroker.CallWrite}
	for name, c := range map[string]struct {
		actions, resources []string
		call               *rolebroker.AskedCall
		allows             bool
	}{
		"everything":              {nil, nil, put(jobs), true},
		"everything, unknown":     {nil, nil, put("*"), true},
		"everything for all":      {nil, nil, nil, true},
		"something for all":       {[]string{"dynamodb:PutItem"}, nil, nil, false},
		"the action":              {[]string{"dynamodb:putitem"}, nil, put(jobs), true},
		"another action":          {[]string{"dynamodb:DeleteItem"}, nil, put(jobs), false},
		"one of two actions":      {[]string{"s3:PutObject"}, nil, copies, false},
		"both actions":            {[]string{"s3:PutObject", "s3:GetObject"}, nil, copies, true},
		"no known action":         {[]string{"dynamodb:PutItem"}, nil, &rolebroker.AskedCall{Resources: []string{jobs}}, false},
		"the resource":            {nil, []string{jobs}, put(jobs), true},
		"another resource":        {nil, []string{jobs}, put(orders), false},
		"one of two resources":    {nil, []string{"arn:aws:s3:::a/*"}, copies, false},
		"both resources":          {nil, []string{"arn:aws:s3:::a/*", "arn:aws:s3:::b/k"}, copies, true},
		"a pattern":               {nil, []string{"arn:aws:dynamodb:*:table/j*s"}, put(jobs), true},
		"a pattern of others":     {nil, []string{"arn:aws:dynamodb:*:table/j*x"}, put(jobs), false},
		"what overlaps":           {nil, []string{"arn:aws:s3:::ab*bc"}, put("arn:aws:s3:::abc"), false},
		"no resource is known":    {nil, []string{"*"}, put("*"), false},
		"more than are named":     {nil, []string{jobs}, put(jobs, "*"), false},
		"a table called *":        {nil, []string{jobs}, put("arn:aws:dynamodb:eu-west-1:444455556666:table/${*}"), false},
		"another key than a*b":    {nil, []string{"arn:aws:s3:::k/a${*}b"}, put("arn:aws:s3:::k/a${x}b"), false},
		"a key called a*b":        {nil, []string{"arn:aws:s3:::k/a${*}b"}, put("arn:aws:s3:::k/a${*}b"), true},
		"a*b by a pattern":        {nil, []string{"arn:aws:s3:::k/*"}, put("arn:aws:s3:::k/a${*}b"), true},
		"none is named":           {nil, []string{jobs}, put(), false},
		"another case of a name":  {nil, []string{jobs}, put(strings.ToUpper(jobs)), false},
		"action and resource":     {[]string{"dynamodb:PutItem"}, []string{jobs}, put(jobs), true},
		"action, another of them": {[]string{"dynamodb:PutItem"}, []string{orders}, put(jobs), false},
	} {
		n := rolebroker.Narrowed{Actions: c.actions, Resources: c.resources}
		if got := n.Allows(c.call); got != c.allows {
			t.Errorf("%s: allowed is %t, want %t", name, got, c.allows)
		}
	}
}

// Who may change something when: the grant has to be for changes, for the role and the task, and to last.
func TestMayCall(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	in := rolebroker.Integration{ID: "int_p", Name: "production", Enabled: true, DefaultRole: "deployer",
		Roles: []rolebroker.Role{{ID: "rol_d", Name: "deployer", Enabled: true}}}
	c := rolebroker.NewConnection(&in, now)
	c.Keys, c.Approval = rolebroker.KeysWithheld, rolebroker.ApprovalWrite
	approved := rolebroker.OpenRequest{ID: "req_a", Integration: "int_p", Role: "rol_d", Task: "tidy",
		About: rolebroker.ApprovalWrite, Access: rolebroker.AccessFull, Approved: true, Until: now.Add(time.Minute)}
	may := func(change func(*rolebroker.OpenRequest), task string, call *rolebroker.AskedCall) (string, error) {
		r := approved
		change(&r)
		g := &rolebroker.Grants{Agent: rolebroker.Agent{ID: "agt_s", Name: "scout", DefaultIntegration: "int_p",
			Connections: []rolebroker.Connection{c}}, Integrations: []rolebroker.Integration{in},
			Requests: []rolebroker.OpenRequest{r}}
		grant, err := g.Resolve("")
		if err != nil {
			t.Fatal(err)
		}
		if grant.NeedsApproval() {
			t.Error("borrowing needs an approval")
		}
		open, err := g.MayCall(grant, task, call, now)
		return string(open.ID), err
	}
	read := put("x")
	read.Level = rolebroker.CallRead
	tag := put("x")
	tag.Level = rolebroker.CallTagging
	unknown := put("x")
	unknown.Level = ""
	same := func(*rolebroker.OpenRequest) {}
	for name, x := range map[string]struct {
		change func(*rolebroker.OpenRequest)
		task   string
		call   *rolebroker.AskedCall
		id     string
		code   rolebroker.Code
	}{
		"a read":          {same, "other", read, "", ""},
		"a write":         {same, "tidy", put("x"), "req_a", ""},
		"a tag":           {same, "tidy", tag, "req_a", ""},
		"a level unknown": {same, "other", unknown, "", rolebroker.CodeApproval},
		"another task":    {same, "other", put("x"), "", rolebroker.CodeApproval},
		"no task":         {same, "", put("x"), "", rolebroker.CodeApproval},
		"leave to borrow": {func(r *rolebroker.OpenRequest) { r.About = rolebroker.ApprovalBorrow }, "tidy", put("x"), "",
			rolebroker.CodeApproval},
		"another role":       {func(r *rolebroker.OpenRequest) { r.Role = "rol_x" }, "tidy", put("x"), "", rolebroker.CodeApproval},
		"over":               {func(r *rolebroker.OpenRequest) { r.Until = now }, "tidy", put("x"), "", rolebroker.CodeApproval},
		"narrowed to others": {func(r *rolebroker.OpenRequest) { r.Narrowed.Actions = []string{"s3:PutObject"} }, "tidy", put("x"), "", rolebroker.CodeApproval},
		"pending":            {func(r *rolebroker.OpenRequest) { r.Approved = false }, "tidy", put("x"), "req_a", rolebroker.CodeApproval},
	} {
		id, err := may(x.change, x.task, x.call)
		if id != x.id || rolebroker.CodeOf(err) != x.code {
			t.Errorf("%s: %q, %v, want %q, %q", name, id, err, x.id, x.code)
		}
	}
}

func TestCallIDsAreInTheOrderOfTime(t *testing.T) {
	at := time.Date(2026, 3, 14, 9, 26, 53, 589e6, time.UTC)
	id := rolebroker.NewCallID(at)
	if !rolebroker.IsGeneratedID(string(id)) || id.Time() != at || id == rolebroker.NewCallID(at) {
		t.Errorf("%s is of %s", id, id.Time())
	}
	for _, d := range []time.Duration{time.Millisecond, time.Second, 32 * time.Millisecond, 365 * 24 * time.Hour} {
		later := rolebroker.NewCallID(at.Add(d))
		if id >= later || rolebroker.CallIDFrom(at) > id || rolebroker.CallIDFrom(at.Add(d)) <= id {
			t.Errorf("%s and %s, after %s, are not in order", id, later, d)
		}
	}
	for _, text := range []string{"", "cal_", "ses_3mzq7k4vprb5xw2tdn6hjc8ysa", "cal_!!!!!!!!!zq7k4vprb5xw2tdn6"} {
		if !rolebroker.CallID(text).Time().IsZero() {
			t.Errorf("%q has the time %s", text, rolebroker.CallID(text).Time())
		}
	}
}

// An approval of one call is for its actions on its resources, as far as it names them.
func TestOnlyACall(t *testing.T) {
	named, unnamed := []string{"arn:aws:s3:::a/k"}, []string{"arn:aws:s3:::a/k", "*"}
	put := []string{"s3:PutObject"}
	for name, c := range map[string]struct {
		call *rolebroker.AskedCall
		want rolebroker.Narrowed
		ok   bool
	}{
		"named": {&rolebroker.AskedCall{Actions: put, Resources: named},
			rolebroker.Narrowed{Actions: put, Resources: named}, true},
		"not all":      {&rolebroker.AskedCall{Actions: put, Resources: unnamed}, rolebroker.Narrowed{Actions: put}, true},
		"none":         {&rolebroker.AskedCall{Actions: put}, rolebroker.Narrowed{Actions: put}, true},
		"unknown":      {&rolebroker.AskedCall{Resources: named}, rolebroker.Narrowed{}, false},
		"no call asks": {nil, rolebroker.Narrowed{}, false},
	} {
		got, ok := c.call.Only()
		if !reflect.DeepEqual(got, c.want) || ok != c.ok {
			t.Errorf("%s: %+v, %t", name, got, ok)
		}
		if ok && !got.Allows(c.call) {
			t.Errorf("%s: the approval is not for the call itself", name)
		}
	}
}

func TestOnlyACallIsApproved(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	asked := rolebroker.AccessRequest{Access: rolebroker.AccessFull, About: rolebroker.ApprovalWrite, Duration: time.Hour,
		ExpiresAt: now.Add(time.Hour),
		Call:      &rolebroker.AskedCall{Actions: []string{"s3:PutObject"}, Resources: []string{"arn:aws:s3:::a/k"}}}
	if got, err := asked.Approve(rolebroker.ApprovalTerms{}, now); err != nil ||
		!reflect.DeepEqual(got.Narrowed, rolebroker.Narrowed{Actions: asked.Call.Actions, Resources: asked.Call.Resources}) {
		t.Errorf("%+v, %v", got.Narrowed, err)
	}
	all, err := asked.Approve(rolebroker.ApprovalTerms{AllCalls: true}, now)
	if err != nil || !all.Narrowed.IsZero() {
		t.Errorf("for all calls it is %+v, %v", all.Narrowed, err)
	}
	for name, c := range map[string]struct {
		call  *rolebroker.AskedCall
		terms rolebroker.ApprovalTerms
	}{
		"no action": {&rolebroker.AskedCall{}, rolebroker.ApprovalTerms{}},
		"both": {asked.Call, rolebroker.ApprovalTerms{AllCalls: true, Narrowed: rolebroker.Narrowed{
			Actions: []string{"s3:PutObject"}}}},
	} {
		other := asked
		other.Call = c.call
		if _, err := other.Approve(c.terms, now); rolebroker.CodeOf(err) != rolebroker.CodeInvalid ||
			!strings.Contains(err.Error(), "all_calls") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A call waits for the request about it, or for one about all of the task, and for no other. An approval of a call is none
// of a token with which anybody can make it.
func TestWhichRequestACallWaitsFor(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	in := rolebroker.Integration{ID: "int_p", Name: "production", Enabled: true, DefaultRole: "deployer",
		Roles: []rolebroker.Role{{ID: "rol_d", Name: "deployer", Enabled: true}}}
	c := rolebroker.NewConnection(&in, now)
	c.Keys, c.Approval = rolebroker.KeysWithheld, rolebroker.ApprovalWrite
	only, _ := put("x").Only()
	tokens := put("x")
	tokens.Token = true
	odd := put("x\xff")
	read, err := rolebroker.ParseAskedCall(odd.Text())
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		call     *rolebroker.AskedCall
		requests []rolebroker.OpenRequest
		waits    rolebroker.AccessRequestID
		may      bool
	}{
		"about it":            {put("x"), []rolebroker.OpenRequest{{ID: "req_x", Call: put("x")}}, "req_x", false},
		"about another":       {put("y"), []rolebroker.OpenRequest{{ID: "req_x", Call: put("x")}}, "", false},
		"about all":           {put("y"), []rolebroker.OpenRequest{{ID: "req_x", Call: put("x")}, {ID: "req_all"}}, "req_all", false},
		"about it and all":    {put("x"), []rolebroker.OpenRequest{{ID: "req_x", Call: put("x")}, {ID: "req_all"}}, "req_x", false},
		"about all, and it":   {put("x"), []rolebroker.OpenRequest{{ID: "req_all"}, {ID: "req_x", Call: put("x")}}, "req_x", false},
		"a name of odd bytes": {odd, []rolebroker.OpenRequest{{ID: "req_x", Call: read}}, "req_x", false},
		"a token waits alone": {tokens, []rolebroker.OpenRequest{{ID: "req_x", Call: put("x")}}, "", false},
		"approved":            {put("x"), []rolebroker.OpenRequest{{ID: "req_x", Call: put("x"), Approved: true, Narrowed: only}}, "req_x", true},
		"a token is not": {tokens, []rolebroker.OpenRequest{{ID: "req_x", Call: put("x"), Approved: true, Narrowed: only}}, "",
			false},
		"a token, approved": {tokens, []rolebroker.OpenRequest{{ID: "req_x", Call: tokens, Approved: true, Narrowed: only}}, "req_x",
			true},
		"a token, with all else": {tokens, []rolebroker.OpenRequest{{ID: "req_all", Approved: true}}, "req_all", true},
	} {
		g := &rolebroker.Grants{Agent: rolebroker.Agent{Name: "scout", DefaultIntegration: "int_p",
			Connections: []rolebroker.Connection{c}}, Integrations: []rolebroker.Integration{in}}
		for _, r := range x.requests {
			r.Integration, r.Role, r.About, r.Until = "int_p", "rol_d", rolebroker.ApprovalWrite, now.Add(time.Minute)
			r.Access = rolebroker.AccessFull
			g.Requests = append(g.Requests, r)
		}
		grant, err := g.Resolve("")
		if err != nil {
			t.Fatal(err)
		}
		found, err := g.MayCall(grant, "", x.call, now)
		if found.ID != x.waits || (err == nil) != x.may {
			t.Errorf("%s: it is %q, %v", name, found.ID, err)
		}
	}
}

// With approval call a read asks too, and an approval of changes does not do for it.
func TestMayCallWhatNothingExempts(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	in := rolebroker.Integration{ID: "int_p", Name: "production", Enabled: true, DefaultRole: "deployer",
		Roles: []rolebroker.Role{{ID: "rol_d", Name: "deployer", Enabled: true}}}
	c := rolebroker.NewConnection(&in, now)
	c.Keys, c.Approval = rolebroker.KeysWithheld, rolebroker.ApprovalCall
	var err error
	if c.ExemptPolicy, err = rolebroker.ReadBuckets("aws", []string{"reports"}); err != nil {
		t.Fatal(err)
	}
	get := func(arn string) *rolebroker.AskedCall {
		return &rolebroker.AskedCall{Service: "s3", Operation: "GetObject", Actions: []string{"s3:GetObject"},
			Resources: []string{arn}, Level: "read"}
	}
	for name, x := range map[string]struct {
		about rolebroker.Approval
		call  *rolebroker.AskedCall
		id    rolebroker.AccessRequestID
		code  rolebroker.Code
	}{
		"exempt":                   {rolebroker.ApprovalCall, get("arn:aws:s3:::reports/a"), "", ""},
		"approved":                 {rolebroker.ApprovalCall, get("arn:aws:s3:::other/a"), "req_a", ""},
		"approved for changes":     {rolebroker.ApprovalWrite, get("arn:aws:s3:::other/a"), "", rolebroker.CodeApproval},
		"approved to be borrowed":  {rolebroker.ApprovalBorrow, get("arn:aws:s3:::other/a"), "", rolebroker.CodeApproval},
		"approved by who knows":    {"", get("arn:aws:s3:::other/a"), "", rolebroker.CodeApproval},
		"exempt without a request": {"", get("arn:aws:s3:::reports/a"), "", ""},
	} {
		g := &rolebroker.Grants{Agent: rolebroker.Agent{Name: "scout", DefaultIntegration: "int_p",
			Connections: []rolebroker.Connection{c}}, Integrations: []rolebroker.Integration{in},
			Requests: []rolebroker.OpenRequest{{ID: "req_a", Integration: "int_p", Role: "rol_d", About: x.about,
				Access: rolebroker.AccessFull, Approved: true, Until: now.Add(time.Minute)}}}
		grant, err := g.Resolve("")
		if err != nil {
			t.Fatal(err)
		}
		found, err := g.MayCall(grant, "", x.call, now)
		if found.ID != x.id || rolebroker.CodeOf(err) != x.code {
			t.Errorf("%s: it may by %q: %v", name, found.ID, err)
		}
	}
}
