package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// request makes a pending access request of an agent for the first role of an integration.
func request(a *rolebroker.Agent, in *rolebroker.Integration, task string) *rolebroker.AccessRequest {
	return &rolebroker.AccessRequest{ID: rolebroker.NewAccessRequestID(), About: rolebroker.ApprovalBorrow,
		Agent: a.ID, AgentName: a.Name, Token: "tok_a",
		Integration: in.ID, IntegrationName: in.Name, Role: in.Roles[0].ID, RoleName: in.Roles[0].Name, ARN: in.Roles[0].ARN, Access: "full",
		Task: task, Reason: "release ½", Duration: time.Hour, CreatedAt: t0,
		ExpiresAt: t0.Add(rolebroker.RequestLifetime)}
}

// ask stores a request that is a new one.
func (s *suite) ask(r *rolebroker.AccessRequest) *rolebroker.AccessRequest {
	s.Helper()
	same, err := s.store.CreateAccessRequest(s.ctx, r, Event())
	s.must(err)
	if same != nil {
		s.Fatalf("%s is %s already", r.ID, same.ID)
	}
	return r
}

func (s *suite) hasRequest(want *rolebroker.AccessRequest) {
	s.Helper()
	got, err := s.store.AccessRequest(s.ctx, want.ID)
	s.must(err)
	s.equal(got, want)
}

// approved returns the request as alice approves it at a time.
func (s *suite) approved(r *rolebroker.AccessRequest, at time.Time) *rolebroker.AccessRequest {
	s.Helper()
	a, err := r.Approve(rolebroker.ApprovalTerms{Duration: 10 * time.Minute, Note: "go ½", BreakGlass: true}, at)
	s.must(err)
	a.DecidedBy, a.Decider = "alice", "key_a"
	return &a
}

// A request is kept as it is, with each of its decisions and ends.
func testAccessRequest(s *suite) {
	in := s.createIntegration("production", "deployer")
	a := s.createAgent("scout", in)
	r := s.ask(request(a, in, "release"))
	s.hasRequest(r)
	_, err := s.store.AccessRequest(s.ctx, "req_none")
	s.code(err, rolebroker.CodeNotFound, `there is no access request "req_none"`)

	at := t0.Add(time.Minute)
	granted := s.approved(r, at)
	s.must(s.store.DecideAccessRequest(s.ctx, granted, Event()))
	s.hasRequest(granted)
	denied, err := r.Deny("no", at.Add(time.Second))
	s.must(err)
	denied.DecidedBy = "bob"
	err = s.store.DecideAccessRequest(s.ctx, &denied, Event())
	s.code(err, rolebroker.CodeConflict, `"alice" approved access request `+string(r.ID)+` at 2025-03-01T12:31:15Z; it is approved`)
	s.hasRequest(granted)
	missing := *granted
	missing.ID = "req_none"
	s.code(s.store.DecideAccessRequest(s.ctx, &missing, Event()), rolebroker.CodeNotFound, "")

	under := session(a, in, in.Roles[0], t0)
	under.AccessRequest = r.ID
	s.record(under)
	other := s.record(session(a, in, in.Roles[0], t0))
	for _, want := range []bool{true, false} {
		ended, err := s.store.EndAccessRequest(s.ctx, granted, at.Add(time.Minute), "bob", Event())
		s.must(err)
		s.equal(ended, want)
	}
	granted.EndedAt, granted.EndedBy = at.Add(time.Minute), "bob"
	s.hasRequest(granted)
	got, err := s.store.Session(s.ctx, under.ID)
	s.must(err)
	s.equal([]any{got.EndedBy, got.AccessRequest}, []any{"bob", r.ID})
	got, err = s.store.Session(s.ctx, other.ID)
	s.must(err)
	s.equal(got.EndedBy, "")

	late := s.ask(request(a, in, "late"))
	tooLate := s.approved(late, t0)
	tooLate.DecidedAt = late.ExpiresAt
	s.code(s.store.DecideAccessRequest(s.ctx, tooLate, Event()), rolebroker.CodeConflict,
		"access request "+string(late.ID)+" expired at 2025-03-01T13:00:15Z")
	// A person who approves while somebody cuts the agent off is too late, too.
	cut := s.ask(request(a, in, "cut"))
	_, err = s.store.EndAccessRequest(s.ctx, cut, at, "bob", Event())
	s.must(err)
	s.code(s.store.DecideAccessRequest(s.ctx, s.approved(cut, at), Event()), rolebroker.CodeConflict,
		`"bob" ended access request `+string(cut.ID)+" at 2025-03-01T12:31:15Z")

	// An agent that was cut off while it asked has asked too late.
	off := *a
	off.Disabled, off.Version = true, a.Version+1
	s.must(s.store.UpdateAgent(s.ctx, &off, a.Version, Event()))
	asks := func(when string) {
		s.Helper()
		_, err := s.store.CreateAccessRequest(s.ctx, request(a, in, when), Event())
		s.code(err, rolebroker.CodeDenied, "agent scout is disabled, or was deleted")
	}
	asks("disabled")
	// What a deleted agent asked for waits for nobody.
	deleted := Event()
	deleted.At = at
	s.must(s.store.DeleteAgent(s.ctx, a.ID, 0, deleted))
	late.EndedAt, late.EndedBy = at, deleted.Actor.Name
	s.hasRequest(late)
	asks("deleted")
}

