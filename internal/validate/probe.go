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
	probe     rolebroker.Probe // empty: the call that lending makes
	requestID string
	refusal   *rolebroker.Refusal // nil: the role was assumed
	ended     bool                // the call was not made, since ctx had ended
}

// as is the answer to a probe.
func (a answer) as(probe rolebroker.Probe) answer {
	a.probe = probe
	return a
}

func (a answer) ok() bool { return a.refusal == nil }

func (a answer) is(kind rolebroker.RefusalKind) bool {
	return a.refusal != nil && a.refusal.Kind == kind
}

func (a answer) temporary() bool { return a.refusal != nil && a.refusal.Kind.Temporary() }

// turn tries the role, unless its outcome is certain without that. again is the time until the role has to be tried
// once more; 0 if f is final.
func (p *probe) turn(ctx context.Context) (f rolebroker.Finding, again time.Duration) {
	defer func() {
		if caught := recover(); caught != nil { // no HTTP handler is there to contain it
			p.log.ErrorContext(ctx, "validating a role caused a panic", "arn", p.role.ARN, "panic", caught, "stack",
				string(debug.Stack()))
			f, again = p.notChecked(), 0
		}
	}()
	if f, certain := p.withoutAsking(); certain {
		return f, 0
	}
	f, final := p.round(ctx, p.pause > p.patience)
	if final {
		return f, 0
	}
	again = p.pause
	p.patience -= p.pause
	p.pause *= 2
	return f, again
}

// round tries the role once. The outcome is not final if a later try may find out more, unless this is the last one.
func (p *probe) round(ctx context.Context, last bool) (f rolebroker.Finding, final bool) {
	call := p.assumption()
	calls := []rolebroker.Assumption{call, withExternalID(call, ""), withExternalID(call, otherExternalID())}
	if !p.Integration.SourceIdentity {
		calls = append(calls, withSourceIdentity(call))
	}
	answers := p.together(ctx, calls...)
	a, more := answers[0], extra{without: answers[1].as(rolebroker.ProbeNoExternalID),
		wrong: answers[2].as(rolebroker.ProbeWrongExternalID)}
	if len(answers) > atOnce-1 {
		more.named = answers[atOnce-1].as(rolebroker.ProbeSourceIdentity)
	}
	was := p.before
	switch {
	case ctx.Err() != nil || slices.ContainsFunc(answers, func(a answer) bool { return a.ended }):
		return p.notChecked(), true
	case a.ok() && more.isAnswered():
		// IAM may still be spreading a change of who can assume the role: a role that was refused just now, or that is
		// open to others, is tried twice.
		p.before = settled
		if more.isOpen() || more.lacksSourceIdentity() {
			p.before = unsettled
		}
		f, certain := p.assumed(ctx, a, more)
		repeated := p.before == settled && was != unsettled || p.before == unsettled && was == unsettled
		return f, last || certain && repeated
	case a.ok():
		return p.assumedButUnclear(more.unanswered()), last
	case a.temporary():
		return p.unanswered(a), last
	case a.is(rolebroker.RefusedDenied) && !last:
		p.before = unsettled
		return rolebroker.Finding{}, false
	}
	p.unclear = nil
	f = p.refused(ctx, a, more)
	if ctx.Err() != nil {
		return p.notChecked(), true
	}
	return f, last || f.Status(&p.Integration, false) != rolebroker.StatusUnknown
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

// withSourceIdentity has the source identity that no agent and no task can have.
func withSourceIdentity(call rolebroker.Assumption) rolebroker.Assumption {
	call.SourceIdentity = sessionName
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

// extra is what STS answered to the calls that are made beside the one of lending.
type extra struct {
	without, wrong answer // without the external ID, and with a wrong one
	named          answer // with a source identity; zero if the integration's calls have one anyway
}

func (e extra) all() []answer { return []answer{e.without, e.wrong, e.named} }

func (e extra) isAnswered() bool { return !slices.ContainsFunc(e.all(), answer.temporary) }

// unanswered is the first call that got no answer.
func (e extra) unanswered() answer {
	all := e.all()
	return all[max(slices.IndexFunc(all, answer.temporary), 0)]
}

func (e extra) isOpen() bool { return e.without.ok() || e.wrong.ok() }

// lacksSourceIdentity reports whether the role was refused only because of the source identity.
func (e extra) lacksSourceIdentity() bool { return e.named.is(rolebroker.RefusedDenied) }
