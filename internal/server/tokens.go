package server

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/gateway"
)

// tokens signs requests that others send for agents. It is the containercreds.Tokens of a server.
type tokens struct{ gateway *gateway.Gateway }

// AWSToken signs one, records it, and hands it out.
func (t tokens) AWSToken(ctx context.Context, who rolebroker.Caller, ask api.AWSTokenRequest) (api.AWSToken, error) {
	what, err := convert.FromAWSTokenRequest(ask)
	if err != nil {
		return api.AWSToken{}, err
	}
	made, err := t.gateway.Token(ctx, who, what)
	if err != nil {
		return api.AWSToken{}, err
	}
	return convert.AWSToken(made), nil
}