// Asking for the same again finds the request while it is open, also if many ask at once.
func testSameAccessRequest(s *suite) {
	in := s.createIntegration("production", "deployer", "readonly")
	a, other := s.createAgent("scout", in), s.createAgent("other", in)
	found := make([]rolebroker.AccessRequestID, 8)
	for _, err := range atOnce(len(found), func(i int) error {
		r := request(a, in, "release")
		same, err := s.store.CreateAccessRequest(s.ctx, r, Event())
		if found[i] = r.ID; same != nil {
			found[i] = same.ID
		}
		return err
	}) {
		s.must(err)
	}
	for _, id := range found {
		s.equal(id, found[0])
	}
	first, err := s.store.AccessRequest(s.ctx, found[0])
	s.must(err)

	s.ask(request(a, in, "another"))
	s.ask(request(other, in, "release"))
	role, access := request(a, in, "release"), request(a, in, "release")
	role.Role, access.Access = in.Roles[1].ID, "read-only"
	s.ask(role)
	s.ask(access)
	arn, policy := request(a, in, "release"), request(a, in, "release")
	arn.ARN.Name, policy.PolicyHash = "Another", "abc"
	s.ask(arn)
	s.ask(policy)
	s.hasRequest(policy)

	granted := s.approved(first, t0)
	s.must(s.store.DecideAccessRequest(s.ctx, granted, Event()))
	again := func(at time.Time) *rolebroker.AccessRequest {
		r := request(a, in, "release")
		r.CreatedAt, r.ExpiresAt = at, at.Add(time.Hour)
		same, err := s.store.CreateAccessRequest(s.ctx, r, Event())
		s.must(err)
		return same
	}
	s.equal(again(granted.EndsAt.Add(-time.Millisecond)), granted)
	if same := again(granted.EndsAt); same != nil {
		s.Fatalf("%s is over, and found", same.ID)
	}
}

// One of many who decide at once wins, and the others learn who it was.
func testDecisionsAtOnce(s *suite) {
	in := s.createIntegration("production", "deployer")
	r := s.ask(request(s.createAgent("scout", in), in, ""))
	won := 0
	for _, err := range atOnce(8, func(i int) error {
		decided, err := r.Deny("no", t0.Add(time.Second))
		if i%2 == 0 {
			decided, err = r.Approve(rolebroker.ApprovalTerms{}, t0.Add(time.Second))
		}
		decided.DecidedBy = fmt.Sprint("person", i)
		if err != nil {
			return err
		}
		return s.store.DecideAccessRequest(s.ctx, &decided, Event())
	}) {
		if err == nil {
			won++
		} else {
			s.code(err, rolebroker.CodeConflict, "")
			if !strings.HasPrefix(err.Error(), `"person`) {
				s.Errorf("the others do not learn who decided: %v", err)
			}
		}
	}
	s.equal(won, 1)
}

