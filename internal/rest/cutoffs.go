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
}

type (
	cutOffAgent struct {
		InAgent
		Body body[api.CutOffRequest]
	}
	cutOffAnswer struct {
		Body api.CutOff
	}
)

func (s *server) cutOff(ctx context.Context, who rolebroker.Caller, in *cutOffAgent) (*cutOffAnswer, error) {
	how := broker.CuttingOff{Role: in.Body.value.Role, Reason: in.Body.value.Reason}
	cut, err := s.Broker.CutOff(ctx, who, in.Agent, how)
	if err != nil {
		return nil, err
	}
	return &cutOffAnswer{convert.CutOff(cut)}, nil
}
