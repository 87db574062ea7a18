package rolebroker

import (
	"sync"
	"time"
)

// Request is what an agent asks for.
type Request struct {
	Role string // a role reference, see Grants.Resolve; empty for the default role
	Task string // what the agent is doing, for CloudTrail; may be empty
	// Access is AccessReadOnly for a process that wants to do no more than read; empty: what its connection permits.
	Access Access
	// Signing says that the gateway asks. The credentials stay with it, so that it gets those that are withheld from agents.
	Signing       bool
	KeyGeneration int64 // of the key that the agent signed with, for the gateway
	// Runner is the runner at whose gateway the agent will sign, for a server that makes the key; empty: the server's
	// own.
	Runner RunnerID
}

// Loan is the credentials of one session. Requests of an agent for the same role and task share one Loan, so nobody
// changes it.
type Loan struct {
	Session     SessionID
	Role        Role
	Credentials Credentials
	Access      Access // what they may do; empty: a server of an earlier version lent them, and does not know
	// AccessRequest is the approval that it is under; empty: it needs none, or the server is another one, which does not say.
	AccessRequest AccessRequestID
	Keys          Keys // KeysWithheld: only the gateway knows them, and Session is empty; else they are AWS's

	once     sync.Once
	rendered []byte
}

// clockError is how wrong the clock of a machine may be that takes credentials from another one.
const clockError = time.Hour

// CheckExpiry refuses credentials that have expired by the clock of this machine, and those that would last longer than
// AWS lets a session of a role last: nobody knows when these end. Every door asks it at the moment of the hand-out.
// Codes: unavailable (they have expired), internal.
//
// Source: STS API Reference, AssumeRole, DurationSeconds.
func CheckExpiry(expires, now time.Time) error {
	var e *Error
	switch {
	case !now.Before(expires):
		e = Errorf(CodeUnavailable, "the server lent credentials that have expired by this machine's clock")
	case expires.After(now.Add(MaxSessionDuration + clockError)):
		e = Errorf(CodeInternal, "the server lent credentials that last longer than AWS lets a session of a role last")
	default:
		return nil
	}
	return e.WithHint("the clock says %s and the end of the credentials is %s; set the clock of the machine that is "+
		"wrong", now.UTC().Format(time.RFC3339), expires.UTC().Format(time.RFC3339))
}

// CheckNarrowed refuses credentials with which a process could do more than it asked for: a server or runner of an earlier
// version does not know Request.Access. Codes: denied.
func CheckNarrowed(req Request, lent Access) error {
	if req.Access == "" || lent.IsReadOnly() {
		return nil
	}
	return Errorf(CodeDenied, "the credentials are not read-only: the server or the runner is of an earlier version, which "+
		"lends only all that the role allows").WithHint("upgrade it to the version of this program: rolebroker version")
}

// Rendered returns the loan as a response body. It calls render once and keeps the bytes, which thousands of requests
// share. Every caller must pass the same render.
func (l *Loan) Rendered(render func(*Loan) []byte) []byte {
	l.once.Do(func() { l.rendered = render(l) })
	return l.rendered
}
