package rest

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// tokens are the methods of the broker for agents' tokens.
type tokens interface {
	Tokens(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error)
	AgentToken(ctx context.Context, who rolebroker.Caller, agent string,
		id rolebroker.TokenID) (*rolebroker.Token, error)
	CreateToken(ctx context.Context, who rolebroker.Caller, agent string, spec broker.TokenSpec) (
		*rolebroker.Token, rolebroker.Secret, error)
	LabelToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID,
		label string) (*rolebroker.Token, error)
	RevokeToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error
}

type (
	listTokens struct {
		InAgent
		Paging
	}
	createToken struct {
		InAgent
		Body body[api.TokenRequest]
	}
	inToken struct {
		InAgent
		ID string `path:"id" doc:"The token's ID." example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
	}
	updateToken struct {
		InAgent
		ID   string `path:"id" doc:"The token's ID." example:"tok_2mzq7k4vprb5xw3tdn6hjc8ysa"`
		Body body[api.TokenUpdate]
	}
	tokenAnswer struct {
		Body api.Token
	}
)

func (s *server) listTokens(ctx context.Context, who rolebroker.Caller, in *listTokens) (
	*listAnswer[api.Token], error) {
	return list(in.Paging, tokensByID("tok_"), s.showToken, func(page rolebroker.Page) ([]rolebroker.Token, error) {
		return s.Broker.Tokens(ctx, who, in.Agent, page)
	})
}

// tokensByID is the order of tokens, or of bindings, by their prefix.
func tokensByID(prefix string) order[rolebroker.Token] {
	return byID(prefix, func(t *rolebroker.Token) string { return string(t.ID) })
}

func (s *server) showToken(t *rolebroker.Token) api.Token { return convert.Token(t, s.Now()) }

func (s *server) createToken(ctx context.Context, who rolebroker.Caller, in *createToken) (*made[api.NewToken], error) {
	req := in.Body.value
	expires, err := s.expiry(req.ExpiresIn, req.ExpiresAt)
	if err != nil {
		return nil, err
	}
	token, secret, err := s.Broker.CreateToken(ctx, who, in.Agent,
		broker.TokenSpec{Label: req.Label, ExpiresAt: expires, Token: rolebroker.NewSecret(req.Token.Reveal())})
	if err != nil {
		return nil, err
	}
	return &made[api.NewToken]{
		Location: "/api/v1/agents/" + string(token.Agent) + "/tokens/" + string(token.ID),
		Body:     convert.NewToken(token, secret),
	}, nil
}

func (s *server) getToken(ctx context.Context, who rolebroker.Caller, in *inToken) (*tokenAnswer, error) {
	token, err := s.Broker.AgentToken(ctx, who, in.Agent, rolebroker.TokenID(in.ID))
	if err != nil {
		return nil, err
	}
	return &tokenAnswer{s.showToken(token)}, nil
}

func (s *server) updateToken(ctx context.Context, who rolebroker.Caller, in *updateToken) (*tokenAnswer, error) {
	token, err := s.Broker.LabelToken(ctx, who, in.Agent, rolebroker.TokenID(in.ID), in.Body.value.Label)
	if err != nil {
		return nil, err
	}
	return &tokenAnswer{s.showToken(token)}, nil
}

func (s *server) revokeToken(ctx context.Context, who rolebroker.Caller, in *inToken) (*struct{}, error) {
	return nil, s.Broker.RevokeToken(ctx, who, in.Agent, rolebroker.TokenID(in.ID))
}

// expiry is the time at which a new token or key expires: the duration of in from
// now, or at; zero if neither is given. Codes: invalid (both are given, or the
// time has passed).
func (s *server) expiry(in string, at *time.Time) (time.Time, error) {
	switch {
	case in != "" && at != nil:
		return time.Time{}, invalid("expires_at", "cannot be given together with expires_in")
	case in != "":
		d, err := lifetime(in)
		if err != nil {
			return time.Time{}, invalid("expires_in", err.Error())
		}
		return s.Now().Add(d).UTC(), nil
	case at == nil:
		return time.Time{}, nil
	case !at.After(s.Now()):
		return time.Time{}, invalid("expires_at", "is not in the future")
	case at.UTC().Year() > 9999: // RFC 3339 has no later years
		return time.Time{}, invalid("expires_at", "is after the year 9999; leave it out for never")
	}
	return at.UTC(), nil
}

func lifetime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errors.New(rolebroker.Quote(s) + " is not a duration; expected one as in 720h or 90m")
	case d <= 0:
		return 0, errors.New(clip(s) + " is not in the future")
	}
	return d, nil
}
