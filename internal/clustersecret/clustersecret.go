// Package clustersecret keeps one value in a Kubernetes Secret. The replicas of a
// runner share their credential in it.
//
// It reads and writes one key of one Secret through the API server's REST API,
// with the service account of its pod. It replaces a value only if the caller
// knows it, so that if two replicas change it at once, one of them gets an error
// and no change is lost. The other keys of the Secret stay as they are.
//
// The package does not list, watch or delete. It needs permission to get and
// patch the Secret, and to create Secrets if it does not exist. No error repeats
// a value.
//
//	secret, err := clustersecret.New(clustersecret.Options{Name: "rolebroker-runner"})
//	value, err := secret.Load(ctx)          // not_found: there is no value yet
//	err = secret.Save(ctx, value, newValue) // conflict: another replica changed it
//
// Source: Kubernetes API reference, "Secret"; API conventions, "Concurrency
// Control and Consistency".
package clustersecret

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

// DefaultKey is the key of the value in the Secret.
const DefaultKey = "credential"

// podFolder is where the kubelet puts a pod's token and the certificates of its API
// server.
const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount/"

const (
	timeout   = 10 * time.Second
	maxAnswer = 4 << 20 // bytes; a Secret has at most 1 MiB, before base64
	attempts  = 5       // to write, while others change other keys of the Secret
)

// Options configure New. Name is required; the pod has the rest.
type Options struct {
	BaseURL   string // of the API server; empty: that of the pod's cluster
	Namespace string // empty: the pod's
	Name      string // of the Secret
	Key       string // in the Secret; empty: DefaultKey
	CAFile    string // certificates to trust, as PEM; empty: the pod's
	TokenFile string // of a service account, read each time; empty: the pod's
}

// Secret is one key of one Kubernetes Secret. Goroutines may share it.
type Secret struct {
	opts  Options
	token *tokenfile.File // of TokenFile
}

// New makes a Secret. It sends no request. Codes: invalid, if Name is empty, or if
// an option is empty and this is not a pod.
func New(opts Options) (*Secret, error) {
	if opts.BaseURL == "" {
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, rolebroker.Errorf(rolebroker.CodeInvalid,
				"this process does not run in a Kubernetes pod, so it has no Secret").
				WithHint("keep it in a folder instead")
		}
		opts.BaseURL = "https://" + net.JoinHostPort(host, port)
	}
	if opts.Namespace == "" {
		namespace, err := os.ReadFile(podFolder + "namespace")
		if err != nil {
			return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the namespace of the Secret is not known: %w", err)
		}
		opts.Namespace = strings.TrimSpace(string(namespace))
	}
	if opts.Name == "" {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the Secret has no name")
	}
	opts.BaseURL = strings.TrimSuffix(opts.BaseURL, "/")
	opts.Key = cmp.Or(opts.Key, DefaultKey)
	opts.CAFile = cmp.Or(opts.CAFile, podFolder+"ca.crt")
	opts.TokenFile = cmp.Or(opts.TokenFile, podFolder+"token")
	return &Secret{opts, tokenfile.New(opts.TokenFile)}, nil
}

// String names the Secret.
func (s *Secret) String() string {
	return "the Secret " + s.opts.Name + " in the namespace " + s.opts.Namespace
}

// object is a Secret in the API server's JSON, without the fields that this package
// does not need.
type object struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Metadata   metadata          `json:"metadata"`
	Data       map[string][]byte `json:"data"` // base64 in JSON
}

