package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// recipePatterns match a configuration in docs/recipes.md, and who AWS sees when it is
// used.
var (
	mcpPattern        = regexp.MustCompile("(?ms)^<!-- mcp: (.*?) -->\n```(json|toml)\n(.*?)^```$")
	workflowPattern   = regexp.MustCompile("(?ms)^<!-- workflow: (.*?) -->\n```yaml\n(.*?)^```$")
	unitPattern       = regexp.MustCompile("(?ms)^<!-- unit: (.*?) -->\n```ini\n(.*?)^```$")
	dockerfilePattern = regexp.MustCompile("(?ms)^<!-- dockerfile: (.*?) -->\n```dockerfile\n(.*?)^```$\n+" +
		"```sh\n(docker run .*?)^```$")
)

// kitchen is a world in which the programs of recipes have stand-ins, which say in AWS
// who they are.
type kitchen struct {
	*clientWorld
	bin string
}

const standIn = "#!/bin/sh\nexec go2-client ''\n"

func newKitchen(t *testing.T) *kitchen {
	k := &kitchen{clientWorld: newClientWorld(t, theTools(t), "", "")}
	k.bin = filepath.Join(k.dir, "bin")
	for _, dir := range []string{filepath.Dir(k.dir), k.dir} { // other users find the programs
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(k.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rolebroker", "go2-client"} {
		copyProgram(t, filepath.Join(k.bin, name))
	}
	for _, name := range []string{"bin/uvx", "bin/python3", "deploy.sh"} {
		path := filepath.Join(k.dir, name)
		if err := os.WriteFile(path, []byte(standIn), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// here puts what is here in place of what the docs name.
func (k *kitchen) here(text string) string {
	return strings.NewReplacer("https://rolebroker.example.com", k.aws.tb.URL,
		"/run/secrets/rolebroker-token", filepath.Join(k.dir, "token"),
		"/etc/rolebroker/scout-token", filepath.Join(k.dir, "token"),
		"${{ secrets.ROLEBROKER_TOKEN }}", k.aws.tb.Scout.Reveal(),
		"--user agent", "--user nobody", `"--user", "agent"`, `"--user", "nobody"`,
		"/usr/local/bin/rolebroker", "rolebroker", "/usr/bin/python3", "python3").Replace(text)
}

// serves runs a program with these variables only, and checks who AWS sees.
func (k *kitchen) serves(want string, env []string, name string, args ...string) {
	k.t.Helper()
	env = append([]string{"PATH=" + k.bin + ":/usr/bin:/bin", "HOME=" + k.dir, "GORACE=" + noRaceDelay,
		"AWS_ENDPOINT_URL=" + k.aws.URL}, env...)
	path := filepath.Join(k.bin, name)
	if _, err := os.Stat(path); err != nil {
		path = name
	}
	cmd := exec.CommandContext(k.t.Context(), path, args...)
	cmd.Dir, cmd.Env = k.dir, env
	out, err := cmd.CombinedOutput()
	if got := k.signed(""); err != nil || got != want+"\n" {
		k.t.Errorf("%s %q: %v; AWS sees %q, not %q\n%s", name, args, err, got, want, out)
	}
}

func recipes(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestMCPServersInTheDocs starts the MCP servers as a client does, which hands them no
// variables but those in the configuration, PATH and HOME.
func TestMCPServersInTheDocs(t *testing.T) {
	found := mcpPattern.FindAllStringSubmatch(recipes(t), -1)
	if len(found) != 2 {
		t.Fatalf("the docs have %d configurations", len(found))
	}
	k := newKitchen(t)
	for _, block := range found {
		var config struct {
			JSON map[string]mcpServer `json:"mcpServers"`
			TOML map[string]mcpServer `json:"mcp_servers"`
		}
		text := k.here(block[3])
		if block[2] == "toml" {
			text = fromTOML(t, text)
		}
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		server := config.JSON["aws"]
		if block[2] == "toml" {
			server = config.TOML["aws"]
		}
		var env []string
		for name, value := range server.Env {
			env = append(env, name+"="+value)
		}
		k.serves(block[1], env, server.Command, server.Args...)
	}
}

type mcpServer struct {
	Command string
	Args    []string
	Env     map[string]string
}

// fromTOML makes JSON of TOML.
func fromTOML(t *testing.T, text string) string {
	t.Helper()
	const convert = "import json, sys, tomllib; json.dump(tomllib.loads(sys.stdin.read()), sys.stdout)"
	python := exec.Command(theTools(t).python, "-c", convert)
	python.Stdin = strings.NewReader(text)
	out, err := python.Output()
	if ok, err := tested(t, err, "a Python with tomllib is needed: %v", err); !ok {
		if err != nil {
			t.Fatal(err)
		}
		t.SkipNow()
	}
	return string(out)
}

// TestWorkflowsInTheDocs runs the commands of the GitHub workflows.
func TestWorkflowsInTheDocs(t *testing.T) {
	found := workflowPattern.FindAllStringSubmatch(recipes(t), -1)
	if len(found) != 2 {
		t.Fatalf("the docs have %d workflows", len(found))
	}
	k := newKitchen(t)
	for _, block := range found {
		var workflow struct {
			Jobs map[string]struct {
				Steps []struct {
					Run string
					Env map[string]string
				}
			}
		}
		if err := yaml.Unmarshal([]byte(k.here(block[2])), &workflow); err != nil {
			t.Fatal(err)
		}
		for _, step := range workflow.Jobs["deploy"].Steps {
			if step.Run == "" {
				continue
			}
			env := []string{"GITHUB_RUN_ID=17"}
			for name, value := range step.Env {
				env = append(env, name+"="+value)
			}
			k.serves(block[1], env, "bash", "-e", "-c", step.Run)
		}
	}
	calls := k.aws.tb.AWS.Assumed()
	if !slices.ContainsFunc(calls, func(c awssim.AssumeRoleCall) bool { return c.SessionName == "scout@run-17" }) {
		t.Error("no session has the name of the task")
	}
}

// TestTheUnitInTheDocs starts the command of the unit with its capabilities, which needs
// root, and lets systemd read the unit.
func TestTheUnitInTheDocs(t *testing.T) {
	unit := unitPattern.FindStringSubmatch(recipes(t))
	if unit == nil {
		t.Fatal("the docs have no unit")
	}
	requireRoot(t)
	k := newKitchen(t)
	var env, command []string
	var capabilities string
	for line := range strings.Lines(k.here(unit[2])) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), "="); name {
		case "Environment":
			env = append(env, value)
		case "ExecStart":
			command = strings.Fields(value)
		case "CapabilityBoundingSet":
			capabilities = "-all,+" + strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(value, "CAP_", ""), " ", ",+"))
		}
	}
	k.serves(unit[1], env, "setpriv", append([]string{"--bounding-set=" + capabilities, "--inh-caps=-all"}, command...)...)

	analyze, err := exec.LookPath("systemd-analyze")
	if ok, err := tested(t, err, "systemd-analyze is needed"); !ok {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	file := filepath.Join(k.dir, "agent.service")
	text := strings.Replace(unit[2], "/usr/local/bin/rolebroker", "/bin/true", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "agent.service") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTheImageInTheDocs runs the entrypoint and the command of the image with the
// variables that docker run gives it, which needs root.
func TestTheImageInTheDocs(t *testing.T) {
	image := dockerfilePattern.FindStringSubmatch(recipes(t))
	if image == nil {
		t.Fatal("the docs have no image")
	}
	requireRoot(t)
	k := newKitchen(t)
	var command []string
	for _, instruction := range []string{"ENTRYPOINT", "CMD"} {
		part := regexp.MustCompile(`(?m)^` + instruction + ` (\[.*\])$`).FindStringSubmatch(k.here(image[2]))
		var words []string
		if part == nil || json.Unmarshal([]byte(part[1]), &words) != nil {
			t.Fatalf("the image has no %s", instruction)
		}
		command = append(command, words...)
	}
	var env []string
	for _, e := range regexp.MustCompile(`-e (\S+)`).FindAllStringSubmatch(k.here(image[3]), -1) {
		env = append(env, e[1])
	}
	if !strings.Contains(image[3], `-v "$PWD/scout-token:/run/secrets/rolebroker-token:ro"`) {
		t.Errorf("the container does not get the token: %s", image[3])
	}
	k.serves(image[1], env, command[0], command[1:]...)
}

func requireRoot(t *testing.T) {
	t.Helper()
	if ok, err := isRoot(t); !ok {
		if err != nil {
			t.Fatal(err)
		}
		t.SkipNow()
	}
}

// TestConfigurationsInTheDocsCanBeRead parses the blocks of JSON, YAML and TOML in the
// README and in docs, and lets bash parse those of commands.
func TestConfigurationsInTheDocsCanBeRead(t *testing.T) {
	parse := map[string]func(string) error{
		"json": func(s string) error {
			if !json.Valid([]byte(s)) {
				return errors.New("it is no JSON")
			}
			return nil
		},
		"yaml": func(s string) error { return yaml.Unmarshal([]byte(s), new(any)) },
		"toml": func(s string) error { fromTOML(t, s); return nil },
		"sh": func(s string) error {
			out, err := exec.Command("bash", "-n", "-c", s).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w\n%s", err, out)
			}
			return nil
		},
	}
	block := regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	for _, file := range append(docFiles(t), "../../SECURITY.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			if read := parse[b[1]]; read != nil {
				if err := read(b[2]); err != nil {
					t.Errorf("%s: %v\n%s", file, err, b[2])
				}
			}
		}
	}
}
