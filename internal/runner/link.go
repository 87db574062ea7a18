package runner

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const (
	// askTimeout bounds one question to the server: an agent waits for it.
	askTimeout = 5 * time.Second

	// changeAfter is how old a credential gets before the next one is asked for.
	changeAfter = 24 * time.Hour

	// The stream of events is opened again after a while, which doubles.
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second

	// joinPatience is how long a replica waits for the one that used the join
	// token to have kept the credential.
	joinPatience = 30 * time.Second

	// claimLasts is for how long the replica that wants to change the credential
	// has it to itself: longer than all questions that takes.
	claimLasts = time.Minute
)

// contact is what came of the last question to the server.
type contact int32

const (
	neverAsked contact = iota
	answers            // it answered, whatever it said
	isAway             // it could not be reached, or could not answer
	refuses            // it does not know this runner any more
)

// link is the way to the server, with the runner's credential.
type link struct {
	options client.Options // all but the token
	state   State
	program string
	now     func() time.Time
	log     *slog.Logger

	mu         sync.Mutex // held while the credential changes
	kept       []byte     // what state has, as far as is known
	credential credential
	server     atomic.Pointer[client.Client]

	contact atomic.Int32 // a contact
}

// has says whether that came of the last question to the server.
func (l *link) has(c contact) bool { return contact(l.contact.Load()) == c }

// note notes what came of a question. One that was given up says nothing.
func (l *link) note(ctx context.Context, err error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case isUnknown(err):
		l.contact.Store(int32(refuses))
	case rolebroker.IsOutage(err):
		l.contact.Store(int32(isAway))
	default:
		l.contact.Store(int32(answers))
	}
}

// open finds the credential that is kept, or joins with a token for the first;
// and for another when the server does not know that one any more.
func (l *link) open(ctx context.Context, join rolebroker.Secret) error {
	err := l.load(ctx)
	if err == nil && !join.IsZero() {
		if l.probe(ctx); l.has(refuses) {
			return l.join(ctx, join)
		}
	}
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	if join.IsZero() {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "this runner has not joined a server yet, and has no join token").
			WithHint("make one where you administer the server: rolebroker runner join-token RUNNER; then give it with --join-token-file")
	}
	return l.join(ctx, join)
}

// join uses a join token. When it was used already, by another replica, that one
// keeps the credential in a moment.
func (l *link) join(ctx context.Context, token rolebroker.Secret) error {
	c, err := client.New(l.options)
	if err != nil {
		return err
	}
	made, err := c.Join(ctx, api.Join{Token: api.Secret(token.Reveal()), Program: l.program})
	if err == nil {
		return l.keepFirst(ctx, made)
	}
	if rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		return err
	}
	for deadline := time.Now().Add(joinPatience); time.Now().Before(deadline); {
		if l.load(ctx) == nil {
			return nil
		}
		if _, shared := l.state.(Folder); shared || !pause(ctx, time.Second) {
			break // nobody else writes there
		}
	}
	return err
}

// keepFirst keeps the credential for which the join token was used up, and which
// is lost otherwise. Codes: conflict.
func (l *link) keepFirst(ctx context.Context, made api.RunnerCredential) error {
	for deadline := time.Now().Add(joinPatience); ; {
		err := l.keep(ctx, l.kept, made)
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable || time.Now().After(deadline) || !pause(ctx, time.Second) {
			return err
		}
		l.log.Warn("the credential cannot be kept yet", "reason", err)
	}
}

// load takes the credential that is kept.
func (l *link) load(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := l.state.Load(ctx)
	if err != nil {
		return err
	}
	c, err := decodeCredential(text)
	if err != nil {
		return err
	}
	l.kept = text
	return l.use(c)
}

// keep stores a new credential in the place of old before it is used, and takes
// it. Codes: conflict.
func (l *link) keep(ctx context.Context, old []byte, made api.RunnerCredential) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.save(ctx, old, credential{Runner: rolebroker.RunnerID(made.Runner), Name: made.Name, Credential: made.Credential.Reveal(), MadeAt: l.now().UTC(), ExpiresAt: made.ExpiresAt})
}

// save stores and takes c, if old is still kept; l.mu is held. Codes: conflict.
func (l *link) save(ctx context.Context, old []byte, c credential) error {
	text := c.encode()
	if err := l.state.Save(ctx, old, text); err != nil {
		return err
	}
	l.kept = text
	return l.use(c)
}

