package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// MayCall returns the approval under which an agent may make a call; empty if it needs none. Where it lacks one, MayCall
// asks people once for each call and task, and waits at most so long. If there is no approval then, it also returns the question.
// Codes: denied (also: a person said no), expired, not_found, approval_required, throttled,
// unavailable (ctx ended).
func (b *Broker) MayCall(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, call *rolebroker.AskedCall, wait time.Duration,
) (rolebroker.AccessRequestID, *rolebroker.AccessRequest, error) {
	const action = rolebroker.ActionAccessRequestCreate
	if err := b.May(ctx, who, action); err != nil {
		return "", nil, err
	}
	approval, err := b.lender.MayCall(ctx, who, req, call)
	if rolebroker.CodeOf(err) != rolebroker.CodeApproval {
		return approval.ID, nil, err
	}
	changed, cancel := b.changesOf(who.Agent)
	defer cancel()
	asked, refused := b.askForCall(ctx, who, req, call, approval.ID)
	switch {
	case rolebroker.CodeOf(refused) == rolebroker.CodeThrottled: // a loop; what it asks is known already
		return "", nil, err
	case refused != nil:
		return "", nil, refused
	}
	end, err := b.asks.beginWait(who.Agent)
	if err != nil { // too many wait already: this one gets its answer now
		wait, end = 0, func() {}
	}
	defer end()
	waiting, stop := context.WithTimeout(ctx, wait)
	defer stop()
	return b.awaitApproval(waiting, who, req, call, asked, changed)
}

// awaitApproval asks after every change whether the call may be made, until waiting ends.
func (b *Broker) awaitApproval(waiting context.Context, who rolebroker.Caller, req rolebroker.Request,
	call *rolebroker.AskedCall, asked *rolebroker.AccessRequest, changed <-chan struct{},
) (rolebroker.AccessRequestID, *rolebroker.AccessRequest, error) {
	ctx := context.WithoutCancel(waiting)
	for {
		approval, err := b.lender.MayCall(ctx, who, req, call)
		if rolebroker.CodeOf(err) != rolebroker.CodeApproval {
			return approval.ID, nil, err
		}
		if approval.ID != asked.ID { // it was decided, or is over
			if asked, err = b.askForCall(ctx, who, req, call, approval.ID); err != nil {
				return "", nil, err
			}
		}
		if waiting.Err() != nil {
			if approval, err = b.lender.MayCall(ctx, who, req, call); err != nil {
				return "", asked, err
			}
			return approval.ID, nil, nil
		}
		next := asked.ExpiresAt.Sub(b.now())
		if !b.lender.HearsChanges() {
			next = min(next, deafInterval)
		}
		timer := time.NewTimer(max(next, time.Millisecond))
		select {
		case <-changed:
		case <-timer.C:
		case <-waiting.Done():
		}
		timer.Stop()
	}
}

// askForCall finds or makes the question about a call. pending is the one that waits; empty: none is known here. Codes:
// denied (a person said no, or ended the approval), throttled.
func (b *Broker) askForCall(ctx context.Context, who rolebroker.Caller, req rolebroker.Request,
	call *rolebroker.AskedCall, pending rolebroker.AccessRequestID,
) (*rolebroker.AccessRequest, error) {
	if pending != "" {
		return b.store.AccessRequest(ctx, pending)
	}
	asked, err := b.requestAccess(ctx, who, rolebroker.ActionAccessRequestCreate, AccessRequestSpec{Role: req.Role,
		Task: req.Task, Reason: reasonOf(call), call: call})
	if err != nil {
		return nil, err
	}
	switch asked.State(b.now()) {
	case rolebroker.RequestDenied:
		err = rolebroker.Errorf(rolebroker.CodeDenied, "%s denied access request %s: %s", rolebroker.Quote(asked.DecidedBy),
			asked.ID, asked.Note)
	case rolebroker.RequestEnded:
		err = rolebroker.Errorf(rolebroker.CodeDenied, "%s ended access request %s", rolebroker.Quote(asked.EndedBy),
			asked.ID)
	default:
		return asked, nil
	}
	return nil, rolebroker.AsError(err).WithSteps(asked.AskAgain())
}

// reasonOf is the reason of a question that a call asks by itself.
func reasonOf(call *rolebroker.AskedCall) string {
	reason := []rune("the agent gave no reason; its call is " + call.String())
	if len(reason) > rolebroker.MaxReason {
		reason = append(reason[:rolebroker.MaxReason-1], '…')
	}
	return string(reason)
}

// changesOf returns a channel that is told when something of an agent may have changed.
func (b *Broker) changesOf(agent rolebroker.AgentID) (changed <-chan struct{}, cancel func()) {
	told := make(chan struct{}, 1)
	cancel = b.lender.Subscribe(func(change rolebroker.Change) {
		if change.Validate == "" && (change.Agent == "" && change.Integration == "" || change.Agent == agent) {
			select {
			case told <- struct{}{}:
			default:
			}
		}
	})
	return told, cancel
}
