package rolebroker

import "sync"

// Request is what an agent asks for.
type Request struct {
	Role string // a role reference, see Grants.Resolve; empty for the default role
	Task string // what the agent is doing, for CloudTrail; may be empty
}

// Loan is the credentials of one session. Requests of an agent for the same role and task share one Loan, so nobody
// changes it.
type Loan struct {
	Session     SessionID
	Role        Role
	Credentials Credentials

	once     sync.Once
	rendered []byte
}

// Rendered returns the loan as a response body. It calls render once and keeps the bytes, which thousands of requests
// share. Every caller must pass the same render.
func (l *Loan) Rendered(render func(*Loan) []byte) []byte {
	l.once.Do(func() { l.rendered = render(l) })
	return l.rendered
}