// use makes the client for a credential; l.mu is held.
func (l *link) use(c credential) error {
	options := l.options
	options.Token = rolebroker.NewSecret(c.Credential)
	made, err := client.New(options)
	if err != nil {
		return err
	}
	l.credential = c
	l.server.Store(made)
	return nil
}

// me is which runner this is.
func (l *link) me() (rolebroker.RunnerID, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.credential.Runner, l.credential.Name
}

// ask asks the server. When it does not know the credential, another replica
// may have kept a newer one.
func ask[T any](ctx context.Context, l *link, question func(context.Context, *client.Client) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := attempt(ctx, l, question)
	l.note(ctx, err)
	return answer, err
}

// attempt is ask for a question that may take longer, and whose failure does not
// show that the server is away.
func attempt[T any](ctx context.Context, l *link, question func(context.Context, *client.Client) (T, error)) (T, error) {
	answer, err := question(ctx, l.server.Load())
	if isUnknown(err) && l.reload(ctx) {
		return question(ctx, l.server.Load())
	}
	return answer, err
}

// tell is ask for what has no answer.
func tell(ctx context.Context, l *link, say func(context.Context, *client.Client) error) error {
	_, err := ask(ctx, l, func(ctx context.Context, c *client.Client) (struct{}, error) { return struct{}{}, say(ctx, c) })
	return err
}

// isUnknown says whether the server refused the runner's own credential: what
// concerns an agent is never answered so.
func isUnknown(err error) bool {
	code := rolebroker.CodeOf(err)
	return code == rolebroker.CodeUnauthenticated || code == rolebroker.CodeExpired
}

// reload says whether somebody kept another credential.
func (l *link) reload(ctx context.Context) bool {
	before := l.present().Credential
	if err := l.load(ctx); err != nil {
		l.log.Warn("the credential that is kept cannot be read", "reason", err)
		return false
	}
	return l.present().Credential != before
}

// present is the credential as it is known.
func (l *link) present() credential {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.credential
}

// renew changes the credential when it is a day old. What other replicas did
// counts.
func (l *link) renew(ctx context.Context) error {
	if !l.present().isDue(l.now()) {
		return nil
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	if !l.present().isDue(l.now()) {
		return nil
	}
	err := l.change(ctx)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		return nil // another replica was faster
	}
	return err
}

// change asks for the next credential, and keeps it. Codes: conflict.
func (l *link) change(ctx context.Context) error {
	claim, err := l.claim(ctx)
	if err != nil {
		return err
	}
	made, err := ask(ctx, l, func(ctx context.Context, c *client.Client) (api.RunnerCredential, error) {
		return c.RenewCredential(ctx)
	})
	if err != nil {
		return err
	}
	return l.keep(ctx, claim, made)
}

// claim has the other replicas leave the change of the credential to this one
// for a while. Two that asked for the next one at once would end up with one
// that is kept and one that is good. It returns what is kept from then on. Codes:
// conflict.
func (l *link) claim(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.credential
	c.ClaimedAt = l.now().UTC()
	err := l.save(ctx, l.kept, c)
	return l.kept, err
}

// listen keeps a stream of events open until ctx ends. up is called for each
// event, down each time the stream has ended, once it is known whether the
// server still answers.
func (l *link) listen(ctx context.Context, up func(api.RunnerEvent), down func(error)) {
	wait := firstPause
	for ctx.Err() == nil {
		err := l.server.Load().Events(ctx, func(e api.RunnerEvent) {
			wait = firstPause
			up(e)
		})
		if ctx.Err() != nil {
			return
		}
		l.note(ctx, err) // until it is known better
		l.probe(ctx)
		down(err)
		if !pause(ctx, wait+time.Duration(rand.Int64N(int64(wait)))) {
			return
		}
		wait = min(2*wait, lastPause)
	}
}

// probe finds out whether the server answers, by asking for a token that nobody
// has: a proxy may end every stream and pass all else.
func (l *link) probe(ctx context.Context) {
	_, err := ask(ctx, l, func(ctx context.Context, c *client.Client) (api.TokenRecord, error) {
		return c.TokenRecord(ctx, "tok_none")
	})
	if isUnknown(err) && ctx.Err() == nil {
		l.log.Error("the server does not know this runner any more, and nothing is lent", "reason", err, "hint", rolebroker.AsError(err).Hint)
	}
}

// pause says whether it was not broken off.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
