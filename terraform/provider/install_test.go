package provider_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// withoutReattach makes a workspace in which Terraform starts the provider itself, and has a home of its own.
func (w *world) withoutReattach(home string) *workspace {
	ws := w.example("integration")
	i := slices.IndexFunc(ws.env, func(v string) bool { return strings.HasPrefix(v, reattachEnv) })
	ws.env = append(slices.Delete(ws.env, i, i+1), "HOME="+home)
	return ws
}

// install runs make terraform-install.
func install(t *testing.T, home string, env ...string) {
	t.Helper()
	cmd := exec.Command("make", "-C", "../..", "terraform-install")
	cmd.Env = append(append(os.Environ(), "HOME="+home), env...)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} { // which are in the home otherwise
		value, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(value)))
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// locked returns the version of the provider in the lock file of a workspace.
func (ws *workspace) locked() string {
	ws.Helper()
	text, err := os.ReadFile(filepath.Join(ws.dir, ".terraform.lock.hcl"))
	ws.must(err)
	found := regexp.MustCompile(`rolebroker/rolebroker" \{\n  version\s+= "(.*)"`).FindStringSubmatch(string(text))
	if found == nil {
		ws.Fatalf("the lock file has no rolebroker:\n%s", text)
	}
	return found[1]
}

// As the README says: after make terraform-install, terraform init and tofu init find the provider, without a registry
// and without a version in the configuration. Each build has a version of its own, so that the lock file of an earlier
// one goes on working.
func TestInstalling(t *testing.T) {
	t.Parallel()
	w, home := newWorld(t), t.TempDir()
	ws := w.withoutReattach(home)
	install(t, home)
	ws.terraform("init", "-no-color")
	first := ws.locked()
	if !regexp.MustCompile(`^\d+\.\d+\.\d{10,}$|^\d+\.\d+\.\d+$`).MatchString(first) || first == "0.0.1" {
		t.Errorf("the version is %s", first)
	}
	ws.terraform("validate", "-no-color")
	if plan := ws.terraform("plan", "-no-color"); !strings.Contains(plan, "3 to add") {
		t.Errorf("the plan is\n%s", plan)
	}

	const newer = "9.9.9999999999"
	install(t, home, "VERSION="+newer)
	ws.terraform("init", "-no-color")
	if got := ws.locked(); got != first {
		t.Errorf("after another build, a folder that has used %s uses %s", first, got)
	}
	ws.terraform("init", "-upgrade", "-no-color")
	if got := ws.locked(); got != newer {
		t.Errorf("terraform init -upgrade takes %s", got)
	}
	ws.applies()
	w.borrower(w.Token("scout"), "deployer")
	ws.destroys()
	w.isEmpty()

	copies, err := filepath.Glob(filepath.Join(home, ".terraform.d/plugins/registry.*/rolebroker/rolebroker", newer, "*",
		"terraform-provider-rolebroker_v"+newer))
	if err != nil || len(copies) != 2 || !strings.Contains(fmt.Sprint(copies), "registry.opentofu.org") {
		t.Error("it is at", copies, err)
	}
	withTofu(t, w, home, newer)
}

// withTofu does the same with OpenTofu, if it is installed.
func withTofu(t *testing.T, w *world, home, version string) {
	t.Helper()
	tofu, err := exec.LookPath("tofu")
	if err != nil {
		t.Log("NOT TESTED with OpenTofu: there is no tofu on PATH")
		return
	}
	ws := w.withoutReattach(home)
	ws.program = tofu
	ws.terraform("init", "-no-color")
	if got := ws.locked(); got != version {
		t.Errorf("tofu init takes %s", got)
	}
	ws.applies()
	w.borrower(w.Token("scout"), "deployer")
	ws.destroys()
	w.isEmpty()
}
