package rolebroker

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// CutOff is what cutting off an agent, or ending a session, did, and what is left to do in AWS, where keys that were
// lent before work until they expire.
type CutOff struct {
	ID        CutOffID // empty for a session
	Agent     AgentID
	AgentName string
	Roles     []EndedRole // what the agent was cut off from; empty: everything
	Session   SessionID   // the one session that was ended; empty: an agent was cut off
	At        time.Time
	By        string // the name of who did it, at that time
	Reason    string // may be empty

	Ended    Ended
	Signed   bool      // some of the sessions in Accounts signed tokens or URLs for the agent
	Withheld int       // how many live sessions had keys that never left the server or its runner
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
	ARN    RoleARN
	Called []string // what sessions and integrations call it: "integration/role"
	// Integrations are those that lent it. They may be gone.
	Integrations []IntegrationID
	Sessions     int // that were live when they ended; 0: a runner may have lent it without reporting that yet
	Until        time.Time
	Runner       string // the name of the runner that assumed it; empty: the server did
	Name         string // of the inline policy
	Policy       string // JSON on one line
	State        PolicyState
	Problem      string // why the server did not put it there, or remove it
}

// PolicyState says what the server did with a deny policy.
type PolicyState string

// The states.
const (
	PolicyOpen         PolicyState = "open"          // nothing: run the commands
	PolicyUnknown      PolicyState = "unknown"       // it began to put the policy on the role; nobody knows whether it did
	PolicyApplied      PolicyState = "applied"       // the policy is on the role
	PolicyNotPermitted PolicyState = "not-permitted" // AWS does not permit the server to change it
	PolicyFailed       PolicyState = "failed"        // AWS refused the change for another reason, or did not answer
	PolicyRemoved      PolicyState = "removed"       // the policy is not on the role any more
)

// InWords says what became of the policy, with a role as the subject.
func (s PolicyState) InWords() string {
	switch s {
	case PolicyOpen:
		return "was not given the deny policy by the server"
	case PolicyUnknown:
		return "may have the deny policy: the server was stopped while it put it there"
	case PolicyApplied:
		return "has the deny policy: AWS refuses the keys"
	case PolicyNotPermitted:
		return "was not given the deny policy by the server, which is not permitted to"
	case PolicyFailed:
		return "may have no deny policy: putting it there failed"
	case PolicyRemoved:
		return "has no deny policy any more"
	}
	return string(s)
}

// DenyPolicy is the record of a deny policy that the server put on a role, or tried to.
type DenyPolicy struct {
	Role         RoleARN
	Name         string
	Agent        AgentID
	Session      SessionID // the one session that it denies; empty: all of the agent
	Integrations []IntegrationID
	Called       []string
	Before       time.Time // when what it denies was cut off
	Until        time.Time // when the last of what it denies expires
	State        PolicyState
	Problem      string // AWS's words; may be empty
	At           time.Time
	By           string // the name of who asked for it, at that time
}

// MayRemain reports whether the policy may be on the role.
func (p *DenyPolicy) MayRemain() bool {
	return p.State != PolicyRemoved && p.State != PolicyNotPermitted
}

// Facts returns what happened to the policy, for the audit event.
func (p *DenyPolicy) Facts() Facts {
	facts := Facts{"role": p.Role.String(), "policy": p.Name, "policy_state": string(p.State)}
	if p.Problem != "" {
		facts["problem"] = p.Problem
	}
	return facts
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
	// Disabled says that a person disabled the agent too, before it was cut off or since.
	Disabled bool
}

// IsSet reports whether the agent is cut off.
func (m CutOffMark) IsSet() bool { return !m.At.IsZero() }

// cutOffRole precedes the name of an integration in the name of its cut-off role.
const cutOffRole = "rolebroker-cut-off-"

// maxRoleName is how long the name of an IAM role may be.
const maxRoleName = 64

// CutOffRoleName returns the name of the IAM role that may put deny policies on the roles of an integration, in each of
// its accounts. The error says why IAM has no name for it.
func CutOffRoleName(integration string) (string, error) {
	if name := cutOffRole + integration; len(name) <= maxRoleName {
		return name, nil
	}
	return "", fmt.Errorf("has a name of more than %d characters, too long for the name of its cut-off role",
		maxRoleName-len(cutOffRole))
}

// IsCutOffRole reports whether a role has the name of a cut-off role. Agents do not borrow it: it could give their own
// roles every permission.
func (a RoleARN) IsCutOffRole() bool {
	return strings.HasPrefix(strings.ToLower(a.Name), cutOffRole)
}

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

// Left returns those of the live sessions whose keys, or a token that they signed, the agent may have, and counts the
// others as withheld. signed are the sessions that signed a token.
func (c *CutOff) Left(live []Session, signed []SessionID) (left []Session) {
	for _, s := range live {
		signs := slices.Contains(signed, s.ID)
		if s.Withheld() && !signs {
			c.Withheld++
			continue
		}
		c.Signed = c.Signed || signs
		left = append(left, s)
	}
	return left
}

// Denials iterates over the roles of all accounts.
func (c *CutOff) Denials() iter.Seq[*DeniedRole] {
	return func(yield func(*DeniedRole) bool) {
		for i := range c.Accounts {
			for j := range c.Accounts[i].Roles {
				if !yield(&c.Accounts[i].Roles[j]) {
					return
				}
			}
		}
	}
}

// Concerns reports whether the agent was cut off from a role.
func (c *CutOff) Concerns(role RoleID) bool {
	return len(c.Roles) == 0 || slices.ContainsFunc(c.Roles, func(r EndedRole) bool { return r.Role == role })
}

// Names reports whether a reference names one of the roles that the agent was cut off from.
func (c *CutOff) Names(reference string) bool {
	return slices.ContainsFunc(c.Roles, func(r EndedRole) bool {
		_, name, _ := strings.Cut(r.Reference, "/")
		return reference == r.Reference || reference == name || reference == string(r.Role)
	})
}
