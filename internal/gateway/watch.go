package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
)

// checkEvery is how often a call under way is asked about again. A download of hours must not outlive the permission
// for it.
const checkEvery = 500 * time.Millisecond

// watch ends the call once the agent may no longer use the loan: the context of the request then ends, with the refusal
// as its cause. Calls that take less than checkEvery cost a timer that never fires. stop ends the watch.
func (c *call) watch(loan *rolebroker.Loan) (stop func()) {
	ctx, cancel := context.WithCancelCause(c.r.Context())
	c.r = c.r.WithContext(ctx)
	var timer *time.Timer
	ready := make(chan struct{}) // timer is set
	timer = time.AfterFunc(checkEvery, func() {
		<-ready
		if ctx.Err() != nil {
			return
		}
		if err := c.gateway.Lender.Holds(ctx, c.caller(), c.request(), loan); err != nil {
			cancel(err)
			c.interrupt()
			return
		}
		timer.Reset(checkEvery)
	})
	close(ready)
	return func() {
		cancel(nil)
		timer.Stop()
	}
}

// interrupt wakes what waits for the agent. An answer that has begun is cut off; one that has not is the refusal.
func (c *call) interrupt() {
	c.gateway.Log.Info("ended a call under way", "service", c.service.Name, "agent", c.key.Agent,
		"reason", context.Cause(c.r.Context()))
	control, now := http.NewResponseController(c.w), time.Now()
	_ = control.SetReadDeadline(now) // a connection without deadlines has nothing that waits
	if c.answering.Load() {
		_ = control.SetWriteDeadline(now)
	}
}

// ended is why the call was ended while it was under way; nil: it was not.
func (c *call) ended() error {
	if refused, ok := errors.AsType[*rolebroker.Error](context.Cause(c.r.Context())); ok {
		return refused
	}
	return nil
}
