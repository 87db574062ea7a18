package broker

import (
	"context"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// maxClockSkew bounds the difference of a runner's clock and ours, with the time that a request takes.
const maxClockSkew = 5 * time.Minute

// BeginRunnerSession authorizes a session that a runner is about to begin, as Lend would, and records it. late is for
// a session that the runner began while it could not reach the server: see authorizeLate. Codes: denied, invalid,
// not_found, stale, conflict.
func (b *Broker) BeginRunnerSession(
	ctx context.Context, who rolebroker.Caller, s rolebroker.Session, late bool,
) error {
	const action = rolebroker.ActionRunnerRecord
	subject := rolebroker.Named(rolebroker.KindAgent, string(s.Agent))
	if err := b.May(ctx, who, action, subject); err != nil {
		return err
	}
	if !isID("ses_", string(s.ID)) {
		return invalidSession("id", "is not the ID of a session")
	}
	if !isID("agt_", string(s.Agent)) { // the allowance remembers it
		return invalidSession("agent", "is not the ID of an agent")
	}
	if s.Access != "" && !s.Access.IsKnown() {
		return invalidSession("access", "is not an access")
	}
	if s.AccessRequest != "" && !isID("req_", string(s.AccessRequest)) {
		return invalidSession("access_request", "is not the ID of an access request")
	}
	if err := s.Workload.Check(); err != nil {
		return err
	}
	if err := rolebroker.CheckAddress(s.Address); err != nil {
		return err
	}
	s.State, s.Runner, s.RunnerID, s.Request = rolebroker.SessionRequested, who.Name, who.Runner, who.Request
	if err := b.authorizeBegin(ctx, who, &s, late); err != nil {
		return b.sessionRefused(ctx, who, err, subject)
	}
	event := s.BeginEvent(b.now())
	if late {
		event.After["requested_at"] = s.RequestedAt.UTC().Format(time.RFC3339) // the server was away
	}
	return b.store.RecordSession(ctx, &s, event)
}

// authorizeBegin checks whether the runner may begin a session, and fills in the names and the latest expiry.
func (b *Broker) authorizeBegin(ctx context.Context, who rolebroker.Caller, s *rolebroker.Session, late bool) error {
	if err := b.allowSession(ctx, who, s.Agent); err != nil {
		return err
	}
	if err := b.checkSessionToken(ctx, s, late); err != nil {
		return err
	}
	if late {
		return b.authorizeLate(ctx, who, s)
	}
	return b.authorize(ctx, who, s)
}

// sessionRefused records that a runner may not begin a session, and returns why: what refuses an agent at the server is
// recorded too.
func (b *Broker) sessionRefused(
	ctx context.Context, who rolebroker.Caller, err error, agent rolebroker.Subject,
) error {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeInvalid, rolebroker.CodeUnavailable, rolebroker.CodeInternal:
		return err
	}
	b.RecordEvent(ctx, rolebroker.AuditEvent{Actor: who, Action: rolebroker.ActionRunnerRecord,
		Subjects: b.named(ctx, who, []rolebroker.Subject{agent}), Refusal: rolebroker.AsError(err)})
	return err
}

