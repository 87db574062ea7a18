package api

import "time"

// Identification asks which agent a process is. The process showed an agent token,
// which the runner passes on, or the token of a service account, which the runner
// has verified.
type Identification struct {
	Token          Secret          `json:"token,omitempty"`
	ServiceAccount *ServiceAccount `json:"service_account,omitempty"`
}

// Identified answers an Identification: it has either a Token or a Refusal. An
// error instead of it is about the runner.
type Identified struct {
	Token   *TokenRecord `json:"token,omitempty"`
	Refusal *Refusal     `json:"refusal,omitempty"` // why the process is no agent
}

// ServiceAccount is a Kubernetes service account.
type ServiceAccount struct {
	Issuer    string            `json:"issuer"`
	Namespace string            `json:"namespace"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels,omitzero"` // as the cluster has them now; nil: the runner cannot read them
}

// TokenRecord is what a runner may know of the token that identifies an agent.
type TokenRecord struct {
	ID        string     `json:"id"` // tok_… or bnd_…
	Agent     string     `json:"agent"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}
