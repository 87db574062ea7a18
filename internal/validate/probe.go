package validate

import (
	"context"
	"crypto/rand"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// sessionName is the session name of a validation in CloudTrail. No agent and no task can have this name.
const sessionName = "rolebroker=validation"

// denyEverything is the session policy of every validation: the credentials are good for nothing.
const denyEverything = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

// probe tries one role.
type probe struct {
	*batch
	index    int
	role     rolebroker.Role
	patience time.Duration // how long it may still be tried again
	pause    time.Duration // before the next try
	before   state         // after the last try
	unclear  *answer       // a call that got no answer while the cause was looked for; nil if every call got one
}

// state is what a try found out about a role.
type state int

const (
	untried   state = iota
	unsettled       // refused, or open to others: IAM may not have spread a change yet
	settled
)

func newProbe(b *batch, index int, role rolebroker.Role) *probe {
	p := &probe{batch: b, index: index, role: role, patience: b.patience, pause: firstPause}
	if b.Impatient {
		p.patience = 0
	}
	return p
}

// answer is the result of one call to STS.
type answer struct {
	requestID string
	refusal   *rolebroker.Refusal // nil: the role was assumed
	ended     bool                // the call was not made, since ctx had ended
}

func (a answer) ok() bool { return a.refusal == nil }

func (a answer) is(kind rolebroker.RefusalKind) bool {
	return a.refusal != nil && a.refusal.Kind == kind
}

func (a answer) temporary() bool { return a.refusal != nil && a.refusal.Kind.Temporary() }

// turn tries the role, unless its outcome is certain without that. again is the time until the role has to be tried
// once more; 0 if v is final.
func (p *probe) turn(ctx context.Context) (v rolebroker.Validation, again time.Duration) {
	defer func() {
		if caught := recover(); caught != nil { // no HTTP handler is there to contain it
			p.log.ErrorContext(ctx, "validating a role caused a panic", "arn", p.role.ARN, "panic", caught, "stack",
				string(debug.Stack()))
			v, again = p.notChecked(), 0
		}
	}()
	if v, certain := p.withoutAsking(); certain {
		return v, 0
	}
	v, final := p.round(ctx, p.pause > p.patience)
	if final {
		return v, 0
	}
	again = p.pause
	p.patience -= p.pause
	p.pause *= 2
	return v, again
}

// round tries the role once. The outcome is not final if a later try may find out more, unless this is the last one.
func (p *probe) round(ctx context.Context, last bool) (v rolebroker.Validation, final bool) {
	call := p.assumption()
	answers := p.together(ctx, call, withExternalID(call, ""), withExternalID(call, otherExternalID()))
	a, open := answers[0], opening{without: answers[1], wrong: answers[2]}
	was := p.before
	switch {
	case ctx.Err() != nil || slices.ContainsFunc(answers, func(a answer) bool { return a.ended }):
		return p.notChecked(), true
	case a.ok() && open.isAnswered():
		// IAM may still be spreading a change of who can assume the role: a role that was refused just now, or that is
		// open to others, is tried twice.
		p.before = settled
		if open.isOpen() {
			p.before = unsettled
		}
		v, certain := p.assumed(ctx, a, open)
		repeated := p.before == settled && was != unsettled || p.before == unsettled && was == unsettled
		return v, last || certain && repeated
	case a.ok():
		return p.assumedButUnclear(open.unanswered(), "whether also without the external ID"), last
	case a.temporary():
		return p.unanswered(a), last
	case a.is(rolebroker.RefusedDenied) && !last:
		p.before = unsettled
		return rolebroker.Validation{}, false
	}
	p.unclear = nil
	v = p.refused(ctx, a, open)
	if ctx.Err() != nil {
		return p.notChecked(), true
	}
	return v, last || v.Status != rolebroker.StatusUnknown
}

// assumption is the call that lending makes, with a session policy that denies everything.
func (p *probe) assumption() rolebroker.Assumption {
	a, _ := p.Integration.Assumption(&p.role, sessionName, "") // without a task it has no error
	a.Policy = denyEverything
	return a
}

// A call with one thing changed.

func withExternalID(call rolebroker.Assumption, externalID string) rolebroker.Assumption {
	call.ExternalID = externalID
	return call
}

func withDuration(call rolebroker.Assumption, d time.Duration) rolebroker.Assumption {
	call.Duration = d
	return call
}

func withoutTags(call rolebroker.Assumption) rolebroker.Assumption {
	call.Tags = rolebroker.Tags{}
	return call
}

func withoutSourceIdentity(call rolebroker.Assumption) rolebroker.Assumption {
	call.SourceIdentity = ""
	return call
}

// otherExternalID is an external ID as another integration might have it.
func otherExternalID() string { return "rolebroker-" + strings.ToLower(rand.Text()) }

// together makes the calls at the same time.
func (p *probe) together(ctx context.Context, calls ...rolebroker.Assumption) []answer {
	answers := make([]answer, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { answers[i] = p.try(ctx, call) })
	}
	all.Wait()
	return answers
}

// try makes one call to STS, within the rate.
func (p *probe) try(ctx context.Context, a rolebroker.Assumption) answer {
	if err := p.limiter.Wait(ctx); err != nil {
		return answer{refusal: refusalOf(err), ended: true}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	assumed, err := p.sts.Try(ctx, a)
	if err == nil {
		return answer{requestID: assumed.RequestID}
	}
	refusal := refusalOf(err)
	level := slog.LevelDebug
	if refusal.Kind.Temporary() {
		level = slog.LevelWarn
	}
	p.log.Log(ctx, level, "validation: STS gave no credentials", "arn", a.ARN, "region", a.Region,
		"reason", refusal, "cause", refusal.Cause)
	return answer{requestID: refusal.RequestID, refusal: refusal}
}

// search is try for a call that may reveal the cause of a refusal. It remembers that there was no answer.
func (p *probe) search(ctx context.Context, a rolebroker.Assumption) answer {
	b := p.try(ctx, a)
	if b.temporary() {
		p.unclear = &b
	}
	return b
}

// opening is what STS answered to calls without the external ID and with a wrong one.
type opening struct{ without, wrong answer }

func (o opening) isAnswered() bool { return !o.without.temporary() && !o.wrong.temporary() }

// unanswered is the call that got no answer.
func (o opening) unanswered() answer {
	if o.without.temporary() {
		return o.without
	}
	return o.wrong
}

func (o opening) isOpen() bool { return o.without.ok() || o.wrong.ok() }
