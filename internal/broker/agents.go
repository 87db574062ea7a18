package broker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// AgentSpec is what a person sets of an agent. Integrations are names or IDs.
type AgentSpec struct {
	Name               string
	Description        string
	Disabled           bool
	DefaultIntegration *string           // nil leaves it as it is; "" means none
	Connections        *[]ConnectionSpec // nil leaves them as they are
	// the name or ID of an API key, or the e-mail address or ID of a person; empty leaves it as it is: a new agent is
	// the caller's
	Owner string
}

// Agent finds an agent by name or ID. Codes: denied, not_found.
func (b *Broker) Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error) {
	return b.agentFor(ctx, who, rolebroker.ActionAgentGet, nameOrID)
}

// agentFor permits an action that concerns an agent, and finds the agent. Codes: denied, not_found.
func (b *Broker) agentFor(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, nameOrID string, others ...rolebroker.Subject,
) (*rolebroker.Agent, error) {
	subjects := append(others, rolebroker.Named(rolebroker.KindAgent, nameOrID))
	if err := b.May(ctx, who, action, subjects...); err != nil {
		return nil, err
	}
	return b.store.Agent(ctx, nameOrID)
}

// Agents lists agents by name. Codes: denied, not_found (the integration of the page).
func (b *Broker) Agents(
	ctx context.Context, who rolebroker.Caller, page rolebroker.Page,
) ([]rolebroker.Agent, error) {
	if err := b.May(ctx, who, rolebroker.ActionAgentList); err != nil {
		return nil, err
	}
	found, err := b.store.Agents(ctx, page)
	if err == nil && len(found) == 0 && page.Integration != "" {
		_, err = b.store.Integration(ctx, page.Integration)
		err = withList(err, "integration")
	}
	return found, err
}

// CreateAgent stores a new agent. Codes: denied, invalid, conflict.
func (b *Broker) CreateAgent(
	ctx context.Context, who rolebroker.Caller, spec AgentSpec,
) (*rolebroker.Agent, error) {
	const action = rolebroker.ActionAgentCreate
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAgent, spec.Name)); err != nil {
		return nil, err
	}
	owner, err := b.answering(ctx, who.Principal()) // who deletes a key still owns what was made with it
	if err != nil {
		return nil, err
	}
	fresh := rolebroker.Agent{ID: rolebroker.NewAgentID(), Version: 1, CreatedAt: b.now(), Owner: owner}
	agent, err := b.specified(ctx, fresh, spec)
	if err != nil {
		return nil, err
	}
	event := b.event(who, action, nil, agent.Facts(), append(reconnected(&rolebroker.Agent{}, agent), agent.Subject())...)
	if err := b.store.CreateAgent(ctx, agent, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return b.store.Agent(ctx, string(agent.ID))
}

// UpdateAgent replaces what a person set of an agent. ifVersion is the version that the caller read; 0 replaces any
// version. Codes: denied, not_found, invalid, conflict, stale.
func (b *Broker) UpdateAgent(
	ctx context.Context, who rolebroker.Caller, nameOrID string, spec AgentSpec, ifVersion int64,
) (*rolebroker.Agent, error) {
	update := func(a rolebroker.Agent) (*rolebroker.Agent, error) { return b.specified(ctx, a, spec) }
	return b.changeAgent(ctx, who, rolebroker.ActionAgentUpdate, nameOrID, ifVersion, update)
}

// Connect lets an agent borrow from an integration as the limits say. The first connection becomes the agent's default.
// limits nil limits nothing on a new connection, and leaves one that is there as it is. If the limits of a connection
// change, what was lent under it is not handed out again. ifVersion is as for UpdateAgent. Codes: denied, not_found,
// invalid, stale.
func (b *Broker) Connect(
	ctx context.Context, who rolebroker.Caller, agent, integration string, limits *Limits, ifVersion int64,
) (*rolebroker.Agent, error) {
	connect := func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		in, err := b.store.Integration(ctx, integration)
		if err != nil {
			return nil, err
		}
		before := a.Connection(in.ID)
		if before != nil && limits == nil {
			return nil, nil
		}
		after, err := b.limited(ctx, a.Name, in, before, limits)
		if err != nil || before != nil && before.IsLike(after) {
			return nil, err
		}
		a.Connections = slices.Clone(a.Connections)
		if before != nil {
			*a.Connection(in.ID) = *after
			return &a, nil
		}
		if a.Connections = append(a.Connections, *after); len(a.Connections) == 1 {
			a.DefaultIntegration = in.ID
		}
		return &a, nil
	}
	return b.changeAgent(ctx, who, rolebroker.ActionAgentConnect, agent, ifVersion, connect,
		rolebroker.Named(rolebroker.KindIntegration, integration))
}

