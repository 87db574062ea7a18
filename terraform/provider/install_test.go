package provider_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// As the README says: after make terraform-install, terraform init finds the
// provider, without a registry and without a version in the configuration.
func TestInstalling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.example("integration")
	i := slices.IndexFunc(ws.env, func(v string) bool { return strings.HasPrefix(v, reattachEnv) })
	ws.env = slices.Delete(ws.env, i, i+1) // Terraform is to start the provider itself
	home := t.TempDir()
	ws.env = append(ws.env, "HOME="+home)

	install := exec.Command("make", "-C", "../..", "terraform-install")
	install.Env = append(os.Environ(), "HOME="+home)
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} { // which are in the home otherwise
		value, err := exec.Command("go", "env", name).Output()
		ws.must(err)
		install.Env = append(install.Env, name+"="+strings.TrimSpace(string(value)))
	}
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	ws.terraform("init", "-no-color")
	ws.terraform("validate", "-no-color")
	if plan := ws.terraform("plan", "-no-color"); !strings.Contains(plan, "3 to add") {
		t.Errorf("the plan is\n%s", plan)
	}
	if _, err := os.Stat(filepath.Join(ws.dir, ".terraform.lock.hcl")); err != nil {
		t.Error(err)
	}
	ws.applies()
	w.borrower(w.Token("scout"), "deployer")
	ws.destroys()
	w.isEmpty()
}
