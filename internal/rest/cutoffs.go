package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// cutOffs are the methods of the broker that cut agents off.
type cutOffs interface {
	CutOff(ctx context.Context, who rolebroker.Caller, nameOrID string, how broker.CuttingOff) (*rolebroker.CutOff, error)
	LastCutOff(ctx context.Context, who rolebroker.Caller, nameOrID, role string) (*rolebroker.CutOff, error)
	Lift(ctx context.Context, who rolebroker.Caller, nameOrID string, remove bool) (*rolebroker.Agent,
		*rolebroker.CutOff, error)
}

type (
	cutOffAgent struct {
		InAgent
		Body body[api.CutOffRequest]
	}
	getCutOff struct {
		InAgent
		Role string `query:"role" doc:"The last cut-off that concerns this role: its name, integration/role or ID." example:"production/deployer"`
	}
	cutOffAnswer struct {
		Body api.CutOff
	}
	enableAgent struct {
		InAgent
		Body *body[api.EnableRequest]
	}
	enabledAnswer struct {
		Body api.EnabledAgent
	}
)

func (s *server) cutOff(ctx context.Context, who rolebroker.Caller, in *cutOffAgent) (*cutOffAnswer, error) {
	how := broker.CuttingOff{Role: in.Body.value.Role, Reason: in.Body.value.Reason,
		Apply: in.Body.value.Apply}
	cut, err := s.Broker.CutOff(ctx, who, in.Agent, how)
	if err != nil {
		return nil, err
	}
	return &cutOffAnswer{convert.CutOff(cut)}, nil
}

func (s *server) getCutOff(ctx context.Context, who rolebroker.Caller, in *getCutOff) (*cutOffAnswer, error) {
	cut, err := s.Broker.LastCutOff(ctx, who, in.Agent, in.Role)
	if err != nil {
		return nil, err
	}
	return &cutOffAnswer{convert.CutOff(cut)}, nil
}

func (s *server) enableAgent(ctx context.Context, who rolebroker.Caller, in *enableAgent) (*enabledAnswer, error) {
	agent, cut, err := s.Broker.Lift(ctx, who, in.Agent, in.Body != nil && in.Body.value.Apply)
	if err != nil {
		return nil, err
	}
	return &enabledAnswer{convert.EnabledAgent(agent, cut)}, nil
}
