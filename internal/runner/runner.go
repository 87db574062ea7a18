package runner

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/forward"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/requestid"
)

// Options configure Start. Server, State and one of Token and Direct are
// required.
type Options struct {
	// Server is how the control plane is reached; its Token is not used.
	Server client.Options

	// State keeps the runner's credential. JoinToken, which works once, gets the
	// first one; JoinTokenError is why there is none, for the message. Spool is a folder for the record of sessions that the server
	// could not be sent; empty: the record is kept in memory only.
	State          State
	JoinToken      rolebroker.Secret
	JoinTokenError error
	Spool          string

	// Token assumes roles with the service account's token, and Direct with the
	// identity that the SDK's chain finds. With both, Token is tried first.
	Token, Direct STS
	TokenFile     string        // of the token; messages name its service account
	Patience      time.Duration // how long validation tries a role again that is denied

	// Verifier verifies the service-account tokens of the cluster, and Issuer is
	// their issuer. nil: they are refused.
	Verifier Verifier
	Issuer   string

	// Grace is how long authorised sessions go on without the control plane.
	Grace time.Duration

	// Listen is where agents borrow: a loopback address, a link-local address that
	// AWS SDKs accept over plain HTTP, or any address with TLS.
	Listen string
	TLS    *tls.Config // nil: plain HTTP

	// GatewayListen is where the gateway serves agents outside of rolebroker exec, in the same way; empty: nowhere. The
	// rooms of exec reach it at Listen.
	GatewayListen string
	// Endpoint returns the URL that the operator wants the gateway to use for a service; empty: AWS's. nil: always
	// that.
	Endpoint func(endpoint.Service) string

	SessionsPerAgent int                  // 0: as in a server
	Program          string               // the version
	Log              *slog.Logger         // nil: none
	Metrics          *prometheus.Registry // nil: one of its own
	Now              func() time.Time     // nil: time.Now
}

// Runner is a running runner. Make one with Start.
type Runner struct {
	opts      Options
	link      *link
	record    *record
	lender    *lender
	assumer   *assumer
	validator *validator
	confirmer *confirmer
	log       *slog.Logger
	gate      *gate
	url       string
	http      *http.Server
	gateURL   string       // empty: the gateway has no address of its own
	gateHTTP  *http.Server // nil: the same
	failed    chan error
	keysError atomic.Pointer[rolebroker.Error] // why no service-account token can be verified; nil: they can be

	background context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup
}

// How often the background work is done.
const (
	useInterval     = 10 * time.Second
	deliverInterval = 5 * time.Second
	callInterval    = 250 * time.Millisecond
	keepInterval    = time.Minute
	reportInterval  = time.Minute
	prepareInterval = 10 * time.Second
)

// Run serves until ctx ends, and then finishes the requests under way, within
// grace.
func Run(ctx context.Context, opts Options, grace time.Duration) error {
	r, err := Start(ctx, opts)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		r.log.Info("stopping")
	case err = <-r.failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return errors.Join(err, r.Close(ending))
}

