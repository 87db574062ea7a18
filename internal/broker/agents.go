package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// AgentSpec is what a person says of an agent. Integrations are names or IDs.
type AgentSpec struct {
	Name               string
	Description        string
	Disabled           bool
	DefaultIntegration *string   // nil leaves it as it is; "" means none
	Connections        *[]string // nil leaves them as they are
}

// Agent finds one by name or ID. Codes: denied, not_found.
func (b *Broker) Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Agent(ctx, nameOrID)
}

// Agents lists by name. Codes: denied.
func (b *Broker) Agents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Agent, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	return b.store.Agents(ctx, page)
}

// CreateAgent stores a new agent. Codes: denied, invalid, conflict.
func (b *Broker) CreateAgent(ctx context.Context, who rolebroker.Caller, spec AgentSpec) (*rolebroker.Agent, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	now := b.now()
	agent, err := b.specified(ctx, rolebroker.Agent{ID: rolebroker.NewAgentID(), Version: 1, CreatedAt: now}, spec)
	if err != nil {
		return nil, err
	}
	if err := b.store.CreateAgent(ctx, agent); err != nil {
		return nil, err
	}
	b.audit(ctx, who, "agent created", agent.Name)
	return b.store.Agent(ctx, string(agent.ID))
}

// UpdateAgent replaces what a person says of an agent. ifVersion is the
// version it must still have; 0 wins over whatever is there. Codes: denied,
// not_found, invalid, conflict, stale.
func (b *Broker) UpdateAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, spec AgentSpec, ifVersion int64) (*rolebroker.Agent, error) {
	return b.changeAgent(ctx, who, "agent updated", nameOrID, ifVersion, func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		return b.specified(ctx, a, spec)
	})
}

// Connect lets an agent borrow from an integration; it may already. Codes:
// denied, not_found.
func (b *Broker) Connect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error) {
	return b.changeAgent(ctx, who, "agent connected to "+integration, agent, 0, func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		in, err := b.store.Integration(ctx, integration)
		if err != nil || a.Connected(in.ID) {
			return nil, err
		}
		a.Connections = append(slices.Clone(a.Connections), rolebroker.Connection{Integration: in.ID, IntegrationName: in.Name, ConnectedAt: b.now()})
		if len(a.Connections) == 1 {
			a.DefaultIntegration = in.ID
		}
		return &a, nil
	})
}

// Disconnect takes an integration away from an agent. What was lent lives
// until it expires. Codes: denied, not_found.
func (b *Broker) Disconnect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error) {
	return b.changeAgent(ctx, who, "agent disconnected from "+integration, agent, 0, func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		in, err := b.store.Integration(ctx, integration)
		if err != nil || !a.Connected(in.ID) {
			return nil, err
		}
		a.Connections = slices.DeleteFunc(slices.Clone(a.Connections), func(c rolebroker.Connection) bool { return c.Integration == in.ID })
		if a.DefaultIntegration == in.ID {
			a.DefaultIntegration = ""
		}
		return &a, nil
	})
}

// ChooseDefault makes one of an agent's connections the one whose default role
// is used when the agent names none. Codes: denied, not_found, invalid.
func (b *Broker) ChooseDefault(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error) {
	return b.changeAgent(ctx, who, "agent's default became "+integration, agent, 0, func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		if err := b.setDefault(ctx, &a, integration); err != nil {
			return nil, err
		}
		return &a, nil
	})
}

// DisableAgent lends nothing more to an agent. What was lent lives until it
// expires. Codes: denied, not_found.
func (b *Broker) DisableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error) {
	return b.switchAgent(ctx, who, "agent disabled", nameOrID, true)
}

// EnableAgent lends to an agent again. Codes: denied, not_found.
func (b *Broker) EnableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error) {
	return b.switchAgent(ctx, who, "agent enabled", nameOrID, false)
}

func (b *Broker) switchAgent(ctx context.Context, who rolebroker.Caller, what, nameOrID string, disabled bool) (*rolebroker.Agent, error) {
	return b.changeAgent(ctx, who, what, nameOrID, 0, func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		if a.Disabled == disabled {
			return nil, nil
		}
		a.Disabled = disabled
		return &a, nil
	})
}

