package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

const (
	// askedEvery is how often a server looks whether a runner has answered.
	askedEvery = 250 * time.Millisecond

	// takePatience is how long a connected runner may leave a request alone. A runner of an earlier version never
	// takes one.
	takePatience = 10 * time.Second

	// answerPatience is how long a runner that took a request may find out nothing, besides the wait for roles that are
	// denied.
	answerPatience = time.Minute

	// answersTimeout is how long a runner may take for all its answers, besides that wait: a validation is one of
	// maxValidations as long as it runs.
	answersTimeout = 10 * time.Minute

	// keepRequests is how long the record of a request is kept.
	keepRequests = time.Hour
)

// runnerRun is one validation by a runner.
type runnerRun struct {
	*Broker
	in      rolebroker.Integration
	runner  *rolebroker.Runner
	subject validate.Subject
	results []rolebroker.RoleValidation
	known   []bool        // which results are known, by index
	left    int           // how many are not
	wait    time.Duration // how long a denied role is tried again
	tell    func(rolebroker.RoleValidation)
}

// validateByRunner has the runner of an integration try its roles, and waits for the outcomes. Roles about which the
// runner says nothing are unknown: ValidRunnerUnavailable, or ValidNotChecked when ctx ends. Codes: not_found,
// throttled, unavailable.
func (b *Broker) validateByRunner(
	ctx context.Context, in *rolebroker.Integration, how Validating,
) ([]rolebroker.RoleValidation, error) {
	runner, err := b.store.Runner(ctx, string(in.Runner))
	if err != nil {
		return nil, err
	}
	if !b.beginValidation(ctx, how.turn) {
		return nil, errTooManyValidations()
	}
	defer func() { <-b.validations }()
	run := &runnerRun{Broker: b, in: *in, runner: runner, left: len(in.Roles), wait: b.wait(how),
		results: make([]rolebroker.RoleValidation, len(in.Roles)), known: make([]bool, len(in.Roles))}
	run.in.Roles = nil
	for _, role := range in.Roles {
		if role.ID == "" { // of a draft
			role.ID = rolebroker.NewRoleID()
		}
		run.in.Roles = append(run.in.Roles, role)
	}
	run.subject = validate.Subject{Integration: run.in,
		RequireExternalID: how.RequireExternalID || b.requireExternalID}
	limit := answersTimeout + run.wait
	if how.Tell == nil {
		limit = validateTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if how.Tell != nil {
		p := newProgress(how)
		defer p.end()
		run.tell = p.report
	}
	return run.results, run.run(ctx)
}

func errTooManyValidations() error {
	return rolebroker.Errorf(rolebroker.CodeThrottled, "%d validations are running already", maxValidations).
		WithHint("try again in a few seconds")
}

// run asks the runner and waits.
func (r *runnerRun) run(ctx context.Context) error {
	var possible []rolebroker.Role
	for i, role := range r.in.Roles {
		if code, err := role.Unassumable(); err != nil {
			r.found(i, rolebroker.Finding{Code: code, CheckedAt: r.now()}, "")
		} else {
			role.Validation = nil
			possible = append(possible, role)
		}
	}
	if r.left == 0 {
		return nil
	}
	if why := r.away(); why != "" {
		r.unavailable(why)
		return nil
	}
	var err error
	if r.subject.Tried, err = r.tried(ctx, &r.in); err != nil {
		return err
	}
	now := stored(r.now())
	request := &rolebroker.ValidationRequest{ID: rolebroker.NewValidationRequestID(), Runner: r.runner.ID,
		Integration: r.in, Tried: r.subject.Tried, Wait: r.wait, RequestedAt: now}
	request.Integration.Roles = possible
	if err := r.store.CreateValidationRequest(ctx, request, now.Add(-keepRequests)); err != nil {
		return err
	}
	return r.await(ctx, request.ID)
}

// await waits until the runner has answered about every role, or does not any more.
func (r *runnerRun) await(ctx context.Context, id rolebroker.ValidationRequestID) error {
	ticker := time.NewTicker(askedEvery)
	defer ticker.Stop()
	seen, news := 0, r.now()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.rest(rolebroker.ValidNotChecked, "the validation ended before this role was tried", nil)
			return nil
		}
		request, err := r.store.ValidationRequest(ctx, id)
		if ctx.Err() != nil {
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range request.Findings[min(seen, len(request.Findings)):] {
			seen, news = seen+1, r.now()
			if i := r.indexOf(f.Role); i >= 0 && !r.known[i] {
				r.found(i, f.Finding, r.runner.Name)
			}
		}
		switch silent := r.now().Sub(news); {
		case r.left == 0:
			return nil
		case !request.FinishedAt.IsZero():
			r.unavailable("did not try the role")
			return nil
		case request.TakenAt.IsZero() && silent >= takePatience:
			r.unavailable("is connected, and did not take up the request: it may be of an earlier version")
			return nil
		case silent >= answerPatience+r.wait:
			r.unavailable("took up the request, and stopped answering")
			return nil
		}
		if fresh, err := r.store.Runner(ctx, string(r.runner.ID)); err == nil {
			r.runner = fresh
		}
		if why := r.away(); why != "" {
			r.unavailable(why)
			return nil
		}
	}
}

