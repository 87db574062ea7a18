package deploy_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/clustersecret"
	"github.com/rolebroker/rolebroker/internal/kubetest"
)

// A real API server takes what the charts make, and keeps it as it was meant.
// It is one test because a cluster takes seconds to start.
func TestKubernetesInstallsTheCharts(t *testing.T) {
	c := &installation{t: t, Cluster: kubetest.New(t)}
	restricted := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	c.serviceMonitors()

	for _, chart := range charts {
		for _, values := range valuesOf(t, chart) {
			name := strings.TrimSuffix(filepath.Base(values), ".values.yaml")
			t.Run(chart+" "+name, func(t *testing.T) {
				c.t = t
				namespace := chart + "-" + name
				// What uses the node's network is not for a namespace that is restricted.
				if name == "link-local" {
					c.Namespace(namespace, nil)
					c.Namespace("restricted", restricted)
				} else {
					c.Namespace(namespace, restricted)
				}
				if chart == "rolebroker-runner" && name == "overridden" {
					c.ServiceAccount(namespace, "made-by-eksctl")
				}
				c.helm("install", chart, "charts/"+chart, "--namespace", namespace, "--values", values)
				c.runs(namespace, chart, name)
			})
		}
	}

	t.Run("IRSA annotates the service account", func(t *testing.T) {
		c.t = t
		c.annotated("rolebroker-eks", "rolebroker", "arn:aws:iam::111122223333:role/rolebroker")
		c.annotated("rolebroker-runner-annotated", "borrower", "arn:aws:iam::444455556666:role/ClusterReadOnly")
		c.annotated("rolebroker-runner-irsa", "rolebroker-runner", "")
	})
	t.Run("the runner's token is for STS", func(t *testing.T) {
		c.t = t
		want := kubetest.Object{"path": "token", "audience": "sts.amazonaws.com", "expirationSeconds": 3600.0}
		for _, namespace := range []string{"rolebroker-runner-irsa", "rolebroker-runner-annotated",
			"rolebroker-behind-a-proxy"} {
			if diff := cmp.Diff(want, projected(c.workload(namespace))); diff != "" {
				t.Errorf("%s: %s", namespace, diff)
			}
		}
		if token := projected(c.workload("rolebroker-runner-pod-identity")); token != nil {
			t.Errorf("with EKS Pod Identity there is %v", token)
		}
	})
	t.Run("the runner gets at its credential and at no other Secret", c.credential)
	t.Run("the notes say what to do next", func(t *testing.T) {
		c.t = t
		for namespace, want := range map[string]string{
			"rolebroker-eks":            "rollout status deployment/rolebroker\n",
			"rolebroker-behind-a-proxy": "logs --selector app.kubernetes.io/instance=rolebroker ",
			"rolebroker-runner-irsa": "rolebroker agent bind AGENT --issuer ISSUER --namespace NAMESPACE " +
				"--service-account NAME\n",
			"rolebroker-runner-annotated": "--issuer https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE ",
			"rolebroker-runner-daemonset": "rollout status daemonset/rolebroker-runner\n",
			"rolebroker-runner-link-local": "AWS_CONTAINER_CREDENTIALS_FULL_URI=" +
				"http://169.254.170.23:8485/v1/credentials\n",
		} {
			notes := c.helm("get", "notes", at[string](c.workload(namespace), "metadata", "name"), "--namespace",
				namespace)
			if !strings.Contains(notes, want) || strings.Contains(notes, "<no value>") {
				t.Errorf("in %s they are\n%s", namespace, notes)
			}
		}
	})
	t.Run("the admin key is got as the notes say", c.adminKey)
}

// installation is a cluster in which charts are installed.
type installation struct {
	*kubetest.Cluster
	t *testing.T
}

