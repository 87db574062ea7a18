package rolebroker

import (
	"fmt"
	"time"
)

// Session is the record of one set of temporary credentials, lent to one agent for one role. It is made before STS is
// called. Its names are those of that time, even if a person renamed or deleted something since.
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
	Runner          string   // the name of the runner that assumed the role; empty: this server
	RunnerID        RunnerID // whose session it is; empty: this server's
	Workload        Workload // the pod that asked first; the agent's other pods share the session; zero: no pod
	Task            string   // as the agent named it; may be empty
	SessionName     string   // the RoleSessionName, which CloudTrail shows
	// Token is the agent token or the binding whose request began the session, or for whose last request it was
	// renewed. Other tokens of the agent may have been given the same credentials. Empty in sessions of earlier versions.
	Token TokenID
	// Address is the IP address that this request came from, as the server or the runner saw it. Empty in sessions of
	// earlier versions, and if nobody knows.
	Address string
	// AccessRequest is the approval that the session is under; empty: it needs none.
	AccessRequest AccessRequestID
	Access        Access // what the agent may do; empty in sessions of earlier versions
	PolicyHash    string // HashPolicy of the connection's session policy, for the server of a runner; never stored
	Narrowed      bool   // the process asked for less than its connection permits
	// Keys says whether its keys are handed to the agent, or only the gateway signs with them. Empty in sessions of
	// earlier versions, which may be either.
	Keys        Keys
	RequestedAt time.Time
	ExpiresAt   time.Time // the latest possible time until STS has answered
	AccessKeyID string    // of the credentials, which CloudTrail shows; not a secret
	RequestID   string    // AWS's, of the AssumeRole call
	Failure     string    // why STS refused; empty unless State is SessionFailed
	// Request is the request to rolebroker that its next audit event is recorded for; never stored, since the event has it.
	Request RequestID
	// Refused is the kind of the refusal; never stored, and empty if an earlier version of a runner reports it.
	Refused   RefusalKind
	Fetches   int64     // how often the credentials were handed out
	FetchedAt time.Time // when they were last handed out; zero: never
	EndedAt   time.Time // when a person ended it: no later hand-out; zero: nobody did
	EndedBy   string    // the name of the person's API key at that time
}

// SessionState is the state of a session.
type SessionState string

// The states.
const (
	SessionRequested SessionState = "requested" // recorded; STS has not answered, or its answer was lost
	SessionActive    SessionState = "active"    // STS gave credentials
	SessionFailed    SessionState = "failed"    // STS refused
)

// Ending ends sessions: one, or all of an agent, of a role, or of an agent and a role. Nobody is given their
// credentials again; those that were given before stay valid in AWS until they expire.
type Ending struct {
	Session SessionID   // this one; empty: those of Agent and Roles
	Agent   AgentID     // empty: of every agent
	Roles   []EndedRole // empty: of every role
	At      time.Time
	By      string // the name of who ends them
}

// EndedRole is a role whose sessions end.
type EndedRole struct {
	Integration IntegrationID
	Role        RoleID
	Reference   string // "integration/role", for messages
}

// Ended is what an Ending did.
type Ended struct {
	Sessions int       // how many were live and not ended before
	Until    time.Time // when the last of their credentials expire; zero: none were live
}

// SessionDetails are a session with what explains it.
type SessionDetails struct {
	Session
	BegunBy    RequestID      // the request to rolebroker that began it; empty: it is not on record
	AgentGone  bool           // the agent was deleted since
	Approval   *AccessRequest // that the session is under; nil: it needs none, or it is not on record any more
	AllowedBy  *AuditRecord   // the last change of the connection before the session began; nil: it is not on record
	Calls      []Call         // through the gateway, the newest first; at most MaxSessionCalls
	MoreCalls  bool           // there are older calls
	Events     []AuditRecord  // about the session, the newest first; at most MaxSessionEvents
	MoreEvents bool           // there are older events
}

// Bounds of SessionDetails.
const (
	MaxSessionCalls  = 20
	MaxSessionEvents = 50
)

// Live reports whether the session's credentials may work at a time.
func (s *Session) Live(now time.Time) bool {
	return s.State != SessionFailed && now.Before(s.ExpiresAt)
}

// Withheld reports whether no AWS keys of the session left the server or its runner.
func (s *Session) Withheld() bool { return s.Keys == KeysWithheld }

// SessionName returns the RoleSessionName for an agent and its task: "agent" or "agent@task". STS accepts 2 to 64
// characters. A longer name is refused and not cut, because CloudTrail could not distinguish two names that are cut
// alike. Codes: invalid.
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
		return "", invalidTask(err)
	}
	if len(name) > maxName {
		return "", invalidTask(fmt.Errorf("%q has %d characters; with the agent's name %q at most %d fit into "+
			"an AWS session name", task, len(task), agent, max(0, maxName-1-len(agent))))
	}
	return name, nil
}

func invalidTask(err error) error {
	return &Error{Code: CodeInvalid, Message: "the task is not valid: " + err.Error()}
}

// Credentials are temporary AWS credentials.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey Secret
	SessionToken    Secret
	Expires         time.Time // whole seconds, UTC
}
