package rolebroker

import (
	"slices"
	"time"
)

// ValidationRequest asks a runner to try the roles of an integration, which may be a draft. Only one replica of the
// runner takes it.
type ValidationRequest struct {
	ID          ValidationRequestID
	Runner      RunnerID
	Integration Integration // as to be tried; each role has an ID, also in a draft
	Tried       Tried
	Wait        time.Duration // how long to try a denied role again
	RequestedAt time.Time
	TakenAt     time.Time // when a replica took it; zero: not yet
	FinishedAt  time.Time // when the runner had tried every role; zero: not yet
	Findings    []RoleFinding
}

// Tried is what a validation tries beside the call that it makes for every role.
type Tried struct {
	// Agents are those in whose names a role that AWS denies is tried, since a trust policy can name agents.
	Agents    []string
	Connected bool // they can borrow from the integration

	// Policies are the session policies of the integration's connections, the longest first: AWS limits how large one
	// is together with the session tags.
	Policies []TriedPolicy
}

// TriedPolicy is a session policy that some connections of an integration have.
type TriedPolicy struct {
	Access        Access
	SessionPolicy string   // with AccessPolicy
	Ends          bool     // the end of an approval is in it too
	Roles         []RoleID // that the connections are limited to; nil: all
	Agents        []string // that have it, the longest names first, since session tags name them; a few of Count
	Count         int
}

// Includes reports whether loans of a role have the policy.
func (t *TriedPolicy) Includes(id RoleID) bool { return t.Roles == nil || slices.Contains(t.Roles, id) }

// Restrict adds the policy to an AssumeRole call, as lending does; an approval has ended long ago. Codes: denied (this
// version of the program does not know the access, or the policy is too long with the end).
func (t *TriedPolicy) Restrict(a *Assumption) error {
	c := Connection{Access: t.Access, SessionPolicy: t.SessionPolicy, Keys: KeysLent, Approval: ApprovalNone}
	if err := c.Restrict(a); err != nil || !t.Ends {
		return err
	}
	return a.EndAt(time.Unix(0, 0))
}

// RoleFinding is what a runner found out about one role.
type RoleFinding struct {
	Role    RoleID
	Finding Finding
}
