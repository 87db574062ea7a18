package runner

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/problem"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// callRecords has the server keep the records of calls.
type callRecords struct {
	record *record
	log    *slog.Logger
	lost   *prometheus.Counter
}

func newCallRecords(r *record, opts Options) callRecords {
	return callRecords{r, opts.Log, opts.Metrics.Counter("rolebroker_calls_not_taken_total",
		"Records of calls that the server did not take.")}
}

// callsAtOnce bounds the calls in one report. The server takes 8 MiB, and JSON writes a byte of a resource as six.
const callsAtOnce = 100

// RecordCalls records calls at the server, which decides once more about a call that is about to be sent and may change
// something: what it does not take is the error then. Codes: unavailable; those of a refusal.
func (c callRecords) RecordCalls(ctx context.Context, calls []rolebroker.Call) error {
	if _, waits := c.record.spool.first(); waits { // the server takes no call of a session that it does not know yet
		if err := c.record.deliver(ctx); err != nil {
			return c.record.explain(err)
		}
	}
	for some := range slices.Chunk(calls, callsAtOnce) {
		if err := c.send(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// send records calls. Recording the same again changes nothing.
func (c callRecords) send(ctx context.Context, calls []rolebroker.Call) error {
	answer, err := ask(ctx, c.record.link, func(ctx context.Context, server *client.Client) (api.RecordedCalls, error) {
		return server.RecordCalls(ctx, convert.All(calls, convert.RunnerCall))
	})
	if err != nil {
		return c.record.explain(tooOld(err))
	}
	begins := len(calls) == 1 && calls[0].Level.Changes() && calls[0].Outcome() == rolebroker.OutcomeUnknown
	for _, x := range answer.Refused {
		if begins {
			return problem.Refused(x.Refusal)
		}
		c.lost.Inc()
		c.log.ErrorContext(ctx, "the server does not take the record of a call", "call", x.ID,
			"reason", x.Refusal.Message)
	}
	return nil
}

// approver has the server decide about calls, where a person has to approve them.
type approver struct{ *lender }

// MayCall returns the approval under which an agent may make a call; empty if it needs none.
func (a approver) MayCall(ctx context.Context, who rolebroker.Caller, req rolebroker.Request,
	call *rolebroker.AskedCall, wait time.Duration) (rolebroker.AccessRequestID, error) {
	grant, err := a.cluster.Resolve(ctx, who, req.Role)
	if err != nil || !grant.NeedsApprovalOf(call) {
		return "", err
	}
	if err := a.record.link.down(); err != nil {
		return "", a.record.explain(err)
	}
	asked := rolebroker.Call{ID: rolebroker.NewCallID(a.record.now()), Agent: who.Agent, Token: who.Token,
		Address: who.Address, Integration: grant.Integration.ID, Role: grant.Role.ID, Task: req.Task,
		Service: call.Service, Operation: call.Operation, Actions: call.Actions, Region: call.Region,
		Resources: call.Resources, Level: call.Level}
	question := api.CallQuestion{Call: convert.RunnerCall(&asked), Access: string(req.Access),
		WaitSeconds: int64(wait / time.Second)}
	answer, err := attempt(ctx, a.record.link, func(ctx context.Context, c *client.Client) (api.CallApproval, error) {
		return c.ApproveCall(ctx, question)
	})
	switch {
	case err != nil:
		return "", a.record.explain(err)
	case answer.Refusal != nil:
		return "", refusalOf(answer.Refusal)
	}
	return rolebroker.AccessRequestID(answer.AccessRequest), nil
}
