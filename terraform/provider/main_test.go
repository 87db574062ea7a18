package provider_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/rolebroker/rolebroker/terraform/internal/awsstandin"
	"github.com/rolebroker/rolebroker/terraform/provider"
)

// terraformBinary is the Terraform of the tests, empty where there is none.
var terraformBinary, _ = exec.LookPath("terraform")

// TestMain runs the tests; or, when Terraform has started this program by the
// name of a provider, is that provider.
func TestMain(m *testing.M) {
	if serve, ok := providers[filepath.Base(os.Args[0])]; ok {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

// providers are what this program can be, by the names of their binaries.
var providers = map[string]func() error{
	"terraform-provider-rolebroker": func() error {
		return providerserver.Serve(context.Background(), provider.New("test"), providerserver.ServeOpts{Address: provider.Address})
	},
	"terraform-provider-aws": func() error {
		return providerserver.Serve(context.Background(), awsstandin.New(), providerserver.ServeOpts{Address: awsstandin.Address})
	},
}

// run keeps what a person has configured for Terraform out of the tests.
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
	for name, value := range map[string]string{"TF_ACC": "1", "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": config, "TF_ACC_TERRAFORM_PATH": terraformBinary} {
		os.Setenv(name, value)
	}
	for _, name := range []string{"ROLEBROKER_URL", "ROLEBROKER_TOKEN", "ROLEBROKER_TOKEN_FILE", "ROLEBROKER_ALLOW_INSECURE"} {
		os.Unsetenv(name)
	}
	return m.Run()
}

// needsTerraform skips a test where there is no Terraform, and fails it in
// continuous integration and where something is to be written.
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
