package rolebroker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Grants is what one agent may borrow at one moment: the agent and its integrations with all their roles, in the order
// of the agent's connections. Nobody changes it once it is made, so that requests can share it.
type Grants struct {
	Agent        Agent
	Integrations []Integration
	Requests     []OpenRequest // that are pending or approved, and may be over by now
	Runner       RunnerID      // the runner that lends by these Grants; empty: a server
}

// Grant is one role that a reference resolved to, the role's integration, and the agent's connection to that. All point
// into the Grants.
type Grant struct {
	Integration *Integration
	Role        *Role
	Connection  *Connection
}

// Reference returns a reference that is never ambiguous: "integration/role".
func (g Grant) Reference() string { return g.Integration.Name + "/" + g.Role.Name }

// isOffered reports whether the role is enabled, and the connection includes it.
func (g Grant) isOffered() bool { return g.Role.Enabled && g.includes() }

func (g Grant) includes() bool { return g.Connection != nil && g.Connection.Includes(g.Role.ID) }

// Resolve finds the role that a reference names, among the enabled roles of the agent's connections. A role that a
// connection does not include counts as one that is disabled. A reference is
// "role", "integration/role", a full role ARN, or empty for the default role of the agent's default integration. An ID
// can replace each name. A refusal lists the references that the agent can use. Resolve never falls back to another
// role: a reference keeps its meaning while the integration of its role is disabled. Codes: denied, not_found, invalid
// (ambiguous).
func (g *Grants) Resolve(reference string) (Grant, error) {
	if g.Agent.Disabled {
		return Grant{}, Errorf(CodeDenied, "agent %s is disabled", g.Agent.Name).
			WithHint("an administrator can enable it: rolebroker agent enable %s", g.Agent.Name)
	}
	if reference == "" {
		return g.defaultGrant()
	}
	matches := g.match(reference)
	enabled := slices.DeleteFunc(slices.Clone(matches), func(m Grant) bool { return !m.isOffered() })
	switch {
	case len(enabled) == 1:
		return g.unlessPaused(enabled[0], reference)
	case len(enabled) > 1:
		return Grant{}, g.ambiguous(reference, enabled)
	case len(matches) > 0:
		return g.unlessPaused(matches[0], reference)
	}
	return Grant{}, Errorf(CodeNotFound, "agent %s is not connected to a role %s; %s",
		g.Agent.Name, quote(reference), g.available()).
		WithSteps(g.stepRoles())
}

// unlessPaused returns the grant if both its role and its integration are enabled, and the connection includes the role.
// The reference is what the agent asked for; empty for the default role. Codes: denied.
func (g *Grants) unlessPaused(grant Grant, reference string) (Grant, error) {
	in, role := grant.Integration, grant.Role
	if in.Enabled && grant.isOffered() {
		return grant, nil
	}
	asked := "the default role " + role.Name
	if reference != "" {
		asked = "role " + quote(reference)
	}
	update := "an administrator can enable it: rolebroker integration update " + in.Name
	var problem string
	var step Step
	switch {
	case !in.Enabled:
		problem, step = "integration "+in.Name+" is disabled", Step{Text: update + " --enabled"}
	case !grant.includes():
		problem = asked + " is not one of those that agent " + g.Agent.Name + " may borrow from integration " + in.Name
		step = Step{Text: "an administrator can add it: " + g.include(grant)}
	default:
		problem = asked + " is disabled in integration " + in.Name
		step = Step{Text: update + " --enable-role " + role.Name}
	}
	refusal := Errorf(CodeDenied, "%s; %s", problem, g.available())
	if len(g.Offers()) == 0 {
		return Grant{}, refusal.WithSteps(step)
	}
	return Grant{}, refusal.WithSteps(Step{Text: hintRoles}, step)
}

// include is the command that adds the role of a grant to those of its connection.
func (g *Grants) include(grant Grant) string {
	command := []string{"rolebroker", "agent", "connect", g.Agent.Name, grant.Integration.Name}
	if grant.Connection != nil {
		for _, name := range grant.Connection.RoleNames() {
			command = append(command, "--only-role", name)
		}
	}
	return ShellCommand(append(command, "--only-role", grant.Role.Name)...)
}

