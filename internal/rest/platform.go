package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// platform is the method of the broker that describes the deployment.
type platform interface {
	Platform(ctx context.Context, who rolebroker.Caller) (*broker.Platform, error)
}

type platformAnswer struct {
	Body api.Platform
}

func (s *server) getPlatform(ctx context.Context, who rolebroker.Caller, _ *struct{}) (*platformAnswer, error) {
	p, err := s.Broker.Platform(ctx, who)
	if err != nil {
		return nil, err
	}
	shown := api.Platform{
		Account:   p.Account,
		ARN:       p.ARN,
		UserID:    p.UserID,
		Version:   s.Version,
		AuditKeys: append([]string{}, p.AuditKeys...),
		Features:  append([]string{}, s.Features...),
	}
	if p.Err != nil {
		s.logCause(ctx, "get-platform", p.Err)
		shown.IdentityError = rolebroker.AsError(p.Err).Error()
	}
	return &platformAnswer{shown}, nil
}
