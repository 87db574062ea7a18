package api

import "time"

// What a token or an API key can be good for, as in [Token].Status.
const (
	StatusActive  = "active"
	StatusExpired = "expired"
	StatusRevoked = "revoked"
)

// Token is what the server remembers of an agent's token: never the token.
type Token struct {
	ID        string     `json:"id" example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Label     string     `json:"label" doc:"Of the user's choosing; may be empty." example:"laptop"`
	Status    string     `json:"status" enum:"active,expired,revoked" example:"active"`
	CreatedAt time.Time  `json:"created_at" example:"2026-03-14T09:26:53Z"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
	RevokedAt *time.Time `json:"revoked_at" doc:"null: it is not revoked."`
	UsedAt    *time.Time `json:"used_at" doc:"When it was last used, to the minute; null: never."`
}

// TokenRequest makes an agent token, or registers one that was made elsewhere.
type TokenRequest struct {
	Label     string     `json:"label,omitempty" maxLength:"100" doc:"To know it by later." example:"laptop"`
	ExpiresIn string     `json:"expires_in,omitempty" doc:"How long it is good for, as in 720h; left out with expires_at: it does not expire." example:"720h"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it expires; instead of expires_in."`
	Token     Secret     `json:"token,omitempty" writeOnly:"true" pattern:"^rbt_[a-z2-7]{26}_[a-z2-7]{52}$" doc:"A token that was made elsewhere, as NewAgentToken of the Go client makes it: only its hash is stored, and the answer does not have it. Left out: the server makes one. The very same token, for the same agent and with the same label, can be registered again, and stays as it is."`
}

// NewToken is a token just made: the only answer that has the token in it.
// Where the token was made elsewhere, not even this one has.
type NewToken struct {
	ID        string     `json:"id" example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Token     Secret     `json:"token,omitempty" doc:"Shown this once; only its hash is stored. Left out when it was made elsewhere."`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
}

// APIKey is what the server remembers of a key to this API: never the key.
type APIKey struct {
	ID        string     `json:"id" example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	Name      string     `json:"name" doc:"Unique in a deployment." example:"terraform"`
	Access    string     `json:"access" enum:"admin,read-only" doc:"admin opens everything, read-only everything that changes nothing." example:"read-only"`
	Status    string     `json:"status" enum:"active,expired" example:"active"`
	CreatedAt time.Time  `json:"created_at" example:"2026-03-14T09:26:53Z"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
}

// APIKeyRequest makes an API key.
type APIKeyRequest struct {
	Name      string     `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment." example:"terraform"`
	Access    string     `json:"access" enum:"admin,read-only" doc:"admin opens everything, read-only everything that changes nothing." example:"admin"`
	ExpiresIn string     `json:"expires_in,omitempty" doc:"How long it is good for, as in 720h; left out with expires_at: it does not expire." example:"720h"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it expires; instead of expires_in."`
}

// NewAPIKey is an API key just made: the only answer that has the key in it.
type NewAPIKey struct {
	ID        string     `json:"id" example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	Name      string     `json:"name" example:"terraform"`
	Access    string     `json:"access" enum:"admin,read-only" example:"admin"`
	Key       Secret     `json:"key" doc:"Shown this once; only its hash is stored."`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
}
