package deploy_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/internal/kubetest"
)

// node does for a cluster what its controllers and a node would do: it makes the
// pods of Deployments, starts their containers as processes, with the environment,
// the volumes, the user and the arguments of the pod and nothing else, probes them,
// and answers for their logs. All processes share one network, so there is one pod of
// each Deployment.
type node struct {
	*kubetest.Cluster
	t      *testing.T
	dir    string
	hosts  string            // the hosts file of its pods
	env    map[string]string // of every pod: what stands for the world outside
	images map[string]image  // by name, without a tag
	public string            // a certificate that the agents' images trust, as a public authority

	mu      sync.Mutex
	running map[string]*process // by namespace/pod
	made    map[string]string   // the pod of each Deployment and its generation, as namespace/name
}

// image is a program for a container.
type image struct {
	entrypoint []string
	user       int
}

// process is a running pod.
type process struct {
	cmd    *exec.Cmd
	object kubetest.Object
	log    string
	done   chan struct{}
	code   int
}

func newNode(t *testing.T, c *kubetest.Cluster) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "rolebroker-node-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // for the users of its pods
		t.Fatal(err)
	}
	n := &node{Cluster: c, t: t, dir: dir, running: map[string]*process{}, made: map[string]string{},
		env: map[string]string{}, images: map[string]image{}}
	server := httptest.NewTLSServer(http.HandlerFunc(n.serveLog))
	t.Cleanup(func() { server.Close(); os.RemoveAll(dir) })
	at, _ := url.Parse(server.URL)
	port, _ := strconv.Atoi(at.Port())
	n.Do(http.MethodPost, "/api/v1/nodes", kubetest.Object{"metadata": kubetest.Object{"name": "node"}}, nil)
	n.Do(http.MethodPatch, "/api/v1/nodes/node/status", kubetest.Object{"status": kubetest.Object{
		"addresses":       []kubetest.Object{{"type": "InternalIP", "address": "127.0.0.1"}},
		"daemonEndpoints": kubetest.Object{"kubeletEndpoint": kubetest.Object{"Port": port}}}}, nil)
	return n
}

// run works until ctx ends, and then stops the pods.
func (n *node) run(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, p := range n.pods() {
				p.stop()
			}
			return
		case <-tick.C:
			n.controlDeployments()
			n.startPods()
			n.probe()
		}
	}
}

func (n *node) pods() []*process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.running))
}

func (n *node) list(path string) (all []kubetest.Object) {
	var found struct{ Items []kubetest.Object }
	n.Do(http.MethodGet, path, nil, &found)
	return found.Items
}

func named(o kubetest.Object) string {
	return at[string](o, "metadata", "namespace") + "/" + at[string](o, "metadata", "name")
}

// controlDeployments makes a pod for each Deployment that is new or has changed.
func (n *node) controlDeployments() {
	for _, d := range n.list("/apis/apps/v1/deployments") {
		key := named(d)
		generation := fmt.Sprint(at[float64](d, "metadata", "generation"))
		pod := fmt.Sprintf("%s-%s", at[string](d, "metadata", "name"), generation)
		namespace := at[string](d, "metadata", "namespace")
		if n.made[key] == pod {
			continue
		}
		if old := n.made[key]; old != "" {
			n.mu.Lock()
			n.running[namespace+"/"+old].stop()
			delete(n.running, namespace+"/"+old)
			n.mu.Unlock()
			n.Do(http.MethodDelete, "/api/v1/namespaces/"+namespace+"/pods/"+old, kubetest.Object{
				"gracePeriodSeconds": 0}, nil)
		}
		n.rootCA(namespace)
		spec := maps.Clone(at[kubetest.Object](d, "spec", "template", "spec"))
		spec["nodeName"] = "node"
		n.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods", kubetest.Object{
			"metadata": kubetest.Object{"name": pod,
				"labels": at[kubetest.Object](d, "spec", "template", "metadata", "labels")},
			"spec": spec}, nil)
		n.made[key] = pod
	}
}

// rootCA gives a namespace the certificates of the API server, as a controller does.
func (n *node) rootCA(namespace string) {
	text, err := os.ReadFile(n.CAFile)
	if err != nil {
		n.t.Error(err)
	}
	n.Try(http.MethodPost, "/api/v1/namespaces/"+namespace+"/configmaps", kubetest.Object{
		"metadata": kubetest.Object{"name": "kube-root-ca.crt"}, "data": kubetest.Object{"ca.crt": string(text)}})
}

