package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// sdkClient is a program with one AWS SDK, in testdata/clients. Each of its arguments
// is a profile, which it names in code, or empty for none. For each it prints the region
// and the ARN that AWS reports; at an error it exits. At the argument wait it prints
// waiting, and continues when it gets a line.
type sdkClient struct {
	name    string
	command []string
	env     []string

	// goesOn is set for SDKs that continue to the container endpoint if a profile is
	// missing. In a room with one role they get that role.
	goesOn bool

	// regionOfDefault is set for SDKs that use the region of the default profile for a
	// profile that is named in code.
	regionOfDefault bool
}

// findClients puts the clients into bin, and their list into clients.
func (t *tools) findClients() error {
	const source = "testdata/clients"
	for _, name := range []string{"js2.cjs", "js3.mjs", "boto3_client.py", "aws.sh"} {
		text, err := os.ReadFile(filepath.Join(source, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(t.bin, name), text, 0o755)
		}
		if err != nil {
			return err
		}
	}
	if err := os.Symlink(filepath.Join(t.examples, "node/node_modules"),
		filepath.Join(t.bin, "node_modules")); err != nil {
		return err
	}
	if err := t.build(filepath.Join(source, "go1"), "go1-client"); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(t.bin, name) }
	t.clients = []sdkClient{
		{name: "boto3", command: []string{in("python3"), in("boto3_client.py")}},
		{name: "Go 1", command: []string{in("go1-client")}, goesOn: true},
		{name: "Go 2", command: []string{"go2-client"}},
		{name: "JavaScript 2", command: []string{"node", in("js2.cjs")}, goesOn: true, regionOfDefault: true,
			env: []string{"AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1"}},
		{name: "JavaScript 3", command: []string{"node", in("js3.mjs")}, goesOn: true},
	}
	for version, command := range t.awsCLIs {
		t.clients = append(t.clients, sdkClient{name: "AWS CLI " + version, command: []string{in("aws.sh")},
			env: []string{"AWS_CLI=" + command}})
	}
	return nil
}

// go2Client is the client with the second AWS SDK for Go.
func go2Client() {
	for _, profile := range os.Args[1:] {
		if profile == "wait" {
			fmt.Println("waiting")
			bufio.NewReader(os.Stdin).ReadString('\n')
			continue
		}
		if err := introduce(context.Background(), profile); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func introduce(ctx context.Context, profile string) error {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile))
	if err != nil {
		return err
	}
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Println(cfg.Region, aws.ToString(me.Arn))
	return nil
}

// TestNoSDKGetsAnotherRole runs a client with each SDK below rolebroker exec: with the
// default role, with a role that it names in code or in AWS_PROFILE, with one that does
// not exist, and with one that is taken away while it runs. What it gets is the role
// that it asked for or an error.
func TestNoSDKGetsAnotherRole(t *testing.T) {
	here := theTools(t)
	for _, c := range here.clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &sdkWorld{t: t, client: c, here: here, tb: testbed.New(t, nil), dir: t.TempDir()}
			w.severalRoles()
			w.oneRole()
			w.takenAway()
			w.onlyRole()
		})
	}
}

// The lines that a client prints.
const (
	readonlyRole = "us-east-1 arn:aws:sts::444455556666:assumed-role/ReadOnly/scout\n"
	deployerRole = "eu-west-1 arn:aws:sts::444455556666:assumed-role/Deployer/scout\n"
)

// sdkWorld is a testbed for one client.
type sdkWorld struct {
	t      *testing.T
	client sdkClient
	here   *tools
	tb     *testbed.Testbed
	dir    string
}

// named is what the client prints for the role deployer, which it names in code in a
// room with several roles.
func (w *sdkWorld) named() string {
	if w.client.regionOfDefault {
		return strings.Replace(deployerRole, "eu-west-1", "us-east-1", 1)
	}
	return deployerRole
}

