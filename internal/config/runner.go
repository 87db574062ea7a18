package config

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// Runner is what a runner can be told. Make one with DefaultRunner and fill it
// with Load.
type Runner struct {
	// Server is the URL of the control plane.
	Server string

	// JoinTokenFile has the token with which the runner joins, once. The token
	// itself can be in the environment, as ROLEBROKER_RUNNER_JOIN_TOKEN. Neither
	// is used while there is a credential that the control plane knows.
	JoinTokenFile string
	JoinToken     rolebroker.Secret

	// State is where the credential is kept: a folder, or secret:NAMESPACE/NAME
	// for a Secret of the cluster that the runner is in, which several replicas
	// may share.
	State string

	// Spool is the folder for what could not be told to the control plane yet.
	// Empty: State, if that is a folder, else memory only.
	Spool string

	// Listen is where agents borrow: a loopback address, for agents in the same
	// pod; 169.254.170.23:80, for those on the same node; or any address with
	// TLSCert and TLSKey.
	Listen  string
	TLSCert string
	TLSKey  string

	// CACert is a PEM file with the authorities that the control plane's
	// certificate may be signed by, instead of the system's.
	CACert string

	// AllowInsecure permits plain HTTP to a control plane on another machine.
	AllowInsecure bool

	// Assume is how roles are assumed: web-identity, with the token of the
	// runner's service account; assume-role, from whatever AWS identity the SDK's
	// chain finds; or auto, the first and then the second where there is a token.
	Assume string

	// WebIdentityTokenFile has that token: projected, for the audience
	// sts.amazonaws.com. The default is what AWS_WEB_IDENTITY_TOKEN_FILE says.
	WebIdentityTokenFile string

	// Grace is how long what was authorised goes on while the control plane
	// cannot be reached; 0 is not at all.
	Grace time.Duration

	// ClusterIssuer is the issuer of the service-account tokens by which agents
	// are known. In a pod the default is that of the runner's own token;
	// elsewhere none are taken without it.
	ClusterIssuer string

	// ClusterKeys is where the issuer's keys are: an https:// URL of a JSON Web
	// Key Set, a file, or discovery, for what the issuer's own discovery document
	// says. In a pod the default is the API server of its cluster.
	ClusterKeys string

	// Audience is what service-account tokens have to be for.
	Audience string

	MaxSessionsPerAgent int
	LogLevel            string
	LogFormat           string
	ShutdownTimeout     time.Duration
}

// The values of Assume, and the prefix of a State that is a Secret.
const (
	AssumeAuto        = "auto"
	AssumeWebIdentity = string(rolebroker.MethodWebIdentity)
	AssumeRole        = string(rolebroker.MethodAssumeRole)
	SecretPrefix      = "secret:"
	Discovery         = "discovery"
)

const joinToken = "ROLEBROKER_RUNNER_JOIN_TOKEN"

// maxGrace is the longest grace: what was taken away meanwhile goes on for so long.
const maxGrace = 24 * time.Hour

// DefaultRunner is the runner as it is when nothing is set.
func DefaultRunner() *Runner {
	return &Runner{
		State:               "rolebroker-runner",
		Listen:              "127.0.0.1:8485",
		Assume:              AssumeAuto,
		Grace:               time.Hour,
		Audience:            "rolebroker",
		MaxSessionsPerAgent: 64,
		LogLevel:            "info",
		LogFormat:           "text",
		ShutdownTimeout:     30 * time.Second,
	}
}

// Flags are the settings as flags that fill c, and --config.
func (c *Runner) Flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("runner", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.Server, "server", c.Server, "`URL` of the control plane")
	f.StringVar(&c.JoinTokenFile, "join-token-file", c.JoinTokenFile, "`file` with the token to join with, the first time")
	f.StringVar(&c.State, "state", c.State, "where the credential is kept: a `folder`, or secret:NAMESPACE/NAME")
	f.StringVar(&c.Spool, "spool", c.Spool, "`folder` for what could not be told yet (default: that of --state)")
	f.StringVar(&c.Listen, "listen", c.Listen, "`address` where agents borrow, as host:port")
	f.StringVar(&c.TLSCert, "tls-cert", c.TLSCert, "PEM `file` with the certificate to serve HTTPS with")
	f.StringVar(&c.TLSKey, "tls-key", c.TLSKey, "PEM `file` with the private key of --tls-cert")
	f.StringVar(&c.CACert, "ca-cert", c.CACert, "PEM `file` with the authorities of the control plane's certificate")
	f.BoolVar(&c.AllowInsecure, "allow-insecure", c.AllowInsecure, "plain HTTP to a control plane on another machine is meant")
	f.StringVar(&c.Assume, "assume", c.Assume, "`how` roles are assumed: auto, web-identity or assume-role")
	f.StringVar(&c.WebIdentityTokenFile, "web-identity-token-file", c.WebIdentityTokenFile, "`file` with a token for STS (default: AWS_WEB_IDENTITY_TOKEN_FILE)")
	f.Var((*durationValue)(&c.Grace), "grace", "how long what was authorised goes on without the control plane")
	f.StringVar(&c.ClusterIssuer, "cluster-issuer", c.ClusterIssuer, "`URL` of the issuer of service-account tokens (default: this pod's)")
	f.StringVar(&c.ClusterKeys, "cluster-keys", c.ClusterKeys, "`where` its keys are: a URL, a file, or discovery (default: this cluster)")
	f.StringVar(&c.Audience, "audience", c.Audience, "`name` that service-account tokens have to be for")
	f.IntVar(&c.MaxSessionsPerAgent, "max-sessions-per-agent", c.MaxSessionsPerAgent, "most distinct live sessions of one agent, a `number`")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "least important `level` to log: debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "`format` of the log: text or json")
	f.Var((*durationValue)(&c.ShutdownTimeout), "shutdown-timeout", "how long begun requests may take to finish when stopping")
	f.String(configFlag, "", "YAML `file` with these settings, written as in tls_cert")
	return f
}

