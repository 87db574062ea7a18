package serviceaccount_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/serviceaccount"
)

const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"

// The keys of the cluster, and one that is not its.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	made := map[string]crypto.Signer{}
	for _, name := range []string{"old", "new", "stranger"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		made[name] = key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	made["elliptic"] = key
	return made
})

// world is a cluster's issuer, whose keys and clock the test turns.
type world struct {
	t        testing.TB
	now      time.Time
	server   *httptest.Server
	verifier *serviceaccount.Verifier

	mu        sync.Mutex
	published []string // names of keys
	status    int      // what the server answers
	fetched   int
	shown     string // the Authorization of the last request

	reviews int    // how many there were
	verdict int    // the status of a review; 0: good
	gone    bool   // the pods are gone
	labels  string // of every service account, as JSON
}

// review is the cluster's API server, as far as it reviews tokens and knows labels.
func (w *world) review(rw http.ResponseWriter, r *http.Request) {
	w.reviews++
	if w.verdict != 0 {
		http.Error(rw, "no", w.verdict)
		return
	}
	if r.Method == http.MethodGet {
		fmt.Fprintf(rw, `{"metadata": {"labels": %s}}`, cmp.Or(w.labels, "{}"))
		return
	}
	rw.WriteHeader(http.StatusCreated)
	fmt.Fprintf(rw, `{"status": {"authenticated": %t, "audiences": ["rolebroker"]}}`, !w.gone)
}

func newWorld(t testing.TB, set func(*serviceaccount.Options)) *world {
	w := &world{t: t, now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), published: []string{"old", "elliptic"},
		status: 200}
	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	opts := serviceaccount.Options{Issuer: issuer, KeysURL: w.server.URL + "/keys",
		Now: func() time.Time { return w.now }}
	if set != nil {
		set(&opts)
	}
	if opts.APIServer != "" {
		opts.APIServer, opts.TokenFile = w.server.URL, filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(opts.TokenFile, []byte("own"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.verifier = serviceaccount.New(opts)
	return w
}

// reviewed has the world's API server review tokens too.
func reviewed(o *serviceaccount.Options) { o.APIServer = "here" }

// ServeHTTP is the cluster's API server, as far as its keys go.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/api") {
		w.review(rw, r)
		return
	}
	w.fetched++
	w.shown = r.Header.Get("Authorization")
	if w.status != 200 {
		http.Error(rw, "no", w.status)
		return
	}
	if r.URL.Path == "/.well-known/openid-configuration" {
		json.NewEncoder(rw).Encode(map[string]string{"issuer": w.server.URL, "jwks_uri": "https://" + r.Host + "/keys"})
		return
	}
	json.NewEncoder(rw).Encode(keySet(w.published...))
}

func keySet(names ...string) (set jose.JSONWebKeySet) {
	for _, name := range names {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: keys()[name].Public(), KeyID: keyID(name), Use: "sig"})
	}
	return set
}

// keyID is the ID that Kubernetes gives a key.
func keyID(name string) string {
	der, err := x509.MarshalPKIXPublicKey(keys()[name].Public())
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (w *world) publish(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.published = names
}

func (w *world) answer(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = status
}

func (w *world) fetches() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fetched
}

