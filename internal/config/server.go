package config

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// Server holds the settings of the control plane. Make one with DefaultServer and
// fill it with Load.
type Server struct {
	Process

	// Listen is the address to serve on, as host:port. Only this machine can
	// reach the default, 127.0.0.1:8484. An address that is not loopback needs
	// TLSCert and TLSKey, or TLSTerminatedByProxy, because agent tokens and AWS
	// credentials travel over it.
	Listen string

	// Database stores everything that the server remembers. A path is a SQLite
	// file, which is created if it does not exist; a postgres:// URL is
	// PostgreSQL. The URL may have a password, which is redacted when printed.
	// One server process can use a SQLite file; several replicas can share a
	// PostgreSQL.
	Database Database

	// TLSTerminatedByProxy says that something in front of this server
	// terminates TLS: an ingress, a load balancer or a service mesh. It permits
	// plain HTTP on an address that is not loopback. The operator who sets it
	// makes sure that nothing else can reach that address.
	TLSTerminatedByProxy bool

	// AllowedHosts are the names under which browsers and clients reach this
	// server, without port. Requests for other names are refused, except for
	// those of the certificate, for localhost and the names below it, and, if
	// the server does not listen on loopback, for IP addresses. With none, a
	// server on loopback refuses all other names, because a page of an attacker
	// could let its name resolve to this machine, and any other server accepts
	// all names, as does one behind a proxy.
	AllowedHosts []string

	// AdminKey is the first admin API key. It is read from the environment only,
	// from ROLEBROKER_ADMIN_KEY, and has at least 24 characters. Without it the
	// first start creates a key and prints it once.
	AdminKey rolebroker.Secret

	// SessionRetention is how long a session is kept after its credentials have
	// expired. It bounds the size of the database, and how far back the server
	// can say which agent held credentials for which role; CloudTrail can say it
	// for longer.
	SessionRetention time.Duration

	// RequireExternalID makes the validation of a role fail if it can be assumed
	// without the external ID of its integration, or with a wrong one. Otherwise
	// that is a warning.
	RequireExternalID bool

	// RevalidateEvery is how often the server validates the roles of every
	// integration in the background, to notice roles that stop working; 0 is
	// never. The validations are spread over the interval, and of several
	// servers one validates each integration.
	RevalidateEvery time.Duration

	// ValidationConcurrency is how many roles of one validation are tried at
	// once.
	ValidationConcurrency int

	// ValidationRate limits the calls to STS per second of all validations of
	// this server together. AWS allows an account about 600 in a region, and
	// lending needs some of them.
	ValidationRate int

	// ValidationRetry is how long a validation tries a role again that is
	// denied: IAM takes some seconds to apply a change.
	ValidationRetry time.Duration

	// AWSRoleARN is the ARN of the role whose session is this server's AWS
	// identity, for trust policies that name it exactly. AWS does not tell a
	// session the path of its role. Empty: the role in the environment, or else
	// the role of the session, without a path.
	AWSRoleARN string
}

// MinAdminKey is the least length of AdminKey, in characters.
const MinAdminKey = 24

// The bounds of the settings for validation.
const (
	minRevalidation = time.Second
	maxConcurrency  = 1000
	maxRetry        = 30 * time.Second // a validation must end within one request
)

// DefaultServer returns the default settings.
func DefaultServer() *Server {
	return &Server{
		Process:               defaultProcess(),
		Listen:                "127.0.0.1:8484",
		Database:              NewDatabase("rolebroker.db"),
		SessionRetention:      30 * day,
		ValidationConcurrency: 4,
		ValidationRate:        300,
		ValidationRetry:       7 * time.Second,
	}
}

// Flags returns flags that set c, and --config.
func (c *Server) Flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.Listen, "listen", c.Listen, "serve on `ADDRESS`, as host:port")
	f.Var(&c.Database, "database", "`PATH` of a SQLite file, or a postgres:// URL")
	c.tlsFlags(f)
	f.BoolVar(&c.TLSTerminatedByProxy, "tls-terminated-by-proxy", c.TLSTerminatedByProxy,
		"something in front of the server terminates TLS")
	f.StringSliceVar(&c.AllowedHosts, "allowed-hosts", c.AllowedHosts,
		"answer for the hosts `NAME,NAME` only, and for localhost")
	c.logFlags(f)
	f.Var((*durationValue)(&c.SessionRetention), "session-retention",
		"keep ended sessions for `DURATION`, as in 30d or 72h")
	c.sessionFlags(f)
	f.BoolVar(&c.RequireExternalID, "require-external-id", c.RequireExternalID,
		"fail roles that can be assumed without the external ID")
	f.Var((*durationValue)(&c.RevalidateEvery), "revalidate-every",
		"validate all roles every `DURATION`, as in 6h (0s = never)")
	f.IntVar(&c.ValidationConcurrency, "validation-concurrency", c.ValidationConcurrency,
		"try at most `N` roles of a validation at once")
	f.IntVar(&c.ValidationRate, "validation-rate", c.ValidationRate,
		"validate with at most `N` calls to STS per second")
	f.Var((*durationValue)(&c.ValidationRetry), "validation-retry", "try a denied role again for `DURATION`, as in 7s")
	f.StringVar(&c.AWSRoleARN, "aws-role-arn", c.AWSRoleARN, "`ARN`, with path, of the server's own role in AWS")
	c.lastFlags(f)
	return f
}