// What an agent may have open is bounded: what nobody decided, and all.
func testManyAccessRequests(s *suite) {
	in := s.createIntegration("production", "deployer")
	a := s.createAgent("scout", in)
	n := 0
	more := func(decided bool, at time.Time) error {
		n++
		r := request(a, in, fmt.Sprint("task", n))
		r.CreatedAt, r.ExpiresAt = at, at.Add(rolebroker.RequestLifetime)
		if decided {
			r = s.approved(r, at)
		}
		_, err := s.store.CreateAccessRequest(s.ctx, r, Event())
		return err
	}
	for range rolebroker.MaxPendingRequests {
		s.must(more(false, t0))
	}
	s.code(more(false, t0), rolebroker.CodeThrottled, "agent scout has 20 access requests that nobody has decided, "+
		"the most that are allowed")
	for range rolebroker.MaxOpenRequests - rolebroker.MaxPendingRequests {
		s.must(more(true, t0))
	}
	s.code(more(true, t0), rolebroker.CodeThrottled, "agent scout has 100 access requests that are pending or approved, "+
		"the most that are allowed")
	s.must(more(false, t0.Add(rolebroker.RequestLifetime)))
}

func testListAccessRequests(s *suite) {
	in := s.createIntegration("production", "deployer")
	scout, other := s.createAgent("scout", in), s.createAgent("other", in)
	at := func(a *rolebroker.Agent, minutes int) *rolebroker.AccessRequest {
		r := request(a, in, fmt.Sprint("task", minutes))
		r.CreatedAt = t0.Add(time.Duration(minutes) * time.Minute)
		r.ExpiresAt = r.CreatedAt.Add(30 * time.Minute)
		return r
	}
	now := t0.Add(time.Hour)
	expired, pending := s.ask(at(scout, 0)), s.ask(at(scout, 59))
	over, granted := s.ask(s.approved(at(scout, 1), t0.Add(time.Minute))), s.ask(s.approved(at(other, 58), now))
	ended := s.ask(s.approved(at(other, 57), now))
	_, err := s.store.EndAccessRequest(s.ctx, ended, now, "bob", Event())
	s.must(err)
	no, err := at(scout, 56).Deny("no", now)
	s.must(err)
	denied := s.ask(&no)
	lists := func(f rolebroker.AccessRequestFilter, want ...*rolebroker.AccessRequest) {
		s.Helper()
		f.At = now
		list := func(p rolebroker.Page) ([]rolebroker.AccessRequest, error) {
			return s.store.AccessRequests(s.ctx, f, p)
		}
		ids := names(pages(s, 2, list, rolebroker.AccessRequestCursor),
			func(r *rolebroker.AccessRequest) string { return string(r.ID) })
		all := names(want, func(r **rolebroker.AccessRequest) string { return string((*r).ID) })
		s.equal(ids, all)
		f.OldestFirst = true
		slices.Reverse(all)
		s.equal(names(pages(s, 2, list, rolebroker.AccessRequestCursor),
			func(r *rolebroker.AccessRequest) string { return string(r.ID) }), all)
	}
	lists(rolebroker.AccessRequestFilter{}, pending, granted, ended, denied, over, expired)
	lists(rolebroker.AccessRequestFilter{Agent: "other"}, granted, ended)
	lists(rolebroker.AccessRequestFilter{Agent: string(scout.ID), Since: over.CreatedAt}, pending, denied, over)
	lists(rolebroker.AccessRequestFilter{BreakGlass: true}, granted, ended, over)
	lists(rolebroker.AccessRequestFilter{BreakGlass: true, Agent: "other", State: rolebroker.RequestEnded}, ended)
	for state, want := range map[rolebroker.AccessRequestState][]*rolebroker.AccessRequest{
		rolebroker.RequestPending: {pending}, rolebroker.RequestApproved: {granted}, rolebroker.RequestEnded: {ended},
		rolebroker.RequestDenied: {denied}, rolebroker.RequestExpired: {over, expired},
	} {
		lists(rolebroker.AccessRequestFilter{State: state}, want...)
		lists(rolebroker.AccessRequestFilter{State: state, Agent: "nobody"})
	}

	for _, want := range []int{2, 1, 0} { // expired and over
		n, err := s.store.DeleteAccessRequests(s.ctx, t0.Add(40*time.Minute), 2)
		if want == 1 {
			want = 0
		}
		s.must(err)
		s.equal(n, want)
	}
	lists(rolebroker.AccessRequestFilter{}, pending, granted, ended, denied)
}