// authorize checks a session against what the agent may borrow now, and fills in the names and the latest expiry.
func (b *Broker) authorize(ctx context.Context, who rolebroker.Caller, s *rolebroker.Session) error {
	if err := b.isIntroduced(ctx, who, s.Agent); err != nil {
		return err
	}
	grants, err := b.lender.Grants(ctx, s.Agent)
	if err != nil {
		return err
	}
	grant, err := grants.Resolve(string(s.Integration) + "/" + string(s.Role))
	if err != nil {
		return err
	}
	now := b.now()
	grant, approval, err := grants.Approved(grant, s.Task, now)
	if err != nil {
		return err
	}
	in, role := grant.Integration, grant.Role
	name, err := rolebroker.SessionName(grants.Agent.Name, s.Task)
	if err != nil {
		return err
	}
	switch {
	case in.AssumptionMode != rolebroker.ModeCluster || in.Runner != who.Runner:
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"the roles of integration %s are not assumed by runner %s", in.Name, who.Name).
			WithHint("an administrator can let it: rolebroker integration update %s --assumption-mode cluster "+
				"--runner %s", in.Name, who.Name)
	case s.Integration != in.ID || s.Role != role.ID:
		return invalidSession("role", "must be the ID of a role of the integration")
	case s.ARN != role.ARN || s.Region != role.Region || s.SessionName != name:
		return rolebroker.Errorf(rolebroker.CodeStale, "role %s was changed meanwhile", grant.Reference()).
			WithHint("try again")
	case grant.Connection.Keys != rolebroker.KeysLent && !s.Withheld():
		return rolebroker.Errorf(rolebroker.CodeDenied, "the AWS keys of integration %s are withheld from agent %s, and runner "+
			"%s has no gateway, because its program is of an earlier version", in.Name, grants.Agent.Name, who.Name).
			WithHint("upgrade the runner to the version of the server: rolebroker version")
	case !knowsAccess(s, grant.Connection):
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"the connection of agent %s to integration %s is limited to access %s, which runner %s cannot enforce because its "+
				"program is of an earlier version", grants.Agent.Name, in.Name, grant.Connection.Access, who.Name).
			WithHint("upgrade the runner to the version of the server: rolebroker version")
	case !isOfAccess(s, grant.Connection):
		return rolebroker.Errorf(rolebroker.CodeStale,
			"what agent %s may do with role %s was changed meanwhile", grants.Agent.Name, grant.Reference()).
			WithHint("try again")
	case s.RequestedAt.Before(now.Add(-maxClockSkew)) || s.RequestedAt.After(now.Add(maxClockSkew)):
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the runner's clock says %s, and it is %s here",
			s.RequestedAt.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)).
			WithHint("set the clock of the machine that is wrong")
	}
	if s.Access == "" {
		s.Access = rolebroker.AccessFull
	}
	s.Keys = grant.Connection.Keys
	s.AgentName, s.IntegrationName, s.RoleName = grants.Agent.Name, in.Name, role.Name
	s.ExpiresAt = s.RequestedAt.Add(role.Duration() + lend.ClockSlack)
	return underApproval(s, approval)
}

// underApproval checks that a session is under the approval that it needs, and ends it with that. A runner of an earlier
// version names none. Codes: denied, stale.
func underApproval(s *rolebroker.Session, approval rolebroker.OpenRequest) error {
	switch {
	case approval.ID == "":
		s.AccessRequest = ""
		return nil
	case s.AccessRequest == "":
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"the role needs an approval, which this version of the runner does not know").
			WithHint("upgrade the runner to the version of the server: rolebroker version")
	case s.AccessRequest != approval.ID:
		return rolebroker.Errorf(rolebroker.CodeStale, "the approval for the role was changed meanwhile").
			WithHint("try again")
	}
	if approval.Until.Before(s.ExpiresAt) {
		s.ExpiresAt = approval.Until
	}
	return nil
}

// knowsAccess reports whether the runner that begins a session can enforce what limits the connection. One of an earlier
// version tells no access, and lends everything that the role allows.
func knowsAccess(s *rolebroker.Session, c *rolebroker.Connection) bool {
	return s.Access != "" || c.Access == rolebroker.AccessFull
}

// isOfAccess reports whether a session that a runner begins may do what the connection permits now, or less.
func isOfAccess(s *rolebroker.Session, c *rolebroker.Connection) bool {
	switch {
	case s.Access == "":
		return true
	case s.Narrowed:
		return s.Access == rolebroker.AccessReadOnly && c.Access == rolebroker.AccessFull
	case s.Access == rolebroker.AccessPolicy && s.PolicyHash != rolebroker.HashPolicy(c.SessionPolicy):
		return false
	}
	return s.Access == c.Access
}

// checkSessionToken checks that a session was begun with a token of its agent. An earlier version of the runner does
// not tell the token. The token of a late session may have been deleted since. Codes: invalid, expired.
func (b *Broker) checkSessionToken(ctx context.Context, s *rolebroker.Session, late bool) error {
	if s.Token == "" {
		return nil
	}
	if !rolebroker.IsTokenID(string(s.Token)) || !rolebroker.IsGeneratedID(string(s.Token)) {
		return invalidSession("token", "is not the ID of a token")
	}
	token, err := b.lender.Token(ctx, s.Token)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound && late:
		return nil
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return rolebroker.Errorf(rolebroker.CodeExpired, "the agent token %s is no longer known", s.Token)
	case err == nil && token.Agent != s.Agent:
		return invalidSession("token", "is not one of the agent's")
	}
	return err
}

