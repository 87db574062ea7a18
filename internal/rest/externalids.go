package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

type reservedExternalID struct {
	Body api.ExternalID
}

func (s *server) reserveExternalID(ctx context.Context, who rolebroker.Caller, _ *struct{}) (*reservedExternalID, error) {
	id, err := s.Broker.ReserveExternalID(ctx, who)
	if err != nil {
		return nil, err
	}
	return &reservedExternalID{api.ExternalID{ExternalID: id}}, nil
}
