package api

import "time"

// GatewayKeyRequest asks for a key with which an agent signs at the gateway of the runner, for a role that the runner
// assumes. The agent has shown its token, or the runner knows it by its service account.
type GatewayKeyRequest struct {
	AgentToken Secret `json:"agent_token,omitempty"`
	Token      string `json:"token,omitempty"` // bnd_…, if there is no AgentToken
	Role       string `json:"role"`
	Task       string `json:"task,omitempty"`
	Access     string `json:"access,omitempty"`  // read-only: the process wants no more
	Address    string `json:"address,omitempty"` // IP, of the agent
	Workload
}

// SignedKey is a key for the gateway that signed a request, as the request has it.
type SignedKey struct {
	ID    string `json:"id"`
	Token Secret `json:"token"` // the session token, which says what the key is for
}

// OpenedKey is what a SignedKey is for, and its secret; or that its requests are for the gateway of the server; or a
// Refusal. An error instead of it is about the runner.
type OpenedKey struct {
	Secret      Secret    `json:"secret,omitempty"`
	Agent       string    `json:"agent,omitempty"`       // ID
	Token       string    `json:"token,omitempty"`       // ID of the agent's
	Integration string    `json:"integration,omitempty"` // ID
	Role        string    `json:"role,omitempty"`        // ID
	Task        string    `json:"task,omitempty"`
	Access      string    `json:"access,omitempty"`
	Generation  int64     `json:"generation,omitempty"`
	Expiration  time.Time `json:"expiration"`
	AtServer    bool      `json:"at_server,omitempty"` // then it has nothing else but Integration and Expiration
	Refusal     *Refusal  `json:"refusal,omitempty"`
}

// CallQuestion asks whether an agent may make a call that may change something, by the gateway of the runner. If people
// have to approve it, they are asked, and the answer waits for them.
type CallQuestion struct {
	Call        RunnerCall `json:"call"` // as far as it is known before it is decided
	Access      string     `json:"access,omitempty"`
	WaitSeconds int64      `json:"wait_seconds,omitempty"`
}

// CallApproval answers a CallQuestion: the agent may make the call, or there is a Refusal. An error instead of it is
// about the runner.
type CallApproval struct {
	AccessRequest string   `json:"access_request,omitempty"` // the approval of the call; empty: it needs none
	Allowed       bool     `json:"allowed"`
	Refusal       *Refusal `json:"refusal,omitempty"`
}

// RunnerCalls are calls through the gateway of a runner: before they are sent to AWS, and again once they are over.
type RunnerCalls struct {
	Calls []RunnerCall `json:"calls"`
}

// RecordedCalls says that calls are recorded, all but some.
type RecordedCalls struct {
	Recorded int           `json:"recorded"`
	Refused  []RefusedCall `json:"refused,omitempty"`
}

// RefusedCall is a call whose record the server does not take, now or later. One that is about to be sent is refused to
// the agent.
type RefusedCall struct {
	ID      string  `json:"id"`
	Refusal Refusal `json:"refusal"`
}

// RunnerCall is the record of a call, as Call without what the server knows.
type RunnerCall struct {
	ID            string     `json:"id"`
	EndedAt       *time.Time `json:"ended_at,omitempty"`
	Agent         string     `json:"agent"`
	Token         string     `json:"token"`
	Address       string     `json:"address,omitempty"`
	Integration   string     `json:"integration"`
	Role          string     `json:"role"`
	Task          string     `json:"task,omitempty"`
	Session       string     `json:"session,omitempty"`
	AccessRequest string     `json:"access_request,omitempty"`
	Service       string     `json:"service,omitempty"`
	Operation     string     `json:"operation,omitempty"`
	Actions       []string   `json:"actions,omitempty"`
	Region        string     `json:"region,omitempty"`
	Resources     []string   `json:"resources,omitempty"`
	Level         string     `json:"level"`
	Decision      string     `json:"decision"`
	Code          string     `json:"code,omitempty"`
	Reason        string     `json:"reason,omitempty"`
	Times         int64      `json:"times"`
	Status        int        `json:"status,omitempty"`
	RequestID     string     `json:"request_id,omitempty"`
	BytesIn       int64      `json:"bytes_in,omitempty"`
	BytesOut      int64      `json:"bytes_out,omitempty"`
}
