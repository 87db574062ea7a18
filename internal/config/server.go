package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/seal"
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

	// DatabasePasswordFile has the password of a PostgreSQL database, without the
	// newline at its end. The file is read for each new connection, so that
	// rotating the password needs no restart. A password in Database shows in the
	// list of processes if it is given as a flag.
	DatabasePasswordFile string

	// DatabasePassword is the password itself. It is read from the environment
	// only, from ROLEBROKER_DATABASE_PASSWORD. Without it and the file, the
	// password is the one in Database, or in PGPASSWORD, or in the file that
	// PGPASSFILE names.
	DatabasePassword rolebroker.Secret

	// AuditKey is a file with the key that signs checkpoints of the audit trail.
	// Whoever can write to the database must not have it. Empty: the file beside
	// the SQLite database, with .audit-key at the end of its name, which the
	// first start makes; with PostgreSQL, checkpoints are not signed. All
	// replicas need the same key.
	AuditKey string

	// GatewayKey is a file with the key from which the gateway derives the keys of
	// agents that are lent no AWS keys, as 64 hexadecimal digits. Empty: the file
	// beside the SQLite database, with .gateway-key at the end of its name, which
	// the first start makes; with PostgreSQL, there is no gateway. All replicas need
	// the same key.
	GatewayKey string

	// GatewayListen is the address of the gateway for agents that do not run under
	// rolebroker exec, as host:port. Empty: none; the rooms of exec reach the
	// gateway at Listen.
	GatewayListen string

	// AuditFile is a file to which the server appends the audit trail, in the
	// form of an export, each event at least once and in order. It may be renamed
	// at any time; the server then makes a new one. Of several servers, one at a
	// time writes. Empty: no file.
	AuditFile string

	// AuditFileFormat is the format of AuditFile: jsonl, lines of JSON that can
	// be verified, or ocsf, events of the Open Cybersecurity Schema Framework.
	AuditFileFormat string

	// AuditOTLPEndpoint is the URL of a receiver of OpenTelemetry logs, to which
	// the server sends the audit trail over OTLP/HTTP as JSON, as in
	// https://collector.example.com:4318/v1/logs. Empty: none.
	AuditOTLPEndpoint string

	// AuditOTLPHeadersFile is a file with the headers to send there, as in
	// Authorization=Bearer …, one a line. The server reads it each time.
	AuditOTLPHeadersFile string

	// AuditOTLPCAFile is a file with the certificates, as PEM, of the
	// authorities that the receiver's certificate may come from. Empty: those of
	// the system.
	AuditOTLPCAFile string

	// MetricsListen is the address to serve /metrics on, as host:port; then
	// Listen does not serve it. Empty: Listen does. An address that is not
	// loopback needs what Listen needs, because metrics tell how much a
	// deployment is used.
	MetricsListen string

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

	// PublicURL is the URL under which browsers and clients reach this server,
	// as in https://tools.example.com/rolebroker. It is needed if a proxy serves
	// rolebroker below a path, whether the proxy passes on that path or removes
	// it. Its host is one of AllowedHosts, too. Empty: the host that each request
	// names, and no path.
	PublicURL string

	// AdminKey is the first admin API key. It is read from the environment only,
	// from ROLEBROKER_ADMIN_KEY, and must be random. Without it the
	// first start creates a key and prints it once.
	AdminKey rolebroker.Secret

	// OIDCIssuer is the URL of the company's identity provider, through which people sign in by OpenID Connect, exactly
	// as the provider calls itself, as in https://login.example.com. It needs PublicURL, because the provider sends
	// people back to the path /sign-in/callback below it. Empty: people sign in with API keys only, which always work.
	OIDCIssuer string

	// OIDCClientID is the ID of this server at the identity provider.
	OIDCClientID string

	// OIDCClientSecretFile has the secret of that client, without the newline at its end. The file is read each
	// time, so that a new secret needs no restart. Empty: the client is public, and only PKCE protects its codes.
	OIDCClientSecretFile string

	// OIDCCLIClientID is the ID of the client with which rolebroker login signs in: a public one, which may come
	// back to http://localhost at any port, or may use device codes. It may be OIDCClientID. Empty: command lines do
	// not sign in.
	OIDCCLIClientID string

	// OIDCScopes are what is asked for. With none, they are openid, profile and email, and groups and offline_access if
	// the provider has them.
	OIDCScopes []string

	// OIDCGroupsClaim is the claim with the groups of a person. A path such as realm_access.roles leads into a claim.
	OIDCGroupsClaim string

	// OIDCAdminGroups are the groups whose members may do everything, OIDCApproverGroups those whose members may
	// read and decide access requests, and OIDCReaderGroups those whose members may read. Nobody else gets in.
	OIDCAdminGroups    []string
	OIDCApproverGroups []string
	OIDCReaderGroups   []string

	// OIDCCAFile is a file with the certificates, as PEM, of the authorities that the provider's certificate may come
	// from. Empty: those of the system.
	OIDCCAFile string

	// SessionRetention is how long a session is kept after its credentials have
	// expired. It bounds the size of the database, and how far back the server
	// can say which agent held credentials for which role; CloudTrail can say it
	// for longer.
	SessionRetention time.Duration

	// AuditRetention is how long audit events are kept; 0 keeps them for ever.
	// What remains of the audit trail can still be verified.
	AuditRetention time.Duration

	// CallRetention is how long the records of calls through the gateway are kept;
	// 0 keeps them for ever.
	CallRetention time.Duration

	// RedactCallResources leaves out of the records which resources a call was
	// about, such as the keys of objects: their names may be personal data.
	RedactCallResources bool

	// PresignLifetime is the longest lifetime of a presigned URL of S3 that
	// an agent may ask for; 0 permits none. Whoever has such a URL can use it
	// until it ends, and a cut-off of the agent does not end it by itself.
	PresignLifetime time.Duration

	// RequireExternalID makes the validation of a role fail if it can be assumed
	// without the external ID of its integration, or with a wrong one. Otherwise
	// that is a warning.
	RequireExternalID bool

	// SetupTemplateURL is where an operator put the CloudFormation template that
	// makes one role, which integration setup --template prints: a file in S3.
	// With it, people create a role with one click in the AWS console.
	SetupTemplateURL string

	// RevalidateEvery is how often the server validates the roles of every
	// integration in the background, to notice roles that stop working; 0 is
	// never. The validations are spread over the interval, and of several
	// servers one validates each integration. A role that AWS refuses to an agent
	// after it worked is validated at once, also with 0.
	RevalidateEvery time.Duration

	// ValidationConcurrency is how many roles of one validation are tried at
	// once.
	ValidationConcurrency int

	// ValidationRate limits the calls to STS per second of all validations of
	// this server together. AWS allows an account about 600 in a region, and
	// lending needs some of them.
	ValidationRate int

	// ValidationRetry is how long a validation tries a role again that is
	// denied: IAM takes some seconds to spread a new role or a change. Saving an
	// integration does that for 3 seconds at most, and background validations not
	// at all.
	ValidationRetry time.Duration

	// AWSRoleARN is the ARN of the role whose session is this server's AWS
	// identity, for trust policies that name it exactly. AWS does not tell a
	// session the path of its role. Empty: the role in the environment, or else
	// the role of the session, without a path.
	AWSRoleARN string
}

