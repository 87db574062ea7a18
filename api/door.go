package api

import "time"

// What follows is spoken between a runner and the server, below /runner/v1. It
// has no message with a credential of AWS in it that a runner sends. 401 is always
// about the runner's own credential.

// Join is how a runner comes to its credential.
type Join struct {
	Token   Secret `json:"token"`   // the join token
	Program string `json:"program"` // the version of the program
}

// RunnerCredential is what a runner shows from then on.
type RunnerCredential struct {
	Runner     string    `json:"runner"` // its ID
	Name       string    `json:"name"`
	Credential Secret    `json:"credential"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// RunnerReport is what a runner says of itself, at the start and when it changes.
type RunnerReport struct {
	Program       string `json:"program"`
	Method        string `json:"method"`
	Account       string `json:"account"`
	ARN           string `json:"arn"`
	UserID        string `json:"user_id"`
	IdentityError string `json:"identity_error,omitempty"`
	Issuer        string `json:"issuer"`
	Pending       int    `json:"pending"`
}

// Identification asks who a process is, by an agent token that it showed or by
// the service account whose token it showed and the runner has verified.
type Identification struct {
	Token          Secret          `json:"token,omitempty"`
	ServiceAccount *ServiceAccount `json:"service_account,omitempty"`
}

// Identified answers it. An error would be about the runner itself.
type Identified struct {
	Token   *TokenRecord `json:"token,omitempty"`
	Refusal *Refusal     `json:"refusal,omitempty"` // why the process is nobody
}

// ServiceAccount is a Kubernetes service account.
type ServiceAccount struct {
	Issuer    string `json:"issuer"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// TokenRecord is what a runner may know of the token by which an agent is known.
type TokenRecord struct {
	ID        string     `json:"id"` // tok_… or bnd_…
	Agent     string     `json:"agent"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

// Grants are what an agent may borrow from, for a runner: the external IDs are
// those of the integrations that name it.
type Grants struct {
	Agent        GrantedAgent  `json:"agent"`
	Integrations []Integration `json:"integrations"` // in the order the connections were made; each names its runner by ID
}

// GrantedAgent is the agent of Grants. A runner knows integrations by their IDs.
type GrantedAgent struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name"`
	Disabled           bool     `json:"disabled"`
	DefaultIntegration string   `json:"default_integration"` // ID
	Connections        []string `json:"connections"`         // IDs of integrations
}

// RunnerSession is a session that a runner begins, or has begun while it could
// not say so.
type RunnerSession struct {
	ID              string    `json:"id"`
	Agent           string    `json:"agent"`
	Integration     string    `json:"integration"`
	Role            string    `json:"role"`
	ARN             string    `json:"arn"`
	Region          string    `json:"region"`
	Task            string    `json:"task"`
	SessionName     string    `json:"session_name"`
	RequestedAt     time.Time `json:"requested_at"`
	ExpiresAt       time.Time `json:"expires_at"`
	AgentName       string    `json:"agent_name"`
	IntegrationName string    `json:"integration_name"`
	RoleName        string    `json:"role_name"`
	Late            bool      `json:"late,omitempty"` // it began already, while the server could not be reached
}

// Recorded says that a session, or what came of it, is on record. Anything else
// was not said by a server.
type Recorded struct {
	Session string `json:"session"` // its ID
}

// SessionOutcome is what came of a session.
type SessionOutcome struct {
	State       string    `json:"state"` // active or failed
	ExpiresAt   time.Time `json:"expires_at"`
	AccessKeyID string    `json:"access_key_id"`
	RequestID   string    `json:"request_id"`
	Failure     string    `json:"failure"`
}

// Use is how often sessions were handed out, and when tokens were last used.
type Use struct {
	Fetches []Fetch              `json:"fetches,omitempty"`
	Tokens  map[string]time.Time `json:"tokens,omitempty"`
}

// Fetch is how often a session was handed out since that was last said.
type Fetch struct {
	Session string    `json:"session"`
	Count   int64     `json:"count"`
	Last    time.Time `json:"last"`
}

// Loan asks for credentials of a role that the platform assumes, on behalf of an
// agent that the runner knows by its service account.
type Loan struct {
	Token string `json:"token"` // bnd_…
	Role  string `json:"role"`
	Task  string `json:"task"`
}

// Lent answers it, with credentials of a role that the platform assumed; an
// error would be about the runner itself.
type Lent struct {
	AccessKeyID     string    `json:"access_key_id,omitempty"`
	SecretAccessKey Secret    `json:"secret_access_key,omitempty"`
	Token           Secret    `json:"token,omitempty"` // the session token
	Expiration      time.Time `json:"expiration"`
	RoleARN         string    `json:"role_arn,omitempty"`
	Refusal         *Refusal  `json:"refusal,omitempty"`
}

// EventsType is the media type of the stream of events.
const EventsType = "application/x-ndjson"

// Heartbeat is how often a server says something in the stream of events. Who
// hears nothing for three of them is not connected.
const Heartbeat = 5 * time.Second

// RunnerEvent is one line of the stream of events. The zero value is a heartbeat.
type RunnerEvent struct {
	Hello  *Hello  `json:"hello,omitempty"`  // the first: what was remembered before is to be forgotten
	Change *Change `json:"change,omitempty"` // something was committed
}

// Hello begins the stream of events.
type Hello struct {
	Runner string `json:"runner"` // ID
	Name   string `json:"name"`
}

// Change says what may have changed; the zero value: anything.
type Change struct {
	Agent       string `json:"agent,omitempty"`
	Integration string `json:"integration,omitempty"`
}

// RunnerValidations are what came of trying the roles of an integration that
// names the runner.
type RunnerValidations struct {
	Version     int64               `json:"version"` // of the integration that was tried
	Validations []IdentifiedOutcome `json:"validations"`
}

// IdentifiedOutcome is the outcome for one role.
type IdentifiedOutcome struct {
	Role string `json:"role"` // ID
	Validation
}
