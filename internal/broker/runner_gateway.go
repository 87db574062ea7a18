package broker

import (
	"context"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
)

// KeyThrough lends an agent a key that only the gateway of the runner takes, for a role that the runner assumes. The
// agent has shown its token to the runner, or AgentThrough returned it. Codes: those of Lend without those of STS;
// stale (the runner does not assume the role any more, or its keys are not withheld).
func (b *Broker) KeyThrough(
	ctx context.Context, who, agent rolebroker.Caller, req rolebroker.Request,
) (*rolebroker.Loan, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerLend,
		rolebroker.Named(rolebroker.KindAgent, string(agent.Agent))); err != nil {
		return nil, err
	}
	if err := b.introduce(ctx, who, agent.Agent); err != nil {
		return nil, err
	}
	req.Runner = who.Runner
	return b.lender.Lend(ctx, agent, req)
}

// IsKeyOf reports whether the requests that an agent signs with a key are for the gateway of the runner; if not, they
// are for the server's. Codes: denied (they are for another runner's).
func (b *Broker) IsKeyOf(ctx context.Context, who rolebroker.Caller, key rolebroker.GatewayKey) (bool, error) {
	const action = rolebroker.ActionRunnerIdentify
	subject := rolebroker.Named(rolebroker.KindAgent, string(key.Agent))
	if err := b.May(ctx, who, action, subject); err != nil {
		return false, err
	}
	grants, err := b.lender.Grants(ctx, key.Agent)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return false, nil // the server's gateway says so
	}
	if err != nil {
		return false, err
	}
	in, _ := grants.Role(key.Integration, key.Role)
	switch {
	case in == nil || in.AssumptionMode == rolebroker.ModePlatform:
		return false, nil
	case in.Runner != who.Runner:
		return false, b.refused(ctx, who, action, rolebroker.Errorf(rolebroker.CodeDenied,
			"the keys are for a role that runner %s does not assume", who.Name).
			WithHint("send the request to the gateway of the runner, or of the server, that lent the keys"), subject)
	}
	return true, b.refused(ctx, who, action, b.isIntroduced(ctx, who, key.Agent), subject)
}

// AgentOfCall returns the agent of a call that may change something, what it asks for, so that it can be decided here,
// and what people are asked, in words that are fit to show. Codes: denied, not_found, invalid, expired.
func (b *Broker) AgentOfCall(
	ctx context.Context, who rolebroker.Caller, call rolebroker.Call, access rolebroker.Access,
) (agent rolebroker.Caller, req rolebroker.Request, asked *rolebroker.AskedCall, err error) {
	const action = rolebroker.ActionRunnerLend
	subject := rolebroker.Named(rolebroker.KindAgent, string(call.Agent))
	if err := b.May(ctx, who, action, subject); err != nil {
		return agent, req, nil, err
	}
	if err := b.cleanCall(&call); err != nil {
		return agent, req, nil, err
	}
	if err := b.isIntroduced(ctx, who, call.Agent); err != nil {
		return agent, req, nil, b.refused(ctx, who, action, err, subject)
	}
	token, err := b.lender.Token(ctx, call.Token)
	if err != nil {
		return agent, req, nil, err
	}
	in, err := b.calledIntegration(ctx, who, &call)
	switch {
	case err != nil:
		return agent, req, nil, b.refused(ctx, who, action, err, subject)
	case token.Agent != call.Agent:
		return agent, req, nil, invalidCall("token", "is not one of the agent's")
	}
	return rolebroker.Caller{Agent: call.Agent, Token: call.Token, Address: call.Address, Request: who.Request},
		rolebroker.Request{Role: string(in.ID) + "/" + string(call.Role), Task: call.Task, Access: access},
		call.Asked(), nil
}

// calledIntegration returns the integration of a call if the runner assumes its roles and the agent has it. Codes:
// denied.
func (b *Broker) calledIntegration(
	ctx context.Context, who rolebroker.Caller, call *rolebroker.Call,
) (*rolebroker.Integration, error) {
	grants, err := b.lender.Grants(ctx, call.Agent)
	if err != nil {
		return nil, err
	}
	in, role := grants.Role(call.Integration, call.Role)
	if in == nil || in.AssumptionMode != rolebroker.ModeCluster || in.Runner != who.Runner {
		return nil, rolebroker.Errorf(rolebroker.CodeDenied, "runner %s does not assume the role of the call", who.Name)
	}
	call.AgentName, call.IntegrationName, call.RoleName, call.ARN = grants.Agent.Name, in.Name, role.Name, role.ARN
	return in, nil
}

// CallRefusal is why the record of a call is not taken, now or later.
type CallRefusal struct {
	ID  rolebroker.CallID
	Why error // a *rolebroker.Error
}

