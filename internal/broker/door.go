package broker

import (
	"context"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// What runners may ask. Each is for a Caller with a Runner, which is known by
// its credential.

// credentialLife is how long a runner's credential is good for.
const credentialLife = 7 * 24 * time.Hour

// lateness is how old a session may be that a runner tells at once, by the
// difference of the clocks and the time on the way.
const lateness = 5 * time.Minute

// seenEvery is how often it is written down that a runner is there, however many
// replicas it has.
const seenEvery = 4 * time.Second

// mayRun is nil for a runner.
func mayRun(who rolebroker.Caller) error {
	if who.Runner != "" {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "this is for runners only")
}

// Join gives the runner that used a join token its first credential. Codes:
// unauthenticated when the token was used already, not_found.
func (b *Broker) Join(ctx context.Context, token *rolebroker.RunnerKey, program string) (*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error) {
	now := b.now()
	key, secret := newCredential(token.Runner, now)
	err := b.store.Join(ctx, token.ID, key, now)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		err = rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the join token was used already").
			WithHint("make another: rolebroker runner join-token RUNNER")
	}
	if err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	runner, err := b.store.Runner(ctx, string(token.Runner))
	if err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	b.log.InfoContext(ctx, "runner joined", "runner", runner.Name, "program", rolebroker.ShowReference(program), "credential", key.ID)
	return runner, key, secret, nil
}

func newCredential(runner rolebroker.RunnerID, now time.Time) (*rolebroker.RunnerKey, rolebroker.Secret) {
	key := &rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: runner, CreatedAt: now, ExpiresAt: now.Add(credentialLife)}
	secret, hash := auth.NewRunnerCredential(key.ID)
	key.Hash = hash
	return key, secret
}

// RenewCredential makes a runner's next credential. Codes: denied, not_found.
func (b *Broker) RenewCredential(ctx context.Context, who rolebroker.Caller) (*rolebroker.Runner, *rolebroker.RunnerKey, rolebroker.Secret, error) {
	if err := mayRun(who); err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	runner, err := b.store.Runner(ctx, string(who.Runner))
	if err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	key, secret := newCredential(who.Runner, b.now())
	if err := b.store.CreateRunnerKey(ctx, key); err != nil {
		return nil, nil, rolebroker.Secret{}, err
	}
	b.log.InfoContext(ctx, "a runner's credential is being changed", "runner", runner.Name, "credential", key.ID)
	return runner, key, secret, nil
}

// NamedRunner is who, with the name that the runner has now. Codes: denied,
// not_found.
func (b *Broker) NamedRunner(ctx context.Context, who rolebroker.Caller) (rolebroker.Caller, error) {
	if err := mayRun(who); err != nil {
		return who, err
	}
	runner, err := b.store.Runner(ctx, string(who.Runner))
	if err != nil {
		return who, err
	}
	who.Name = runner.Name
	return who, nil
}

// RecordReport keeps what a runner says of itself. Codes: denied, invalid,
// not_found.
func (b *Broker) RecordReport(ctx context.Context, who rolebroker.Caller, report rolebroker.RunnerReport) error {
	if err := mayRun(who); err != nil {
		return err
	}
	for _, text := range []*string{&report.Program, &report.IdentityError, &report.Identity.Account, &report.Identity.ARN, &report.Identity.UserID} {
		*text = readable(*text, 900)
	}
	report.Pending = min(report.Pending, math.MaxInt32)
	if err := report.Check(); err != nil {
		return err
	}
	return b.store.RecordRunnerReport(ctx, who.Runner, report, b.now())
}

// SeeRunner notes that a runner is there, which each of its replicas says every
// few seconds. Codes: denied, not_found.
func (b *Broker) SeeRunner(ctx context.Context, who rolebroker.Caller) error {
	if err := mayRun(who); err != nil {
		return err
	}
	now := b.now()
	if last, ok := b.seen.Load(who.Runner); ok && now.Sub(last.(time.Time)).Abs() < seenEvery {
		return nil
	}
	b.seen.Store(who.Runner, now)
	return b.store.SeeRunner(ctx, who.Runner, now)
}

// AgentOfAccount finds the agent that is bound to a service account, for the
// runner of the cluster that the account is in. Codes: denied.
func (b *Broker) AgentOfAccount(ctx context.Context, who rolebroker.Caller, account rolebroker.ServiceAccount) (*rolebroker.Token, error) {
	if err := b.speaksFor(ctx, who, account.Issuer); err != nil {
		return nil, err
	}
	token, err := b.store.Binding(ctx, account)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, rolebroker.Errorf(rolebroker.CodeNotBound, "no agent is bound to the service account %s of the issuer %s", account, account.Issuer).
			WithHint("an administrator can bind one: rolebroker agent bind AGENT --issuer %s --namespace %s --service-account %s", account.Issuer, account.Namespace, account.Name)
	}
	return token, err
}

