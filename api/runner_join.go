package api

import "time"

// The messages below /runner/v1 follow, in this file and those beside it. They
// are spoken between a runner and the server, and are not part of the management
// API. No message that a runner sends can hold AWS credentials. Status 401 is
// always about the runner's own credential.

// JoinRequest exchanges a join token for a runner's credential.
type JoinRequest struct {
	Token   Secret `json:"token"`   // the join token
	Program string `json:"program"` // the version of the program
}

// RunnerCredential is what a runner authenticates with.
type RunnerCredential struct {
	Runner     string    `json:"runner"` // ID
	Name       string    `json:"name"`
	Credential Secret    `json:"credential"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// RunnerReport is what a runner says of itself, at the start and when it changes.
type RunnerReport struct {
	Program       string `json:"program"`
	Method        string `json:"method"`
	Account       string `json:"account"`
	ARN           string `json:"arn"`
	UserID        string `json:"user_id"`
	IdentityError string `json:"identity_error,omitempty"`
	Issuer        string `json:"issuer"`
	Pending       int    `json:"pending"`
}
