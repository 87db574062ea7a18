package api

import "time"

// Grants is what an agent may borrow. Only the integrations that name the runner
// have their external IDs.
type Grants struct {
	Agent GrantedAgent `json:"agent"`
	// in the order the connections were made; each names its runner by ID
	Integrations []Integration `json:"integrations"`
	// of the roles by ID; what was lent in an earlier generation is not handed out again
	Generations map[string]int64 `json:"generations"`
	// the same for keys for the gateway, which do not end with another token; none of a server of an earlier version
	KeyGenerations map[string]int64 `json:"key_generations,omitempty"`
	// what limits the connections, by the integration's ID; none of a server of an earlier version
	Limits map[string]GrantedLimits `json:"limits"`
	// access requests of the agent that may be pending or approved
	Requests []GrantedRequest `json:"requests,omitempty"`
}

// GrantedLimits are what a connection lets the agent do.
type GrantedLimits struct {
	Access        string   `json:"access"`
	SessionPolicy string   `json:"session_policy,omitempty"` // the text, as STS gets it
	Roles         []string `json:"roles"`                    // IDs; null: all
	Keys          string   `json:"keys"`                     // empty from a server of an earlier version: lent
	Approval      string   `json:"approval"`
	ExemptPolicy  string   `json:"exempt_policy,omitempty"` // what needs no approval, with approval call
	// actions that return credentials and that the gateway sends all the same
	AllowedActions []string `json:"allowed_actions,omitempty"`
}

// GrantedAgent is the agent of Grants. A runner knows integrations by their IDs.
type GrantedAgent struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name"`
	Disabled           bool     `json:"disabled"`
	DefaultIntegration string   `json:"default_integration"` // ID
	Connections        []string `json:"connections"`         // IDs of integrations
}

// GrantedRequest is an access request of Grants.
type GrantedRequest struct {
	ID          string    `json:"id"`
	Integration string    `json:"integration"` // ID
	Role        string    `json:"role"`        // ID
	Task        string    `json:"task,omitempty"`
	ARN         string    `json:"arn,omitempty"`         // of the role when the agent asked; empty: not noted
	PolicyHash  string    `json:"policy_hash,omitempty"` // SHA-256 of the session policy then; empty: none, or not noted
	Access      string    `json:"access"`
	Approved    bool      `json:"approved"`
	Until       time.Time `json:"until"`
}