// A decision is published, so that every server and runner learns of it.
func testAccessRequestsChange(s *suite) {
	in := s.createIntegration("production", "deployer")
	a := s.createAgent("scout", in)
	var told []rolebroker.Change
	s.store.Subscribe(func(c rolebroker.Change) { told = append(told, c) })
	r := s.ask(request(a, in, ""))
	granted := s.approved(r, t0)
	s.must(s.store.DecideAccessRequest(s.ctx, granted, Event()))
	_, err := s.store.EndAccessRequest(s.ctx, granted, t0.Add(time.Second), "bob", Event())
	s.must(err)
	s.equal(told, []rolebroker.Change{{Agent: a.ID}, {Agent: a.ID}, {Agent: a.ID}})
}

func testApprovalRules(s *suite) {
	in := s.createIntegration("production", "deployer")
	a := s.createAgent("scout", in)
	r := &rolebroker.ApprovalRule{ID: rolebroker.NewApprovalRuleID(), Name: "reads", Reason: "why ½", Enabled: true,
		Agent: a.ID, AgentName: a.Name, Integration: in.ID, IntegrationName: in.Name, Role: in.Roles[0].ID,
		RoleName: in.Roles[0].Name, Access: "read-only", MaxDuration: time.Hour, Until: t2, Version: 1, CreatedAt: t0,
		UpdatedAt: t0}
	has := func() {
		s.Helper()
		for _, name := range []string{r.Name, string(r.ID)} {
			got, err := s.store.ApprovalRule(s.ctx, name)
			s.must(err)
			s.equal(got, r)
		}
	}
	s.must(s.store.CreateApprovalRule(s.ctx, r, Event()))
	has()
	any := &rolebroker.ApprovalRule{ID: rolebroker.NewApprovalRuleID(), Name: "any", MaxDuration: time.Minute, Version: 1,
		CreatedAt: t0, UpdatedAt: t0}
	s.must(s.store.CreateApprovalRule(s.ctx, any, Event()))
	twice := *any
	twice.ID = rolebroker.NewApprovalRuleID()
	s.code(s.store.CreateApprovalRule(s.ctx, &twice, Event()), rolebroker.CodeConflict,
		`an approval rule named "any" exists already`)
	list := func(p rolebroker.Page) ([]rolebroker.ApprovalRule, error) { return s.store.ApprovalRules(s.ctx, p) }
	all := pages(s, 1, list, func(r *rolebroker.ApprovalRule) string { return r.Name })
	s.equal(all, []rolebroker.ApprovalRule{*any, *r})

	r.Enabled, r.Role, r.RoleName, r.Version, r.UpdatedAt = false, "", "", 2, t1
	s.must(s.store.UpdateApprovalRule(s.ctx, r, 1, Event()))
	has()
	s.code(s.store.UpdateApprovalRule(s.ctx, r, 1, Event()), rolebroker.CodeStale, "")
	s.must(s.store.DeleteAgent(s.ctx, a.ID, 0, Event())) // the rule is still about that agent, and about no other
	r.AgentName = ""
	has()
	s.code(s.store.DeleteApprovalRule(s.ctx, r.ID, 1, Event()), rolebroker.CodeStale, "")
	s.must(s.store.DeleteApprovalRule(s.ctx, r.ID, 2, Event()))
	_, err := s.store.ApprovalRule(s.ctx, "reads")
	s.code(err, rolebroker.CodeNotFound, `there is no approval rule "reads"`)
	s.code(s.store.UpdateApprovalRule(s.ctx, r, 1, Event()), rolebroker.CodeNotFound, "")
	s.code(s.store.DeleteApprovalRule(s.ctx, r.ID, 0, Event()), rolebroker.CodeNotFound, "")
}

