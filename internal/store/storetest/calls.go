package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// call is a call of the agent that began at a time, without an outcome.
func call(a *rolebroker.Agent, in *rolebroker.Integration, at time.Time) rolebroker.Call {
	role := in.Roles[0]
	return rolebroker.Call{ID: rolebroker.NewCallID(at), Agent: a.ID, AgentName: a.Name, Token: "tok_1",
		Address: "192.0.2.7", Integration: in.ID, IntegrationName: in.Name, Role: role.ID, RoleName: role.Name,
		ARN: role.ARN, Task: "tidy", Session: "ses_1", AccessRequest: "req_1", Service: "dynamodb", Operation: "PutItem",
		Actions: []string{"dynamodb:PutItem"}, Region: "eu-west-1",
		Resources: []string{"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"}, Level: rolebroker.CallWrite,
		Decision: rolebroker.CallAllowed, Times: 1}
}

func (s *suite) recordCalls(calls ...rolebroker.Call) {
	s.Helper()
	s.must(s.store.RecordCalls(s.ctx, calls))
}

func (s *suite) hasCalls(filter rolebroker.CallFilter, want ...rolebroker.Call) {
	s.Helper()
	got, err := s.store.Calls(s.ctx, filter, rolebroker.Page{Limit: 1000})
	s.must(err)
	s.equal(append([]rolebroker.Call{}, got...), append([]rolebroker.Call{}, want...))
}

// testCall stores a call, its outcome, and no other outcome.
func testCall(s *suite) {
	in := s.createIntegration("production", "readonly")
	c := call(s.createAgent("scout", in), in, t0)
	s.recordCalls(c)
	found, err := s.store.Call(s.ctx, c.ID)
	s.must(err)
	s.equal(*found, c)
	s.equal(found.BeganAt(), t0)
	s.equal(found.Outcome(), rolebroker.OutcomeUnknown)
	_, err = s.store.Call(s.ctx, rolebroker.NewCallID(t0))
	s.code(err, rolebroker.CodeNotFound, "")

	ended := c
	ended.EndedAt, ended.Status, ended.RequestID, ended.BytesIn, ended.BytesOut = t1, 200, "ABC", 20, 30
	s.recordCalls(ended)
	s.hasCalls(rolebroker.CallFilter{}, ended)
	s.equal(ended.Outcome(), rolebroker.OutcomeAnswered)

	again := ended
	again.Status, again.Agent, again.Operation = 500, "agt_other", "DeleteItem"
	s.recordCalls(again)
	s.hasCalls(rolebroker.CallFilter{}, ended)

	token := call(s.createAgent("rover", in), in, t1)
	token.EndedAt, token.ValidUntil = t1, t2
	s.recordCalls(token)
	found, err = s.store.Call(s.ctx, token.ID)
	s.must(err)
	s.equal(*found, token)
	s.equal(found.Outcome(), rolebroker.OutcomeHandedOut)
	for at, want := range map[time.Time][]rolebroker.SessionID{t1: {token.Session}, t2: nil} {
		sessions, err := s.store.TokenSessions(s.ctx, token.Agent, at)
		s.must(err)
		s.equal(append([]rolebroker.SessionID{}, sessions...), append([]rolebroker.SessionID{}, want...))
	}

	odd := call(&rolebroker.Agent{ID: "agt_1", Name: "a\x00b"}, in, t2)
	odd.Resources, odd.Actions, odd.ARN = []string{"x\xff"}, nil, rolebroker.RoleARN{}
	s.recordCalls(odd)
	odd.AgentName, odd.Resources = "a\uFFFDb", []string{"x\uFFFD"}
	s.hasCalls(rolebroker.CallFilter{Agent: "agt_1"}, odd)
	s.recordCalls()
}