// maxCalls bounds the calls in one report. A runner sends at most 500.
const maxCalls = 500

// callsPerSecond and callsAtOnce bound the calls that one runner records, on this server: more than the gateway of a
// server can record in SQLite.
const callsPerSecond, callsAtOnce = 5_000, 50_000

// RecordRunnerCalls records calls through the gateway of the runner, durably, and returns those that it does not take.
// What the runner says of them is checked for its form; the names are those that the server knows. A call that is about
// to be sent, and may change something, is decided here: the news of what was taken away may not have reached the
// runner. The same again changes nothing. Codes: denied, invalid, throttled.
func (b *Broker) RecordRunnerCalls(
	ctx context.Context, who rolebroker.Caller, calls []rolebroker.Call,
) ([]CallRefusal, error) {
	if err := b.May(ctx, who, rolebroker.ActionRunnerRecord); err != nil {
		return nil, err
	}
	if len(calls) > maxCalls {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "more than %d calls in one report", maxCalls)
	}
	if !b.allowed.useMany(runnerCalls{who.Runner}, callsPerSecond, callsAtOnce, len(calls), b.now()) {
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "runner %s records calls too fast", who.Name).
			WithHint("try again in a second")
	}
	var (
		taken    []rolebroker.Call
		refused  []CallRefusal
		sessions = map[rolebroker.SessionID]*rolebroker.Session{}
	)
	for _, call := range calls {
		err := b.believeCall(ctx, who, &call, sessions)
		switch code := rolebroker.CodeOf(err); {
		case err == nil:
			if b.redactCalls {
				call.Resources = nil
			}
			taken = append(taken, call)
		case code == rolebroker.CodeUnavailable, code == rolebroker.CodeInternal:
			return nil, err
		default:
			id := call.ID
			if !isID("cal_", string(id)) {
				id = ""
			}
			refused = append(refused, CallRefusal{id, err})
		}
	}
	if len(refused) > 0 {
		b.log.WarnContext(ctx, "the records of some calls of a runner were not taken", "runner", who.Name,
			"calls", len(refused), "first", refused[0].ID, "reason", refused[0].Why)
	}
	if len(taken) == 0 {
		return refused, nil
	}
	return refused, b.store.RecordCalls(ctx, taken)
}

// runnerCalls is the key of the allowance of a runner's calls.
type runnerCalls struct{ runner rolebroker.RunnerID }

// believeCall checks the record of a call, and fills in what the server knows: from the session, if there is one, since
// the agent may have lost the role meanwhile. Codes: invalid, denied, not_found.
func (b *Broker) believeCall(ctx context.Context, who rolebroker.Caller, call *rolebroker.Call,
	sessions map[rolebroker.SessionID]*rolebroker.Session) (err error) {
	if err := b.cleanCall(call); err != nil {
		return err
	}
	if call.Decision == "" { // that of a question
		return invalidCall("decision", "is required")
	}
	if token, err := b.lender.Token(ctx, call.Token); err == nil && token.Agent != call.Agent {
		return invalidCall("token", "is not one of the agent's")
	} else if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeNotFound { // it may have been deleted since
		return err
	}
	if call.AccessRequest, err = b.approvalOfCall(ctx, call); err != nil {
		return err
	}
	if call.Session == "" {
		if call.Decision != rolebroker.CallRefused {
			return invalidCall("session", "is required of a call that was allowed")
		}
		if err := b.isIntroduced(ctx, who, call.Agent); err != nil {
			return err
		}
		_, err := b.calledIntegration(ctx, who, call)
		return err
	}
	s := sessions[call.Session]
	if s == nil {
		if s, err = b.store.Session(ctx, call.Session); err != nil {
			return err
		}
		sessions[call.Session] = s
	}
	if s.RunnerID != who.Runner || s.Agent != call.Agent || s.Integration != call.Integration || s.Role != call.Role ||
		s.Task != call.Task {
		return rolebroker.Errorf(rolebroker.CodeDenied, "runner %s has no such session of the agent and the role",
			who.Name)
	}
	// A runner that lost the role, or whose session was ended, writes no history of it.
	if began := call.ID.Time(); began.Before(s.RequestedAt.Add(-maxClockSkew)) || began.After(s.ExpiresAt) ||
		!s.EndedAt.IsZero() && began.After(s.EndedAt.Add(maxClockSkew)) {
		return rolebroker.Errorf(rolebroker.CodeDenied, "the call did not begin during its session")
	}
	call.AgentName, call.IntegrationName, call.RoleName, call.ARN = s.AgentName, s.IntegrationName, s.RoleName, s.ARN
	if call.Outcome() != rolebroker.OutcomeUnknown || !call.Level.Changes() {
		return nil
	}
	return b.mayBegin(ctx, who, call, s)
}

