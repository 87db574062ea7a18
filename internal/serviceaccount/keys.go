package serviceaccount

import (
	"bytes"
	"cmp"
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
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

const (
	// fetchEvery and fetchBurst bound the requests that forged tokens with unknown
	// keys can cause, without making a new key wait.
	fetchEvery = 5 * time.Second
	fetchBurst = 5

	fetchTimeout = 10 * time.Second
	maxKeys      = 1 << 20 // bytes
)

// errJustFetched means that the keys were fetched a moment ago, and will not be
// fetched again yet.
var errJustFetched = errors.New("the keys were fetched just now")

// errNotSigned means that none of the keys signed the token.
var errNotSigned = errors.New("it is not signed by any of the keys")

// keySource has the issuer's keys, and fetches them again when a token names an
// unknown key, but not too often. RemoteKeySet of package oidc has no such bound,
// and may answer with keys that it fetched before the question.
type keySource struct {
	opts   Options
	issuer func() (string, error)
	inPod  bool // the keys are those of the pod's own API server

	fetching singleflight.Group
	limit    *rate.Limiter

	token *tokenfile.File // of opts.TokenFile

	mu      sync.Mutex
	keys    []jose.JSONWebKey
	since   time.Time // when they were fetched; zero: not yet
	lastErr error     // of the last fetch; nil: it succeeded
}

func newKeySource(opts Options, issuer func() (string, error)) *keySource {
	s := &keySource{opts: opts, issuer: issuer, limit: rate.NewLimiter(rate.Every(fetchEvery), fetchBurst)}
	if opts.KeysURL == "" && opts.KeysFile == "" && !opts.Discover {
		s.inPod = true
		s.opts.KeysURL = podKeysURL
		s.opts.CAFile = cmp.Or(opts.CAFile, podCAFile)
		s.opts.TokenFile = cmp.Or(opts.TokenFile, podTokenFile)
	}
	s.token = tokenfile.New(s.opts.TokenFile)
	return s
}

// verify returns nil if one of the keys signed the token, and errNotSigned if none
// did. Any other error explains why the keys cannot be fetched. Old keys stay in
// use until newer ones can be fetched.
func (s *keySource) verify(ctx context.Context, signed *jose.JSONWebSignature) error {
	keys, fresh := s.known()
	if fresh && signedBy(keys, signed) {
		return nil
	}
	err := s.refresh(ctx)
	if keys, _ = s.known(); signedBy(keys, signed) {
		return nil
	}
	if err == nil || errors.Is(err, errJustFetched) {
		return errNotSigned
	}
	return err
}

// signedBy tries the keys with the ID that the token names, or all keys if it names
// none.
func signedBy(keys []jose.JSONWebKey, signed *jose.JSONWebSignature) bool {
	id := signed.Signatures[0].Header.KeyID
	return slices.ContainsFunc(keys, func(key jose.JSONWebKey) bool {
		if id != "" && key.KeyID != id {
			return false
		}
		_, err := signed.Verify(key.Key)
		return err == nil
	})
}

func (s *keySource) known() (keys []jose.JSONWebKey, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, s.opts.Now().Sub(s.since) < keepKeys
}

// refresh fetches the keys, once for all that wait, unless it did so too often.
func (s *keySource) refresh(ctx context.Context) error {
	done := s.fetching.DoChan("", func() (any, error) {
		if !s.limit.AllowN(s.opts.Now(), 1) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return nil, cmp.Or(s.lastErr, errJustFetched)
		}
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		defer cancel()
		keys, err := s.fetchKeys(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell(err)
		if s.lastErr = err; err == nil {
			s.keys, s.since = keys, s.opts.Now()
		}
		return nil, err
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-done:
		return result.Err
	}
}

// tell logs that the keys cannot be fetched, for the first time or for another reason,
// and that they can again; s.mu is held.
func (s *keySource) tell(err error) {
	switch log := s.opts.Log; {
	case log == nil:
	case err != nil && (s.lastErr == nil || s.lastErr.Error() != err.Error()):
		log.Warn("the keys of the cluster's service-account tokens cannot be fetched", "reason", err,
			"hint", s.hint(), "known", len(s.keys))
	case err == nil && s.lastErr != nil:
		log.Info("the keys of the cluster's service-account tokens can be fetched again")
	}
}

// prepare fetches the keys if there are none.
func (s *keySource) prepare(ctx context.Context) error {
	if keys, _ := s.known(); len(keys) > 0 {
		return nil
	}
	return s.refresh(ctx)
}

// fetchKeys fetches the usable keys. It skips the others, as the RFC demands.
//
// Source: RFC 7517, section 5.
func (s *keySource) fetchKeys(ctx context.Context) ([]jose.JSONWebKey, error) {
	body, err := s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("the keys are not a JSON Web Key Set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, text := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(text); err == nil && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JSON Web Key Set has no key that can be used")
	}
	return keys, nil
}

// fetch fetches the key set as JSON.
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
	return s.get(ctx, client, from)
}

// discover finds the URL of the issuer's keys.
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
		return "", fmt.Errorf("%s is the document of another issuer, %s", from, rolebroker.Quote(document.Issuer))
	}
	return document.KeysURL, nil
}

// get fetches from an address that no other party can answer for.
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
		token, err := s.token.Token()
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
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

// checkKeysURL refuses an address where anyone on the network could replace the
// keys.
func checkKeysURL(u *url.URL) error {
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && ip != nil && ip.IsLoopback() {
		return nil
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Errorf("%s is not an https:// URL; keys are fetched over https only", rolebroker.Quote(u.Redacted()))
	}
	return nil
}

// client trusts the certificates that are in CAFile now. It uses no proxy to reach
// the pod's own API server.
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
	return &http.Client{Transport: transport, CheckRedirect: checkRedirect}, nil
}

// checkRedirect follows a few redirects, to addresses that checkKeysURL accepts.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("it redirects too often")
	}
	return checkKeysURL(r.URL)
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

// hint says what to check if the keys cannot be fetched.
func (s *keySource) hint() string {
	switch {
	case s.inPod:
		return "the runner fetches them from the API server at " + podKeysURL + ": let it reach that, " +
			"with a service-account token in the pod, or name another place with --cluster-keys"
	case s.opts.KeysFile != "":
		return "check the file that --cluster-keys names"
	}
	return "let the runner reach the URL, or name another with --cluster-keys"
}

// keySetOf is the JSON Web Key Set in a file: it contains one, or public keys as
// PEM, as an API server reads them.
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
	return nil, fmt.Errorf("the file of keys has a %s; only public keys may be in it", block.Type)
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
