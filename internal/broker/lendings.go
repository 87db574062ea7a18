package broker

import (
	"context"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/validate"
)

const (
	// sameAnswer is how long the same answer of STS for a role is not recorded again.
	sameAnswer = 10 * time.Second

	// suspectPause is the shortest time between two validations of a role because it was refused. Agents cause the
	// refusals, so this bounds what they can make the server ask STS.
	suspectPause = 5 * time.Minute

	// maxSuspects is how many roles wait to be validated because they were refused. Others wait for their turn in
	// Revalidate.
	maxSuspects = 1000

	// maxRemembered bounds the roles in answers and in pauses: some megabytes.
	maxRemembered = 20_000
)

// answered records what STS answered to a loan. A role that starts to fail is validated soon, which finds out why.
func (b *Broker) answered(ctx context.Context, a lend.Answer) {
	if err := b.recordLending(ctx, a, rolebroker.Party{}, ""); err != nil {
		b.log.WarnContext(ctx, "recording the state of a role", "role", a.Role, "reason", err)
	}
}

// recordLending records what STS answered to a party. runner is the runner's name; empty: the server asked. An answer
// that says nothing of the role, such as one about throttling, is not recorded.
func (b *Broker) recordLending(ctx context.Context, a lend.Answer, by rolebroker.Party, runner string) error {
	l := &rolebroker.Lending{Agent: a.Agent, By: runner, At: a.At}
	if a.Refusal != nil {
		if a.Refusal.Kind.Temporary() {
			return nil
		}
		l.Refused, l.RequestID = a.Refusal.Kind, a.Refusal.RequestID
	}
	if !b.answers.isNews(a, b.now()) {
		return nil
	}
	in, err := b.store.Integration(ctx, string(a.Integration))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	role := in.Role(string(a.Role))
	if role == nil || in.Fingerprint(role) != a.Fingerprint {
		return nil // it was changed meanwhile
	}
	if a.Refusal != nil && a.Refusal.IsTooLarge() && role.Validation != nil &&
		role.Validation.Code == rolebroker.ValidSessionPolicy {
		return nil // the validation says so too, and that other agents get the role
	}
	if a.Refusal != nil {
		l.Message = a.Refusal.Explain(by, *role, "the role") + ": " + a.Refusal.Reason()
	}
	l.Follow(role.Lending)
	if err := b.store.RecordLending(ctx, in.ID, role.ID, a.Fingerprint, l); err != nil {
		return err
	}
	if !l.Works() && in.StateOf(role).Status != rolebroker.StatusFailed {
		b.suspect(in, role)
	}
	return nil
}

// suspect has a role validated that worked as far as anybody knew, and was refused now.
func (b *Broker) suspect(in *rolebroker.Integration, role *rolebroker.Role) {
	if in.AssumptionMode == rolebroker.ModeCluster && in.Runner == "" || !b.pauses.begin(role.ID, b.now()) {
		return
	}
	select {
	case b.suspects <- suspect{in.Runner, in.ID, role.ID}:
	default: // Revalidate will come to it
	}
}

// suspect is a role that started to fail when it was lent.
type suspect struct {
	runner      rolebroker.RunnerID // which is asked; empty: the server tries the role
	integration rolebroker.IntegrationID
	role        rolebroker.RoleID
}

// RevalidateSuspects validates roles that started to fail when they were lent, as soon as that is known, until ctx ends.
// Each is validated once in suspectPause at most. Each runner is asked about one role after the other: one that does not
// answer holds up its own roles only.
func (b *Broker) RevalidateSuspects(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	queues := map[rolebroker.RunnerID]chan suspect{}
	for {
		var s suspect
		select {
		case <-ctx.Done():
			return
		case s = <-b.suspects:
		}
		queue, ok := queues[s.runner]
		if !ok {
			queue = make(chan suspect, maxSuspects)
			queues[s.runner] = queue
			for range suspectWorkers(s.runner) {
				workers.Go(func() { b.revalidateRoles(ctx, queue) })
			}
		}
		select {
		case queue <- s:
		default: // Revalidate will come to it
		}
	}
}

