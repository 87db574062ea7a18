package api

import "time"

// Session is one set of temporary credentials lent to one agent for one role. Names
// are those at that time.
type Session struct {
	ID             string     `json:"id" example:"ses_3mzq7k4vprb5xw2tdn6hjc8ysa"`
	State          string     `json:"state" enum:"requested,active,failed" doc:"requested: recorded, and no answer from STS is known. active: STS gave credentials. failed: STS refused." example:"active"`
	Live           bool       `json:"live" doc:"Whether the credentials may still work now." example:"true"`
	Agent          string     `json:"agent" example:"scout"`
	AgentID        string     `json:"agent_id" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Integration    string     `json:"integration" example:"production"`
	IntegrationID  string     `json:"integration_id" example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Role           string     `json:"role" example:"readonly"`
	RoleID         string     `json:"role_id" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	ARN            string     `json:"arn" example:"arn:aws:iam::444455556666:role/ReadOnly"`
	Region         string     `json:"region" example:"us-east-1"`
	Runner         string     `json:"runner,omitempty" doc:"The name at the time of the runner that assumed the role; left out: the server did." example:"eks-production"`
	RunnerID       string     `json:"runner_id,omitempty" doc:"The ID of that runner." example:"run_5mzq2k4vprb7xw3tdn6hjc8ysa"`
	Namespace      string     `json:"namespace,omitempty" doc:"The Kubernetes namespace of the pod that asked first, as the runner that verified the token of its service account says. Other pods of the agent share the session. Left out: the agent showed an agent token." example:"agents"`
	ServiceAccount string     `json:"service_account,omitempty" doc:"The service account of that pod." example:"scout"`
	Pod            string     `json:"pod,omitempty" doc:"The name of that pod; left out too if its token is bound to no pod." example:"scout-7d4b9c6f5d-x2x8z"`
	Task           string     `json:"task" doc:"The task that the caller named; may be empty." example:"deploy-17"`
	SessionName    string     `json:"session_name" doc:"The RoleSessionName: what CloudTrail shows." example:"scout@deploy-17"`
	TokenID        string     `json:"token_id" doc:"The ID of the agent token, or of the binding of a service account, whose request began the session. Other tokens of the agent may have been given the same credentials. Empty for sessions of earlier versions." example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Address        string     `json:"address" doc:"The IP address that this request came from; for a session of a runner, as the runner saw it. Empty for sessions of earlier versions." example:"192.0.2.7"`
	AccessRequest  string     `json:"access_request" doc:"The ID of the access request that the session is under; empty: it needed none." example:"req_6mzq7k4vprb2xw3tdn5hjc8ysa"`
	Access         string     `json:"access" doc:"What the agent may do: full, read-only, view-only or policy. Empty for sessions of earlier versions, which may do everything that the role allows." example:"read-only"`
	Narrowed       bool       `json:"narrowed" doc:"Whether the process asked for less than its connection permits." example:"false"`
	Keys           string     `json:"keys" doc:"lent or withheld; empty: of an earlier version, either."`
	RequestedAt    time.Time  `json:"requested_at" example:"2026-03-14T09:26:53Z"`
	ExpiresAt      time.Time  `json:"expires_at" doc:"Until STS has answered, the latest possible time." example:"2026-03-14T10:26:53Z"`
	AccessKeyID    string     `json:"access_key_id" doc:"The access key ID of the credentials, to find them in CloudTrail; not a secret." example:"ASIAIOSFODNN7EXAMPLE"`
	RequestID      string     `json:"request_id" doc:"The AWS request ID of the AssumeRole call." example:"c6104cbe-af31-11e0-8154-cbc7ccf896c7"`
	Failure        string     `json:"failure" doc:"Why STS refused; empty unless state is failed."`
	Fetches        int64      `json:"fetches" doc:"How often the credentials were handed out." example:"12"`
	FetchedAt      *time.Time `json:"fetched_at" doc:"When the credentials were last handed out; null: never."`
	EndedAt        *time.Time `json:"ended_at" doc:"When a person ended the session: nobody was given the credentials since. Until expires_at they may still work, where they were handed out before. null: nobody ended it."`
	EndedBy        string     `json:"ended_by" doc:"The name of the API key that ended the session; empty: nobody ended it." example:"admin"`
}

// SessionDetails are a session with what explains it.
type SessionDetails struct {
	Session
	BegunBy      string         `json:"begun_by" doc:"The ID of the request to rolebroker that began it, as its events have it. Empty: it is not on record." example:"7mzq2k4vprb5xw3tdn6hjc8ysa"`
	AgentDeleted bool           `json:"agent_deleted" doc:"Whether the agent was deleted since."`
	Approval     *AccessRequest `json:"approval" doc:"The access request that the session is under; null: it needed none, or it is not on record any more."`
	AllowedBy    *AuditEvent    `json:"allowed_by" doc:"The last change of the agent's connection to the integration before the session began; null: it is not on record."`
	Calls        []Call         `json:"calls" doc:"The newest 20 calls through the gateway that its credentials signed, the newest first."`
	MoreCalls    bool           `json:"more_calls" doc:"Whether there are older calls, which GET /calls?session=ID lists."`
	Events       []AuditEvent   `json:"events" doc:"The newest 50 audit events about it, the newest first."`
	MoreEvents   bool           `json:"more_events" doc:"Whether there are older events, which GET /audit-events?subject=ID lists."`
}

// EndSessionsRequest selects the sessions to end. At least one field is required.
type EndSessionsRequest struct {
	Agent string `json:"agent,omitempty" doc:"Those of this agent: its name or ID." example:"scout"`
	Role  string `json:"role,omitempty" doc:"Those for this role: integration/role, the role's ID, its name if only one integration has it, or its ARN, which means the role in every integration that has it." example:"production/deployer"`
}

// EndedSessions is how many sessions were ended.
type EndedSessions struct {
	Ended     int        `json:"ended" doc:"How many sessions were live and had not been ended before." example:"3"`
	ExpiresAt *time.Time `json:"expires_at" doc:"When the last of their credentials expire, which may work until then where they were handed out before; null: no session was ended."`
}

// SessionFilter selects sessions; the zero value selects all.
type SessionFilter struct {
	Agent       string    // its ID, or its name at the time
	Integration string    // its ID, or its name at the time
	Role        string    // its ID, its ARN, or its name or integration/role at the time
	Token       string    // the ID of a token or binding; without Request
	Request     string    // the ID of the access request that they are under
	Account     string    // the number of an AWS account
	Since       time.Time // only those that were requested then or later; zero: all
	Until       time.Time // only those that were requested before; zero: all
	Live        bool      // only those whose credentials may still work
	At          time.Time // only those whose credentials could work at this time; zero: all
}
