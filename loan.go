package rolebroker

import "sync"

// Request is what an agent asks for.
type Request struct {
	Role string // a role reference, see Grants.Resolve; empty for the default role
	Task string // what the agent is doing, for CloudTrail; may be empty
}

// Loan is what an agent gets: the credentials of one session. One Loan is
// shared by all who asked alike, so nobody changes it.
type Loan struct {
	Session     SessionID
	Role        Role
	Credentials Credentials

	once     sync.Once
	rendered []byte
}

// Rendered is the loan in the form that a door gives it, made by render the
// first time and kept with the loan: thousands of requests get the same
// bytes. There is one such form; every caller passes the same render.
func (l *Loan) Rendered(render func(*Loan) []byte) []byte {
	l.once.Do(func() { l.rendered = render(l) })
	return l.rendered
}