// ambiguous refuses a reference that could mean any of the enabled roles. Codes: invalid.
func (g *Grants) ambiguous(reference string, candidates []Grant) error {
	refusal := Errorf(CodeInvalid, "role %s is ambiguous for agent %s; it could be %s",
		quote(reference), g.Agent.Name, references(candidates))
	for _, c := range candidates {
		if c.Integration.Enabled {
			return refusal.WithHint("name one of them, as in --role %s", c.Reference())
		}
	}
	return refusal.WithHint(hintRoles)
}

// hintRoles is the hint for an agent that asked for a role that it may not borrow.
const hintRoles = "rolebroker roles lists what this agent may borrow"

// defaultGrant returns the default role of the default integration. Codes: denied.
func (g *Grants) defaultGrant() (Grant, error) {
	grant := g.byDefault()
	switch {
	case len(g.Integrations) == 0:
		return Grant{}, Errorf(CodeDenied, "agent %s is not connected to any integration", g.Agent.Name).
			WithHint("an administrator can connect one: rolebroker agent connect %s INTEGRATION", g.Agent.Name)
	case grant.Role == nil:
		return Grant{}, Errorf(CodeDenied, "agent %s has no default integration; name a role: %s",
			g.Agent.Name, g.available()).
			WithHint("an administrator can choose one: rolebroker agent update %s --default-integration %s",
				g.Agent.Name, g.Integrations[0].Name)
	}
	return g.unlessPaused(grant, "")
}

// connection returns the agent's connection to integration i. Most often it has the same place among the connections.
func (g *Grants) connection(i int) *Connection {
	id := g.Integrations[i].ID
	if i < len(g.Agent.Connections) && g.Agent.Connections[i].Integration == id {
		return &g.Agent.Connections[i]
	}
	return g.Agent.Connection(id)
}

// byDefault returns the default role of the agent's default integration, enabled or not; the zero Grant if there is none.
func (g *Grants) byDefault() Grant {
	for i := range g.Integrations {
		if in := &g.Integrations[i]; in.ID == g.Agent.DefaultIntegration {
			if role := in.Role(in.DefaultRole); role != nil {
				return Grant{in, role, g.connection(i)}
			}
		}
	}
	return Grant{}
}

// match returns every role, enabled or not, that the reference could mean.
func (g *Grants) match(reference string) []Grant {
	var matches []Grant
	arn, err := ParseRoleARN(reference)
	isARN := err == nil
	integration, role, qualified := strings.Cut(reference, "/")
	for i := range g.Integrations {
		in := &g.Integrations[i]
		for j := range in.Roles {
			r := &in.Roles[j]
			switch {
			case isARN:
				if r.ARN != arn {
					continue
				}
			case qualified:
				if integration != in.Name && integration != string(in.ID) || role != r.Name && role != string(r.ID) {
					continue
				}
			case reference != r.Name && reference != string(r.ID):
				continue
			}
			matches = append(matches, Grant{in, r, g.connection(i)})
		}
	}
	return matches
}

// Role finds a role by IDs, enabled or not; nil, nil if the agent is not connected to it.
func (g *Grants) Role(integration IntegrationID, role RoleID) (*Integration, *Role) {
	for i := range g.Integrations {
		in := &g.Integrations[i]
		if in.ID != integration {
			continue
		}
		for j := range in.Roles {
			if in.Roles[j].ID == role {
				return in, &in.Roles[j]
			}
		}
	}
	return nil, nil
}

// Offer is one role that an agent may borrow now.
type Offer struct {
	Reference   string // the shortest reference that is not ambiguous
	Integration string
	Name        string
	ARN         RoleARN
	Region      Region
	Access      Access // what the agent may do with it
	Keys        Keys   // whether the agent is lent AWS keys; empty: a server of an earlier version, which lends them
	Default     bool   // the agent gets this role when it names none
	// NeedsApproval says that it borrows the role only once a person has approved that.
	NeedsApproval bool
	// ChangesNeedApproval says that a person has to approve before the gateway sends what may change something.
	ChangesNeedApproval bool
	// CallsNeedApproval says that a person has to approve before the gateway sends what the exempt policy does not
	// allow.
	CallsNeedApproval bool
}

