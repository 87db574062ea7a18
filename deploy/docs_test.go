package deploy_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/cli"
	"github.com/rolebroker/rolebroker/internal/clustersecret"
	"github.com/rolebroker/rolebroker/internal/kubetest"
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/serviceaccount"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// TestMain makes this program be rolebroker when it is called by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "rolebroker" {
		os.Exit(cli.Main(cli.OS()))
	}
	os.Exit(m.Run())
}

const page = "../docs/kubernetes.md"

// blockPattern finds the blocks of the page that the test uses: commands after the
// comment <!-- cluster -->, and files after <!-- cluster: NAME -->.
var blockPattern = regexp.MustCompile("(?ms)^<!-- cluster(?:: (\\S+))? -->\n```\\w+\n(.*?)^```$")

// TestKubernetesPageIsTrue follows the page from the installation of the control
// plane to an agent that borrows. It runs the commands as they are written, on a
// real API server and a simulated AWS. It does what the nodes of a cluster would
// do: it starts the runner, and makes the tokens that the pods' volumes request.
func TestKubernetesPageIsTrue(t *testing.T) {
	c := &installation{t: t, Cluster: kubetest.New(t)}
	tb := testbed.New(t, &testbed.Options{Empty: true})
	account := tb.AWS.Account(testbed.CustomerAccount)

	var keys jose.JSONWebKeySet
	c.Do(http.MethodGet, "/openid/v1/jwks", nil, &keys)
	account.AddOIDCProvider(kubetest.Issuer, []string{"sts.amazonaws.com"}, keys)
	runPage(t, c, tb)

	// The runner's pod.
	forSTS := filepath.Join(t.TempDir(), "token")
	write(t, forSTS, []byte(c.Token("rolebroker", "rolebroker-runner",
		projected(c.get("/apis/apps/v1/namespaces/rolebroker/deployments/rolebroker-runner"))["audience"].(string),
		time.Hour)))
	own := c.TokenFile("rolebroker", "rolebroker-runner")
	state, err := clustersecret.New(clustersecret.Options{BaseURL: c.URL, CAFile: c.CAFile, TokenFile: own,
		Namespace: "rolebroker", Name: "rolebroker-runner-credential"})
	if err != nil {
		t.Fatal(err)
	}
	var join struct{ Data map[string][]byte }
	c.Do(http.MethodGet, "/api/v1/namespaces/rolebroker/secrets/rolebroker-join", nil, &join)
	verifier := serviceaccount.New(serviceaccount.Options{KeysURL: c.KeysURL(), CAFile: c.CAFile, TokenFile: own})
	issuer, err := verifier.Issuer()
	if err != nil {
		t.Fatal(err)
	}
	opts := runner.Options{
		Server: client.Options{URL: tb.URL}, State: state,
		JoinToken: rolebroker.NewSecret(strings.TrimSpace(string(join.Data["token"]))),
		Token:     sts.New(sts.Options{Endpoint: tb.AWSURL, WebIdentityTokenFile: forSTS}),
		Verifier:  verifier, Issuer: issuer, Grace: time.Hour, Listen: "127.0.0.1:0", Program: "test",
		Log: slog.New(slog.DiscardHandler),
	}
	running := startRunner(t, opts)

	// The agent's pod.
	var pod kubetest.Object
	c.Do(http.MethodGet, "/api/v1/namespaces/agents/pods/scout", nil, &pod)
	spec := at[kubetest.Object](pod, "spec")
	token := filepath.Join(t.TempDir(), "token")
	asked := at[kubetest.Object](at[[]any](at[[]any](spec, "volumes")[0].(kubetest.Object), "projected",
		"sources")[0].(kubetest.Object), "serviceAccountToken")
	write(t, token, []byte(c.Token("agents", at[string](spec, "serviceAccountName"), asked["audience"].(string),
		time.Duration(asked["expirationSeconds"].(float64))*time.Second)))
	environment := environmentOf(at[[]any](spec, "containers")[0].(kubetest.Object))
	uri := strings.Replace(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], "https://runner.example.com",
		running.URL(), 1)

	if who, err := identity(t, tb, uri, token, environment["AWS_REGION"]); err != nil ||
		who != "arn:aws:sts::444455556666:assumed-role/ClusterReadOnly/scout" {
		t.Fatalf("the agent is %s, %v", who, err)
	}

	t.Run("a replica goes on with the credential of the first", func(t *testing.T) {
		opts := opts
		opts.JoinToken = rolebroker.Secret{}
		replica := startRunner(t, opts)
		if _, err := identity(t, tb, replica.URL()+"/v1/credentials", token, "us-east-1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("whoever is not bound is told", func(t *testing.T) {
		c.t = t
		c.ServiceAccount("agents", "other")
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, []byte(c.Token("agents", "other", "rolebroker", time.Hour)))
		_, err := identity(t, tb, uri, file, "us-east-1")
		refusedWith(t, err, rolebroker.CodeNotBound)
	})
	t.Run("the token that every pod has is not taken", func(t *testing.T) {
		_, err := identity(t, tb, uri, c.TokenFile("agents", "scout"), "us-east-1")
		refusedWith(t, err, rolebroker.CodeTokenAudience)
	})
	t.Run("the token for AWS is not taken", func(t *testing.T) {
		c.t = t
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, []byte(c.Token("agents", "scout", "sts.amazonaws.com", time.Hour)))
		_, err := identity(t, tb, uri, file, "us-east-1")
		refusedWith(t, err, rolebroker.CodeTokenAudience)
	})
	t.Run("new keys of the cluster are taken up", func(t *testing.T) {
		c.t = t
		c.NewKey()
		file := filepath.Join(t.TempDir(), "token")
		write(t, file, []byte(c.Token("agents", "scout", "rolebroker", time.Hour)))
		if _, err := identity(t, tb, uri, file, "us-east-1"); err != nil {
			t.Error(err)
		}
	})
}

