package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// Store keeps what the broker administers. A method that returns an error has changed nothing; one that returns nil
// has stored its change durably. Errors are *rolebroker.Error of the codes named. Any other error means that the
// database cannot be used now.
//
// A change is stored together with its audit event, in one transaction. A call that changes nothing stores no event.
//
// A store makes no decisions: it checks no permission, makes no secret, sets no default and reads no clock. It does
// keep names unique, references valid, and changes to the version that the caller read.
type Store interface {
	integrationStore
	reservationStore
	validationStore
	agentStore
	tokenStore
	bindingStore
	runnerStore
	runnerKeyStore
	apiKeyStore
	signInStore
	userStore
	sessionStore
	countStore
	auditStore
	callStore
	accessRequestStore
	approvalRuleStore
	searchStore
	overviewStore

	lend.Records
}

type integrationStore interface {
	// Integration finds an integration by name or ID, with its roles. Their validations have no hints, in whatever way
	// they are read, because hints are long. Codes: not_found.
	Integration(ctx context.Context, nameOrID string) (*rolebroker.Integration, error)

	// AddHints adds to the validations of these roles of an integration their hints; no roles: of all. A validation
	// that is newer than that of the role takes its place.
	AddHints(ctx context.Context, in *rolebroker.Integration, roles ...rolebroker.RoleID) error

	// Integrations lists integrations by name, with their roles.
	Integrations(ctx context.Context, page rolebroker.Page) ([]rolebroker.Integration, error)

	// IntegrationsOf lists the integrations that name a runner, by name, with their roles.
	IntegrationsOf(ctx context.Context, id rolebroker.RunnerID) ([]rolebroker.Integration, error)

	// CreateIntegration stores an integration and uses up its external ID, which must be reserved and unused. Codes:
	// conflict (name), invalid (external ID), not_found (the runner).
	CreateIntegration(ctx context.Context, in *rolebroker.Integration, event rolebroker.AuditEvent) error

	// UpdateIntegration replaces the integration with in.ID if it has the version expected. in.Version is the new
	// version. Roles are matched by ID. Its external IDs must be reserved and not used by another integration. Codes:
	// not_found (also for the runner), stale, conflict, invalid (external ID).
	UpdateIntegration(ctx context.Context, in *rolebroker.Integration, expected int64,
		event rolebroker.AuditEvent) error

	// DeleteIntegration removes an integration with its roles and connections. An agent whose default it was has no
	// default afterwards. expected 0 means any version. Codes: not_found, stale.
	DeleteIntegration(ctx context.Context, id rolebroker.IntegrationID, expected int64,
		event rolebroker.AuditEvent) error

	// DeleteIntegrationButExternalID is DeleteIntegration, except that the current external ID is reserved again.
	DeleteIntegrationButExternalID(
		ctx context.Context, id rolebroker.IntegrationID, expected int64, event rolebroker.AuditEvent) error

	// SetExternalIDs stores ExternalID, NextExternalID, Version and UpdatedAt of an integration if it has the version
	// expected. Both external IDs must be reserved and not used by another integration. Codes: not_found, stale,
	// invalid.
	SetExternalIDs(ctx context.Context, in *rolebroker.Integration, expected int64, event rolebroker.AuditEvent) error

	// EarlierExternalIDs lists the external IDs that an integration had before, the newest first.
	EarlierExternalIDs(ctx context.Context, id rolebroker.IntegrationID, limit int) ([]string, error)
}

type reservationStore interface {
	// ReserveExternalID stores an external ID and the ID of its reservation. Codes: conflict (either is taken).
	ReserveExternalID(ctx context.Context, id rolebroker.ReservationID, externalID string, at time.Time,
		event rolebroker.AuditEvent) error

	// Reservation finds a reservation by its ID. Codes: not_found (also if its integration was deleted).
	Reservation(ctx context.Context, id rolebroker.ReservationID) (*rolebroker.Reservation, error)

	// ReservationOf finds a reservation by the external ID that was reserved, which need not be the current one of the
	// integration. Codes: not_found (also if its integration was deleted).
	ReservationOf(ctx context.Context, externalID string) (*rolebroker.Reservation, error)

	// ReleaseExternalID deletes a reservation that no integration has used. Codes: not_found, conflict (an integration
	// has it).
	ReleaseExternalID(ctx context.Context, id rolebroker.ReservationID, event rolebroker.AuditEvent) error
}