type metadata struct {
	Name            string `json:"name,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// Load reads the value. Codes: not_found, if there is no Secret or no such key in
// it; denied, unauthenticated, unavailable.
func (s *Secret) Load(ctx context.Context) ([]byte, error) {
	found, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	value := found.Data[s.opts.Key]
	if len(value) == 0 {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s in %s", s.opts.Key, s)
	}
	return value, nil
}

// Save replaces old, nil if there is no value, with value. If the Secret has value
// already, Save succeeds. Codes: conflict, if it has something else; denied,
// unauthenticated, unavailable.
func (s *Secret) Save(ctx context.Context, old, value []byte) error {
	var err error
	for range attempts {
		if err = s.replace(ctx, old, value); !errors.Is(err, errChanged) {
			return err
		}
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "other writers keep changing %s: %w", s, err)
}

// errChanged means that another writer changed the Secret after it was read,
// perhaps another key.
var errChanged = errors.New("it changed after it was read")

// replace is one attempt at Save.
func (s *Secret) replace(ctx context.Context, old, value []byte) error {
	found, err := s.get(ctx)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound && len(old) == 0 {
		return s.create(ctx, value)
	}
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return s.conflict()
	}
	if err != nil {
		return err
	}
	switch there := found.Data[s.opts.Key]; {
	case same(there, value):
		return nil
	case !same(there, old):
		return s.conflict()
	}
	patch := object{Metadata: metadata{ResourceVersion: found.Metadata.ResourceVersion},
		Data: map[string][]byte{s.opts.Key: value}}
	_, err = s.do(ctx, http.MethodPatch, s.path()+"/"+url.PathEscape(s.opts.Name), "application/merge-patch+json",
		patch)
	return err
}

// create creates the Secret.
func (s *Secret) create(ctx context.Context, value []byte) error {
	made := object{APIVersion: "v1", Kind: "Secret", Metadata: metadata{Name: s.opts.Name},
		Data: map[string][]byte{s.opts.Key: value}}
	_, err := s.do(ctx, http.MethodPost, s.path(), "application/json", made)
	return err
}

func (s *Secret) conflict() error {
	return rolebroker.Errorf(rolebroker.CodeConflict, "another replica has changed %s", s).
		WithHint("read it again")
}

// same compares values in constant time.
func same(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (s *Secret) get(ctx context.Context) (*object, error) {
	return s.do(ctx, http.MethodGet, s.path()+"/"+url.PathEscape(s.opts.Name), "", nil)
}

func (s *Secret) path() string {
	return "/api/v1/namespaces/" + url.PathEscape(s.opts.Namespace) + "/secrets"
}

// do sends a request to the API server. Its error is errChanged for a conflict.
func (s *Secret) do(ctx context.Context, method, path, kind string, body any) (*object, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := s.request(ctx, method, path, kind, body)
	if err != nil {
		return nil, err
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, s.unavailable(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, s.unavailable(err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, s.refusal(method, resp, answer)
	}
	var found object
	if err := json.Unmarshal(answer, &found); err != nil || found.Metadata.ResourceVersion == "" {
		return nil, s.unavailable(errors.New("the answer is not a Secret")) // err could quote a value
	}
	return &found, nil
}

func (s *Secret) request(ctx context.Context, method, path, kind string, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.opts.BaseURL+path, content)
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the URL of the API server is not valid: %w", err)
	}
	if req.URL.Scheme != "https" {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid,
			"the URL of the API server must be https://, because secrets go there")
	}
	token, err := s.token.Token()
	if err != nil { // the API server would take the pod for an anonymous user
		return nil, s.unavailable(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

// client trusts the certificates that are in CAFile now. It uses no proxy, since
// the API server is inside the cluster, and follows no redirect.
func (s *Secret) client() (*http.Client, error) {
	content, err := os.ReadFile(s.opts.CAFile)
	if err != nil {
		return nil, s.unavailable(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, s.unavailable(errors.New(s.opts.CAFile + " has no certificate in it"))
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func (s *Secret) unavailable(err error) error {
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the API server cannot be asked for %s: %w", s, err)
}

// refusal explains an error of the API server. It keeps the server's own message
// only for a denial, as the cause: the others may repeat a value.
func (s *Secret) refusal(method string, resp *http.Response, answer []byte) error {
	verb := map[string]string{http.MethodGet: "get", http.MethodPatch: "patch", http.MethodPost: "create"}[method]
	switch resp.StatusCode {
	case http.StatusNotFound:
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s", strings.TrimPrefix(s.String(), "the "))
	case http.StatusConflict:
		return errChanged
	case http.StatusUnauthorized:
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated,
			"the API server does not accept the token of the pod's service account").
			WithHint("look at the file %s in the pod", s.opts.TokenFile)
	case http.StatusForbidden:
		var status struct{ Message string }
		_ = json.Unmarshal(answer, &status) // without a message there is no cause
		e := rolebroker.Errorf(rolebroker.CodeDenied, "the API server does not let the pod %s %s", verb, s).
			WithSteps(rolebroker.Step{
				Text: "give its service account a Role with get and patch of that Secret; this tells whether it has " +
					"one:",
				Command: rolebroker.ShellCommand("kubectl", "auth", "can-i", verb, "secret/"+s.opts.Name,
					"--namespace", s.opts.Namespace, "--as", "system:serviceaccount:NAMESPACE:NAME")})
		e.Cause = errors.New(status.Message)
		return e
	}
	return s.unavailable(fmt.Errorf("it answered %s", resp.Status))
}
