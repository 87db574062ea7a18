package deploy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/cli"
	"github.com/rolebroker/rolebroker/internal/kubetest"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// TestMain makes this program be rolebroker when it is called by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "rolebroker" {
		os.Exit(cli.Main(cli.OS()))
	}
	storetest.Main(m)
}

const page = "../docs/kubernetes.md"

// blockPattern finds the blocks of the page, with the comment above each.
var blockPattern = regexp.MustCompile("(?ms)(?:^<!-- ([a-z ]+)(?:: ([^>]+))? -->\n)?^```(\\w+)\n(.*?)^```$")

// inWorld is the number of clusters in the environment of a test that has a network and mounts of its own.
const inWorld = "ROLEBROKER_TEST_IN_WORLD"

// TestKubernetesPageIsTrue plays the page from its first line to its last, in one
// cluster and in two, on real API servers and a simulated AWS. It runs every block as it
// is written. A node stands in for those of a cluster, docker for a registry, and the
// hosts file for DNS.
func TestKubernetesPageIsTrue(t *testing.T) {
	if clusters, err := strconv.Atoi(os.Getenv(inWorld)); err == nil {
		playPage(t, clusters)
		return
	}
	for _, program := range []string{"unshare", "setpriv", "ip"} {
		if _, err := exec.LookPath(program); err != nil || os.Getuid() != 0 {
			notTested(t, "root and %s are needed", program)
		}
	}
	for _, program := range []string{"kube-apiserver", "kubectl", "helm"} {
		kubetest.Program(t, program)
	}
	t.Run("in one cluster", func(t *testing.T) { t.Parallel(); inAWorld(t, 1) })
	t.Run("in two clusters", func(t *testing.T) { t.Parallel(); inAWorld(t, 2) })
}

