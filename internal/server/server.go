package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auditsink"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/guard"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/requestid"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Options configure a server beyond its settings. The zero value works.
type Options struct {
	Log     *slog.Logger     // nil: no log
	Version string           // for the API
	STS     sts.Options      // the zero value: the AWS identity that an SDK finds
	Now     func() time.Time // nil: time.Now

	// AdminKeyMade receives the first admin API key, if the server created it.
	// Only its hash is stored.
	AdminKeyMade func(rolebroker.Secret)

	// Getenv is the environment that says where the gateway sends requests. nil: that of the process; with an endpoint
	// in STS, a simulator's, everything goes there.
	Getenv func(string) string

	// Ready is called with the URL of the server once it answers.
	Ready func(url string)
}

// Server is a running rolebroker. Make one with Start.
type Server struct {
	url     string
	door    *door
	meter   *door // serves the metrics; nil: the door does
	gate    *door // serves the gateway beside the door; nil: only the door does
	log     *slog.Logger
	metrics *prometheus.Registry
	store   *store.Store
	lender  *lend.Lender
	broker  *broker.Broker
	handler http.Handler
	gateway *gateway.Gateway // nil: there is none
	closing func()           // ends the streams to runners
	failed  chan error       // receives the error that ended the listener

	background context.Context // of the background work; done when the server closes
	stop       context.CancelFunc
	work       sync.WaitGroup
	pumps      []*auditsink.Pump // deliver the audit trail
}

// Run serves until ctx is done. It then finishes the requests it has begun, for at
// most cfg.ShutdownTimeout.
func Run(ctx context.Context, cfg *config.Server, opts Options) error {
	s, err := Start(ctx, cfg, opts)
	if err != nil {
		return err
	}
	// Reading the migrations and describing the API leave some 20 MiB behind, which a server with little to do would keep
	// for long.
	debug.FreeOSMemory()
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case err = <-s.failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
	defer cancel()
	return errors.Join(err, s.Close(ending))
}

// Start opens the database and begins to serve. Only the operator may see its
// errors.
func Start(ctx context.Context, cfg *config.Server, opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	opts.Log = slog.New(requestid.LogHandler(opts.Log.Handler()))
	if opts.Now == nil {
		opts.Now = time.Now
	}
	var certificate *certificate // nil for plain HTTP
	if cfg.TLSCert != "" {
		var err error
		if certificate, err = loadCertificate(cfg.TLSCert, cfg.TLSKey); err != nil {
			return nil, err
		}
	}
	listener, err := listen(cfg.Listen, "--listen")
	if err != nil {
		return nil, err
	}
	var metrics net.Listener
	if cfg.MetricsListen != "" {
		if metrics, err = listen(cfg.MetricsListen, "--metrics-listen"); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	var gate net.Listener
	if cfg.GatewayListen != "" {
		if gate, err = listen(cfg.GatewayListen, "--gateway-listen"); err != nil {
			return nil, errors.Join(err, listener.Close(), closeIfAny(metrics))
		}
	}
	s, err := open(ctx, cfg, opts)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), closeIfAny(metrics), closeIfAny(gate))
	}
	s.serve(listener, metrics, gate, certificate, cfg)
	opts.Log.Info("serving", "url", s.url, "database", cfg.Database, "version", opts.Version)
	if cfg.PublicURL != "" {
		opts.Log.Info("clients reach this server by its public URL", "public_url", cfg.PublicURL)
	}
	if opts.Ready != nil {
		opts.Ready(s.url)
	}
	return s, nil
}

// setupTemplate is where the template of integration setup is in S3; the zero value if it is nowhere.
func setupTemplate(cfg *config.Server) (rolebroker.TemplateURL, error) {
	if cfg.SetupTemplateURL == "" {
		return rolebroker.TemplateURL{}, nil
	}
	return rolebroker.ParseTemplateURL(cfg.SetupTemplateURL)
}

