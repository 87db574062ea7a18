// Package kubetest gives a test a Kubernetes cluster without nodes: a real
// kube-apiserver on a real etcd, on loopback, for as long as the test runs.
//
// A real API server makes tokens, publishes their keys, enforces RBAC and validates
// objects. Nothing runs in the cluster: it has no controllers and no kubelet, so a
// Deployment starts no pods, and tests create service accounts themselves. The
// package has no fakes.
//
// make kubernetes builds the programs from the module in the folder programs and
// installs etcd. If they are missing, tests are skipped, or fail where CI is set.
//
//	cluster := kubetest.New(t)
//	cluster.Namespace("agents", nil)
//	cluster.ServiceAccount("agents", "scout")
//	token := cluster.Token("agents", "scout", "rolebroker", time.Hour)
package kubetest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Issuer is the issuer of the service account tokens of a cluster that New makes.
const Issuer = "https://kubernetes.default.svc.cluster.local"

// ready bounds the time that the cluster takes to start.
const ready = 3 * time.Minute

// Cluster is a Kubernetes cluster without nodes. Its methods fail the test on
// errors.
type Cluster struct {
	URL        string // of the API server
	CAFile     string // the certificate of its CA, as PEM
	Kubeconfig string // for kubectl and helm, as its administrator
	Issuer     string // of its service account tokens

	name      string // of the context in Kubeconfig
	t         testing.TB
	dir       string
	port      string
	etcd      string // its URL
	admin     *http.Client
	apiserver *process
	keys      int // the number of its token keys so far
}

// New starts a cluster for the test.
func New(t testing.TB) *Cluster {
	t.Helper()
	return Named(t, "kubetest", Issuer)
}

// Named is New for a cluster with an issuer of its own. The context in its kubeconfig
// has the name, so that kubectl can tell several clusters apart.
func Named(t testing.TB, name, issuer string) *Cluster {
	t.Helper()
	for range 5 {
		if c := attempt(t, name, issuer); c != nil {
			return c
		}
	}
	t.Fatal("every port that was free a moment ago is taken")
	return nil
}

// attempt is New. It returns nil if another process took a port meanwhile.
func attempt(t testing.TB, name, issuer string) *Cluster {
	t.Helper()
	program, store := Program(t, "kube-apiserver"), Program(t, "etcd")
	dir, err := os.MkdirTemp("", "rolebroker-kubernetes-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ports, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{
		name: name, Issuer: issuer,
		t: t, dir: dir, port: ports[0], URL: "https://127.0.0.1:" + ports[0], etcd: "http://127.0.0.1:" + ports[1],
		CAFile: filepath.Join(dir, "ca.crt"), Kubeconfig: filepath.Join(dir, "kubeconfig"),
	}
	peers := "http://127.0.0.1:" + ports[2]
	etcd := start(t, filepath.Join(dir, "etcd.log"), store, "--data-dir", filepath.Join(dir, "etcd"),
		"--listen-client-urls", c.etcd, "--advertise-client-urls", c.etcd, "--listen-peer-urls", peers,
		"--initial-advertise-peer-urls", peers, "--initial-cluster", "default="+peers)
	t.Cleanup(etcd.stop)
	c.certify()
	c.newKey()
	started := c.run(program)
	t.Cleanup(func() { c.apiserver.stop() })
	if !started {
		return nil
	}
	return c
}

// Program returns the path of a program: in the folder bin of this repository, or
// on PATH. Without it the test is skipped, or fails in CI.
func Program(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if found, err := exec.LookPath(filepath.Join(dir, "bin", name)); err == nil {
			return found
		}
		if _, err := os.Stat(filepath.Join(dir, "internal", "kubetest", "programs")); err == nil {
			break // the root of the repository
		}
	}
	found, err := exec.LookPath(name)
	switch {
	case err == nil:
		return found
	case os.Getenv("CI") != "":
		t.Fatalf("%s is needed: run make kubernetes", name)
	}
	t.Skipf("NOT TESTED: %s is needed: run make kubernetes", name)
	return ""
}

