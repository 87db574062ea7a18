package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// Runner holds the settings of a runner. Make one with DefaultRunner and fill it
// with Load.
type Runner struct {
	Process

	// Server is the URL of the control plane.
	Server string

	// JoinTokenFile has the token with which the runner joins, once. The token
	// itself can be in ROLEBROKER_RUNNER_JOIN_TOKEN. The runner uses neither while
	// it has a credential that the control plane knows.
	JoinTokenFile string
	JoinToken     rolebroker.Secret
	// JoinTokenError is why JoinTokenFile could not be read. It matters only to a
	// runner that has to join.
	JoinTokenError error

	// State is where the runner keeps its credential: a folder, or
	// secret:NAMESPACE/NAME for a Secret of its cluster, which several replicas
	// may share.
	State string

	// Spool is the folder for records that the control plane has not received
	// yet. Empty: State, if that is a folder, else memory only.
	Spool string

	// Listen is the address from which agents borrow: a loopback address, for
	// agents in the same pod; 169.254.170.23:80, for agents on the same node; or
	// any address with TLSCert and TLSKey.
	Listen string

	// GatewayListen is the address of the gateway for agents that do not run under
	// rolebroker exec, as Listen is that for borrowing. The gateway signs for agents
	// whose AWS keys are withheld. Empty: none; the rooms of exec reach the gateway
	// at Listen.
	GatewayListen string

	// CACert is a PEM file with the certificate authorities to trust for the
	// control plane, in place of the system's.
	CACert string

	// AllowInsecure permits plain HTTP to a control plane on another machine.
	AllowInsecure bool

	// Assume is how the runner assumes roles: web-identity, with the token of its
	// service account; assume-role, from the AWS identity that an SDK finds; or
	// auto, which tries the first and then the second if there is a token.
	Assume string

	// WebIdentityTokenFile has that token: projected, for the audience
	// sts.amazonaws.com. Empty: the file that AWS_WEB_IDENTITY_TOKEN_FILE names.
	WebIdentityTokenFile string

	// Grace is how long authorised sessions continue while the control plane
	// cannot be reached; 0 ends them at once.
	Grace time.Duration

	// ClusterIssuer is the issuer of the service-account tokens that agents
	// present. In a pod the default is the issuer of the runner's own token;
	// elsewhere the runner accepts no such tokens without it.
	ClusterIssuer string

	// ClusterKeys is where the issuer's keys are: an https:// URL of a JSON Web
	// Key Set; a file; or discovery, for the URL in the issuer's discovery
	// document. In a pod the default is the API server of its cluster.
	ClusterKeys string

	// Audience is the only audience that service-account tokens may have.
	Audience string

	// PodsOnly refuses service-account tokens that are not bound to a pod, such as
	// those that kubectl create token makes.
	PodsOnly bool

	// TokenReview asks the API server once a minute whether the pod and the service
	// account of a token still exist. Without it, tokens that live for more than an
	// hour are refused. It applies where ClusterKeys is the pod's own API server.
	TokenReview bool
}

// The values of Assume, the prefix of a State that is a Secret, and a value of
// ClusterKeys.
const (
	AssumeAuto        = "auto"
	AssumeWebIdentity = string(rolebroker.MethodWebIdentity)
	AssumeRole        = string(rolebroker.MethodAssumeRole)
	SecretPrefix      = "secret:"
	Discovery         = "discovery"
)

const joinToken = "ROLEBROKER_RUNNER_JOIN_TOKEN"

// maxGrace is the longest Grace. What an administrator takes away meanwhile stays
// with the agent for that long.
const maxGrace = 24 * time.Hour

// DefaultRunner returns the default settings.
func DefaultRunner() *Runner {
	return &Runner{
		Process:  defaultProcess(),
		State:    "rolebroker-runner",
		Listen:   "127.0.0.1:8485",
		Assume:   AssumeAuto,
		Grace:    time.Hour,
		Audience: "rolebroker",

		TokenReview: true,
	}
}