// Disconnect takes an integration away from an agent. Credentials that were lent stay valid until they expire. Codes:
// denied, not_found.
func (b *Broker) Disconnect(
	ctx context.Context, who rolebroker.Caller, agent, integration string,
) (*rolebroker.Agent, error) {
	disconnect := func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		in, err := b.store.Integration(ctx, integration)
		if err != nil || !a.Connected(in.ID) {
			return nil, err
		}
		a.Connections = slices.DeleteFunc(slices.Clone(a.Connections),
			func(c rolebroker.Connection) bool { return c.Integration == in.ID })
		if a.DefaultIntegration == in.ID {
			a.DefaultIntegration = ""
		}
		return &a, nil
	}
	return b.changeAgent(ctx, who, rolebroker.ActionAgentDisconnect, agent, 0, disconnect,
		rolebroker.Named(rolebroker.KindIntegration, integration))
}

// ChooseDefault makes one of an agent's connections its default: the agent gets the default role of that integration
// when it names no role. Codes: denied, not_found, invalid.
func (b *Broker) ChooseDefault(
	ctx context.Context, who rolebroker.Caller, agent, integration string,
) (*rolebroker.Agent, error) {
	choose := func(a rolebroker.Agent) (*rolebroker.Agent, error) { return &a, b.setDefault(ctx, &a, integration) }
	return b.changeAgent(ctx, who, rolebroker.ActionAgentDefault, agent, 0, choose,
		rolebroker.Named(rolebroker.KindIntegration, integration))
}

// DisableAgent stops lending to an agent. Credentials that were lent stay valid until they expire. Codes: denied,
// not_found.
func (b *Broker) DisableAgent(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (*rolebroker.Agent, error) {
	disable := func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		if a.DisabledByPerson() {
			return nil, nil
		}
		a.SetDisabled(true)
		return &a, nil
	}
	return b.changeAgent(ctx, who, rolebroker.ActionAgentDisable, nameOrID, 0, disable)
}

// EnableAgent lends to an agent again, also to one that was cut off. Nothing else ends a cut-off. Codes: denied,
// not_found.
func (b *Broker) EnableAgent(
	ctx context.Context, who rolebroker.Caller, nameOrID string,
) (*rolebroker.Agent, error) {
	enable := func(a rolebroker.Agent) (*rolebroker.Agent, error) {
		if !a.Disabled {
			return nil, nil
		}
		a.CutOff = rolebroker.CutOffMark{}
		a.SetDisabled(false)
		return &a, nil
	}
	return b.changeAgent(ctx, who, rolebroker.ActionAgentEnable, nameOrID, 0, enable)
}

// agentChange returns the changed agent; nil if there is nothing to change.
type agentChange func(rolebroker.Agent) (*rolebroker.Agent, error)

// changeAgent applies a change to the current version of an agent, and records it. others are further subjects of the
// action.
func (b *Broker) changeAgent(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, nameOrID string, ifVersion int64,
	change agentChange, others ...rolebroker.Subject,
) (*rolebroker.Agent, error) {
	if err := b.May(ctx, who, action, append(others, rolebroker.Named(rolebroker.KindAgent, nameOrID))...); err != nil {
		return nil, err
	}
	var before, after *rolebroker.Agent
	var event rolebroker.AuditEvent
	err := retryStale(ifVersion, func() (err error) {
		if before, err = b.store.Agent(ctx, nameOrID); err != nil {
			return err
		}
		if after, err = change(*before); err != nil || after == nil {
			return err
		}
		after.Version, after.UpdatedAt = before.Version+1, b.now()
		subjects := b.whole(ctx, others)
		for _, in := range reconnected(before, after) {
			if !slices.Contains(subjects, in) {
				subjects = append(subjects, in)
			}
		}
		event = b.event(who, action, before.Facts(), after.Facts(), append(subjects, after.Subject())...)
		return b.store.UpdateAgent(ctx, after, expected(ifVersion, before.Version), event)
	})
	if err != nil {
		return nil, err
	}
	if after != nil {
		b.logEvent(ctx, &event)
	}
	return b.store.Agent(ctx, string(before.ID))
}

