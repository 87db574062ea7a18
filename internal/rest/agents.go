package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// agents is what the broker does with agents and their connections.
type agents interface {
	Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	Agents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Agent, error)
	CreateAgent(ctx context.Context, who rolebroker.Caller, spec broker.AgentSpec) (*rolebroker.Agent, error)
	UpdateAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.AgentSpec, ifVersion int64) (*rolebroker.Agent, error)
	DeleteAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	Connect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
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
		Integration string `query:"integration" doc:"Only those connected to the integration with this name or ID." example:"production"`
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
	inConnection struct {
		InAgent
		InIntegration
	}
)

func (s *server) listAgents(ctx context.Context, who rolebroker.Caller, in *listAgents) (*listAnswer[api.Agent], error) {
	page, err := in.page(in.Search.Search, isName)
	if err != nil {
		return nil, err
	}
	page.Integration = in.Integration
	found, err := s.Broker.Agents(ctx, who, page)
	if err != nil {
		return nil, err
	}
	return list(in.Paging, found, func(a *rolebroker.Agent) string { return a.Name }, convert.Agent), nil
}

func (s *server) getAgent(ctx context.Context, who rolebroker.Caller, in *getAgent) (*found[api.Agent], error) {
	stored, err := s.Broker.Agent(ctx, who, in.Agent)
	if err != nil {
		return nil, err
	}
	shown := convert.Agent(stored)
	if in.knows(shown.ETag()) {
		return &found[api.Agent]{Status: http.StatusNotModified, ETag: shown.ETag()}, nil
	}
	return &found[api.Agent]{http.StatusOK, shown.ETag(), shown}, nil
}

func (s *server) createAgent(ctx context.Context, who rolebroker.Caller, in *createAgent) (*created[api.Agent], error) {
	spec, wrong := agentOf(in.Body.value)
	if in.Body.value.ID != "" {
		wrong = append(wrong, madeByServer("id"))
	}
	if err := withCheck(wrong, "the agent", checkSpec(spec)); err != nil {
		return nil, err
	}
	stored, err := s.Broker.CreateAgent(ctx, who, spec)
	if err != nil {
		return nil, err
	}
	shown := convert.Agent(stored)
	return &created[api.Agent]{shown.ETag(), "/api/v1/agents/" + shown.ID, shown}, nil
}

func (s *server) updateAgent(ctx context.Context, who rolebroker.Caller, in *updateAgent) (*changed[api.Agent], error) {
	return guarded(in.IfMatch, in.Agent, s.agentID(ctx, who), func(target string, version int64) (*changed[api.Agent], error) {
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
		return s.changedAgent(s.Broker.UpdateAgent(ctx, who, target, spec, version))
	})
}

func (s *server) deleteAgent(ctx context.Context, who rolebroker.Caller, in *deleteAgent) (*struct{}, error) {
	return guarded(in.IfMatch, in.Agent, s.agentID(ctx, who), func(target string, version int64) (*struct{}, error) {
		return nil, s.Broker.DeleteAgent(ctx, who, target, version)
	})
}

// agentID finds out which agent has a name now.
func (s *server) agentID(ctx context.Context, who rolebroker.Caller) func(string) (string, error) {
	return func(nameOrID string) (string, error) {
		stored, err := s.Broker.Agent(ctx, who, nameOrID)
		if err != nil {
			return "", err
		}
		return string(stored.ID), nil
	}
}

func (s *server) connect(ctx context.Context, who rolebroker.Caller, in *inConnection) (*changed[api.Agent], error) {
	return s.changedAgent(s.Broker.Connect(ctx, who, in.Agent, in.Integration))
}

func (s *server) disconnect(ctx context.Context, who rolebroker.Caller, in *inConnection) (*struct{}, error) {
	_, err := s.Broker.Disconnect(ctx, who, in.Agent, in.Integration)
	return nil, err
}

func (s *server) changedAgent(stored *rolebroker.Agent, err error) (*changed[api.Agent], error) {
	if err != nil {
		return nil, err
	}
	shown := convert.Agent(stored)
	return &changed[api.Agent]{shown.ETag(), shown}, nil
}

// agentOf is what a request says of an agent, and what of it cannot be meant.
func agentOf(req api.AgentRequest) (spec broker.AgentSpec, wrong []rolebroker.Field) {
	spec = broker.AgentSpec{
		Name:               req.Name,
		Description:        req.Description,
		Disabled:           req.Disabled,
		DefaultIntegration: req.DefaultIntegration,
	}
	if req.Connections == nil {
		return spec, nil
	}
	connections := []string{}
	for i, c := range *req.Connections {
		if c.Integration == "" {
			wrong = append(wrong, rolebroker.Field{Path: "connections[" + strconv.Itoa(i) + "].integration",
				Message: "is required: the name or ID of an integration"})
		}
		connections = append(connections, c.Integration)
	}
	spec.Connections = &connections
	return spec, wrong
}

// checkSpec checks what of an agent can be checked without its connections.
func checkSpec(spec broker.AgentSpec) func() error {
	return (&rolebroker.Agent{Name: spec.Name, Description: spec.Description}).Check
}
