package api

import "time"

// AccessRequestRequest is an agent's question whether it may borrow a role.
type AccessRequestRequest struct {
	Role     string `json:"role"` // a role reference; empty: the default role
	Reason   string `json:"reason"`
	Task     string `json:"task,omitempty"`
	Duration string `json:"duration,omitempty"` // as in 30m; empty: an hour
	Again    string `json:"again,omitempty"`    // the ID of an earlier request about a call; excludes role and task
}

// MyAccessRequest is an access request as the agent that made it sees it.
type MyAccessRequest struct {
	ID        string     `json:"id"`
	State     string     `json:"state"` // pending, approved, denied, expired or ended
	Role      string     `json:"role"`  // integration/role
	Task      string     `json:"task,omitempty"`
	Reason    string     `json:"reason,omitempty"` // as the agent gave it
	Access    string     `json:"access"`           // granted; until it is approved: asked for
	Duration  string     `json:"duration"`         // the same
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`           // until when it can be decided
	GrantedAt *time.Time `json:"granted_at,omitempty"` // when the clock of the grant started
	EndsAt    *time.Time `json:"ends_at,omitempty"`    // when the grant ends or ended
	DecidedBy string     `json:"decided_by,omitempty"` // the name of an API key or a rule
	Note      string     `json:"note,omitempty"`       // why it was decided so
	URL       string     `json:"url"`                  // where a person who is signed in decides

	About            string     `json:"about"`                       // borrow, write or call, as the connection's approval
	Call             *AskedCall `json:"call,omitempty"`              // that asked by itself
	GrantedActions   []string   `json:"granted_actions,omitempty"`   // the only ones that were granted
	GrantedResources []string   `json:"granted_resources,omitempty"` // the only ones that were granted; * is any text
}

// AskedCall is a call to AWS that waited for an approval.
type AskedCall struct {
	Summary   string   `json:"summary" doc:"The call in one line." example:"dynamodb:PutItem on arn:aws:dynamodb:eu-west-1:444455556666:table/orders"`
	Service   string   `json:"service" example:"dynamodb"`
	Operation string   `json:"operation" example:"PutItem"`
	Region    string   `json:"region" example:"eu-west-1"`
	Actions   []string `json:"actions" doc:"The IAM actions that the operation needs." example:"dynamodb:PutItem"`
	Resources []string `json:"resources" doc:"The ARNs that it names. \"*\": there are more, or they are not known." example:"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"`
	Level     string   `json:"level" enum:"list,read,tagging,write,permissions" example:"write"`
}

// AccessRequest is an agent's question whether it may borrow a role, and the answer. Names are those at that time.
type AccessRequest struct {
	ID            string    `json:"id" example:"req_6mzq7k4vprb2xw3tdn5hjc8ysa"`
	State         string    `json:"state" enum:"pending,approved,denied,expired,ended" doc:"approved: the grant lasts. expired: nobody decided in time, or the grant is over. ended: a person ended it before its time." example:"approved"`
	Agent         string    `json:"agent" example:"scout"`
	AgentID       string    `json:"agent_id" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	TokenID       string    `json:"token_id" doc:"The ID of the agent token or the binding that the agent showed." example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Integration   string    `json:"integration" example:"production"`
	IntegrationID string    `json:"integration_id" example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Role          string    `json:"role" example:"deployer"`
	RoleID        string    `json:"role_id" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	Access        string    `json:"access" doc:"What the agent asked for: what its connection gave at that time." example:"full"`
	Task          string    `json:"task" doc:"The only task that the grant is for. Empty: only what the agent does without naming a task." example:"release-17"`
	Reason        string    `json:"reason" doc:"In the agent's own words, which nobody has checked." example:"release 17"`
	Duration      string    `json:"duration" doc:"How long the agent asked for." example:"1h"`
	CreatedAt     time.Time `json:"created_at" example:"2026-03-14T09:26:53Z"`
	ExpiresAt     time.Time `json:"expires_at" doc:"Until when it can be decided." example:"2026-03-14T09:56:53Z"`

	DecidedAt   *time.Time `json:"decided_at" doc:"When it was approved or denied; null: nobody has decided."`
	DecidedBy   string     `json:"decided_by" doc:"The name of the API key or of the rule that decided; empty: none has." example:"alice"`
	DecidedByID string     `json:"decided_by_id" doc:"The ID of that API key or rule." example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	ByRule      bool       `json:"by_rule" doc:"Whether a rule decided." example:"false"`
	BreakGlass  bool       `json:"break_glass" doc:"Whether the owner of the agent approved it, who normally does not." example:"false"`
	Note        string     `json:"note" doc:"Why it was decided so." example:"the release is planned"`

	GrantedDuration string     `json:"granted_duration" doc:"How long it was granted for, from decided_at; empty: it was not." example:"30m"`
	GrantedAccess   string     `json:"granted_access" doc:"What was granted; empty: nothing was." example:"full"`
	EndsAt          *time.Time `json:"ends_at" doc:"When the grant ends by itself; null: there is none."`
	EndedAt         *time.Time `json:"ended_at" doc:"When a person ended it before its time; null: nobody did."`
	EndedBy         string     `json:"ended_by" doc:"The name of that person's API key." example:"alice"`

	About            string     `json:"about" enum:"borrow,write,call" doc:"What the agent asked about. borrow: using the role. write: changing something through the gateway. call: calling something through the gateway that its exempt policy does not allow." example:"borrow"`
	Call             *AskedCall `json:"call,omitempty" doc:"The call that asked by itself; left out: the agent asked."`
	GrantedActions   []string   `json:"granted_actions,omitempty" doc:"The only IAM actions that were granted; left out: any." example:"dynamodb:PutItem"`
	GrantedResources []string   `json:"granted_resources,omitempty" doc:"The only resources that were granted, in which * stands for any text; left out: any." example:"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"`
}