// RunnerEnvName is the spelling of a runner's flag in the environment:
// ROLEBROKER_RUNNER_TLS_CERT for tls-cert.
func RunnerEnvName(flag string) string { return EnvName("runner-" + flag) }

// Load completes what the flags said, as Server.Load does.
func (c *Runner) Load(flags *pflag.FlagSet, outside Outside) error {
	l := loader{flags: flags, env: RunnerEnvName, set: map[string]bool{}, sources: map[string]string{}}
	flags.VisitAll(func(f *pflag.Flag) { l.set[f.Name] = f.Changed })
	l.environment(outside.Getenv)
	if path := flags.Lookup(configFlag).Value.String(); path != "" {
		l.file(path, outside.ReadFile)
	}
	if c.WebIdentityTokenFile == "" {
		c.WebIdentityTokenFile = outside.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	if c.Spool == "" && !strings.HasPrefix(c.State, SecretPrefix) {
		c.Spool = c.State
	}
	l.problems = append(l.problems, c.problems(&l)...)
	c.loadJoinToken(outside, &l.problems)
	return l.problems.err()
}

// loadJoinToken reads the token, if there is one. A file that is gone is none: it
// is used once.
func (c *Runner) loadJoinToken(outside Outside, p *problems) {
	token := outside.Getenv(joinToken)
	if token == "" && c.JoinTokenFile != "" {
		text, err := outside.ReadFile(c.JoinTokenFile)
		if err != nil {
			return
		}
		token = strings.TrimSpace(string(text))
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		p.add(joinToken, "has white space or other characters in it that no join token has")
	}
	c.JoinToken = rolebroker.NewSecret(token)
}

func (c *Runner) problems(l *loader) problems {
	var p problems
	check := func(flag, problem string) {
		switch {
		case problem == "" || l.bad[flag]:
		case l.sources[flag] != "":
			p.add(l.sources[flag], "%s", problem)
		default:
			p.add("--"+flag+" ("+RunnerEnvName(flag)+")", "%s", problem)
		}
	}
	if c.Server == "" {
		check("server", "is required: the URL of the control plane, as in https://rolebroker.example.com")
	} else {
		check("server", urlProblem(c.Server))
	}
	if c.State == "" || c.State == SecretPrefix {
		check("state", "is required: a folder, or secret:NAMESPACE/NAME")
	}
	if c.TLSCert == "" && c.TLSKey != "" {
		check("tls-cert", "is missing; --tls-key needs the certificate it belongs to")
	}
	if c.TLSKey == "" && c.TLSCert != "" {
		check("tls-key", "is missing; --tls-cert needs its private key")
	}
	switch c.Assume {
	case AssumeAuto, AssumeRole:
	case AssumeWebIdentity:
		if c.WebIdentityTokenFile == "" {
			check("web-identity-token-file", "is required with --assume web-identity: a projected service-account token for the audience sts.amazonaws.com")
		}
	default:
		check("assume", fmt.Sprintf("%q is not one of auto, web-identity, assume-role", c.Assume))
	}
	if c.Grace < 0 || c.Grace > maxGrace {
		check("grace", fmt.Sprintf("is %s; write 0s to %s, as in 1h", FormatDuration(c.Grace), FormatDuration(maxGrace)))
	}
	if c.Audience == "" {
		check("audience", "is required, as in rolebroker")
	}
	if c.MaxSessionsPerAgent < 1 {
		check("max-sessions-per-agent", fmt.Sprintf("is %d; write at least 1, as in 64", c.MaxSessionsPerAgent))
	}
	if _, ok := levels[c.LogLevel]; !ok {
		check("log-level", fmt.Sprintf("%q is not one of debug, info, warn, error", c.LogLevel))
	}
	if c.LogFormat != "text" && c.LogFormat != "json" {
		check("log-format", fmt.Sprintf("%q is not one of text, json", c.LogFormat))
	}
	if c.ShutdownTimeout < 0 {
		check("shutdown-timeout", fmt.Sprintf("is %s; write a duration that is not negative, as in 30s", FormatDuration(c.ShutdownTimeout)))
	}
	return p
}

// Logger writes the log as LogLevel and LogFormat say.
func (c *Runner) Logger(out io.Writer) *slog.Logger {
	return (&Server{LogLevel: c.LogLevel, LogFormat: c.LogFormat}).Logger(out)
}
