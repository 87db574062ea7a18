package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// outside is an environment, with the file "settings.yaml" in it.
func outside(file string, env ...string) Outside {
	return Outside{
		Getenv: func(name string) string {
			for _, entry := range env {
				if n, value, _ := strings.Cut(entry, "="); n == name {
					return value
				}
			}
			return ""
		},
		ReadFile: func(path string) ([]byte, error) {
			if path != "settings.yaml" {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(file), nil
		},
	}
}

// load reads the settings of a server.
func load(t *testing.T, out Outside, args ...string) (*Server, error) {
	t.Helper()
	c := DefaultServer()
	flags := c.Flags()
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return c, c.Load(flags, out)
}

func TestPrecedence(t *testing.T) {
	const file = "listen: 127.0.0.1:3\n"
	listens := func(want string, out Outside, args ...string) {
		t.Helper()
		c, err := load(t, out, args...)
		if err != nil || c.Listen != want {
			t.Errorf("listens on %s, %v; want %s", c.Listen, err, want)
		}
	}
	listens("127.0.0.1:8484", outside(file))
	listens("127.0.0.1:3", outside(file), "--config=settings.yaml")
	listens("127.0.0.1:3", outside(file, "ROLEBROKER_CONFIG=settings.yaml"))
	listens("127.0.0.1:2", outside(file, "ROLEBROKER_LISTEN=127.0.0.1:2"), "--config=settings.yaml")
	listens("127.0.0.1:1", outside(file, "ROLEBROKER_LISTEN=127.0.0.1:2"), "--config=settings.yaml",
		"--listen=127.0.0.1:1")
	listens("127.0.0.1:8484", outside(file, "ROLEBROKER_LISTEN="))
}

func TestEverySettingHasThreeSpellings(t *testing.T) {
	want := &Server{
		Process: Process{TLSCert: "c", TLSKey: "k", LogLevel: "debug", LogFormat: "json", MaxSessionsPerAgent: 5,
			ShutdownTimeout: time.Minute},
		Listen: "0.0.0.0:443", MetricsListen: "0.0.0.0:9484", Database: NewDatabase("postgres://u@h/d"),
		DatabasePasswordFile: "settings.yaml", TLSTerminatedByProxy: true,
		AllowedHosts:     []string{"rolebroker.example.com", "10.0.0.5"},
		PublicURL:        "https://example.com/tools/rolebroker",
		SessionRetention: 3 * day, CallRetention: 400 * day, RedactCallResources: true,
		PresignLifetime: 5 * time.Minute,
		AuditKey:        "signing.key", AuditRetention: 400 * day,
		GatewayKey: "gateway.key", GatewayListen: "0.0.0.0:8483",
		AuditFile: "audit.jsonl", AuditFileFormat: "ocsf", AuditOTLPEndpoint: "https://o:4318/v1/logs", AuditOTLPHeadersFile: "h",
		AuditOTLPCAFile: "ca.pem",
		OIDCIssuer:      "https://login.example.com", OIDCClientID: "rolebroker", OIDCClientSecretFile: "settings.yaml",
		OIDCCLIClientID: "rolebroker-cli", OIDCScopes: []string{"openid", "groups"}, OIDCGroupsClaim: "roles",
		OIDCAdminGroups: []string{"platform"}, OIDCApproverGroups: []string{"leads", "oncall"},
		OIDCReaderGroups: []string{"all"}, OIDCCAFile: "login.pem",
		RequireExternalID: true, RevalidateEvery: 6 * time.Hour, ValidationConcurrency: 7, ValidationRate: 8,
		ValidationRetry:  9 * time.Second,
		AWSRoleARN:       "arn:aws:iam::111122223333:role/team/rolebroker",
		SetupTemplateURL: "https://acme.s3.eu-west-1.amazonaws.com/rolebroker-role.json",
	}
	values := []string{"listen=0.0.0.0:443", "gateway-key=gateway.key", "gateway-listen=0.0.0.0:8483", "metrics-listen=0.0.0.0:9484", "database-password-file=settings.yaml",
		"audit-file=audit.jsonl", "audit-file-format=ocsf", "audit-otlp-endpoint=https://o:4318/v1/logs", "audit-otlp-headers-file=h",
		"audit-otlp-ca-file=ca.pem", "audit-key=signing.key", "audit-retention=400d", "database=postgres://u@h/d", "tls-cert=c", "tls-key=k",
		"public-url=https://example.com/tools/rolebroker/",
		"oidc-issuer=https://login.example.com", "oidc-client-id=rolebroker", "oidc-client-secret-file=settings.yaml",
		"oidc-cli-client-id=rolebroker-cli", "oidc-scopes=openid,groups", "oidc-groups-claim=roles",
		"oidc-admin-groups=platform", "oidc-approver-groups=leads,oncall", "oidc-reader-groups=all",
		"oidc-ca-file=login.pem",
		"tls-terminated-by-proxy=true", "allowed-hosts=rolebroker.example.com,10.0.0.5",
		"log-level=debug", "log-format=json", "session-retention=3d", "call-retention=400d",
		"redact-call-resources=true", "presign-lifetime=5m",
		"max-sessions-per-agent=5", "shutdown-timeout=1m",
		"require-external-id=true", "revalidate-every=6h", "validation-concurrency=7", "validation-rate=8",
		"validation-retry=9s",
		"setup-template-url=https://acme.s3.eu-west-1.amazonaws.com/rolebroker-role.json",
		"aws-role-arn=arn:aws:iam::111122223333:role/team/rolebroker"}
	var args, env, lines []string
	for _, value := range values {
		name, value, _ := strings.Cut(value, "=")
		args = append(args, "--"+name+"="+value)
		env = append(env, EnvName(name)+"="+value)
		lines = append(lines, keyName(name)+": "+value+"\n")
	}
	check := func(spelling string, c *Server, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", spelling, err)
		}
		if diff := cmp.Diff(want, c, cmpopts.EquateComparable(rolebroker.Secret{}, Database{})); diff != "" {
			t.Errorf("%s: %s", spelling, diff)
		}
	}
	c, err := load(t, outside("a password"), args...)
	check("flags", c, err)
	c, err = load(t, outside("a password", env...))
	check("environment", c, err)
	c, err = load(t, outside("# settings\n"+strings.Join(lines, "")), "--config=settings.yaml")
	check("file", c, err)
	if n := 0; len(values) != count(DefaultServer(), &n)-1 {
		t.Errorf("%d values for %d flags besides --config", len(values), n-1)
	}
}

