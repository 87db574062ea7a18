package rest

import (
	"context"
	"strconv"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// agents are the methods of the broker for agents and their connections.
type agents interface {
	Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	Agents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Agent, error)
	CreateAgent(ctx context.Context, who rolebroker.Caller, spec broker.AgentSpec) (*rolebroker.Agent, error)
	UpdateAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.AgentSpec, ifVersion int64) (
		*rolebroker.Agent, error)
	DeleteAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	Connect(ctx context.Context, who rolebroker.Caller, agent, integration string, limits *broker.Limits,
		ifVersion int64) (*rolebroker.Agent, error)
	Disconnect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
}

// InAgent is the path of one agent.
type InAgent struct {
	Agent string `path:"agent" doc:"The agent's name or ID." example:"scout"`
}

type (
	listAgents struct {
		Paging
		Search
		Integration string `query:"integration" doc:"Only agents that are connected to the integration with this name or ID." example:"production"`
	}
	getAgent struct {
		InAgent
		IfNoneMatch
	}
	createAgent struct {
		Body body[api.AgentRequest]
	}
	updateAgent struct {
		InAgent
		IfMatch
		Body body[api.AgentRequest]
	}
	deleteAgent struct {
		InAgent
		IfMatch
	}
	connectAgent struct {
		InAgent
		InIntegration
		IfMatch
		Body *body[api.LimitsRequest]
	}
	inConnection struct {
		InAgent
		InIntegration
	}
)

func (s *server) agents() resource[rolebroker.Agent, api.Agent] {
	return resource[rolebroker.Agent, api.Agent]{"/api/v1/agents", s.Broker.Agent,
		func(a *rolebroker.Agent) string { return string(a.ID) }, convert.Agent}
}

func (s *server) listAgents(ctx context.Context, who rolebroker.Caller, in *listAgents) (
	*listAnswer[api.Agent], error) {
	order := byName(func(a *rolebroker.Agent) string { return a.Name })
	return list(in.Paging, order, convert.Agent, func(page rolebroker.Page) ([]rolebroker.Agent, error) {
		page.Search, page.Integration = in.Search.Search, in.Integration
		return s.Broker.Agents(ctx, who, page)
	})
}

func (s *server) getAgent(ctx context.Context, who rolebroker.Caller, in *getAgent) (*found[api.Agent], error) {
	return s.agents().get(ctx, who, in.Agent, in.IfNoneMatch)
}

func (s *server) createAgent(ctx context.Context, who rolebroker.Caller, in *createAgent) (*created[api.Agent], error) {
	spec, wrong := agentOf(in.Body.value)
	if in.Body.value.ID != "" {
		wrong = append(wrong, madeByServer("id"))
	}
	if err := withCheck(wrong, "the agent", checkSpec(spec)); err != nil {
		return nil, err
	}
	return s.agents().created(s.Broker.CreateAgent(ctx, who, spec))
}

func (s *server) updateAgent(ctx context.Context, who rolebroker.Caller, in *updateAgent) (*changed[api.Agent], error) {
	return s.agents().update(ctx, who, in.Agent, in.IfMatch,
		func(target string, version int64) (*rolebroker.Agent, error) {
			spec, wrong := agentOf(in.Body.value)
			if id := in.Body.value.ID; id != "" {
				stored, err := s.Broker.Agent(ctx, who, target)
				if err != nil {
					return nil, err
				}
				wrong = append(wrong, sameID(id, string(stored.ID))...)
				target = id
			}
			if err := withCheck(wrong, "the agent", checkSpec(spec)); err != nil {
				return nil, err
			}
			return s.Broker.UpdateAgent(ctx, who, target, spec, version)
		})
}

func (s *server) deleteAgent(ctx context.Context, who rolebroker.Caller, in *deleteAgent) (*struct{}, error) {
	return s.agents().remove(ctx, who, in.Agent, in.IfMatch, s.Broker.DeleteAgent)
}

func (s *server) connect(ctx context.Context, who rolebroker.Caller, in *connectAgent) (*changed[api.Agent], error) {
	return s.agents().update(ctx, who, in.Agent, in.IfMatch,
		func(target string, version int64) (*rolebroker.Agent, error) {
			var limits *broker.Limits
			if in.Body != nil {
				limits = limitsOf(&in.Body.value)
			}
			return s.Broker.Connect(ctx, who, target, in.Integration, limits, version)
		})
}

// limitsOf converts what a request sets of a connection; nil: nothing.
func limitsOf(req *api.LimitsRequest) *broker.Limits {
	if req == nil {
		return nil
	}
	return &broker.Limits{
		Access:        rolebroker.Access(req.Access),
		SessionPolicy: string(req.SessionPolicy),
		Roles:         req.Roles,
		Keys:          rolebroker.Keys(req.Keys),
		Approval:      rolebroker.Approval(req.Approval),

		AllowedActions: req.AllowedActions, ExemptPolicy: string(req.ExemptPolicy),
	}
}

func (s *server) disconnect(ctx context.Context, who rolebroker.Caller, in *inConnection) (*struct{}, error) {
	_, err := s.Broker.Disconnect(ctx, who, in.Agent, in.Integration)
	return nil, err
}

// agentOf converts a request to a spec. wrong lists the connections that name no
// integration.
func agentOf(req api.AgentRequest) (spec broker.AgentSpec, wrong []rolebroker.Field) {
	spec = broker.AgentSpec{
		Name:               req.Name,
		Description:        req.Description,
		Disabled:           req.Disabled,
		Owner:              req.Owner,
		DefaultIntegration: req.DefaultIntegration,
	}
	if req.Connections == nil {
		return spec, nil
	}
	connections := []broker.ConnectionSpec{}
	for i, c := range *req.Connections {
		if c.Integration == "" {
			wrong = append(wrong, rolebroker.Field{Path: "connections[" + strconv.Itoa(i) + "].integration",
				Message: "is required: the name or ID of an integration"})
		}
		connections = append(connections, broker.ConnectionSpec{Integration: c.Integration, Limits: limitsOf(c.Limits())})
	}
	spec.Connections = &connections
	return spec, wrong
}

// checkSpec checks the fields of an agent that do not depend on its connections.
func checkSpec(spec broker.AgentSpec) func() error {
	return (&rolebroker.Agent{Name: spec.Name, Description: spec.Description}).Check
}
