package api

import "time"

// RunnerSession is a session that a runner is about to begin, or began while the
// server could not be reached.
type RunnerSession struct {
	ID          string `json:"id"`
	Agent       string `json:"agent"`
	Integration string `json:"integration"`
	Role        string `json:"role"`
	ARN         string `json:"arn"`
	Region      string `json:"region"`
	Task        string `json:"task"`
	Workload
	SessionName   string `json:"session_name"`
	Token         string `json:"token,omitempty"`          // ID; empty: from an earlier version
	Address       string `json:"address,omitempty"`        // IP, of the agent; empty: from an earlier version
	AccessRequest string `json:"access_request,omitempty"` // ID; empty: the session needs none
	// what the agent may do; empty: from an earlier version, which lends everything that the role allows
	Access     string `json:"access,omitempty"`
	PolicyHash string `json:"policy_hash,omitempty"` // SHA-256 of the session policy, with the access policy
	Narrowed   bool   `json:"narrowed,omitempty"`    // the process asked for less than its connection permits
	// the credentials stay with the runner's gateway; a runner of an earlier version has none
	Withheld        bool      `json:"withheld,omitempty"`
	RequestedAt     time.Time `json:"requested_at"`
	ExpiresAt       time.Time `json:"expires_at"`
	AgentName       string    `json:"agent_name"`
	IntegrationName string    `json:"integration_name"`
	RoleName        string    `json:"role_name"`
	Late            bool      `json:"late,omitempty"` // it began while the server could not be reached
}

// Workload is the pod that an agent runs in, as the token of its service account
// says; empty for an agent that showed an agent token.
type Workload struct {
	Namespace      string `json:"namespace,omitempty"`
	ServiceAccount string `json:"service_account,omitempty"`
	Pod            string `json:"pod,omitempty"`
}

// Recorded confirms that a session, or its outcome, is recorded. An answer without
// the session's ID is not the server's.
type Recorded struct {
	Session string `json:"session"` // ID
}

// SessionOutcome is the outcome of a session.
type SessionOutcome struct {
	State       string    `json:"state"` // active or failed
	ExpiresAt   time.Time `json:"expires_at"`
	AccessKeyID string    `json:"access_key_id"`
	RequestID   string    `json:"request_id"`
	Failure     string    `json:"failure"`
	Refused     string    `json:"refused,omitempty"` // the kind of the refusal
}

// Usage is how often sessions were handed out, when tokens were last used, and what
// agents were refused. A server of an earlier version ignores the refusals.
type Usage struct {
	Fetches []Fetch              `json:"fetches,omitempty"`
	Tokens  map[string]time.Time `json:"tokens,omitempty"`

	Refusals []AgentRefusal `json:"refusals,omitempty"`
}

// AgentRefusal is what the runner refused an agent.
type AgentRefusal struct {
	Agent   string `json:"agent"`             // ID
	Token   string `json:"token"`             // ID
	Address string `json:"address,omitempty"` // IP
	Workload
	Action string `json:"action"`
	Role   string `json:"role,omitempty"` // a reference, or what the agent wrote
	Task   string `json:"task,omitempty"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Times  int64  `json:"times"` // how often, since the last report of the same
	// of the agent's last request; empty: the runner is of an earlier version
	Request string `json:"request,omitempty"`
}

// Fetch is how often a session was handed out since the last report.
type Fetch struct {
	Session string    `json:"session"`
	Count   int64     `json:"count"`
	Last    time.Time `json:"last"`
}

// LoanRequest asks for credentials of a role that the platform assumes, for an
// agent that the runner knows by its service account.
type LoanRequest struct {
	Token string `json:"token"` // bnd_…
	Role  string `json:"role"`
	Task  string `json:"task"`
	// read-only: the process wants no more; an answer without that access is of an earlier version
	Access  string `json:"access,omitempty"`
	Address string `json:"address,omitempty"` // IP, of the agent
	Workload
}

// LoanAnswer answers a LoanRequest: it has either credentials or a Refusal. An
// error instead of it is about the runner.
type LoanAnswer struct {
	AccessKeyID     string    `json:"access_key_id,omitempty"`
	SecretAccessKey Secret    `json:"secret_access_key,omitempty"`
	Token           Secret    `json:"token,omitempty"` // the session token
	Expiration      time.Time `json:"expiration"`
	RoleARN         string    `json:"role_arn,omitempty"`
	Access          string    `json:"access,omitempty"` // what they may do
	Keys            string    `json:"keys,omitempty"`   // withheld: only the gateway knows them
	Refusal         *Refusal  `json:"refusal,omitempty"`
}

// AccessQuestion asks people for access, or what they decided, for an agent that the runner knows by its service
// account. A server of an earlier version does not know List, and refuses such a question, because it has no reason.
type AccessQuestion struct {
	Token       string `json:"token"`                  // bnd_…
	ID          string `json:"id,omitempty"`           // of a request that was made before; empty: make one
	WaitSeconds int64  `json:"wait_seconds,omitempty"` // how long to wait while it is pending
	List        bool   `json:"list,omitempty"`         // make none, and list the agent's newest ones
	State       string `json:"state,omitempty"`        // with List: only those in this state; empty: any
	Address     string `json:"address,omitempty"`      // IP, of the agent
	AccessRequestRequest
	Workload
}

// AccessAnswer answers an AccessQuestion: it has the request, the list or a Refusal. An error instead of it is about the
// runner.
type AccessAnswer struct {
	Request  *MyAccessRequest  `json:"request,omitempty"`
	Requests []MyAccessRequest `json:"requests,omitempty"`
	Refusal  *Refusal          `json:"refusal,omitempty"`
}
