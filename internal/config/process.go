package config

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// Process holds the settings that a server and a runner have in common.
type Process struct {
	// TLSCert is a PEM file with the certificate to serve HTTPS with, followed
	// by its intermediates. It needs TLSKey. Most AWS SDKs ask for credentials
	// only over HTTPS with a publicly trusted certificate, or over plain HTTP on
	// loopback; with a private CA, use `rolebroker exec`.
	TLSCert string

	// TLSKey is a PEM file with the private key of TLSCert.
	TLSKey string

	// MaxSessionsPerAgent limits the sessions of one agent that are kept to be
	// handed out, and the new ones that it starts at once. An agent that makes up
	// task names could otherwise cause any number of calls to STS. A session that
	// nothing asked for during a minute makes room. Requests for credentials that
	// are in memory are not limited.
	MaxSessionsPerAgent int

	// LogLevel is the least severe level that is logged: debug, info, warn or
	// error. No level logs credentials, tokens or keys.
	LogLevel string

	// LogFormat is text, for people, or json, for machines.
	LogFormat string

	// ShutdownTimeout is how long a process that is asked to stop waits for
	// requests that have begun.
	ShutdownTimeout time.Duration
}

func defaultProcess() Process {
	return Process{MaxSessionsPerAgent: 64, LogLevel: "info", LogFormat: "text", ShutdownTimeout: 30 * time.Second}
}

// The flags of a process, in the groups in which help lists them.

func (p *Process) tlsFlags(f *pflag.FlagSet) {
	f.StringVar(&p.TLSCert, "tls-cert", p.TLSCert, "serve HTTPS with the certificate in PEM `FILE`")
	f.StringVar(&p.TLSKey, "tls-key", p.TLSKey, "PEM `FILE` with the private key of --tls-cert")
}

func (p *Process) sessionFlags(f *pflag.FlagSet) {
	f.IntVar(&p.MaxSessionsPerAgent, "max-sessions-per-agent", p.MaxSessionsPerAgent,
		"keep at most `N` sessions of one agent to hand out")
}

func (p *Process) logFlags(f *pflag.FlagSet) {
	f.StringVar(&p.LogLevel, "log-level", p.LogLevel, "log from `LEVEL` up: debug, info, warn or error")
	f.StringVar(&p.LogFormat, "log-format", p.LogFormat, "log in `FORMAT`: text or json")
}

func (p *Process) lastFlags(f *pflag.FlagSet) {
	f.Var((*durationValue)(&p.ShutdownTimeout), "shutdown-timeout", "wait `DURATION` for begun requests when stopping")
	f.String(configFlag, "", "read settings from YAML `FILE`, with keys as in tls_cert")
}

func (p *Process) check(l *loader) {
	if p.TLSCert == "" && p.TLSKey != "" {
		l.check("tls-cert", "is missing; --tls-key needs the certificate it belongs to")
	}
	if p.TLSKey == "" && p.TLSCert != "" {
		l.check("tls-key", "is missing; --tls-cert needs its private key")
	}
	if p.MaxSessionsPerAgent < 1 {
		l.check("max-sessions-per-agent", fmt.Sprintf("is %d; write at least 1, as in 64", p.MaxSessionsPerAgent))
	}
	if _, ok := levels()[p.LogLevel]; !ok {
		l.check("log-level", fmt.Sprintf("%q is not one of debug, info, warn, error", p.LogLevel))
	}
	if p.LogFormat != "text" && p.LogFormat != "json" {
		l.check("log-format", fmt.Sprintf("%q is not one of text, json", p.LogFormat))
	}
	if p.ShutdownTimeout < 0 {
		l.check("shutdown-timeout", fmt.Sprintf("is %s; write a duration that is not negative, as in 30s",
			FormatDuration(p.ShutdownTimeout)))
	}
}

// Logger returns a logger with LogLevel and LogFormat that writes to out.
func (p *Process) Logger(out io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: levels()[p.LogLevel]}
	if p.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(inertJSON{out}, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}

// levels are the values of LogLevel.
func levels() map[string]slog.Level {
	return map[string]slog.Level{
		"debug": slog.LevelDebug,
		"info":  slog.LevelInfo,
		"warn":  slog.LevelWarn,
		"error": slog.LevelError,
	}
}

// inertJSON is where JSON is written that a terminal may show.
type inertJSON struct{ io.Writer }

// Write implements io.Writer.
func (w inertJSON) Write(line []byte) (int, error) {
	if _, err := w.Writer.Write(rolebroker.InertJSON(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