// startPods starts the pods that do not run yet.
func (n *node) startPods() {
	for _, pod := range n.list("/api/v1/pods") {
		key := named(pod)
		n.mu.Lock()
		known := n.running[key] != nil
		n.mu.Unlock()
		if known || at[string](pod, "metadata", "deletionTimestamp") != "" {
			continue
		}
		path := "/api/v1/namespaces/" + at[string](pod, "metadata", "namespace") + "/pods/" +
			at[string](pod, "metadata", "name")
		if at[string](pod, "spec", "nodeName") == "" {
			n.Do(http.MethodPost, path+"/binding", kubetest.Object{
				"metadata": kubetest.Object{"name": at[string](pod, "metadata", "name")},
				"target":   kubetest.Object{"kind": "Node", "name": "node"}}, nil)
		}
		p, err := n.start(pod)
		if err != nil {
			n.t.Errorf("starting %s: %v", key, err)
		}
		n.mu.Lock()
		n.running[key] = p
		n.mu.Unlock()
	}
}

// start starts the container of a pod.
func (n *node) start(pod kubetest.Object) (*process, error) {
	uid := at[string](pod, "metadata", "uid")
	folder := filepath.Join(n.dir, uid)
	p := &process{object: pod, log: filepath.Join(n.dir, uid+".log"), done: make(chan struct{})}
	container := at[[]any](pod, "spec", "containers")[0].(kubetest.Object)
	name, _, _ := strings.Cut(strings.TrimPrefix(at[string](container, "image"), "registry.example.com/"), ":")
	img, ok := n.images[name]
	if !ok {
		return p, fmt.Errorf("the registry has no image %s", at[string](container, "image"))
	}
	if user := at[float64](pod, "spec", "securityContext", "runAsUser"); user != 0 {
		img.user = int(user)
	}
	script, err := n.filesystem(pod, container, folder)
	if err != nil {
		return p, err
	}
	env, err := n.environment(pod, container)
	if err != nil {
		return p, err
	}
	log, err := os.Create(p.log)
	if err != nil {
		return p, err
	}
	defer log.Close()
	args := []string{"--mount", "bash", "-euc", script + `exec setpriv --reuid "$0" --regid "$0" --clear-groups ` +
		`--no-new-privs -- env -i "$@"`, strconv.Itoa(img.user)}
	args = append(args, env...)
	args = append(args, img.entrypoint...)
	for _, arg := range append(at[[]any](container, "command"), at[[]any](container, "args")...) {
		args = append(args, arg.(string))
	}
	p.cmd = exec.Command("unshare", args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return p, err
	}
	go func() {
		err := p.cmd.Wait()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			p.code = exit.ExitCode()
		}
		close(p.done)
	}()
	return p, nil
}

