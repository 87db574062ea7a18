package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// externalIDs are the methods of the broker for reserved external IDs.
type externalIDs interface {
	ReserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error)
	Reservation(ctx context.Context, who rolebroker.Caller,
		id rolebroker.ReservationID) (*rolebroker.Reservation, error)
	ReleaseExternalID(ctx context.Context, who rolebroker.Caller, id rolebroker.ReservationID) error
}

type (
	inExternalID struct {
		ID string `path:"id" doc:"The ID of the reservation, rather than the external ID." example:"ext_6ycq7w3kd2mzt4hnx5vpjb8rqa"`
	}
	externalIDAnswer struct {
		Body api.ExternalID
	}
)

func (s *server) reserveExternalID(ctx context.Context, who rolebroker.Caller, _ *struct{}) (
	*made[api.ExternalID], error) {
	reserved, err := s.Broker.ReserveExternalID(ctx, who)
	if err != nil {
		return nil, err
	}
	return &made[api.ExternalID]{"/api/v1/external-ids/" + string(reserved.ID), convert.ExternalID(reserved)}, nil
}

func (s *server) getExternalID(ctx context.Context, who rolebroker.Caller, in *inExternalID) (
	*externalIDAnswer, error) {
	reserved, err := s.Broker.Reservation(ctx, who, rolebroker.ReservationID(in.ID))
	if err != nil {
		return nil, err
	}
	return &externalIDAnswer{convert.ExternalID(reserved)}, nil
}

func (s *server) releaseExternalID(ctx context.Context, who rolebroker.Caller, in *inExternalID) (*struct{}, error) {
	return nil, s.Broker.ReleaseExternalID(ctx, who, rolebroker.ReservationID(in.ID))
}