// The prefix of API keys, and the ID of the first one.
const (
	keyPrefix  = "rbk"
	firstKeyID = "bootstrap"
)

// The bounds of the settings for validation.
const (
	minRevalidation = time.Second
	maxConcurrency  = 1000
	maxRetry        = rolebroker.MaxWait
)

// DefaultServer returns the default settings.
func DefaultServer() *Server {
	return &Server{
		Process:               defaultProcess(),
		Listen:                "127.0.0.1:8484",
		Database:              NewDatabase("rolebroker.db"),
		AuditFileFormat:       string(rolebroker.AuditJSONL),
		OIDCGroupsClaim:       "groups",
		SessionRetention:      30 * day,
		CallRetention:         90 * day,
		PresignLifetime:       rolebroker.DefaultURLLifetimeLimit,
		ValidationConcurrency: 4,
		ValidationRate:        300,
		ValidationRetry:       30 * time.Second,
	}
}

// Flags returns flags that set c, and --config.
func (c *Server) Flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&c.Listen, "listen", c.Listen, "serve on `ADDRESS`, as host:port")
	f.Var(&c.Database, "database", "`PATH` of a SQLite file, or a postgres:// URL")
	f.StringVar(&c.DatabasePasswordFile, "database-password-file", c.DatabasePasswordFile,
		"`FILE` with the password of the database")
	f.StringVar(&c.AuditKey, "audit-key", c.AuditKey, "`FILE` with the key that signs the audit trail")
	f.StringVar(&c.GatewayKey, "gateway-key", c.GatewayKey,
		"`FILE` with the key of the gateway, which signs where keys are withheld")
	f.StringVar(&c.GatewayListen, "gateway-listen", c.GatewayListen,
		"serve the gateway on `ADDRESS`, for agents outside of exec")
	f.StringVar(&c.AuditFile, "audit-file", c.AuditFile, "append the audit trail to `FILE`")
	f.StringVar(&c.AuditFileFormat, "audit-file-format", c.AuditFileFormat, "write that file in `FORMAT`: jsonl or ocsf")
	f.StringVar(&c.AuditOTLPEndpoint, "audit-otlp-endpoint", c.AuditOTLPEndpoint,
		"send the audit trail as OTLP logs to `URL`")
	f.StringVar(&c.AuditOTLPHeadersFile, "audit-otlp-headers-file", c.AuditOTLPHeadersFile,
		"`FILE` with headers to send there, NAME=VALUE on each line")
	f.StringVar(&c.AuditOTLPCAFile, "audit-otlp-ca-file", c.AuditOTLPCAFile,
		"`FILE` with the certificates to trust there")
	f.StringVar(&c.MetricsListen, "metrics-listen", c.MetricsListen, "serve /metrics on `ADDRESS`, not on --listen")
	c.tlsFlags(f)
	f.BoolVar(&c.TLSTerminatedByProxy, "tls-terminated-by-proxy", c.TLSTerminatedByProxy,
		"something in front of the server terminates TLS")
	f.StringSliceVar(&c.AllowedHosts, "allowed-hosts", c.AllowedHosts,
		"answer for the hosts `NAME,NAME` only, and for localhost")
	f.StringVar(&c.PublicURL, "public-url", c.PublicURL,
		"`URL` by which clients reach the server, as in https://example.com/rolebroker")
	c.oidcFlags(f)
	c.logFlags(f)
	f.Var((*durationValue)(&c.SessionRetention), "session-retention",
		"keep ended sessions for `DURATION`, as in 30d or 72h")
	f.Var((*durationValue)(&c.AuditRetention), "audit-retention",
		"keep audit events for `DURATION`, as in 400d (0s = for ever)")
	f.Var((*durationValue)(&c.CallRetention), "call-retention",
		"keep records of calls for `DURATION`, as in 90d (0s = for ever)")
	f.BoolVar(&c.RedactCallResources, "redact-call-resources", c.RedactCallResources,
		"leave the resources out of the records of calls")
	f.Var((*durationValue)(&c.PresignLifetime), "presign-lifetime",
		"let presigned URLs last `DURATION` at most, as in 15m (0s = none)")
	c.sessionFlags(f)
	f.BoolVar(&c.RequireExternalID, "require-external-id", c.RequireExternalID,
		"fail roles that can be assumed without the external ID")
	f.StringVar(&c.SetupTemplateURL, "setup-template-url", c.SetupTemplateURL,
		"`URL` in S3 of the template that integration setup --template prints")
	f.Var((*durationValue)(&c.RevalidateEvery), "revalidate-every",
		"validate all roles every `DURATION`, as in 6h (0s = never)")
	f.IntVar(&c.ValidationConcurrency, "validation-concurrency", c.ValidationConcurrency,
		"try at most `N` roles of a validation at once")
	f.IntVar(&c.ValidationRate, "validation-rate", c.ValidationRate,
		"validate with at most `N` calls to STS per second")
	f.Var((*durationValue)(&c.ValidationRetry), "validation-retry", "try a denied role again for `DURATION`, as in 30s")
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
	c.DatabasePassword = rolebroker.NewSecret(outside.Getenv(databasePassword))
	l.check("database-password-file", c.passwordFileProblem(outside))
	l.check("oidc-client-secret-file", c.clientSecretProblem(outside))
	c.check(l)
	err := l.problems.err()
	if err != nil && c.adminKeyProblem() != "" {
		return rolebroker.AsError(err).WithSteps(
			rolebroker.Step{Command: "export " + adminKey + "=$(rolebroker api-key generate)"})
	}
	return err
}