// suspectWorkers is how many roles are validated at a time by a runner; empty: by the server.
func suspectWorkers(runner rolebroker.RunnerID) int {
	if runner == "" {
		return backgroundValidations
	}
	return 1
}

// revalidateRoles validates the roles of a queue until ctx ends.
func (b *Broker) revalidateRoles(ctx context.Context, queue <-chan suspect) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-queue:
			if err := b.revalidateRole(ctx, s); err != nil && ctx.Err() == nil {
				b.log.WarnContext(ctx, "validating a role that was refused", "role", s.role, "reason", err)
			}
		}
	}
}

// revalidateRole validates one role of an integration, and stores the outcome.
func (b *Broker) revalidateRole(ctx context.Context, s suspect) error {
	in, err := b.store.Integration(ctx, string(s.integration))
	if err != nil {
		return ignoreNotFound(err)
	}
	role := in.Role(string(s.role))
	if role == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, backgroundTimeout)
	defer cancel()
	only := *in
	only.Roles = []rolebroker.Role{*role}
	results, err := b.tryInBackground(ctx, &only)
	if err != nil {
		return err
	}
	return b.recordValidations(ctx, in, results)
}

// tryInBackground tries the roles of an integration for nobody who waits, or has its runner try them.
func (b *Broker) tryInBackground(
	ctx context.Context, in *rolebroker.Integration,
) ([]rolebroker.RoleValidation, error) {
	atOnce := new(time.Duration) // nothing was changed lately
	if in.AssumptionMode == rolebroker.ModeCluster {
		return b.validateByRunner(ctx, in, Validating{Wait: atOnce, turn: recordTimeout})
	}
	earlier, err := b.store.EarlierExternalIDs(ctx, in.ID, validate.MaxEarlier)
	if err != nil {
		return nil, err
	}
	subject := validate.Subject{Integration: *in, Earlier: earlier, RequireExternalID: b.requireExternalID,
		Wait: atOnce}
	if subject.Tried, err = b.tried(ctx, in); err != nil {
		return nil, err
	}
	return b.validator.Roles(ctx, subject, nil), nil
}

func ignoreNotFound(err error) error {
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil
	}
	return err
}

// answers remembers what STS answered for each role, so that the same answer is not recorded again and again.
type answers struct {
	mu    sync.Mutex
	known map[rolebroker.RoleID]lastAnswer
}

type lastAnswer struct {
	fingerprint string
	works       bool
	at          time.Time // when it was recorded
}

// isNews reports whether to record an answer.
func (k *answers) isNews(a lend.Answer, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	last, ok := k.known[a.Role]
	works := a.Refusal == nil
	if ok && last.fingerprint == a.Fingerprint && last.works == works && now.Sub(last.at) < sameAnswer {
		return false
	}
	if k.known == nil || len(k.known) >= maxRemembered {
		k.known = map[rolebroker.RoleID]lastAnswer{}
	}
	k.known[a.Role] = lastAnswer{a.Fingerprint, works, now}
	return true
}

// pauses remembers when roles were last validated because they were refused.
type pauses struct {
	mu    sync.Mutex
	began map[rolebroker.RoleID]time.Time
}

// begin reports whether the pause of a role is over, and begins another one if so.
func (p *pauses) begin(role rolebroker.RoleID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, ok := p.began[role]; ok && now.Sub(last) < suspectPause {
		return false
	}
	for id, last := range p.began {
		if len(p.began) < maxRemembered {
			break
		}
		if now.Sub(last) >= suspectPause {
			delete(p.began, id)
		}
	}
	if p.began == nil {
		p.began = map[rolebroker.RoleID]time.Time{}
	}
	if len(p.began) >= maxRemembered {
		return false
	}
	p.began[role] = now
	return true
}
