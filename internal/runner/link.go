package runner

import (
	"bytes"
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
	// askTimeout bounds one question to the server, for which an agent waits.
	askTimeout = 5 * time.Second

	// probeInterval is the pause between two probes of a server that does not answer.
	probeInterval = time.Second

	// rotateAfter is the age at which a credential is rotated.
	rotateAfter = 24 * time.Hour

	// The stream of events is opened again after a pause, which doubles each
	// time up to maxPause.
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second

	// joinPatience is how long a replica waits until the one that used the join
	// token has stored the credential.
	joinPatience = 30 * time.Second

	// claimLasts is how long one replica alone may rotate the credential: longer
	// than all questions that this takes.
	claimLasts = time.Minute
)

// contact is the outcome of the last question to the server.
type contact int32

const (
	noContact   contact = iota
	reachable           // it answered, even with a refusal
	unreachable         // it could not be reached, or could not answer
	rejected            // it does not know this runner any more
)

// link is the connection to the server, with the runner's credential.
type link struct {
	options client.Options // all but the token
	state   State
	program string
	replica string // the ID of this process; empty: it tells none
	now     func() time.Time
	log     *slog.Logger

	joinError error // why there is no join token; may be nil

	mu         sync.Mutex // held while the credential changes
	stored     []byte     // the content of state, when it was last read or written
	credential credential
	server     atomic.Pointer[client.Client]

	contact atomic.Int32 // a contact
	outage  atomic.Pointer[rolebroker.Error]
	probing atomic.Bool   // watch runs
	lost    chan struct{} // has an element after the server could not be reached
	back    chan struct{} // has an element after it could be again, at least a second later
}

// is reports whether the last question to the server had this outcome.
func (l *link) is(c contact) bool { return contact(l.contact.Load()) == c }

// note notes the outcome of a question. A question that its asker gave up has none.
func (l *link) note(ctx context.Context, err error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case rejectsRunner(err):
		l.contact.Store(int32(rejected))
	case rolebroker.IsOutage(err):
		l.outage.Store(rolebroker.AsError(err))
		l.contact.Store(int32(unreachable))
		select {
		case l.lost <- struct{}{}:
		default:
		}
	default:
		l.contact.Store(int32(reachable))
	}
}

// open loads the stored credential. If there is none, or the server does not know
// it any more, it joins with a join token.
func (l *link) open(ctx context.Context, join rolebroker.Secret) error {
	err := l.load(ctx)
	if err == nil && !join.IsZero() {
		if l.probe(ctx); l.is(rejected) {
			return l.join(ctx, join)
		}
	}
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	if join.IsZero() && l.joinError != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"this runner has not joined a server yet, and its join token cannot be read: %s", l.joinError).
			WithHint("check the file that --join-token-file names")
	}
	if join.IsZero() {
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"this runner has not joined a server yet, and has no join token").
			WithHint("make one where you administer the server: rolebroker runner join-token RUNNER; then give it " +
				"with --join-token-file")
	}
	return l.join(ctx, join)
}

// join uses a join token. If another replica has used it, that one stores the
// credential in a moment.
func (l *link) join(ctx context.Context, token rolebroker.Secret) error {
	c, err := client.New(l.options)
	if err != nil {
		return err
	}
	made, err := c.Join(ctx, api.JoinRequest{Token: api.Secret(token.Reveal()), Program: l.program})
	if err == nil {
		return l.storeFirst(ctx, made)
	}
	if rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		return err
	}
	for deadline := time.Now().Add(joinPatience); time.Now().Before(deadline); {
		if l.load(ctx) == nil {
			return nil
		}
		if _, shared := l.state.(Folder); shared || !pause(ctx, time.Second) {
			break // no other replica writes there
		}
	}
	return err
}

// storeFirst stores the first credential. It tries again for a while, since the
// join token works once and another one takes a person. Codes: conflict.
func (l *link) storeFirst(ctx context.Context, made api.RunnerCredential) error {
	for deadline := time.Now().Add(joinPatience); ; {
		err := l.store(ctx, l.stored, made)
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable || time.Now().After(deadline) ||
			!pause(ctx, time.Second) {
			return err
		}
		l.log.Warn("the credential cannot be stored yet", "reason", err)
	}
}

// load reads and uses the stored credential.
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
	l.stored = text
	return l.use(c)
}

// store stores a new credential in place of old, and then uses it. Codes: conflict.
func (l *link) store(ctx context.Context, old []byte, made api.RunnerCredential) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.save(ctx, old, credential{Runner: rolebroker.RunnerID(made.Runner), Name: made.Name,
		Credential: made.Credential.Reveal(), MadeAt: l.now().UTC(), ExpiresAt: made.ExpiresAt})
}