// testCallList lists by each filter, and in pages.
func testCallList(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	var all []rolebroker.Call
	for i := range 60 { // more than one batch
		c := call(a, in, t0.Add(time.Duration(i)*time.Millisecond))
		if i%2 == 1 {
			c.Agent, c.Role, c.Session, c.AccessRequest = "agt_2", "rol_2", "ses_2", ""
			c.Service, c.Operation, c.Level = "s3", "GetObject", rolebroker.CallRead
		}
		if i%3 == 0 {
			c.Decision, c.Code, c.Reason, c.Times, c.EndedAt = rolebroker.CallRefused, rolebroker.CodeDenied, "no", 7, t1
		}
		all = append(all, c)
	}
	s.recordCalls(all...)
	slices.Reverse(all)
	only := func(keep func(rolebroker.Call) bool) []rolebroker.Call {
		return slices.DeleteFunc(slices.Clone(all), func(c rolebroker.Call) bool { return !keep(c) })
	}
	odd := only(func(c rolebroker.Call) bool { return c.Agent == "agt_2" })
	even := only(func(c rolebroker.Call) bool { return c.Agent != "agt_2" })
	refused := only(func(c rolebroker.Call) bool { return c.Decision == rolebroker.CallRefused })
	s.hasCalls(rolebroker.CallFilter{}, all...)
	s.hasCalls(rolebroker.CallFilter{Agent: "agt_2"}, odd...)
	s.hasCalls(rolebroker.CallFilter{Role: "rol_2"}, odd...)
	s.hasCalls(rolebroker.CallFilter{Session: "ses_2"}, odd...)
	s.hasCalls(rolebroker.CallFilter{Request: "req_1"}, even...)
	s.hasCalls(rolebroker.CallFilter{Service: "dynamodb"}, even...)
	s.hasCalls(rolebroker.CallFilter{Operation: "GetObject"}, odd...)
	s.hasCalls(rolebroker.CallFilter{Level: rolebroker.CallWrite}, even...)
	s.hasCalls(rolebroker.CallFilter{Decision: rolebroker.CallRefused}, refused...)
	s.hasCalls(rolebroker.CallFilter{Decision: rolebroker.CallAllowed},
		only(func(c rolebroker.Call) bool { return c.Decision == rolebroker.CallAllowed })...)
	s.hasCalls(rolebroker.CallFilter{Agent: "agt_2", Decision: rolebroker.CallRefused, Service: "s3"},
		only(func(c rolebroker.Call) bool { return c.Agent == "agt_2" && c.Decision == rolebroker.CallRefused })...)
	s.hasCalls(rolebroker.CallFilter{Agent: "agt_2", Service: "dynamodb"})
	s.hasCalls(rolebroker.CallFilter{Since: t0.Add(10 * time.Millisecond), Until: t0.Add(20 * time.Millisecond)},
		all[40:50]...)

	var paged []rolebroker.Call
	for page := (rolebroker.Page{Limit: 7}); ; page.After = string(paged[len(paged)-1].ID) {
		got, err := s.store.Calls(s.ctx, rolebroker.CallFilter{Agent: "agt_2"}, page)
		s.must(err)
		if paged = append(paged, got...); len(got) < 7 {
			break
		}
	}
	s.equal(paged, odd)
}

// testCallDigest covers an hour once, and what it covers does not change.
func testCallDigest(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	hour := t0.Truncate(time.Hour)
	first, err := s.store.FirstCallWithoutDigest(s.ctx)
	s.must(err)
	s.equal(first, time.Time{})
	early, late := call(a, in, hour), call(a, in, hour.Add(time.Hour))
	s.recordCalls(early, late)
	first, err = s.store.FirstCallWithoutDigest(s.ctx)
	s.must(err)
	s.equal(first, hour)
	got, err := s.store.CallsFrom(s.ctx, hour, hour.Add(time.Hour), "", 10)
	s.must(err)
	s.equal(got, []rolebroker.Call{early})
	got, err = s.store.CallsFrom(s.ctx, hour, hour.Add(2*time.Hour), early.ID, 10)
	s.must(err)
	s.equal(got, []rolebroker.Call{late})

	digest := rolebroker.CallDigest{Hour: hour, Calls: 1, SHA256: "00"}
	for range 2 { // the second is another server's
		event := Event()
		event.Action, event.After = rolebroker.ActionCallDigest, digest.Facts()
		s.must(s.store.RecordCallDigest(s.ctx, digest, event))
	}
	events, err := s.store.AuditEvents(s.ctx, rolebroker.AuditFilter{Action: "call.digest"}, rolebroker.Page{Limit: 9})
	s.must(err)
	s.equal(len(events), 1)
	first, err = s.store.FirstCallWithoutDigest(s.ctx)
	s.must(err)
	s.equal(first, hour.Add(time.Hour))

	ended := []rolebroker.Call{early, late}
	for i := range ended {
		ended[i].EndedAt, ended[i].Status = t2, 200
	}
	s.recordCalls(ended...)
	s.hasCalls(rolebroker.CallFilter{}, ended[1], early)

	n, err := s.store.DeleteCalls(s.ctx, hour.Add(time.Hour), 10)
	s.must(err)
	s.equal(n, 1)
	s.hasCalls(rolebroker.CallFilter{}, ended[1])
}