func TestTheFileTakesLists(t *testing.T) {
	c, err := load(t, outside("allowed_hosts: [rolebroker.lan, 10.0.0.5]\n"), "--config=settings.yaml")
	if want := []string{"rolebroker.lan", "10.0.0.5"}; err != nil || !slices.Equal(c.AllowedHosts, want) {
		t.Errorf("the hosts are %q, %v", c.AllowedHosts, err)
	}
	_, err = load(t, outside("allowed_hosts:\n- a:b\n"), "--config=settings.yaml")
	refused(t, err, `settings.yaml, line 1, allowed_hosts: has "a:b"`)
	_, err = load(t, outside("listen: [127.0.0.1:1]\n"), "--config=settings.yaml")
	refused(t, err, "settings.yaml, line 1, listen: is not a single value")
}

func count(c *Server, n *int) int {
	c.Flags().VisitAll(func(*pflag.Flag) { *n++ })
	return *n
}

// refused checks that err has exactly these problems. Each is a part of "path: message".
func refused(t *testing.T, err error, reasons ...string) {
	t.Helper()
	var e *rolebroker.Error
	if !errors.As(err, &e) || e.Code != rolebroker.CodeInvalid {
		t.Errorf("the error is %v, want %d problems", err, len(reasons))
		return
	}
	for _, reason := range reasons {
		if !slices.ContainsFunc(e.Fields, func(f rolebroker.Field) bool {
			return strings.Contains(f.Path+": "+f.Message,
				reason)
		}) {
			t.Errorf("no problem says %q in:\n%s", reason, strings.ReplaceAll(err.Error(), "; ", "\n"))
		}
	}
	if len(e.Fields) != len(reasons) {
		t.Errorf("there are %d problems, want %d: %v", len(e.Fields), len(reasons), err)
	}
}

