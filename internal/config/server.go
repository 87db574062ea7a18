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

	// RequireExternalID has a role that can be assumed without the external ID
	// of its integration, or with a wrong one, fail its validation. Otherwise it
	// is a warning.
	RequireExternalID bool

	// RevalidateEvery is how often the roles of every integration are validated
	// in the background, so that it is noticed when one stops working; 0 is
	// never. It is spread out over the interval, and of several servers one
	// validates each.
	RevalidateEvery time.Duration

	// ValidationConcurrency is how many roles of one validation are tried at
	// once.
	ValidationConcurrency int

	// ValidationRate is how many calls to STS all validations of this server
	// together make in a second. AWS allows an account some 600 in a region,
	// which lending needs too.
	ValidationRate int

	// ValidationRetry is for how long a role that is denied is tried again
	// before it counts as failed: IAM takes seconds to spread what was changed.
	ValidationRetry time.Duration

	// AWSRoleARN is the ARN of the role that this server's AWS identity is a
	// session of, for trust policies that name it exactly. AWS does not tell a
	// session the path of its role; empty means what the environment says, or
	// else a role without a path.
	AWSRoleARN string

	// ShutdownTimeout is how long requests that have begun may take to finish
	// after the server was told to stop.
	ShutdownTimeout time.Duration
}

// DefaultServer is the server as it is when nothing is set.
func DefaultServer() *Server {
	return &Server{
		Listen:                "127.0.0.1:8484",
		Database:              NewDatabase("rolebroker.db"),
		LogLevel:              "info",
		LogFormat:             "text",
		SessionRetention:      30 * day,
		MaxSessionsPerAgent:   64,
		ValidationConcurrency: 4,
		ValidationRate:        300,
		ValidationRetry:       7 * time.Second,
		ShutdownTimeout:       30 * time.Second,
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
	f.BoolVar(&c.RequireExternalID, "require-external-id", c.RequireExternalID, "roles that can be assumed without the external ID fail their validation")
	f.Var((*durationValue)(&c.RevalidateEvery), "revalidate-every", "how often all roles are validated in the background, as in 6h; 0s is never")
	f.IntVar(&c.ValidationConcurrency, "validation-concurrency", c.ValidationConcurrency, "how many roles of one validation are tried at once, a `number`")
	f.IntVar(&c.ValidationRate, "validation-rate", c.ValidationRate, "most calls to STS that validations make in a second, a `number`")
	f.Var((*durationValue)(&c.ValidationRetry), "validation-retry", "how long a role that is denied is tried again, as in 7s")
	f.StringVar(&c.AWSRoleARN, "aws-role-arn", c.AWSRoleARN, "`ARN`, with its path, of the role that the server's AWS identity is a session of")
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