type validationStore interface {
	// RecordValidations stores outcomes of validating the roles of in. An outcome is not stored if the role has changed
	// since, or has a newer one. at is when the whole integration was validated; zero: only a part was. If the
	// integration is gone nothing is stored.
	RecordValidations(
		ctx context.Context, in *rolebroker.Integration, results []rolebroker.RoleValidation, at time.Time) error

	// CreateValidationRequest stores a request, and tells it to the streams of its runner on every server. It deletes
	// the runner's requests that were made before forget. Codes: not_found (the runner).
	CreateValidationRequest(ctx context.Context, r *rolebroker.ValidationRequest, forget time.Time) error

	// ValidationRequest finds a request by ID, with the findings so far. Codes: not_found.
	ValidationRequest(ctx context.Context, id rolebroker.ValidationRequestID) (*rolebroker.ValidationRequest, error)

	// TakeValidationRequests returns the requests of a runner that were made since a time and that nobody has taken.
	// It stores now as the time when they were taken.
	TakeValidationRequests(
		ctx context.Context, runner rolebroker.RunnerID, since, now time.Time) ([]rolebroker.ValidationRequest, error)

	// AnswerValidationRequest adds findings to a request of the runner that is not finished. finished is when it was;
	// zero: it goes on. Codes: not_found.
	AnswerValidationRequest(ctx context.Context, runner rolebroker.RunnerID, id rolebroker.ValidationRequestID,
		findings []rolebroker.RoleFinding, finished time.Time) error

	// ClaimIntegrations returns integrations in platform mode that were validated before a time, those of the longest
	// ago, in any order. It sets the time of their validation to now, so that no other server claims them. An
	// integration that changes can be claimed again.
	ClaimIntegrations(ctx context.Context, before, now time.Time, limit int) ([]rolebroker.IntegrationID, error)

	// SetValidatedAt sets the time of an integration's validation. A server calls it for one that it claimed and could
	// not validate.
	SetValidatedAt(ctx context.Context, id rolebroker.IntegrationID, at time.Time) error

	// RecordLending stores what STS answered when a role with the fingerprint was lent, unless a newer answer is stored.
	// If the role is gone nothing is stored.
	RecordLending(ctx context.Context, in rolebroker.IntegrationID, role rolebroker.RoleID, fingerprint string,
		l *rolebroker.Lending) error

	// AddStates adds to the roles of grants their validations and lendings.
	AddStates(ctx context.Context, g *rolebroker.Grants) error

	// CountIntegrations counts the integrations in platform mode.
	CountIntegrations(ctx context.Context) (int, error)
}

type agentStore interface {
	// Agent finds an agent by name or ID, with its connections. Codes: not_found.
	Agent(ctx context.Context, nameOrID string) (*rolebroker.Agent, error)

	// Agents lists agents by name, with their connections.
	Agents(ctx context.Context, page rolebroker.Page) ([]rolebroker.Agent, error)

	// SessionPolicies lists the session policies that connections of enabled agents to an integration have, the longest
	// first: at most as many as policies, each with the names of at most as many agents, the longest first.
	SessionPolicies(ctx context.Context, id rolebroker.IntegrationID, policies, agents int) (
		[]rolebroker.TriedPolicy, error)

	// CreateAgent stores an agent with its connections. Codes: conflict (name), not_found (an integration).
	CreateAgent(ctx context.Context, a *rolebroker.Agent, event rolebroker.AuditEvent) error

	// UpdateAgent replaces the agent with a.ID and its connections if it has the version expected. Codes: not_found,
	// stale, conflict.
	UpdateAgent(ctx context.Context, a *rolebroker.Agent, expected int64, event rolebroker.AuditEvent) error

	// DeleteAgent removes an agent with its connections and tokens. expected 0 means any version. Codes: not_found,
	// stale.
	DeleteAgent(ctx context.Context, id rolebroker.AgentID, expected int64, event rolebroker.AuditEvent) error
}