func (w *sdkWorld) severalRoles() {
	w.t.Helper()
	w.gets(readonlyRole+w.named(), "exec", "--", "CLIENT", "", "deployer")
	w.gets(deployerRole, "exec", "--", "env", "AWS_PROFILE=deployer", "CLIENT", "")
	w.getsOrFails("", "exec", "--", "CLIENT", "admin")
	w.getsOrFails("", "exec", "--", "CLIENT", "off")
	w.getsOrFails("", "exec", "--", "env", "AWS_PROFILE=admin", "CLIENT", "")
}

func (w *sdkWorld) oneRole() {
	w.t.Helper()
	w.gets(deployerRole+deployerRole, "exec", "--role", "deployer", "--", "CLIENT", "", "deployer")
	other := ""
	if w.client.goesOn {
		other = deployerRole
	}
	w.getsOrFails(other, "exec", "--role", "deployer", "--", "env", "AWS_PROFILE=readonly", "CLIENT", "")
}

// takenAway takes roles away while clients use them, and gives them back.
func (w *sdkWorld) takenAway() {
	w.t.Helper()
	const disable, enable = "integration update production --disable-role deployer",
		"integration update production --enable-role deployer"
	byCode := w.start("exec", "--", "CLIENT", "deployer", "wait", "deployer")
	byVariable := w.start("exec", "--", "env", "AWS_PROFILE=deployer", "CLIENT", "", "wait", "")
	bound := w.start("exec", "--role", "deployer", "--", "CLIENT", "", "wait", "")
	w.admin(disable)
	byCode.failsAfter(w.named())
	byVariable.failsAfter(deployerRole)
	bound.failsAfter(deployerRole)
	w.admin(enable)

	byDefault := w.start("exec", "--", "CLIENT", "", "wait", "")
	w.admin("integration update production --default-role deployer --disable-role readonly")
	byDefault.failsAfter(readonlyRole)
}

// onlyRole is about an agent that has one role when the command starts. It gets others
// later, and then its only role is replaced.
func (w *sdkWorld) onlyRole() {
	w.t.Helper()
	w.gets(deployerRole+deployerRole, "exec", "--", "CLIENT", "", "deployer")
	more := w.start("exec", "--", "CLIENT", "", "wait", "", "readonly")
	w.admin("integration update production --enable-role readonly")
	out := more.goOn()
	want := deployerRole + deployerRole
	if out != want && (!w.client.goesOn || out != want+deployerRole) {
		w.t.Errorf("in a room with one role it prints\n%s", out)
	}
	w.admin("integration update production --disable-role readonly")
	replaced := w.start("exec", "--", "CLIENT", "", "wait", "")
	w.admin("integration update production --set-role name=deployer,arn=arn:aws:iam::444455556666:role/ReadOnly")
	replaced.failsAfter(deployerRole)
}