// Load completes c with settings from the environment and then from the file.
// flags come from c.Flags and have been parsed; what they set stays. Load checks
// all settings, and its error has a field for each problem.
func (c *Server) Load(flags *pflag.FlagSet, outside Outside) error {
	l := newLoader(flags, EnvName)
	l.load(outside)
	c.AdminKey = rolebroker.NewSecret(outside.Getenv(adminKey))
	c.check(l)
	return l.problems.err()
}

// Check returns an error with a field for each problem of the settings.
func (c *Server) Check() error {
	l := newLoader(c.Flags(), EnvName)
	c.check(l)
	return l.problems.err()
}

func (c *Server) check(l *loader) {
	l.check("listen", c.listenProblem())
	l.check("database", c.Database.problem())
	c.Process.check(l)
	l.check("allowed-hosts", c.allowedHostsProblem())
	if n := len(c.AdminKey.Reveal()); n > 0 && n < MinAdminKey {
		l.problems.add(adminKey, "has %d characters; at least %d are required: make one with `openssl rand -hex 32`", n,
			MinAdminKey)
	}
	if c.SessionRetention < time.Hour {
		l.check("session-retention", fmt.Sprintf("is %s; write at least 1h, as in 30d",
			FormatDuration(c.SessionRetention)))
	}
	if c.RevalidateEvery < 0 || c.RevalidateEvery > 0 && c.RevalidateEvery < minRevalidation {
		l.check("revalidate-every", fmt.Sprintf("is %s; write 0s, for never, or at least %s, as in 6h",
			FormatDuration(c.RevalidateEvery), FormatDuration(minRevalidation)))
	}
	if c.ValidationConcurrency < 1 || c.ValidationConcurrency > maxConcurrency {
		l.check("validation-concurrency", fmt.Sprintf("is %d; write 1 to %d, as in 4", c.ValidationConcurrency,
			maxConcurrency))
	}
	if c.ValidationRate < 1 {
		l.check("validation-rate", fmt.Sprintf("is %d; write at least 1, as in 300", c.ValidationRate))
	}
	if c.ValidationRetry < 0 || c.ValidationRetry > maxRetry {
		l.check("validation-retry", fmt.Sprintf("is %s; write 0s to %s, as in 7s",
			FormatDuration(c.ValidationRetry), FormatDuration(maxRetry)))
	}
	if c.AWSRoleARN != "" {
		if _, err := rolebroker.ParseRoleARN(c.AWSRoleARN); err != nil {
			l.check("aws-role-arn", err.Error())
		}
	}
}

// hostForm matches a host name or an IP address.
const hostForm = `^([A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+$|^[0-9A-Fa-f:.]+$`

// allowedHostsProblem says what is wrong with AllowedHosts, which it writes in lower case; "" if nothing is.
func (c *Server) allowedHostsProblem() string {
	for i, name := range c.AllowedHosts {
		c.AllowedHosts[i] = strings.ToLower(name)
		if !regexp.MustCompile(hostForm).MatchString(name) {
			return fmt.Sprintf("has %q; write names without scheme and port, as in rolebroker.example.com,rolebroker.lan",
				name)
		}
	}
	return ""
}

// listenProblem says what is wrong with Listen; "" if nothing is.
func (c *Server) listenProblem() string {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Sprintf("%q is not host:port; write for example 127.0.0.1:8484", c.Listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("%q has the port %q; write a number up to 65535, as in %s", c.Listen, port,
			net.JoinHostPort(host, "8484"))
	}
	if c.secure() || rolebroker.IsLoopback(host) {
		return ""
	}
	return fmt.Sprintf("%q can be reached from other machines, and tokens and AWS credentials would cross the network "+
		"unencrypted; set --tls-cert and --tls-key, or --tls-terminated-by-proxy if something in front terminates "+
		"TLS, or listen on 127.0.0.1:%s",
		c.Listen, port)
}

func (c *Server) secure() bool {
	return c.TLSTerminatedByProxy || c.TLSCert != "" && c.TLSKey != ""
}
