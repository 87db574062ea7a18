package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// bindings are the methods of the broker for service accounts that are agents.
type bindings interface {
	Bindings(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error)
	Bind(ctx context.Context, who rolebroker.Caller, agent string, account rolebroker.ServiceAccount,
		labels rolebroker.Labels) (*rolebroker.Token, error)
	Unbind(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error
}

type (
	listBindings struct {
		InAgent
		Paging
	}
	createBinding struct {
		InAgent
		Body body[api.BindingRequest]
	}
	inBinding struct {
		InAgent
		ID string `path:"id" doc:"The binding's ID." example:"bnd_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	}
)

func (s *server) listBindings(ctx context.Context, who rolebroker.Caller, in *listBindings) (
	*listAnswer[api.Binding], error) {
	return list(in.Paging, tokensByID("bnd_"), convert.Binding, func(page rolebroker.Page) ([]rolebroker.Token, error) {
		return s.Broker.Bindings(ctx, who, in.Agent, page)
	})
}

func (s *server) createBinding(ctx context.Context, who rolebroker.Caller, in *createBinding) (
	*made[api.Binding], error) {
	req := in.Body.value
	bound, err := s.Broker.Bind(ctx, who, in.Agent,
		rolebroker.ServiceAccount{Issuer: req.Issuer, Namespace: req.Namespace,
			Name: req.ServiceAccount}, req.Labels)
	if err != nil {
		return nil, err
	}
	return &made[api.Binding]{
		Location: "/api/v1/agents/" + string(bound.Agent) + "/bindings/" + string(bound.ID),
		Body:     convert.Binding(bound),
	}, nil
}

func (s *server) deleteBinding(ctx context.Context, who rolebroker.Caller, in *inBinding) (*struct{}, error) {
	return nil, s.Broker.Unbind(ctx, who, in.Agent, rolebroker.TokenID(in.ID))
}
