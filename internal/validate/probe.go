package validate

import (
	"context"
	"crypto/rand"
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

// maxEarlier is how many earlier external IDs are tried.
const maxEarlier = 3

// probe tries one role.
type probe struct {
	*work
	role rolebroker.Role
}

// answer is what came of one call: credentials were given, or why not.
type answer struct {
	requestID string
	refusal   *rolebroker.Refusal // nil: the role was assumed
}

func (a answer) ok() bool { return a.refusal == nil }

func (a answer) is(kind rolebroker.RefusalKind) bool {
	return a.refusal != nil && a.refusal.Kind == kind
}

func (a answer) temporary() bool { return a.refusal != nil && a.refusal.Kind.Temporary() }

// run is the whole of it: what can be said without asking, then what STS says,
// again while that may pass, then why.
func (p *probe) run(ctx context.Context) rolebroker.Validation {
	if v, certain := p.withoutAsking(); certain {
		return v
	}
	patience := p.patience
	if p.Impatient {
		patience = 0
	}
	for pause := firstPause; ; pause *= 2 {
		v, final := p.round(ctx, pause > patience)
		if final {
			return v
		}
		if !sleep(ctx, pause) {
			return p.notChecked()
		}
		patience -= pause
	}
}

// round tries the role, and says what came of it. It is not final when more
// may come of it later, unless this is the last round.
func (p *probe) round(ctx context.Context, last bool) (v rolebroker.Validation, final bool) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return p.notChecked(), true
	}
	ours := p.assumption()
	answers := p.together(ctx, ours, without(ours), withWrong(ours))
	a, open := answers[0], opening{without: answers[1], wrong: answers[2]}
	switch {
	case ctx.Err() != nil:
		return p.notChecked(), true
	case a.ok() && !open.unclear():
		return p.assumed(ctx, a, open), true
	case a.ok():
		return p.unclear(a, open), last
	case a.temporary():
		return p.unanswered(a), last
	case a.is(rolebroker.RefusedDenied) && !last:
		return rolebroker.Validation{}, false
	}
	v = p.explain(ctx, a, open)
	if ctx.Err() != nil {
		return p.notChecked(), true
	}
	return v, true
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
	return with(a, "rolebroker-wrong-"+strings.ToLower(rand.Text()))
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
		return answer{refusal: refusalOf(err)}
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	assumed, err := p.sts.Try(ctx, a)
	if err == nil {
		return answer{requestID: assumed.RequestID}
	}
	refusal := refusalOf(err)
	p.log.DebugContext(ctx, "validation: STS gave no credentials", "arn", a.ARN, "region", a.Region, "reason", refusal, "cause", refusal.Cause)
	return answer{requestID: refusal.RequestID, refusal: refusal}
}

// sleep waits, and says whether it waited to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// opening is what STS said to those who do not know the external ID.
type opening struct{ without, wrong answer }

// unclear says that one of them got no answer.
func (o opening) unclear() bool { return o.without.temporary() || o.wrong.temporary() }