// tokenStore keeps agent tokens. The method Token, which also finds bindings, is in lend.Records.
type tokenStore interface {
	// Tokens lists an agent's tokens by ID, revoked and expired ones too.
	Tokens(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page) ([]rolebroker.Token, error)

	// CreateToken stores a token. Codes: not_found (the agent), conflict (the ID is taken).
	CreateToken(ctx context.Context, t *rolebroker.Token, event rolebroker.AuditEvent) error

	// LabelToken sets the Label of an agent's token. Codes: not_found.
	LabelToken(ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID, label string,
		event rolebroker.AuditEvent) error

	// RevokeToken sets RevokedAt of an agent's token. Revoking again changes nothing. Codes: not_found.
	RevokeToken(ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID, at time.Time,
		event rolebroker.AuditEvent) error
}

type bindingStore interface {
	// BindingsOf lists the bindings that a service account may have: those with its name, and those of its namespace,
	// whatever their labels.
	BindingsOf(ctx context.Context, account rolebroker.ServiceAccount) ([]rolebroker.Token, error)

	// Bindings lists an agent's bindings by ID.
	Bindings(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page) ([]rolebroker.Token, error)

	// BindingsOfIssuer lists the bindings of the service accounts of an issuer by ID.
	BindingsOfIssuer(ctx context.Context, issuer string, page rolebroker.Page) ([]rolebroker.Token, error)

	// CreateBinding stores a token that has an Account and no Hash. Codes: not_found (the agent), conflict (the service
	// account is bound already).
	CreateBinding(ctx context.Context, b *rolebroker.Token, event rolebroker.AuditEvent) error

	// DeleteBinding removes a binding of an agent. Codes: not_found.
	DeleteBinding(ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID,
		event rolebroker.AuditEvent) error
}

type runnerStore interface {
	// Runner finds a runner by name or ID. Codes: not_found.
	Runner(ctx context.Context, nameOrID string) (*rolebroker.Runner, error)

	// Runners lists runners by name.
	Runners(ctx context.Context, page rolebroker.Page) ([]rolebroker.Runner, error)

	// CreateRunner stores a runner. Codes: conflict (name, issuer).
	CreateRunner(ctx context.Context, r *rolebroker.Runner, event rolebroker.AuditEvent) error

	// UpdateRunner stores Name, Description, Issuer, Version and UpdatedAt of a runner if it has the version expected.
	// Codes: not_found, stale, conflict.
	UpdateRunner(ctx context.Context, r *rolebroker.Runner, expected int64, event rolebroker.AuditEvent) error

	// DeleteRunner removes a runner and its keys. expected 0 means any version. Codes: not_found, stale, conflict (an
	// integration names it).
	DeleteRunner(ctx context.Context, id rolebroker.RunnerID, expected int64, event rolebroker.AuditEvent) error

	// RecordRunnerReport stores what a runner says of itself, and moves SeenAt forward. Codes: not_found.
	RecordRunnerReport(
		ctx context.Context, id rolebroker.RunnerID, report rolebroker.RunnerReport, at time.Time) error

	// SeeRunner moves SeenAt forward. Codes: not_found.
	SeeRunner(ctx context.Context, id rolebroker.RunnerID, at time.Time) error

	// SeeReplica stores that a process of a runner is alive. The number of processes is bounded.
	SeeReplica(ctx context.Context, id rolebroker.RunnerID, replica string, at time.Time) error
}

type runnerKeyStore interface {
	// RecordRunnerAgent stores that an agent identified itself to a runner. Codes: not_found.
	RecordRunnerAgent(ctx context.Context, runner rolebroker.RunnerID, agent rolebroker.AgentID) error

	// HasRunnerAgent reports whether an agent has identified itself to a runner.
	HasRunnerAgent(ctx context.Context, runner rolebroker.RunnerID, agent rolebroker.AgentID) (bool, error)

	// RunnerKey finds a credential or a join token by ID. Codes: not_found.
	RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error)

	// CreateRunnerKey stores a credential or a join token. It replaces the runner's unused keys of that kind: a runner
	// has at most one join token, one credential in use and one new credential. Codes: not_found (the runner).
	CreateRunnerKey(ctx context.Context, k *rolebroker.RunnerKey, event rolebroker.AuditEvent) error

	// Join stores a credential in place of a join token and of all credentials of the runner. It sets JoinedAt if that
	// is zero. Codes: not_found (the join token was used already).
	Join(ctx context.Context, joinKey rolebroker.RunnerKeyID, credential *rolebroker.RunnerKey, at time.Time,
		event rolebroker.AuditEvent) error

	// UseRunnerKey records the first use of a credential: it sets UsedAt and removes the runner's other credentials,
	// which are older. Later uses change nothing. Codes: not_found.
	UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID, at time.Time) error
}

