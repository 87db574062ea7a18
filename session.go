package rolebroker

import (
	"fmt"
	"time"
)

// Session is one set of temporary credentials lent to one agent for one role.
// It is recorded before STS is asked, and it stays as it was: names are those
// of the moment, whatever was renamed or deleted since.
type Session struct {
	ID              SessionID
	State           SessionState
	Agent           AgentID
	AgentName       string
	Integration     IntegrationID
	IntegrationName string
	Role            RoleID
	RoleName        string
	ARN             RoleARN
	Region          Region
	Runner          string // the name of the runner that assumed the role; empty: this server did
	Task            string // as the caller named it; may be empty
	SessionName     string // the RoleSessionName: what CloudTrail shows
	RequestedAt     time.Time
	ExpiresAt       time.Time // until STS has answered: the latest it could be
	AccessKeyID     string    // of the credentials, to find them in CloudTrail; not a secret
	RequestID       string    // AWS's, of the AssumeRole call
	Failure         string    // why STS refused; empty unless State is SessionFailed
	Fetches         int64     // how often the credentials were handed out
	FetchedAt       time.Time // when they last were; zero: never
}

// SessionState is how far a session came.
type SessionState string

const (
	SessionRequested SessionState = "requested" // recorded; STS has not answered, or we never heard
	SessionActive    SessionState = "active"    // STS gave credentials
	SessionFailed    SessionState = "failed"    // STS refused
)

// Live says whether the session's credentials may still work at now.
func (s *Session) Live(now time.Time) bool {
	return s.State != SessionFailed && now.Before(s.ExpiresAt)
}

// SessionName is the RoleSessionName for an agent and the task it names:
// "agent" or "agent@task". STS takes 2 to 64 characters; a name is never cut,
// since two names cut alike could not be told apart in CloudTrail.
//
// Source: STS API Reference, AssumeRole, RoleSessionName.
func SessionName(agent, task string) (string, error) {
	if task == "" && len(agent) >= 2 {
		return agent, nil
	}
	name := agent + "@" + task // "x@" for the agent x: no other agent can be called that
	if task == "" {
		return name, nil
	}
	if err := CheckName(task); err != nil {
		return "", &Error{Code: CodeInvalid, Message: "the task is not valid", Fields: []Field{{Path: "task", Message: err.Error()}}}
	}
	if len(name) > maxName {
		return "", &Error{Code: CodeInvalid, Message: "the task is not valid", Fields: []Field{{Path: "task", Message: fmt.Sprintf("%q has %d characters; with the agent's name %q at most %d fit into an AWS session name", task, len(task), agent, max(0, maxName-1-len(agent)))}}}
	}
	return name, nil
}

// Credentials are what STS gave.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey Secret
	SessionToken    Secret
	Expires         time.Time // whole seconds, UTC
}