// ApproveRequest approves an access request. It never grants more than the agent asked for.
type ApproveRequest struct {
	Duration   string   `json:"duration,omitempty" doc:"How long, as in 30m. Left out: as long as the agent asked." example:"30m"`
	Access     string   `json:"access,omitempty" doc:"A narrower access than the agent asked for. Left out: the same." example:"read-only"`
	Note       string   `json:"note,omitempty" maxLength:"500" doc:"For the record and the agent." example:"the release is planned"`
	Actions    []string `json:"actions,omitempty" doc:"Only these IAM actions, of a request about writes or calls. Left out: any." example:"dynamodb:PutItem"`
	Resources  []string `json:"resources,omitempty" doc:"Only these resources, in which * stands for any text. Left out: any." example:"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"`
	AllCalls   bool     `json:"all_calls,omitempty" doc:"All that the agent changes or calls with the role for the task, also if the request is about one call. Left out: the IAM actions and resources of that call, and any resource, if it does not name all. Excludes actions and resources."`
	BreakGlass bool     `json:"break_glass,omitempty" doc:"The owner of the agent approves, because nobody else can in time. Needs a note, and is marked in the record."`
}

// DenyRequest denies an access request.
type DenyRequest struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"The agent and its people see it." example:"not before the freeze ends"`
}

// AccessRequestFilter selects access requests; the zero value selects all.
type AccessRequestFilter struct {
	State string    // pending, approved, denied, expired or ended
	Agent string    // its ID, or its name at the time
	Since time.Time // only those that were made then or later; zero: all
}

// ApprovalRule approves access requests that nobody has to look at. A rule without agent, integration, role or access
// is about any.
type ApprovalRule struct {
	ID            string     `json:"id" example:"apr_6mzq7k4vprb2xw3tdn5hjc8ysa"`
	Name          string     `json:"name" doc:"Unique in a deployment; the requests that it approved name it." example:"scout-reads"`
	Reason        string     `json:"reason" example:"reading staging harms nobody"`
	Enabled       bool       `json:"enabled" example:"true"`
	Agent         string     `json:"agent" doc:"The name of the agent; empty: any, or one that was deleted, see agent_id." example:"scout"`
	AgentID       string     `json:"agent_id" example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Integration   string     `json:"integration" doc:"The name of the integration; empty: any, or one that was deleted, see integration_id." example:"staging"`
	IntegrationID string     `json:"integration_id" example:"int_4zqk2m7vprb5xw3tdn6hjc8ysa"`
	Role          string     `json:"role" doc:"The name of the role; empty: any, or one that was removed, see role_id." example:"readonly"`
	RoleID        string     `json:"role_id" example:"rol_p3xk7d2mzq5wv4tcn6hjb8ysra"`
	Access        string     `json:"access" doc:"Only requests for this access or a narrower one; empty: any." example:"read-only"`
	MaxDuration   string     `json:"max_duration" doc:"Only requests for no longer than this; others wait for a person." example:"1h"`
	Until         *time.Time `json:"until" doc:"When the rule ends by itself; null: never."`
	Version       int64      `json:"version" doc:"The version, from 1; every change increments it. The ETag is the ID and the version." example:"1"`
	CreatedAt     time.Time  `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UpdatedAt     time.Time  `json:"updated_at" example:"2026-03-14T09:26:53Z"`
}

// ETag identifies this version, for If-Match.
func (r ApprovalRule) ETag() string { return etag(r.ID, r.Version) }

// ApprovalRuleRequest creates a rule, or replaces one. A field that is left out means any.
type ApprovalRuleRequest struct {
	Name        string     `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment." example:"scout-reads"`
	Reason      string     `json:"reason" minLength:"1" maxLength:"500" doc:"Why nobody has to look at these requests." example:"reading staging harms nobody"`
	Enabled     *bool      `json:"enabled,omitempty" doc:"Left out: true."`
	Agent       string     `json:"agent,omitempty" doc:"Only requests of the agent with this name or ID." example:"scout"`
	Integration string     `json:"integration,omitempty" doc:"Only requests for roles of the integration with this name or ID." example:"staging"`
	Role        string     `json:"role,omitempty" doc:"Only requests for the role of the integration with this name or ID." example:"readonly"`
	Access      string     `json:"access,omitempty" doc:"Only requests for this access or a narrower one." example:"read-only"`
	MaxDuration string     `json:"max_duration,omitempty" doc:"Only requests for no longer than this. Left out: 1h." example:"1h"`
	Until       *time.Time `json:"until,omitempty" doc:"When the rule ends by itself. Left out: never."`

	ID            string     `json:"id,omitempty" doc:"Made by the server. An update may repeat it unchanged; creating refuses it." example:"apr_6mzq7k4vprb2xw3tdn5hjc8ysa"`
	AgentID       string     `json:"agent_id,omitempty" doc:"Has to be that of agent; a rule for an agent that was deleted cannot be written back."`
	IntegrationID string     `json:"integration_id,omitempty" doc:"Has to be that of integration."`
	RoleID        string     `json:"role_id,omitempty" doc:"Has to be that of role."`
	Version       int64      `json:"version,omitempty" doc:"Ignored; use If-Match to guard an update." example:"1"`
	CreatedAt     *time.Time `json:"created_at,omitempty" doc:"Ignored."`
	UpdatedAt     *time.Time `json:"updated_at,omitempty" doc:"Ignored."`
}
