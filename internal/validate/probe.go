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
	tried    time.Duration // how long it was tried again so far
	pause    time.Duration // before the next try
	before   state         // after the last try
	told     bool          // that it is tried again

	byToken      bool     // its calls have no tags
	as           borrower // in whose name it is tried
	refusedAgent string   // an agent of the integration in whose name it is denied; empty: none is known
	explained    bool     // the cause of a denial was looked for, while there was patience left
	unclear      *answer  // a call that got no answer while the cause was looked for; nil if every call got one
}

// state is what a try found out about a role.
type state int

const (
	untried state = iota
	settled
	unsettled // it refuses a source identity
	denied
)

func newProbe(b *batch, index int, role rolebroker.Role) *probe {
	return &probe{batch: b, index: index, role: role, patience: b.patienceFor(b.Subject), pause: firstPause,
		as: borrower{agent: sessionName}}
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
	f, final := p.round(ctx, p.patience <= 0)
	if final {
		return f, 0
	}
	again = min(p.pause, p.patience)
	p.patience -= again
	p.tried += again
	p.pause = min(2*p.pause, longestPause)
	return f, again
}

// round tries the role once. The outcome is not final if a later try may find out more, unless this is the last one.
func (p *probe) round(ctx context.Context, last bool) (f rolebroker.Finding, final bool) {
	if p.before == denied && !last && !p.isDue() {
		if a := p.try(ctx, p.assumption()); a.is(rolebroker.RefusedDenied) {
			return rolebroker.Finding{}, false
		}
	}
	a, more := p.ask(ctx)
	if a.is(rolebroker.RefusedDenied) && p.findName(ctx) {
		a, more = p.ask(ctx)
	}
	was := p.before
	switch {
	case ctx.Err() != nil || a.ended || slices.ContainsFunc(more.all(), func(a answer) bool { return a.ended }):
		return p.notChecked(), true
	case a.ok() && more.isAnswered():
		// IAM may still be spreading a change: a role that was refused just now, or that refuses a source identity, is
		// tried twice.
		p.before, p.pause = settled, firstPause
		if more.lacksSourceIdentity() && !more.isOpen() {
			p.before = unsettled
		}
		f, certain := p.assumed(ctx, a, more)
		repeated := p.before == settled && was <= settled || p.before == unsettled && was == unsettled
		return f, last || certain && repeated
	case a.ok():
		return p.assumedButUnclear(more.unanswered()), p.isLast(last)
	case a.temporary():
		return p.unanswered(a), p.isLast(last)
	case a.is(rolebroker.RefusedDenied) && !last && !p.isDue():
		p.before = denied
		return rolebroker.Finding{}, false
	}
	p.unclear = nil
	f = p.refused(ctx, a, more)
	switch {
	case ctx.Err() != nil:
		return p.notChecked(), true
	case a.is(rolebroker.RefusedDenied) && !last && !shown(f.Code):
		p.before, p.explained = denied, true
		return f, false
	}
	return f, p.isLast(last) || f.Status(&p.Integration, false) != rolebroker.StatusUnknown
}

// isDue reports whether it is time to look for the cause of a denial: it has lasted for a while.
func (p *probe) isDue() bool { return p.tried >= Settling && !p.explained }

// isLast reports whether a role about which STS could not be asked is not tried again. last is the same for a denial.
func (p *probe) isLast(last bool) bool { return last || p.tried >= Settling }

// shown reports whether a call has shown the cause of a denial: more patience will not change it.
func shown(code rolebroker.ValidationCode) bool {
	switch code {
	case rolebroker.ValidExternalIDRefused, rolebroker.ValidExternalIDAhead, rolebroker.ValidExternalIDOutdated,
		rolebroker.ValidTagSessionDenied, rolebroker.ValidSourceIdentityDenied:
		return true
	}
	return false
}

// ask makes the calls of a round: the one that lending makes, and those that are made beside it.
func (p *probe) ask(ctx context.Context) (answer, extra) {
	call := p.assumption()
	calls := []rolebroker.Assumption{call, withExternalID(call, ""), withExternalID(call, otherExternalID())}
	if !p.Integration.SourceIdentity {
		calls = append(calls, p.withSourceIdentity(call))
	}
	answers := p.together(ctx, calls...)
	more := extra{without: answers[1].as(rolebroker.ProbeNoExternalID),
		wrong: answers[2].as(rolebroker.ProbeWrongExternalID)}
	if len(answers) > atOnce-1 {
		more.named = answers[atOnce-1].as(rolebroker.ProbeSourceIdentity)
	}
	return answers[0], more
}

// borrower is in whose name a role is tried.
type borrower struct{ agent, task string }

// sessionName is the session name of an agent in whose name the role is tried; empty for that of a validation.
func (b borrower) sessionName() string {
	if b.agent == sessionName {
		return ""
	}
	name, _ := rolebroker.SessionName(b.agent, b.task) // borrowers has none that makes an error
	return name
}

// assumption is the call that lending makes, with a session policy that denies everything.
func (p *probe) assumption() rolebroker.Assumption { return p.assumptionFor(p.as) }

func (p *probe) assumptionFor(as borrower) rolebroker.Assumption {
	// Without a task it has no error; borrowers has no task that makes one.
	a, _ := p.Integration.Assumption(&p.role, as.agent, as.task)
	a.Policy = denyEverything
	return a
}

// borrowers are those in whose names a denied role is tried: a trust policy may have a condition on the session name,
// the source identity or a tag, which name the agent. The last one has a task.
func (p *probe) borrowers() (all []borrower) {
	for _, agent := range p.Agents[:min(len(p.Agents), MaxAgents)] {
		all = append(all, borrower{agent: agent})
	}
	if len(all) > 0 {
		withTask := borrower{all[0].agent, "validation"}
		if _, err := p.Integration.Assumption(&p.role, withTask.agent, withTask.task); err == nil {
			all = append(all, withTask)
		}
	}
	return all
}

// findName looks for an agent in whose name a denied role can be assumed, and has the role tried in that name from
// then on.
func (p *probe) findName(ctx context.Context) bool {
	all := p.borrowers()
	if p.as.agent != sessionName || len(all) == 0 {
		return false
	}
	calls := make([]rolebroker.Assumption, len(all))
	for i, as := range all {
		calls[i] = p.assumptionFor(as)
	}
	answers := p.together(ctx, calls...)
	i := slices.IndexFunc(answers, answer.ok)
	if i < 0 {
		return false
	}
	p.as = all[i]
	for i, a := range answers[:len(calls)] {
		if p.Connected && all[i].task == "" && a.is(rolebroker.RefusedDenied) {
			p.refusedAgent = all[i].agent
			break
		}
	}
	return true
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

// withSourceIdentity has the source identity of a loan to the one in whose name the role is tried.
func (p *probe) withSourceIdentity(call rolebroker.Assumption) rolebroker.Assumption {
	call.SourceIdentity = p.as.agent
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