// inAWorld runs TestKubernetesPageIsTrue with a network and mounts of its own.
func inAWorld(t *testing.T, clusters int) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	world := exec.Command("unshare", "--net", "--mount", "bash", "-euc", `ip link set lo up; mount --make-rprivate /
"$0" -test.run '^TestKubernetesPageIsTrue$' -test.count 1 -test.v`, self)
	world.Env = append(os.Environ(), fmt.Sprintf("%s=%d", inWorld, clusters))
	out, err := world.CombinedOutput()
	if strings.Contains(string(out), "Operation not permitted") && !strings.Contains(string(out), "=== RUN") {
		notTested(t, "networks and mounts cannot be made here\n%s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestKubernetesPageIsTrue") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The names of the page. Each is at an address of its own, where what DNS and load
// balancers do leads to the pods.
var names = map[string]string{"rolebroker.example.com": "127.0.1.1", "runner.example.com": "127.0.1.2",
	"db.example.com": "127.0.1.3"}

// playPage plays the page in that many clusters.
func playPage(t *testing.T, clusters int) {
	w := newWorld(t, clusters)
	w.script(t)
	agents := w.nodes[len(w.nodes)-1]

	said := w.logOf(t, agents, "agents", "scout")
	if !strings.Contains(said, "arn:aws:sts::444455556666:assumed-role/ClusterReadOnly/scout") {
		t.Errorf("the agent's pod says %s", said)
	}
	w.agents(t, agents)
}

// agents runs other pods beside the one of the page.
func (w *world) agents(t *testing.T, n *node) {
	for _, account := range []struct {
		namespace, name string
		labels          kubetest.Object
	}{
		{"batch", "nightly", nil}, {"agents", "reporter", kubetest.Object{"team": "ml"}}, {"agents", "other", nil},
	} {
		n.Do(http.MethodPost, "/api/v1/namespaces/"+account.namespace+"/serviceaccounts", kubetest.Object{
			"metadata": kubetest.Object{"name": account.name, "labels": account.labels}}, nil)
	}
	asScout, asBatch := "assumed-role/ClusterReadOnly/scout", "assumed-role/ClusterReadOnly/batch"
	for _, test := range []struct {
		name, namespace, account, audience, drop, want string
	}{
		{"boto3", "agents", "scout", "rolebroker", "", asScout},
		{"whole-namespace", "batch", "nightly", "rolebroker", "", asBatch},
		{"by-label", "agents", "reporter", "rolebroker", "", asBatch},
		{"not-bound", "agents", "other", "rolebroker", "", string(rolebroker.CodeNotBound)},
		{"for-aws", "agents", "scout", "sts.amazonaws.com", "", string(rolebroker.CodeTokenAudience)},
		{"without-a-region", "agents", "scout", "rolebroker", "AWS_DEFAULT_REGION", "NoRegionError"},
	} {
		pod := n.podOfPage(test.name, test.namespace, test.account, test.audience, test.drop)
		n.Do(http.MethodPost, "/api/v1/namespaces/"+test.namespace+"/pods", pod, nil)
		if said := w.logOf(t, n, test.namespace, test.name); !strings.Contains(said, test.want) {
			t.Errorf("%s: it does not say %s:\n%s", test.name, test.want, said)
		}
	}
}

// podOfPage is the agent's pod of the page with boto3 in it, and some changes.
func (n *node) podOfPage(name, namespace, account, audience, drop string) kubetest.Object {
	var pod kubetest.Object
	n.Do(http.MethodGet, "/api/v1/namespaces/agents/pods/scout", nil, &pod)
	spec := at[kubetest.Object](pod, "spec")
	delete(spec, "nodeName")
	delete(spec, "tolerations")
	spec["serviceAccountName"], spec["serviceAccount"] = account, account
	container := at[[]any](spec, "containers")[0].(kubetest.Object)
	container["image"] = "registry.example.com/boto3"
	delete(container, "args")
	var env []any
	for _, e := range at[[]any](container, "env") {
		if e.(kubetest.Object)["name"] != drop {
			env = append(env, e)
		}
	}
	container["env"] = env
	source := at[[]any](at[[]any](spec, "volumes")[0].(kubetest.Object), "projected", "sources")[0].(kubetest.Object)
	at[kubetest.Object](source, "serviceAccountToken")["audience"] = audience
	return kubetest.Object{"metadata": kubetest.Object{"name": name, "namespace": namespace}, "spec": spec}
}

// logOf waits until a pod is done, and returns what it wrote.
func (w *world) logOf(t *testing.T, n *node, namespace, pod string) string {
	t.Helper()
	n.Eventually(func() bool {
		n.mu.Lock()
		p := n.running[namespace+"/"+pod]
		n.mu.Unlock()
		if p == nil || p.cmd == nil {
			return false
		}
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	text, err := os.ReadFile(n.running[namespace+"/"+pod].log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// world is everything around the page's commands.
type world struct {
	folder, programs string
	nodes            []*node // of the control plane's cluster, and of the agents' one if that is another
	env              []string
}

func newWorld(t *testing.T, clusters int) *world {
	t.Helper()
	w := &world{folder: t.TempDir(), programs: t.TempDir()}
	var kubeconfigs []string
	for i, name := range []string{"control-plane", "agents"}[:clusters] {
		n := newNode(t, kubetest.Named(t, name, fmt.Sprintf("https://oidc.example.com/id/%d", i+1)))
		w.nodes = append(w.nodes, n)
		kubeconfigs = append(kubeconfigs, n.Kubeconfig)
	}
	w.install(t)
	cloud := w.aws(t)
	w.certificates(t)
	w.wire(t)
	for i, n := range w.nodes {
		n.env["AWS_ENDPOINT_URL"] = cloud
		n.hosts = w.hosts(t, i)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); n.run(ctx) }()
		t.Cleanup(func() {
			stop()
			<-ended
			if t.Failed() {
				t.Log(n.logs())
			}
		})
	}
	w.env = append(w.env, "PATH="+w.programs+":"+os.Getenv("PATH"), "HOME="+w.folder,
		"KUBECONFIG="+strings.Join(kubeconfigs, ":"), "AWS_ENDPOINT_URL="+cloud, "AWS_DEFAULT_REGION=us-east-1")
	return w
}

// install puts the programs of the page into PATH, and the images into the registry.
func (w *world) install(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(w.nodes[0].dir, "rolebroker") // a folder that the users of pods may enter
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	deploy, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{filepath.Join(w.programs, "helm"): kubetest.Program(t, "helm"),
		filepath.Join(w.programs, "kubectl"):    kubetest.Program(t, "kubectl"),
		filepath.Join(w.programs, "rolebroker"): program, filepath.Join(w.folder, "deploy"): deploy} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	// It checks what it is told to build, as far as it can without Docker.
	docker := "#!/bin/sh\nif [ \"$1\" = build ]; then test -f \"$3\" || exit 1; fi\n"
	if err := os.WriteFile(filepath.Join(w.programs, "docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Fatal("the AWS CLI is needed: run make setup")
	}
	for _, n := range w.nodes {
		n.images = map[string]image{"rolebroker": {entrypoint: []string{program}},
			"public.ecr.aws/aws-cli/aws-cli": {entrypoint: []string{aws}},
			"boto3": {entrypoint: []string{python(t), "-c",
				"import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"}}}
	}
}

// aws starts the simulated AWS, which reaches the issuers of the clusters.
func (w *world) aws(t *testing.T) (endpoint string) {
	t.Helper()
	cloud := awssim.New(awssim.Options{HTTPClient: &http.Client{Transport: issuers(w.nodes)}})
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	admin := cloud.Account(testbed.CustomerAccount).AdminKey()
	w.env = append(w.env, "AWS_ACCESS_KEY_ID="+admin.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+admin.SecretAccessKey)
	return server.URL
}

// issuers is the Internet, as far as the issuers of clusters are on it.
type issuers []*node

func (all issuers) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, n := range all {
		server, _ := url.Parse(n.URL)
		if strings.HasPrefix(r.URL.String(), n.Issuer+"/") || r.URL.Port() == server.Port() {
			path := strings.TrimPrefix(r.URL.Path, strings.TrimPrefix(n.Issuer, "https://oidc.example.com"))
			status, answer := n.Try(http.MethodGet, path, nil)
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Content-Type", "application/json")
			recorder.WriteHeader(status)
			recorder.Write(answer)
			return recorder.Result(), nil
		}
	}
	return nil, fmt.Errorf("nobody is at %s", r.URL)
}

// certificates makes those of the two names: of the company's authority, and of one that
// the images trust as they trust public ones.
func (w *world) certificates(t *testing.T) {
	t.Helper()
	for name, files := range map[string][2]string{
		"rolebroker.example.com": {"rolebroker", "company-ca.crt"}, "runner.example.com": {"runner", "public-ca.crt"},
	} {
		certificate, key := w.nodes[0].Certificate(name)
		write(t, filepath.Join(w.folder, files[0]+".crt"), certificate)
		write(t, filepath.Join(w.folder, files[0]+".key"), key)
		write(t, filepath.Join(w.folder, files[1]), certificate)
	}
}

// wire connects the names of the page with what is behind them.
func (w *world) wire(t *testing.T) {
	t.Helper()
	agents := w.nodes[len(w.nodes)-1]
	forward(t, names["rolebroker.example.com"]+":443", w.nodes[0].dialService("rolebroker", "rolebroker"))
	forward(t, names["runner.example.com"]+":443", agents.dialService("rolebroker", "rolebroker-runner"))
	for i, n := range w.nodes {
		server, _ := url.Parse(n.URL)
		forward(t, fmt.Sprintf("127.0.2.%d:443", i+1), func() (net.Conn, error) { return net.Dial("tcp", server.Host) })
	}
	database, err := url.Parse(storetest.EmptyPostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	query := database.Query()
	forward(t, names["db.example.com"]+":5432", func() (net.Conn, error) {
		return net.Dial("unix", filepath.Join(query.Get("host"), ".s.PGSQL.5432"))
	})
	w.env = append(w.env, fmt.Sprintf("DATABASE_URL=postgres://%s@db.example.com%s?sslmode=disable", query.Get("user"),
		database.Path))
	for _, n := range w.nodes {
		n.public = filepath.Join(w.folder, "public-ca.crt")
	}
	// People look names up too.
	own := w.hosts(t, 0)
	if out, err := exec.Command("mount", "--bind", own, "/etc/hosts").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "/etc/hosts").Run() })
}

// hosts writes the hosts file of the pods of a cluster.
func (w *world) hosts(t *testing.T, i int) string {
	t.Helper()
	text := fmt.Sprintf("127.0.0.1 localhost\n127.0.2.%d kubernetes.default.svc\n", i+1)
	for name, address := range names {
		text += address + " " + name + "\n"
	}
	file := filepath.Join(w.nodes[i].dir, "hosts")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// script runs the blocks of the page, each as it is written.
func (w *world) script(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	script, ran := "exec 2>&1\nset -euxo pipefail\n", 0
	for _, block := range blockPattern.FindAllStringSubmatch(string(text), -1) {
		mark, detail, language, content := block[1], block[2], block[3], block[4]
		switch {
		case mark == "file":
			write(t, filepath.Join(w.folder, detail), []byte(content))
		case mark == "elsewhere", mark == "node": // TestLinkLocalAddress runs that of a node
		case mark == "two clusters" && len(w.nodes) == 1:
		case language != "sh" || mark != "" && mark != "two clusters":
			t.Errorf("it is not known what to do with the block %q (%s):\n%s", mark, language, content)
		default:
			script += content
			ran++
		}
	}
	if ran < 9 {
		t.Fatalf("the page has only %d blocks to run", ran)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir, shell.Env = w.folder, w.env
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"deployment \"rolebroker-runner\" successfully rolled out",
		"assumed-role/ClusterReadOnly/scout", "pod/scout condition met"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the page's commands do not print %q:\n%s", want, out)
		}
	}
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The page's table of codes has every one that is of service-account tokens.
func TestPageHasTheCodes(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []rolebroker.Code{rolebroker.CodeTokenAudience, rolebroker.CodeTokenIssuer,
		rolebroker.CodeTokenSignature, rolebroker.CodeExpired, rolebroker.CodeNotBound} {
		if !strings.Contains(string(text), "| `"+string(code)+"` |") {
			t.Errorf("it says nothing of %s", code)
		}
	}
}
