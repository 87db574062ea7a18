package provider_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/testbed"
	"github.com/rolebroker/rolebroker/terraform/internal/awsstandin"
)

// workspace is a folder with a configuration in which the real Terraform runs, as
// a person would run it. This test binary serves the providers.
type workspace struct {
	testing.TB
	dir     string
	secrets string   // the folder with the secrets of the AWS stand-in
	program string   // in place of Terraform, such as tofu; empty: Terraform
	below   []string // the program, with its arguments, below which Terraform runs; empty: this test
	env     []string
	log     *said // of the providers, at all levels
}

// newWorkspace makes an empty workspace. Terraform and its providers get the
// environment variables.
func newWorkspace(t testing.TB, env ...string) *workspace {
	t.Helper()
	needsTerraform(t)
	ws := &workspace{TB: t, dir: t.TempDir(), secrets: t.TempDir(), log: &said{}}
	ws.env = append(
		[]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "CHECKPOINT_DISABLE=1",
			"TF_IN_AUTOMATION=1", "TF_INPUT=0",
			"TF_ACC_TERRAFORM_PATH=" + terraformBinary, awsstandin.SecretsEnv + "=" + ws.secrets},
		env...)
	reattach := map[string]any{}
	for name := range providers {
		ws.start(name, &reattach)
	}
	found, err := json.Marshal(reattach)
	ws.must(err)
	ws.env = append(append(ws.env, reattachEnv+string(found)), brief...)
	return ws
}

// reattachEnv is the variable with the providers that run already.
const reattachEnv = "TF_REATTACH_PROVIDERS="

// start starts a provider that ends with the test, and adds how Terraform reaches
// it.
func (ws *workspace) start(name string, found *map[string]any) {
	ws.Helper()
	self, err := os.Executable()
	ws.must(err)
	cmd := exec.Command(self)
	cmd.Args = []string{name}
	cmd.Env, cmd.Stderr = ws.env, ws.log
	stdin, err := cmd.StdinPipe()
	ws.must(err)
	stdout, err := cmd.StdoutPipe()
	ws.must(err)
	ws.must(cmd.Start())
	ws.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	ws.must(json.NewDecoder(stdout).Decode(found))
}

// example makes a workspace with an example as it is written. Its environment has
// an administrator's keys for the server and for the customer's account.
func (w *world) example(name string, env ...string) *workspace {
	w.Helper()
	admin := w.AWS.Account(testbed.CustomerAccount).AdminKey()
	ws := newWorkspace(w.T, append(
		env,
		"ROLEBROKER_URL="+w.URL,
		"ROLEBROKER_TOKEN="+w.AdminKey.Reveal(),
		"AWS_ENDPOINT_URL="+w.AWSURL,
		"AWS_ACCESS_KEY_ID="+admin.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+admin.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED=true",
	)...)
	ws.must(os.CopyFS(ws.dir, os.DirFS(filepath.Join("..", "examples", name))))
	return ws
}

func (ws *workspace) must(err error) {
	ws.Helper()
	if err != nil {
		ws.Fatal(err)
	}
}

// terraform runs a command of Terraform, which must succeed, and returns its
// standard output.
func (ws *workspace) terraform(args ...string) string {
	ws.Helper()
	stdout, all, status := ws.try(args...)
	if status != 0 {
		ws.Fatalf("terraform %s exits with %d:\n%s", strings.Join(args, " "), status, all)
	}
	return stdout
}

func (ws *workspace) try(args ...string) (stdout, all string, status int) {
	ws.Helper()
	var out, both said
	words := slices.Concat(ws.below, []string{cmp.Or(ws.program, terraformBinary)}, args)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env = ws.dir, ws.env
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, &both), &both
	err := cmd.Run()
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		ws.Fatal(err)
	}
	return out.String(), both.String(), cmd.ProcessState.ExitCode()
}

// said collects the output of a program.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// applies runs apply. The next plan must be empty.
func (ws *workspace) applies() {
	ws.Helper()
	ws.terraform("apply", "-auto-approve", "-no-color")
	if _, all, status := ws.try("plan", "-detailed-exitcode", "-no-color"); status != 0 {
		ws.Fatalf("after the apply, a plan exits with %d:\n%s", status, all)
	}
}

// destroys runs destroy. The state must be empty afterwards.
func (ws *workspace) destroys() {
	ws.Helper()
	ws.terraform("destroy", "-auto-approve", "-no-color")
	if left := strings.TrimSpace(ws.terraform("state", "list")); left != "" {
		ws.Errorf("destroying leaves %s", left)
	}
}

// output reads an output value of the configuration.
func (ws *workspace) output(name string, into any) {
	ws.Helper()
	ws.must(json.Unmarshal([]byte(ws.terraform("output", "-json", name)), into))
}

// planned returns the actions of a plan, by the address of the resource, without
// no-ops. The plan stays in the file tfplan.
func (ws *workspace) planned() map[string]string {
	ws.Helper()
	ws.terraform("plan", "-out=tfplan", "-no-color")
	var plan struct {
		Changes []struct {
			Address string `json:"address"`
			Mode    string `json:"mode"`
			Change  struct {
				Actions []string `json:"actions"`
			} `json:"change"`
		} `json:"resource_changes"`
	}
	ws.must(json.Unmarshal([]byte(ws.terraform("show", "-json", "tfplan")), &plan))
	found := map[string]string{}
	for _, c := range plan.Changes {
		if does := strings.Join(c.Change.Actions, ", "); does != "no-op" && c.Mode == "managed" {
			found[c.Address] = does
		}
	}
	return found
}

// borrower is the identity, as AWS says it, of a process that borrows with a token.
func (w *world) borrower(token rolebroker.Secret, role string) string {
	w.Helper()
	lent, err := w.Client(token).Credentials(context.Background(), role, "")
	if err != nil {
		w.Fatalf("borrowing %q: %v", role, err)
	}
	who, err := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(w.AWSURL),
		Credentials: credentials.NewStaticCredentialsProvider(
			lent.AccessKeyID,
			lent.SecretAccessKey.Reveal(),
			lent.Token.Reveal(),
		),
	}).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		w.Fatal(err)
	}
	return aws.ToString(who.Arn)
}

// isEmpty fails unless the server has no integration, no agent and no runner.
func (w *world) isEmpty() {
	w.Helper()
	for in, err := range w.Admin.AllIntegrations(context.Background(), "") {
		w.Errorf("the integration %s is left (%v)", in.Name, err)
	}
	for a, err := range w.Admin.AllAgents(context.Background(), "") {
		w.Errorf("the agent %s is left (%v)", a.Name, err)
	}
	for r, err := range w.Admin.AllRunners(context.Background(), "") {
		w.Errorf("the runner %s is left (%v)", r.Name, err)
	}
}
