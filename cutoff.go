package rolebroker

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CutOff is what cutting off an agent, or ending a session, did, and what is left to do in AWS, where keys that were
// lent before work until they expire.
type CutOff struct {
	Agent     AgentID
	AgentName string
	Roles     []EndedRole // what the agent was cut off from; empty: everything
	Session   SessionID   // the one session that was ended; empty: an agent was cut off
	At        time.Time
	By        string // the name of who did it, at that time
	Reason    string // may be empty

	Ended    Ended
	Requests int       // how many access requests were ended: pending ones, and grants
	Until    time.Time // when the last keys expire that may still work; zero: none are known
	Accounts []DeniedAccount
	Open     []StillOpen
	Removal  time.Time // when the deny policies have no effect any more, and can be removed; zero: there are none
}

// DeniedAccount is an AWS account with roles whose keys the agent may still have.
type DeniedAccount struct {
	Account  string
	Roles    []DeniedRole
	Commands string // put the deny policies on the roles; for a POSIX shell
	Remove   string // remove them, once the keys have expired
}

// DeniedRole is a role that keys of the agent belong to, and the policy that ends them in AWS.
type DeniedRole struct {
	ARN      RoleARN
	Called   []string // what sessions and integrations call it: "integration/role"
	Sessions int      // live ones on record; 0: a runner may have lent it without reporting that yet
	Until    time.Time
	Runner   string // the name of the runner that assumed it; empty: the server did
	Name     string // of the inline policy
	Policy   string // JSON on one line
}

// StillOpen is something that a cut-off does not end by itself.
type StillOpen struct {
	What  string    // a sentence
	Until time.Time // when it ends by itself at the latest; zero: nobody knows
}

// CutOffMark says that an agent is cut off. The zero value says that it is not.
type CutOffMark struct {
	At     time.Time
	By     string // the name of who did it, at that time
	Reason string // may be empty
}

// IsSet reports whether the agent is cut off.
func (m CutOffMark) IsSet() bool { return !m.At.IsZero() }

// CheckReason checks why somebody does something: one line.
func CheckReason(reason string) error {
	if err := checkDescription(reason); err != nil {
		return err
	}
	if strings.ContainsAny(reason, "\r\n") {
		return fmt.Errorf("has more than one line")
	}
	return nil
}

// Facts returns what the cut-off did, for its audit event.
func (c *CutOff) Facts() Facts {
	facts := c.Ended.Facts()
	facts["access_requests"] = fmt.Sprint(c.Requests)
	if c.Reason != "" {
		facts["reason"] = c.Reason
	}
	return facts
}

// Concerns reports whether the agent was cut off from a role.
func (c *CutOff) Concerns(role RoleID) bool {
	return len(c.Roles) == 0 || slices.ContainsFunc(c.Roles, func(r EndedRole) bool { return r.Role == role })
}
