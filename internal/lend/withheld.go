package lend

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// gatewayKeyLifetime is how long a key for the gateway works at most.
const gatewayKeyLifetime = time.Hour

// Gateway makes the keys of agents that are lent no AWS keys.
type Gateway interface {
	Make(rolebroker.GatewayKey) rolebroker.Credentials
}

// withhold returns a loan of keys that only the gateway knows. No session begins: that is when the gateway signs. Codes:
// denied (there is no gateway here).
func (l *Lender) withhold(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, key leaseKey, grant rolebroker.Grant,
) (*rolebroker.Loan, error) {
	if l.gateway == nil {
		return nil, l.refused(ctx, who, req, grant, rolebroker.Errorf(rolebroker.CodeDenied,
			"the AWS keys of role %s are withheld from agent %s, and %s has no gateway", grant.Reference(), key.agentName, l.by).
			WithHint("an administrator can lend the keys: rolebroker agent connect %s %s --keys lent", key.agentName,
				grant.Integration.Name))
	}
	expires := key.earlier(l.now().Add(gatewayKeyLifetime).Truncate(time.Second).UTC())
	made := l.gateway.Make(rolebroker.GatewayKey{Agent: who.Agent, Token: who.Token, Integration: grant.Integration.ID,
		Role: grant.Role.ID, Task: req.Task, Access: req.Access, Expires: expires})
	made.Expires = expires
	role := *grant.Role
	l.metrics.lent.Inc()
	return &rolebroker.Loan{Role: role, Credentials: made, Access: key.access, Keys: rolebroker.KeysWithheld}, nil
}
