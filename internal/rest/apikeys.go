package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// apiKeys are the methods of the broker for keys to this API.
type apiKeys interface {
	APIKeys(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.APIKey, error)
	CreateAPIKey(ctx context.Context, who rolebroker.Caller, spec broker.APIKeySpec) (
		*rolebroker.APIKey, rolebroker.Secret, error)
	DeleteAPIKey(ctx context.Context, who rolebroker.Caller, id rolebroker.APIKeyID) error
}

type (
	listAPIKeys struct {
		Paging
	}
	createAPIKey struct {
		Body body[api.APIKeyRequest]
	}
	inAPIKey struct {
		ID string `path:"id" doc:"The key's ID." example:"key_5mzq7k4vprb2xw3tdn6hjc8ysa"`
	}
)

func (s *server) listAPIKeys(ctx context.Context, who rolebroker.Caller, in *listAPIKeys) (
	*listAnswer[api.APIKey], error) {
	order := byID("key_", func(k *rolebroker.APIKey) string { return string(k.ID) })
	show := func(k *rolebroker.APIKey) api.APIKey { return convert.APIKey(k, s.Now()) }
	return list(in.Paging, order, show, func(page rolebroker.Page) ([]rolebroker.APIKey, error) {
		return s.Broker.APIKeys(ctx, who, page)
	})
}

func (s *server) createAPIKey(ctx context.Context, who rolebroker.Caller, in *createAPIKey) (
	*made[api.NewAPIKey], error) {
	req := in.Body.value
	expires, err := s.expiry(req.ExpiresIn, req.ExpiresAt)
	if err != nil {
		return nil, err
	}
	key, secret, err := s.Broker.CreateAPIKey(ctx, who, broker.APIKeySpec{Name: req.Name,
		Access: rolebroker.KeyAccess(req.Access), ExpiresAt: expires, Owner: req.Owner})
	if err != nil {
		return nil, err
	}
	return &made[api.NewAPIKey]{
		Location: "/api/v1/api-keys/" + string(key.ID),
		Body:     convert.NewAPIKey(key, secret),
	}, nil
}

func (s *server) deleteAPIKey(ctx context.Context, who rolebroker.Caller, in *inAPIKey) (*struct{}, error) {
	return nil, s.Broker.DeleteAPIKey(ctx, who, rolebroker.APIKeyID(in.ID))
}
