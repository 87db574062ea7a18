package gateway

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// approvalWait is how long a call waits for a person. The SDK for Java gives up after 30 seconds without an answer, the
// AWS CLI and boto3 after 60, and then they would send the call again.
//
// Source: AWS SDK for Java 2.x, "Timeouts" (socket timeout); botocore, Config.read_timeout.
const approvalWait = 25 * time.Second

// needApproval reports whether a person has to approve a call of an agent with a role.
func (g *Gateway) needApproval(
	ctx context.Context, agent rolebroker.AgentID, role string, asked *rolebroker.AskedCall,
) (bool, error) {
	grants, err := g.Lender.Grants(ctx, agent)
	if err != nil {
		return false, err
	}
	grant, err := grants.Resolve(role)
	return err == nil && grant.NeedsApprovalOf(asked), err
}

// approve finds the approval of a call, where it needs one. waited reports whether people may have been asked.
func (c *call) approve() (waited bool, err error) {
	asked := c.about.Asked()
	asked.Resources = rolebroker.BoundResources(c.asks.Resources) // also if the record has none
	needs, err := c.gateway.needApproval(c.r.Context(), c.key.Agent, c.key.Reference(), asked)
	if err != nil || !needs {
		return false, err
	}
	guard.Patient(c.r.Context())
	before := time.Now()
	c.about.AccessRequest, err = c.gateway.Approver.MayCall(c.r.Context(), c.caller(), c.request(), asked, approvalWait)
	c.waited = time.Since(before)
	return true, err
}