// run starts the API server and waits until it is ready. It returns false if its
// port or etcd's is taken.
func (c *Cluster) run(program string) bool {
	c.t.Helper()
	args := []string{
		"--etcd-servers=" + c.etcd,
		"--bind-address=127.0.0.1", "--secure-port=" + c.port, "--advertise-address=192.0.2.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.file("server.crt"), "--tls-private-key-file=" + c.file("server.key"),
		"--client-ca-file=" + c.CAFile,
		"--service-account-issuer=" + c.Issuer, "--service-account-signing-key-file=" + c.file(keyFile(c.keys)),
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
		"--enable-priority-and-fairness=false", "--profiling=false",
	}
	for n := range c.keys {
		args = append(args, "--service-account-key-file="+c.file(keyFile(n+1)))
	}
	c.apiserver = start(c.t, c.file("apiserver.log"), program, args...)
	deadline := time.Now().Add(ready)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, answer, err := c.Ask(http.MethodGet, "/readyz", nil)
		if err == nil && status == http.StatusOK {
			return true
		}
		if c.said("etcd.log", portTaken) || c.said("apiserver.log", portTaken) {
			return false
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(c.file("apiserver.log"))
			c.t.Fatalf("the API server does not start: %v %s\n%s", err, answer, log[max(0, len(log)-4000):])
		}
	}
	return false
}

// portTaken is the message of programs that cannot listen.
const portTaken = "address already in use"

// said looks for a text in a log.
func (c *Cluster) said(log, text string) bool {
	content, err := os.ReadFile(c.file(log))
	return err == nil && bytes.Contains(content, []byte(text))
}

// NewKey rotates the API server's key for tokens. It restarts the server, which
// then signs with the new key and publishes the old ones too.
func (c *Cluster) NewKey() {
	c.t.Helper()
	c.apiserver.stop()
	c.newKey()
	if !c.run(Program(c.t, "kube-apiserver")) {
		c.t.Fatal("another process took the API server's port")
	}
}

func keyFile(n int) string { return fmt.Sprintf("key-%d", n) }

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

// KeysURL returns the URL of the API server's public keys, which any service
// account may read.
func (c *Cluster) KeysURL() string { return c.URL + "/openid/v1/jwks" }

// Namespace makes a namespace.
func (c *Cluster) Namespace(name string, labels map[string]string) {
	c.t.Helper()
	c.Do(http.MethodPost, "/api/v1/namespaces", Object{"metadata": Object{"name": name, "labels": labels}}, nil)
}

// ServiceAccount makes a service account. Without a controller, a namespace has
// none, not even the default one.
func (c *Cluster) ServiceAccount(namespace, name string) {
	c.t.Helper()
	c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts", Object{"metadata": Object{"name": name}},
		nil)
}

// Token makes a token as the kubelet does for a projected volume of a pod. The
// empty audience is the API server's own. The least life is ten minutes.
func (c *Cluster) Token(namespace, name, audience string, life time.Duration) string {
	c.t.Helper()
	if audience == "" {
		return c.TokenFor(namespace, name, TokenRequest{Life: life})
	}
	return c.TokenFor(namespace, name, TokenRequest{Life: life, Audiences: []string{audience}})
}

// TokenRequest says what token to make.
type TokenRequest struct {
	Life      time.Duration
	Audiences []string // none: the API server
	Pod       Object   // one that Pod made, to which the token is bound; nil: none
}

// TokenFor is Token for any request.
func (c *Cluster) TokenFor(namespace, name string, req TokenRequest) string {
	c.t.Helper()
	spec := Object{"expirationSeconds": int(req.Life.Seconds()), "audiences": req.Audiences}
	if req.Pod != nil {
		meta := req.Pod["metadata"].(Object)
		spec["boundObjectRef"] = Object{"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
	}
	var made struct{ Status struct{ Token string } }
	c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"/token", Object{"spec": spec},
		&made)
	return made.Status.Token
}