// authorizeLate checks a session that a runner began while it could not reach the server, and fills in the names. The
// agent may have lost the role since; the session is recorded all the same, because it happened. It must renew a
// session that was authorized and is on record: the server does not believe a runner about any other.
func (b *Broker) authorizeLate(ctx context.Context, _ rolebroker.Caller, s *rolebroker.Session) error {
	if err := checkLate(s, b.now()); err != nil {
		return err
	}
	first, err := b.store.FirstLike(ctx, s)
	if err == nil && s.RequestedAt.Before(stored(first.RequestedAt).Add(-maxClockSkew)) {
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "it began before the session that was authorized")
	}
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return rolebroker.Errorf(rolebroker.CodeDenied, "the session renews no session that was authorized: %w", err)
	}
	if err != nil {
		return err
	}
	s.AgentName, s.IntegrationName, s.RoleName, s.Task = first.AgentName, first.IntegrationName, first.RoleName, first.Task
	if s.Keys != first.Keys {
		s.Keys = rolebroker.KeysLent // whatever the runner says
	}
	if s.AccessRequest, err = b.approvalOf(ctx, s); err != nil {
		return err
	}
	b.log.WarnContext(ctx, "a runner reports a session that it began while it could not reach the server",
		"runner", s.Runner, "session", s.ID, "agent", s.AgentName, "role", s.IntegrationName+"/"+s.RoleName,
		"requested_at", s.RequestedAt)
	return nil
}

// approvalOf returns the approval that a runner names for a late session, if it was given to the agent for that role and
// task; else nothing, because the session happened all the same.
func (b *Broker) approvalOf(ctx context.Context, s *rolebroker.Session) (rolebroker.AccessRequestID, error) {
	if s.AccessRequest == "" {
		return "", nil
	}
	r, err := b.store.AccessRequest(ctx, s.AccessRequest)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if r.Agent == s.Agent && r.Integration == s.Integration && r.Role == s.Role && r.Task == s.Task &&
		r.Decision == rolebroker.DecisionApproved {
		return r.ID, nil
	}
	return "", nil
}

// checkLate checks a session that was not authorized when it began. Codes: invalid.
func checkLate(s *rolebroker.Session, now time.Time) error {
	names := map[string]string{"agent_name": s.AgentName, "integration_name": s.IntegrationName,
		"role_name": s.RoleName}
	for field, name := range names {
		if err := rolebroker.CheckName(name); err != nil {
			return invalidSession(field, err.Error())
		}
	}
	if err := rolebroker.CheckRegion(s.Region, s.ARN.Partition); err != nil {
		return invalidSession("region", err.Error())
	}
	latest := s.RequestedAt.Add(rolebroker.MaxSessionDuration + lend.ClockSlack)
	switch {
	case !isID("agt_", string(s.Agent)) || !isID("int_", string(s.Integration)) || !isID("rol_", string(s.Role)):
		return invalidSession("id", "is not an ID")
	case s.RequestedAt.After(now.Add(maxClockSkew)):
		return invalidSession("requested_at", "is in the future")
	case s.ExpiresAt.Before(s.RequestedAt) || s.ExpiresAt.After(latest):
		return invalidSession("expires_at", "is not possible for such a session")
	}
	return nil
}

// isID reports whether a runner sent an ID of the prefix that rolebroker could have made. People will see it.
func isID(prefix, id string) bool {
	return strings.HasPrefix(id, prefix) && rolebroker.IsGeneratedID(id)
}

func invalidSession(field, message string) error {
	return invalid("the session", field, "%s", message)
}