// claims are those of a good token, with the changes.
func (w *world) claims(change map[string]any) map[string]any {
	c := map[string]any{
		"iss": issuer, "sub": "system:serviceaccount:agents:scout", "aud": []string{"rolebroker"},
		"exp": w.now.Add(time.Hour).Unix(), "iat": w.now.Unix(), "nbf": w.now.Unix(),
		"kubernetes.io": map[string]any{"namespace": "agents", "serviceaccount": map[string]any{"name": "scout",
			"uid": "1"}},
	}
	maps.Copy(c, change)
	for name, value := range change {
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

// token signs the claims of a good token, but for the change.
func (w *world) token(key string, change map[string]any) string {
	return sign(keys()[key], keyID(key), w.claims(change))
}

func sign(key crypto.Signer, id string, claims map[string]any) string {
	algorithm := jose.RS256
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		algorithm = jose.ES256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		panic(err)
	}
	return serialize(signer, claims)
}

func serialize(signer jose.Signer, claims map[string]any) string {
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// raw is a token of a header and a signature of the test's choosing.
func (w *world) raw(header, signature string) string {
	payload, err := json.Marshal(w.claims(nil))
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode(payload) + "." + signature
}

func (w *world) believes(token string) time.Time {
	w.t.Helper()
	said, err := w.verifier.Verify(context.Background(), token)
	if err != nil {
		w.t.Fatalf("%v, cause %v", err, errors.Unwrap(err))
	}
	if want := (rolebroker.ServiceAccount{Issuer: issuer, Namespace: "agents", Name: "scout"}); said.Account != want {
		w.t.Errorf("the token is of %+v", said.Account)
	}
	return said.Expires
}

func (w *world) refuses(code rolebroker.Code, token string) *rolebroker.Error {
	w.t.Helper()
	said, err := w.verifier.Verify(context.Background(), token)
	if rolebroker.CodeOf(err) != code {
		w.t.Fatalf("the token of %+v was refused as %q, not %q: %v", said, rolebroker.CodeOf(err), code, err)
	}
	if said.Account != (rolebroker.ServiceAccount{}) {
		w.t.Errorf("a token that is refused is of %+v", said)
	}
	e := rolebroker.AsError(err)
	if len(e.Hint) == 0 {
		w.t.Errorf("%q does not say what to do", e.Message)
	}
	for _, part := range strings.Split(token, ".") {
		if said := fmt.Sprint(e.Message, e.Hint, e.Cause); len(part) > 20 && strings.Contains(said, part) {
			w.t.Errorf("the token is in %s", said)
		}
	}
	return e
}

func TestTokensAreBelieved(t *testing.T) {
	w := newWorld(t, nil)
	for name, token := range map[string]string{
		"of RSA":                          w.token("old", nil),
		"of an elliptic curve":            w.token("elliptic", nil),
		"for an audience that is no list": w.token("old", map[string]any{"aud": "rolebroker"}),
		"that says no more than it has to": w.token("old", map[string]any{
			"nbf": nil, "iat": nil, "kubernetes.io": nil}),
		"of a clock that is ahead": w.token("old", map[string]any{"nbf": w.now.Add(8 * time.Second).Unix(),
			"iat": w.now.Add(8 * time.Second).Unix()}),
		"that expired just now": w.token("old", map[string]any{"exp": w.now.Add(-4 * time.Second).Unix()}),
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.believes(token)
		})
	}
	if expires := w.believes(w.token("old", nil)); !expires.Equal(w.now.Add(time.Hour)) {
		t.Errorf("it expires at %v", expires)
	}
}

func TestTokensAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	at := func(d time.Duration) int64 { return w.now.Add(d).Unix() }
	good := w.token("old", nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	other, _, _ := strings.Cut(strings.SplitN(w.token("old",
		map[string]any{"sub": "system:serviceaccount:kube-system:admin", "kubernetes.io": nil}), ".", 2)[1], ".")
	embedded, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: keys()["stranger"]},
		&jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: publicPEM("old")},
		(&jose.SignerOptions{}).WithHeader("kid", keyID("old")))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		code  rolebroker.Code
		token string
	}{
		{"of another cluster", rolebroker.CodeTokenIssuer, w.token("old", map[string]any{"iss": issuer + "2"})},
		{"of an issuer that only begins alike", rolebroker.CodeTokenIssuer,
			w.token("old", map[string]any{"iss": issuer + "/"})},
		{"of no issuer", rolebroker.CodeTokenIssuer, w.token("old", map[string]any{"iss": nil})},
		{"of a Secret, as long ago", rolebroker.CodeTokenIssuer,
			w.token("old", map[string]any{"iss": "kubernetes/serviceaccount", "exp": nil})},
		{"for the API server", rolebroker.CodeTokenAudience,
			w.token("old", map[string]any{"aud": []string{"https://kubernetes.default.svc"}})},
		{"for AWS", rolebroker.CodeTokenAudience, w.token("old", map[string]any{"aud": []string{"sts.amazonaws.com"}})},
		{"for others too", rolebroker.CodeTokenAudience,
			w.token("old", map[string]any{"aud": []string{"vault", "rolebroker"}})},
		{"for us twice", rolebroker.CodeTokenAudience,
			w.token("old", map[string]any{"aud": []string{"rolebroker", "rolebroker"}})},
		{"for nobody", rolebroker.CodeTokenAudience, w.token("old", map[string]any{"aud": nil})},
		{"for something like us", rolebroker.CodeTokenAudience,
			w.token("old", map[string]any{"aud": []string{"rolebroker2", "Rolebroker", ""}})},
		{"that expired", rolebroker.CodeExpired, w.token("old", map[string]any{"exp": at(-5 * time.Second)})},
		{"that expired at the beginning of time", rolebroker.CodeExpired, w.token("old", map[string]any{"exp": 0})},
		{"that never expires", rolebroker.CodeUnauthenticated, w.token("old", map[string]any{"exp": nil})},
		{"that expires at no time", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"exp": "tomorrow"})},
		{"that lives for more than a day", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"exp": at(24*time.Hour + time.Minute)})},
		{"that lives for a year, as extended ones do", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"exp": at(time.Hour), "iat": at(-364 * 24 * time.Hour)})},
		{"that lives for a year, and does not say since when", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"exp": at(364 * 24 * time.Hour), "iat": nil, "nbf": nil})},
		{"that expires at the end of time", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"exp": 1 << 62})},
		{"that was made before time began", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"iat": -1 << 62})},
		{"that is yet to come", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"nbf": at(11 * time.Second)})},
		{"that was made tomorrow", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"iat": at(24 * time.Hour)})},
		{"of a person", rolebroker.CodeUnauthenticated, w.token("old", map[string]any{"sub": "system:admin"})},
		{"of a node", rolebroker.CodeUnauthenticated, w.token("old", map[string]any{"sub": "system:node:one"})},
		{"of nobody", rolebroker.CodeUnauthenticated, w.token("old", map[string]any{"sub": nil})},
		{"of a name with too many parts", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"sub": "system:serviceaccount:agents:scout:admin", "kubernetes.io": nil})},
		{"of a namespace without a name", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"sub": "system:serviceaccount:agents", "kubernetes.io": nil})},
		{"that says two namespaces", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"kubernetes.io": map[string]any{"namespace": "other"}})},
		{"that says two names", rolebroker.CodeUnauthenticated,
			w.token("old", map[string]any{"kubernetes.io": map[string]any{
				"serviceaccount": map[string]any{"name": "other"}}})},
		{"of a stranger's key", rolebroker.CodeTokenSignature, w.token("stranger", nil)},
		{"of a stranger's key under our key's ID", rolebroker.CodeTokenSignature,
			sign(keys()["stranger"], keyID("old"), w.claims(nil))},
		{"of a stranger's key without an ID", rolebroker.CodeTokenSignature,
			sign(keys()["stranger"], "", w.claims(nil))},
		{"with its key in it", rolebroker.CodeTokenSignature, serialize(embedded, w.claims(nil))},
		{"signed with what everybody knows", rolebroker.CodeTokenSignature, serialize(symmetric, w.claims(nil))},
		{"of no algorithm", rolebroker.CodeTokenSignature, w.raw(`{"alg":"none"}`, "")},
		{"of no algorithm, written otherwise", rolebroker.CodeTokenSignature,
			w.raw(`{"alg":"nOnE","kid":"`+keyID("old")+`"}`, "")},
		{"of another algorithm of the same key", rolebroker.CodeTokenSignature,
			w.raw(`{"alg":"PS256","kid":"`+keyID("old")+`"}`, signature)},
		{"of an algorithm that the key is not for", rolebroker.CodeTokenSignature,
			w.raw(`{"alg":"ES256","kid":"`+keyID("old")+`"}`, signature)},
		{"with other claims", rolebroker.CodeTokenSignature, head + "." + other + "." + signature},
		{"with another signature", rolebroker.CodeTokenSignature, head + "." + payload + "." + flip(signature)},
		{"without a signature", rolebroker.CodeTokenSignature, head + "." + payload + "."},
		{"in two parts", rolebroker.CodeUnauthenticated, head + "." + payload},
		{"with something behind it", rolebroker.CodeUnauthenticated, good + "\n"},
		{"as JSON", rolebroker.CodeUnauthenticated, `{"payload":"` + payload + `","protected":"` + head +
			`","signature":"` + signature + `"}`},
		{"that is empty", rolebroker.CodeUnauthenticated, ""},
		{"that is something else", rolebroker.CodeUnauthenticated, "rbt_aaaaaaaaaaaaaaaaaaaaaaaaaa"},
		{"that is long", rolebroker.CodeUnauthenticated, strings.Repeat("a", 1<<20)},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.t = t
			w.refuses(test.code, test.token)
		})
	}
	w.t = t
	w.believes(good)
}