// away returns why the runner cannot answer; empty if it is connected.
func (r *runnerRun) away() string {
	switch {
	case r.runner.JoinedAt.IsZero():
		return "has not joined yet"
	case r.runner.Connected(r.now()):
		return ""
	}
	return "is not connected; it was last in contact at " + r.runner.SeenAt.UTC().Format(time.RFC3339)
}

func (r *runnerRun) indexOf(id rolebroker.RoleID) int {
	for i := range r.in.Roles {
		if r.in.Roles[i].ID == id {
			return i
		}
	}
	return -1
}

// found notes the finding about a role.
func (r *runnerRun) found(i int, f rolebroker.Finding, by string) {
	result := validate.Explain(r.subject, rolebroker.Party{Runner: true}, i, f)
	result.CheckedBy = by
	r.note(i, result)
}

func (r *runnerRun) note(i int, result rolebroker.RoleValidation) {
	r.results[i], r.known[i] = result, true
	r.left--
	if r.tell != nil {
		r.tell(result)
	}
}

// unavailable notes that the runner says nothing about the roles that are left, and what it said of each last.
func (r *runnerRun) unavailable(why string) {
	r.rest(rolebroker.ValidRunnerUnavailable, fmt.Sprintf("runner %s %s", r.runner.Name, why),
		rolebroker.Hintf("see whether it runs: rolebroker runner show %s", r.runner.Name))
}

func (r *runnerRun) rest(code rolebroker.ValidationCode, message string, hint rolebroker.Hint) {
	for i, role := range r.in.Roles {
		if r.known[i] {
			continue
		}
		said := message
		if last := role.Validation; last != nil && last.CheckedBy != "" {
			said += fmt.Sprintf("; at %s runner %s found: %s", last.CheckedAt.UTC().Format(time.RFC3339), last.CheckedBy,
				last.Status)
		}
		r.note(i, rolebroker.RoleValidation{Index: i, Role: role, Validation: rolebroker.Validation{
			Status: rolebroker.StatusUnknown, Code: code, Message: said, Hint: hint, CheckedAt: r.now()}})
	}
}

// RunnerValidationRequests returns what the runner is asked to try, each request once. Codes: denied.
func (b *Broker) RunnerValidationRequests(
	ctx context.Context, who rolebroker.Caller,
) ([]rolebroker.ValidationRequest, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerGrants); err != nil {
		return nil, err
	}
	now := b.now()
	return b.store.TakeValidationRequests(ctx, who.Runner, now.Add(-takePatience), now)
}

// AnswerValidationRequest takes what the runner found out of what it was asked to try. Codes: denied, invalid,
// not_found, throttled.
func (b *Broker) AnswerValidationRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.ValidationRequestID,
	findings map[rolebroker.RoleID]rolebroker.Finding, finished bool,
) error {
	const action = rolebroker.ActionRunnerRecord
	if err := b.May(ctx, who, action); err != nil {
		return err
	}
	request, err := b.store.ValidationRequest(ctx, id)
	if err == nil && request.Runner != who.Runner {
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "runner %s was not asked %s", who.Name,
			rolebroker.Quote(string(id)))
	}
	if err != nil {
		return b.refused(ctx, who, action, err)
	}
	if !b.allowed.use(runnerIntegration{who.Runner, request.Integration.ID}, validationsPerSecond, validationsAtOnce,
		b.now()) {
		return rolebroker.Errorf(rolebroker.CodeThrottled, "runner %s answers too often", who.Name)
	}
	answered := map[rolebroker.RoleID]bool{}
	for _, f := range request.Findings {
		answered[f.Role] = true
	}
	var news []rolebroker.RoleFinding
	for _, role := range request.Integration.Roles { // once each, so that a runner cannot fill the database
		f, ok := findings[role.ID]
		if !ok || answered[role.ID] {
			continue
		}
		if err := cleanFinding(&f, b.now()); err != nil {
			return err
		}
		news = append(news, rolebroker.RoleFinding{Role: role.ID, Finding: f})
	}
	at := time.Time{}
	if finished {
		at = b.now()
	}
	return b.store.AnswerValidationRequest(ctx, who.Runner, id, news, at)
}
