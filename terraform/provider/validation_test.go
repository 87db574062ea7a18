package provider_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// trust sets whom the trust policy of a role in the customer's account lets in.
func (w *world) trust(role, account string) {
	w.AWS.Account(testbed.CustomerAccount).SetTrustPolicy(role, testbed.Trust(account))
}

// validates has the server validate an integration.
func (w *world) validates(name string) {
	w.Helper()
	if _, err := w.Admin.ValidateIntegration(w.T.Context(), name, client.Validating{}); err != nil {
		w.Fatal(err)
	}
}

const stranger = "999988887777" // the account of nobody here

// A validation outside of Terraform is no drift, and a plan that changes nothing
// about assuming the roles promises no new results.
func TestAPlanSaysNothingAboutValidations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	with := func(description string) string {
		return requirements + integration("production", "  description = \""+description+"\"", readonly, deployer)
	}
	ws := w.workspaceOf("")
	ws.writes(with("ours"))
	ws.applies()
	w.passes(time.Hour)
	w.validates("production")
	if _, all, status := ws.try("plan", "-refresh-only", "-detailed-exitcode", "-no-color"); status != 0 {
		t.Errorf("after another validation, a plan that only refreshes exits with %d:\n%s", status, all)
	}
	ws.writes(with("changed"))
	if plan := ws.terraform("plan", "-no-color"); strings.Contains(plan, "known after apply") {
		t.Errorf("the plan promises new values:\n%s", plan)
	}
	ws.applies()
}

// A broken role does not block a change that has nothing to do with it. The error
// about a change that validates says how to save it all the same, and the next plan
// is empty if one does what it says.
func TestOneBrokenRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf("")
	with := func(more string, roles ...string) {
		ws.writes(requirements + integration("production", more, roles...))
	}
	with("", readonly, deployer)
	ws.applies()
	before := w.AWS.Calls("AssumeRole")
	w.trust("Deployer", stranger)
	with("  description = \"ours\"", readonly, deployer)
	ws.applies()
	if calls := w.AWS.Calls("AssumeRole"); calls != before {
		t.Error("a change of the description has validated the roles")
	}
	tester := role("tester", "Tester", "")
	with("  description = \"ours\"", readonly, deployer, tester)
	ws.refuses([]string{"apply", "-auto-approve"}, `roles["deployer"].arn`, `validate = "warn"`, "enabled = false")
	with("  description = \"ours\"", readonly, role("deployer", "Deployer", ", enabled = false"), tester)
	ws.applies()
	with("  validate = \"warn\"", readonly, deployer, tester)
	ws.applies()
}

// An apply that breaks a trust policy validates the roles if the policy is a
// trigger, and repairs them in the same way. Nothing else is changed for it.
func TestRevalidateTriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf("")
	with := func(policy string) {
		ws.writes(requirements +
			integration("production", "  revalidate_triggers = { trust = \""+policy+"\" }", readonly))
	}
	with("good")
	ws.applies()
	w.trust("ReadOnly", stranger)
	ws.expectsPlan(nil)
	with("bad")
	ws.refuses([]string{"apply", "-auto-approve"}, `roles["readonly"].arn`)
	w.trust("ReadOnly", testbed.PlatformAccount)
	ws.applies()
	if v := w.the("production").Roles[0].Validation; v == nil || v.Status != "warning" {
		t.Errorf("validation says %+v", v)
	}
}

// The data source validates at each reading. A check on it warns, and the
// integration stays as it is.
func TestDataSourceThatValidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf(integration("production", "", readonly, deployer) + `
data "rolebroker_aws_validation" "production" {
  integration = rolebroker_aws_integration.production.id
}

check "roles" {
  assert {
    condition     = data.rolebroker_aws_validation.production.ok
    error_message = "Broken: ${jsonencode(data.rolebroker_aws_validation.production.roles)}"
  }
}

output "roles" {
  value = { for name, role in data.rolebroker_aws_validation.production.roles : name => role.status }
}
`)
	ws.terraform("apply", "-auto-approve", "-no-color")
	w.trust("Deployer", stranger)
	_, said, status := ws.try("apply", "-auto-approve", "-no-color")
	if status != 0 || !strings.Contains(said, "Check block assertion failed") || !strings.Contains(said, "Broken:") {
		t.Errorf("the apply exits with %d:\n%s", status, said)
	}
	var roles map[string]string
	if ws.output("roles", &roles); roles["readonly"] != "warning" || roles["deployer"] != "failed" {
		t.Errorf("the roles are %v", roles)
	}
}

// Warnings about many roles have one summary, so that Terraform shows one and
// counts the others.
func TestWarningsAboutRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf(integration("production", "", readonly, deployer, role("tester", "Tester", "")))
	said := ws.terraform("apply", "-auto-approve", "-no-color")
	if !strings.Contains(said, "2 more similar warnings elsewhere") {
		t.Errorf("the apply says\n%s", said)
	}
}

// A state of the first version of the schema, whose validations had more
// attributes, is read without a change.
func TestStateOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf(integration("production", "", readonly, deployer))
	ws.applies()
	file := filepath.Join(ws.dir, "terraform.tfstate")
	text, err := os.ReadFile(file)
	ws.must(err)
	var state map[string]any
	ws.must(json.Unmarshal(text, &state))
	instance := state["resources"].([]any)[0].(map[string]any)["instances"].([]any)[0].(map[string]any)
	instance["schema_version"] = 0
	delete(instance, "private")
	attributes := instance["attributes"].(map[string]any)
	delete(attributes, "revalidate_triggers")
	for _, role := range attributes["roles"].(map[string]any) {
		validation := role.(map[string]any)["validation"].(map[string]any)
		for _, name := range []string{"message", "hint", "request_id", "checked_at"} {
			validation[name] = "of the first version"
		}
	}
	text, err = json.Marshal(state)
	ws.must(err)
	ws.must(os.WriteFile(file, text, 0o600))
	ws.expectsPlan(nil)
	if _, all, status := ws.try("plan", "-refresh-only", "-detailed-exitcode", "-no-color"); status != 0 {
		t.Errorf("a plan that only refreshes exits with %d:\n%s", status, all)
	}
	ws.writes(requirements + integration("production", "  description = \"ours\"", readonly, deployer))
	ws.applies()
	if text, err = os.ReadFile(file); err != nil || strings.Contains(string(text), "of the first version") {
		t.Errorf("the state is (%v)\n%s", err, text)
	}
}