// whole gives integrations that the caller named both their name and their ID, so that either finds the event.
func (b *Broker) whole(ctx context.Context, subjects []rolebroker.Subject) (all []rolebroker.Subject) {
	for _, s := range subjects {
		if s.Kind == rolebroker.KindIntegration {
			if in, err := b.store.Integration(ctx, cmp.Or(s.ID, s.Name)); err == nil {
				s = in.Subject()
			}
		}
		all = append(all, s)
	}
	return all
}

// reconnected returns the integrations whose connections differ between two versions of an agent, so that they find the
// event by whatever action an agent was connected.
func reconnected(before, after *rolebroker.Agent) (all []rolebroker.Subject) {
	add := func(c *rolebroker.Connection) {
		all = append(all, rolebroker.Subject{Kind: rolebroker.KindIntegration, ID: string(c.Integration),
			Name: c.IntegrationName})
	}
	for i := range after.Connections {
		c := &after.Connections[i]
		if was := before.Connection(c.Integration); was == nil || !c.IsLike(was) {
			add(c)
		}
	}
	for i := range before.Connections {
		if c := &before.Connections[i]; !after.Connected(c.Integration) {
			add(c)
		}
	}
	return all
}

// specified returns the agent as the spec describes it.
func (b *Broker) specified(ctx context.Context, a rolebroker.Agent, spec AgentSpec) (*rolebroker.Agent, error) {
	a.Name, a.Description, a.UpdatedAt = spec.Name, spec.Description, b.now()
	a.SetDisabled(spec.Disabled)
	if spec.Owner != "" {
		owner, err := b.ownerOf(ctx, "the agent", spec.Owner)
		if err != nil {
			return nil, err
		}
		a.Owner = owner
	}
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

// connections returns connections as the specs describe them. A connection that the agent already has keeps its time.
func (b *Broker) connections(
	ctx context.Context, a *rolebroker.Agent, specs []ConnectionSpec,
) ([]rolebroker.Connection, error) {
	var connections []rolebroker.Connection
	for i, spec := range specs {
		path := fmt.Sprintf("connections[%d]", i)
		in, err := b.store.Integration(ctx, spec.Integration)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			return nil, noIntegration(path+".integration", spec.Integration)
		}
		if err != nil {
			return nil, err
		}
		c, err := b.limited(ctx, a.Name, in, a.Connection(in.ID), spec.Limits)
		if err != nil {
			return nil, under(path, err)
		}
		connections = append(connections, *c)
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
		return noIntegration("default_integration", nameOrID)
	}
	if err != nil {
		return err
	}
	if !a.Connected(in.ID) {
		return invalidAgent("default_integration",
			"%q is not one of the agent's connections; connect it first", nameOrID)
	}
	a.DefaultIntegration = in.ID
	return nil
}

// noIntegration refuses an integration that does not exist.
func noIntegration(path, nameOrID string) error {
	e := invalid("the agent", path, "there is no integration %q", nameOrID)
	e.Fields[0].Hint = rolebroker.Hintf("rolebroker integration list shows those there are")
	return e
}

func invalidAgent(path, format string, args ...any) error {
	return invalid("the agent", path, format, args...)
}

// DeleteAgent removes an agent with its connections and tokens. Credentials that were lent stay valid until they
// expire. Codes: denied, not_found, stale.
func (b *Broker) DeleteAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error {
	const action = rolebroker.ActionAgentDelete
	agent, err := b.agentFor(ctx, who, action, nameOrID)
	if err != nil {
		return err
	}
	event := b.event(who, action, agent.Facts(), nil, agent.Subject())
	if err := b.store.DeleteAgent(ctx, agent.ID, ifVersion, event); err != nil {
		return err
	}
	b.logEvent(ctx, &event)
	return nil
}

// Grants returns what an agent may borrow now, with the validations and lendings of the roles. Codes: denied, not_found.
func (b *Broker) Grants(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Grants, error) {
	agent, err := b.agentFor(ctx, who, rolebroker.ActionAgentGrants, nameOrID)
	if err != nil {
		return nil, err
	}
	grants, err := b.store.Grants(ctx, agent.ID)
	if err != nil {
		return nil, err
	}
	return grants, b.store.AddStates(ctx, grants)
}
