package runner

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/forward"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// Options configure Start. Server, State and one of Token and Direct are
// required.
type Options struct {
	// Server is how the control plane is reached; its Token is not used.
	Server client.Options

	// State keeps the runner's credential, and JoinToken gets the first. Spool is
	// a folder for what could not be told yet; empty: that is kept in memory only.
	State     State
	JoinToken rolebroker.Secret
	Spool     string

	// Token and Direct assume roles with the service account's token, and with
	// whatever identity the SDK's chain finds. With both, Token is tried first.
	Token, Direct STS
	TokenFile     string        // Token's: whose service account it is, for what people are told
	Patience      time.Duration // for how long a role that is denied is tried again when it is validated

	// Verifier knows the service accounts of the cluster, and Issuer is their
	// tokens'. nil: they are not taken.
	Verifier Verifier
	Issuer   string

	// Grace is how long what was authorised goes on without the control plane.
	Grace time.Duration

	// Listen is where agents borrow: a loopback address, one of the link-local
	// addresses that AWS SDKs take over plain HTTP, or any address with TLS.
	Listen string
	TLS    *tls.Config // nil: plain HTTP

	SessionsPerAgent int                  // 0: as in a server
	Program          string               // the version, for the report
	Log              *slog.Logger         // nil: none
	Metrics          *prometheus.Registry // nil: none
	Now              func() time.Time     // nil: time.Now
}

// Runner is a running one. Make one with Start.
type Runner struct {
	opts      Options
	link      *link
	record    *record
	lender    *lender
	assumer   *assumer
	validator *validator
	log       *slog.Logger
	url       string
	http      *http.Server
	failed    chan error

	background context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup
}

// How often the background work is done.
const (
	useInterval     = 10 * time.Second
	deliverInterval = 5 * time.Second
	renewInterval   = time.Minute
	reportInterval  = time.Minute
)

// Run serves until ctx ends, and then finishes what is under way, for grace at
// the most.
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

// Start joins if it has to, and serves. Its errors are for the operator.
func Start(ctx context.Context, opts Options) (*Runner, error) {
	if err := checkListen(opts.Listen, opts.TLS != nil); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", opts.Listen, err)
	}
	r, err := open(ctx, opts)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	r.serve(listener)
	r.begin(ctx)
	id, name := r.link.me()
	r.log.Info("serving", "url", r.url, "runner", name, "id", id, "server", opts.Server.URL, "method", r.method(), "version", opts.Program)
	return r, nil
}

// open makes all the parts and joins them. It neither listens nor starts the
// background work.
func open(ctx context.Context, opts Options) (*Runner, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
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
	l := &link{options: opts.Server, state: opts.State, program: opts.Program, now: opts.Now, log: opts.Log}
	if err := l.open(ctx, opts.JoinToken); err != nil {
		return nil, err
	}
	r := &Runner{opts: opts, link: l, log: opts.Log, failed: make(chan error, 1)}
	r.assumer = &assumer{token: opts.Token, direct: opts.Direct, log: opts.Log, way: map[rolebroker.RoleARN]STS{}}
	r.record = &record{link: l, spool: spool, grace: opts.Grace, now: opts.Now, log: opts.Log,
		delivering: make(chan struct{}, 1), authorised: map[authorisation]time.Time{}}
	identifier := newIdentifier(r.record, opts.Verifier)
	cluster := lend.New(lend.Options{Records: r.record, Assumer: r.assumer, Serves: l.serves,
		Log: opts.Log, Metrics: opts.Metrics, Now: opts.Now, SessionsPerAgent: opts.SessionsPerAgent})
	cluster.Subscribe(identifier.forget)
	r.validator = newValidator(r)
	cluster.Subscribe(r.validator.notice)
	r.lender = &lender{cluster: cluster, record: r.record,
		platform: forward.New(forward.Options{Server: platform{l, identifier}, Log: opts.Log, Now: opts.Now})}
	r.http = &http.Server{
		Handler:           r.handler(identifier),
		ErrorLog:          slog.NewLogLogger(r.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		TLSConfig:      opts.TLS,
	}
	return r, nil
}

// checkListen refuses to serve credentials in clear text to other machines.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
func checkListen(address string, secure bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%q is not an address to listen on, as in 127.0.0.1:8485", address)
	}
	if secure || rolebroker.IsLoopback(host) || host == "169.254.170.2" || host == "169.254.170.23" || host == "fd00:ec2::23" {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "credentials would cross the network in clear text to whoever asks %s", address).
		WithHint("listen on a loopback address beside the agent, on 169.254.170.23 on its node, or with --tls-cert and --tls-key")
}