// DatabaseFlags returns those of the flags that say which database it is, and --config.
func DatabaseFlags(flags *pflag.FlagSet) *pflag.FlagSet {
	f := pflag.NewFlagSet("database", pflag.ContinueOnError)
	f.SortFlags = false
	for _, name := range []string{"database", "database-password-file", configFlag} {
		f.AddFlag(flags.Lookup(name))
	}
	return f
}

// AuditKeyFlags returns those of the flags that say where the audit key is, and those of the database.
func AuditKeyFlags(flags *pflag.FlagSet) *pflag.FlagSet {
	f := DatabaseFlags(flags)
	f.AddFlag(flags.Lookup("audit-key"))
	return f
}

// AuditKeyFile returns AuditKey, or the file beside the SQLite database; empty with PostgreSQL and without AuditKey.
func (c *Server) AuditKeyFile() string {
	if c.AuditKey != "" || c.Database.IsPostgres() {
		return c.AuditKey
	}
	return c.Database.Reveal() + ".audit-key"
}

// GatewayKeyFile returns GatewayKey, or the file beside the SQLite database; empty with PostgreSQL and without GatewayKey.
func (c *Server) GatewayKeyFile() string {
	if c.GatewayKey != "" || c.Database.IsPostgres() {
		return c.GatewayKey
	}
	return c.Database.Reveal() + ".gateway-key"
}