type apiKeyStore interface {
	// APIKey finds an API key by ID. Codes: not_found.
	APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error)

	// APIKeys lists API keys by ID.
	APIKeys(ctx context.Context, page rolebroker.Page) ([]rolebroker.APIKey, error)

	// CreateAPIKey stores an API key. Codes: conflict (the ID or the name is taken).
	CreateAPIKey(ctx context.Context, k *rolebroker.APIKey, event rolebroker.AuditEvent) error

	// PutAPIKey stores an API key, in place of the one with its ID if there is one. Codes: conflict (another has the
	// name).
	PutAPIKey(ctx context.Context, k *rolebroker.APIKey, event rolebroker.AuditEvent) error

	// UseAPIKey stores that an API key was used at a time.
	UseAPIKey(ctx context.Context, id rolebroker.APIKeyID, at time.Time) error

	// DeleteAPIKey removes an API key, or, if retired is a time, makes it expire then. The last admin key that never
	// expires stays. Codes: not_found, conflict (the last).
	DeleteAPIKey(ctx context.Context, id rolebroker.APIKeyID, retired time.Time, event rolebroker.AuditEvent) error
}

type signInStore interface {
	// SignIn finds a sign-in by ID. Codes: not_found.
	SignIn(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error)

	// CreateSignIn stores a sign-in. Codes: not_found (the API key or the user).
	CreateSignIn(ctx context.Context, in *rolebroker.SignIn, event rolebroker.AuditEvent) error

	// ClaimCheck moves CheckAt of a sign-in. Of several callers who expect the same time, one gets true.
	ClaimCheck(ctx context.Context, id rolebroker.SignInID, due, next time.Time) (bool, error)

	// StoreCheck stores Renewal, CheckedAt and CheckAt of a sign-in. Codes: not_found.
	StoreCheck(ctx context.Context, in *rolebroker.SignIn) error

	// EndSignIn removes a sign-in of a person, for a reason. Codes: not_found.
	EndSignIn(ctx context.Context, id rolebroker.SignInID, event rolebroker.AuditEvent) error

	// DeleteSignIn removes a sign-in. Codes: not_found (it was removed already).
	DeleteSignIn(ctx context.Context, id rolebroker.SignInID) error

	// DeleteSignIns removes the sign-ins that expired before a time.
	DeleteSignIns(ctx context.Context, before time.Time) error
}

type userStore interface {
	// User finds a user by ID. Codes: not_found.
	User(ctx context.Context, id rolebroker.UserID) (*rolebroker.User, error)

	// UserOf finds a user by issuer and subject. Codes: not_found.
	UserOf(ctx context.Context, issuer, subject string) (*rolebroker.User, error)

	// Users lists users by ID.
	Users(ctx context.Context, page rolebroker.Page) ([]rolebroker.User, error)

	// PutUser stores a user, or Name, Email, Access and SeenAt of the one with the ID. The event may be nil. Codes:
	// conflict (another user has issuer and subject).
	PutUser(ctx context.Context, u *rolebroker.User, event *rolebroker.AuditEvent) error
}

