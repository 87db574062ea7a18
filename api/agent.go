package api

import "time"

// Agent is who borrows.
type Agent struct {
	ID                 string       `json:"id" doc:"Stable for the life of the agent; stands for the name wherever one is taken." example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Name               string       `json:"name" doc:"Unique in a deployment; the RoleSessionName that CloudTrail shows." example:"scout"`
	Description        string       `json:"description" example:"Looks around"`
	Disabled           bool         `json:"disabled" doc:"Nothing is lent to a disabled agent." example:"false"`
	DefaultIntegration string       `json:"default_integration" doc:"The name of the integration whose default role is used when the agent names none; empty when there is none." example:"production"`
	Connections        []Connection `json:"connections" nullable:"false" doc:"What the agent may borrow from, in the order the connections were made."`
	Version            int64        `json:"version" doc:"Counts the changes, from 1; the ETag has it after the ID." example:"1"`
	CreatedAt          time.Time    `json:"created_at" example:"2026-03-14T09:26:53Z"`
	UpdatedAt          time.Time    `json:"updated_at" example:"2026-03-14T09:26:53Z"`
}

// ETag is what guards an update of this version, for If-Match.
func (a Agent) ETag() string { return etag(a.ID, a.Version) }

// Connection says that an agent may borrow from an integration.
type Connection struct {
	Integration string    `json:"integration" doc:"The integration's name." example:"production"`
	ConnectedAt time.Time `json:"connected_at" example:"2026-03-14T09:26:53Z"`
}

// AgentRequest creates an agent, or replaces one. Leaving out Connections or
// DefaultIntegration leaves them as they are.
type AgentRequest struct {
	Name               string               `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment; the RoleSessionName that CloudTrail shows." example:"scout"`
	Description        string               `json:"description,omitempty" maxLength:"1000" example:"Looks around"`
	Disabled           bool                 `json:"disabled,omitempty" doc:"Nothing is lent to a disabled agent. What it has already lives until it expires."`
	DefaultIntegration *string              `json:"default_integration,omitempty" doc:"The name or ID of the integration whose default role is used when the agent names none. Left out: as it is, and the first connection becomes it; empty: none." example:"production"`
	Connections        *[]ConnectionRequest `json:"connections,omitempty" maxItems:"10000" doc:"Given: exactly these afterwards. Left out: as they are."`

	ID        string     `json:"id,omitempty" doc:"Made by the server. When updating it may be repeated as it is; when creating it is refused." example:"agt_7mzq2k4vprb5xw3tdn6hjc8ysa"`
	Version   int64      `json:"version,omitempty" doc:"Ignored; use If-Match to guard an update." example:"1"`
	CreatedAt *time.Time `json:"created_at,omitempty" doc:"Ignored."`
	UpdatedAt *time.Time `json:"updated_at,omitempty" doc:"Ignored."`
}

// ConnectionRequest is one connection of an AgentRequest.
type ConnectionRequest struct {
	Integration string     `json:"integration" minLength:"1" doc:"The integration's name or ID." example:"production"`
	ConnectedAt *time.Time `json:"connected_at,omitempty" doc:"Ignored."`
}

// Offer is one role that an agent may borrow now.
type Offer struct {
	Reference   string `json:"reference" doc:"The shortest reference that is not ambiguous."`
	Integration string `json:"integration"`
	Name        string `json:"name"`
	ARN         string `json:"arn"`
	Region      string `json:"region"`
	Default     bool   `json:"default" doc:"The one that is used when the agent names none."`
}