// speaksFor is nil when people have said that a runner is to be believed about
// the service accounts of an issuer. What a runner says of that itself is no
// reason.
func (b *Broker) speaksFor(ctx context.Context, who rolebroker.Caller, issuer string) error {
	if err := mayRun(who); err != nil {
		return err
	}
	runner, err := b.store.Runner(ctx, string(who.Runner))
	switch {
	case err != nil:
		return err
	case issuer == "" || runner.Issuer != issuer:
		return rolebroker.Errorf(rolebroker.CodeDenied, "runner %s is not believed about the service accounts of the issuer %s", runner.Name, issuer).
			WithHint("if that is the issuer of its cluster, an administrator can say so: rolebroker runner update %s --issuer %s", runner.Name, issuer)
	}
	return nil
}

// RunnerToken is what is known of the token by which an agent was identified.
// Codes: denied, not_found.
func (b *Broker) RunnerToken(ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID) (*rolebroker.Token, error) {
	if err := mayRun(who); err != nil {
		return nil, err
	}
	return b.lender.Token(ctx, id)
}

// RunnerGrants is what an agent may borrow from, without the external IDs that
// are none of the runner's business. Codes: denied, not_found.
func (b *Broker) RunnerGrants(ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID) (*rolebroker.Grants, error) {
	if err := mayRun(who); err != nil {
		return nil, err
	}
	grants, err := b.lender.Grants(ctx, agent)
	if err != nil {
		return nil, err
	}
	shown := &rolebroker.Grants{Agent: grants.Agent, Integrations: make([]rolebroker.Integration, len(grants.Integrations))}
	for i, in := range grants.Integrations {
		if in.Runner != who.Runner {
			in.ExternalID, in.NextExternalID = "", ""
		}
		shown.Integrations[i] = in
	}
	return shown, nil
}

// BeginRunnerSession authorises a session that a runner is about to begin, as
// Lend would, and records it. late is for one that it began while it could not
// ask: see recordLate. Codes: denied, invalid, not_found, conflict.
func (b *Broker) BeginRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session, late bool) error {
	if err := mayRun(who); err != nil {
		return err
	}
	if !isOurs("ses_", string(s.ID)) {
		return invalidSession("id", "is not the ID of a session")
	}
	s.State, s.Runner = rolebroker.SessionRequested, who.Name
	if late {
		return b.recordLate(ctx, s)
	}
	grants, err := b.lender.Grants(ctx, s.Agent)
	if err != nil {
		return err
	}
	grant, err := grants.Resolve(string(s.Integration) + "/" + string(s.Role))
	if err != nil {
		return err
	}
	in, role := grant.Integration, grant.Role
	name, err := rolebroker.SessionName(grants.Agent.Name, s.Task)
	if err != nil {
		return err
	}
	now := b.now()
	switch {
	case in.AssumptionMode != rolebroker.ModeCluster || in.Runner != who.Runner:
		return rolebroker.Errorf(rolebroker.CodeDenied, "the roles of integration %s are not assumed by runner %s", in.Name, who.Name).
			WithHint("an administrator can let it: rolebroker integration update %s --assumption-mode cluster --runner %s", in.Name, who.Name)
	case s.Integration != in.ID || s.Role != role.ID:
		return invalidSession("role", "is not told by its ID and that of its integration")
	case s.ARN != role.ARN || s.Region != role.Region || s.SessionName != name:
		return rolebroker.Errorf(rolebroker.CodeStale, "role %s was changed meanwhile", grant.Reference()).WithHint("try again")
	case s.RequestedAt.Before(now.Add(-lateness)) || s.RequestedAt.After(now.Add(lateness)):
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the runner's clock says %s, and it is %s here", s.RequestedAt.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)).
			WithHint("set the clock of whichever machine is wrong")
	}
	s.AgentName, s.IntegrationName, s.RoleName = grants.Agent.Name, in.Name, role.Name
	s.ExpiresAt = s.RequestedAt.Add(role.Duration() + lend.ClockSlack)
	return b.store.RecordSession(ctx, &s)
}

