//go:build unix

package execenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// agentToken is what must never reach a command.
const agentToken = "rbt_the-agents-own-token"

// TestMain is the command under test too: started again with a part to play,
// this binary plays it.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "play" {
		os.Exit(play(os.Args[2], os.Args[3:]))
	}
	if signal.Ignored(syscall.SIGHUP) { // as below nohup: commands would inherit that, and shells cannot undo it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(m.Run())
}

func play(part string, args []string) int {
	switch part {
	case "exit":
		code, _ := strconv.Atoi(args[0])
		return code
	case "cat":
		io.Copy(os.Stdout, os.Stdin)
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "touch":
		os.WriteFile(args[0], nil, 0o600)
	case "look":
		json.NewEncoder(os.Stdout).Encode(lookAround())
	case "signals":
		return playSignals()
	case "exec-shell": // the same around a line of shell, with much patience
		o := options(newFake())
		o.Command, o.Grace = append([]string{"sh", "-c"}, args...), time.Hour
		code, err := Run(context.Background(), o)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return code
	case "exec": // what `rolebroker exec` does, around one of the other parts
		code, err := Run(context.Background(), options(newFake(), args...))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return code
	}
	return 0
}

// playSignals prints each signal it gets and ends after SIGTERM.
func playSignals() int {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2)
	fmt.Println("ready")
	for s := range got {
		fmt.Println(s)
		if s == syscall.SIGTERM {
			return 7
		}
	}
	return 0
}

// surroundings are what a command finds around it.
type surroundings struct {
	Env          []string
	ProcEnviron  string
	Config       string
	ConfigMode   os.FileMode
	DirMode      os.FileMode
	Credentials  string
	Roles        []string // what a client of ROLEBROKER_URL is offered
	Lent         string   // the access key ID it is lent
	LentDeploy   string   // the same for the role deployer
	LentReadonly string   // the same for the role readonly
	Refused      string   // the code without the token
}

func lookAround() (s surroundings) {
	s.Env = os.Environ()
	proc, _ := os.ReadFile("/proc/self/environ")
	s.ProcEnviron = string(proc)
	file := os.Getenv("AWS_CONFIG_FILE")
	text, _ := os.ReadFile(file)
	s.Config = string(text)
	if info, err := os.Stat(file); err == nil {
		s.ConfigMode = info.Mode().Perm()
	}
	if info, err := os.Stat(file[:strings.LastIndexByte(file, '/')]); err == nil {
		s.DirMode = info.Mode().Perm()
	}
	text, _ = os.ReadFile(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"))
	s.Credentials = string(text)
	ctx := context.Background()
	c, err := client.New(client.Options{URL: os.Getenv("ROLEBROKER_URL"),
		Token: rolebroker.NewSecret(os.Getenv("ROLEBROKER_TOKEN"))})
	if err != nil {
		return s
	}
	offers, _ := c.Roles(ctx)
	for _, o := range offers {
		s.Roles = append(s.Roles, fmt.Sprint(o.Reference, " ", o.Default))
	}
	if lent, err := c.Credentials(ctx, "", ""); err == nil {
		s.Lent = lent.AccessKeyID
	}
	if lent, err := c.Credentials(ctx, "deployer", ""); err == nil {
		s.LentDeploy = lent.AccessKeyID
	}
	if lent, err := c.Credentials(ctx, "readonly", ""); err == nil {
		s.LentReadonly = lent.AccessKeyID
	}
	stranger, _ := client.New(client.Options{URL: os.Getenv("ROLEBROKER_URL"), Token: rolebroker.NewSecret("guess")})
	if _, err := stranger.Credentials(ctx, "", ""); err != nil {
		s.Refused = string(rolebroker.CodeOf(err))
	}
	return s
}

// fake is a server with three roles, of which readonly is the default.
type fake struct {
	mu       sync.Mutex
	asked    []string // "role task" of each question
	offers   []rolebroker.Offer
	lend     func(ctx context.Context, role, task string) (*client.Credentials, error) // nil: everything
	rolesErr error
	requests []api.MyAccessRequest // of the agent
	calls    api.List[api.Call]
	listed   []any // the filter and the page of the last list of calls
}

func newFake() *fake {
	return &fake{offers: []rolebroker.Offer{
		offer("readonly", "production", "readonly", "us-east-1", true),
		offer("deployer", "production", "deployer", "eu-west-1", false),
		offer("staging/default", "staging", "default", "eu-north-1", false),
	}}
}

func offer(reference, integration, name string, region rolebroker.Region, isDefault bool) rolebroker.Offer {
	return rolebroker.Offer{
		Reference: reference, Integration: integration, Name: name, Region: region, Default: isDefault,
		ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: name},
	}
}

