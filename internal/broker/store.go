package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// Store is everything the broker remembers. A method that returns an error
// has changed nothing; one that returns nil has made its change durable.
// Errors are *rolebroker.Error of the codes named; anything else means that
// the database cannot be used now.
//
// A store decides nothing: it checks no permission, makes no secret, fills in
// no default and reads no clock. What it does enforce is that names are
// unique, that references hold, and that a change is made to the version its
// maker saw.
type Store interface {
	integrationStore
	reservationStore
	validationStore
	agentStore
	tokenStore
	runnerStore
	apiKeyStore
	signInStore
	sessionStore

	lend.Records
}

type integrationStore interface {
	// Integration finds one by name or ID, with its roles. Codes: not_found.
	Integration(ctx context.Context, nameOrID string) (*rolebroker.Integration, error)

	// Integrations lists by name, with their roles.
	Integrations(ctx context.Context, page rolebroker.Page) ([]rolebroker.Integration, error)

	// CreateIntegration stores in as it is given. Its ExternalID must be one
	// that ReserveExternalID stored and no integration has; it is used up in
	// the same transaction. Codes: conflict (name), invalid (external ID),
	// not_found (the runner).
	CreateIntegration(ctx context.Context, in *rolebroker.Integration) error

	// UpdateIntegration replaces the integration with in.ID, if it still has
	// the version expected; in.Version is what it will have. Roles are matched
	// by ID. Codes: not_found (the runner, too), stale, conflict.
	UpdateIntegration(ctx context.Context, in *rolebroker.Integration, expected int64) error

	// DeleteIntegration removes it, its roles and its connections; an agent
	// whose default it was has none then. expected 0 means any version.
	// Codes: not_found, stale.
	DeleteIntegration(ctx context.Context, id rolebroker.IntegrationID, expected int64) error

	// SetExternalIDs stores in's ExternalID, NextExternalID, Version and
	// UpdatedAt, if it still has the version expected. Both have to be reserved
	// and no other integration's. Codes: not_found, stale, invalid.
	SetExternalIDs(ctx context.Context, in *rolebroker.Integration, expected int64) error

	// EarlierExternalIDs are those that it had before, the newest first.
	EarlierExternalIDs(ctx context.Context, id rolebroker.IntegrationID, limit int) ([]string, error)
}

type reservationStore interface {
	// ReserveExternalID stores an external ID for a later integration, and by
	// which ID it is found. Codes: conflict (either is taken).
	ReserveExternalID(ctx context.Context, id rolebroker.ReservationID, externalID string, at time.Time) error

	// Reservation finds one by its ID. Codes: not_found, also when it is of an
	// integration that is gone.
	Reservation(ctx context.Context, id rolebroker.ReservationID) (*rolebroker.Reservation, error)

	// ReservationOf finds one by the external ID that was reserved, whether it
	// is still the integration's current one or not. Codes: not_found, also
	// when it is of an integration that is gone.
	ReservationOf(ctx context.Context, externalID string) (*rolebroker.Reservation, error)

	// ReleaseExternalID forgets one that no integration has used. Codes:
	// not_found, conflict (an integration has it).
	ReleaseExternalID(ctx context.Context, id rolebroker.ReservationID) error
}

type validationStore interface {
	// RecordValidations stores what came of validating in's roles as in has
	// them: of those that are still so, unless there is something newer. at is
	// when the integration as a whole was validated; zero: it was not. If in is
	// gone nothing is stored.
	RecordValidations(ctx context.Context, in *rolebroker.Integration, results []rolebroker.RoleValidation, at time.Time) error

	// ClaimIntegrations gives integrations in platform mode that were last
	// validated before a time: those of the longest ago, in any order. Nobody
	// else is given them until they are due again. One that changes is due.
	ClaimIntegrations(ctx context.Context, before, now time.Time, limit int) ([]rolebroker.IntegrationID, error)

	// SetValidatedAt says when an integration was last validated, for who
	// claimed it and could not do it.
	SetValidatedAt(ctx context.Context, id rolebroker.IntegrationID, at time.Time) error

	// CountIntegrations is how many are in platform mode.
	CountIntegrations(ctx context.Context) (int, error)
}

type agentStore interface {
	// Agent finds one by name or ID, with its connections. Codes: not_found.
	Agent(ctx context.Context, nameOrID string) (*rolebroker.Agent, error)

	// Agents lists by name, with their connections.
	Agents(ctx context.Context, page rolebroker.Page) ([]rolebroker.Agent, error)

	// CreateAgent stores a with its connections. Codes: conflict (name),
	// not_found (an integration that is gone).
	CreateAgent(ctx context.Context, a *rolebroker.Agent) error

	// UpdateAgent replaces the agent with a.ID and its connections, if it
	// still has the version expected. Codes: not_found, stale, conflict.
	UpdateAgent(ctx context.Context, a *rolebroker.Agent, expected int64) error

	// DeleteAgent removes it, its connections and its tokens. expected 0
	// means any version. Codes: not_found, stale.
	DeleteAgent(ctx context.Context, id rolebroker.AgentID, expected int64) error
}

type tokenStore interface {
	// Tokens lists an agent's, by ID, revoked and expired ones too.
	Tokens(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page) ([]rolebroker.Token, error)

	// CreateToken stores t. Codes: not_found (the agent).
	CreateToken(ctx context.Context, t *rolebroker.Token) error

	// RevokeToken marks an agent's token as revoked; doing so again changes
	// nothing. Codes: not_found.
	RevokeToken(ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID, at time.Time) error
}

