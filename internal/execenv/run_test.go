//go:build unix

package execenv

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
)

func TestARoomWithOneRole(t *testing.T) {
	only := newFake()
	only.offers = only.offers[1:2]
	only.offers[0].Default = true
	only.lend = func(_ context.Context, role, _ string) (*client.Credentials, error) {
		return lentFor(cmp.Or(role, "deployer"), distant), nil
	}
	bound := options(newFake(), "look")
	bound.Role = "deployer"
	for name, o := range map[string]Options{"named by --role": bound, "the agent's only one": options(only, "look")} {
		t.Run(name, func(t *testing.T) {
			s := look(t, o)
			at, token := lookup(s.Env, "ROLEBROKER_URL"), lookup(s.Env, "ROLEBROKER_TOKEN")
			want := map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
				"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
				"AWS_CONTAINER_CREDENTIALS_FULL_URI": at + "/v1/credentials"}
			for name, want := range want {
				if got := lookup(s.Env, name); got != want || got == "" {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if at, _ := url.Parse(at); at.Hostname() != "127.0.0.1" {
				t.Errorf("credentials are served at %s, want the literal 127.0.0.1", at)
			}
			if !strings.HasPrefix(token, TokenPrefix) || len(token) != len(TokenPrefix)+64 {
				t.Errorf("the token has %d characters, want %s and 256 bits in hex", len(token), TokenPrefix)
			}
			if s.Lent != "ASIADEPLOYER" || s.LentDeploy != "ASIADEPLOYER" || s.LentReadonly != "" {
				t.Errorf("lent %q, %q by its name, and %q by another", s.Lent, s.LentDeploy, s.LentReadonly)
			}
			if want := []string{"deployer true"}; !slices.Equal(s.Roles, want) {
				t.Errorf("roles are %v, want %v", s.Roles, want)
			}
			if s.Refused != string(rolebroker.CodeUnauthenticated) {
				t.Errorf("without the token the code is %q", s.Refused)
			}
			const config = `# Written by rolebroker exec, which removes it when it ends.

[default]
region = eu-west-1

[profile deployer]
region = eu-west-1
credential_process = /usr/local/bin/rolebroker credentials --role production/deployer --format process
`
			if diff := gocmp.Diff(config, s.Config); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// SDKs that go on when a profile is missing must find nothing in the environment.
func TestARoomWithSeveralRoles(t *testing.T) {
	s := look(t, options(newFake(), "look"))
	for _, entry := range s.Env {
		if strings.HasPrefix(entry, "AWS_CONTAINER_") || strings.HasPrefix(entry, "AWS_REGION") ||
			strings.HasPrefix(entry, "AWS_DEFAULT_REGION") {
			t.Errorf("the environment has %s", entry)
		}
	}
	if s.Lent != "ASIAREADONLY" || s.LentDeploy != "ASIADEPLOYER" {
		t.Errorf("lent %q and, by name, %q", s.Lent, s.LentDeploy)
	}
	want := []string{"readonly true", "deployer false", "staging/default false"}
	if !slices.Equal(s.Roles, want) {
		t.Errorf("roles are %v, want %v", s.Roles, want)
	}
}

func TestCommandFindsNothingOfTheCallers(t *testing.T) {
	const theirs = "AKIATHECALLERSOWN"
	o := options(newFake(), "look")
	o.Env = append(o.Env, "KEPT=yes", "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ENDPOINT_URL_STS=http://127.0.0.1:2",
		"AWS_CA_BUNDLE=/ca",
		"AWS_STS_REGIONAL_ENDPOINTS=regional", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=9", "AWS_RETRY_MODE=standard")
	kept := slices.Clone(o.Env[len(o.Env)-8:])
	names := slices.Clone(identityVars)
	for _, prefix := range identityPrefixes {
		names = append(names, prefix, prefix+"X")
	}
	names = append(names, "AWS_CREDENTIAL_FILE", "AWS_CREDENTIAL_EXPIRATION", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_ROLE_ARN",
		"AWS_ROLE_SESSION_NAME", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_BEARER_TOKEN_BEDROCK", "AWS_LOGIN_CACHE_DIRECTORY", "AWS_SSO_SESSION")
	for _, name := range names {
		o.Env = append(o.Env, name+"="+theirs)
	}
	for _, name := range []string{"ROLEBROKER_TOKEN", "ROLEBROKER_TOKEN_FILE", "ROLEBROKER_ADMIN_KEY",
		"ROLEBROKER_DATABASE"} {
		o.Env = append(o.Env, name+"="+agentToken)
	}
	s := look(t, o)
	for where, text := range map[string]string{
		"environment": strings.Join(s.Env, "\n"), "/proc/self/environ": s.ProcEnviron,
		"config": s.Config, "credentials": s.Credentials,
	} {
		for _, secret := range []string{agentToken, theirs} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has %s in it", where, secret)
			}
		}
	}
	for _, entry := range kept {
		if !slices.Contains(s.Env, entry) {
			t.Errorf("%s was lost", entry)
		}
	}
	if strings.Contains(s.Credentials, "aws_access_key_id") {
		t.Errorf("the credentials file is %q", s.Credentials)
	}
	for _, name := range []string{"AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"} { // by default, in the home directory
		if !strings.Contains(lookup(s.Env, name), folderPrefix) {
			t.Errorf("%s is %q", name, lookup(s.Env, name))
		}
	}
}

// Programs that read no config file find the profiles in the credentials file. With one
// role they go on to the container endpoint.
func TestCredentialsFile(t *testing.T) {
	const want = `# Written by rolebroker exec, which removes it when it ends.

[default]
credential_process = /usr/local/bin/rolebroker credentials --role production/readonly --format process

[readonly]
credential_process = /usr/local/bin/rolebroker credentials --role production/readonly --format process

[deployer]
credential_process = /usr/local/bin/rolebroker credentials --role production/deployer --format process

[staging/default]
credential_process = /usr/local/bin/rolebroker credentials --role staging/default --format process
`
	if s := look(t, options(newFake(), "look")); s.Credentials != want {
		t.Errorf("with several roles the credentials file is\n%s", s.Credentials)
	}
	one := options(newFake(), "look")
	one.Role = "deployer"
	if s := look(t, one); s.Credentials != "" {
		t.Errorf("with one role the credentials file is\n%s", s.Credentials)
	}
}

func TestPrivateFiles(t *testing.T) {
	s := look(t, options(newFake(), "look"))
	const want = `# Written by rolebroker exec, which removes it when it ends.

[default]
region = us-east-1
credential_process = /usr/local/bin/rolebroker credentials --role production/readonly --format process

[profile readonly]
region = us-east-1
credential_process = /usr/local/bin/rolebroker credentials --role production/readonly --format process

[profile deployer]
region = eu-west-1
credential_process = /usr/local/bin/rolebroker credentials --role production/deployer --format process

[profile staging/default]
region = eu-north-1
credential_process = /usr/local/bin/rolebroker credentials --role staging/default --format process
`
	if diff := gocmp.Diff(want, s.Config); diff != "" {
		t.Error(diff)
	}
	if s.ConfigMode != 0o600 || s.DirMode != 0o700 {
		t.Errorf("modes are %o and %o, want 600 and 700", s.ConfigMode, s.DirMode)
	}
	if _, err := os.Stat(lookup(s.Env, "AWS_CONFIG_FILE")); !os.IsNotExist(err) {
		t.Errorf("the config file is still there: %v", err)
	}
	at, _ := url.Parse(lookup(s.Env, "ROLEBROKER_URL"))
	if c, err := net.Dial("tcp", at.Host); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// A role called default must not become what `aws` without a profile uses.
func TestRoleCalledDefaultGetsAProfileOfItsOwn(t *testing.T) {
	text := string(profiles("", "/rb", "", roomOf(offer("default", "production", "default", "eu-west-1", true))))
	if !strings.Contains(text, "[profile production/default]") || strings.Contains(text, "[profile default]") {
		t.Error(text)
	}
}

func TestProfilesRunABinaryWithAnyPath(t *testing.T) {
	for _, name := range []string{"plain", "with space", `quo"te`, "dollar $HOME", "comment #1 ;2", "apostrophe's",
		`back\slash`} {
		t.Run(name, func(t *testing.T) {
			self := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(self, []byte("#!/bin/sh\necho ran \"$@\"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			dir, err := os.MkdirTemp("", "room-") // the test's own directory is named after the test
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			if err := writeFiles(dir, self, "", roomOf(newFake().offers...)); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(dir, configFile))
			if err != nil {
				t.Fatal(err)
			}
			_, line, _ := strings.Cut(string(text), "credential_process = ")
			line, _, _ = strings.Cut(line, "\n")
			out, err := exec.Command("sh", "-c", line).CombinedOutput()
			if err != nil || string(out) != "ran credentials --role production/readonly --format process\n" {
				t.Errorf("%s: %v, %s", line, err, out)
			}
		})
	}
}

// Where neither the program nor its link has a path without quotes, the error says
// what to set.
func TestAProfileNeverHasQuotes(t *testing.T) {
	path, err := plainPath("/a b/rolebroker", "/c d")
	if err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("it is %q, %v", path, err)
	}
}

// The file starts programs: what could be more than a name in it is refused.
func TestNothingIsRunWithNamesThatAreMore(t *testing.T) {
	for _, more := range []string{"\n", "\r", "]", `"`, "#", ";", "$", "`", "\x00"} {
		for _, change := range []func(*rolebroker.Offer){
			func(o *rolebroker.Offer) { o.Reference += more },
			func(o *rolebroker.Offer) { o.Integration += more },
			func(o *rolebroker.Offer) { o.Name += more },
			func(o *rolebroker.Offer) { o.Region += rolebroker.Region(more) },
		} {
			server := newFake()
			change(&server.offers[1])
			marker := filepath.Join(t.TempDir(), "ran")
			if code, err := Run(t.Context(), options(server, "touch", marker)); code != 1 || err == nil {
				t.Errorf("with %+v it ended with %d, %v", server.offers[1], code, err)
			}
			if _, err := os.Stat(marker); err == nil {
				t.Errorf("with %+v the command was run", server.offers[1])
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "file")
	noInterpreter := filepath.Join(t.TempDir(), "script")
	os.WriteFile(notExecutable, nil, 0o600)
	os.WriteFile(noInterpreter, []byte("#!/no/such/interpreter\n"), 0o700)
	ends := func(command []string, wantCode int, wantErr rolebroker.Code) {
		t.Helper()
		server := newFake()
		o := options(server)
		o.Command = command
		code, err := Run(t.Context(), o)
		if code != wantCode || rolebroker.CodeOf(err) != wantErr {
			t.Errorf("%v ended with %d, %v; want %d, %s", command, code, err, wantCode, wantErr)
		}
	}
	part := func(parts ...string) []string { return options(nil, parts...).Command }
	ends(part("exit", "0"), 0, "")
	ends(part("exit", "3"), 3, "")
	ends(part("die"), 128+9, "")
	ends([]string{"no-such-command"}, 127, rolebroker.CodeNotFound)
	ends([]string{"./no-such-file"}, 127, rolebroker.CodeNotFound)
	ends([]string{noInterpreter}, 127, rolebroker.CodeNotFound)
	ends([]string{notExecutable}, 126, rolebroker.CodeDenied)
	ends([]string{os.TempDir()}, 126, rolebroker.CodeInvalid)
}

func TestNothingIsRunWhenTheServerRefuses(t *testing.T) {
	refused := rolebroker.Errorf(rolebroker.CodeDenied, "agent scout is disabled")
	down := rolebroker.Errorf(rolebroker.CodeUnavailable, "cannot reach rolebroker")
	fails := func(err error) func(context.Context, string, string) (*client.Credentials, error) {
		return func(context.Context, string, string) (*client.Credentials, error) { return nil, err }
	}
	for name, server := range map[string]*fake{
		"credentials": {lend: fails(refused)},
		"outage":      {lend: fails(down)},
		"roles":       {rolesErr: down},
		"not listed":  {},
	} {
		t.Run(name, func(t *testing.T) {
			marker := filepath.Join(t.TempDir(), "ran")
			code, err := Run(t.Context(), options(server, "touch", marker))
			if code != 1 || err == nil {
				t.Errorf("ended with %d, %v", code, err)
			}
			if _, err := os.Stat(marker); err == nil {
				t.Error("the command was run")
			}
		})
	}
}

// A command that does not exist borrows nothing.
func TestNothingIsBorrowedForACommandThatDoesNotExist(t *testing.T) {
	server := newFake()
	o := options(server)
	o.Command = []string{"no-such-command"}
	Run(t.Context(), o)
	if asked := server.questions(); len(asked) != 0 {
		t.Errorf("asked for %v", asked)
	}
}

func TestAnIDNamesARoleToo(t *testing.T) {
	server := newFake()
	server.lend = func(context.Context, string, string) (*client.Credentials, error) {
		return lentFor("deployer", distant), nil
	}
	o := options(server, "look")
	o.Role = "rol_p3xk7d2mzq5wv4tcn6hjb8ysra"
	if region := lookup(look(t, o).Env, "AWS_REGION"); region != "eu-west-1" {
		t.Errorf("the region is %q", region)
	}
}

// Two integrations may have a role of one ARN, each with a region of its own.
func TestTheRegionIsThatOfTheRoleThatWasNamed(t *testing.T) {
	const id = "rol_p3xk7d2mzq5wv4tcn6hjb8ysra"
	const integration = "int_p3xk7d2mzq5wv4tcn6hjb8ysra"
	server := newFake()
	server.lend = func(context.Context, string, string) (*client.Credentials, error) {
		return lentFor("deployer", distant), nil
	}
	server.offers = []rolebroker.Offer{
		offer("staging/deployer", "staging", "deployer", "eu-north-1", false),
		offer("production/deployer", "production", "deployer", "eu-west-1", true),
		offer("viewer", "production", "viewer", "ap-south-1", false),
	}
	server.offers = append(server.offers, server.offers[0])
	server.offers[3].Reference, server.offers[3].Name = "ship", "ship"
	is := func(reference string, region rolebroker.Region) {
		t.Helper()
		o := options(server, "look")
		o.Role = reference
		if config := look(t, o).Config; !strings.Contains(config, "[default]\nregion = "+string(region)+"\n") {
			t.Errorf("the region of %q is not %s:\n%s", reference, region, config)
		}
	}
	is("", "eu-west-1")
	is("ship", "eu-north-1")
	is("production/deployer", "eu-west-1")
	is("staging/deployer", "eu-north-1")
	is("production/"+id, "eu-west-1")
	is(integration+"/ship", "eu-north-1")

	not := func(reference string, code rolebroker.Code) {
		t.Helper()
		o := options(server, "exit", "0")
		o.Role = reference
		if _, err := Run(t.Context(), o); rolebroker.CodeOf(err) != code || len(rolebroker.AsError(err).Hint) == 0 {
			t.Errorf("with %q it ended with %v, want %s and a hint", reference, err, code)
		}
	}
	not(id, rolebroker.CodeInvalid)
	not(integration+"/deployer", rolebroker.CodeInvalid)
	not("staging/"+id, rolebroker.CodeInvalid)
	not("viewer", rolebroker.CodeConflict) // is offered, but another was lent
}

// What is the default, or of that name, may change while the command runs.
func TestTheRoleInUseStaysTheSame(t *testing.T) {
	for reference, want := range map[string][]string{
		"":         {"", "production/readonly", "production/deployer", "production/readonly"},
		"deployer": {"deployer", "production/deployer", "production/deployer"},
	} {
		server := newFake()
		o := options(server, "look")
		o.Role = reference
		look(t, o)
		if !slices.Equal(server.questions(), want) {
			t.Errorf("with --role %q exec asked for %q, want %q", reference, server.questions(), want)
		}
	}
}

func TestTaskIsNamedForEveryRequest(t *testing.T) {
	server := newFake()
	o := options(server, "look")
	o.Role, o.Task = "readonly", "deploy-17"
	look(t, o)
	want := []string{"readonly deploy-17", "production/readonly deploy-17", "production/readonly deploy-17"}
	if !slices.Equal(server.questions(), want) {
		t.Errorf("asked for %q, want %q", server.questions(), want)
	}
}

func TestStdinPassesThrough(t *testing.T) {
	in := bytes.Repeat([]byte("a line of some length, again and again\n"), 100_000)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer w.Close()
		w.Write(in)
	}()
	defer r.Close()
	var out bytes.Buffer
	o := options(newFake(), "cat")
	o.Stdin, o.Stdout = r, &out
	if code, err := Run(t.Context(), o); code != 0 || err != nil {
		t.Fatalf("ended with %d, %v", code, err)
	}
	if sha256.Sum256(in) != sha256.Sum256(out.Bytes()) {
		t.Errorf("of %d bytes %d came back", len(in), out.Len())
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	cmd, out := playing(t, "exec", "signals")
	lines := bufio.NewScanner(out)
	next := func() string { lines.Scan(); return lines.Text() }
	if line := next(); line != "ready" {
		t.Fatalf("it says %q", line)
	}
	for _, s := range []syscall.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM,
	} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if line := next(); line != s.String() {
			t.Errorf("for %s it says %q", s, line)
		}
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Errorf("exec ended with %d, want the command's 7", code)
	}
}

func TestSignalWhileTheServerIsAsked(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ran")
	server := newFake()
	server.lend = func(ctx context.Context, _, _ string) (*client.Credentials, error) {
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	code, err := Run(t.Context(), options(server, "touch", marker))
	if code != 128+15 || err != nil {
		t.Errorf("ended with %d, %v", code, err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the command was run")
	}
}

func TestEndOfTheContextEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		bufio.NewReader(r).ReadString('\n')
	}()
	o := options(newFake(), "signals")
	o.Stdout = w
	if code, err := Run(ctx, o); code != 7 || err != nil {
		t.Errorf("ended with %d, %v; want 7, the exit code after SIGTERM", code, err)
	}
}
