// Package clustersecret keeps one value in a Kubernetes Secret, which is where a
// runner in a cluster keeps its credential, for all of its replicas.
//
// It reads and writes one key of one Secret, with the service account of its
// pod, by the API server's REST API. A value is written only over the one that
// the writer knows, so that of two replicas that change it at once one is told,
// and nothing is lost. What else is in the Secret stays as it is.
//
// The package refuses to list, to watch, and to delete, and needs no permission
// to: get and patch of that one Secret are enough, or create as well where the
// Secret is not there yet. No error repeats a value.
//
//	secret, err := clustersecret.New(clustersecret.Options{Name: "rolebroker-runner"})
//	value, err := secret.Load(ctx)          // not_found: there is none yet
//	err = secret.Save(ctx, value, newValue) // conflict: somebody else was faster
//
// Source: Kubernetes API reference, "Secret"; API conventions, "Concurrency
// Control and Consistency".
package clustersecret

import (
	"bytes"
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
)

// DefaultKey is where in the Secret the value is.
const DefaultKey = "credential"

// podFolder is where the kubelet puts what a pod needs to speak to its API server.
const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount/"

const (
	timeout   = 10 * time.Second
	maxAnswer = 4 << 20 // bytes; a Secret has at most 1 MiB, before base64
	attempts  = 5       // at a write, while others change other parts of the Secret
)

// Options configure New. Name is required; the rest is the pod's unless said.
type Options struct {
	BaseURL   string // of the API server; empty: that of the pod's cluster
	Namespace string // empty: the pod's
	Name      string // of the Secret
	Key       string // in the Secret; empty: DefaultKey
	CAFile    string // certificates to trust, as PEM; empty: the pod's
	TokenFile string // of a service account, read each time; empty: the pod's
}

// Secret is one key of one Secret. It may be used by many at once.
type Secret struct{ opts Options }

// New makes a Secret. It asks nobody yet. Codes: invalid, when it is not said
// which Secret, or whose API server where there is no pod.
func New(opts Options) (*Secret, error) {
	if opts.BaseURL == "" {
		host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "this does not run in a Kubernetes pod, so there is no Secret to keep anything in").
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
	opts.Key = orElse(opts.Key, DefaultKey)
	opts.CAFile = orElse(opts.CAFile, podFolder+"ca.crt")
	opts.TokenFile = orElse(opts.TokenFile, podFolder+"token")
	return &Secret{opts}, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// String names the Secret.
func (s *Secret) String() string {
	return "the Secret " + s.opts.Name + " in the namespace " + s.opts.Namespace
}

// object is what is read of a Secret, and written.
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

// Load is the value. Codes: not_found, when there is no Secret or no such key in
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

// Save puts value in the place of old, nil if there was none. What has become
// value already is left so. Codes: conflict, when something else is there;
// denied, unauthenticated, unavailable.
func (s *Secret) Save(ctx context.Context, old, value []byte) error {
	var err error
	for range attempts {
		if err = s.replace(ctx, old, value); !errors.Is(err, errChanged) {
			return err
		}
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "%s is changed by others again and again: %w", s, err)
}

// errChanged says that the Secret is no longer as it was read, which need not
// be because of our key.
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
	patch := object{Metadata: metadata{ResourceVersion: found.Metadata.ResourceVersion}, Data: map[string][]byte{s.opts.Key: value}}
	_, err = s.do(ctx, http.MethodPatch, s.path()+"/"+url.PathEscape(s.opts.Name), "application/merge-patch+json", patch)
	return err
}

// create makes the Secret.
func (s *Secret) create(ctx context.Context, value []byte) error {
	made := object{APIVersion: "v1", Kind: "Secret", Metadata: metadata{Name: s.opts.Name}, Data: map[string][]byte{s.opts.Key: value}}
	_, err := s.do(ctx, http.MethodPost, s.path(), "application/json", made)
	return err
}

func (s *Secret) conflict() error {
	return rolebroker.Errorf(rolebroker.CodeConflict, "%s was changed by somebody else", s).
		WithHint("read it again: another replica has put a newer one there")
}

// same compares in constant time.
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

// do asks the API server. A conflict is errChanged.
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
		return nil, s.unavailable(errors.New("the answer is not a Secret")) // what is in it is nobody's business
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
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the URL of the API server has to be https://, because secrets go there")
	}
	token, err := os.ReadFile(s.opts.TokenFile)
	if err == nil && len(bytes.TrimSpace(token)) == 0 { // without one the API server would judge somebody else: anonymous
		err = fmt.Errorf("the file %s is empty", s.opts.TokenFile)
	}
	if err != nil {
		return nil, s.unavailable(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

// client trusts the CA as it is now. It goes through no proxy, which is for the
// world outside of the cluster, and follows nobody.
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

// refusal words what the API server does not do. Of what it says only why
// something is forbidden is kept: the rest may repeat what it was sent.
func (s *Secret) refusal(method string, resp *http.Response, answer []byte) error {
	verb := map[string]string{http.MethodGet: "get", http.MethodPatch: "patch", http.MethodPost: "create"}[method]
	switch resp.StatusCode {
	case http.StatusNotFound:
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no %s", strings.TrimPrefix(s.String(), "the "))
	case http.StatusConflict:
		return errChanged
	case http.StatusUnauthorized:
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the API server does not know the token of the pod's service account").
			WithHint("look at the file %s in the pod", s.opts.TokenFile)
	case http.StatusForbidden:
		var status struct{ Message string }
		_ = json.Unmarshal(answer, &status) // then there is no cause
		e := rolebroker.Errorf(rolebroker.CodeDenied, "the API server does not let the pod %s %s", verb, s).
			WithHint("give its service account a Role with get and patch of that Secret; this says whether it has it:\n"+
				"kubectl auth can-i %s secret/%s --namespace %s --as system:serviceaccount:NAMESPACE:NAME", verb, s.opts.Name, s.opts.Namespace)
		e.Cause = errors.New(status.Message)
		return e
	}
	return s.unavailable(fmt.Errorf("it answered %s", resp.Status))
}