// handler is everything that a runner answers.
func (r *Runner) handler(who *identifier) http.Handler {
	credentials := containercreds.New(containercreds.Options{Lender: r.lender, Identify: who.identify, Log: r.log})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { state(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", r.ready)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/v1/") { // no mux cleans a role reference
			credentials.ServeHTTP(w, req)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// serve answers agents from now on.
func (r *Runner) serve(listener net.Listener) {
	r.url = "http://" + listener.Addr().String()
	if r.opts.TLS != nil {
		r.url = "https://" + listener.Addr().String()
	}
	r.work.Go(func() {
		var err error
		if r.opts.TLS != nil {
			err = r.http.ServeTLS(listener, "", "")
		} else {
			err = r.http.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			r.failed <- fmt.Errorf("serving: %w", err)
		}
	})
}

// ready says whether agents can be served: what is remembered may be used.
func (r *Runner) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case r.record.up.Load():
		state(w, http.StatusOK, "ready")
	case r.record.Watching():
		state(w, http.StatusOK, "the server cannot be reached; what it authorised goes on")
	case r.link.has(answers):
		state(w, http.StatusOK, "the server tells nothing of changes; it is asked each time")
	case r.link.has(refuses):
		state(w, http.StatusServiceUnavailable, "the server does not know this runner any more")
	default:
		state(w, http.StatusServiceUnavailable, "the server cannot be reached")
	}
}

func state(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Status string `json:"status"`
	}{text})
}

// begin starts the background work.
func (r *Runner) begin(ctx context.Context) {
	r.background, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.work.Go(func() { r.link.listen(r.background, r.heard, r.lost) })
	r.work.Go(func() { r.validator.run(r.background) })
	r.every(useInterval, "telling what was used", r.lender.cluster.RecordUse)
	r.every(deliverInterval, "telling what happened while the server was away", r.record.deliver)
	r.every(renewInterval, "changing the credential", r.link.renew)
	r.every(reportInterval, "reporting", r.report)
}

// heard takes an event of the server.
func (r *Runner) heard(e api.RunnerEvent) {
	again := e.Hello != nil
	r.record.hear(e)
	if again {
		r.log.Info("connected to the server", "server", r.opts.Server.URL)
		r.work.Go(func() {
			r.note("telling what happened while the server was away", r.record.deliver(r.background))
			r.note("reporting", r.report(r.background))
		})
	}
}

// lost is told that the stream of events has ended.
func (r *Runner) lost(err error) {
	if r.record.up.Load() && r.link.has(isAway) {
		r.log.Warn("the server cannot be reached; what it authorised goes on", "until", r.opts.Now().Add(r.opts.Grace).UTC().Format(time.RFC3339), "reason", err)
	} else {
		r.log.Debug("the stream of events ended", "reason", err)
	}
	r.record.lost()
}

// report says what the runner is.
func (r *Runner) report(ctx context.Context) error {
	report := rolebroker.RunnerReport{Program: r.opts.Program, Method: r.method(), Issuer: r.opts.Issuer, Pending: r.record.spool.pending()}
	identity, err := r.assumer.Identity(ctx)
	if err != nil {
		report.IdentityError = err.Error()
	} else {
		report.Identity = *identity
	}
	return tell(ctx, r.link, func(ctx context.Context, c *client.Client) error { return c.Report(ctx, convert.RunnerReport(report)) })
}

// method is how roles are assumed first.
func (r *Runner) method() rolebroker.AssumeMethod {
	if r.opts.Token != nil {
		return rolebroker.MethodWebIdentity
	}
	return rolebroker.MethodAssumeRole
}

// every does something now and then until the runner closes.
func (r *Runner) every(interval time.Duration, what string, do func(context.Context) error) {
	r.work.Go(func() {
		for pause(r.background, interval) {
			r.note(what, do(r.background))
		}
	})
}

// note logs what went wrong. The next time is another try.
func (r *Runner) note(what string, err error) {
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

// Close refuses new requests, lets those under way finish until ctx ends, and
// tells the server what is still to be told, if it is there.
func (r *Runner) Close(ctx context.Context) error {
	err := r.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests were cut off: %w", err), r.http.Close())
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	recorded := r.lender.Close(closing)
	r.stop()
	r.work.Wait()
	for _, told := range []error{recorded, r.record.deliver(closing)} {
		if !rolebroker.IsOutage(told) {
			err = errors.Join(err, told)
		}
	}
	return err
}