// open makes the parts of a server and starts the background work.
func open(ctx context.Context, cfg *config.Server, opts Options) (*Server, error) {
	db, err := store.Open(ctx, store.Options{Database: cfg.Database.Reveal(), Password: cfg.ReadDatabasePassword,
		Log: opts.Log})
	if err != nil {
		return nil, err
	}
	key, err := openAuditKey(cfg, opts.Log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	signing, err := openGatewayKeys(cfg, opts.Log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	template, err := setupTemplate(cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	sinks, err := auditSinks(cfg, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	provider, err := newProvider(cfg, opts)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	registry := new(prometheus.Registry)
	registry.ObserveProcess()
	s := &Server{log: opts.Log, metrics: registry, store: db, failed: make(chan error, 2)}
	opts.STS.RoleARN = cfg.AWSRoleARN
	assumer := sts.New(opts.STS)
	s.lender = lend.New(lend.Options{
		Records: db, Assumer: assumer, Gateway: makerOf(signing), Now: opts.Now, Log: opts.Log, Metrics: registry,
		SessionsPerAgent: cfg.MaxSessionsPerAgent,
	})
	administration := broker.Options{
		Store: db, STS: assumer, Policies: assumer, Lender: s.lender, Now: opts.Now, Log: opts.Log, Metrics: registry,
		AuditKey: key, RequireExternalID: cfg.RequireExternalID, RedactCallResources: cfg.RedactCallResources,
		SessionsPerAgent: cfg.MaxSessionsPerAgent, SetupTemplate: template,
		Validation: validate.Options{Concurrency: cfg.ValidationConcurrency, Rate: cfg.ValidationRate,
			Patience: cfg.ValidationRetry, Own: assumer},
		Groups: cfg.Groups(),
	}
	if provider != nil {
		administration.Provider = provider
	}
	s.broker = broker.New(administration)
	if err := s.bootstrap(ctx, cfg.AdminKey, opts.AdminKeyMade); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	authenticator := &auth.Authenticator{Records: s.broker, Now: opts.Now,
		Failures: guard.NewFailures(opts.Now, registry)}
	closing := make(chan struct{})
	s.closing = sync.OnceFunc(func() { close(closing) })
	asked := requests{s, cfg.PublicURL, opts.Now, closing}
	s.gateway = s.newGateway(signing, asked, cfg, opts)
	s.handler = s.routes(authenticator, asked, signing, provider, cfg, opts)
	s.background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() { s.introduce(s.background, assumer) })
	if provider != nil {
		s.work.Go(func() { s.checkProvider(s.background, provider) })
	}
	s.warnOfOtherKey(ctx)
	s.everyQuietly(growInterval, "growing the audit trail", func(ctx context.Context) error {
		return s.broker.GrowTrail(ctx, false)
	})
	s.recordCalls(cfg, opts)
	s.deliverAudit(cfg, opts, sinks)
	s.every(useInterval, "recording use", s.lender.RecordUse)
	s.every(sweepInterval, "forgetting old sessions, access requests and sign-ins", func(ctx context.Context) error {
		before := opts.Now().Add(-cfg.SessionRetention)
		_, err := s.broker.ForgetSessions(ctx, before)
		_, asked := s.broker.ForgetAccessRequests(ctx, before)
		return errors.Join(err, asked, s.broker.ForgetSignIns(ctx))
	})
	if cfg.AuditRetention > 0 {
		s.every(sweepInterval, "forgetting old audit events", func(ctx context.Context) error {
			_, err := s.broker.ForgetEvents(ctx, opts.Now().Add(-cfg.AuditRetention))
			return err
		})
	}
	s.work.Go(func() { s.broker.RevalidateSuspects(s.background) })
	if cfg.RevalidateEvery > 0 {
		tick := min(revalidateTick, cfg.RevalidateEvery)
		s.every(tick, "validating roles in the background", func(ctx context.Context) error {
			return s.broker.Revalidate(ctx, cfg.RevalidateEvery, tick)
		})
	}
	return s, nil
}

// introduce logs the AWS identity of this server. Without one it can lend no role,
// and the operator learns that at the start and not from an agent.
func (s *Server) introduce(ctx context.Context, assumer validate.STS) {
	identity, err := assumer.Identity(ctx)
	switch {
	case err == nil:
		s.log.Info("found the AWS identity of this server", "arn", identity.ARN)
	case ctx.Err() == nil:
		s.log.Warn("no role can be lent: AWS does not say who this server is",
			"reason", err, "hint", broker.NoPlatform(err).Hint.String(), "cause", errors.Unwrap(err))
	}
}

// bootstrap makes sure that there is an admin API key.
func (s *Server) bootstrap(ctx context.Context, chosen rolebroker.Secret, made func(rolebroker.Secret)) error {
	key, err := s.broker.BootstrapAdmin(ctx, chosen)
	if err != nil {
		return fmt.Errorf("setting up the first admin API key: %w", err)
	}
	if !key.IsZero() && made != nil {
		made(key)
	}
	return nil
}

// serve begins to answer requests. metrics and gate may be nil.
func (s *Server) serve(listener, metrics, gate net.Listener, certificate *certificate, cfg *config.Server) {
	limits := guard.Options{Log: s.log, Metrics: s.metrics, Shared: cfg.TLSTerminatedByProxy}
	s.door = newDoor(listener, limits, s.handler, certificate, cfg)
	s.door.http.RegisterOnShutdown(s.closing)
	s.url = s.door.url
	doors := []*door{s.door}
	if metrics != nil {
		s.meter = newDoor(metrics, guard.Options{Log: s.log, Most: mostScrapes}, metricsOnly(s.metrics),
			certificate, cfg)
		s.log.Info("serving metrics", "url", s.meter.url+"/metrics")
		doors = append(doors, s.meter)
	}
	if gate != nil {
		s.gate = newGate(gate, guard.Options{Log: s.log, Shared: limits.Shared}, s.gateway, certificate)
		s.log.Info("serving the gateway", "url", s.gate.url)
		doors = append(doors, s.gate)
	}
	for _, d := range doors {
		s.work.Go(func() {
			if err := d.serve(); err != nil {
				s.failed <- err
			}
		})
	}
}

// SignInLink returns a URL that signs its visitor in to the web app, once, as the
// holder of the first admin API key.
func (s *Server) SignInLink(ctx context.Context) (string, error) {
	key, err := s.broker.APIKey(ctx, auth.BootstrapKey)
	if err != nil {
		return "", err
	}
	link, err := s.broker.SignInLink(ctx, rolebroker.Caller{APIKey: key.ID, Name: key.Name, Access: key.Access})
	return s.webURL(rolebroker.LoopbackName(key.Hash)) + "/sign-in?link=" + link.Reveal(), err
}

// webURL returns the URL of the web app for the holder of the API key with the loopback name.
func (s *Server) webURL(name string) string {
	u, err := url.Parse(s.url)
	if err != nil || !rolebroker.IsLoopback(u.Hostname()) {
		return s.url
	}
	u.Host = net.JoinHostPort(name, u.Port())
	return u.String()
}

// URL returns the URL of the server.
func (s *Server) URL() string { return s.url }

// MetricsURL returns the URL of the metrics.
func (s *Server) MetricsURL() string {
	if s.meter != nil {
		return s.meter.url + "/metrics"
	}
	return s.url + "/metrics"
}

// GatewayURL returns the URL of the gateway's own address; empty if it has none.
func (s *Server) GatewayURL() string {
	if s.gate == nil {
		return ""
	}
	return s.gate.url
}

// Close refuses new requests, finishes those it has begun until ctx is done, and
// closes the database.
func (s *Server) Close(ctx context.Context) error {
	err := s.door.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests were cut off: %w", err), s.door.http.Close())
	}
	if s.meter != nil {
		err = errors.Join(err, s.meter.http.Close())
	}
	if s.gate != nil {
		err = errors.Join(err, s.gate.http.Shutdown(ctx))
	}
	s.stop()
	s.work.Wait()
	// A request that does not end may have used up ctx. Sessions are recorded all
	// the same.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	err = errors.Join(err, s.closeGateway(recording), s.lender.Close(recording), s.broker.GrowTrail(recording, true))
	s.closeAudit(recording)
	return errors.Join(err, s.store.Close())
}

// recordTimeout is how long Close waits for AssumeRole calls to end and to be
// recorded.
const recordTimeout = 10 * time.Second

// The intervals of the background work.
const (
	growInterval   = time.Second
	useInterval    = 10 * time.Second
	sweepInterval  = time.Hour
	revalidateTick = 10 * time.Second // validates a part of the integrations
)

// every does something at an interval until the server closes. It logs an error, and
// goes on.
func (s *Server) every(interval time.Duration, what string, do func(context.Context) error) {
	s.repeat(interval, func() {
		if err := do(s.background); err != nil && s.background.Err() == nil {
			s.log.Warn(what, "reason", err, "cause", errors.Unwrap(err))
		}
	})
}

// everyQuietly is every, except that it logs only the first error of several in a row.
func (s *Server) everyQuietly(interval time.Duration, what string, do func(context.Context) error) {
	failing := false
	s.repeat(interval, func() {
		err := do(s.background)
		switch {
		case s.background.Err() != nil:
		case err != nil && !failing:
			s.log.Warn(what, "reason", err, "cause", errors.Unwrap(err))
		case err == nil && failing:
			s.log.Info(what + " works again")
		}
		failing = err != nil
	})
}

// repeat does something at an interval until the server closes.
func (s *Server) repeat(interval time.Duration, do func()) {
	s.work.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-s.background.Done():
				return
			case <-ticker.C:
				do()
			}
		}
	})
}
