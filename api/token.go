package api

import "time"

// The values of Status in [Token] and [APIKey].
const (
	StatusActive  = "active"
	StatusExpired = "expired"
	StatusRevoked = "revoked"
)

// Token is what the server knows of an agent's token, which it does not store.
type Token struct {
	ID        string     `json:"id" example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Label     string     `json:"label" doc:"A label that the user chose; may be empty." example:"laptop"`
	Status    string     `json:"status" enum:"active,expired,revoked" example:"active"`
	CreatedAt time.Time  `json:"created_at" example:"2026-03-14T09:26:53Z"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
	RevokedAt *time.Time `json:"revoked_at" doc:"null: it is not revoked."`
	UsedAt    *time.Time `json:"used_at" doc:"When it was last used, to the minute; null: never."`
}

// TokenRequest makes an agent token, or registers one that the client made.
type TokenRequest struct {
	Label     string     `json:"label,omitempty" maxLength:"100" doc:"A label to recognise the token by." example:"laptop"`
	ExpiresIn string     `json:"expires_in,omitempty" doc:"How long it works, as in 720h. If expires_at is left out too, it does not expire." example:"720h"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it expires, instead of expires_in."`
	Token     Secret     `json:"token,omitempty" writeOnly:"true" pattern:"^rbt_[a-z2-7]{26}_[a-z2-7]{52}$" doc:"A token that the client made, with NewAgentToken of the Go client: the server stores its hash, and the answer does not have it. Left out: the server makes one. Registering the same token again, for the same agent and with the same label, changes nothing."`
}

// TokenUpdate is the part of an agent token that can be changed.
type TokenUpdate struct {
	Label string `json:"label" maxLength:"100" doc:"A label to recognise the token by; may be empty." example:"laptop"`
}

// NewToken is a new token. No other answer has the token itself, and this one does
// not have it if the client made it.
type NewToken struct {
	ID        string     `json:"id" example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	Token     Secret     `json:"token,omitempty" doc:"Shown only once: the server stores its hash. Left out if the client made it."`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
}

// APIKey is what the server knows of a key to this API, which it does not store.
type APIKey struct {
	ID        string     `json:"id" example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	Name      string     `json:"name" doc:"Unique in a deployment." example:"terraform"`
	Access    string     `json:"access" enum:"admin,approver,read-only" doc:"admin permits everything; approver permits everything that changes nothing, and deciding access requests; read-only permits everything that changes nothing." example:"read-only"`
	Status    string     `json:"status" enum:"active,expired" example:"active"`
	CreatedAt time.Time  `json:"created_at" example:"2026-03-14T09:26:53Z"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
	Owner     string     `json:"owner" doc:"The name of the API key, or the e-mail address of the person, that answers for it; empty: the operator, nobody is known, or that was deleted." example:"ada@example.com"`
	OwnerID   string     `json:"owner_id" doc:"The ID of that key or person; empty: the operator, or nobody is known." example:"usr_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	UsedAt    *time.Time `json:"used_at" doc:"When it was last used, to the minute; null: never."`
}

// APIKeyRequest makes an API key.
type APIKeyRequest struct {
	Name      string     `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"Unique in a deployment." example:"terraform"`
	Access    string     `json:"access" enum:"admin,approver,read-only" doc:"admin permits everything; approver permits everything that changes nothing, and deciding access requests; read-only permits everything that changes nothing." example:"admin"`
	ExpiresIn string     `json:"expires_in,omitempty" doc:"How long it works, as in 720h. If expires_at is left out too, it does not expire." example:"720h"`
	ExpiresAt *time.Time `json:"expires_at,omitempty" doc:"When it expires, instead of expires_in."`
	Owner     string     `json:"owner,omitempty" doc:"The name or ID of the API key, or the e-mail address or ID of the person, that answers for it. Left out: who makes it." example:"ada@example.com"`
}

// NewAPIKey is a new API key. No other answer has the key itself.
type NewAPIKey struct {
	ID        string     `json:"id" example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	Name      string     `json:"name" example:"terraform"`
	Access    string     `json:"access" enum:"admin,approver,read-only" example:"admin"`
	Key       Secret     `json:"key" doc:"Shown only once: the server stores its hash."`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: it does not expire."`
}
