package runner

import (
	"bytes"
	"context"
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
}

// open finds the credential that is kept, or joins with a token for the first.
func (l *link) open(ctx context.Context, join rolebroker.Secret) error {
	err := l.load(ctx)
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
		return l.keep(ctx, made)
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

// keep stores a new credential before it is used, and takes it.
func (l *link) keep(ctx context.Context, made api.RunnerCredential) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := credential{Runner: rolebroker.RunnerID(made.Runner), Name: made.Name, Credential: made.Credential.Reveal(), MadeAt: l.now().UTC(), ExpiresAt: made.ExpiresAt}
	text := c.encode()
	if err := l.state.Save(ctx, l.kept, text); err != nil {
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
	l.mu.Lock()
	before := l.kept
	l.mu.Unlock()
	if err := l.load(ctx); err != nil {
		l.log.Warn("the credential that is kept cannot be read", "reason", err)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return !bytes.Equal(before, l.kept)
}

// renew changes the credential when it is a day old. What other replicas did
// counts.
func (l *link) renew(ctx context.Context) error {
	l.mu.Lock()
	due := l.now().Sub(l.credential.MadeAt) >= changeAfter
	l.mu.Unlock()
	if !due {
		return nil
	}
	if err := l.load(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	due = l.now().Sub(l.credential.MadeAt) >= changeAfter
	l.mu.Unlock()
	if !due {
		return nil
	}
	made, err := ask(ctx, l, func(ctx context.Context, c *client.Client) (api.RunnerCredential, error) {
		return c.RenewCredential(ctx)
	})
	if err != nil {
		return err
	}
	return l.keep(ctx, made)
}

// listen keeps a stream of events open until ctx ends. up is called for each
// event, down each time the stream has ended.
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
		down(err)
		if isUnknown(err) && l.reload(ctx) {
			continue
		}
		if !pause(ctx, wait+time.Duration(rand.Int64N(int64(wait)))) {
			return
		}
		wait = min(2*wait, lastPause)
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
