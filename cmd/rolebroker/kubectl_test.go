package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/kubetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// kubeconfig has the user entry of docs/tokens.md.
const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: production, cluster: {server: "SERVER", insecure-skip-tls-verify: true}}]
contexts: [{name: production, context: {cluster: production, user: agent}}]
current-context: production
users:
- name: agent
  user:
    exec:
      apiVersion: client.authentication.k8s.io/VERSION
      command: rolebroker
      args: [token, eks, --cluster-name, production, --role, deployer]
      interactiveMode: Never
`

// kubectl runs the command for its user, and sends the token.
func TestKubectlTakesTheToken(t *testing.T) {
	kubectl, here := kubetest.Program(t, "kubectl"), theTools(t)
	tb := testbed.New(t, nil)
	withheld := api.LimitsRequest{Keys: "withheld"}
	if _, err := tb.Admin.Limit(t.Context(), "scout", "production", withheld, ""); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var sent string
	cluster := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		sent = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"major":"1"}`))
	}))
	t.Cleanup(cluster.Close)
	for _, version := range []string{"v1", "v1beta1"} {
		file := filepath.Join(t.TempDir(), "config")
		text := strings.NewReplacer("SERVER", cluster.URL, "VERSION", version).Replace(kubeconfig)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), kubectl, "get", "--raw", "/version")
		cmd.Env = append(withoutAWS(os.Environ()), "KUBECONFIG="+file, "HOME="+t.TempDir(), "ROLEBROKER_URL="+tb.URL,
			"ROLEBROKER_TOKEN="+tb.Scout.Reveal(), "PATH="+here.bin+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"major":"1"`) {
			t.Fatalf("%s: kubectl ends with %v: %s", version, err, out)
		}
		mu.Lock()
		token, ok := strings.CutPrefix(sent, "Bearer k8s-aws-v1.")
		mu.Unlock()
		url, err := base64.RawURLEncoding.DecodeString(token)
		const asksWho = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&"
		if !ok || err != nil || !strings.HasPrefix(string(url), asksWho) {
			t.Errorf("%s: kubectl sends %q, %v", version, url, err)
		}
	}
}