// flip changes the first character of a signature.
func flip(signature string) string {
	if signature[0] == 'A' {
		return "B" + signature[1:]
	}
	return "A" + signature[1:]
}

func publicPEM(name string) []byte {
	der, err := x509.MarshalPKIXPublicKey(keys()[name].Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	w := newWorld(t, nil)
	says := func(want, key string, change map[string]any) {
		t.Helper()
		_, err := w.verifier.Verify(t.Context(), w.token(key, change))
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 2000 ||
			strings.Contains(err.Error(), "\x1b") {
			t.Errorf("it says %v, not %q", err, want)
		}
	}
	says(`is for the audience "vault", and must be for "rolebroker"; mount a projected token with audience: rolebroker`,
		"old", map[string]any{"aud": "vault"})
	says(`is for several audiences, "vault, rolebroker", so that each of them could use it here; mount a projected `+
		"token of its own with audience: rolebroker", "old", map[string]any{"aud": []string{"vault", "rolebroker"}})
	says("lives for 8760h, and one that lives for more than 24h is not accepted; mount a projected token with "+
		"expirationSeconds: 3600", "old", map[string]any{"exp": w.now.Add(8760 * time.Hour).Unix()})
	says(`is of the issuer "https://other", and this runner is for the cluster with the issuer "`+issuer+
		`"; ask the runner of your own cluster`, "old", map[string]any{"iss": "https://other"})
	says("expired at 2026-11-25T11:00:00Z; read it from its file each time",
		"old", map[string]any{"exp": w.now.Add(-time.Hour).Unix()})
	says("is not signed by a key of the issuer", "stranger", nil)
	says("which is not a service account", "old", map[string]any{"sub": strings.Repeat("\x1b", 1000)})
	says(`…", and must be for`, "old", map[string]any{"aud": []string{strings.Repeat("a", 9000)}})
}

func TestAnAudienceOfOnesOwn(t *testing.T) {
	w := newWorld(t, func(o *serviceaccount.Options) { o.Audience = "https://broker.example.com" })
	w.believes(w.token("old", map[string]any{"aud": "https://broker.example.com"}))
	if e := w.refuses(rolebroker.CodeTokenAudience, w.token("old", nil)); !strings.Contains(e.Hint.String(),
		"audience: https://broker.example.com") {
		t.Errorf("the hint is %q", e.Hint)
	}
}

// A warm token costs no look at the keys, and is no longer good than it says.
func TestAVerifiedTokenIsRemembered(t *testing.T) {
	w := newWorld(t, nil)
	token := w.token("old", map[string]any{"exp": w.now.Add(5 * time.Minute).Unix()})
	w.believes(token)
	w.publish("new")
	w.answer(http.StatusInternalServerError)
	for range 1000 {
		w.believes(token)
	}
	if n := w.fetches(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	w.now = w.now.Add(5*time.Minute + 4*time.Second)
	w.believes(token)
	w.now = w.now.Add(time.Second)
	w.refuses(rolebroker.CodeExpired, token)
}

func TestKeysRotateWithoutARestart(t *testing.T) {
	w := newWorld(t, nil)
	w.believes(w.token("old", nil))
	w.publish("old", "new")
	w.believes(w.token("new", nil))
	w.believes(w.token("old", map[string]any{"jti": "another"}))
	if n := w.fetches(); n != 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// A key that was withdrawn is not believed for ever, though nothing makes us
// look: tokens for ten minutes, others that it signed for an hour.
func TestAKeyThatIsWithdrawnIsForgotten(t *testing.T) {
	w := newWorld(t, reviewed)
	day := map[string]any{"exp": w.now.Add(24 * time.Hour).Unix()}
	token := w.token("old", day)
	w.believes(token)
	w.publish("new")
	w.now = w.now.Add(time.Hour)
	w.refuses(rolebroker.CodeTokenSignature, token)
	w.believes(w.token("new", day))
	w.now = w.now.Add(11 * time.Minute)
	w.refuses(rolebroker.CodeTokenSignature, token)
}

// Keys that are old are better than none.
func TestOldKeysGoOnWhenNewOnesCannotBeFetched(t *testing.T) {
	w := newWorld(t, reviewed)
	day := map[string]any{"exp": w.now.Add(24 * time.Hour).Unix()}
	w.believes(w.token("old", day))
	w.answer(http.StatusServiceUnavailable)
	w.now = w.now.Add(2 * time.Hour)
	w.believes(w.token("old", day))
	w.answer(http.StatusOK)
	w.publish("new")
	w.now = w.now.Add(time.Minute)
	w.believes(w.token("new", day))
	w.now = w.now.Add(11 * time.Minute)
	w.refuses(rolebroker.CodeTokenSignature, w.token("old", day))
}

func TestForgedKeyIDsAreNotAFloodOfRequests(t *testing.T) {
	w := newWorld(t, nil)
	w.believes(w.token("old", nil))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 100 {
				token := sign(keys()["elliptic"], fmt.Sprint("forged", worker, i), w.claims(nil))
				if _, err := w.verifier.Verify(context.Background(),
					token); rolebroker.CodeOf(err) != rolebroker.CodeTokenSignature {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := w.fetches(); n > 5 {
		t.Errorf("the keys were fetched %d times for 800 forged tokens", n)
	}
	// A key that is new is noticed all the same, seconds later.
	w.publish("new")
	w.refuses(rolebroker.CodeTokenSignature, w.token("new", nil))
	w.now = w.now.Add(5 * time.Second)
	w.believes(w.token("new", nil))
}

func TestKeysThatCannotBeFetched(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *serviceaccount.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.answer(http.StatusForbidden)
	if err := w.verifier.Prepare(t.Context()); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("without keys it is ready: %v", err)
	}
	token := w.token("old", nil)
	for range 100 {
		w.refuses(rolebroker.CodeUnavailable, token)
	}
	if said := log.String(); strings.Count(said, "keys of the cluster's service-account tokens cannot be fetched") != 1 ||
		!strings.Contains(said, "403") || !strings.Contains(said, "--cluster-keys") {
		t.Errorf("the log says %q", said)
	}
	if n := w.fetches(); n > 5 {
		t.Errorf("they were asked for %d times", n)
	}
	w.answer(http.StatusOK)
	w.now = w.now.Add(5 * time.Second)
	w.believes(token)
	if err := w.verifier.Prepare(t.Context()); err != nil || !strings.Contains(log.String(), "can be fetched again") {
		t.Errorf("it has keys, and says %v, %s", err, log.String())
	}
}

func TestKeysThatAreNone(t *testing.T) {
	for name, body := range map[string]string{
		"a page": "<html>", "nothing": "", "no keys": `{"keys":[]}`, "a list": "[]", "much": `{"keys":[` +
			strings.Repeat(" ", 2<<20) + "]}",
		"a key that is none": `{"keys":[{"kty":"RSA","n":"","e":""}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Write([]byte(body))
			}))
			defer server.Close()
			w := newWorld(t, func(o *serviceaccount.Options) { o.KeysURL = server.URL })
			w.refuses(rolebroker.CodeUnavailable, w.token("old", nil))
		})
	}
}

func TestKeysAreNotTakenFromJustAnywhere(t *testing.T) {
	for _, from := range []string{"http://keys.example.com/keys", "file:///etc/keys", "keys", "https://",
		"http://127.0.0.1.example.com/keys"} {
		w := newWorld(t, func(o *serviceaccount.Options) { o.KeysURL = from })
		e := w.refuses(rolebroker.CodeUnavailable, w.token("old", nil))
		if !strings.Contains(fmt.Sprint(e.Cause), "not an https:// URL") {
			t.Errorf("%s: %v", from, e.Cause)
		}
	}
}

func TestKeysAreNotTakenFromWhereverOneIsSent(t *testing.T) {
	for to, code := range map[string]rolebroker.Code{"http://keys.example.com/": rolebroker.CodeUnavailable,
		"/keys": ""} {
		w := newWorld(t, func(o *serviceaccount.Options) {
			keys := o.KeysURL
			if to == "/keys" {
				to = keys
			}
			server := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
			t.Cleanup(server.Close)
			o.KeysURL = server.URL
		})
		if code == "" {
			w.believes(w.token("old", nil))
			continue
		}
		if e := w.refuses(code, w.token("old", nil)); !strings.Contains(fmt.Sprint(e.Cause), "not an https:// URL") {
			t.Errorf("%v", e.Cause)
		}
	}
}

func TestKeysOfAFile(t *testing.T) {
	asJSON, err := json.Marshal(keySet("old"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"JSON": asJSON,
		"PEM": append(publicPEM("elliptic"), publicPEM("old")...)} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys")
			w := newWorld(t, func(o *serviceaccount.Options) { o.KeysFile = file })
			w.refuses(rolebroker.CodeUnavailable, w.token("old", nil))
			write(t, file, content)
			w.believes(w.token("old", nil))
			write(t, file, publicPEM("new"))
			w.believes(w.token("new", nil))
			if n := w.fetches(); n != 0 {
				t.Errorf("%d requests were made", n)
			}
		})
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
		Bytes: x509.MarshalPKCS1PrivateKey(keys()["old"].(*rsa.PrivateKey))})
	for name, content := range map[string][]byte{"nothing": nil, "text": []byte("keys"), "a private key": private} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "keys")
			write(t, file, content)
			w := newWorld(t, func(o *serviceaccount.Options) { o.KeysFile = file })
			w.refuses(rolebroker.CodeUnavailable, w.token("old", nil))
		})
	}
}

func write(t testing.TB, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t, nil)
	server := httptest.NewTLSServer(w)
	defer server.Close()
	for _, said := range []string{server.URL, server.URL + "/of-another"} {
		w.server.URL = said // what the document says
		verifier := serviceaccount.New(serviceaccount.Options{Issuer: server.URL, Discover: true,
			HTTPClient: server.Client(), Now: func() time.Time { return w.now }})
		token, err := verifier.Verify(t.Context(), w.token("old", map[string]any{"iss": server.URL}))
		switch {
		case said == server.URL && (err != nil || token.Account.Issuer != server.URL):
			t.Errorf("%v, cause %v", err, errors.Unwrap(err))
		case said != server.URL && rolebroker.CodeOf(err) != rolebroker.CodeUnavailable:
			t.Errorf("the document of another issuer is believed: %v", err)
		}
	}
}

// The issuer is that of the pod's own token, and that token is shown where it
// was said.
func TestTheIssuerIsThatOfThePodsOwnToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	w := newWorld(t, func(o *serviceaccount.Options) { o.Issuer, o.TokenFile = "", file })
	w.refuses(rolebroker.CodeUnavailable, w.token("old", nil))
	own := w.token("old", map[string]any{"aud": "https://kubernetes.default.svc"})
	write(t, file, []byte(own+"\n"))
	w.believes(w.token("old", nil))
	if got, err := w.verifier.Issuer(); got != issuer || err != nil {
		t.Errorf("the issuer is %q, %v", got, err)
	}
	if w.shown != "Bearer "+own {
		t.Errorf("%q was shown", w.shown)
	}
}

func TestOutsideOfAPodThereIsNoIssuer(t *testing.T) {
	verifier := serviceaccount.New(serviceaccount.Options{})
	if _, err := verifier.Issuer(); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
		t.Errorf("%v", err)
	}
}

func TestManyTokensAreNotRememberedWithoutBound(t *testing.T) {
	w := newWorld(t, nil)
	w.verifier.RememberAtMost(100)
	for i := range 250 {
		w.believes(w.token("elliptic", map[string]any{"jti": fmt.Sprint(i)}))
	}
	if n := w.verifier.Remembered(); n > 100 || n < 90 {
		t.Errorf("%d are remembered", n)
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f, nil)
	good := w.token("old", nil)
	f.Add(good)
	f.Add(w.token("stranger", nil))
	f.Add(w.token("elliptic", map[string]any{"aud": 7, "exp": 1e300}))
	f.Add(w.raw(`{"alg":"none"}`, ""))
	f.Add(w.raw(`{"alg":"RS256","crit":["b64"],"b64":false}`, "AAAA"))
	f.Add("..")
	f.Add("")
	f.Add("eyJhbGciOiJSUzI1NiJ9.bnVsbA.AAAA")
	f.Fuzz(func(t *testing.T, token string) {
		said, err := w.verifier.Verify(context.Background(), token)
		if err == nil && said.Account.Name != "scout" {
			t.Errorf("%q is of %v", token, said)
		}
		if e := (*rolebroker.Error)(nil); err != nil && (!errors.As(err, &e) || e.Code == rolebroker.CodeInternal ||
			len(e.Hint) == 0) {
			t.Errorf("%q: %v", token, err)
		}
	})
}

func BenchmarkWarmToken(b *testing.B) {
	w := newWorld(b, nil)
	token := w.token("old", nil)
	w.believes(token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.verifier.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
	}
}

// A token that a person made with kubectl create token is bound to no pod: it is
// accepted unless the runner accepts those of pods only.
func TestTokensOfPodsOnly(t *testing.T) {
	w := newWorld(t, func(o *serviceaccount.Options) { o.PodsOnly = true })
	in := func(pod map[string]any) string {
		return w.token("old", map[string]any{"kubernetes.io": map[string]any{"namespace": "agents", "pod": pod,
			"serviceaccount": map[string]any{"name": "scout"}}})
	}
	w.believes(in(map[string]any{"name": "scout-1", "uid": "2"}))
	said, err := w.verifier.Verify(t.Context(), in(map[string]any{"name": "scout-1", "uid": "2"}))
	if want := (rolebroker.Workload{Namespace: "agents", ServiceAccount: "scout", Pod: "scout-1"}); err != nil ||
		said.Workload() != want {
		t.Errorf("the pod is %+v, %v", said.Workload(), err)
	}
	for _, token := range []string{w.token("old", nil), in(nil), in(map[string]any{"name": "scout-1"}),
		w.token("old", map[string]any{"kubernetes.io": nil})} {
		if e := w.refuses(rolebroker.CodeUnauthenticated, token); !strings.Contains(e.Message, "bound to no pod") {
			t.Error(e)
		}
	}
}
