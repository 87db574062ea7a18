package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auditsink"
	"github.com/rolebroker/rolebroker/internal/config"
)

// auditSinks returns the sinks that the settings name.
func auditSinks(cfg *config.Server, opts Options) (sinks []auditsink.Sink, err error) {
	if cfg.AuditFile != "" {
		path, err := filepath.Abs(cfg.AuditFile)
		if err != nil {
			return nil, fmt.Errorf("--audit-file: %w", err)
		}
		sinks = append(sinks, &auditsink.File{Path: path, Format: rolebroker.AuditFormat(cfg.AuditFileFormat)})
	}
	if cfg.AuditOTLPEndpoint != "" {
		otlp, err := auditsink.NewOTLP(cfg.AuditOTLPEndpoint, cfg.AuditOTLPHeadersFile, cfg.AuditOTLPCAFile,
			opts.Version, opts.Log.Warn)
		if err != nil {
			return nil, fmt.Errorf("--audit-otlp-endpoint: %w", err)
		}
		sinks = append(sinks, otlp)
	}
	return sinks, nil
}

// deliverAudit begins to deliver the audit trail to the sinks.
func (s *Server) deliverAudit(cfg *config.Server, opts Options, sinks []auditsink.Sink) {
	owner := "server" // one server at a time has a SQLite file, so it need not wait for its own lease after a crash
	if cfg.Database.IsPostgres() {
		owner = rand.Text()
	}
	for _, sink := range sinks {
		pump := &auditsink.Pump{Store: s.store, Sink: sink, Owner: owner, Now: opts.Now, Log: s.log}
		s.pumps = append(s.pumps, pump)
		s.work.Go(func() { pump.Run(s.background) })
	}
	if len(sinks) > 0 {
		s.metrics.Gauge("rolebroker_audit_events_undelivered",
			"Events of the audit trail that this server has yet to deliver, to the sink that is furthest behind.",
			s.auditLag)
		s.metrics.Gauge("rolebroker_audit_delivery_failing",
			"How many sinks of the audit trail did not take the last delivery that this server tried.",
			s.auditFailing)
	}
}

func (s *Server) auditFailing() (failing float64) {
	for _, p := range s.pumps {
		if p.Failing() {
			failing++
		}
	}
	return failing
}

func (s *Server) auditLag() float64 {
	most := int64(0)
	for _, p := range s.pumps {
		most = max(most, p.Lag())
	}
	return float64(most)
}

// closeAudit delivers what is left, in one try: the rest is delivered after the next start.
func (s *Server) closeAudit(ctx context.Context) {
	for _, p := range s.pumps {
		if err := p.Close(ctx); err != nil {
			s.log.Warn("the audit trail is not delivered whole; the next start goes on", "sink", p.Sink.Name(),
				"reason", err, "cause", errors.Unwrap(err))
		}
	}
}
