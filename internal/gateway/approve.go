package gateway

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/guard"
)

// approvalWait is how long a call waits for a person. The SDK for Java gives up after 30 seconds without an answer, the
// AWS CLI and boto3 after 60, and then they would send the call again.
//
// Source: AWS SDK for Java 2.x, "Timeouts" (socket timeout); botocore, Config.read_timeout.
const approvalWait = 25 * time.Second

// approve finds the approval of a call that may change something, where it needs one. waited reports whether people may
// have been asked.
func (c *call) approve() (waited bool, err error) {
	if !c.about.Level.Changes() {
		return false, nil
	}
	guard.Patient(c.r.Context())
	asked := c.about.Asked()
	asked.Resources = rolebroker.BoundResources(c.asks.Resources) // also if the record has none
	before := time.Now()
	c.about.AccessRequest, err = c.gateway.Approver.MayChange(c.r.Context(), c.caller(), c.request(), asked, approvalWait)
	c.waited = time.Since(before)
	return c.about.AccessRequest != "", err
}
