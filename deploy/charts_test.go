package deploy_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/kubetest"
)

var update = flag.Bool("update", false, "write golden files anew")

// charts are the charts. testdata has a folder for each, with values and the
// rendered output.
var charts = []string{"rolebroker", "rolebroker-runner"}

// helm runs Helm and returns its output.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(kubetest.Program(t, "helm"), args...)
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "HELM_CACHE_HOME=" + home,
		"HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", errors.New(stderr.String() + stdout.String())
	}
	return stdout.String(), nil
}

// render renders the chart in the namespace rolebroker.
func render(t *testing.T, chart string, args ...string) (string, error) {
	t.Helper()
	return helm(t, append([]string{"template", chart, "charts/" + chart,
		"--namespace", "rolebroker", "--kube-version", "1.34.2"}, args...)...)
}

// valuesOf returns the test values of a chart.
func valuesOf(t *testing.T, chart string) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + chart + "/*.values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no values for %s: %v", chart, err)
	}
	return files
}

// For review: go test ./deploy -run TestKubernetesCharts -update
func TestKubernetesChartsRenderAsCommitted(t *testing.T) {
	for _, chart := range charts {
		for _, values := range valuesOf(t, chart) {
			t.Run(filepath.Base(values), func(t *testing.T) {
				t.Parallel()
				out, err := helm(t, "lint", "--strict", "--quiet", "charts/"+chart,
					"--values", values, "--kube-version", "1.34.2")
				if err != nil {
					t.Errorf("helm lint: %v%s", err, out)
				}
				got, err := render(t, chart, "--values", values)
				if err != nil {
					t.Fatal(err)
				}
				golden := strings.Replace(values, ".values.", ".golden.", 1)
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Errorf("%s is not what is rendered (-committed +rendered); run with -update:\n%s", golden, diff)
				}
			})
		}
	}
}

// Helm refuses invalid values before it installs anything, and says what is wrong.
func TestKubernetesChartsRefuseWhatCannotBeRight(t *testing.T) {
	for _, test := range []struct{ chart, set, want string }{
		{"rolebroker", "image.repository=", "image.repository is needed"},
		{"rolebroker", "database.existingSecret=", "database.existingSecret is needed, or database.url"},
		{"rolebroker", "database.url=postgres://x", "both set"},
		{"rolebroker", "database.url=rolebroker.db", "database"},
		{"rolebroker", "tls.secretName=", "tls.secretName is needed"},
		{"rolebroker", "tls.mode=none", "tls"},
		{"rolebroker", "allowedHosts={https://rolebroker.lan}", "allowedHosts"},
		{"rolebroker", "metrics.port=99999", "metrics"},
		{"rolebroker", "replicas=0", "replicas"},
		{"rolebroker", "audit.file.volume=null", "audit.file.volume is needed with audit.file.path"},
		{"rolebroker", "audit.file.format=json", "format"},
		{"rolebroker", "audit.otlp.endpoint=http://collector:4318/v1/logs", "endpoint"},
		{"rolebroker", "audit.otlp.endpoint=https://u:p@collector/v1/logs", "endpoint"},
		{"rolebroker", "audit.retention=forever", "retention"},
		{"rolebroker", "gateway.key.existingSecret=", "gateway.key.existingSecret is needed with gateway.port"},
		{"rolebroker", "gateway.port=99999", "gateway"},
		{"rolebroker", "gateway.key.key=../key", "gateway"},
		{"rolebroker", "replicaCount=3", "replicaCount"},
		{"rolebroker", "serviceAccount.create=false", "serviceAccount.name is needed"},
		{"rolebroker", "webIdentity.roleArn=admin", "roleArn"},
		{"rolebroker", "webIdentity.roleArn=arn:aws:iam::111122223333:role/rolebroker", "webIdentity.region is needed"},
		{"rolebroker", "ingress.enabled=true", "ingress.hosts is needed"},
		{"rolebroker", "metrics.port=0,metrics.serviceMonitor.enabled=true", "metrics.port is needed"},
		{"rolebroker", "fullnameOverride=Not_A_Name", "fullnameOverride"},
		{"rolebroker", "dnsPolicy=None of them", "dnsPolicy"},
		{"rolebroker-runner", "server=", "server is needed"},
		{"rolebroker-runner", "server=http://rolebroker.example.com", "or set allowInsecure=true"},
		{"rolebroker-runner", "joinToken.existingSecret=", "joinToken.existingSecret is needed"},
		{"rolebroker-runner", "joinToken.value=x", "both set"},
		{"rolebroker-runner", "tls.secretName=", "tls.secretName is needed"},
		{"rolebroker-runner", "mode=statefulset", "mode"},
		{"rolebroker-runner", "linkLocal.enabled=true", "linkLocal.enabled needs mode=daemonset"},
		{"rolebroker-runner", "mode=daemonset,linkLocal.enabled=true", "both set"},
		{"rolebroker-runner", "linkLocal.address=10.0.0.1", "address"},
		{"rolebroker-runner", "mode=daemonset,tls.secretName=,linkLocal.enabled=true," +
			"metrics.serviceMonitor.enabled=true", "only its own node reaches"},
		{"rolebroker-runner", "assume=irsa", "assume"},
		{"rolebroker-runner", "grace=forever", "grace"},
	} {
		t.Run(test.chart+" "+test.set, func(t *testing.T) {
			t.Parallel()
			values := map[string]string{"rolebroker": "eks", "rolebroker-runner": "irsa"}[test.chart]
			_, err := render(t, test.chart,
				"--values", "testdata/"+test.chart+"/"+values+".values.yaml", "--set", test.set)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("it says %v, not %q", err, test.want)
			}
		})
	}
}

