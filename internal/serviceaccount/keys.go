package serviceaccount

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/time/rate"
)

const (
	// fetchEvery and fetchBurst bound what strangers' tokens with unknown keys
	// make us ask, without making a key that is new wait.
	fetchEvery = 5 * time.Second
	fetchBurst = 5

	fetchTimeout = 10 * time.Second
	maxKeys      = 1 << 20 // bytes
)

// errJustFetched says that the keys were fetched a moment ago, and will not be
// for another token that they did not sign.
var errJustFetched = errors.New("the keys were fetched just now")

// keySource fetches the issuer's keys, not too often. It is the transport below
// a key set of package oidc, which asks it whenever it does not know a key.
type keySource struct {
	opts   Options
	issuer func() (string, error)
	inPod  bool // the keys are those of the pod's own API server

	mu      sync.Mutex
	limit   *rate.Limiter
	lastErr error // of the last fetch
}

func newKeySource(opts Options, issuer func() (string, error)) *keySource {
	s := &keySource{opts: opts, issuer: issuer, limit: rate.NewLimiter(rate.Every(fetchEvery), fetchBurst)}
	if opts.KeysURL == "" && opts.KeysFile == "" && !opts.Discover {
		s.inPod = true
		s.opts.KeysURL = podKeysURL
		s.opts.CAFile = orElse(opts.CAFile, podCAFile)
		s.opts.TokenFile = orElse(opts.TokenFile, podTokenFile)
	}
	return s
}

// newSet is a set of keys that knows none yet.
func (s *keySource) newSet() oidc.KeySet {
	ctx := oidc.ClientContext(context.Background(), &http.Client{Transport: s})
	return oidc.NewRemoteKeySet(ctx, "https://keys.invalid/") // RoundTrip knows where they are
}

// isFetching says whether a key set could not get its keys. If it could, and
// none of them was right, there is no error behind the one that it returns.
func isFetching(err error) bool { return errors.Unwrap(err) != nil }

// RoundTrip answers a key set. The request says nothing that is not known.
func (s *keySource) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.limit.AllowN(s.opts.Now(), 1) {
		if s.lastErr != nil {
			return nil, s.lastErr
		}
		return nil, errJustFetched
	}
	ctx, cancel := context.WithTimeout(r.Context(), fetchTimeout)
	defer cancel()
	var body []byte
	if body, s.lastErr = s.fetch(ctx); s.lastErr != nil {
		return nil, s.lastErr
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(body)),
	}, nil
}

// fetch is the key set as JSON.
func (s *keySource) fetch(ctx context.Context) ([]byte, error) {
	if s.opts.KeysFile != "" {
		content, err := os.ReadFile(s.opts.KeysFile)
		if err != nil {
			return nil, err
		}
		return keySetOf(content)
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	from := s.opts.KeysURL
	if s.opts.Discover {
		if from, err = s.discover(ctx, client); err != nil {
			return nil, err
		}
	}
	body, err := s.get(ctx, client, from)
	if err != nil {
		return nil, err
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) == 0 {
		return nil, fmt.Errorf("%s answered with something that is not a set of keys", from)
	}
	return body, nil
}

// discover finds where the issuer says that its keys are.
//
// Source: OpenID Connect Discovery 1.0, section 4.
func (s *keySource) discover(ctx context.Context, client *http.Client) (string, error) {
	issuer, err := s.issuer()
	if err != nil {
		return "", err
	}
	from := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	body, err := s.get(ctx, client, from)
	if err != nil {
		return "", err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &document); err != nil || document.KeysURL == "" {
		return "", fmt.Errorf("%s answered with something that is not a discovery document", from)
	}
	if document.Issuer != issuer {
		return "", fmt.Errorf("%s is the document of another issuer, %s", from, quoted(document.Issuer))
	}
	return document.KeysURL, nil
}

// get fetches from an address that nobody else can answer for.
func (s *keySource) get(ctx context.Context, client *http.Client, from string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	if err := checkKeysURL(req.URL); err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	if s.opts.TokenFile != "" && !s.opts.Discover {
		token, err := os.ReadFile(s.opts.TokenFile)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", from, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeys+1))
	if err == nil && len(body) > maxKeys {
		err = fmt.Errorf("%s answered with more than %d bytes", from, maxKeys)
	}
	return body, err
}

// checkKeysURL refuses keys that come over the network as anybody likes.
func checkKeysURL(u *url.URL) error {
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && ip != nil && ip.IsLoopback() {
		return nil
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%s is not an https:// URL; keys are not taken from anywhere else", quoted(u.Redacted()))
	}
	return nil
}

// client trusts CAFile, as it is now. The API server of the pod's cluster is
// not behind the proxy to the world outside.
func (s *keySource) client() (*http.Client, error) {
	if s.opts.HTTPClient != nil {
		return s.opts.HTTPClient, nil
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	if s.inPod {
		transport.Proxy = nil
	}
	if s.opts.CAFile != "" {
		roots, err := certificates(s.opts.CAFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}

func certificates(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New(file + " has no certificate in it")
	}
	return pool, nil
}

// hint is what to look at when there are no keys.
func (s *keySource) hint() string {
	switch {
	case s.inPod:
		return "the runner asks the API server for them at " + podKeysURL + ": let it reach that,\n" +
			"with a service-account token in the pod; or say where they are with --cluster-keys"
	case s.opts.KeysFile != "":
		return "look at the file that --cluster-keys names"
	}
	return "let the runner reach the URL, or name another with --cluster-keys"
}

// keySetOf is the JSON Web Key Set of a file, which is one, or has public keys
// as PEM, as they are given to an API server.
func keySetOf(content []byte) ([]byte, error) {
	if trimmed := bytes.TrimSpace(content); len(trimmed) > 0 && trimmed[0] == '{' {
		return trimmed, nil
	}
	var set jose.JSONWebKeySet
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		key, err := publicKey(block)
		if err != nil {
			return nil, err
		}
		id, err := keyID(key)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: id, Use: "sig"})
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("the file of keys has neither a JSON Web Key Set nor a public key as PEM")
	}
	return json.Marshal(set)
}

func publicKey(block *pem.Block) (crypto.PublicKey, error) {
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return c.PublicKey, nil
	}
	return nil, fmt.Errorf("the file of keys has a %s; it is for public keys only", block.Type)
}

// keyID is the ID that Kubernetes gives a key.
//
// Source: k8s.io/kubernetes/pkg/serviceaccount, keyIDFromPublicKey.
func keyID(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// quoted is what somebody else wrote, fit for a message.
func quoted(s string) string {
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return strconv.Quote(s)
}