// A question about a call is asked once for a role and a task: while it is open, and after a person has denied or ended
// it, unless the agent asks by itself. Another call is another question. What it is narrowed to is kept.
func testWriteRequests(s *suite) {
	in := s.createIntegration("production", "deployer")
	a := s.createAgent("scout", in)
	seconds := 0
	write := func(action string) *rolebroker.AccessRequest {
		r := request(a, in, "tidy")
		seconds++
		r.CreatedAt = t0.Add(time.Duration(seconds) * time.Second)
		r.ExpiresAt = r.CreatedAt.Add(rolebroker.RequestLifetime)
		r.About, r.Call = rolebroker.ApprovalWrite, &rolebroker.AskedCall{Service: "dynamodb", Operation: "X", Region: "eu-west-1",
			Actions: []string{action}, Resources: []string{"arn:aws:dynamodb:::table/½"}, Level: rolebroker.CallWrite}
		return r
	}
	isSame := func(r, want *rolebroker.AccessRequest) {
		s.Helper()
		same, err := s.store.CreateAccessRequest(s.ctx, r, Event())
		s.must(err)
		if same == nil || same.ID != want.ID {
			s.Fatalf("asked again, it is %+v, want %s", same, want.ID)
		}
	}
	s.ask(request(a, in, "tidy")) // to borrow: another question
	first := s.ask(write("dynamodb:PutItem"))
	s.hasRequest(first)
	isSame(write("dynamodb:PutItem"), first)
	second := s.ask(write("dynamodb:DeleteItem"))

	narrowed, err := first.Approve(rolebroker.ApprovalTerms{Narrowed: rolebroker.Narrowed{
		Actions: []string{"dynamodb:PutItem"}, Resources: []string{"arn:aws:dynamodb:::table/*"}}}, t0.Add(time.Minute))
	s.must(err)
	narrowed.DecidedBy, narrowed.Decider = "alice", "key_a"
	s.must(s.store.DecideAccessRequest(s.ctx, &narrowed, Event()))
	s.hasRequest(&narrowed)
	isSame(write("dynamodb:PutItem"), &narrowed)
	token := write("dynamodb:PutItem")
	token.Call.Token = true // it works for whoever has it: another question
	s.ask(token)

	denied, err := second.Deny("no", t0.Add(2*time.Minute))
	s.must(err)
	s.must(s.store.DecideAccessRequest(s.ctx, &denied, Event()))
	isSame(write("dynamodb:DeleteItem"), &denied)
	other := write("dynamodb:DeleteItem")
	other.Task = "another"
	s.ask(other)
	again := write("dynamodb:DeleteItem")
	again.Again = true // the agent asks, with a reason
	s.ask(again)
	isSame(write("dynamodb:DeleteItem"), again)
	by := write("")
	by.Call = nil // it asks about all of the task
	s.ask(by)
	isSame(write("dynamodb:Scan"), by)

	all, err := by.Approve(rolebroker.ApprovalTerms{}, t0.Add(3*time.Minute))
	s.must(err)
	s.must(s.store.DecideAccessRequest(s.ctx, &all, Event()))
	_, err = s.store.EndAccessRequest(s.ctx, &all, t0.Add(4*time.Minute), "alice", Event())
	s.must(err)
	isSame(write("dynamodb:Scan"), &all)
	isSame(write("dynamodb:DeleteItem"), again)
}
