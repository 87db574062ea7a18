package clustersecret_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/clustersecret"
)

// server is the part of an API server that serves one Secret. The test of a real one
// is TestKubernetesSecret.
type server struct {
	mu      sync.Mutex
	exists  bool
	version int
	data    map[string][]byte
	status  int    // of every answer, if not zero
	body    string // of that answer
	meddle  int    // how often another writer changes another key before a patch
	token   string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		http.Error(w, "who?", http.StatusUnauthorized)
		return
	}
	if s.status != 0 {
		w.WriteHeader(s.status)
		io.WriteString(w, s.body)
		return
	}
	var sent struct {
		Metadata struct{ Name, ResourceVersion string }
		Data     map[string][]byte
	}
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&sent)
	}
	const folder = "/api/v1/namespaces/rolebroker/secrets"
	switch {
	case r.Method == http.MethodPost && r.URL.Path == folder && sent.Metadata.Name == "runner":
		if s.exists {
			w.WriteHeader(http.StatusConflict)
			return
		}
		s.exists, s.data = true, sent.Data
	case r.URL.Path != folder+"/runner" || !s.exists:
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Method == http.MethodPatch:
		if s.meddle > 0 {
			s.meddle--
			s.version++
		}
		if sent.Metadata.ResourceVersion != strconv.Itoa(s.version) {
			w.WriteHeader(http.StatusConflict)
			return
		}
		for key, value := range sent.Data {
			s.data[key] = value
		}
	}
	if r.Method != http.MethodGet {
		s.version++
	}
	json.NewEncoder(w).Encode(map[string]any{
		"metadata": map[string]string{"name": "runner", "resourceVersion": strconv.Itoa(s.version)},
		"data":     s.data,
	})
}

func start(t *testing.T) (*server, *clustersecret.Secret) {
	s := &server{token: "the-pods-token", version: 1}
	listening := httptest.NewTLSServer(s)
	t.Cleanup(listening.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: listening.Certificate().Raw})
	write(t, filepath.Join(dir, "ca.crt"), ca)
	write(t, filepath.Join(dir, "token"), []byte(s.token+"\n"))
	secret, err := clustersecret.New(clustersecret.Options{BaseURL: listening.URL, Namespace: "rolebroker",
		Name: "runner", CAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")})
	if err != nil {
		t.Fatal(err)
	}
	return s, secret
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, secret *clustersecret.Secret, want string) {
	t.Helper()
	if got, err := secret.Load(t.Context()); string(got) != want || err != nil {
		t.Errorf("there is %q, %v; want %q", got, err, want)
	}
}

func refused(t *testing.T, err error, code rolebroker.Code) *rolebroker.Error {
	t.Helper()
	if rolebroker.CodeOf(err) != code {
		t.Fatalf("the code is %q, not %q: %v (%v)", rolebroker.CodeOf(err), code, err, rolebroker.AsError(err).Cause)
	}
	e := rolebroker.AsError(err)
	if said := fmt.Sprint(e.Message, e.Hint, e.Cause); strings.Contains(said, "first") ||
		strings.Contains(said, "the-pods-token") {
		t.Errorf("a secret is in %s", said)
	}
	return e
}

func TestAValueIsKept(t *testing.T) {
	s, secret := start(t)
	_, err := secret.Load(t.Context())
	refused(t, err, rolebroker.CodeNotFound)
	if err := secret.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Fatal(err)
	}
	has(t, secret, "first")
	s.data["other"] = []byte("stays")
	if err := secret.Save(t.Context(), []byte("first"), []byte("second")); err != nil {
		t.Fatal(err)
	}
	has(t, secret, "second")
	if string(s.data["other"]) != "stays" {
		t.Errorf("the Secret has %q", s.data)
	}
}

// A chart makes an empty Secret, so that the runner needs no right to create.
func TestASecretWithoutTheKeyIsFilled(t *testing.T) {
	s, secret := start(t)
	s.exists, s.data = true, map[string][]byte{}
	_, err := secret.Load(t.Context())
	refused(t, err, rolebroker.CodeNotFound)
	if err := secret.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Fatal(err)
	}
	has(t, secret, "first")
}

