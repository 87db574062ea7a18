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

// sessionName is whom CloudTrail shows for a validation. No agent and no task
// can be called that.
const sessionName = "rolebroker=validation"

// denyEverything is the session policy of every validation.
const denyEverything = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`

// probe tries one role.
type probe struct {
	*work
	index    int
	role     rolebroker.Role
	patience time.Duration // for how long it may still be tried again
	pause    time.Duration // until the next time
	before   before        // what came of the last time
	doubt    *answer       // a call that got no answer while the cause was looked for; nil: all did
}

// before is what a role was when it was last tried.
type before int

const (
	untried   before = iota
	unsettled        // refused, or open to others: IAM may not have spread a change yet
	settled
)

func newProbe(w *work, index int, role rolebroker.Role) *probe {
	p := &probe{work: w, index: index, role: role, patience: w.patience, pause: firstPause}
	if w.Impatient {
		p.patience = 0
	}
	return p
}

// answer is what came of one call: credentials were given, or why not.
type answer struct {
	requestID string
	refusal   *rolebroker.Refusal // nil: the role was assumed
	ended     bool                // the call was not made: time had run out
}

func (a answer) ok() bool { return a.refusal == nil }

func (a answer) is(kind rolebroker.RefusalKind) bool {
	return a.refusal != nil && a.refusal.Kind == kind
}

func (a answer) temporary() bool { return a.refusal != nil && a.refusal.Kind.Temporary() }

// turn is what can be said of the role without asking, or what comes of trying
// it; again is after how long it is to be tried once more, 0 when that is it.
func (p *probe) turn(ctx context.Context) (v rolebroker.Validation, again time.Duration) {
	defer func() {
		if caught := recover(); caught != nil { // no request is there to contain it
			p.log.ErrorContext(ctx, "validating a role caused a panic", "arn", p.role.ARN, "panic", caught, "stack", string(debug.Stack()))
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

// round tries the role, and says what came of it. It is not final when more
// may come of it later, unless this is the last time.
func (p *probe) round(ctx context.Context, last bool) (v rolebroker.Validation, final bool) {
	ours := p.assumption()
	answers := p.together(ctx, ours, without(ours), withWrong(ours))
	a, open := answers[0], opening{without: answers[1], wrong: answers[2]}
	was := p.before
	switch {
	case ctx.Err() != nil || slices.ContainsFunc(answers, func(a answer) bool { return a.ended }):
		return p.notChecked(), true
	case a.ok() && !open.unclear():
		// What others cannot do, or can, may be about to change: a role that was
		// refused just now, or is open, is looked at twice.
		p.before = settled
		if open.isOpen() {
			p.before = unsettled
		}
		v, certain := p.assumed(ctx, a, open)
		return v, last || certain && (p.before == settled && was != unsettled || p.before == unsettled && was == unsettled)
	case a.ok():
		return p.unclear(open), last
	case a.temporary():
		return p.unanswered(a), last
	case a.is(rolebroker.RefusedDenied) && !last:
		p.before = unsettled
		return rolebroker.Validation{}, false
	}
	p.doubt = nil
	v = p.explain(ctx, a, open)
	if ctx.Err() != nil {
		return p.notChecked(), true
	}
	return v, last || v.Status != rolebroker.StatusUnknown
}

// assumption is the call that lending makes, but for what it is good for.
func (p *probe) assumption() rolebroker.Assumption {
	a := rolebroker.Assumption{
		ARN: p.role.ARN, Region: p.role.Region, SessionName: sessionName, ExternalID: p.Integration.ExternalID,
		Duration: p.role.Duration(), Policy: denyEverything,
	}
	if p.Integration.SourceIdentity {
		a.SourceIdentity = sessionName
	}
	if p.Integration.SessionTags {
		a.Tags = rolebroker.Tags{Agent: sessionName, Integration: p.Integration.Name, Role: p.role.Name}
	}
	return a
}

// The same with one thing changed.

func without(a rolebroker.Assumption) rolebroker.Assumption { a.ExternalID = ""; return a }

func withWrong(a rolebroker.Assumption) rolebroker.Assumption {
	return with(a, "rolebroker-"+strings.ToLower(rand.Text())) // as one of another integration
}

func with(a rolebroker.Assumption, externalID string) rolebroker.Assumption {
	a.ExternalID = externalID
	return a
}

func untagged(a rolebroker.Assumption) rolebroker.Assumption {
	a.Tags = rolebroker.Tags{}
	return a
}

func anonymous(a rolebroker.Assumption) rolebroker.Assumption { a.SourceIdentity = ""; return a }

func lasting(a rolebroker.Assumption, d time.Duration) rolebroker.Assumption {
	a.Duration = d
	return a
}

// together makes several calls at once.
func (p *probe) together(ctx context.Context, calls ...rolebroker.Assumption) []answer {
	answers := make([]answer, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { answers[i] = p.try(ctx, call) })
	}
	all.Wait()
	return answers
}

// try makes one call to STS, when its turn has come.
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
	p.log.Log(ctx, level, "validation: STS gave no credentials", "arn", a.ARN, "region", a.Region, "reason", refusal, "cause", refusal.Cause)
	return answer{requestID: refusal.RequestID, refusal: refusal}
}

// search is try for what may be the cause; that it got no answer is remembered.
func (p *probe) search(ctx context.Context, a rolebroker.Assumption) answer {
	b := p.try(ctx, a)
	if b.temporary() {
		p.doubt = &b
	}
	return b
}

// opening is what STS said to those who do not know the external ID.
type opening struct{ without, wrong answer }

// unclear says that one of them got no answer.
func (o opening) unclear() bool { return o.without.temporary() || o.wrong.temporary() }

func (o opening) isOpen() bool { return o.without.ok() || o.wrong.ok() }