// Flags returns flags that set c, and --config.
func (c *Runner) Flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("runner", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.Server, "server", c.Server, "`URL` of the control plane")
	f.StringVar(&c.JoinTokenFile, "join-token-file", c.JoinTokenFile, "join with the token in `FILE`, once")
	f.StringVar(&c.State, "state", c.State, "`FOLDER` for the credential, or secret:NAMESPACE/NAME")
	f.StringVar(&c.Spool, "spool", c.Spool, "`FOLDER` for records that are not sent yet (default: --state)")
	f.StringVar(&c.Listen, "listen", c.Listen, "let agents borrow from `ADDRESS`, as host:port")
	f.StringVar(&c.GatewayListen, "gateway-listen", c.GatewayListen,
		"serve the gateway on `ADDRESS`, for agents outside of exec")
	c.tlsFlags(f)
	f.StringVar(&c.CACert, "ca-cert", c.CACert, "PEM `FILE` with the authorities to trust for the control plane")
	f.BoolVar(&c.AllowInsecure, "allow-insecure", c.AllowInsecure,
		"permit plain HTTP to a control plane on another machine")
	f.StringVar(&c.Assume, "assume", c.Assume, "`METHOD` to assume roles: auto, web-identity or assume-role")
	f.StringVar(&c.WebIdentityTokenFile, "web-identity-token-file", c.WebIdentityTokenFile,
		"`FILE` with a token for STS (default: AWS_WEB_IDENTITY_TOKEN_FILE)")
	f.Var((*durationValue)(&c.Grace), "grace", "continue for `DURATION` without the control plane")
	f.StringVar(&c.ClusterIssuer, "cluster-issuer", c.ClusterIssuer,
		"issuer `URL` of service-account tokens (default: this pod's)")
	f.StringVar(&c.ClusterKeys, "cluster-keys", c.ClusterKeys,
		"`PLACE` of its keys: a URL, a file, or discovery (default: this cluster)")
	f.StringVar(&c.Audience, "audience", c.Audience, "audience `NAME` that service-account tokens must have")
	f.BoolVar(&c.PodsOnly, "pods-only", c.PodsOnly, "refuse service-account tokens that are not bound to a pod")
	f.BoolVar(&c.TokenReview, "token-review", c.TokenReview,
		"ask the API server whether the pod of a token still exists")
	c.sessionFlags(f)
	c.logFlags(f)
	c.lastFlags(f)
	return f
}

// RunnerEnvName returns the environment variable of a runner's flag:
// ROLEBROKER_RUNNER_TLS_CERT for tls-cert.
func RunnerEnvName(flag string) string { return EnvName("runner-" + flag) }

// Load completes c as Server.Load does.
func (c *Runner) Load(flags *pflag.FlagSet, outside Outside) error {
	l := newLoader(flags, RunnerEnvName)
	l.load(outside)
	if c.WebIdentityTokenFile == "" {
		c.WebIdentityTokenFile = outside.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
	}
	if c.Spool == "" && !strings.HasPrefix(c.State, SecretPrefix) {
		c.Spool = c.State
	}
	c.check(l)
	c.loadJoinToken(outside, &l.problems)
	return l.problems.err()
}

// loadJoinToken reads the token. A file that cannot be read is no problem for a runner
// that has joined: the token is used once and may be deleted.
func (c *Runner) loadJoinToken(outside Outside, p *problems) {
	token := outside.Getenv(joinToken)
	if token == "" && c.JoinTokenFile != "" {
		text, err := outside.ReadFile(c.JoinTokenFile)
		if err != nil {
			c.JoinTokenError = err
			return
		}
		if token = strings.TrimSpace(string(text)); token == "" {
			c.JoinTokenError = fmt.Errorf("%s is empty", c.JoinTokenFile)
		}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		p.add(joinToken, "has white space or other characters that no join token has")
	}
	c.JoinToken = rolebroker.NewSecret(token)
}

func (c *Runner) check(l *loader) {
	if c.Server == "" {
		l.check("server", "is required: the URL of the control plane, as in https://rolebroker.example.com")
	} else {
		l.check("server", urlProblem(c.Server))
	}
	if c.State == "" || c.State == SecretPrefix {
		l.check("state", "is required: a folder, or secret:NAMESPACE/NAME")
	}
	switch c.Assume {
	case AssumeAuto, AssumeRole:
	case AssumeWebIdentity:
		if c.WebIdentityTokenFile == "" {
			l.check("web-identity-token-file",
				"is required with --assume web-identity: a service-account token for the audience sts.amazonaws.com")
		}
	default:
		l.check("assume", fmt.Sprintf("%q is not one of auto, web-identity, assume-role", c.Assume))
	}
	if c.Grace < 0 || c.Grace > maxGrace {
		l.check("grace", fmt.Sprintf("is %s; write 0s to %s, as in 1h", FormatDuration(c.Grace),
			FormatDuration(maxGrace)))
	}
	if c.Audience == "" {
		l.check("audience", "is required, as in rolebroker")
	}
	c.Process.check(l)
}