type runnerStore interface {
	// Runner finds one by name or ID. Codes: not_found.
	Runner(ctx context.Context, nameOrID string) (*rolebroker.Runner, error)

	// Runners lists by name.
	Runners(ctx context.Context, page rolebroker.Page) ([]rolebroker.Runner, error)

	// CreateRunner stores r. Codes: conflict (name, issuer).
	CreateRunner(ctx context.Context, r *rolebroker.Runner) error

	// UpdateRunner stores r's Name, Description, Issuer, Version and UpdatedAt,
	// if it still has the version expected. Codes: not_found, stale, conflict.
	UpdateRunner(ctx context.Context, r *rolebroker.Runner, expected int64) error

	// DeleteRunner removes it and its keys. expected 0 means any version. Codes:
	// not_found, stale, conflict (an integration names it).
	DeleteRunner(ctx context.Context, id rolebroker.RunnerID, expected int64) error

	// RecordRunnerReport stores what a runner says of itself, and moves SeenAt
	// forward. Codes: not_found.
	RecordRunnerReport(ctx context.Context, id rolebroker.RunnerID, report rolebroker.RunnerReport, at time.Time) error

	// SeeRunner moves SeenAt forward. Codes: not_found.
	SeeRunner(ctx context.Context, id rolebroker.RunnerID, at time.Time) error

	// IntegrationsOf lists those that name the runner, by name, with their roles.
	IntegrationsOf(ctx context.Context, id rolebroker.RunnerID) ([]rolebroker.Integration, error)

	// RunnerKey finds a credential or a join token by ID. Codes: not_found.
	RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error)

	// CreateRunnerKey stores k, in place of those of its kind that the runner has
	// and has not used: a join token ends the one before it, and of credentials
	// there are never more than the one in use and the newest. Codes: not_found
	// (the runner).
	CreateRunnerKey(ctx context.Context, k *rolebroker.RunnerKey) error

	// Join stores the credential in place of the join token and of all
	// credentials that its runner had, and sets JoinedAt if it was zero. Codes:
	// not_found, which whoever comes second gets.
	Join(ctx context.Context, joinKey rolebroker.RunnerKeyID, credential *rolebroker.RunnerKey, at time.Time) error

	// UseRunnerKey says that a credential was used. The first time sets its
	// UsedAt and removes the runner's other credentials, all of which were made
	// before it; after that nothing changes. Codes: not_found.
	UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID, at time.Time) error

	// Binding finds the one of a service account. Token finds it too, by its ID.
	// Codes: not_found.
	Binding(ctx context.Context, account rolebroker.ServiceAccount) (*rolebroker.Token, error)

	// Bindings lists an agent's, by ID. Tokens does not list them.
	Bindings(ctx context.Context, agent rolebroker.AgentID, page rolebroker.Page) ([]rolebroker.Token, error)

	// CreateBinding stores b, which has an Account and no Hash. Codes: not_found
	// (the agent), conflict (the service account is bound already).
	CreateBinding(ctx context.Context, b *rolebroker.Token) error

	// DeleteBinding removes one of the agent's. Codes: not_found.
	DeleteBinding(ctx context.Context, agent rolebroker.AgentID, id rolebroker.TokenID) error
}

type apiKeyStore interface {
	// APIKey finds one by ID. Codes: not_found.
	APIKey(ctx context.Context, id rolebroker.APIKeyID) (*rolebroker.APIKey, error)

	// APIKeys lists by ID.
	APIKeys(ctx context.Context, page rolebroker.Page) ([]rolebroker.APIKey, error)

	// CreateAPIKey stores k. Codes: conflict (the ID or the name is taken).
	CreateAPIKey(ctx context.Context, k *rolebroker.APIKey) error

	// PutAPIKey stores k, in place of the one with its ID if there is one.
	// Codes: conflict (another has the name).
	PutAPIKey(ctx context.Context, k *rolebroker.APIKey) error

	// DeleteAPIKey removes one, unless no admin key would be left that never
	// expires. Codes: not_found, conflict (the last).
	DeleteAPIKey(ctx context.Context, id rolebroker.APIKeyID) error
}

type signInStore interface {
	// SignIn finds one by ID. Codes: not_found.
	SignIn(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error)

	// CreateSignIn stores one. Codes: not_found (the API key).
	CreateSignIn(ctx context.Context, in *rolebroker.SignIn) error

	// DeleteSignIn forgets one. Codes: not_found, which whoever comes second gets.
	DeleteSignIn(ctx context.Context, id rolebroker.SignInID) error

	// DeleteSignIns forgets those that expired before the time.
	DeleteSignIns(ctx context.Context, before time.Time) error

	// Counts is how many there are of each thing; of sessions, those that may
	// work at the time.
	Counts(ctx context.Context, at time.Time) (rolebroker.Counts, error)

	// CountAgents is how many agents are connected to each of the integrations
	// whose names lie between two, both included; what has none is left out.
	CountAgents(ctx context.Context, from, to string) (map[rolebroker.IntegrationID]int, error)
}

type sessionStore interface {
	// Session finds one by ID. Codes: not_found.
	Session(ctx context.Context, id rolebroker.SessionID) (*rolebroker.Session, error)

	// Sessions lists newest first: by RequestedAt, then ID, both descending.
	Sessions(ctx context.Context, filter rolebroker.SessionFilter, page rolebroker.Page) ([]rolebroker.Session, error)

	// FirstLike finds the oldest on record of the same agent, integration, role,
	// ARN, session name and Runner. Codes: not_found.
	FirstLike(ctx context.Context, s *rolebroker.Session) (*rolebroker.Session, error)

	// DeleteSessions forgets those that expired before the time, at most
	// limit of them, and says how many.
	DeleteSessions(ctx context.Context, expiredBefore time.Time, limit int) (int, error)
}