// recordLate records a session that a runner began while it could not ask. It
// may have been taken from the agent meanwhile, and be on record nevertheless:
// it did happen. What it may be is the renewal of a session that was authorised,
// which is on record too; of anything else a runner is not believed.
func (b *Broker) recordLate(ctx context.Context, s rolebroker.Session) error {
	if err := checkTold(&s, b.now()); err != nil {
		return err
	}
	first, err := b.store.FirstLike(ctx, &s)
	if err == nil && s.RequestedAt.Before(stored(first.RequestedAt).Add(-lateness)) {
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "it is older than what was authorised")
	}
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return rolebroker.Errorf(rolebroker.CodeDenied, "the session renews none that was authorised: %w", err)
	}
	if err != nil {
		return err
	}
	s.AgentName, s.IntegrationName, s.RoleName, s.Task = first.AgentName, first.IntegrationName, first.RoleName, first.Task
	b.log.WarnContext(ctx, "a runner tells a session that it began while it could not ask", "runner", s.Runner, "session", s.ID,
		"agent", s.AgentName, "role", s.IntegrationName+"/"+s.RoleName, "requested_at", s.RequestedAt)
	return b.store.RecordSession(ctx, &s)
}

// checkTold says what is wrong with a session that nobody authorised now.
func checkTold(s *rolebroker.Session, now time.Time) error {
	for field, name := range map[string]string{"agent_name": s.AgentName, "integration_name": s.IntegrationName, "role_name": s.RoleName} {
		if err := rolebroker.CheckName(name); err != nil {
			return invalidSession(field, err.Error())
		}
	}
	if err := rolebroker.CheckRegion(s.Region, s.ARN.Partition); err != nil {
		return invalidSession("region", err.Error())
	}
	switch {
	case !isOurs("agt_", string(s.Agent)) || !isOurs("int_", string(s.Integration)) || !isOurs("rol_", string(s.Role)):
		return invalidSession("id", "is not an ID")
	case s.RequestedAt.After(now.Add(lateness)):
		return invalidSession("requested_at", "is in the future")
	case s.ExpiresAt.Before(s.RequestedAt) || s.ExpiresAt.After(s.RequestedAt.Add(rolebroker.MaxSessionDuration+lend.ClockSlack)):
		return invalidSession("expires_at", "is not when such a session can expire")
	}
	return nil
}

// isOurs says whether an ID is to the letter as we make them: what a runner
// says is shown to people.
func isOurs(prefix, id string) bool {
	return strings.HasPrefix(id, prefix) && rolebroker.IsID(id) && strings.Trim(id[len(prefix):], "abcdefghijklmnopqrstuvwxyz234567") == ""
}

func invalidSession(field, message string) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the session is not valid", Fields: []rolebroker.Field{{Path: field, Message: message}}}
}

// FinishRunnerSession records what came of a session of the runner's, once: the
// same again changes nothing. Codes: denied, invalid, not_found, conflict.
func (b *Broker) FinishRunnerSession(ctx context.Context, who rolebroker.Caller, s rolebroker.Session) error {
	if err := mayRun(who); err != nil {
		return err
	}
	if !isOurs("ses_", string(s.ID)) {
		return invalidSession("id", "is not the ID of a session")
	}
	begun, err := b.store.Session(ctx, s.ID)
	if err != nil {
		return err
	}
	if begun.Runner != who.Name {
		return rolebroker.Errorf(rolebroker.CodeNotFound, "runner %s has no session %s", who.Name, s.ID)
	}
	if err := checkOutcome(&s, begun); err != nil {
		return err
	}
	s.Runner, s.RequestID, s.Failure = who.Name, readable(s.RequestID, 200), readable(s.Failure, maxTold)
	switch {
	case begun.State == rolebroker.SessionRequested:
		return b.store.FinishSession(ctx, &s)
	case begun.State == s.State && begun.AccessKeyID == s.AccessKeyID && begun.ExpiresAt.Equal(stored(s.ExpiresAt)):
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "something else came of the session %s already", s.ID)
}

// checkOutcome says what cannot have come of a session.
func checkOutcome(s, begun *rolebroker.Session) error {
	earliest, latest := begun.RequestedAt.Add(-lateness), begun.RequestedAt.Add(rolebroker.MaxSessionDuration+lend.ClockSlack+lateness)
	switch {
	case s.State != rolebroker.SessionActive && s.State != rolebroker.SessionFailed:
		return invalidSession("state", "is not one of active, failed")
	case s.ExpiresAt.Before(earliest) || s.ExpiresAt.After(latest):
		return invalidSession("expires_at", "is not when such a session can expire")
	case (s.State == rolebroker.SessionActive || s.AccessKeyID != "") && !isAccessKeyID(s.AccessKeyID):
		return invalidSession("access_key_id", "is not an access key ID")
	}
	return nil
}