// Offers lists the roles that the agent may borrow now, the default first; none if the agent is disabled, and none that
// a connection does not include. Roles of an integration in cluster mode are listed by its runner only, because nobody else lends them. A reference is as short as
// it is when every integration is enabled, so that it does not change when one is disabled.
func (g *Grants) Offers() []Offer {
	if g.Agent.Disabled {
		return nil
	}
	count := map[string]int{}
	for i := range g.Integrations {
		in, connection := &g.Integrations[i], g.connection(i)
		for j := range in.Roles {
			if role := &in.Roles[j]; (Grant{in, role, connection}).isOffered() {
				count[role.Name]++
			}
		}
	}
	byDefault := g.byDefault().Role
	var offers []Offer
	for i := range g.Integrations {
		in := &g.Integrations[i]
		if !in.Enabled || in.AssumptionMode != ModePlatform && (g.Runner == "" || in.Runner != g.Runner) {
			continue
		}
		connection := g.connection(i)
		for j := range in.Roles {
			role := &in.Roles[j]
			if !(Grant{in, role, connection}).isOffered() {
				continue
			}
			offer := Offer{Reference: role.Name, Integration: in.Name, Name: role.Name, ARN: role.ARN,
				Region: role.Region, Access: connection.Access, Keys: connection.Keys, Default: role == byDefault,
				NeedsApproval:       Grant{in, role, connection}.NeedsApproval(),
				ChangesNeedApproval: connection.Approval == ApprovalWrite,
				CallsNeedApproval:   connection.Approval == ApprovalCall}
			if count[role.Name] > 1 {
				offer.Reference = in.Name + "/" + role.Name
			}
			offers = append(offers, offer)
		}
	}
	slices.SortStableFunc(offers, func(a, b Offer) int { return boolRank(b.Default) - boolRank(a.Default) })
	return offers
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// stepRoles is what an agent can do that asked for a role that it may not borrow.
func (g *Grants) stepRoles() Step {
	switch {
	case len(g.Integrations) == 0:
		return Step{Text: "an administrator can connect an integration:",
			Command: ShellCommand("rolebroker", "agent", "connect", g.Agent.Name, "INTEGRATION")}
	case len(g.Offers()) == 0:
		return Step{Text: "an administrator can enable its integrations and their roles, or connect more of the roles:",
			Command: ShellCommand("rolebroker", "agent", "show", g.Agent.Name)}
	}
	return Step{Text: hintRoles}
}

// available lists the references of the offers, for a message.
func (g *Grants) available() string {
	offers := g.Offers()
	if len(offers) == 0 {
		return "no role is available"
	}
	var names []string
	for _, offer := range offers {
		name := offer.Reference
		if offer.Default {
			name += " (default)"
		}
		names = append(names, name)
	}
	return "available are " + listed(names)
}

// references lists the references of grants, for a message.
func references(grants []Grant) string {
	var names []string
	for _, g := range grants {
		name := g.Reference()
		if !g.Integration.Enabled {
			name += " (integration " + g.Integration.Name + " is disabled)"
		}
		names = append(names, name)
	}
	return listed(names)
}

// maxListed bounds the names in a message.
const maxListed = 20

// listed joins names for a message, at most maxListed.
func listed(names []string) string {
	if len(names) > maxListed {
		return strings.Join(names[:maxListed], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// FindOffer finds the offer that a reference names. Clients use it to show a role; only the server decides, by
// Resolve.
func FindOffer(offers []Offer, reference string) (Offer, bool) {
	for _, o := range offers {
		switch reference {
		case "":
			if o.Default {
				return o, true
			}
		case o.Reference, o.Integration + "/" + o.Name, o.ARN.String():
			return o, true
		}
	}
	return Offer{}, false
}

// ShowReference returns a role reference, a name or a task as a caller wrote it, fit for a log. It does not repeat what
// is too long for any of these: that may be a token in the wrong place.
func ShowReference(s string) string {
	integration, role, _ := strings.Cut(s, "/")
	if len(integration) <= maxName && len(role) <= maxName {
		return s
	}
	if _, err := ParseRoleARN(s); err == nil {
		return s
	}
	return fmt.Sprintf("(%d characters, neither a name nor an ARN)", len(s))
}

// quote is ShowReference for a message: in quotes, with control characters escaped.
func quote(s string) string {
	if shown := ShowReference(s); shown != s {
		return shown
	}
	return strconv.QuoteToGraphic(s)
}
