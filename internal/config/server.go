package config

import (
	"io"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// Server is what the control plane can be told. Make one with DefaultServer
// and fill it with Load.
type Server struct {
	// Listen is the address to serve on, as host:port. The default,
	// 127.0.0.1:8484, is reachable from this machine only. Any address that is
	// not loopback needs TLSCert and TLSKey, or TLSTerminatedByProxy: agent
	// tokens and AWS credentials travel over it.
	Listen string

	// Database is where everything is remembered: a path is a SQLite file,
	// made if it does not exist, and a postgres:// URL is PostgreSQL. It may
	// hold a password, so printing it redacts that. SQLite serves one server
	// process; several replicas share a PostgreSQL.
	Database Database

	// TLSCert is the file with the PEM certificate, followed by its
	// intermediates, to serve HTTPS with. It is given together with TLSKey.
	// Most AWS SDKs ask for credentials only over HTTPS whose certificate is
	// publicly trusted, or over plain HTTP on loopback; `rolebroker exec` is
	// the way around a private CA.
	TLSCert string

	// TLSKey is the file with the PEM private key of TLSCert.
	TLSKey string

	// TLSTerminatedByProxy says, in so many words, that something in front of
	// this server does TLS: an ingress, a load balancer, a service mesh. It is
	// what allows a plain-HTTP listener on an address that is not loopback.
	// Whoever sets it promises that nothing else can reach that address.
	TLSTerminatedByProxy bool

	// AdminKey is the first admin API key. It can be set in the environment
	// only, as ROLEBROKER_ADMIN_KEY, and has at least 24 characters. Without
	// it the first start makes one and prints it, once.
	AdminKey rolebroker.Secret

	// LogLevel is the least important message that is logged: debug, info,
	// warn or error. No level shows credentials, tokens or keys.
	LogLevel string

	// LogFormat is text, for people, or json, for machines.
	LogFormat string

	// SessionRetention is how long a session is remembered after its
	// credentials expired. It bounds the size of the database and how far back
	// "who held what" can be answered; AWS's own record is CloudTrail.
	SessionRetention time.Duration

	// MaxSessionsPerAgent caps the distinct live sessions of one agent, so
	// that an agent that makes up task names cannot have STS called without
	// bound. Asking again for what is held already is not limited.
	MaxSessionsPerAgent int

	// ShutdownTimeout is how long requests that have begun may take to finish
	// after the server was told to stop.
	ShutdownTimeout time.Duration
}

// DefaultServer is the server as it is when nothing is set.
func DefaultServer() *Server {
	return &Server{
		Listen:              "127.0.0.1:8484",
		Database:            NewDatabase("rolebroker.db"),
		LogLevel:            "info",
		LogFormat:           "text",
		SessionRetention:    30 * day,
		MaxSessionsPerAgent: 64,
		ShutdownTimeout:     30 * time.Second,
	}
}

// Flags are the settings as flags that fill c, and --config.
func (c *Server) Flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.Listen, "listen", c.Listen, "`address` to serve on, as host:port")
	f.Var(&c.Database, "database", "`path` of a SQLite file, or postgres:// URL")
	f.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "PEM `file` with the certificate to serve HTTPS with")
	f.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "PEM `file` with the private key of --tls-cert")
	f.BoolVar(&c.TLSTerminatedByProxy, "tls-terminated-by-proxy", c.TLSTerminatedByProxy, "something in front of this server does TLS")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "least important `level` to log: debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`format` of the log: text or json")
	f.Var((*durationValue)(&c.SessionRetention), "session-retention", "how long ended sessions are remembered, as in 30d or 72h")
	f.IntVar(&c.MaxSessionsPerAgent, "max-sessions-per-agent", c.MaxSessionsPerAgent, "most distinct live sessions of one agent, a `number`")
	f.Var((*durationValue)(&c.ShutdownTimeout), "shutdown-timeout", "how long begun requests may take to finish when stopping")
	f.String(configFlag, "", "YAML `file` with these settings, written as in tls_cert")
	return f
}

// Logger writes the log as LogLevel and LogFormat say.
func (c *Server) Logger(out io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: levels[c.LogLevel]}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}

// levels are the values of LogLevel.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug,
	"info":  slog.LevelInfo,
	"warn":  slog.LevelWarn,
	"error": slog.LevelError,
}