// LoadDatabase is Load for a command that only opens the database: it checks no other setting.
func (c *Server) LoadDatabase(flags *pflag.FlagSet, outside Outside) error {
	l := newLoader(flags, EnvName)
	l.load(outside)
	c.DatabasePassword = rolebroker.NewSecret(outside.Getenv(databasePassword))
	l.check("database", c.Database.problem())
	l.check("database-password-file", c.passwordFileProblem(outside))
	c.checkDatabasePassword(l)
	return l.problems.err()
}

// LoadOneOf is LoadDatabase for a database that the flags --PREFIX and --PREFIX-password-file name, one of two. The
// password in the environment is for one that needs it.
func (c *Server) LoadOneOf(prefix string, outside Outside) error {
	l := newLoader(pflag.NewFlagSet(prefix, pflag.ContinueOnError), EnvName)
	if c.Database.IsPostgres() && !c.Database.HasPassword() && c.DatabasePasswordFile == "" {
		c.DatabasePassword = rolebroker.NewSecret(outside.Getenv(databasePassword))
	}
	if problem := c.Database.problem(); problem != "" {
		l.problems.add("--"+prefix, "%s", problem)
	}
	if c.DatabasePasswordFile != "" && !c.Database.IsPostgres() {
		l.problems.add("--"+prefix+"-password-file", "is for PostgreSQL, and --%s is not a postgres:// URL", prefix)
	} else if problem := c.passwordFileProblem(outside); problem != "" {
		l.problems.add("--"+prefix+"-password-file", "%s", problem)
	}
	return l.problems.err()
}

// check adds the problems of the settings.
func (c *Server) check(l *loader) {
	l.check("listen", c.listenProblem(c.Listen, "8484", "tokens and AWS credentials"))
	if c.MetricsListen != "" {
		l.check("metrics-listen", c.listenProblem(c.MetricsListen, "9484", "metrics"))
	}
	if c.GatewayListen != "" {
		l.check("gateway-listen", c.listenProblem(c.GatewayListen, "8483", "agents' requests to AWS"))
	}
	l.check("database", c.Database.problem())
	c.checkDatabasePassword(l)
	c.Process.check(l)
	l.check("allowed-hosts", c.allowedHostsProblem())
	c.PublicURL = strings.TrimSuffix(c.PublicURL, "/")
	l.check("public-url", c.publicURLProblem())
	c.checkOIDC(l)
	if problem := c.adminKeyProblem(); problem != "" {
		l.problems.add(adminKey, "%s", problem)
	}
	if c.SessionRetention < time.Hour {
		l.check("session-retention", fmt.Sprintf("is %s; write at least 1h, as in 30d",
			FormatDuration(c.SessionRetention)))
	}
	if f := rolebroker.AuditFormat(c.AuditFileFormat); f != rolebroker.AuditJSONL && f != rolebroker.AuditOCSF {
		l.check("audit-file-format", fmt.Sprintf("%q is not one of jsonl, ocsf", c.AuditFileFormat))
	}
	if c.AuditOTLPEndpoint != "" {
		l.check("audit-otlp-endpoint", otlpProblem(c.AuditOTLPEndpoint))
	}
	if c.AuditRetention < 0 || c.AuditRetention > 0 && c.AuditRetention < day {
		l.check("audit-retention", fmt.Sprintf("is %s; write 0s, to keep everything, or at least 1d, as in 400d",
			FormatDuration(c.AuditRetention)))
	}
	if c.CallRetention < 0 || c.CallRetention > 0 && c.CallRetention < day {
		l.check("call-retention", fmt.Sprintf("is %s; write 0s, to keep everything, or at least 1d, as in 90d",
			FormatDuration(c.CallRetention)))
	}
	if d := c.PresignLifetime; d < 0 || d > 0 && d < time.Second || d > rolebroker.MaxURLLifetime {
		l.check("presign-lifetime", fmt.Sprintf("is %s; write 0s, for none, or 1s to %s, as in 15m", FormatDuration(d),
			FormatDuration(rolebroker.MaxURLLifetime)))
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
		l.check("validation-retry", fmt.Sprintf("is %s; write 0s to %s, as in 30s",
			FormatDuration(c.ValidationRetry), FormatDuration(maxRetry)))
	}
	if c.SetupTemplateURL != "" {
		if _, err := rolebroker.ParseTemplateURL(c.SetupTemplateURL); err != nil {
			l.check("setup-template-url", err.Error())
		}
	}
	if c.AWSRoleARN != "" {
		if _, err := rolebroker.ParseRoleARN(c.AWSRoleARN); err != nil {
			l.check("aws-role-arn", err.Error())
		}
	}
}

