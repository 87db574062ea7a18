package provider_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// startsProviders has Terraform start the provider itself, so that the provider has
// Terraform's environment.
func (ws *workspace) startsProviders() {
	ws.Helper()
	ws.env = slices.DeleteFunc(ws.env, func(v string) bool { return strings.HasPrefix(v, reattachEnv) })
	home := ws.TempDir()
	ws.env = append(ws.env, "HOME="+home)
	folder := filepath.Join(home, ".terraform.d/plugins/registry.terraform.io/rolebroker/rolebroker/0.0.1",
		runtime.GOOS+"_"+runtime.GOARCH)
	ws.must(os.MkdirAll(folder, 0o700))
	self, err := os.Executable()
	ws.must(err)
	ws.must(os.Symlink(self, filepath.Join(folder, "terraform-provider-rolebroker_v0.0.1")))
}

// program builds the program rolebroker.
func program(t *testing.T) string {
	t.Helper()
	built := filepath.Join(t.TempDir(), "rolebroker")
	build := exec.Command("go", "build", "-trimpath", "-o", built, "./cmd/rolebroker")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return built
}

// bucket makes an S3 bucket in the customer's account.
func (w *world) bucket(name string) {
	w.Helper()
	hash := sha256.Sum256(nil)
	empty := hex.EncodeToString(hash[:])
	r, err := http.NewRequestWithContext(w.T.Context(), http.MethodPut, w.AWSURL+"/"+name, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", empty)
	admin := w.AWS.Account(testbed.CustomerAccount).AdminKey()
	key := aws.Credentials{AccessKeyID: admin.AccessKeyID, SecretAccessKey: admin.SecretAccessKey}
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		SignHTTP(w.T.Context(), key, r, empty, "s3", "us-east-1", time.Now())
	if err != nil {
		w.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.Fatalf("making a bucket: %v %v", resp, err)
	}
	resp.Body.Close()
}

// Terraform borrows the role for its state from rolebroker exec, and the provider
// talks to the server. Without the settings of the example, the provider recognises
// the room and sends nothing anywhere.
func TestExampleBelowExec(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bucket("terraform-states")
	w.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "TerraformState",
		TrustPolicy: testbed.Trust(testbed.PlatformAccount), Policies: map[string]string{"state": `{
			"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::terraform-states"},
			{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
			 "Resource": "arn:aws:s3:::terraform-states/rolebroker.tfstate"}]}`}})
	w.Integration("states", w.Role("terraform-state", "TerraformState", "us-east-1"))
	terraforms := w.Agent("terraform", "states")

	ws := w.example("below-exec")
	ws.env = append(slices.DeleteFunc(ws.env, func(v string) bool {
		return strings.HasPrefix(v, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(v, "AWS_SECRET_ACCESS_KEY=")
	}), "ROLEBROKER_TOKEN="+terraforms.Reveal(),
		"TF_VAR_rolebroker_url="+w.URL, "TF_VAR_rolebroker_key="+w.AdminKey.Reveal())
	ws.startsProviders()
	ws.below = []string{program(t), "exec", "--role", "terraform-state", "--"}
	ws.terraform("init", "-no-color")
	ws.applies()
	if made := w.agent("ranger"); made.Description == "" {
		t.Errorf("the agent is %+v", made)
	}
	if here, err := os.ReadFile(filepath.Join(ws.dir, "terraform.tfstate")); err == nil {
		t.Errorf("the state is here:\n%s", here)
	}
	if left := strings.TrimSpace(ws.terraform("state", "list")); left != "rolebroker_agent.ranger" {
		t.Errorf("the state has %q", left)
	}

	main := filepath.Join(ws.dir, "main.tf")
	text, err := os.ReadFile(main)
	ws.must(err)
	without := func(setting string) {
		ws.must(os.WriteFile(main, []byte(strings.Replace(string(text), setting, "", 1)), 0o600))
	}
	for _, setting := range []string{"  url   = var.rolebroker_url\n", "  token = var.rolebroker_key\n"} {
		without(setting)
		ws.refuses([]string{"plan"}, "Terraform runs below rolebroker exec", "no management API",
			"url = var.rolebroker_url", "token = var.rolebroker_key", "TF_VAR_rolebroker_key")
	}
	ws.must(os.WriteFile(main, text, 0o600))
	ws.destroys()
}
