package lend

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// gatewayKeyLifetime is how long a key for the gateway works at most. SDKs fetch another when less than 15 (botocore) or
// 5 minutes are left, and no sooner, whatever the gateway answers. So this is how soon a process outside of exec goes on
// after its key was ended, because the agent's token was replaced for one. With less than 15 minutes botocore would ask
// for each request.
const gatewayKeyLifetime = 16 * time.Minute

// Gateway makes the keys of agents that are lent no AWS keys.
type Gateway interface {
	Make(rolebroker.GatewayKey) rolebroker.Credentials
}

// servesTo returns nil for a role that is assumed here, and for the key to sign with at the gateway of the runner that
// assumes it. Codes: denied, stale (the keys of the role are not withheld any more).
func (l *Lender) servesTo(req rolebroker.Request, grant rolebroker.Grant) error {
	in := grant.Integration
	switch {
	case req.Runner == "":
		err := l.serves(in)
		if err != nil && req.Signing && !l.by.Runner && in.Runner != "" {
			return rolebroker.AsError(err).WithHint("the gateway of runner %s takes the requests: have rolebroker "+
				"exec ask that runner, with ROLEBROKER_URL; outside of exec, set AWS_ENDPOINT_URL to what "+
				"--gateway-listen of the runner names", in.RunnerName)
		}
		return err
	case in.AssumptionMode != rolebroker.ModeCluster || in.Runner != req.Runner:
		return rolebroker.Errorf(rolebroker.CodeStale, "the roles of integration %s are not assumed by this runner "+
			"any more", in.Name).WithHint("try again")
	case grant.Connection.Keys != rolebroker.KeysWithheld:
		return rolebroker.Errorf(rolebroker.CodeStale, "the AWS keys of role %s are not withheld any more",
			grant.Reference()).WithHint("try again")
	}
	return nil
}

// withhold returns a loan of keys that only the gateway knows. No session begins: that is when the gateway signs. Codes:
// denied (there is no gateway here).
func (l *Lender) withhold(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, key leaseKey, grant rolebroker.Grant,
) (*rolebroker.Loan, error) {
	if l.gateway == nil {
		return nil, l.refused(ctx, who, req, grant, rolebroker.Errorf(rolebroker.CodeDenied,
			"the AWS keys of role %s are withheld from agent %s, and %s has no gateway", grant.Reference(), key.agentName, l.by).
			WithHint("an administrator can start the server with --gateway-key, or lend the keys: rolebroker agent "+
				"connect %s %s --keys lent", key.agentName, grant.Integration.Name))
	}
	expires := key.earlier(l.now().Add(gatewayKeyLifetime).Truncate(time.Second).UTC())
	made := l.gateway.Make(rolebroker.GatewayKey{Agent: who.Agent, Token: who.Token, Integration: grant.Integration.ID,
		Role: grant.Role.ID, Task: req.Task, Access: req.Access, Generation: grant.Role.KeyGeneration, Expires: expires})
	made.Expires = expires
	role := *grant.Role
	l.metrics.lent.Inc()
	return &rolebroker.Loan{Role: role, Credentials: made, Access: key.access, Keys: rolebroker.KeysWithheld}, nil
}

// checkKey refuses a key for the gateway from before lending of the role to the agent ended: who has stolen it must not
// have the role again when the agent has. A server that does not know yet that it ended may see a key from afterwards.
// Codes: expired.
func checkKey(req rolebroker.Request, grant rolebroker.Grant) error {
	if !req.Signing || req.KeyGeneration >= grant.Role.KeyGeneration {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeExpired, "the keys are from before lending of role %s to the agent was ended",
		grant.Reference()).WithHint("fetch new ones; SDKs and rolebroker exec do so by themselves")
}