func TestProblemsNameTheSettingAndTheRemedy(t *testing.T) {
	says := func(args, reasons []string, env ...string) {
		t.Helper()
		_, err := load(t, outside("", env...), args...)
		refused(t, err, reasons...)
	}
	one := func(s ...string) []string { return s }
	behind := func(url string) []string { return one("--tls-terminated-by-proxy", "--public-url="+url) }
	for _, bad := range []string{"example.com/rolebroker", "https://example.com/a?b=c", "https://u@example.com/a",
		"https://example.com/a/../b", "https://example.com/a%20b", "https://example.com//a", "ftp://example.com/",
		"https://exa mple.com", `https://example.com/a"b`} {
		says(behind(bad), one("--public-url (ROLEBROKER_PUBLIC_URL): "))
	}
	says(behind("http://example.com/a"), one("tokens would cross the network unencrypted"))
	says(behind("https://example.com/agents/x"), one("begins with /agents, which is a path of the server's own"))
	says(one("--public-url=https://example.com/a"), one("set --tls-terminated-by-proxy"))
	says(one("--listen=8484"),
		one(`--listen (ROLEBROKER_LISTEN): "8484" is not host:port; write for example 127.0.0.1:8484`))
	says(one("--listen=127.0.0.1:http"), one(`has the port "http"`))
	for _, name := range []string{"https://rolebroker.lan", "rolebroker.lan:8484", "10.0.0.5:8484", "*.lan", "a b"} {
		says(one("--allowed-hosts=rolebroker.lan,::1,"+name),
			one(`--allowed-hosts (ROLEBROKER_ALLOWED_HOSTS): has "`+name+`"; write names without scheme and port`))
	}
	says(one("--listen=:8484"),
		one("--tls-terminated-by-proxy if something in front terminates TLS, or listen on 127.0.0.1:8484"))
	says(one("--listen=10.0.0.1:8484"), one("can be reached from other machines"))
	says(one("--listen=example.com:8484"), one("can be reached from other machines"))
	says(one("--metrics-listen=:9484"), one("--metrics-listen (ROLEBROKER_METRICS_LISTEN): "))
	says(one("--tls-cert=c"), one("--tls-key (ROLEBROKER_TLS_KEY): is missing"))
	says(one("--tls-key=k"), one("--tls-cert (ROLEBROKER_TLS_CERT): is missing"))
	says(one("--database="), one("--database (ROLEBROKER_DATABASE): is empty"))
	says(one("--database=mysql://h/d"), one(`has the scheme "mysql"`))
	says(one("--database=postgres://u:pa%ss@h/d"), one("is not a valid URL"))
	for _, keywords := range []string{"host=h password=hunter2", "Password = hunter2", "dbname=d  HOST=h",
		"user=u port=1", "postgres:u@h/d"} {
		says(one("--database="+keywords),
			one("--database (ROLEBROKER_DATABASE): is neither the path of a SQLite file nor a URL; "+
				"write postgres://USER:PASSWORD@HOST"))
	}
	says(one("--log-level=loud"), one(`"loud" is not one of debug, info, warn, error`))
	says(one("--log-format=xml"), one(`"xml" is not one of text, json`))
	says(one("--session-retention=1m"), one("is 1m; write at least 1h"))
	says(one("--audit-file-format=json"), one(`"json" is not one of jsonl, ocsf`))
	says(one("--audit-otlp-endpoint=http://collector:4318/v1/logs"), one("is plain HTTP to another machine"))
	says(one("--audit-otlp-endpoint=https://u:secret@collector/v1/logs"), one("has a password or a query"))
	signIn := func(more ...string) []string {
		return append([]string{"--oidc-issuer=https://login.example.com", "--oidc-client-id=rolebroker",
			"--public-url=https://example.com", "--tls-terminated-by-proxy"}, more...)
	}
	says(signIn(), one("--oidc-admin-groups (ROLEBROKER_OIDC_ADMIN_GROUPS): is empty, as are --oidc-approver-groups"))
	says(signIn("--oidc-admin-groups=a", "--oidc-reader-groups=b,a"),
		one(`--oidc-reader-groups (ROLEBROKER_OIDC_READER_GROUPS)`+
			`: has "a", as has --oidc-admin-groups`))
	says(signIn("--oidc-admin-groups=a", "--oidc-reader-groups=b,"), one("has an empty name"))
	says(signIn("--oidc-admin-groups=a", "--oidc-client-id="),
		one("--oidc-client-id (ROLEBROKER_OIDC_CLIENT_ID): is empty"))
	says(signIn("--oidc-admin-groups=a", "--public-url="), one("--public-url (ROLEBROKER_PUBLIC_URL): is needed"))
	says(signIn("--oidc-admin-groups=a", "--oidc-scopes=profile"), one("lacks openid"))
	says(signIn("--oidc-admin-groups=a", "--oidc-groups-claim="), one("--oidc-groups-claim"))
	says(signIn("--oidc-admin-groups=a", "--oidc-client-secret-file=none"), one("--oidc-client-secret-file"))
	for issuer, problem := range map[string]string{"login.example.com": "is not a URL",
		"http://login.example.com": "is plain HTTP", "https://u:hunter2@login.example.com": "has more than a host",
		"https://login.example.com?x":                                "has more than a host",
		"https://login.example.com/.well-known/openid-configuration": "is the URL of its configuration"} {
		says(signIn("--oidc-admin-groups=a", "--oidc-issuer="+issuer),
			one("--oidc-issuer (ROLEBROKER_OIDC_ISSUER): "+problem))
	}
	says(one("--oidc-reader-groups=a"), one("is set and --oidc-issuer is not"))
	says(one("--audit-retention=1h"), one("is 1h; write 0s, to keep everything, or at least 1d"))
	says(one("--call-retention=1h"), one("is 1h; write 0s, to keep everything, or at least 1d"))
	says(one("--max-sessions-per-agent=0"), one("write at least 1"))
	says(one("--shutdown-timeout=-1s"), one("is -1s"))
	for _, weak := range []string{"12345", "a-key-of-my-own-that-is-long-enough", strings.Repeat("0123", 16),
		"rbk_bootstrap_" + strings.Repeat("a", 52), "rbk_bootstrap_" + strings.Repeat("abcdefghijklmnopqrstuvwxyz", 2),
		"rbk_other_abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"} {
		says(nil, one("ROLEBROKER_ADMIN_KEY: could be guessed: it does not have the form of a generated key; "+
			"make one with `rolebroker api-key generate`"), "ROLEBROKER_ADMIN_KEY="+weak)
	}
	random := strings.Repeat("0123456789abcdef", 3) + "fedcba9876543210"
	says(nil, one("ROLEBROKER_ADMIN_KEY: has white space around it; remove it"), "ROLEBROKER_ADMIN_KEY="+random+"\n")
	says(nil, one(`ROLEBROKER_MAX_SESSIONS_PER_AGENT: "many" is not a whole number`),
		"ROLEBROKER_MAX_SESSIONS_PER_AGENT=many")
	says(nil, one(`ROLEBROKER_TLS_TERMINATED_BY_PROXY: "ja" is neither true nor false`),
		"ROLEBROKER_TLS_TERMINATED_BY_PROXY=ja")
	says(nil, one(`ROLEBROKER_SESSION_RETENTION: "long" is not a duration; write it as in 30d`),
		"ROLEBROKER_SESSION_RETENTION=long")
	says(one("--config=other.yaml"), one("--config (ROLEBROKER_CONFIG): open other.yaml"))
	says(one("--listen=x", "--log-level=y"), one("--listen", "--log-level", "ROLEBROKER_ADMIN_KEY"),
		"ROLEBROKER_ADMIN_KEY=z")
}

