package api

import "time"

// Agent is an AI agent, which borrows roles.
type Agent struct {
	ID                 string       `json:"id" doc:"Never changes, and can be used wherever a name can." example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Name               string       `json:"name" doc:"Unique in a deployment; the RoleSessionName that CloudTrail shows." example:"scout"`
	Description        string       `json:"description" example:"Looks around"`
	Disabled           bool         `json:"disabled" doc:"A person disabled the agent: it can borrow nothing. One that is cut off can neither, whatever this says." example:"false"`
	CutOff             *CutOffMark  `json:"cut_off,omitempty" doc:"When it was cut off: it can borrow nothing until it is enabled, which no update does; left out: it was not, or was enabled since."`
	Owner              string       `json:"owner" doc:"The name of the API key whose holder answers for the agent, and does not approve its access requests; empty: nobody is known, or that key was deleted." example:"admin"`
	OwnerID            string       `json:"owner_id" doc:"The ID of that API key; empty: nobody is known." example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	DefaultIntegration string       `json:"default_integration" doc:"The name of the integration whose default role the agent gets if it names none; may be empty." example:"production"`
	Connections        []Connection `json:"connections" nullable:"false" doc:"The integrations that the agent may borrow from, in the order in which they were connected."`
	Version            int64        `json:"version" doc:"The version, from 1; every change increments it. The ETag is the ID and the version." example:"1"`
	CreatedAt          time.Time    `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UpdatedAt          time.Time    `json:"updated_at" example:"2026-03-14T09:26:53Z"`
}

// ETag identifies this version, for If-Match.
func (a Agent) ETag() string { return etag(a.ID, a.Version) }

// Connection says that an agent may borrow from an integration, and what it may do
// with the roles.
type Connection struct {
	Integration   string    `json:"integration" doc:"The integration's name." example:"production"`
	Access        string    `json:"access" enum:"full,read-only,view-only,policy" doc:"What the agent may do with the roles; AWS enforces it. full: everything that the role allows. read-only: AWS's ReadOnlyAccess, without actions that return credentials. view-only: AWS's ViewOnlyAccess, without these. policy: the session policy." example:"read-only"`
	SessionPolicy Policy    `json:"session_policy" nullable:"true" doc:"The session policy, with the access policy; null with any other."`
	Roles         []string  `json:"roles" nullable:"true" doc:"The names of the only roles that the agent may borrow; null: all roles of the integration. Empty: none, because all of these were removed from the integration." example:"[\"readonly\"]"`
	Keys          string    `json:"keys" enum:"lent,withheld" doc:"lent: the agent gets AWS keys. withheld: it gets keys that AWS does not know; the gateway signs its requests." example:"lent"`
	Approval      string    `json:"approval" enum:"none,borrow,write,call" doc:"For what a person has to approve. borrow: before a role is used. write: before the gateway sends what may change something; call: before it sends what the exempt policy does not allow; both with keys withheld only." example:"none"`
	ConnectedAt   time.Time `json:"connected_at" example:"2026-03-14T09:26:53Z"`

	ExemptPolicy   Policy   `json:"exempt_policy,omitempty" doc:"The IAM policy whose calls need no approval, with approval call; left out: none."`
	AllowedActions []string `json:"allowed_actions,omitempty" maxItems:"50" doc:"Actions of IAM that return credentials, and that the gateway sends all the same. Only with keys withheld: the gateway refuses every other action that returns credentials." example:"[\"secretsmanager:GetSecretValue\"]"`
}

// LimitsRequest replaces what an agent may do with the roles of an integration.
type LimitsRequest struct {
	Access        string    `json:"access,omitempty" enum:"full,read-only,view-only,policy" default:"full" doc:"What the agent may do with the roles; AWS enforces it." example:"policy"`
	SessionPolicy Policy    `json:"session_policy,omitempty" nullable:"true" doc:"An IAM policy document of at most 2,048 characters, without principals: required with the access policy, and refused with any other."`
	Roles         *[]string `json:"roles,omitempty" maxItems:"10000" nullable:"true" doc:"The names or IDs of the only roles that the agent may borrow. Left out or null: all." example:"[\"readonly\"]"`
	Keys          string    `json:"keys,omitempty" enum:"lent,withheld" default:"lent" doc:"lent: the agent gets AWS keys. withheld: it gets keys that AWS does not know; the gateway signs its requests." example:"lent"`
	Approval      string    `json:"approval,omitempty" enum:"none,borrow,write,call" default:"none" doc:"For what a person has to approve. borrow: before a role is used. write: before the gateway sends what may change something; call: before it sends what the exempt policy does not allow; both with keys withheld only." example:"borrow"`

	ExemptPolicy   Policy   `json:"exempt_policy,omitempty" nullable:"true" doc:"An IAM policy document of at most 6,144 characters, without principals, conditions and policy variables: the calls that it allows need no approval. Only with approval call; left out, every call waits for a person."`
	AllowedActions []string `json:"allowed_actions,omitempty" maxItems:"50" doc:"Actions of IAM that return credentials, and that the gateway sends all the same. Only with keys withheld: the gateway refuses every other action that returns credentials." example:"[\"secretsmanager:GetSecretValue\"]"`
}

// AgentRequest creates an agent, or replaces one. Leaving out Connections or
// DefaultIntegration leaves them as they are.
type AgentRequest struct {
	Name               string               `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment; the RoleSessionName that CloudTrail shows." example:"scout"`
	Description        string               `json:"description,omitempty" maxLength:"1000" example:"Looks around"`
	Disabled           bool                 `json:"disabled,omitempty" doc:"A disabled agent can borrow nothing. Credentials that it has work until they expire. False does not enable an agent that was cut off."`
	Owner              string               `json:"owner,omitempty" doc:"The name or ID of the API key whose holder answers for the agent, and does not approve its access requests. Left out or empty: unchanged; a new agent has the key that creates it, or the person whose key that is." example:"admin"`
	DefaultIntegration *string              `json:"default_integration,omitempty" doc:"The name or ID of the integration whose default role the agent gets if it names none. Left out: unchanged; an agent without one gets its first connection. Empty: none." example:"production"`
	Connections        *[]ConnectionRequest `json:"connections,omitempty" maxItems:"10000" doc:"The connections after the request. Left out: unchanged."`

	ID        string      `json:"id,omitempty" doc:"Made by the server. An update may repeat it unchanged; creating refuses it." example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	OwnerID   string      `json:"owner_id,omitempty" doc:"Ignored; use owner."`
	CutOff    *CutOffMark `json:"cut_off,omitempty" doc:"Ignored; only enabling an agent ends a cut-off."`
	Version   int64       `json:"version,omitempty" doc:"Ignored; use If-Match to guard an update." example:"1"`
	CreatedAt *time.Time  `json:"created_at,omitempty" doc:"Ignored."`
	UpdatedAt *time.Time  `json:"updated_at,omitempty" doc:"Ignored."`
}

// ConnectionRequest is one connection of an AgentRequest. A request without access,
// session policy, roles, keys, approval, exempt policy and allowed actions leaves all of these as they are on a
// connection that is there. With any of them, all are replaced.
type ConnectionRequest struct {
	Integration   string     `json:"integration" minLength:"1" doc:"The integration's name or ID." example:"production"`
	Access        string     `json:"access,omitempty" enum:"full,read-only,view-only,policy" doc:"What the agent may do with the roles. If access, session_policy, roles, keys, approval, exempt_policy and allowed_actions are all left out, a connection that is there keeps them, and a new one limits nothing; else those that are left out limit nothing." example:"read-only"`
	SessionPolicy Policy     `json:"session_policy,omitempty" nullable:"true" doc:"An IAM policy document, for the access policy."`
	Roles         *[]string  `json:"roles,omitempty" maxItems:"10000" nullable:"true" doc:"The names or IDs of the only roles that the agent may borrow; null: all." example:"[\"readonly\"]"`
	Keys          string     `json:"keys,omitempty" enum:"lent,withheld" doc:"Whether the agent gets AWS keys." example:"lent"`
	Approval      string     `json:"approval,omitempty" enum:"none,borrow,write,call" doc:"For what a person has to approve." example:"none"`
	ConnectedAt   *time.Time `json:"connected_at,omitempty" doc:"Ignored."`

	ExemptPolicy   Policy   `json:"exempt_policy,omitempty" nullable:"true" doc:"An IAM policy document of at most 6,144 characters, without principals, conditions and policy variables: the calls that it allows need no approval. Only with approval call; left out, every call waits for a person."`
	AllowedActions []string `json:"allowed_actions,omitempty" maxItems:"50" doc:"Actions of IAM that return credentials, and that the gateway sends all the same. Only with keys withheld: the gateway refuses every other action that returns credentials." example:"[\"secretsmanager:GetSecretValue\"]"`
}

// Limits returns what the request sets of the connection; nil if it leaves all of it out.
func (c ConnectionRequest) Limits() *LimitsRequest {
	if c.Access == "" && c.SessionPolicy == "" && c.Roles == nil && c.Keys == "" && c.Approval == "" &&
		c.ExemptPolicy == "" && c.AllowedActions == nil {
		return nil
	}
	return &LimitsRequest{c.Access, c.SessionPolicy, c.Roles, c.Keys, c.Approval, c.ExemptPolicy, c.AllowedActions}
}

// Offer is one role that an agent may borrow now.
type Offer struct {
	Reference   string `json:"reference" doc:"The shortest unambiguous reference."`
	Integration string `json:"integration"`
	Name        string `json:"name"`
	ARN         string `json:"arn"`
	Region      string `json:"region"`
	Access      string `json:"access" doc:"What the agent may do with the role: full, read-only, view-only or policy. Empty from a server of an earlier version, which lends everything that the role allows."`
	Keys        string `json:"keys,omitempty" doc:"lent: the agent gets AWS keys. withheld: it gets keys that only the gateway knows. Empty from a server of an earlier version, which lends them."`
	Default     bool   `json:"default" doc:"The agent gets this role if it names none."`

	NeedsApproval       bool `json:"needs_approval,omitempty" doc:"The agent borrows the role only once a person has approved that."`
	ChangesNeedApproval bool `json:"changes_need_approval,omitempty" doc:"What the agent changes with the role waits until a person has approved it."`
	CallsNeedApproval   bool `json:"calls_need_approval,omitempty" doc:"What the agent calls with the role waits until a person has approved it, unless its exempt policy allows it."`
}
