package runner

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// tokens passes requests for AWS tokens on to the server, which signs for the roles that the platform assumes. It is
// the containercreds.Tokens of a runner.
type tokens struct {
	lender *lender
	platform
}

// AWSToken asks the server with the agent's own token.
func (t tokens) AWSToken(ctx context.Context, who rolebroker.Caller, ask api.AWSTokenRequest) (api.AWSToken, error) {
	grant, err := again(t.lender.record, func() (rolebroker.Grant, error) {
		return t.lender.cluster.Resolve(ctx, who, ask.Role)
	})
	if err != nil {
		return api.AWSToken{}, err
	}
	const lent = "an SDK in the cluster makes it itself, as aws eks get-token and aws rds generate-db-auth-token do, " +
		"if the agent is lent the keys of the role"
	switch {
	case grant.Integration.AssumptionMode != rolebroker.ModePlatform:
		return api.AWSToken{}, rolebroker.Errorf(rolebroker.CodeDenied,
			"the roles of integration %s are assumed in the cluster, and the runner makes no AWS tokens",
			grant.Integration.Name).WithHint(lent)
	case isBound(who):
		return api.AWSToken{}, rolebroker.Errorf(rolebroker.CodeDenied,
			"the agent is known by its service account, for which the runner gets no AWS tokens").
			WithHint("use an agent token in ROLEBROKER_TOKEN; or " + lent)
	}
	if err := t.link.down(); err != nil {
		return api.AWSToken{}, err
	}
	c, err := t.as(who)
	if err != nil {
		return api.AWSToken{}, err
	}
	ask.Role = grant.Reference()
	return c.AWSToken(ctx, ask)
}
