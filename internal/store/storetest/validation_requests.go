package storetest

import (
	"time"

	"github.com/rolebroker/rolebroker"
)

// testValidationRequests checks that a request is taken once, by its runner, and answered until it is finished.
func testValidationRequests(s *suite) {
	eks, gke := s.createRunner("eks"), s.createRunner("gke")
	in := s.runBy(eks, "cluster")
	request := &rolebroker.ValidationRequest{ID: rolebroker.NewValidationRequestID(), Runner: eks.ID, Integration: *in,
		Wait: time.Minute, RequestedAt: t1,
		Tried: rolebroker.Tried{Agents: []string{"scout"}, Connected: true, Policies: []rolebroker.TriedPolicy{{
			Access: rolebroker.AccessPolicy, SessionPolicy: "{}", Roles: []rolebroker.RoleID{"rol_a"},
			Agents: []string{"scout"}, Count: 1}}}}
	var published []rolebroker.Change
	s.store.Subscribe(func(c rolebroker.Change) {
		if c != (rolebroker.Change{}) { // a gap, which a slow machine may have
			published = append(published, c)
		}
	})
	s.must(s.store.CreateValidationRequest(s.ctx, request, t0))
	s.equal(published, []rolebroker.Change{{Validate: eks.ID}})
	has := func() {
		s.Helper()
		got, err := s.store.ValidationRequest(s.ctx, request.ID)
		s.must(err)
		s.equal(got, request)
	}
	has()
	takes := func(runner *rolebroker.Runner, want ...rolebroker.ValidationRequest) {
		s.Helper()
		got, err := s.store.TakeValidationRequests(s.ctx, runner.ID, t1, t2)
		s.must(err)
		s.equal(append([]rolebroker.ValidationRequest{}, got...), append([]rolebroker.ValidationRequest{}, want...))
	}
	takes(gke)
	request.TakenAt = t2
	takes(eks, *request)
	takes(eks)
	has()

	first := []rolebroker.RoleFinding{{Role: in.Roles[0].ID, Finding: rolebroker.Finding{Code: rolebroker.ValidDenied,
		Method: rolebroker.MethodWebIdentity, Account: account("runner"), CheckedAt: t2,
		Refusal: &rolebroker.Refusal{Kind: rolebroker.RefusedDenied, Code: "AccessDenied", Message: "no\n\x00½"}}}}
	missing := rolebroker.NewValidationRequestID()
	for runner, id := range map[*rolebroker.Runner]rolebroker.ValidationRequestID{gke: request.ID, eks: missing} {
		s.code(s.store.AnswerValidationRequest(s.ctx, runner.ID, id, first, t2), rolebroker.CodeNotFound,
			`there is no validation request "`+string(id)+`"`)
	}
	s.must(s.store.AnswerValidationRequest(s.ctx, eks.ID, request.ID, first, time.Time{}))
	request.Findings = first
	has()
	second := []rolebroker.RoleFinding{{Role: "rol_b", Finding: rolebroker.Finding{Code: rolebroker.ValidAssumable}}}
	s.must(s.store.AnswerValidationRequest(s.ctx, eks.ID, request.ID, second, t2))
	request.Findings, request.FinishedAt = append(first, second...), t2
	has()
	s.code(s.store.AnswerValidationRequest(s.ctx, eks.ID, request.ID, second, t2), rolebroker.CodeNotFound,
		`there is no validation request "`+string(request.ID)+`"`)

	later := &rolebroker.ValidationRequest{ID: rolebroker.NewValidationRequestID(), Runner: eks.ID, Integration: *in,
		RequestedAt: t2}
	s.must(s.store.CreateValidationRequest(s.ctx, later, t2))
	_, err := s.store.ValidationRequest(s.ctx, request.ID)
	s.code(err, rolebroker.CodeNotFound, `there is no validation request "`+string(request.ID)+`"`)
	later.Runner = rolebroker.NewRunnerID()
	later.ID = rolebroker.NewValidationRequestID()
	s.code(s.store.CreateValidationRequest(s.ctx, later, t2), rolebroker.CodeNotFound,
		`there is no runner "`+string(later.Runner)+`"`)
}