// object has the fields of a rendered object that the tests use.
type object struct {
	Kind     string
	Metadata struct {
		Name        string
		Namespace   string
		Annotations map[string]string
	}
	Spec struct{ Template struct{ Spec podSpec } }
}

type podSpec struct {
	Containers []struct {
		Args []string
		Env  []struct {
			Name      string
			Value     string
			ValueFrom map[string]any `yaml:"valueFrom"`
		}
	}
}

func objects(t *testing.T, rendered string) (all []object) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(rendered))
	for {
		var o object
		if err := decoder.Decode(&o); err != nil {
			break
		}
		if o.Kind != "" {
			all = append(all, o)
		}
	}
	if len(all) < 5 {
		t.Fatalf("only %d objects are rendered", len(all))
	}
	return all
}

// The program reads all variables that the charts set, and accepts their values.
func TestKubernetesChartsSayWhatTheProgramUnderstands(t *testing.T) {
	for _, chart := range charts {
		for _, values := range valuesOf(t, chart) {
			rendered, err := render(t, chart, "--values", values)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects(t, rendered) {
				for _, container := range o.Spec.Template.Spec.Containers {
					environment := map[string]string{}
					for _, e := range container.Env {
						environment[e.Name] = e.Value
						if e.ValueFrom != nil { // in a Secret
							environment[e.Name] = "postgres://rolebroker@db.example.com/rolebroker"
						}
						if e.Name == "ROLEBROKER_ADMIN_KEY" {
							key, _ := auth.NewAPIKey(auth.BootstrapKey)
							environment[e.Name] = key.Reveal()
						}
					}
					t.Run(filepath.Base(values), func(t *testing.T) { understands(t, container.Args[0], environment) })
				}
			}
		}
	}
}

func understands(t *testing.T, command string, environment map[string]string) {
	t.Helper()
	unread := maps.Clone(environment)
	outside := config.Outside{
		Getenv: func(name string) string {
			delete(unread, name)
			return environment[name]
		},
		ReadFile: func(path string) ([]byte, error) {
			if path == "/etc/rolebroker/database/password" {
				return []byte("hunter2"), nil
			}
			return nil, os.ErrNotExist
		},
	}
	var err error
	switch command {
	case "server":
		cfg := config.DefaultServer()
		err = cfg.Load(cfg.Flags(), outside)
	case "runner":
		cfg := config.DefaultRunner()
		err = cfg.Load(cfg.Flags(), outside)
	default:
		t.Fatalf("the command is %s", command)
	}
	if err != nil {
		t.Error(err)
	}
	for name := range unread {
		if strings.HasPrefix(name, "ROLEBROKER_") {
			t.Errorf("rolebroker %s does not read %s", command, name)
		}
	}
}

// Where there is OpenShift, which gives each namespace user IDs, the charts set none.
// Everything else stays as it is, and a null takes a field out elsewhere.
func TestKubernetesChartsFitOpenShift(t *testing.T) {
	for chart, values := range map[string]string{"rolebroker": "eks", "rolebroker-runner": "irsa"} {
		file := "testdata/" + chart + "/" + values + ".values.yaml"
		for _, args := range [][]string{
			{"--api-versions", "security.openshift.io/v1"},
			{"--set", "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null," +
				"podSecurityContext.fsGroup=null"},
		} {
			rendered, err := render(t, chart, append(args, "--values", file)...)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"runAsUser", "runAsGroup", "fsGroup"} {
				if strings.Contains(rendered, id) {
					t.Errorf("%s with %v has %s", chart, args, id)
				}
			}
			for _, kept := range []string{"runAsNonRoot: true", "type: RuntimeDefault", "readOnlyRootFilesystem: true",
				"allowPrivilegeEscalation: false"} {
				if !strings.Contains(rendered, kept) {
					t.Errorf("%s with %v has no %s", chart, args, kept)
				}
			}
		}
	}
}