func TestAReplicaThatKnowsAnOldValueGetsAnError(t *testing.T) {
	_, secret := start(t)
	refused(t, secret.Save(t.Context(), []byte("first"), []byte("second")), rolebroker.CodeConflict)
	if err := secret.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Fatal(err)
	}
	refused(t, secret.Save(t.Context(), nil, []byte("second")), rolebroker.CodeConflict)
	refused(t, secret.Save(t.Context(), []byte("zeroth"), []byte("second")), rolebroker.CodeConflict)
	has(t, secret, "first")
	// An answer that was lost: the same again is no conflict.
	if err := secret.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Errorf("the same again: %v", err)
	}
}

func TestOfManyAtOnceOneIsFirst(t *testing.T) {
	_, secret := start(t)
	for round, old := range []string{"", "winner"} {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 16 {
			wg.Go(func() {
				err := secret.Save(t.Context(), []byte(old), fmt.Appendf(nil, "value-%d-%d", round, i))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if rolebroker.CodeOf(err) != rolebroker.CodeConflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("%d replicas of 16 were first", won)
		}
		there, err := secret.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := secret.Save(t.Context(), there, []byte("winner")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOthersMayChangeOtherPartsOfTheSecret(t *testing.T) {
	s, secret := start(t)
	s.exists, s.data = true, map[string][]byte{}
	s.meddle = 3
	if err := secret.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Fatal(err)
	}
	has(t, secret, "first")
	s.meddle = 100
	refused(t, secret.Save(t.Context(), []byte("first"), []byte("second")), rolebroker.CodeUnavailable)
	has(t, secret, "first")
}

func TestRefusalsAreToldApart(t *testing.T) {
	s, secret := start(t)
	for status, code := range map[int]rolebroker.Code{
		200: rolebroker.CodeUnavailable,
		307: rolebroker.CodeUnavailable,
		400: rolebroker.CodeUnavailable,
		403: rolebroker.CodeDenied,
		404: rolebroker.CodeNotFound,
		422: rolebroker.CodeUnavailable,
		429: rolebroker.CodeUnavailable,
		500: rolebroker.CodeUnavailable,
	} {
		s.status, s.body = status, "first is what you sent"
		_, err := secret.Load(t.Context())
		refused(t, err, code)
	}
	s.status, s.body = 403, `{"message":"secrets \"runner\" is forbidden"}`
	_, err := secret.Load(t.Context())
	e := refused(t, err, rolebroker.CodeDenied)
	if !strings.Contains(e.Hint.String(), "kubectl auth can-i get secret/runner --namespace rolebroker") ||
		!strings.Contains(fmt.Sprint(e.Cause), "is forbidden") {
		t.Errorf("the hint is %q, the cause %v", e.Hint, e.Cause)
	}
	s.token = "another"
	_, err = secret.Load(t.Context())
	refused(t, err, rolebroker.CodeUnauthenticated)
}

func TestWithoutAPod(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	_, err := clustersecret.New(clustersecret.Options{Name: "runner"})
	refused(t, err, rolebroker.CodeInvalid)
	_, err = clustersecret.New(clustersecret.Options{BaseURL: "https://127.0.0.1:1", Namespace: "rolebroker"})
	refused(t, err, rolebroker.CodeInvalid)

	t.Setenv("KUBERNETES_SERVICE_HOST", "::1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "1")
	secret, err := clustersecret.New(clustersecret.Options{Namespace: "rolebroker", Name: "runner"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = secret.Load(t.Context())
	refused(t, err, rolebroker.CodeUnavailable)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is because of %v", err, errors.Unwrap(err))
	}
}

func TestSecretsGoNowhereInTheOpen(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "token"), []byte("the-pods-token"))
	secret, err := clustersecret.New(clustersecret.Options{BaseURL: "http://127.0.0.1:1", Namespace: "rolebroker",
		Name: "runner", TokenFile: filepath.Join(dir, "token")})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, secret.Save(t.Context(), nil, []byte("first")), rolebroker.CodeInvalid)
}