// FinishRunnerSession records the outcome of a session of the runner. Recording the same outcome again changes
// nothing. Codes: denied, invalid, not_found, conflict (there is another outcome).
func (b *Broker) FinishRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session) error {
	if err := b.May(ctx, who, rolebroker.ActionRunnerRecord); err != nil {
		return err
	}
	if !isID("ses_", string(s.ID)) {
		return invalidSession("id", "is not the ID of a session")
	}
	begun, err := b.store.Session(ctx, s.ID)
	if err != nil {
		return err
	}
	if begun.RunnerID != who.Runner {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "runner %s has no session %s", who.Name, s.ID)
	}
	if err := checkOutcome(&s, begun); err != nil {
		return err
	}
	s.RunnerID = who.Runner
	if !rolebroker.IsRequestID(s.RequestID) {
		s.RequestID = ""
	}
	if s.Failure != "" { // words of the runner, so a quotation
		s.Failure = "the runner reports " + rolebroker.Quote(readable(s.Failure, maxText))
	}
	switch {
	case begun.State == rolebroker.SessionRequested:
		outcome := *begun
		outcome.State, outcome.ExpiresAt, outcome.AccessKeyID, outcome.RequestID = s.State, s.ExpiresAt, s.AccessKeyID, s.RequestID
		outcome.Failure, outcome.Refused, outcome.Request = s.Failure, s.Refused, who.Request
		if err := b.store.FinishSession(ctx, &s, outcome.OutcomeEvent(b.now())); err != nil {
			return err
		}
		b.runnerAnswered(ctx, who, begun, &s)
		return nil
	case begun.State == s.State && begun.AccessKeyID == s.AccessKeyID && begun.ExpiresAt.Equal(stored(s.ExpiresAt)):
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "the session %s has another outcome already", s.ID)
}

// runnerAnswered records what STS answered to a runner as the state of the role, if the role is still as it was. An error
// is logged: the session has its outcome.
func (b *Broker) runnerAnswered(ctx context.Context, who rolebroker.Caller, begun, ended *rolebroker.Session) {
	grants, err := b.lender.Grants(ctx, begun.Agent)
	if err != nil {
		return
	}
	grant, err := grants.Resolve(string(begun.Integration) + "/" + string(begun.Role))
	if err != nil || grant.Integration.Runner != who.Runner ||
		grant.Role.ARN != begun.ARN || grant.Role.Region != begun.Region {
		return
	}
	a := lend.Answer{
		Integration: begun.Integration, Role: begun.Role, Agent: begun.AgentName,
		Fingerprint: grant.Integration.Fingerprint(grant.Role), At: earlier(begun.RequestedAt, b.now()),
	}
	if ended.State == rolebroker.SessionFailed {
		if !ended.Refused.IsKnown() {
			return
		}
		a.Refusal = &rolebroker.Refusal{Kind: ended.Refused, Message: ended.Failure, RequestID: ended.RequestID}
	}
	if err := b.recordLending(ctx, a, rolebroker.Party{Runner: true}, who.Name); err != nil {
		b.log.WarnContext(ctx, "recording the state of a role", "role", a.Role, "reason", err)
	}
}

// checkOutcome checks whether a session can have had an outcome. Codes: invalid.
func checkOutcome(s, begun *rolebroker.Session) error {
	earliest := begun.RequestedAt.Add(-maxClockSkew)
	latest := begun.RequestedAt.Add(rolebroker.MaxSessionDuration + lend.ClockSlack + maxClockSkew)
	switch {
	case s.State != rolebroker.SessionActive && s.State != rolebroker.SessionFailed:
		return invalidSession("state", "is not one of active, failed")
	case s.ExpiresAt.Before(earliest) || s.ExpiresAt.After(latest):
		return invalidSession("expires_at", "is not possible for such a session")
	case (s.State == rolebroker.SessionActive || s.AccessKeyID != "") && !isAccessKeyID(s.AccessKeyID):
		return invalidSession("access_key_id", "is not an access key ID")
	}
	return nil
}

// isAccessKeyID reports whether s has the form of an access key ID.
//
// Source: STS API Reference, Credentials, AccessKeyId.
func isAccessKeyID(s string) bool {
	isOther := func(r rune) bool { return (r < 'A' || 'Z' < r) && (r < '0' || '9' < r) }
	return 16 <= len(s) && len(s) <= 128 && !strings.ContainsFunc(s, isOther)
}

// maxCount bounds how often a runner can have handed out one session between two reports.
const maxCount = 1_000_000_000

