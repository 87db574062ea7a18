package provider_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/rolebroker/rolebroker/terraform/internal/awsstandin"
	"github.com/rolebroker/rolebroker/terraform/provider"
)

// terraformBinary is the path of Terraform, or of OpenTofu in its place; empty if it is
// not installed.
var terraformBinary = cmp.Or(os.Getenv("TF_ACC_TERRAFORM_PATH"), found("terraform"))

// isOpenTofu says that the tests run with OpenTofu, as scripts/opentofu.sh runs them.
var isOpenTofu = filepath.Base(terraformBinary) == "tofu"

func found(program string) string {
	path, _ := exec.LookPath(program)
	return path
}

// ofRegistry is the address of a provider in the registry of the program that the tests
// run with.
func ofRegistry(address string) string {
	if isOpenTofu {
		return strings.Replace(address, "registry.terraform.io/", "registry.opentofu.org/", 1)
	}
	return address
}

// TestMain runs the tests. If a test has started this program under the name of a
// provider, it serves that provider instead.
func TestMain(m *testing.M) {
	name, _, _ := strings.Cut(filepath.Base(os.Args[0]), "_v")
	if p, ok := providers[name]; ok {
		serve := p.serve
		if os.Getenv("TF_PLUGIN_MAGIC_COOKIE") != "" { // Terraform has started it
			serve = func() error { return tf6server.Serve(p.address, p.make) }
		}
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

// served is a provider that this program can serve.
type served struct {
	address string
	make    func() tfprotov6.ProviderServer
}

var providers = map[string]served{
	"terraform-provider-rolebroker": {ofRegistry(provider.Address), provider.ServeForTests(time.Now)},
	"terraform-provider-aws":        {ofRegistry(awsstandin.Address), providerserver.NewProtocol6(awsstandin.New()())},
}

// serve serves many commands of Terraform in one process, as a provider in a
// debugger does. It prints how Terraform reaches it, and ends with its standard
// input, which ends with the test. Otherwise, as in [TestInstalling], Terraform
// starts a process for each command, and each makes a key, which takes a second
// under the race detector.
func (p served) serve() error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	ready, closed, failed := make(chan *plugin.ReattachConfig), make(chan struct{}), make(chan error, 1)
	go func() {
		failed <- tf6server.Serve(p.address, p.make, tf6server.WithDebug(ctx, ready, closed))
	}()
	select {
	case err := <-failed:
		return err
	case at := <-ready:
		err := json.NewEncoder(os.Stdout).Encode(map[string]any{p.address: map[string]any{
			"Protocol": at.Protocol, "ProtocolVersion": at.ProtocolVersion, "Pid": at.Pid, "Test": at.Test,
			"Addr": map[string]string{"Network": at.Addr.Network(), "String": at.Addr.String()},
		}})
		if err != nil {
			return err
		}
		<-closed
		return nil
	}
}

// brief turns off the garbage collector of Terraform, whose commands end before
// it pays. That saves a quarter of the processor time.
var brief = []string{"GOGC=off", "GOMEMLIMIT=700MiB"}

// run runs the tests without the settings that a person has for Terraform.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "rolebroker-terraform-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "terraformrc")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for name, value := range map[string]string{
		"TF_ACC":                "1",
		"CHECKPOINT_DISABLE":    "1",
		"TF_CLI_CONFIG_FILE":    config,
		"TF_ACC_TERRAFORM_PATH": terraformBinary,
		"TF_ACC_PROVIDER_HOST":  strings.Split(ofRegistry(provider.Address), "/")[0],
	} {
		os.Setenv(name, value)
	}
	for _, setting := range brief {
		name, value, _ := strings.Cut(setting, "=")
		os.Setenv(name, value)
	}
	for _, name := range []string{
		"ROLEBROKER_URL", "ROLEBROKER_TOKEN", "ROLEBROKER_TOKEN_FILE", "ROLEBROKER_ALLOW_INSECURE",
	} {
		os.Unsetenv(name)
	}
	return m.Run()
}

// needsTerraform skips a test if Terraform is not installed. It fails the test in
// continuous integration, and with -update.
func needsTerraform(t testing.TB) {
	t.Helper()
	if terraformBinary != "" {
		return
	}
	const how = "terraform 1.11 or newer is needed on the PATH: https://developer.hashicorp.com/terraform/install"
	if os.Getenv("CI") != "" || *update {
		t.Fatal(how)
	}
	t.Skip("NOT TESTED: " + how)
}