func (p *process) stop() {
	if p == nil || p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// environment is that of the container, as NAME=value.
func (n *node) environment(pod, container kubetest.Object) (all []string, err error) {
	server, _ := url.Parse(n.URL)
	set := map[string]string{"PATH": os.Getenv("PATH"), "HOME": "/root", "KUBERNETES_SERVICE_HOST": server.Hostname(),
		"KUBERNETES_SERVICE_PORT": server.Port()}
	maps.Copy(set, n.env)
	for _, e := range at[[]any](container, "env") {
		e := e.(kubetest.Object)
		name := e["name"].(string)
		set[name], _ = e["value"].(string)
		if ref := at[kubetest.Object](e, "valueFrom", "secretKeyRef"); ref != nil {
			data := n.data(pod, "secrets", ref["name"].(string))
			value, ok := data[ref["key"].(string)]
			if !ok {
				return nil, fmt.Errorf("the Secret %s has no %s", ref["name"], ref["key"])
			}
			set[name] = string(value)
		}
	}
	for name, value := range set {
		all = append(all, name+"="+value)
	}
	return all, nil
}

// data is what a Secret or ConfigMap holds; nil if there is none.
func (n *node) data(pod kubetest.Object, kind, name string) map[string][]byte {
	status, answer := n.Try(http.MethodGet, "/api/v1/namespaces/"+at[string](pod, "metadata", "namespace")+"/"+kind+
		"/"+name, nil)
	if status != http.StatusOK {
		return nil
	}
	if kind == "configmaps" {
		var found struct{ Data map[string]string }
		json.Unmarshal(answer, &found)
		data := map[string][]byte{}
		for key, value := range found.Data {
			data[key] = []byte(value)
		}
		return data
	}
	var found struct{ Data map[string][]byte }
	json.Unmarshal(answer, &found)
	return found.Data
}

// filesystem fills the volumes of a pod, and returns the script that mounts them over
// the machine's own files.
func (n *node) filesystem(pod, container kubetest.Object, folder string) (string, error) {
	script := "mount --make-rprivate /\nmount -t tmpfs -o mode=755 tmpfs /run\n" +
		"mount -t tmpfs -o mode=755 tmpfs /var/lib\n" +
		fmt.Sprintf("mkdir -p %[1]s/etc; cp -a /etc/. %[1]s/etc; cp %[2]s %[1]s/etc/hosts\n", folder, n.hosts) +
		fmt.Sprintf("mount --bind %s/etc /etc\n", folder)
	if n.public != "" {
		script += "for bundle in /etc/ssl/certs/ca-certificates.crt " + strings.Join(bundles(n.t), " ") +
			"; do mount --bind " + n.public + " $bundle; done\n"
	}
	sources := map[string]string{}
	for _, volume := range at[[]any](pod, "spec", "volumes") {
		volume := volume.(kubetest.Object)
		name := volume["name"].(string)
		sources[name] = filepath.Join(folder, name)
		if err := n.fill(pod, volume, sources[name]); err != nil {
			return "", fmt.Errorf("the volume %s: %w", name, err)
		}
	}
	for _, mount := range at[[]any](container, "volumeMounts") {
		mount := mount.(kubetest.Object)
		path := mount["mountPath"].(string)
		script += fmt.Sprintf("mkdir -p %[2]s; mount --bind %[1]s %[2]s\n", sources[mount["name"].(string)], path)
		if readOnly, _ := mount["readOnly"].(bool); readOnly {
			script += "mount -o remount,bind,ro " + path + "\n"
		}
	}
	return script, nil
}

// bundles are the certificates that Python's SDKs trust.
func bundles(t *testing.T) []string {
	out, err := exec.Command(python(t), "-c",
		"import botocore, os, certifi\n"+
			"print(certifi.where(), os.path.dirname(botocore.__file__) + '/cacert.pem')").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// fill fills a volume.
func (n *node) fill(pod, volume kubetest.Object, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if volume["emptyDir"] != nil {
		return os.Chmod(folder, 0o777)
	}
	sources := []any{kubetest.Object{"secret": volume["secret"], "configMap": volume["configMap"]}}
	mode := os.FileMode(0o644)
	for _, kind := range []string{"secret", "configMap", "projected"} {
		if m := at[float64](volume, kind, "defaultMode"); m != 0 {
			mode = os.FileMode(m)
		}
	}
	if projected := at[[]any](volume, "projected", "sources"); projected != nil {
		sources = projected
	}
	files := map[string][]byte{}
	for _, source := range sources {
		if err := n.project(pod, source.(kubetest.Object), files); err != nil {
			return err
		}
	}
	group := int(at[float64](pod, "spec", "securityContext", "fsGroup"))
	for name, content := range files {
		file := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(file, content, mode), os.Chown(file, 0, group),
			os.Chmod(file, mode)); err != nil {
			return err
		}
	}
	return nil
}

// project adds the files of one source of a volume.
func (n *node) project(pod, source kubetest.Object, files map[string][]byte) error {
	for kind, field := range map[string]string{"secret": "secrets", "configMap": "configmaps"} {
		from := at[kubetest.Object](source, kind)
		if from == nil {
			continue
		}
		name, _ := from["name"].(string)
		if name == "" {
			name, _ = from["secretName"].(string)
		}
		data := n.data(pod, field, name)
		if optional, _ := from["optional"].(bool); data == nil && !optional {
			return fmt.Errorf("there is no %s %s", kind, name)
		}
		items := at[[]any](from, "items")
		for key, value := range data {
			if items == nil {
				files[key] = value
			}
			for _, item := range items {
				if item := item.(kubetest.Object); item["key"] == key {
					files[item["path"].(string)] = value
				}
			}
		}
	}
	if asked := at[kubetest.Object](source, "serviceAccountToken"); asked != nil {
		req := kubetest.TokenRequest{Life: time.Duration(asked["expirationSeconds"].(float64)) * time.Second, Pod: pod}
		if audience, _ := asked["audience"].(string); audience != "" {
			req.Audiences = []string{audience}
		}
		files[asked["path"].(string)] = []byte(n.TokenFor(at[string](pod, "metadata", "namespace"),
			at[string](pod, "spec", "serviceAccountName"), req))
	}
	for _, item := range at[[]any](source, "downwardAPI", "items") {
		files[item.(kubetest.Object)["path"].(string)] = []byte(at[string](pod, "metadata", "namespace"))
	}
	return nil
}

// probe tells the API server how the pods are, and their Deployments.
func (n *node) probe() {
	ready := map[string]bool{}
	for _, p := range n.pods() {
		phase, isReady := "Running", false
		select {
		case <-p.done:
			phase = map[bool]string{true: "Succeeded", false: "Failed"}[p.code == 0]
		default:
			isReady = p.ready()
		}
		ready[named(p.object)] = isReady
		n.Try(http.MethodPatch, "/api/v1/namespaces/"+at[string](p.object, "metadata", "namespace")+"/pods/"+
			at[string](p.object, "metadata", "name")+"/status", kubetest.Object{"status": kubetest.Object{
			"phase": phase, "podIP": "127.0.0.1", "conditions": []kubetest.Object{{"type": "Ready",
				"status": map[bool]string{true: "True", false: "False"}[isReady]}}}})
	}
	for _, d := range n.list("/apis/apps/v1/deployments") {
		namespace, replicas := at[string](d, "metadata", "namespace"), at[float64](d, "spec", "replicas")
		is := 0.0
		if ready[namespace+"/"+n.made[named(d)]] {
			is = replicas // one process stands for all
		}
		n.Try(http.MethodPatch, "/apis/apps/v1/namespaces/"+namespace+"/deployments/"+at[string](d, "metadata", "name")+
			"/status", kubetest.Object{"status": kubetest.Object{"observedGeneration": at[float64](d, "metadata",
			"generation"), "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": is,
			"availableReplicas": is}})
	}
}

// probing asks containers as the kubelet does, which believes every certificate.
var probing = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

func (p *process) ready() bool {
	container := at[[]any](p.object, "spec", "containers")[0].(kubetest.Object)
	get := at[kubetest.Object](container, "readinessProbe", "httpGet")
	if get == nil {
		return true
	}
	resp, err := probing.Get(fmt.Sprintf("%s://127.0.0.1:%v%s", strings.ToLower(get["scheme"].(string)), get["port"],
		get["path"]))
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// serveLog answers the API server for kubectl logs: /containerLogs/NAMESPACE/POD/CONTAINER.
func (n *node) serveLog(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(parts) < 4 || n.running[parts[2]+"/"+parts[3]] == nil {
		http.NotFound(w, r)
		return
	}
	http.ServeFile(w, r, n.running[parts[2]+"/"+parts[3]].log)
}

// logs are those of all pods, for the failure of a test.
func (n *node) logs() string {
	var all string
	for _, p := range n.pods() {
		text, _ := os.ReadFile(p.log)
		all += "== " + named(p.object) + "\n" + string(text)
	}
	return all
}

// patience is how long a load balancer tries to reach what is behind it. The API server, which knows that, can be slow.
const patience = time.Minute

// forward listens on an address of this network, and connects who comes to another.
func forward(t *testing.T, address string, dial func() (net.Conn, error)) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := dial()
				deadline := time.Now().Add(patience)
				for err != nil && t.Context().Err() == nil && time.Now().Before(deadline) {
					time.Sleep(100 * time.Millisecond)
					out, err = dial()
				}
				if err != nil {
					fmt.Fprintf(os.Stderr, "nothing is behind %s: %v\n", address, err)
					return
				}
				defer out.Close()
				go func() { copyAll(out, in) }()
				copyAll(in, out)
			}()
		}
	}()
}