// serviceMonitors makes the kind ServiceMonitor, as Prometheus' operator does.
func (c *installation) serviceMonitors() {
	c.t.Helper()
	const group = "monitoring.coreos.com"
	names := kubetest.Object{"plural": "servicemonitors", "singular": "servicemonitor", "kind": "ServiceMonitor"}
	c.Do(http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", kubetest.Object{
		"metadata": kubetest.Object{"name": "servicemonitors." + group},
		"spec": kubetest.Object{"group": group, "scope": "Namespaced", "names": names, "versions": []kubetest.Object{{
			"name": "v1", "served": true, "storage": true, "schema": kubetest.Object{"openAPIV3Schema": kubetest.Object{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}}, nil)
	c.Eventually(func() bool {
		status, _ := c.Try(http.MethodGet, "/apis/"+group+"/v1/servicemonitors", nil)
		return status == http.StatusOK
	})
}

// helm runs Helm on the cluster and returns its output.
func (c *installation) helm(args ...string) string {
	c.t.Helper()
	out, err := helm(c.t, append(args, "--kubeconfig", c.Kubeconfig)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// get returns a stored object.
func (c *installation) get(path string) (o kubetest.Object) {
	c.t.Helper()
	c.Do(http.MethodGet, path, nil, &o)
	return o
}

// workload returns the Deployment or DaemonSet in a namespace.
func (c *installation) workload(namespace string) kubetest.Object {
	c.t.Helper()
	for _, kind := range []string{"deployments", "daemonsets"} {
		if items := at[[]any](c.get("/apis/apps/v1/namespaces/"+namespace+"/"+kind), "items"); len(items) == 1 {
			return items[0].(kubetest.Object)
		}
	}
	c.t.Fatalf("%s has no Deployment and no DaemonSet", namespace)
	return nil
}

// at returns the value at a path in an object, or the zero value.
func at[T any](o kubetest.Object, path ...string) (found T) {
	for _, step := range path[:len(path)-1] {
		o, _ = o[step].(kubetest.Object)
	}
	found, _ = o[path[len(path)-1]].(T)
	return found
}

// runs checks the stored workload, and creates a pod from it as its controller
// would, which the admission of the namespace must allow.
func (c *installation) runs(namespace, chart, name string) {
	c.t.Helper()
	template := at[kubetest.Object](c.workload(namespace), "spec", "template")
	spec := at[kubetest.Object](template, "spec")
	for what, want := range map[string]any{"runAsNonRoot": true, "runAsUser": 65532.0,
		"seccompProfile": kubetest.Object{"type": "RuntimeDefault"}} {
		if diff := cmp.Diff(want, at[kubetest.Object](spec, "securityContext")[what]); diff != "" {
			c.t.Errorf("%s: %s", what, diff)
		}
	}
	container := at[[]any](spec, "containers")[0].(kubetest.Object)
	if diff := cmp.Diff(kubetest.Object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
		"capabilities": kubetest.Object{"drop": []any{"ALL"}}},
		at[kubetest.Object](container, "securityContext")); diff != "" {
		c.t.Error(diff)
	}
	if automount := at[bool](spec, "automountServiceAccountToken"); automount != (chart == "rolebroker-runner") {
		c.t.Errorf("the pod's own token is mounted: %v", automount)
	}
	for _, volume := range at[[]any](spec, "volumes") {
		volume := volume.(kubetest.Object)
		for _, kind := range []string{"secret", "projected"} {
			if at[kubetest.Object](volume, kind) != nil && at[float64](volume, kind, "defaultMode") != 0o440 {
				c.t.Errorf("the files of %s have the mode %o", volume["name"],
					int(at[float64](volume, kind, "defaultMode")))
			}
		}
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		if at[string](container, probe, "httpGet", "path") == "" {
			c.t.Errorf("there is no %s", probe)
		}
	}
	pod := kubetest.Object{"metadata": kubetest.Object{"generateName": "try-",
		"labels": at[kubetest.Object](template, "metadata", "labels")}, "spec": spec}
	c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods", pod, nil)
	if name == "link-local" {
		c.ServiceAccount("restricted", "rolebroker-runner")
		status, answer := c.Try(http.MethodPost, "/api/v1/namespaces/restricted/pods", pod)
		if status != http.StatusForbidden {
			c.t.Errorf("a pod on the node's network is allowed in a restricted namespace: %d %s", status, answer)
		}
	}
}

func (c *installation) annotated(namespace, account, role string) {
	c.t.Helper()
	stored := c.get("/api/v1/namespaces/" + namespace + "/serviceaccounts/" + account)
	if got := at[string](stored, "metadata", "annotations", "eks.amazonaws.com/role-arn"); got != role {
		c.t.Errorf("the service account %s in %s has the role %q", account, namespace, got)
	}
	if got := at[string](c.workload(namespace), "spec", "template", "spec", "serviceAccountName"); got != account {
		c.t.Errorf("the pods of %s run as %s", namespace, got)
	}
}

// projected returns the token volume of a workload's pods.
func projected(workload kubetest.Object) kubetest.Object {
	for _, volume := range at[[]any](workload, "spec", "template", "spec", "volumes") {
		for _, source := range at[[]any](volume.(kubetest.Object), "projected", "sources") {
			return at[kubetest.Object](source.(kubetest.Object), "serviceAccountToken")
		}
	}
	return nil
}

// credential acts as the runner. It stores a credential in the chart's Secret, with
// the permissions of the chart's service account. The credential survives an
// upgrade and a rollback, and can be written again after one that replaces it.
func (c *installation) credential(t *testing.T) {
	c.t = t
	const namespace = "rolebroker-runner-pod-identity"
	as := func(name string) *clustersecret.Secret {
		secret, err := clustersecret.New(clustersecret.Options{BaseURL: c.URL, CAFile: c.CAFile, Namespace: namespace,
			Name: name, TokenFile: c.TokenFile(namespace, "rolebroker-runner")})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	state := ""
	container := at[[]any](c.workload(namespace), "spec", "template", "spec", "containers")[0].(kubetest.Object)
	for _, e := range at[[]any](container, "env") {
		if e := e.(kubetest.Object); e["name"] == "ROLEBROKER_RUNNER_STATE" {
			state = e["value"].(string)
		}
	}
	name, ok := strings.CutPrefix(state, "secret:"+namespace+"/")
	if !ok {
		t.Fatalf("the state is in %q", state)
	}
	credential := as(name)
	if _, err := credential.Load(t.Context()); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Fatalf("a new release has a credential: %v", err)
	}
	if err := credential.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := as("rolebroker-runner-join").Load(t.Context()); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("the runner reads another Secret: %v", err)
	}
	values := "testdata/rolebroker-runner/pod-identity.values.yaml"
	c.helm("upgrade", "rolebroker-runner", "charts/rolebroker-runner", "--namespace", namespace, "--values", values,
		"--set", "grace=30m,podLabels.team=platform")
	c.helm("rollback", "rolebroker-runner", "1", "--namespace", namespace)
	if value, err := credential.Load(t.Context()); string(value) != "first" || err != nil {
		t.Errorf("after an upgrade and a rollback there is %q, %v", value, err)
	}
	// --force replaces the Secret by the chart's, which is empty. A running runner finds nothing, and writes again.
	c.helm("upgrade", "rolebroker-runner", "charts/rolebroker-runner", "--namespace", namespace, "--reuse-values",
		"--force")
	if value, err := credential.Load(t.Context()); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("after an upgrade with --force there is %q, %v", value, err)
	}
	if err := credential.Save(t.Context(), nil, []byte("first")); err != nil {
		t.Errorf("after an upgrade with --force the runner writes its credential: %v", err)
	}
	if value, err := credential.Load(t.Context()); string(value) != "first" || err != nil {
		t.Errorf("written again, it is %q, %v", value, err)
	}
	c.helm("uninstall", "rolebroker-runner", "--namespace", namespace)
	status, _ := c.Try(http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets/"+name, nil)
	if status != http.StatusNotFound {
		t.Errorf("after the release was uninstalled its credential is left: %d", status)
	}
}

// adminKey runs the command in the notes of the release.
func (c *installation) adminKey(t *testing.T) {
	c.t = t
	const namespace, key = "rolebroker-eks", "what rolebroker api-key generate prints"
	c.Do(http.MethodPost, "/api/v1/namespaces/"+namespace+"/secrets", kubetest.Object{
		"metadata":   kubetest.Object{"name": "rolebroker-admin"},
		"stringData": kubetest.Object{"admin-key": key}}, nil)
	notes := c.helm("get", "notes", "rolebroker", "--namespace", namespace)
	_, after, ok := strings.Cut(notes, "export ROLEBROKER_TOKEN=$(")
	command, _, closed := strings.Cut(after, ")\n")
	if !ok || !closed {
		t.Fatalf("the notes are\n%s", notes)
	}
	kubectl := kubetest.Program(t, "kubectl")
	shell := exec.Command("/bin/sh", "-c", command)
	shell.Env = []string{"PATH=" + filepath.Dir(kubectl) + ":" + os.Getenv("PATH"), "KUBECONFIG=" + c.Kubeconfig,
		"HOME=" + t.TempDir()}
	if out, err := shell.CombinedOutput(); string(out) != key {
		t.Errorf("%s: %q, %v", command, out, err)
	}
}