// mayBegin decides about a call under a session that is about to be sent, and may change something. The record has the
// approval that the server knows. Codes: denied, approval_required, as Lend's.
func (b *Broker) mayBegin(
	ctx context.Context, who rolebroker.Caller, call *rolebroker.Call, s *rolebroker.Session,
) error {
	if !s.EndedAt.IsZero() {
		return rolebroker.Errorf(rolebroker.CodeExpired, "the session of the call was ended").WithHint("try again")
	}
	if _, err := b.calledIntegration(ctx, who, call); err != nil {
		return err
	}
	approval, err := b.lender.MayCall(ctx, rolebroker.Caller{Agent: call.Agent, Token: call.Token},
		rolebroker.Request{Role: string(call.Integration) + "/" + string(call.Role), Task: call.Task}, call.Asked())
	if err == nil && approval.ID != "" {
		call.AccessRequest = approval.ID
	}
	return err
}

// approvalOfCall returns the approval that a runner names for a call, if it was given to the agent for that role and
// task; else nothing.
func (b *Broker) approvalOfCall(ctx context.Context, call *rolebroker.Call) (rolebroker.AccessRequestID, error) {
	if call.AccessRequest == "" {
		return "", nil
	}
	r, err := b.store.AccessRequest(ctx, call.AccessRequest)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return "", nil
	case err != nil:
		return "", err
	case r.Agent != call.Agent || r.Role != call.Role || r.Task != call.Task ||
		r.Decision != rolebroker.DecisionApproved:
		return "", nil
	}
	return r.ID, nil
}

// cleanCall checks the record of a call that a runner sent, and makes its words fit to show. Codes: invalid.
func (b *Broker) cleanCall(c *rolebroker.Call) error {
	generated := func(prefix, id string, empty bool) bool { return id == "" && empty || isID(prefix, id) }
	began := c.ID.Time()
	switch {
	case !isID("cal_", string(c.ID)):
		return invalidCall("id", "is not the ID of a call")
	case began.After(b.now().Add(maxClockSkew)):
		return invalidCall("id", "is of a time in the future; set the clock of the machine that is wrong")
	case !b.now().Before(began.Truncate(time.Hour).Add(time.Hour + digestAfter - maxClockSkew)):
		return invalidCall("id", "is of an hour that the audit trail covers already, or soon")
	case !generated("agt_", string(c.Agent), false) || !generated("int_", string(c.Integration), false) ||
		!generated("rol_", string(c.Role), false):
		return invalidCall("agent", "is not known, or the integration or the role is not")
	case !rolebroker.IsTokenID(string(c.Token)) || !rolebroker.IsGeneratedID(string(c.Token)):
		return invalidCall("token", "is not the ID of a token")
	case !generated("ses_", string(c.Session), true):
		return invalidCall("session", "is not the ID of a session")
	case !generated("req_", string(c.AccessRequest), true):
		return invalidCall("access_request", "is not the ID of an access request")
	case !slices.Contains(rolebroker.CallLevels(), c.Level):
		return invalidCall("level", "is not a level")
	case c.Decision != rolebroker.CallAllowed && c.Decision != rolebroker.CallRefused && c.Decision != "":
		return invalidCall("decision", "is not a decision")
	case c.Times < 0 || c.Times > maxCount || c.Status < 0 || c.Status > 999 || c.BytesIn < 0 || c.BytesOut < 0:
		return invalidCall("times", "is not possible, or another number is not")
	case len(c.Actions) > rolebroker.MaxCallResources || len(c.Resources) > rolebroker.MaxCallResources+1:
		return invalidCall("resources", "are too many, or the actions are")
	case c.Task != "" && rolebroker.CheckName(c.Task) != nil:
		return invalidCall("task", "is not a name")
	case rolebroker.CheckAddress(c.Address) != nil:
		return invalidCall("address", "is not an IP address")
	}
	if !rolebroker.IsRequestID(c.RequestID) {
		c.RequestID = ""
	}
	short := func(text string) string { return readable(text, maxShortText) }
	c.Service, c.Operation, c.Code = short(c.Service), short(c.Operation), rolebroker.Code(short(string(c.Code)))
	c.Region = rolebroker.Region(short(string(c.Region)))
	for i := range c.Actions {
		c.Actions[i] = short(c.Actions[i])
	}
	for i := range c.Resources {
		c.Resources[i] = readable(c.Resources[i], maxText)
	}
	c.Resources = rolebroker.BoundResources(c.Resources)
	if c.Reason != "" { // words of the runner, so a quotation
		c.Reason = "the runner reports " + rolebroker.Quote(readable(c.Reason, maxReportText))
	}
	c.EndedAt = earlier(c.EndedAt, b.now())
	return nil
}

func invalidCall(field, message string) error { return invalid("the call", field, "%s", message) }
