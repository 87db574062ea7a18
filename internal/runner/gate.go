package runner

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// gate is the runner's gateway. It signs what agents send with keys for roles that the runner assumes, and relays the
// rest to the gateway of the server, so that an agent needs one address.
type gate struct {
	keys    *gateKeys
	link    *link
	signs   *gateway.Gateway
	relayed *prometheus.Counter
}

// newGate makes the gateway of a runner.
func newGate(l *lender, opts Options) *gate {
	keys := &gateKeys{record: l.record, now: opts.Now, asking: make(chan struct{}, maxOpening),
		known: map[[sha256.Size]byte]opened{}}
	return &gate{keys: keys, link: l.record.link,
		relayed: opts.Metrics.Counter("rolebroker_calls_relayed_total",
			"Requests that were relayed to the gateway of the server."),
		signs: gateway.New(gateway.Options{Keys: keys, Lender: signing{l}, Approver: approver{l},
			Endpoint: opts.Endpoint, Records: newCallRecords(l.record, opts), Log: opts.Log, Metrics: opts.Metrics,
			Now: opts.Now})}
}

// ServeHTTP answers one AWS request.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if signature, err := sigv4.Read(r); err == nil {
		of, err := g.keys.find(r.Context(), signature.KeyID, signature.Token)
		if err == nil && of.atServer {
			guard.Patient(r.Context())
			g.relayed.Inc()
			g.link.server.Load().Gateway(gateway.Unreachable).ServeHTTP(w, r)
			return
		}
	}
	g.signs.ServeHTTP(w, r)
}

// signing lends to the gateway what the runner assumes.
type signing struct{ *lender }

// Lend lends the role of a key.
func (s signing) Lend(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	return again(s.record, func() (*rolebroker.Loan, error) { return s.cluster.Lend(ctx, who, req) })
}

// May returns nil if Lend would ask for a loan, or has one.
func (s signing) May(ctx context.Context, who rolebroker.Caller, req rolebroker.Request) error {
	return s.cluster.May(ctx, who, req)
}

// Holds returns nil while a loan may still be used.
func (s signing) Holds(
	ctx context.Context, who rolebroker.Caller, req rolebroker.Request, loan *rolebroker.Loan,
) error {
	return s.cluster.Holds(ctx, who, req, loan)
}

// Grants returns what an agent may borrow now.
func (s signing) Grants(ctx context.Context, agent rolebroker.AgentID) (*rolebroker.Grants, error) {
	return again(s.record, func() (*rolebroker.Grants, error) { return s.cluster.Grants(ctx, agent) })
}

const (
	// maxOpened bounds the keys that are remembered.
	maxOpened = 10_000
	// maxOpening bounds the questions about keys at a time. Anyone can send a key that nobody has seen.
	maxOpening = 32
	// keepRefusal is how long it is remembered that nobody made a key.
	keepRefusal = 5 * time.Second
)

// gateKeys opens the keys that agents sign with: it asks the server, which made them, and remembers the answer until
// the key expires, or a change may concern it. The runner has the secrets of these keys, and can make none.
type gateKeys struct {
	record *record
	now    func() time.Time
	asking chan struct{} // has an element for each question under way
	flight singleflight.Group

	mu    sync.Mutex
	epoch uint64 // counts the changes
	known map[[sha256.Size]byte]opened
}

// opened is what the server says of a key.
type opened struct {
	key      rolebroker.GatewayKey
	secret   rolebroker.Secret
	atServer bool  // its requests are for the gateway of the server; then there is no secret
	refused  error // why there is no such key
}

// Open returns what a key says and its secret. It is for gateway.Options.
func (k *gateKeys) Open(ctx context.Context, id, token string, _ time.Time) (rolebroker.GatewayKey, string, error) {
	of, err := k.find(ctx, id, token)
	switch {
	case err != nil:
		return of.key, "", err
	case of.atServer:
		return of.key, "", rolebroker.Errorf(rolebroker.CodeExpired, "the keys are for a role that the server assumes").
			WithHint("fetch new ones; SDKs and rolebroker exec do so by themselves")
	}
	return of.key, of.secret.Reveal(), nil
}

