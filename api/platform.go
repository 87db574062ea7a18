package api

// Platform is this deployment's AWS identity, version and features.
type Platform struct {
	Account       string   `json:"account" doc:"The account of the platform's AWS identity; empty while it is unknown." example:"111122223333"`
	ARN           string   `json:"arn" doc:"The ARN of the platform's AWS identity, as GetCallerIdentity answers it: the principal that trust policies name." example:"arn:aws:sts::111122223333:assumed-role/rolebroker/i-0abc"`
	UserID        string   `json:"user_id" example:"AROAIOSFODNN7EXAMPLE:i-0abc"`
	IdentityError string   `json:"identity_error,omitempty" doc:"Why the identity is unknown."`
	Version       string   `json:"version" doc:"The version of the server." example:"1.0.0"`
	AuditKeys     []string `json:"audit_keys" nullable:"false" doc:"The public keys that sign the checkpoints of the audit trail, the newest first; none if nothing signs it." example:"rolebroker-5f2a9c01+3a1b9f00+AbC…"`
	Features      []string `json:"features" nullable:"false" doc:"Optional features that this server has."`
}
