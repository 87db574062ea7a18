package runner

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// confirmer asks the server again about agents after a change, while the server
// answers. Without it, an outage would refuse the agents that a change concerned and
// that asked for nothing between the two.
type confirmer struct {
	identifier *identifier
	cluster    *lend.Lender
	streaming  func() bool   // the server is connected; after it was not, everything has changed
	changed    chan struct{} // has an element after a change
}

const (
	confirmAtOnce = 8           // how many agents are asked about at a time
	confirmRetry  = time.Second // after the server did not answer about one
)

// onChange is called with every change, after what it concerns was forgotten.
func (c *confirmer) onChange(rolebroker.Change) {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// run asks after every change, until ctx ends.
func (c *confirmer) run(ctx context.Context) {
	for {
		select {
		case <-c.changed:
		case <-ctx.Done():
			return
		}
		for rolebroker.IsOutage(c.confirm(ctx)) && c.streaming() && pause(ctx, confirmRetry) {
		}
	}
}

// confirm asks about the agents of which something was forgotten. It returns an error
// that says that the server could not answer about one, if so.
func (c *confirmer) confirm(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(confirmAtOnce)
	for key, known := range c.identifier.recent() {
		group.Go(func() (err error) {
			who := known.caller
			if known.stale {
				who, err = c.identifier.confirm(ctx, key, known)
			}
			if err == nil {
				err = c.cluster.Prepare(ctx, who)
			}
			if rolebroker.IsOutage(err) {
				return err
			}
			return nil
		})
	}
	return group.Wait()
}
