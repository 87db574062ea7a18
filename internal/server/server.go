package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// Options are what a configuration file cannot hold. The zero value works.
type Options struct {
	Log     *slog.Logger     // nil: none
	Version string           // shown by the API and in metrics
	STS     sts.Options      // the zero value: the operator's ambient identity
	Now     func() time.Time // nil: time.Now

	// AdminKeyMade is given the first admin API key when there was none. It is
	// not to be had again.
	AdminKeyMade func(rolebroker.Secret)

	// Ready is called once the server answers, with its URL.
	Ready func(url string)
}

// Server is a running rolebroker. Make one with Start.
type Server struct {
	url     string
	log     *slog.Logger
	store   *store.Store
	lender  *lend.Lender
	broker  *broker.Broker
	http    *http.Server
	closing func()     // ends the streams that runners hold open
	failed  chan error // what ended the listener, if anything did

	background context.Context // ends when the server closes
	stop       context.CancelFunc
	work       sync.WaitGroup
}

// Run serves until ctx ends, and then finishes what is under way, for
// cfg.ShutdownTimeout at the most.
func Run(ctx context.Context, cfg *config.Server, opts Options) error {
	s, err := Start(ctx, cfg, opts)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case err = <-s.failed:
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownTimeout)
	defer cancel()
	return errors.Join(err, s.Close(ending))
}

// Start opens the database and serves. Its errors are for the operator.
func Start(ctx context.Context, cfg *config.Server, opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	var certificate *certificate // nil: plain HTTP
	if cfg.TLSCert != "" {
		var err error
		if certificate, err = loadCertificate(cfg.TLSCert, cfg.TLSKey); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "listening on %s: the port is in use: %w", cfg.Listen, err).
			WithHint("stop what uses it, or choose another with --listen")
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", cfg.Listen, err)
	}
	s, err := open(ctx, cfg, opts)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	s.serve(listener, certificate)
	opts.Log.Info("serving", "url", s.url, "database", cfg.Database, "version", opts.Version)
	if opts.Ready != nil {
		opts.Ready(s.url)
	}
	return s, nil
}

// open makes all the parts and joins them.
func open(ctx context.Context, cfg *config.Server, opts Options) (*Server, error) {
	db, err := store.Open(ctx, store.Options{Database: cfg.Database.Reveal(), Log: opts.Log})
	if err != nil {
		return nil, err
	}
	registry := new(prometheus.Registry)
	registry.ObserveProcess()
	s := &Server{log: opts.Log, store: db, failed: make(chan error, 1)}
	opts.STS.RoleARN = cfg.AWSRoleARN
	assumer := sts.New(opts.STS)
	s.lender = lend.New(lend.Options{
		Records: db, Assumer: assumer, Now: opts.Now, Log: opts.Log, Metrics: registry,
		SessionsPerAgent: cfg.MaxSessionsPerAgent,
	})
	s.broker = broker.New(broker.Options{
		Store: db, STS: assumer, Lender: s.lender, Now: opts.Now, Log: opts.Log, Metrics: registry,
		RequireExternalID: cfg.RequireExternalID,
		Validation:        validate.Options{Concurrency: cfg.ValidationConcurrency, Rate: cfg.ValidationRate, Patience: cfg.ValidationRetry},
	})
	if err := s.bootstrap(ctx, cfg.AdminKey, opts.AdminKeyMade); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	authenticator := &auth.Authenticator{Records: s.broker, Now: opts.Now}
	s.http = &http.Server{
		Handler:        s.routes(authenticator, registry, cfg, opts),
		ErrorLog:       slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug),
		ConnState:      noteState, // instead of timeouts, see connections
		MaxHeaderBytes: 64 << 10,
	}
	s.http.RegisterOnShutdown(s.closing)
	s.background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() { s.introduce(s.background, assumer) })
	s.every(useInterval, "recording use", s.lender.RecordUse)
	s.every(sweepInterval, "forgetting old sessions and sign-ins", func(ctx context.Context) error {
		_, err := s.broker.ForgetSessions(ctx, opts.Now().Add(-cfg.SessionRetention))
		return errors.Join(err, s.broker.ForgetSignIns(ctx))
	})
	if cfg.RevalidateEvery > 0 {
		tick := min(revalidateTick, cfg.RevalidateEvery)
		s.every(tick, "validating roles in the background", func(ctx context.Context) error {
			return s.broker.Revalidate(ctx, cfg.RevalidateEvery, tick)
		})
	}
	return s, nil
}

// introduce logs who we are in AWS, so that an operator learns at the start,
// and not from an agent, that there is no identity to lend roles with.
func (s *Server) introduce(ctx context.Context, assumer validate.STS) {
	identity, err := assumer.Identity(ctx)
	switch {
	case err == nil:
		s.log.Info("found the AWS identity of this server", "arn", identity.ARN)
	case ctx.Err() == nil:
		s.log.Warn("no role can be lent: AWS does not say who this server is", "reason", err, "hint", broker.NoPlatform(err).Hint.String(), "cause", errors.Unwrap(err))
	}
}

// bootstrap sees to it that there is an admin API key.
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

// serve answers requests from now on.
func (s *Server) serve(l net.Listener, certificate *certificate) {
	listener := newConnections(l)
	s.every(sweepEvery, "closing slow connections", func(context.Context) error { listener.sweep(); return nil })
	s.url = "http://" + listener.Addr().String()
	if certificate != nil {
		s.url = "https://" + listener.Addr().String()
		s.http.TLSConfig = &tls.Config{GetCertificate: certificate.get, MinVersion: tls.VersionTLS12}
	}
	s.work.Go(func() {
		var err error
		if certificate != nil {
			err = s.http.ServeTLS(listener, "", "")
		} else {
			err = s.http.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serving: %w", err)
		}
	})
}

// SignInLink is an address by which somebody may sign in to the web app, once,
// as the holder of the first admin API key.
func (s *Server) SignInLink(ctx context.Context) (string, error) {
	key, err := s.broker.APIKey(ctx, auth.BootstrapKey)
	if err != nil {
		return "", err
	}
	link, err := s.broker.SignInLink(ctx, rolebroker.Caller{APIKey: key.ID, Name: key.Name, Access: key.Access})
	return s.url + "/sign-in?link=" + link.Reveal(), err
}

// URL is where the server answers.
func (s *Server) URL() string { return s.url }

// Close refuses new requests, lets those under way finish until ctx ends, and
// closes the database last.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests were cut off: %w", err), s.http.Close())
	}
	s.stop()
	s.work.Wait()
	// A connection that never ends may have used up all of ctx; what is under
	// way is recorded all the same.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return errors.Join(err, s.lender.Close(recording), s.store.Close())
}

// recordTimeout is how long AssumeRole calls under way may take when stopping.
const recordTimeout = 10 * time.Second

// How often the background work is done.
const (
	useInterval    = 10 * time.Second
	sweepInterval  = time.Hour
	revalidateTick = 10 * time.Second // a part of the integrations each time
)

// every does something now and then until the server closes. A failure is
// logged; the next time is another try.
func (s *Server) every(interval time.Duration, what string, do func(context.Context) error) {
	s.work.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-s.background.Done():
				return
			case <-ticker.C:
			}
			if err := do(s.background); err != nil && s.background.Err() == nil {
				s.log.Warn(what, "reason", err, "cause", errors.Unwrap(err))
			}
		}
	})
}