// Start joins if the state has no credential, and serves. Its errors are for the
// operator.
func Start(ctx context.Context, opts Options) (*Runner, error) {
	if err := checkListens(opts); err != nil {
		return nil, err
	}
	if opts.Metrics == nil {
		opts.Metrics = &prometheus.Registry{}
		opts.Metrics.ObserveProcess()
	}
	listener, err := listen(opts.Listen, "--listen")
	if err != nil {
		return nil, err
	}
	var gate net.Listener
	if opts.GatewayListen != "" {
		if gate, err = listen(opts.GatewayListen, "--gateway-listen"); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	r, err := open(ctx, opts)
	if err != nil {
		if gate != nil {
			err = errors.Join(err, gate.Close())
		}
		return nil, errors.Join(err, listener.Close())
	}
	r.serve(guard.Listen(listener, guard.Options{Log: r.log, Metrics: opts.Metrics}))
	if gate != nil {
		r.serveGateway(guard.Listen(gate, guard.Options{Log: r.log}))
	}
	r.startWork(ctx)
	id, name := r.link.identity()
	r.log.Info("serving", "url", r.url, "runner", name, "id", id, "server", opts.Server.URL, "method", r.method(),
		"version", opts.Program)
	return r, nil
}

// open makes the parts and connects them. It neither listens nor starts the
// background work.
func open(ctx context.Context, opts Options) (*Runner, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	opts.Log = slog.New(requestid.LogHandler(opts.Log.Handler()))
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Spool != "" {
		if err := os.MkdirAll(opts.Spool, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder of the state: %w", err)
		}
	}
	spool, err := openSpool(opts.Spool)
	if err != nil {
		return nil, err
	}
	l := &link{options: opts.Server, state: opts.State, program: opts.Program, replica: rand.Text(),
		now: opts.Now, log: opts.Log, joinError: opts.JoinTokenError, lost: make(chan struct{}, 1),
		back: make(chan struct{}, 1)}
	if err := l.open(ctx, opts.JoinToken); err != nil {
		return nil, err
	}
	r := &Runner{opts: opts, link: l, log: opts.Log, failed: make(chan error, 2)}
	r.assumer = &assumer{token: opts.Token, direct: opts.Direct, log: opts.Log, worked: map[rolebroker.RoleARN]STS{}}
	r.record = newRecord(l, spool, opts)
	identifier := newIdentifier(r.record, opts.Verifier, guard.NewFailures(opts.Now, opts.Metrics))
	cluster := lend.New(lend.Options{Records: r.record, Assumer: r.assumer, By: rolebroker.Party{Runner: true},
		Serves: l.serves,
		Log:    opts.Log, Metrics: opts.Metrics, Now: opts.Now, SessionsPerAgent: opts.SessionsPerAgent})
	r.validator = newValidator(r)
	cluster.OnRefusal(r.record.refused)
	r.record.onValidate = r.validator.onAsked
	r.confirmer = &confirmer{identifier: identifier, cluster: cluster, streaming: r.record.streaming.Load,
		changed: make(chan struct{}, 1)}
	r.lender = &lender{cluster: cluster, record: r.record,
		lent: opts.Metrics.Counter("rolebroker_platform_loans_total",
			"Credentials handed out for roles that the platform assumes."),
		platform: forward.New(forward.Options{Server: platform{l, identifier}, Log: opts.Log, Now: opts.Now})}
	r.gate = newGate(r.lender, opts)
	cluster.Subscribe(func(change rolebroker.Change) {
		r.gate.keys.onChange(change)
		identifier.onChange(change)
		r.lender.forgetEnded(change)
		r.validator.onChange(change)
		r.confirmer.onChange(change)
	})
	r.http = containercreds.NewServer(r.handler(identifier), opts.Log)
	r.http.TLSConfig, r.http.ConnContext = opts.TLS, guard.ConnContext
	return r, nil
}

// startWork starts the background work.
func (r *Runner) startWork(ctx context.Context) {
	r.background, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.work.Go(func() { r.link.watch(r.background) })
	r.work.Go(func() { r.link.listen(r.background, r.onEvent, r.onStreamEnd) })
	r.work.Go(func() { r.validator.run(r.background) })
	r.work.Go(func() { r.validator.runAsked(r.background) })
	r.work.Go(func() { r.confirmer.run(r.background) })
	if r.opts.Verifier != nil {
		r.work.Go(func() { r.prepareKeys(r.background) })
	}
	r.every(useInterval, "sending use", r.lender.sendUse)
	r.every(callInterval, "recording calls", func(ctx context.Context) error { return r.gate.signs.Flush(ctx, false) })
	r.every(deliverInterval, "sending spooled sessions", r.record.deliver)
	r.every(keepInterval, "keeping the credential", r.link.keep)
	r.every(reportInterval, "reporting", r.report)
}

// onEvent takes an event of the server. When the stream has been opened anew, it
// sends what the server missed.
func (r *Runner) onEvent(e api.RunnerEvent) {
	r.record.receive(e)
	if e.Hello == nil {
		return
	}
	r.log.Info("connected to the server", "server", r.opts.Server.URL)
	r.work.Go(func() {
		r.logFailure("sending spooled sessions", r.record.deliver(r.background))
		r.logFailure("reporting", r.report(r.background))
	})
}

// onStreamEnd takes the end of the stream of events.
func (r *Runner) onStreamEnd(err error) {
	if r.record.streaming.Load() && r.link.is(unreachable) {
		r.log.Warn("the server cannot be reached; authorised sessions go on",
			"until", r.opts.Now().Add(r.opts.Grace).UTC().Format(time.RFC3339), "reason", err)
	} else {
		r.log.Debug("the stream of events ended", "reason", err)
	}
	r.record.streamEnded()
}

// report sends the server a description of the runner.
func (r *Runner) report(ctx context.Context) error {
	report := rolebroker.RunnerReport{Program: r.opts.Program, Method: r.method(), Issuer: r.opts.Issuer,
		Pending: r.record.spool.pending()}
	identity, err := r.assumer.Identity(ctx)
	if err != nil {
		report.IdentityError = err.Error()
	} else {
		report.Identity = *identity
	}
	return send(ctx, r.link, func(ctx context.Context, c *client.Client) error {
		return c.Report(ctx, convert.RunnerReport(report))
	})
}

// method is the method by which roles are assumed first.
func (r *Runner) method() rolebroker.AssumeMethod {
	if r.opts.Token != nil {
		return rolebroker.MethodWebIdentity
	}
	return rolebroker.MethodAssumeRole
}

// prepareKeys has the verifier get its keys, and finds out whether it has them, until
// ctx ends.
func (r *Runner) prepareKeys(ctx context.Context) {
	for {
		var failed *rolebroker.Error
		if err := r.opts.Verifier.Prepare(ctx); err != nil {
			failed = rolebroker.AsError(err)
		}
		r.keysError.Store(failed)
		if !pause(ctx, prepareInterval) {
			return
		}
	}
}

// every repeats something until the runner closes.
func (r *Runner) every(interval time.Duration, what string, do func(context.Context) error) {
	r.work.Go(func() {
		for pause(r.background, interval) {
			r.logFailure(what, do(r.background))
		}
	})
}

// logFailure logs a failure of the background work, which is tried again.
func (r *Runner) logFailure(what string, err error) {
	switch {
	case err == nil || r.background.Err() != nil:
	case rolebroker.IsOutage(err):
		r.log.Debug(what, "reason", err)
	default:
		r.log.Warn(what, "reason", err, "cause", errors.Unwrap(err))
	}
}

// URL is where agents borrow.
func (r *Runner) URL() string { return r.url }

// GatewayURL is the address of the gateway itself; empty if it has none.
func (r *Runner) GatewayURL() string { return r.gateURL }

// Close refuses new requests, lets those under way finish until ctx ends, and
// sends the server the spooled sessions, if it can be reached.
func (r *Runner) Close(ctx context.Context) error {
	err := r.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests were cut off: %w", err), r.http.Close())
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	if r.gateHTTP != nil {
		err = errors.Join(err, r.gateHTTP.Shutdown(ctx))
	}
	recorded := errors.Join(r.gate.signs.Flush(closing, true), r.lender.Close(closing))
	r.stop()
	r.work.Wait()
	for _, sent := range []error{recorded, r.record.deliver(closing)} {
		if !rolebroker.IsOutage(sent) {
			err = errors.Join(err, sent)
		}
	}
	return err
}