// hostForm matches a host name or an IPv4 address.
const hostForm = `^([A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+$`

// allowedHostsProblem says what is wrong with AllowedHosts, which it writes in lower case; "" if nothing is.
func (c *Server) allowedHostsProblem() string {
	isHost := regexp.MustCompile(hostForm).MatchString
	for i, name := range c.AllowedHosts {
		c.AllowedHosts[i] = strings.ToLower(name)
		if !isHost(name) && net.ParseIP(name) == nil {
			return fmt.Sprintf("has %q; write names without scheme and port, as in "+
				"rolebroker.example.com,rolebroker.lan", name)
		}
	}
	return ""
}

// pathForm matches the path of a PublicURL.
const pathForm = `^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`

// ownPaths are the first segments of the server's own paths. A PublicURL with one of them would be ambiguous: the
// server accepts paths with and without that of its PublicURL.
const ownPaths = " v1 api openapi.json runner healthz readyz metrics static sign-in sign-out integrations agents " +
	"sessions runners settings requests calls audit users "

// otlpProblem says what is wrong with AuditOTLPEndpoint; "" if nothing is. It does not repeat a URL, which may have a
// password.
func otlpProblem(endpoint string) string {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "is not a URL; write it as in https://collector.example.com:4318/v1/logs"
	case u.User != nil || u.RawQuery != "":
		return "has a password or a query; put secrets in --audit-otlp-headers-file"
	case u.Scheme == "http" && !rolebroker.IsLoopback(u.Hostname()):
		return "is plain HTTP to another machine; write https://"
	}
	return ""
}

// publicURLProblem says what is wrong with PublicURL; "" if nothing is.
func (c *Server) publicURLProblem() string {
	if c.PublicURL == "" {
		return ""
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return "is not a URL; write it as in https://example.com/rolebroker"
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	isHost := regexp.MustCompile(hostForm).MatchString
	switch {
	case u.Scheme != "https" && u.Scheme != "http", !isHost(u.Hostname()) && net.ParseIP(u.Hostname()) == nil,
		u.User != nil, u.RawQuery != "", u.Fragment != "", u.ForceQuery,
		!regexp.MustCompile(pathForm).MatchString(u.Path), u.EscapedPath() != u.Path:
		return "has to be a scheme, a host and a path, as in https://example.com/rolebroker"
	case u.Scheme == "http" && !rolebroker.IsLoopback(u.Hostname()) && !strings.HasSuffix(u.Hostname(), ".localhost"):
		return "begins with http://, and tokens would cross the network unencrypted; write https://"
	case u.Scheme == "https" && !c.secure():
		return "begins with https://, and the server serves plain HTTP; set --tls-terminated-by-proxy if something in " +
			"front terminates TLS, or --tls-cert and --tls-key"
	case first != "" && strings.Contains(ownPaths, " "+first+" "):
		return fmt.Sprintf("has a path that begins with /%s, which is a path of the server's own; choose another one", first)
	}
	return ""
}

// PublicPath returns the path of PublicURL, as in /rolebroker; empty if it has none.
func (c *Server) PublicPath() string {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return ""
	}
	return u.Path
}