// changeAgent makes a change to an agent as it is now, and again when someone
// else's came between. A change that returns nil changes nothing.
func (b *Broker) changeAgent(ctx context.Context, who rolebroker.Caller, what, nameOrID string, ifVersion int64, change func(rolebroker.Agent) (*rolebroker.Agent, error)) (*rolebroker.Agent, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	id, err := retryStale(ifVersion, func() (rolebroker.AgentID, error) {
		old, err := b.store.Agent(ctx, nameOrID)
		if err != nil {
			return "", err
		}
		changed, err := change(*old)
		if err != nil || changed == nil {
			return old.ID, err
		}
		changed.Version, changed.UpdatedAt = old.Version+1, b.now()
		return old.ID, b.store.UpdateAgent(ctx, changed, expected(ifVersion, old.Version))
	})
	if err != nil {
		return nil, err
	}
	b.audit(ctx, who, what, nameOrID)
	return b.store.Agent(ctx, string(id))
}

// specified is the agent with what spec says of it.
func (b *Broker) specified(ctx context.Context, a rolebroker.Agent, spec AgentSpec) (*rolebroker.Agent, error) {
	a.Name, a.Description, a.Disabled, a.UpdatedAt = spec.Name, spec.Description, spec.Disabled, b.now()
	if spec.Connections != nil {
		connections, err := b.connections(ctx, &a, *spec.Connections)
		if err != nil {
			return nil, err
		}
		a.Connections = connections
		if !a.Connected(a.DefaultIntegration) {
			a.DefaultIntegration = ""
		}
		if len(connections) > 0 && a.Version == 1 && spec.DefaultIntegration == nil {
			a.DefaultIntegration = connections[0].Integration
		}
	}
	if spec.DefaultIntegration != nil {
		if err := b.setDefault(ctx, &a, *spec.DefaultIntegration); err != nil {
			return nil, err
		}
	}
	return &a, a.Check()
}

// connections are those to the integrations named; one that the agent has
// keeps its time.
func (b *Broker) connections(ctx context.Context, a *rolebroker.Agent, integrations []string) ([]rolebroker.Connection, error) {
	var connections []rolebroker.Connection
	for i, nameOrID := range integrations {
		in, err := b.store.Integration(ctx, nameOrID)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			return nil, agentField(fmt.Sprintf("connections[%d].integration", i), "there is no integration %q", nameOrID)
		}
		if err != nil {
			return nil, err
		}
		c := rolebroker.Connection{Integration: in.ID, IntegrationName: in.Name, ConnectedAt: b.now()}
		for _, old := range a.Connections {
			if old.Integration == in.ID {
				c.ConnectedAt = old.ConnectedAt
			}
		}
		connections = append(connections, c)
	}
	return connections, nil
}

func (b *Broker) setDefault(ctx context.Context, a *rolebroker.Agent, nameOrID string) error {
	if nameOrID == "" {
		a.DefaultIntegration = ""
		return nil
	}
	in, err := b.store.Integration(ctx, nameOrID)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return agentField("default_integration", "there is no integration %q", nameOrID)
	}
	if err != nil {
		return err
	}
	if !a.Connected(in.ID) {
		return agentField("default_integration", "%q is not one of the agent's connections; connect it first", nameOrID)
	}
	a.DefaultIntegration = in.ID
	return nil
}

func agentField(path, format string, args ...any) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the agent is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

// DeleteAgent removes an agent with its connections and tokens. What was lent
// lives until it expires. Codes: denied, not_found, stale.
func (b *Broker) DeleteAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	agent, err := b.store.Agent(ctx, nameOrID)
	if err != nil {
		return err
	}
	if err := b.store.DeleteAgent(ctx, agent.ID, ifVersion); err != nil {
		return err
	}
	b.audit(ctx, who, "agent deleted", agent.Name)
	return nil
}

// Grants is what an agent may borrow from now. Codes: denied, not_found.
func (b *Broker) Grants(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Grants, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	agent, err := b.store.Agent(ctx, nameOrID)
	if err != nil {
		return nil, err
	}
	return b.store.Grants(ctx, agent.ID)
}