// gets runs rolebroker and checks what it prints. CLIENT stands for the client.
func (w *sdkWorld) gets(want string, args ...string) {
	w.t.Helper()
	cmd := w.command(args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if out, err := cmd.Output(); err != nil || string(out) != want {
		w.t.Errorf("rolebroker %q: %v, prints\n%swant\n%s%s", args, err, out, want, errs.String())
	}
}

// getsOrFails accepts an error too, and only an error if what to get is empty.
func (w *sdkWorld) getsOrFails(orGets string, args ...string) {
	w.t.Helper()
	out, err := w.command(args...).Output()
	if err == nil && (orGets == "" || string(out) != orGets) || err != nil && strings.Contains(string(out), "arn:") {
		w.t.Errorf("rolebroker %q: %v, prints\n%s", args, err, out)
	}
}

func (w *sdkWorld) command(args ...string) *exec.Cmd {
	var all []string
	for _, arg := range args {
		if arg == "CLIENT" {
			all = append(all, w.client.command...)
			continue
		}
		all = append(all, arg)
	}
	return w.rolebroker(w.tb.Scout.Reveal(), all...)
}

func (w *sdkWorld) rolebroker(token string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(w.t.Context(), "rolebroker", args...)
	cmd.Dir = w.dir
	cmd.Env = append(append(withoutAWS(os.Environ()), "HOME="+w.dir, "TMPDIR="+w.dir,
		"PATH="+w.here.bin+":"+os.Getenv("PATH"),
		"ROLEBROKER_URL="+w.tb.URL, "ROLEBROKER_TOKEN="+token, "AWS_ENDPOINT_URL="+w.tb.AWSURL, "AWS_PAGER="),
		w.client.env...)
	return cmd
}

func (w *sdkWorld) admin(line string) {
	w.t.Helper()
	if out, err := w.rolebroker(w.tb.AdminKey.Reveal(), strings.Fields(line)...).CombinedOutput(); err != nil {
		w.t.Fatalf("rolebroker %s: %v\n%s", line, err, out)
	}
}

// waiter is a client that waits.
type waiter struct {
	t     *testing.T
	args  []string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	said  string // before it waited
}

// start runs rolebroker until its client waits.
func (w *sdkWorld) start(args ...string) *waiter {
	w.t.Helper()
	s := &waiter{t: w.t, args: args, cmd: w.command(args...)}
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	s.cmd.Stderr = w.t.Output()
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	s.out = bufio.NewReader(out)
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			w.t.Fatalf("rolebroker %q: %v after\n%s", args, err, s.said)
		}
		if line == "waiting\n" {
			return s
		}
		s.said += line
	}
}

// goOn lets the client continue to its end, and returns all that it printed.
func (s *waiter) goOn() string {
	io.WriteString(s.stdin, "\n")
	rest, _ := io.ReadAll(s.out)
	s.cmd.Wait()
	return s.said + string(rest)
}

// failsAfter lets the client continue. It must have printed this before it waited, and
// nothing afterwards.
func (s *waiter) failsAfter(said string) {
	s.t.Helper()
	if out := s.goOn(); out != said || s.cmd.ProcessState.Success() {
		s.t.Errorf("rolebroker %q: %s, prints\n%swant an error after\n%s", s.args, s.cmd.ProcessState, out, said)
	}
}

// TestProfilesWorkWhereverRolebrokerIs gives rolebroker a path that AWS config files
// cannot have, and a temporary directory of that kind. Every SDK runs it all the same.
func TestProfilesWorkWhereverRolebrokerIs(t *testing.T) {
	here := theTools(t)
	self, err := exec.LookPath("rolebroker")
	if err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), `it's "odd" (#1); $HOME & more`)
	plain := regexp.MustCompile(`(?m)^credential_process = [A-Za-z0-9/._-]+ credentials --role`)
	if err := os.MkdirAll(filepath.Join(odd, "tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(filepath.Join(odd, "rolebroker"), text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range here.clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &sdkWorld{t: t, client: c, here: here, tb: testbed.New(t, nil), dir: t.TempDir()}
			w.client.env = append(w.client.env, "PATH="+odd+":"+here.bin+":"+os.Getenv("PATH"), "TMPDIR="+odd+"/tmp")
			program := exec.Command(filepath.Join(odd, "rolebroker"))
			run := func(args ...string) string {
				cmd := w.command(args...)
				cmd.Path, cmd.Err = program.Path, nil
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("rolebroker %q: %v\n%s", args, err, out)
				}
				return string(out)
			}
			if config := run("exec", "--", "sh", "-c", `cat "$AWS_CONFIG_FILE"`); !plain.MatchString(config) {
				t.Errorf("the config file is\n%s", config)
			}
			if out := run("exec", "--", "CLIENT", "", "deployer"); !strings.HasPrefix(out, readonlyRole) ||
				!strings.HasSuffix(out, w.named()) {
				t.Errorf("it prints\n%s", out)
			}
		})
	}
}