// sessionStore reads sessions. lend.Records writes them.
type sessionStore interface {
	// Session finds a session by ID. Codes: not_found.
	Session(ctx context.Context, id rolebroker.SessionID) (*rolebroker.Session, error)

	// Sessions lists sessions, the newest first: by RequestedAt and then ID, both descending.
	Sessions(
		ctx context.Context, filter rolebroker.SessionFilter, page rolebroker.Page) ([]rolebroker.Session, error)

	// CountOutstanding counts the sessions of a runner that have no outcome and may still be live at a time. It counts
	// no further than most.
	CountOutstanding(ctx context.Context, runner rolebroker.RunnerID, at time.Time, most int) (int, error)

	// FirstLike finds the oldest session of the same agent, integration, role, ARN, session name and Runner. Codes:
	// not_found.
	FirstLike(ctx context.Context, s *rolebroker.Session) (*rolebroker.Session, error)

	// EndSessions ends what an ending selects, and marks the sessions that are live then. In the same transaction it
	// raises the generations that Grants have, so that no lender hands the credentials out again. Ending again changes
	// no record. Codes: not_found (the session).
	EndSessions(ctx context.Context, e rolebroker.Ending, event rolebroker.AuditEvent) (rolebroker.Ended, error)

	// CutOff is UpdateAgent with a, EndSessions, and an end to the open access requests of the agent, for the roles of
	// the ending if it has any, in one transaction. The event gets the facts of what was ended. Codes: not_found, stale.
	CutOff(ctx context.Context, a *rolebroker.Agent, expected int64, e rolebroker.Ending, reason string,
		event rolebroker.AuditEvent) (rolebroker.CutOff, error)

	// CutOffs lists cut-offs of an agent, the newest first, as CutOff returned them, but without the time when what was
	// ended expires.
	CutOffs(ctx context.Context, agent rolebroker.AgentID, limit int) ([]rolebroker.CutOff, error)

	// PutDenyPolicies stores the records of deny policies, in the place of those for the same roles with the same names.
	PutDenyPolicies(ctx context.Context, policies []rolebroker.DenyPolicy, event rolebroker.AuditEvent) error

	// DenyPolicies lists the deny policies that the server put on roles because of an agent, or tried to.
	DenyPolicies(ctx context.Context, agent rolebroker.AgentID) ([]rolebroker.DenyPolicy, error)

	// RolesNamed finds the roles that have an ID, an ARN or a name, in the order of their integrations' names.
	RolesNamed(ctx context.Context, reference string) ([]rolebroker.EndedRole, error)

	// HasAccount reports whether an integration has a role in an AWS account.
	HasAccount(ctx context.Context, account string) (bool, error)

	// DeleteSessions removes sessions that expired before a time, at most limit of them, and returns how many.
	DeleteSessions(ctx context.Context, expiredBefore time.Time, limit int) (int, error)
}

// auditStore keeps the audit trail.
type auditStore interface {
	// RecordEvent stores an audit event that goes with no change.
	RecordEvent(ctx context.Context, event rolebroker.AuditEvent) error

	// AuditEvents lists audit events, the newest first: by time and then ID, both descending.
	AuditEvents(
		ctx context.Context, filter rolebroker.AuditFilter, page rolebroker.Page) ([]rolebroker.AuditRecord, error)

	// AuditTrail returns the state of the audit trail.
	AuditTrail(ctx context.Context) (rolebroker.AuditTrail, error)

	// GrowTrail gives at most limit waiting events their places in the audit trail, and stores the checkpoint that sign
	// makes of it, unless that is empty. It does not ask sign if a checkpoint covers all events. It returns how many it
	// placed. Several servers may call it at the same time.
	GrowTrail(
		ctx context.Context, limit int, at time.Time, sign func(trail.Tree) (string, error)) (placed int, err error)

	// TreeAt returns the audit trail before the event with a sequence. Codes: invalid (the event is not in it any
	// more, or not yet).
	TreeAt(ctx context.Context, sequence int64) (trail.Tree, error)

	// SequenceSince returns the sequence of the first event of a time or later; size if there is none.
	SequenceSince(ctx context.Context, since time.Time, size int64) (int64, error)

	// ForgetEvents deletes at most limit events from the front of the audit trail, all before a time, and keeps the
	// hashes that what remains is verified with. made makes the event of that, from the sequences of the first event
	// that was deleted and of the first that remains. It returns how many it deleted.
	ForgetEvents(ctx context.Context, before time.Time, limit int,
		made func(from, to int64) rolebroker.AuditEvent) (deleted int64, err error)

	// Trail returns the audit trail before the first event that is still stored.
	Trail(ctx context.Context) (trail.Tree, error)

	// PlacedEvents lists the events of the audit trail from a sequence on.
	PlacedEvents(ctx context.Context, from int64, limit int) ([]rolebroker.AuditRecord, error)

	// Checkpoints lists signed checkpoints by the size of the trail, from a size on.
	Checkpoints(ctx context.Context, from int64, limit int) ([]rolebroker.AuditCheckpoint, error)

	// LastCheckpoint returns the newest signed checkpoint; the zero value if there is none.
	LastCheckpoint(ctx context.Context) (rolebroker.AuditCheckpoint, error)
}