// isAccessKeyID says whether s has the form of one.
//
// Source: STS API Reference, Credentials, AccessKeyId.
func isAccessKeyID(s string) bool {
	return 16 <= len(s) && len(s) <= 128 && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || 'Z' < r) && (r < '0' || '9' < r) })
}

// maxTold bounds a text that a runner tells, in bytes, and maxToldHint a hint,
// which may have a policy in it.
const (
	maxTold     = 4 << 10
	maxToldHint = 32 << 10
)

// readable is a text that a runner tells, fit to be shown to people: not longer
// than most, and on one line, without characters that have a terminal do things.
func readable(text string, most int) string {
	return strings.ReplaceAll(readableLines(text, most), "\n", " ")
}

// readableLines is the same on as many lines as it has.
func readableLines(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return '\uFFFD'
	}, text)
}

// maxCount is how often one session can have been handed out between two reports.
const maxCount = 1_000_000_000

// RecordRunnerUse adds what a runner counted of its own sessions. Codes: denied.
func (b *Broker) RecordRunnerUse(ctx context.Context, who rolebroker.Caller, fetches []rolebroker.Fetch, usedAt map[rolebroker.TokenID]time.Time) error {
	if err := mayRun(who); err != nil {
		return err
	}
	now := b.now()
	var counted []rolebroker.Fetch
	for _, f := range fetches {
		if f.Count > 0 && f.Count <= maxCount {
			f.Runner, f.Last = who.Name, earlier(f.Last, now)
			counted = append(counted, f)
		}
	}
	if err := b.store.RecordFetches(ctx, counted); err != nil {
		return err
	}
	for id, at := range usedAt {
		usedAt[id] = earlier(at, now)
	}
	return b.store.RecordTokenUse(ctx, usedAt)
}

// earlier is the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// LendThrough lends a role that the platform assumes to an agent that a runner
// knows by the service account it is bound to. Codes: as for Lend.
func (b *Broker) LendThrough(ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, req rolebroker.Request) (*rolebroker.Loan, error) {
	if err := mayRun(who); err != nil {
		return nil, err
	}
	token, err := b.lender.Token(ctx, binding)
	if err != nil {
		return nil, err
	}
	if err := b.speaksFor(ctx, who, token.Account.Issuer); err != nil {
		return nil, err
	}
	return b.lender.Lend(ctx, rolebroker.Caller{Agent: token.Agent, Token: token.ID}, req)
}

// RunnerIntegrations are those that name the runner. Codes: denied.
func (b *Broker) RunnerIntegrations(ctx context.Context, who rolebroker.Caller) ([]rolebroker.Integration, error) {
	if err := mayRun(who); err != nil {
		return nil, err
	}
	return b.store.IntegrationsOf(ctx, who.Runner)
}

// RecordRunnerValidations keeps what a runner found out about the roles of an
// integration that names it, if that is still of the version it tried. Codes:
// denied, not_found, stale.
func (b *Broker) RecordRunnerValidations(ctx context.Context, who rolebroker.Caller, nameOrID string, version int64, outcomes map[rolebroker.RoleID]rolebroker.Validation) error {
	if err := mayRun(who); err != nil {
		return err
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if err != nil {
		return err
	}
	switch {
	case in.AssumptionMode != rolebroker.ModeCluster || in.Runner != who.Runner:
		return rolebroker.Errorf(rolebroker.CodeDenied, "integration %s does not name runner %s", in.Name, who.Name)
	case in.Version != version:
		return rolebroker.Errorf(rolebroker.CodeStale, "integration %s was changed meanwhile", in.Name).WithHint("try its roles again")
	}
	var results []rolebroker.RoleValidation
	for i, role := range in.Roles {
		if v, ok := outcomes[role.ID]; ok {
			if err := checkFound(&v, b.now()); err != nil {
				return err
			}
			v.CheckedBy = who.Name
			results = append(results, rolebroker.RoleValidation{Index: i, Role: role, Validation: v})
		}
	}
	return b.recordValidations(ctx, in, results)
}

// checkFound says what cannot have come of a validation, and makes the rest of it
// fit to be kept and shown. What it comes to is counted, so it is one of a few.
func checkFound(v *rolebroker.Validation, now time.Time) error {
	if !v.Status.IsKnown() {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the outcome of a validation is none that is known here").
			WithHint("use the same version on both sides: rolebroker version")
	}
	if !v.Code.IsKnown() { // a newer runner's
		v.Code = rolebroker.ValidRejected
	}
	v.Message, v.Hint, v.RequestID = readable(v.Message, maxTold), readableLines(v.Hint, maxToldHint), readable(v.RequestID, 200)
	v.CheckedAt = earlier(v.CheckedAt, now)
	return nil
}
