package rolebroker

import "time"

// ValidationRequest asks a runner to try the roles of an integration, which may be a draft. Only one replica of the
// runner takes it.
type ValidationRequest struct {
	ID          ValidationRequestID
	Runner      RunnerID
	Integration Integration // as to be tried; each role has an ID, also in a draft
	Names       TriedNames
	Wait        time.Duration // how long to try a denied role again
	RequestedAt time.Time
	TakenAt     time.Time // when a replica took it; zero: not yet
	FinishedAt  time.Time // when the runner had tried every role; zero: not yet
	Findings    []RoleFinding
}

// TriedNames are the agents in whose names a role that AWS denies is tried, since a trust policy can name agents.
type TriedNames struct {
	Agents    []string
	Connected bool // they can borrow from the integration
}

// RoleFinding is what a runner found out about one role.
type RoleFinding struct {
	Role    RoleID
	Finding Finding
}