// callStore keeps the records of calls.
type callStore interface {
	// RecordCalls stores calls, and the outcomes of those that are stored already: all of them, durably, or none. The
	// same again changes nothing.
	RecordCalls(ctx context.Context, calls []rolebroker.Call) error

	// Call finds a call by ID. Codes: not_found.
	Call(ctx context.Context, id rolebroker.CallID) (*rolebroker.Call, error)

	// Calls lists calls, the newest first: by ID, descending.
	Calls(ctx context.Context, filter rolebroker.CallFilter, page rolebroker.Page) ([]rolebroker.Call, error)

	// CallsFrom lists the calls that began from one time until before another, the oldest first, after the one with an
	// ID.
	CallsFrom(ctx context.Context, from, until time.Time, after rolebroker.CallID, limit int) ([]rolebroker.Call, error)

	// CallKinds calls add for each kind of the calls that an agent sent since a time with the roles of an integration, or
	// with one of them. It has the calls that the gateway sent and AWS did not answer with 401 or 403.
	CallKinds(ctx context.Context, agent rolebroker.AgentID, in rolebroker.IntegrationID, role rolebroker.RoleID,
		since time.Time, add func(rolebroker.CallKind)) error

	// SinceNewest returns since, or a later time since which CallKinds adds up at most n calls: the newest ones.
	SinceNewest(ctx context.Context, agent rolebroker.AgentID, in rolebroker.IntegrationID, role rolebroker.RoleID,
		since time.Time, n int) (time.Time, error)

	// RefusedCalls counts the calls that CallKinds leaves out: those that AWS answered with 401 or 403, and those that
	// the gateway did not send.
	RefusedCalls(ctx context.Context, agent rolebroker.AgentID, in rolebroker.IntegrationID, since time.Time) (
		byAWS, notSent int64, err error)

	// TokenSessions lists the sessions that signed an AWS token for an agent which works after a time.
	TokenSessions(ctx context.Context, agent rolebroker.AgentID, at time.Time) ([]rolebroker.SessionID, error)

	// FirstCallWithoutDigest returns when the first call began that no digest covers; the zero time if there is none.
	FirstCallWithoutDigest(ctx context.Context) (time.Time, error)

	// RecordCallDigest stores the digest of an hour with its event, unless another server did. The calls of that hour do
	// not change any more.
	RecordCallDigest(ctx context.Context, d rolebroker.CallDigest, event rolebroker.AuditEvent) error

	// DeleteCalls deletes at most limit calls that began before a time, and returns how many.
	DeleteCalls(ctx context.Context, before time.Time, limit int) (int, error)
}

type accessRequestStore interface {
	// AccessRequest finds an access request by ID. Codes: not_found.
	AccessRequest(ctx context.Context, id rolebroker.AccessRequestID) (*rolebroker.AccessRequest, error)

	// AccessRequests lists access requests by CreatedAt and then ID, both descending: the newest first, unless the
	// filter says otherwise.
	AccessRequests(ctx context.Context, filter rolebroker.AccessRequestFilter, page rolebroker.Page) (
		[]rolebroker.AccessRequest, error)

	// CreateAccessRequest stores a request, with an event for each thing that happened to it, unless the agent has an
	// open one for the same role, access and task: then it stores nothing and returns that one. Codes: not_found (the
	// agent), throttled (too many are open).
	CreateAccessRequest(ctx context.Context, r *rolebroker.AccessRequest, events ...rolebroker.AuditEvent) (
		same *rolebroker.AccessRequest, err error)

	// DecideAccessRequest stores the decision of a request, and its grant, if the request is pending at DecidedAt.
	// Codes: not_found, conflict (it is not pending).
	DecideAccessRequest(ctx context.Context, r *rolebroker.AccessRequest, event rolebroker.AuditEvent) error

	// EndAccessRequest ends a request that is open at a time, and marks the sessions under it that are live. It reports
	// whether the request was open.
	EndAccessRequest(ctx context.Context, r *rolebroker.AccessRequest, at time.Time, by string,
		event rolebroker.AuditEvent) (ended bool, err error)

	// DeleteAccessRequests removes at most limit requests that were made before a time and were not open then, and
	// returns how many.
	DeleteAccessRequests(ctx context.Context, before time.Time, limit int) (int, error)
}

