package serviceaccount_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/kubetest"
	"github.com/rolebroker/rolebroker/internal/serviceaccount"
)

// Everything in one test, because a cluster takes seconds to start.
func TestKubernetesTokens(t *testing.T) {
	cluster := kubetest.New(t)
	for _, namespace := range []string{"rolebroker", "agents", "other"} {
		cluster.Namespace(namespace, nil)
	}
	cluster.ServiceAccount("rolebroker", "rolebroker-runner")
	cluster.ServiceAccount("agents", "scout")
	cluster.ServiceAccount("other", "scout")

	// As in a pod, but for where the API server is.
	later := time.Duration(0)
	opts := serviceaccount.Options{
		KeysURL: cluster.KeysURL(), CAFile: cluster.CAFile,
		TokenFile: cluster.TokenFile("rolebroker", "rolebroker-runner"),
		Now:       func() time.Time { return time.Now().Add(later) },
	}
	verifier := serviceaccount.New(opts)

	believes := func(t *testing.T, token, namespace string) {
		t.Helper()
		said, err := verifier.Verify(t.Context(), token)
		if err != nil {
			t.Fatalf("%v, cause %v", err, errors.Unwrap(err))
		}
		want := rolebroker.ServiceAccount{Issuer: kubetest.Issuer, Namespace: namespace, Name: "scout"}
		if said.Account != want {
			t.Errorf("it is of %+v, not %+v", said.Account, want)
		}
		if left := time.Until(said.Expires); left < 9*time.Minute || left > 11*time.Minute {
			t.Errorf("it expires in %v", left)
		}
	}
	refuses := func(t *testing.T, token string, code rolebroker.Code) {
		t.Helper()
		if said, err := verifier.Verify(t.Context(), token); rolebroker.CodeOf(err) != code {
			t.Errorf("%v, %v; the code is not %s", said, err, code)
		}
	}
	short := 10 * time.Minute
	good := cluster.Token("agents", "scout", "rolebroker", short)

	t.Run("the issuer is that of the pod's own token", func(t *testing.T) {
		if issuer, err := verifier.Issuer(); issuer != kubetest.Issuer || err != nil {
			t.Errorf("it is %q, %v", issuer, err)
		}
	})
	t.Run("for rolebroker", func(t *testing.T) { believes(t, good, "agents") })
	t.Run("of the same name in another namespace", func(t *testing.T) {
		believes(t, cluster.Token("other", "scout", "rolebroker", short), "other")
	})
	t.Run("for the API server", func(t *testing.T) {
		refuses(t, cluster.Token("agents", "scout", "", short), rolebroker.CodeTokenAudience)
	})
	t.Run("for AWS", func(t *testing.T) {
		refuses(t, cluster.Token("agents", "scout", "sts.amazonaws.com", short), rolebroker.CodeTokenAudience)
	})
	t.Run("for AWS too", func(t *testing.T) {
		refuses(t, cluster.TokenFor("agents", "scout", kubetest.TokenRequest{
			Audiences: []string{"rolebroker", "sts.amazonaws.com"}, Life: short}), rolebroker.CodeTokenAudience)
	})
	t.Run("for more than a day", func(t *testing.T) {
		refuses(t, cluster.Token("agents", "scout", "rolebroker", 25*time.Hour), rolebroker.CodeUnauthenticated)
	})
	t.Run("of a pod, where others are refused", func(t *testing.T) {
		picky := opts
		picky.PodsOnly = true
		verifier := serviceaccount.New(picky)
		pod := cluster.Pod("agents", "scout-1", "scout")
		bound := cluster.TokenFor("agents", "scout", kubetest.TokenRequest{Audiences: []string{"rolebroker"},
			Life: short, Pod: pod})
		if _, err := verifier.Verify(t.Context(), bound); err != nil {
			t.Error(err)
		}
		if _, err := verifier.Verify(t.Context(), good); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
			t.Errorf("a token of no pod: %v", err)
		}
	})
	t.Run("of a pod and a service account that are deleted", func(t *testing.T) {
		cluster.ServiceAccount("agents", "brief")
		cluster.Reviewer("rolebroker", "rolebroker-runner")
		pod := cluster.Pod("agents", "brief-1", "brief")
		reviewing := opts
		reviewing.APIServer = cluster.URL
		passed := time.Duration(0)
		reviewing.Now = func() time.Time { return time.Now().Add(passed) }
		verifier := serviceaccount.New(reviewing)
		ofPod := cluster.TokenFor("agents", "brief", kubetest.TokenRequest{Audiences: []string{"rolebroker"},
			Life: 2 * time.Hour, Pod: pod})
		ofNone := cluster.Token("agents", "brief", "rolebroker", 2*time.Hour)
		works := func(token string, code rolebroker.Code) {
			t.Helper()
			if said, err := verifier.Verify(t.Context(), token); rolebroker.CodeOf(err) != code {
				t.Errorf("%v, %v; the code is not %q", said, err, code)
			}
		}
		works(ofPod, "")
		works(ofNone, "")
		if said, err := verifier.Verify(t.Context(), good); err != nil || said.Labels == nil || len(said.Labels) > 0 {
			t.Errorf("%+v, %v", said, err)
		}
		cluster.Do(http.MethodDelete, "/api/v1/namespaces/agents/pods/brief-1?gracePeriodSeconds=0", nil, nil)
		later := func() { passed += 2 * time.Minute }
		cluster.Eventually(func() bool { // the API server itself remembers for some seconds
			later()
			_, err := verifier.Verify(t.Context(), ofPod)
			return rolebroker.CodeOf(err) == rolebroker.CodeExpired
		})
		works(ofNone, "")
		cluster.Do(http.MethodPatch, "/api/v1/namespaces/agents/serviceaccounts/brief", kubetest.Object{"metadata": kubetest.Object{"labels": kubetest.Object{"team": "ml"}}}, nil)
		later()
		if said, err := verifier.Verify(t.Context(), ofNone); err != nil || said.Labels.String() != "team=ml" {
			t.Errorf("%+v, %v", said, err)
		}
		cluster.Do(http.MethodDelete, "/api/v1/namespaces/agents/serviceaccounts/brief", nil, nil)
		cluster.Eventually(func() bool {
			later()
			_, err := verifier.Verify(t.Context(), ofNone)
			return rolebroker.CodeOf(err) == rolebroker.CodeExpired
		})
	})
	t.Run("with another namespace written into it", func(t *testing.T) {
		refuses(t, rewritten(t, good, map[string]any{"sub": "system:serviceaccount:other:scout", "kubernetes.io": nil}),
			rolebroker.CodeTokenSignature)
	})
	t.Run("with a longer life written into it", func(t *testing.T) {
		refuses(t, rewritten(t, good, map[string]any{"exp": time.Now().Add(23 * time.Hour).Unix()}),
			rolebroker.CodeTokenSignature)
	})
	t.Run("forged, with the ID of the cluster's key", func(t *testing.T) {
		refuses(t, forged(t, good), rolebroker.CodeTokenSignature)
	})
	t.Run("of another issuer", func(t *testing.T) {
		refuses(t, rewritten(t, good, map[string]any{"iss": "https://oidc.eks.us-east-1.amazonaws.com/id/OTHER"}),
			rolebroker.CodeTokenIssuer)
	})
	t.Run("an hour later", func(t *testing.T) {
		later = time.Hour
		defer func() { later = 0 }()
		refuses(t, good, rolebroker.CodeExpired)
	})
	t.Run("a verifier without a token does not get the keys", func(t *testing.T) {
		stranger := opts
		stranger.Issuer, stranger.TokenFile = kubetest.Issuer, ""
		_, err := serviceaccount.New(stranger).Verify(t.Context(), good)
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Errorf("%v", err)
		}
	})
	t.Run("a verifier that does not trust the API server", func(t *testing.T) {
		stranger := opts
		stranger.CAFile = ""
		_, err := serviceaccount.New(stranger).Verify(t.Context(), good)
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Errorf("%v", err)
		}
	})
	t.Run("after the cluster has a new key", func(t *testing.T) {
		cluster.NewKey()
		fresh := cluster.Token("agents", "scout", "rolebroker", short)
		if header(t, fresh)["kid"] == header(t, good)["kid"] {
			t.Fatal("the key is the old one")
		}
		believes(t, fresh, "agents")
		believes(t, good, "agents")
		// One that has verified nothing yet, too.
		verifier = serviceaccount.New(opts)
		believes(t, good, "agents")
		believes(t, fresh, "agents")
	})
}

// rewritten is the token with other claims under the same signature.
func rewritten(t *testing.T, token string, change map[string]any) string {
	parts := strings.Split(token, ".")
	claims := decoded(t, parts[1])
	maps.Copy(claims, change)
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2]
}

// forged is the token with a signature by another key, under the ID of the cluster's.
func forged(t *testing.T, token string) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return sign(key, header(t, token)["kid"].(string), decoded(t, strings.Split(token, ".")[1]))
}

func header(t *testing.T, token string) map[string]any {
	return decoded(t, strings.Split(token, ".")[0])
}

func decoded(t *testing.T, part string) (m map[string]any) {
	t.Helper()
	content, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