// The name of a group may have a comma, as those of LDAP do.
func TestTheFileTakesNamesWithCommas(t *testing.T) {
	c, err := load(t, outside(`oidc_issuer: https://login.example.com
oidc_client_id: rolebroker
public_url: https://example.com
tls_terminated_by_proxy: true
oidc_admin_groups: ["cn=admins,ou=groups", 'the "old" ones']
`), "--config=settings.yaml")
	want := []string{"cn=admins,ou=groups", `the "old" ones`}
	if err != nil || !slices.Equal(c.OIDCAdminGroups, want) {
		t.Errorf("%q, %v", c.OIDCAdminGroups, err)
	}
	if access := c.Groups().Of([]string{"all", "cn=admins,ou=groups"}); access != rolebroker.KeyAdmin {
		t.Errorf("it is %q", access)
	}
	_, err = load(t, outside("oidc_client_secret: hunter2\n"), "--config=settings.yaml")
	refused(t, err, "the secret does not belong in this file; set oidc_client_secret_file")
}

// Without a token in the environment, a client uses the sign-in that was saved for the server.
func TestAClientUsesTheSavedSignIn(t *testing.T) {
	saved, err := SignIn{URL: "https://rolebroker.example.com", Token: rolebroker.NewSecret("rbc_x"),
		Name: "ada"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	load := func(content string, env ...string) (Client, error) {
		o := outside("", append(env, "HOME="+home)...)
		o.ReadFile = func(path string) ([]byte, error) {
			if path == filepath.Join(home, ".config", "rolebroker", "sign-in.json") && content != "" {
				return []byte(content), nil
			}
			return nil, os.ErrNotExist
		}
		return LoadClient(o)
	}
	for _, env := range [][]string{nil, {"ROLEBROKER_URL=https://rolebroker.example.com/"}} {
		if c, err := load(saved, env...); err != nil || c.Token.Reveal() != "rbc_x" ||
			c.URL != "https://rolebroker.example.com" {
			t.Errorf("%v: it uses %s at %s: %v", env, c.Token.Reveal(), c.URL, err)
		}
	}
	if c, err := load(saved, "ROLEBROKER_TOKEN=rbk_y"); err != nil || c.Token.Reveal() != "rbk_y" ||
		c.URL != defaultURL {
		t.Errorf("with a token it uses %s at %s: %v", c.Token.Reveal(), c.URL, err)
	}
	if c, err := load(saved, "ROLEBROKER_URL=https://other.example.com"); err == nil {
		t.Errorf("at another server it uses %s", c.Token.Reveal())
	}
	for _, bad := range []string{"{", `{"url": "x", "token": "hunter2"}`, `{"url": "https://x"}`} {
		if _, err := load(bad); err == nil || !strings.Contains(err.Error(), "sign-in.json") ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestFilesHaveAnEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(size int) {
		if err := os.WriteFile(path, bytes.Repeat([]byte("#"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(maxFile)
	if data, err := OS().ReadFile(path); err != nil || len(data) != maxFile {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	write(maxFile + 1)
	_, err := load(t, OS(), "--config="+path)
	refused(t, err, "--config (ROLEBROKER_CONFIG): "+path+" is larger than 64 KiB")
}

func TestProblemsOfTheFileSayTheLine(t *testing.T) {
	says := func(file string, reasons ...string) {
		t.Helper()
		_, err := load(t, outside(file), "--config=settings.yaml")
		refused(t, err, reasons...)
	}
	says("log_level: info\n\nlisen: x\n", `settings.yaml, line 3: unknown setting "lisen"; known are listen, database`)
	says("tls-cert: x\n", `line 1: unknown setting "tls-cert"`)
	says("config: x\n", `line 1: unknown setting "config"`)
	says("admin_key: x\n", "the admin key does not belong in a file; set ROLEBROKER_ADMIN_KEY")
	says("log_level: loud\nmax_sessions_per_agent: many\n", `"loud" is not one of`,
		`settings.yaml, line 2, max_sessions_per_agent: "many" is not a whole number`)
	says("- a\n- b\n", "is not a mapping of settings")
	says("listen: [a, b]\n", "line 1, listen: is not a single value")
	says("listen: a\nlisten: b\n", "line 2")
	says("listen: {\n", "is not YAML")
	for _, empty := range []string{"", "# nothing\n", "listen:\n", "---\n"} {
		if _, err := load(t, outside(empty), "--config=settings.yaml"); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestListenOnEveryAddressThatIsSafe(t *testing.T) {
	for _, args := range [][]string{
		{"--listen=127.0.0.1:0"}, {"--listen=[::1]:8484"}, {"--listen=localhost:8484"}, {"--listen=127.1.2.3:8484"},
		{"--listen=:8484", "--tls-cert=c", "--tls-key=k"}, {"--listen=:8484", "--tls-terminated-by-proxy"},
	} {
		if _, err := load(t, outside(""), args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// The host of the public URL is a name of the server, without taking away others.
func TestThePublicURLNamesTheServer(t *testing.T) {
	has := func(path string, names []string, args ...string) {
		t.Helper()
		c, err := load(t, outside(""), args...)
		if err != nil || c.PublicPath() != path || !slices.Equal(c.Names(), names) {
			t.Errorf("%v: path %q, names %q, %v", args, c.PublicPath(), c.Names(), err)
		}
	}
	const tls = "--tls-terminated-by-proxy"
	has("", nil)
	has("/a", nil, tls, "--public-url=https://example.com/a/")
	has("", []string{"rb.lan", "example.com"}, tls, "--allowed-hosts=rb.lan", "--public-url=https://Example.com")
	has("/a/b", []string{"x.localhost"}, "--public-url=http://x.localhost:8080/a/b")
	has("/a", nil, "--listen=:8484", tls, "--public-url=https://example.com/a")
	has("/a", []string{"example.com"}, "--tls-cert=c", "--tls-key=k", "--public-url=https://example.com/a")
}

func TestSecretsAreNotPrinted(t *testing.T) {
	for _, address := range []string{"postgres://user:hunter2@host/db", "postgresql://host/db?user=u&password=hunter2",
		"postgres://host/db?sslpassword=hunter2", "postgres://user:hunter2%zz@host/db", "postgres://user:hunter2",
		"postgres://u@h/db?password=se;hunter2", "postgres://u@h/db?password=hunter2%zz",
		"postgres://u@h/db?a=%zz&password=hunter2",
		"postgres://u@h/db?password=a&hunter2", "postgres://u@h/db?password=a&b=hunter2",
		"postgres://u@h/db?pass%77ord=hunter2",
		"postgres://u@h/db?PASSWORD=hunter2", "postgres://u@h/db?sslmode=require;password=hunter2",
		"postgres://u@h/db?x=1#hunter2",
		"postgres://user:hun/hunter2@h/db", "postgres://user:12/hunter2@h/db", "postgres://user:12?hunter2@h/db",
		"postgres://user:12#hunter2@h/db",
		"postgres://user:hunter2@host name/db", "postgres://user%3Ahunter2@h/db", "postgres://user:hunter2@h:port/db",
		"mysql://user:hunter2@h/db",
		"postgres:user:hunter2@h/db", "postgresql:/user:hunter2@h/db", "POSTGRES:user:hunter2@h/db",
		"host=h password=hunter2 dbname=db", "password = 'hunter2'", "dbname=x\tPassword=hunter2",
		"host=h user=hunter2", "host=h password=hunter2 options=a://b"} {
		c := DefaultServer()
		c.Database = NewDatabase(address)
		c.AdminKey = rolebroker.NewSecret("hunter2")
		text, _ := c.Database.MarshalText()
		l := newLoader(c.Flags(), EnvName)
		c.check(l)
		printed := fmt.Sprintf("%v %+v %#v %s %q %s %v", *c, *c, c.Database, c.Database, c.Database, text,
			rolebroker.AsError(l.problems.err()).Fields)
		if strings.Contains(printed, "hunter2") {
			t.Errorf("%s is printed as %s", address, printed)
		}
		if c.Database.Reveal() != address {
			t.Errorf("Reveal gives %s", c.Database.Reveal())
		}
	}
	for address, want := range map[string]string{
		"postgres://u:p@h/d":                              "postgres://u:redacted@h/d",
		"postgres://u@h:5432/d?sslmode=require":           "postgres://u@h:5432/d?sslmode=require",
		"postgres:///d?host=/run/postgresql":              "postgres:///d?host=/run/postgresql",
		"postgres://h/d?sslmode=require&password=hunter2": "postgres://h/d?redacted",
		"/var/lib/rolebroker/it's #1; a=b.db":             "/var/lib/rolebroker/it's #1; a=b.db",
	} {
		if got := NewDatabase(address).Redacted(); got != want {
			t.Errorf("redacted: %s, want %s", got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	is := func(s string, want time.Duration, written string) {
		t.Helper()
		if d, err := ParseDuration(s); err != nil || d != want || FormatDuration(d) != written {
			t.Errorf("%q is %s, %v and is written %q", s, d, err, FormatDuration(d))
		}
	}
	is("30d", 30*day, "30d")
	is("720h", 30*day, "30d")
	is("1d12h", 36*time.Hour, "36h")
	is("90m", 90*time.Minute, "1h30m")
	is("45s", 45*time.Second, "45s")
	is("0d", 0, "0s")
	for _, bad := range []string{"", "d", "-1d", "1.5d", "1d24h", "1d-1h", "30", "99999999999999d", "1w"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q is %s", bad, d)
		}
	}
}

func TestClient(t *testing.T) {
	const file = "rbt_token\n"
	is := func(out Outside, url, token string) {
		t.Helper()
		c, err := LoadClient(out)
		if err != nil || c.URL != url || c.Token.Reveal() != token {
			t.Errorf("client is %s %q, %v", c.URL, c.Token.Reveal(), err)
		}
	}
	is(outside("", "ROLEBROKER_TOKEN=t"), "http://127.0.0.1:8484", "t")
	is(outside("", "ROLEBROKER_TOKEN=t", "ROLEBROKER_URL=https://rb.example.com/x"), "https://rb.example.com/x", "t")
	is(outside(file, "ROLEBROKER_TOKEN_FILE=settings.yaml"), "http://127.0.0.1:8484", "rbt_token")
	is(outside("rbt_token\r\n", "ROLEBROKER_TOKEN_FILE=settings.yaml"), "http://127.0.0.1:8484", "rbt_token")

	not := func(out Outside, reasons ...string) {
		t.Helper()
		_, err := LoadClient(out)
		refused(t, err, reasons...)
	}
	not(outside(""), "ROLEBROKER_TOKEN: is empty")
	not(outside(file, "ROLEBROKER_TOKEN=t", "ROLEBROKER_TOKEN_FILE=settings.yaml"),
		"ROLEBROKER_TOKEN: is set and so is ROLEBROKER_TOKEN_FILE")
	not(outside("", "ROLEBROKER_TOKEN_FILE=settings.yaml"), "ROLEBROKER_TOKEN_FILE: settings.yaml is empty")
	not(outside("", "ROLEBROKER_TOKEN_FILE=other"), "ROLEBROKER_TOKEN_FILE: open other")
	not(outside("two words", "ROLEBROKER_TOKEN_FILE=settings.yaml"), "white space")
	not(outside("", "ROLEBROKER_URL=localhost:8484"), "ROLEBROKER_URL: is not the URL of a server",
		"ROLEBROKER_TOKEN: is empty")
	not(outside("", "ROLEBROKER_TOKEN=t", "ROLEBROKER_ALLOW_INSECURE=ja"), `ROLEBROKER_ALLOW_INSECURE: "ja" is neither`)
	not(outside("", "ROLEBROKER_TOKEN=t", "ROLEBROKER_URL=http://u:p@h"), "has a user name")
	not(outside("", "ROLEBROKER_TOKEN=t", "ROLEBROKER_URL=http://h?x=1"), "has more than the address")
}

func FuzzFile(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\n")
	f.Add("database: |\n  postgres://u:hunter2@h/d\n? x\n: y\n")
	f.Add("a: &x [*x]\n<<: *x\n")
	f.Fuzz(func(t *testing.T, file string) {
		c := DefaultServer()
		flags := c.Flags()
		if err := flags.Parse([]string{"--config=settings.yaml"}); err != nil {
			t.Fatal(err)
		}
		_ = c.Load(flags, outside(file)) // must not panic
	})
}

// A problem is reported where the value is: at the flag, the variable, or the line of
// the file.
func TestABadValueIsNamedByItsSource(t *testing.T) {
	says := func(want string, out Outside, args ...string) {
		t.Helper()
		if _, err := load(t, out, args...); err == nil || !strings.Contains(err.Error(),
			want+`: "loud" is not one of`) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	const file = "listen: 127.0.0.1:3\nlog_level: loud\n"
	says("--log-level (ROLEBROKER_LOG_LEVEL)", outside(file), "--log-level=loud")
	says("--log-level (ROLEBROKER_LOG_LEVEL)", outside(file, "ROLEBROKER_LOG_LEVEL=loud"))
	says("settings.yaml, line 2, log_level", outside(file), "--config=settings.yaml")
}

func TestHoursAreForWhoeverDoesNotKnowDays(t *testing.T) {
	for d, want := range map[time.Duration]string{48 * time.Hour: "48h", 90 * time.Minute: "1h30m",
		90 * time.Second: "1m30s", time.Hour + time.Second: "1h0m1s"} {
		if got := FormatHours(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Only a problem with the token has the hint about tokens.
func TestOnlyABadTokenGetsTheHintOnTokens(t *testing.T) {
	hint := func(want bool, env ...string) {
		t.Helper()
		_, err := LoadClient(outside("", env...))
		if got := len(rolebroker.AsError(err).Hint) > 0; err == nil || got != want {
			t.Errorf("%q: %v", env, err)
		}
	}
	hint(false, "ROLEBROKER_URL=nonsense", "ROLEBROKER_TOKEN=t")
	hint(true, "ROLEBROKER_URL=nonsense")
	hint(true)
}
