package api

// Platform is who this deployment is in AWS, and what it can do.
type Platform struct {
	Account       string   `json:"account" doc:"Of the platform's AWS identity; empty while that is not known." example:"111122223333"`
	ARN           string   `json:"arn" doc:"Of the platform's AWS identity, as GetCallerIdentity gives it: the principal that trust policies name." example:"arn:aws:sts::111122223333:assumed-role/rolebroker/i-0abc"`
	UserID        string   `json:"user_id" example:"AROAIOSFODNN7EXAMPLE:i-0abc"`
	IdentityError string   `json:"identity_error,omitempty" doc:"Why the identity is not known."`
	Version       string   `json:"version" doc:"Of the server." example:"1.0.0"`
	Features      []string `json:"features" nullable:"false" doc:"What this server can do besides what every server can."`
}