// Names returns the names for which the server answers beside those that it always has: AllowedHosts and that of
// PublicURL. It returns none if the server answers for all names.
func (c *Server) Names() []string {
	u, err := url.Parse(c.PublicURL)
	host, _, splitErr := net.SplitHostPort(c.Listen)
	everyName := c.TLSTerminatedByProxy || splitErr != nil || !rolebroker.IsLoopback(host)
	if err != nil || u.Hostname() == "" || len(c.AllowedHosts) == 0 && everyName {
		return c.AllowedHosts
	}
	return append(slices.Clone(c.AllowedHosts), strings.ToLower(u.Hostname()))
}

// adminKeyProblem says what is wrong with AdminKey; "" if nothing is.
func (c *Server) adminKeyProblem() string {
	key := c.AdminKey.Reveal()
	switch {
	case key == "" || seal.MadeFor(keyPrefix, firstKeyID, key) || seal.Random(key):
		return ""
	case strings.TrimSpace(key) != key:
		return "has white space around it; remove it"
	}
	return "could be guessed: it does not have the form of a generated key; make one with `rolebroker api-key generate`"
}

// checkDatabasePassword adds the problems of the database's password.
func (c *Server) checkDatabasePassword(l *loader) {
	var sources []string
	if c.DatabasePasswordFile != "" {
		sources = append(sources, "--database-password-file")
	}
	if !c.DatabasePassword.IsZero() {
		sources = append(sources, databasePassword)
	}
	switch {
	case len(sources) == 0:
	case len(sources) == 2:
		l.problems.add(sources[0], "is set and so is %s; unset one of them", sources[1])
	case !c.Database.IsPostgres():
		l.problems.add(sources[0], "is for PostgreSQL, and --database is not a postgres:// URL")
	case c.Database.HasPassword():
		l.problems.add(sources[0], "is set and --database has a password, too; remove the password from the URL")
	}
}

// passwordFileProblem says what is wrong with the file of DatabasePasswordFile; "" if nothing is, or there is none.
func (c *Server) passwordFileProblem(outside Outside) string {
	if c.DatabasePasswordFile == "" {
		return ""
	}
	if _, err := passwordIn(c.DatabasePasswordFile, databasePasswordIs, outside.ReadFile); err != nil {
		return err.Error()
	}
	return ""
}

// ReadDatabasePassword returns the password of the database; the zero Secret if DatabasePassword and
// DatabasePasswordFile do not set it. It reads the file anew.
func (c *Server) ReadDatabasePassword() (rolebroker.Secret, error) {
	if c.DatabasePasswordFile == "" {
		return c.DatabasePassword, nil
	}
	return passwordIn(c.DatabasePasswordFile, databasePasswordIs, readFile)
}

// databasePasswordIs is what is in DatabasePasswordFile.
const databasePasswordIs = "password of the database"

// passwordIn reads the password in a file, or another secret: what.
func passwordIn(path, what string, readFile func(string) ([]byte, error)) (rolebroker.Secret, error) {
	data, err := readFile(path)
	if err != nil {
		return rolebroker.Secret{}, err
	}
	password := strings.TrimRight(string(data), "\r\n")
	if password == "" {
		return rolebroker.Secret{}, fmt.Errorf("%s is empty; write the %s to it", path, what)
	}
	return rolebroker.NewSecret(password), nil
}

// listenProblem says what is wrong with an address to listen on, where carried is served; "" if nothing is. like is the
// port of the example.
func (c *Server) listenProblem(address, like, carried string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Sprintf("%q is not host:port; write for example 127.0.0.1:%s", address, like)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("%q has the port %q; write a number up to 65535, as in %s", address, port,
			net.JoinHostPort(host, like))
	}
	if c.secure() || rolebroker.IsLoopback(host) {
		return ""
	}
	return fmt.Sprintf("%q can be reached from other machines, and %s would cross the network unencrypted; set "+
		"--tls-cert and --tls-key, or --tls-terminated-by-proxy if something in front terminates TLS, or listen on "+
		"127.0.0.1:%s", address, carried, port)
}

func (c *Server) secure() bool {
	return c.TLSTerminatedByProxy || c.TLSCert != "" && c.TLSKey != ""
}