// find returns what is remembered of a key, or asks the server.
func (k *gateKeys) find(ctx context.Context, id, token string) (opened, error) {
	if err := gateway.Plausible(token, k.now()); err != nil {
		return opened{}, err
	}
	sum := sha256.Sum256([]byte(id + " " + token))
	of, epoch, ok := k.remembered(sum)
	if ok {
		return of, of.refused
	}
	answer := k.flight.DoChan(string(sum[:]), func() (any, error) {
		return k.ask(context.WithoutCancel(ctx), sum, api.SignedKey{ID: id, Token: api.Secret(token)}, epoch)
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return opened{}, a.Err
		}
		return a.Val.(opened), nil
	case <-ctx.Done():
		return opened{}, rolebroker.Errorf(rolebroker.CodeUnavailable, "the server did not say in time what the key is")
	}
}

// ask asks the server about a key.
func (k *gateKeys) ask(ctx context.Context, sum [sha256.Size]byte, shown api.SignedKey, epoch uint64) (opened, error) {
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	default:
		return opened{}, rolebroker.Errorf(rolebroker.CodeThrottled, "too many keys are new at once").
			WithHint("try again")
	}
	answer, err := ask(ctx, k.record.link, func(ctx context.Context, c *client.Client) (api.OpenedKey, error) {
		return c.OpenGatewayKey(ctx, shown)
	})
	switch {
	case err != nil:
		return opened{}, k.record.explain(tooOld(err))
	case answer.Refusal != nil:
		of := opened{refused: refusalOf(answer.Refusal)}
		of.key.Expires = k.now().Add(keepRefusal)
		k.remember(sum, of, epoch)
		return of, of.refused
	case !answer.AtServer && answer.Secret == "":
		return opened{}, refusalOf(nil)
	}
	of := opened{key: convert.FromOpenedKey(answer), secret: rolebroker.NewSecret(answer.Secret.Reveal()),
		atServer: answer.AtServer}
	k.remember(sum, of, epoch)
	return of, nil
}

// tooOld explains the answer of a server of an earlier version, which knows no gateways of runners.
func tooOld(err error) error {
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "the server makes no keys for the gateway of a runner, because "+
		"its program is of an earlier version").
		WithHint("upgrade the server to the version of the runner: rolebroker version")
}

// remembered returns what is remembered of a key, and the number of changes until now.
func (k *gateKeys) remembered(sum [sha256.Size]byte) (of opened, epoch uint64, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of, ok = k.known[sum]
	return of, k.epoch, ok && k.now().Before(of.key.Expires)
}

// remember remembers an answer, unless something changed after epoch.
func (k *gateKeys) remember(sum [sha256.Size]byte, of opened, epoch uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.epoch != epoch {
		return
	}
	if len(k.known) >= maxOpened {
		k.makeRoom()
	}
	k.known[sum] = of
}

// makeRoom forgets refusals and the keys that have expired, or if too few have, some of the others; k.mu is held.
func (k *gateKeys) makeRoom() {
	now := k.now()
	for sum, of := range k.known {
		if of.refused != nil || !now.Before(of.key.Expires) {
			delete(k.known, sum)
		}
	}
	for sum := range k.known {
		if len(k.known) <= maxOpened*9/10 {
			return
		}
		delete(k.known, sum)
	}
}

// onChange is called with every change. Which gateway serves a key depends on the integration of its role.
func (k *gateKeys) onChange(change rolebroker.Change) {
	all := change == (rolebroker.Change{})
	if !all && change.Integration == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.epoch++
	for sum, of := range k.known {
		if all || of.refused != nil || of.key.Integration == change.Integration {
			delete(k.known, sum)
		}
	}
}