// roomOf has the first of the offers in use.
func roomOf(offers ...rolebroker.Offer) roles { return roles{offers: offers} }

func (f *fake) Roles(context.Context) ([]rolebroker.Offer, error) {
	return append([]rolebroker.Offer(nil), f.offers...), f.rolesErr
}

func (f *fake) Borrow(ctx context.Context, req rolebroker.Request) (*client.Credentials, error) {
	role, task := req.Role, req.Task
	f.mu.Lock()
	f.asked = append(f.asked, strings.TrimSpace(role+" "+task))
	lend := f.lend
	f.mu.Unlock()
	if lend != nil {
		return lend(ctx, role, task)
	}
	return lentFor(role, time.Now().Add(time.Hour)), nil
}

func (f *fake) RequestAccess(_ context.Context, ask api.AccessRequestRequest) (api.MyAccessRequest, error) {
	return api.MyAccessRequest{ID: "req_1", State: "pending", Role: ask.Role, Task: ask.Task}, nil
}

func (f *fake) MyAccessRequest(_ context.Context, id string, _ time.Duration) (api.MyAccessRequest, error) {
	for _, r := range f.requests {
		if r.ID == id {
			return r, nil
		}
	}
	return api.MyAccessRequest{}, rolebroker.NoAccessRequest(id)
}

// AWSToken makes a token that says what was asked for.
func (f *fake) AWSToken(_ context.Context, ask api.AWSTokenRequest) (api.AWSToken, error) {
	said := fmt.Sprint(ask.Kind, " ", ask.Role, " ", ask.Task, " ", ask.Access)
	for _, o := range f.offers {
		if ask.Role == qualified(o) {
			return api.AWSToken{Token: api.Secret(said), ExpiresAt: time.Now().Add(time.Minute),
				RoleARN: o.ARN.String()}, nil
		}
	}
	return api.AWSToken{}, fmt.Errorf("no such role: %s", said)
}

func (f *fake) MyAccessRequests(context.Context, string) ([]api.MyAccessRequest, error) {
	return f.requests, nil
}

func (f *fake) Calls(_ context.Context, filter api.CallFilter, l client.List) (api.List[api.Call], error) {
	f.listed = []any{filter, l}
	return f.calls, nil
}

func (f *fake) questions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

// lentFor makes the credentials of the role that a reference ends in.
func lentFor(role string, expires time.Time) *client.Credentials {
	if role == "" {
		role = "readonly"
	}
	name := role[strings.LastIndexByte(role, '/')+1:]
	return &client.Credentials{
		AccessKeyID:     "ASIA" + strings.ToUpper(name),
		SecretAccessKey: rolebroker.NewSecret("secret"), Token: rolebroker.NewSecret("session"),
		Expiration: expires.UTC(), RoleARN: "arn:aws:iam::444455556666:role/" + name, AccountID: "444455556666",
	}
}

// options run a part of TestMain's.
func options(server Server, part ...string) Options {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return Options{
		Server: server, Command: append([]string{self, "play"}, part...), Env: os.Environ(),
		Self:  "/usr/local/bin/rolebroker",
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

// look runs a command that looks around.
func look(t *testing.T, o Options) surroundings {
	t.Helper()
	var out bytes.Buffer
	o.Stdout = &out
	code, err := Run(t.Context(), o)
	if err != nil || code != 0 {
		t.Fatalf("exec ended with %d, %v", code, err)
	}
	var s surroundings
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	return s
}

// playing starts this binary in a session of its own, far from any terminal.
func playing(t *testing.T, parts ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{"play"}, parts...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}