// testCallKinds adds up the calls of one agent that AWS took, by what they need.
func testCallKinds(s *suite) {
	in, other := s.createIntegration("production", "readonly", "deployer"), s.createIntegration("staging", "readonly")
	a, b := s.createAgent("scout", in, other), s.createAgent("ranger", in)
	calls := make([]rolebroker.Call, 9)
	for i := range calls {
		calls[i] = call(a, in, t0.Add(time.Duration(i)*time.Second))
		calls[i].Status, calls[i].EndedAt = 200, t1
	}
	calls[1].Status = 400 // a condition that was not met, say
	calls[2].Operation, calls[2].Actions, calls[2].Resources = "ListTables", []string{"dynamodb:ListTables"}, nil
	calls[3].Role = in.Roles[1].ID
	calls[4].Status = 403
	calls[5].Decision, calls[5].Code, calls[5].Status = rolebroker.CallRefused, rolebroker.CodeDenied, 0
	calls[6].Agent = b.ID
	calls[7].Integration, calls[7].Role = other.ID, other.Roles[0].ID
	calls[8].EndedAt, calls[8].Status, calls[8].RequestID = time.Time{}, 0, "" // nobody knows whether AWS took it
	s.recordCalls(calls...)
	has := func(role rolebroker.RoleID, since time.Time, want ...rolebroker.CallKind) {
		s.Helper()
		var got []rolebroker.CallKind
		s.must(s.store.CallKinds(s.ctx, a.ID, in.ID, role, since, func(k rolebroker.CallKind) { got = append(got, k) }))
		slices.SortFunc(got, func(a, b rolebroker.CallKind) int {
			return cmp.Or(strings.Compare(a.Operation, b.Operation), cmp.Compare(b.Calls, a.Calls))
		})
		s.equal(got, want)
	}
	kind := func(c rolebroker.Call, n int64, last int) rolebroker.CallKind {
		return rolebroker.CallKind{Service: c.Service, Operation: c.Operation, Actions: c.Actions, Resources: c.Resources,
			Role: c.Role, ARN: c.ARN, Calls: n, Last: calls[last].BeganAt()}
	}
	has("", time.Time{}, kind(calls[2], 1, 2), kind(calls[0], 3, 8), kind(calls[3], 1, 3))
	has(in.Roles[0].ID, time.Time{}, kind(calls[2], 1, 2), kind(calls[0], 3, 8))
	has(in.Roles[1].ID, time.Time{}, kind(calls[3], 1, 3))
	has("", t0.Add(8*time.Second), kind(calls[0], 1, 8))
	for _, c := range []struct {
		since          time.Time
		byAWS, notSent int64
	}{{time.Time{}, 1, 1}, {t0.Add(5 * time.Second), 0, 1}, {t0.Add(6 * time.Second), 0, 0}} {
		byAWS, notSent, err := s.store.RefusedCalls(s.ctx, a.ID, in.ID, c.since)
		s.must(err)
		s.equal([]int64{byAWS, notSent}, []int64{c.byAWS, c.notSent})
	}
	has("rol_unknown", time.Time{})

	newest := func(role rolebroker.RoleID, since time.Time, n int, want time.Time) {
		s.Helper()
		from, err := s.store.SinceNewest(s.ctx, a.ID, in.ID, role, since, n)
		s.must(err)
		s.equal(from.UTC(), want.UTC())
	}
	newest("", t0, 5, t0) // that many there are
	newest("", t0, 4, t0.Add(time.Millisecond))
	newest("", t0, 1, t0.Add(3*time.Second+time.Millisecond)) // the last is of the 8th second
	newest("", t0.Add(8*time.Second), 1, t0.Add(8*time.Second))
	newest(in.Roles[1].ID, t0, 1, t0)
	has("", t0.Add(3*time.Second+time.Millisecond), kind(calls[0], 1, 8))
}