type approvalRuleStore interface {
	// ApprovalRule finds a rule by name or ID. Codes: not_found.
	ApprovalRule(ctx context.Context, nameOrID string) (*rolebroker.ApprovalRule, error)

	// ApprovalRules lists rules by name.
	ApprovalRules(ctx context.Context, page rolebroker.Page) ([]rolebroker.ApprovalRule, error)

	// CreateApprovalRule stores a rule. Codes: conflict (name).
	CreateApprovalRule(ctx context.Context, r *rolebroker.ApprovalRule, event rolebroker.AuditEvent) error

	// UpdateApprovalRule replaces the rule with r.ID if it has the version expected. Codes: not_found, stale, conflict.
	UpdateApprovalRule(ctx context.Context, r *rolebroker.ApprovalRule, expected int64,
		event rolebroker.AuditEvent) error

	// DeleteApprovalRule removes a rule. expected 0 means any version. Codes: not_found, stale.
	DeleteApprovalRule(ctx context.Context, id rolebroker.ApprovalRuleID, expected int64,
		event rolebroker.AuditEvent) error
}

type countStore interface {
	// Counts counts integrations, agents, and the sessions that are live at a time.
	Counts(ctx context.Context, at time.Time) (rolebroker.Counts, error)

	// CountAgents counts the agents that are connected to each of the integrations. One without agents is missing.
	CountAgents(ctx context.Context, of []rolebroker.IntegrationID) (map[rolebroker.IntegrationID]int, error)
}

// searchStore finds things for people.
type searchStore interface {
	// SortedIntegrations lists integrations sorted and filtered as the page says, and the cursor of each.
	SortedIntegrations(ctx context.Context, page rolebroker.Page) ([]rolebroker.Integration, []string, error)

	// SortedAgents is SortedIntegrations, for agents.
	SortedAgents(ctx context.Context, page rolebroker.Page) ([]rolebroker.Agent, []string, error)

	// UsualRegion returns the region that most roles have, going by some of them; empty: there is no role.
	UsualRegion(ctx context.Context) (rolebroker.Region, error)

	// SortedRunners is SortedIntegrations, for runners, with their states at a time.
	SortedRunners(ctx context.Context, page rolebroker.Page, now time.Time) ([]rolebroker.Runner, []string, error)

	// Find finds integrations, agents, runners and roles that have a text in their names, descriptions or ARNs, at most
	// limit of each kind.
	Find(ctx context.Context, text string, limit int) ([]rolebroker.Found, error)

	// IDsLike lists the IDs of a kind that begin with a text, in their order. Bindings are tokens.
	IDsLike(ctx context.Context, kind rolebroker.Kind, start string, limit int) ([]string, error)

	// SessionsOfKey lists sessions whose AWS access key ID begins with a text, which is not empty.
	SessionsOfKey(ctx context.Context, start string, limit int) ([]rolebroker.Session, error)

	// CallsOfRequest lists the calls that AWS answered with a request ID, the newest first.
	CallsOfRequest(ctx context.Context, requestID string, limit int) ([]rolebroker.Call, error)

	// AuditEvent finds an event by ID. Codes: not_found.
	AuditEvent(ctx context.Context, id rolebroker.AuditEventID) (*rolebroker.AuditRecord, error)
}

// overviewStore has what people want to know first.
type overviewStore interface {
	// TroubledRoles lists at most so many failing integrations, the one with the newest trouble first, with those of
	// their enabled roles that may be what fails, at most so many in all.
	TroubledRoles(ctx context.Context, integrations, roles int) ([]rolebroker.Integration, error)

	// CountTroubled counts the failing integrations that are enabled.
	CountTroubled(ctx context.Context) (int, error)

	// Activity counts what agents did in each of so many hours from a time on, which begins an hour; up to most.
	Activity(ctx context.Context, from time.Time, hours, most int) ([]rolebroker.Activity, error)

	// EndingTokens lists agents' tokens that expire after one time and not after another, the soonest first.
	EndingTokens(ctx context.Context, from, until time.Time, limit int) ([]rolebroker.EndingKey, error)

	// EndingAPIKeys lists API keys that expire after one time and not after another, the soonest first.
	EndingAPIKeys(ctx context.Context, from, until time.Time, limit int) ([]rolebroker.APIKey, error)

	// HasToken reports whether there is a token or a binding of any agent.
	HasToken(ctx context.Context) (bool, error)

	// RoleCutOffs lists the cut-offs of all agents from roles, and not from everything, at a time or later, as CutOffs
	// does.
	RoleCutOffs(ctx context.Context, since time.Time, limit int) ([]rolebroker.CutOff, error)

	// CutOffAgents lists the agents that are cut off, the last one first.
	CutOffAgents(ctx context.Context, limit int) ([]rolebroker.Agent, error)
}