// runPage runs the commands of the page.
func runPage(t *testing.T, c *installation, tb *testbed.Testbed) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	folder, programs := t.TempDir(), t.TempDir()
	charts, err := filepath.Abs("charts")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		filepath.Join(programs, "helm"):    kubetest.Program(t, "helm"),
		filepath.Join(programs, "kubectl"): kubetest.Program(t, "kubectl"),
		filepath.Join(folder, "deploy"):    filepath.Dir(charts), filepath.Join(programs, "rolebroker"): self,
	} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	certificate, key := c.Certificate("rolebroker.example.com")
	write(t, filepath.Join(folder, "tls.crt"), certificate)
	write(t, filepath.Join(folder, "tls.key"), key)

	script, blocks := "exec 2>&1\nset -euxo pipefail\n", 0
	for _, block := range blockPattern.FindAllStringSubmatch(string(text), -1) {
		blocks++
		if block[1] != "" {
			write(t, filepath.Join(folder, block[1]), []byte(block[2]))
			continue
		}
		script += block[2]
	}
	if blocks < 6 {
		t.Fatalf("the page has only %d blocks", blocks)
	}
	admin := tb.AWS.Account(testbed.CustomerAccount).AdminKey()
	shell := exec.Command("bash", "-c", script)
	shell.Dir = folder
	shell.Env = []string{"PATH=" + programs + ":" + os.Getenv("PATH"), "HOME=" + folder, "KUBECONFIG=" + c.Kubeconfig,
		"ISSUER=" + kubetest.Issuer, "DATABASE_URL=postgres://rolebroker@db.example.com/rolebroker",
		"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal(),
		"AWS_ENDPOINT_URL=" + tb.AWSURL, "AWS_ACCESS_KEY_ID=" + admin.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + admin.SecretAccessKey, "AWS_DEFAULT_REGION=us-east-1"}
	if out, err := shell.Output(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func startRunner(t *testing.T, opts runner.Options) *runner.Runner {
	t.Helper()
	running, err := runner.Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return running
}

// identity is what AWS says an SDK is that has what the pod has.
func identity(t *testing.T, tb *testbed.Testbed, uri, tokenFile, region string) (string, error) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": tokenFile,
		"AWS_REGION": region, "AWS_ENDPOINT_URL": tb.AWSURL,
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		return "", err
	}
	who, err := awssts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		return "", err
	}
	return *who.Arn, nil
}

// refusedWith looks for the code in what the SDK prints.
func refusedWith(t *testing.T, err error, code rolebroker.Code) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), string(code)) {
		t.Errorf("the SDK says %v, not %s", err, code)
	}
}

func environmentOf(container kubetest.Object) map[string]string {
	environment := map[string]string{}
	for _, e := range at[[]any](container, "env") {
		e := e.(kubetest.Object)
		environment[e["name"].(string)], _ = e["value"].(string)
	}
	return environment
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The page's table of codes has every one that is of service-account tokens.
func TestPageHasTheCodes(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []rolebroker.Code{rolebroker.CodeTokenAudience, rolebroker.CodeTokenIssuer,
		rolebroker.CodeTokenSignature, rolebroker.CodeExpired, rolebroker.CodeNotBound} {
		if !strings.Contains(string(text), "| `"+string(code)+"` |") {
			t.Errorf("it says nothing of %s", code)
		}
	}
}
