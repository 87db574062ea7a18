package api

// Grants is what an agent may borrow. Only the integrations that name the runner
// have their external IDs.
type Grants struct {
	Agent GrantedAgent `json:"agent"`
	// in the order the connections were made; each names its runner by ID
	Integrations []Integration `json:"integrations"`
	// of the roles by ID; what was lent in an earlier generation is not handed out again
	Generations map[string]int64 `json:"generations"`
}

// GrantedAgent is the agent of Grants. A runner knows integrations by their IDs.
type GrantedAgent struct {
	ID                 string   `json:"id"`
	Name               string   `json:"name"`
	Disabled           bool     `json:"disabled"`
	DefaultIntegration string   `json:"default_integration"` // ID
	Connections        []string `json:"connections"`         // IDs of integrations
}
