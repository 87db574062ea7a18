package rolebroker

import (
	"fmt"
	"time"
)

// Agent is who borrows: an AI agent, with as many processes as it likes.
type Agent struct {
	ID          AgentID
	Name        string // unique in a deployment; the RoleSessionName its owner finds in CloudTrail
	Description string
	Disabled    bool // nothing is lent to a disabled agent
	// DefaultIntegration is whose default role is used when the agent names
	// none. The first connection becomes it; when it is disconnected there is
	// none until someone chooses, because switching to another by itself
	// would hand the agent a role that nobody chose.
	DefaultIntegration IntegrationID
	Connections        []Connection // in the order they were made
	Version            int64        // counts the changes; 1 when new
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

// Check says everything that is wrong with the agent.
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
	}
	if a.DefaultIntegration != "" && !seen[a.DefaultIntegration] {
		p.add("default_integration", "is not one of the agent's connections")
	}
	return p.err("the agent")
}

// Connected says whether the agent may borrow from the integration.
func (a *Agent) Connected(id IntegrationID) bool {
	for _, c := range a.Connections {
		if c.Integration == id {
			return true
		}
	}
	return false
}

// Connection says that an agent may borrow from an integration.
type Connection struct {
	Integration     IntegrationID
	IntegrationName string // as it is now
	ConnectedAt     time.Time
}

// Token is what the server remembers of an agent's token: never the token. A
// service account that the agent is bound to is one too, whose tokens the
// cluster makes.
type Token struct {
	ID        TokenID
	Agent     AgentID
	Label     string // of the user's choosing; may be empty
	Hash      []byte // SHA-256 of the token; nil for a service account, so that nothing matches it
	Account   ServiceAccount
	CreatedAt time.Time
	ExpiresAt time.Time // zero: it does not expire
	RevokedAt time.Time // zero: it is not revoked
	UsedAt    time.Time // when it was last used, to the minute; zero: never
}

// CheckLabel says what is wrong with the label of a token or the name of an API key.
func CheckLabel(label string) error {
	if err := checkDescription(label); err != nil {
		return err
	}
	if len(label) > 100 {
		return fmt.Errorf("has %d bytes; at most 100 are allowed", len(label))
	}
	return nil
}

// Usable is nil while the token may be used.
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

// Access is what an API key opens.
type Access string

const (
	AccessAdmin    Access = "admin"     // everything
	AccessReadOnly Access = "read-only" // reading
)

// APIKey is what the server remembers of a key to the management API: never the key.
type APIKey struct {
	ID        APIKeyID
	Name      string
	Access    Access
	Hash      []byte // SHA-256 of the key
	CreatedAt time.Time
	ExpiresAt time.Time // zero: it does not expire
}