func copyAll(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// dialService connects to the pod behind the port 443 of a Service, as the Service has
// it: by its selector, and by the name of the pod's port.
func (n *node) dialService(namespace, name string) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		var service kubetest.Object
		status, answer, err := n.Ask(http.MethodGet, "/api/v1/namespaces/"+namespace+"/services/"+name, nil)
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("there is no Service %s: %d, %v", name, status, err)
		}
		json.Unmarshal(answer, &service)
		for _, port := range at[[]any](service, "spec", "ports") {
			port := port.(kubetest.Object)
			if port["port"].(float64) != 443 {
				continue
			}
			for _, p := range n.pods() {
				if target := p.port(service, port["targetPort"]); target != 0 &&
					at[string](p.object, "metadata", "namespace") == namespace {
					return net.Dial("tcp", fmt.Sprintf("127.0.0.1:%v", target))
				}
			}
		}
		return nil, fmt.Errorf("no pod is behind the port 443 of the Service %s", name)
	}
}

// port is the port of the pod with that name, if the Service selects the pod; else 0.
func (p *process) port(service kubetest.Object, name any) float64 {
	labels := at[kubetest.Object](p.object, "metadata", "labels")
	for key, value := range at[kubetest.Object](service, "spec", "selector") {
		if labels[key] != value {
			return 0
		}
	}
	container := at[[]any](p.object, "spec", "containers")[0].(kubetest.Object)
	for _, port := range at[[]any](container, "ports") {
		if port := port.(kubetest.Object); port["name"] == name || port["containerPort"] == name {
			return port["containerPort"].(float64)
		}
	}
	return 0
}
