package rolebroker

import (
	"fmt"
	"time"
)

// Agent is an AI agent that borrows roles. It may have any number of processes.
type Agent struct {
	ID          AgentID
	Name        string // unique in a deployment; CloudTrail shows it as the RoleSessionName
	Description string
	Disabled    bool // a disabled agent borrows nothing; one that is cut off is always disabled
	// CutOff says when it was cut off; zero: it was not, or was enabled since.
	CutOff CutOffMark
	// Owner is the person or the API key that answers for the agent: who created it, until an administrator names
	// another. The owner does not approve the agent's access requests. Empty: an earlier version created it, so
	// nobody is known.
	Owner     PrincipalID
	OwnerName string // its current name; empty if the key was deleted
	// DefaultIntegration is the integration whose default role the agent gets when it names no role. The first
	// connection becomes the default. When the default is disconnected it becomes empty: another one would hand the
	// agent a role that nobody chose.
	DefaultIntegration IntegrationID
	Connections        []Connection // in the order they were made
	Version            int64        // 1 for a new agent; each change adds 1
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

// Check returns every field that is wrong. Codes: invalid.
func (a *Agent) Check() error {
	var p problems
	p.check("name", CheckName(a.Name))
	p.check("description", checkDescription(a.Description))
	seen := map[IntegrationID]bool{}
	for i, c := range a.Connections {
		if seen[c.Integration] {
			p.add(fmt.Sprintf("connections[%d].integration", i), "%q is listed twice", c.IntegrationName)
		}
		seen[c.Integration] = true
		c.check(pathOf(i), &p)
	}
	if a.DefaultIntegration != "" && !seen[a.DefaultIntegration] {
		p.add("default_integration", "is not one of the agent's connections")
	}
	return p.err("the agent")
}

// DisabledByPerson reports whether the agent is disabled other than by a cut-off.
func (a *Agent) DisabledByPerson() bool {
	return a.Disabled && (!a.CutOff.IsSet() || a.CutOff.Disabled)
}

// SetDisabled disables the agent, or enables it. An agent that is cut off stays disabled.
func (a *Agent) SetDisabled(disabled bool) {
	if a.CutOff.IsSet() {
		a.Disabled, a.CutOff.Disabled = true, disabled
		return
	}
	a.Disabled = disabled
}

// Connected reports whether the agent may borrow from the integration.
func (a *Agent) Connected(id IntegrationID) bool {
	return a.Connection(id) != nil
}

// Connection returns the agent's connection to the integration; nil if there is none.
func (a *Agent) Connection(id IntegrationID) *Connection {
	for i := range a.Connections {
		if a.Connections[i].Integration == id {
			return &a.Connections[i]
		}
	}
	return nil
}

// Connection lets an agent borrow from an integration. NewConnection makes one that limits nothing; the zero value lends
// nothing.
type Connection struct {
	Integration     IntegrationID
	IntegrationName string // as it is now
	ConnectedAt     time.Time
	Access          Access // what the agent may do with the roles
	// SessionPolicy is an IAM policy as ParseSessionPolicy returns it; empty unless Access is AccessPolicy.
	SessionPolicy string
	// Roles are the only roles of the integration that the agent may borrow, in the order of the integration's; nil: all.
	// A role that is removed from the integration drops out. If none is left, the slice is empty, and nothing is lent.
	Roles    []ConnectionRole
	Keys     Keys     // whether the agent is lent AWS keys
	Approval Approval // for what a person has to approve
	// ExemptPolicy allows the calls that need no approval, as ParseExemptPolicy returns it; empty unless Approval is
	// ApprovalCall. Every other call waits for a person; with an empty one, all do.
	ExemptPolicy string
	// AllowedActions are the actions of IAM that return credentials, and that the gateway sends all the same.
	AllowedActions []string
}

// Token is the record of an agent token. It does not hold the token. The binding of a service account to the agent is
// a Token too; the cluster makes the tokens of the service account.
type Token struct {
	ID        TokenID
	Agent     AgentID
	Label     string         // of the user's choosing; may be empty
	Hash      []byte         // SHA-256 of the token; nil for a binding, so that no token matches it
	Account   ServiceAccount // of a binding; zero for an agent token. Its Name may be AnyAccount
	Labels    Labels         // of a binding: labels that the service account must have; nil: any
	Runner    string         // of a binding: the name of the runner that the server believes about the issuer; empty: none
	CreatedAt time.Time
	ExpiresAt time.Time // zero: it does not expire
	RevokedAt time.Time // zero: it is not revoked
	UsedAt    time.Time // when it was last used, to the minute; zero: never
}

// CheckLabel checks the label of a token or the name of an API key.
func CheckLabel(label string) error {
	if err := checkDescription(label); err != nil {
		return err
	}
	if len(label) > 100 {
		return fmt.Errorf("has %d bytes; at most 100 are allowed", len(label))
	}
	return nil
}

// Usable returns nil unless the token is revoked or has expired. Codes: expired.
func (t *Token) Usable(now time.Time) error {
	switch {
	case !t.RevokedAt.IsZero():
		return Errorf(CodeExpired, "the agent token %s was revoked", t.ID).
			WithHint("make another: rolebroker agent token create AGENT")
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return Errorf(CodeExpired, "the agent token %s expired at %s", t.ID, t.ExpiresAt.UTC().Format(time.RFC3339)).
			WithHint("make another: rolebroker agent token create AGENT")
	}
	return nil
}

// KeyAccess is what an API key permits.
type KeyAccess string

// The accesses.
const (
	KeyAdmin    KeyAccess = "admin"     // to read and to change everything
	KeyReadOnly KeyAccess = "read-only" // to read
	KeyApprover KeyAccess = "approver"  // to read, and to decide access requests
)

// OwnedBy names the owner as the subject of a clause, as in "the API key alice, whose holder" or "ada@example.com,
// who"; empty if nobody is known.
func (a *Agent) OwnedBy() string {
	switch {
	case a.OwnerName == "":
		return ""
	case a.Owner.IsUser():
		return a.OwnerName + ", who"
	}
	return "the API key " + a.OwnerName + ", whose holder"
}

// APIKey is the record of a key to the management API. It does not hold the key.
type APIKey struct {
	ID        APIKeyID
	Name      string
	Access    KeyAccess
	Hash      []byte // SHA-256 of the key
	CreatedAt time.Time
	ExpiresAt time.Time // zero: it does not expire

	// Owner is the person or the API key that answers for it: who made it, until another one was named. Empty: the
	// operator, or nobody is known.
	Owner     PrincipalID
	OwnerName string // its current name; empty if it was deleted

	UsedAt time.Time // to the minute; zero: it was not used since an earlier version
}