// Pod makes a pod of a service account, which never runs.
func (c *Cluster) Pod(namespace, name, account string) (made Object) {
	c.t.Helper()
	c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods", Object{"metadata": Object{"name": name},
		"spec": Object{"serviceAccountName": account, "containers": []Object{{"name": "agent", "image": "agent"}}}},
		&made)
	return made
}

// Reviewer lets a service account review tokens and read the labels of service
// accounts, as the runner's Helm chart does.
func (c *Cluster) Reviewer(namespace, name string) {
	c.t.Helper()
	const group = "rbac.authorization.k8s.io"
	c.Do(http.MethodPost, "/apis/"+group+"/v1/clusterroles", Object{"metadata": Object{"name": name}, "rules": []Object{
		{"apiGroups": []string{"authentication.k8s.io"}, "resources": []string{"tokenreviews"},
			"verbs": []string{"create"}},
		{"apiGroups": []string{""}, "resources": []string{"serviceaccounts"}, "verbs": []string{"get"}},
	}}, nil)
	c.Do(http.MethodPost, "/apis/"+group+"/v1/clusterrolebindings", Object{"metadata": Object{"name": name},
		"roleRef":  Object{"apiGroup": group, "kind": "ClusterRole", "name": name},
		"subjects": []Object{{"kind": "ServiceAccount", "namespace": namespace, "name": name}}}, nil)
}

// Eventually waits until a condition holds, for a minute at most.
func (c *Cluster) Eventually(holds func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatal("it does not come to that in a minute")
		}
	}
}

// TokenFile makes a file with a token for the API server, as a pod has.
func (c *Cluster) TokenFile(namespace, name string) string {
	c.t.Helper()
	file := c.file("token-" + namespace + "-" + name)
	c.write(filepath.Base(file), []byte(c.Token(namespace, name, "", time.Hour)))
	return file
}

// Object is an object of the API server, decoded from JSON.
type Object = map[string]any

// Do sends a request to the API server as its administrator. Unless into is nil, it
// decodes the response into it.
func (c *Cluster) Do(method, path string, body, into any) {
	c.t.Helper()
	status, answer := c.Try(method, path, body)
	if status/100 != 2 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer, into); err != nil {
		c.t.Fatal(err)
	}
}

// Try is Do for requests that may be refused.
func (c *Cluster) Try(method, path string, body any) (status int, answer []byte) {
	c.t.Helper()
	status, answer, err := c.Ask(method, path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	return status, answer
}

// Ask is Try for goroutines beside that of the test: the caller gets the error.
func (c *Cluster) Ask(method, path string, body any) (int, []byte, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequest(method, c.URL+path, bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := c.admin.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// client returns a client that trusts the cluster's CA and has the administrator's
// certificate.
func client(ca *x509.CertPool, own tls.Certificate) *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DisableKeepAlives: true, // the server is restarted
			TLSClientConfig:   &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{own}},
		},
	}
}

// process is a server. It ends with the test process, even if that is killed.
type process struct {
	shell *exec.Cmd
	lease io.Closer
}

// supervise is a shell script that runs a command until its own standard input
// ends.
const supervise = `"$@" </dev/null & child=$!; cat >/dev/null; kill -9 $child; wait $child 2>/dev/null`

func start(t testing.TB, log, program string, args ...string) *process {
	t.Helper()
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	p := &process{shell: exec.Command("/bin/sh", append([]string{"-c", supervise, "supervise", program}, args...)...)}
	p.shell.Dir = filepath.Dir(log)
	p.shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(log)}
	p.shell.Stdout, p.shell.Stderr = output, output
	if p.lease, err = p.shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.shell.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) stop() {
	p.lease.Close()
	_ = p.shell.Wait() // it was killed
}

// freePorts returns ports that were free a moment ago.
func freePorts(n int) (ports []string, err error) {
	for range n {
		listener, listenErr := net.Listen("tcp", "127.0.0.1:0")
		if listenErr != nil {
			return nil, errors.Join(err, listenErr)
		}
		defer listener.Close()
		_, port, _ := strings.Cut(listener.Addr().String(), ":")
		ports = append(ports, port)
	}
	return ports, nil
}