// save stores and uses c if old is still stored; l.mu is held. Codes: conflict.
func (l *link) save(ctx context.Context, old []byte, c credential) error {
	text := c.encode()
	if err := l.state.Save(ctx, old, text); err != nil {
		return err
	}
	l.stored = text
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

// identity is the ID and the name of this runner.
func (l *link) identity() (rolebroker.RunnerID, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.credential.Runner, l.credential.Name
}

// watch probes the server once a second while it cannot be reached, until ctx ends.
// Meanwhile nothing else waits for the server.
func (l *link) watch(ctx context.Context) {
	l.probing.Store(true)
	defer l.probing.Store(false)
	for {
		select {
		case <-l.lost:
		case <-ctx.Done():
			return
		}
		if l.probe(ctx); !l.is(unreachable) {
			continue
		}
		for l.is(unreachable) {
			if !pause(ctx, probeInterval) {
				return
			}
			l.probe(ctx)
		}
		select {
		case l.back <- struct{}{}:
		default:
		}
	}
}

// down returns why the server cannot be reached while watch finds out when it can;
// else nil. Codes: unavailable.
func (l *link) down() error {
	if err := l.outage.Load(); err != nil && l.is(unreachable) && l.probing.Load() {
		return err
	}
	return nil
}

// ask asks the server, and notes the outcome. It does not wait for a server that is
// known not to answer.
func ask[T any](ctx context.Context, l *link, question func(context.Context, *client.Client) (T, error)) (T, error) {
	if err := l.down(); err != nil {
		var none T
		return none, err
	}
	return askNow(ctx, l, question)
}

// askNow is ask, also while the server does not answer.
func askNow[T any](ctx context.Context, l *link, question func(context.Context, *client.Client) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := attempt(ctx, l, question)
	l.note(ctx, err)
	return answer, err
}

// attempt asks the server without noting the outcome: the question may take long,
// and its failure does not show that the server cannot be reached. If the server
// does not know the credential, another replica may have stored a newer one.
func attempt[T any](ctx context.Context, l *link, question func(context.Context, *client.Client) (T, error)) (
	T, error) {
	answer, err := question(ctx, l.server.Load())
	if rejectsRunner(err) && l.reload(ctx) {
		return question(ctx, l.server.Load())
	}
	return answer, err
}

// send is ask without an answer.
func send(ctx context.Context, l *link, message func(context.Context, *client.Client) error) error {
	_, err := ask(ctx, l, func(ctx context.Context, c *client.Client) (struct{}, error) {
		return struct{}{}, message(ctx, c)
	})
	return err
}

// rejectsRunner reports whether the server refused the runner's own credential. A
// refusal of an agent is part of an answer, and never such an error.
func rejectsRunner(err error) bool {
	code := rolebroker.CodeOf(err)
	return code == rolebroker.CodeUnauthenticated || code == rolebroker.CodeExpired
}

// reload loads the stored credential again, and reports whether it is another one.
func (l *link) reload(ctx context.Context) bool {
	before := l.current().Credential
	if err := l.load(ctx); err != nil {
		l.log.Warn("the stored credential cannot be read", "reason", err)
		return false
	}
	return l.current().Credential != before
}

// current is the credential in use.
func (l *link) current() credential {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.credential
}

// keep writes the credential again if it was lost, and rotates it when it is due.
func (l *link) keep(ctx context.Context) error {
	if err := l.restore(ctx); err != nil && rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		return err
	}
	return l.rotateWhenDue(ctx)
}

// restore writes the credential in use again if the state has none, what cannot be
// read, or an older one of this runner, as after the restore of a backup. If the state
// has a newer one, which another replica stored, restore uses it. Codes: conflict.
func (l *link) restore(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text, err := l.state.Load(ctx)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		text = nil
	case err != nil:
		return err
	case bytes.Equal(text, l.stored):
		return nil
	}
	found, err := decodeCredential(text)
	switch {
	case err == nil && found.Runner != l.credential.Runner:
		return nil // a person replaced it, for the next start
	case err == nil && !found.MadeAt.Before(l.credential.MadeAt):
		l.stored = text
		return l.use(found)
	case l.is(rejected):
		return nil // ours is worth nothing any more
	}
	l.log.Warn("the stored credential was lost or is an old one; the one in use is written again")
	return l.save(ctx, text, l.credential)
}

// rotateWhenDue rotates the credential when it is a day old, unless another
// replica has done so.
func (l *link) rotateWhenDue(ctx context.Context) error {
	if !l.current().isDue(l.now()) {
		return nil
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	if !l.current().isDue(l.now()) {
		return nil
	}
	err := l.rotate(ctx)
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		return nil // another replica was faster
	}
	return err
}

// rotate asks for the next credential, and stores it. Codes: conflict.
func (l *link) rotate(ctx context.Context) error {
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
	return l.store(ctx, claim, made)
}

// claim keeps the other replicas from rotating the credential for claimLasts, and
// returns what is stored from then on. If two replicas rotated it at once, one
// credential would be stored and the other one would work. Codes: conflict.
func (l *link) claim(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.credential
	c.ClaimedAt = l.now().UTC()
	err := l.save(ctx, l.stored, c)
	return l.stored, err
}

// listen keeps a stream of events open until ctx ends. It calls onEvent for each
// event, and onEnd each time the stream has ended, after it has found out whether
// the server still answers.
func (l *link) listen(ctx context.Context, onEvent func(api.RunnerEvent), onEnd func(error)) {
	wait := firstPause
	for ctx.Err() == nil {
		err := l.server.Load().Events(ctx, l.replica, func(e api.RunnerEvent) {
			wait = firstPause
			if e.Hello != nil {
				l.note(ctx, nil)
			}
			onEvent(e)
		})
		if ctx.Err() != nil {
			return
		}
		l.note(ctx, err) // until the probe is answered
		l.probe(ctx)
		onEnd(err)
		select { // do not wait once the server answers again
		case <-l.back:
			wait = firstPause
		case <-time.After(wait + time.Duration(rand.Int64N(int64(wait)))):
		case <-ctx.Done():
			return
		}
		wait = min(2*wait, maxPause)
	}
}

// probe finds out whether the server answers, by asking for a token that does not
// exist: a proxy may end every stream and pass everything else.
func (l *link) probe(ctx context.Context) {
	_, err := askNow(ctx, l, func(ctx context.Context, c *client.Client) (api.TokenRecord, error) {
		return c.TokenRecord(ctx, "tok_none")
	})
	if rejectsRunner(err) && ctx.Err() == nil {
		l.log.Error("the server does not know this runner any more, and nothing is lent", "reason", err, "hint",
			rolebroker.AsError(err).Hint.String())
	}
}

// pause waits, and reports whether ctx lasted.
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