// RecordRunnerUse records how often the runner handed out its sessions, and when it last saw each token. Codes:
// denied.
func (b *Broker) RecordRunnerUse(
	ctx context.Context, who rolebroker.Caller, fetches []rolebroker.Fetch, usedAt map[rolebroker.TokenID]time.Time,
) error {
	if err := b.May(ctx, who, rolebroker.ActionRunnerRecord); err != nil {
		return err
	}
	if len(fetches) > maxReported || len(usedAt) > maxReported {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "more than %d entries in one report of use", maxReported)
	}
	now := b.now()
	var counted []rolebroker.Fetch
	for _, f := range fetches {
		if f.Count > 0 && f.Count <= maxCount {
			f.Runner, f.Last = who.Runner, earlier(f.Last, now)
			counted = append(counted, f)
		}
	}
	if err := b.store.RecordFetches(ctx, counted); err != nil {
		return err
	}
	used := map[rolebroker.TokenID]time.Time{}
	for id, at := range usedAt {
		token, err := b.lender.Token(ctx, id)
		if err == nil {
			err = b.isIntroduced(ctx, who, token.Agent)
		}
		switch {
		case err == nil:
			used[id] = earlier(at, now)
		case rolebroker.CodeOf(err) != rolebroker.CodeNotFound && rolebroker.CodeOf(err) != rolebroker.CodeDenied:
			return err
		}
	}
	return b.store.RecordTokenUse(ctx, used)
}

// maxRefusals bounds the refusals in one report. A runner sends at most 500.
const maxRefusals = 500

// RecordRunnerRefusals records what the runner refused agents. It ignores what cannot be: an agent that never identified
// itself to the runner, or something that is no refusal. Codes: denied, invalid.
func (b *Broker) RecordRunnerRefusals(
	ctx context.Context, who rolebroker.Caller, refusals []rolebroker.AgentRefusal,
) error {
	if err := b.May(ctx, who, rolebroker.ActionRunnerRecord); err != nil {
		return err
	}
	if len(refusals) > maxRefusals {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "more than %d refusals in one report", maxRefusals)
	}
	for _, r := range refusals {
		err := b.isIntroduced(ctx, who, r.Who.Agent)
		switch {
		case rolebroker.CodeOf(err) == rolebroker.CodeDenied || err == nil && !canBe(r):
			continue
		case err != nil:
			return err
		}
		b.agentRefused(ctx, b.believed(ctx, who, r))
	}
	return nil
}

// isRequestID reports whether a runner may have answered a request with this ID; empty: it is of an earlier version.
func isRequestID(id rolebroker.RequestID) bool {
	_, ok := rolebroker.ParseRequestID(string(id))
	return ok || id == ""
}

// canBe reports whether a runner may have refused this.
func canBe(r rolebroker.AgentRefusal) bool {
	switch r.Refusal.Code {
	case rolebroker.CodeDenied, rolebroker.CodeNotFound, rolebroker.CodeExpired, rolebroker.CodeApproval,
		rolebroker.CodeThrottled, rolebroker.CodeConflict, rolebroker.CodeStale:
	default:
		return false
	}
	return (r.Action == rolebroker.ActionSessionBegin || r.Action == rolebroker.ActionRoleList) &&
		r.Times > 0 && r.Times <= maxCount && r.Who.Workload.Check() == nil && rolebroker.CheckAddress(r.Who.Address) == nil &&
		isRequestID(r.Who.Request) &&
		(r.Who.Token == "" || rolebroker.IsTokenID(string(r.Who.Token)) && rolebroker.IsGeneratedID(string(r.Who.Token)))
}

// believed adds to a refusal what the server knows, and makes the runner's words a quotation.
func (b *Broker) believed(
	ctx context.Context, who rolebroker.Caller, r rolebroker.AgentRefusal,
) rolebroker.AgentRefusal {
	r.Runner = rolebroker.Subject{Kind: rolebroker.KindRunner, ID: string(who.Runner), Name: who.Name}
	r.Refusal = rolebroker.Errorf(r.Refusal.Code, "the runner reports %s",
		rolebroker.Quote(readable(r.Refusal.Message, maxText)))
	r.Task, r.Subject.Name = readable(r.Task, maxShortText), readable(r.Subject.Name, maxShortText)
	grants, err := b.lender.Grants(ctx, r.Who.Agent)
	if err != nil {
		return r
	}
	r.Who.Name = grants.Agent.Name
	if grant, err := grants.Resolve(r.Subject.Name); r.Subject.Name != "" && err == nil {
		r.Subject = rolebroker.Subject{Kind: rolebroker.KindRole, ID: string(grant.Role.ID), Name: grant.Reference()}
	}
	return r
}