// NetworkPolicies are about the ports of pods: the runner may reach those of a control
// plane in its cluster, whose Service has another port, and those of the API server.
func TestPoliciesAreForThePortsOfPods(t *testing.T) {
	server, err := render(t, "rolebroker", "--values", "testdata/rolebroker/eks.values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	listens := regexp.MustCompile(`containerPort: (\d+)`).FindStringSubmatch(server)[1]
	for set, want := range map[string][]string{
		"replicas=1": {listens, "443", "6443", "53"},
		"server=https://rolebroker.example.com:8443":                            {"8443"},
		"server=http://rolebroker.rolebroker.svc:8080/,allowInsecure=true":      {"8080", listens},
		"networkPolicy.apiServerPorts={16443}":                                  {"16443"},
		"server=https://[2001:db8::1]:9443":                                     {"9443"},
		"server=https://[2001:db8::1]":                                          {"443"},
		"server=http://rolebroker.rolebroker.svc,allowInsecure=true,replicas=1": {"80", listens},
	} {
		runner, err := render(t, "rolebroker-runner", "--values", "testdata/rolebroker-runner/irsa.values.yaml",
			"--set", set)
		if err != nil {
			t.Fatal(err)
		}
		_, policy, _ := strings.Cut(runner, "kind: NetworkPolicy")
		policy, _, _ = strings.Cut(policy, "\n---\n")
		_, egress, _ := strings.Cut(policy, "\n  egress:\n")
		for _, port := range want {
			if !strings.Contains(egress, "port: "+port+"}") {
				t.Errorf("with %s the runner cannot reach the port %s:\n%s", set, port, egress)
			}
		}
	}
}

// A DaemonSet runs on every node unless the values say otherwise; a Deployment does
// not.
func TestRunnersTolerateTheirNodes(t *testing.T) {
	for _, test := range []struct {
		values, set string
		want        bool
	}{
		{"link-local", "replicas=1", true}, {"link-local", "tolerations[0].key=gpu", false},
		{"irsa", "replicas=1", false},
	} {
		rendered, err := render(t, "rolebroker-runner", "--values", "testdata/rolebroker-runner/"+test.values+
			".values.yaml", "--set", test.set)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(rendered, "tolerations:\n        - operator: Exists\n"); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// valuePattern finds the values of values.yaml that have no fields.
var valuePattern = regexp.MustCompile(`(?m)^( *)([A-Za-z]+):(.*)$`)

// The chart's README has every value.
func TestChartReadmesHaveTheValues(t *testing.T) {
	for _, chart := range charts {
		readme, err := os.ReadFile("charts/" + chart + "/README.md")
		if err != nil {
			t.Fatal(err)
		}
		values, err := os.ReadFile("charts/" + chart + "/values.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var path []string
		lines := valuePattern.FindAllStringSubmatch(string(values), -1)
		for i, line := range lines {
			depth := len(line[1]) / 2
			path = append(path[:depth], line[2])
			parent := i+1 < len(lines) && len(lines[i+1][1]) > len(line[1])
			if name := strings.Join(path, "."); !parent && !strings.Contains(string(readme), "`"+name+"`") &&
				!strings.Contains(string(readme), "`"+path[0]+"`") {
				t.Errorf("the README of %s does not have %s", chart, name)
			}
		}
	}
}

// Secrets in values appear in Secrets only.
func TestKubernetesChartsKeepSecretsInSecrets(t *testing.T) {
	for chart, values := range map[string]string{"rolebroker": "behind-a-proxy", "rolebroker-runner": "pod-identity"} {
		rendered, err := render(t, chart, "--values", "testdata/"+chart+"/"+values+".values.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(rendered, "\n---\n") {
			secret := strings.Contains(document, "secret@db.example.com") || strings.Contains(document, "rbj_EXAMPLE")
			if secret && !strings.Contains(document, "\nkind: Secret\n") {
				t.Errorf("a secret is in\n%s", document)
			}
		}
	}
}

// All charts have the same version.
func TestChartsAreOfOneVersion(t *testing.T) {
	var versions []string
	for _, chart := range charts {
		content, err := os.ReadFile("charts/" + chart + "/Chart.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Name       string
			Version    string
			AppVersion string `yaml:"appVersion"`
		}
		if err := yaml.Unmarshal(content, &said); err != nil {
			t.Fatal(err)
		}
		if said.Name != chart {
			t.Errorf("the chart in %s is called %s", chart, said.Name)
		}
		versions = append(versions, said.Version, said.AppVersion)
	}
	if len(slices.Compact(versions)) != 1 {
		t.Errorf("the versions are %v", versions)
	}
}
