package clustersecret_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/clustersecret"
	"github.com/rolebroker/rolebroker/internal/kubetest"
)

// A service account that may get and patch one Secret, and nothing else, keeps
// its credential there.
func TestKubernetesSecret(t *testing.T) {
	cluster := kubetest.New(t)
	cluster.Namespace("rolebroker", nil)
	cluster.ServiceAccount("rolebroker", "rolebroker-runner")
	cluster.ServiceAccount("rolebroker", "stranger")
	for _, name := range []string{"runner", "other"} {
		cluster.Do(http.MethodPost, "/api/v1/namespaces/rolebroker/secrets",
			kubetest.Object{"metadata": kubetest.Object{"name": name}}, nil)
	}
	const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/rolebroker"
	cluster.Do(http.MethodPost, rbac+"/roles", kubetest.Object{"metadata": kubetest.Object{"name": "runner"},
		"rules": []kubetest.Object{{"apiGroups": []string{""}, "resources": []string{"secrets"},
			"resourceNames": []string{"runner", "missing"}, "verbs": []string{"get", "patch"}}}}, nil)
	cluster.Do(http.MethodPost, rbac+"/rolebindings", kubetest.Object{"metadata": kubetest.Object{"name": "runner"},
		"roleRef": kubetest.Object{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "runner"},
		"subjects": []kubetest.Object{{"kind": "ServiceAccount", "name": "rolebroker-runner",
			"namespace": "rolebroker"}}}, nil)

	as := func(account, name string) *clustersecret.Secret {
		secret, err := clustersecret.New(clustersecret.Options{BaseURL: cluster.URL, Namespace: "rolebroker",
			Name: name, CAFile: cluster.CAFile, TokenFile: cluster.TokenFile("rolebroker", account)})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	secret := as("rolebroker-runner", "runner")

	t.Run("an empty Secret is filled", func(t *testing.T) {
		_, err := secret.Load(t.Context())
		refused(t, err, rolebroker.CodeNotFound)
		if err := secret.Save(t.Context(), nil, []byte("first")); err != nil {
			t.Fatal(err)
		}
		has(t, secret, "first")
	})
	t.Run("what others keep in it stays", func(t *testing.T) {
		var whole struct {
			Metadata map[string]any    `json:"metadata"`
			Data     map[string][]byte `json:"data"`
		}
		const path = "/api/v1/namespaces/rolebroker/secrets/runner"
		cluster.Do(http.MethodGet, path, nil, &whole)
		whole.Data["other"] = []byte("stays")
		whole.Metadata["labels"] = map[string]string{"app.kubernetes.io/managed-by": "Helm"}
		cluster.Do(http.MethodPut, path, whole, nil)
		if err := secret.Save(t.Context(), []byte("first"), []byte("second")); err != nil {
			t.Fatal(err)
		}
		has(t, secret, "second")
		cluster.Do(http.MethodGet, path, nil, &whole)
		if string(whole.Data["other"]) != "stays" ||
			whole.Metadata["labels"].(map[string]any)["app.kubernetes.io/managed-by"] != "Helm" {
			t.Errorf("there is %q %v", whole.Data, whole.Metadata)
		}
	})
	t.Run("a replica that knows an old value gets an error", func(t *testing.T) {
		refused(t, secret.Save(t.Context(), []byte("first"), []byte("third")), rolebroker.CodeConflict)
		refused(t, secret.Save(t.Context(), nil, []byte("third")), rolebroker.CodeConflict)
		has(t, secret, "second")
	})
	t.Run("of many replicas one is first", func(t *testing.T) {
		var wg sync.WaitGroup
		errs := make([]error, 12)
		for i := range errs {
			replica := as("rolebroker-runner", "runner")
			wg.Go(func() {
				errs[i] = replica.Save(t.Context(), []byte("second"), fmt.Appendf(nil, "by replica %d", i))
			})
		}
		wg.Wait()
		var winner []int
		for i, err := range errs {
			if err == nil {
				winner = append(winner, i)
			} else {
				refused(t, err, rolebroker.CodeConflict)
			}
		}
		if len(winner) != 1 {
			t.Fatalf("%v were first", winner)
		}
		has(t, secret, fmt.Sprintf("by replica %d", winner[0]))
	})
	t.Run("no other Secret", func(t *testing.T) {
		_, err := as("rolebroker-runner", "other").Load(t.Context())
		refused(t, err, rolebroker.CodeDenied)
	})
	t.Run("no other service account", func(t *testing.T) {
		_, err := as("stranger", "runner").Load(t.Context())
		refused(t, err, rolebroker.CodeDenied)
		refused(t, as("stranger", "runner").Save(t.Context(), nil, []byte("third")), rolebroker.CodeDenied)
	})
	t.Run("a Secret that is not there, and may not be made", func(t *testing.T) {
		missing := as("rolebroker-runner", "missing")
		_, err := missing.Load(t.Context())
		refused(t, err, rolebroker.CodeNotFound)
		refused(t, missing.Save(t.Context(), nil, []byte("third")), rolebroker.CodeDenied)
		refused(t, missing.Save(t.Context(), []byte("second"), []byte("third")), rolebroker.CodeConflict)
	})
	t.Run("a Secret that is not there, and may be made", func(t *testing.T) {
		cluster.Do(http.MethodPut, rbac+"/roles/runner", kubetest.Object{"metadata": kubetest.Object{"name": "runner"},
			"rules": []kubetest.Object{{"apiGroups": []string{""}, "resources": []string{"secrets"},
				"verbs": []string{"get", "patch", "create"}}}}, nil)
		missing := as("rolebroker-runner", "missing")
		var err error
		for deadline := time.Now().Add(time.Minute); time.Now().
			Before(deadline); { // the API server reads RBAC now and then
			if err = missing.Save(t.Context(), nil, []byte("third")); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		has(t, missing, "third")
	})
}
