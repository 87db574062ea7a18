package provider_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker/api"
)

const policyInTerraform = `
  access         = "policy"
  session_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "s3:Get*", Resource = "*" }]
  })`

// limited is the configuration of an agent, its connection and the limits of that.
func (w *world) limited(limits string) string {
	return w.config(integration("production", "", readonly, deployer), agent("scout", ""),
		connect("production", "id", limits))
}

// lets checks what scout's connection has: access, roles, approval, and whether a
// session policy.
func (w *world) lets(want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		c := w.agent("scout").Connections[0]
		if got := fmt.Sprintf("%s %s %s %t", c.Access, c.Roles, c.Approval, c.SessionPolicy != ""); got != want {
			return fmt.Errorf("the connection has %s, not %s", got, want)
		}
		return nil
	}
}

// exempts checks how many letters the exempt policy has; 0: there is none.
func (w *world) exempts(want int) resource.TestCheckFunc {
	return func(*terraform.State) error {
		if c := w.agent("scout").Connections[0]; c.Approval != "call" && want > 0 || len(c.ExemptPolicy) != want {
			return fmt.Errorf("the approval is %s, and the exempt policy %s", c.Approval, c.ExemptPolicy)
		}
		return nil
	}
}

// keys checks whether scout gets AWS keys.
func (w *world) keys(want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		if got := w.agent("scout").Connections[0].Keys; got != want {
			return fmt.Errorf("the keys are %s, not %s", got, want)
		}
		return nil
	}
}

// allows checks which actions that return credentials scout may use.
func (w *world) allows(want ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		if got := w.agent("scout").Connections[0].AllowedActions; !slices.Equal(got, want) {
			return fmt.Errorf("the allowed actions are %v, not %v", got, want)
		}
		return nil
	}
}

// limits changes the limits as others do, in the web app or with the CLI.
func (w *world) limits(limits api.LimitsRequest) func() {
	return func() {
		if _, err := w.Admin.Limit(w.Context(), "scout", "production", limits, ""); err != nil {
			w.Error(err)
		}
	}
}

// The limits of a connection are made, changed, imported, and put back after others
// change them.
func TestLimitsOfAConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const narrow = "  access = \"read-only\"\n  roles = [\"readonly\"]\n  approval = \"borrow\""
	w.plays(
		step{Config: w.limited(narrow), Check: w.lets("read-only [readonly] borrow false")},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true},
		step{ // others widen it: the plan shows that, and the apply puts it back
			PreConfig: w.limits(api.LimitsRequest{Access: "full"}),
			Config:    w.limited(narrow), ConfigPlanChecks: updates(connection),
			Check: w.lets("read-only [readonly] borrow false")},
		step{ // a role by its ID stays one
			Config: w.limited("  roles = [" + production + ".roles[\"deployer\"].id]"),
			Check:  w.lets("read-only [deployer] borrow false")},
		step{Config: w.limited(policyInTerraform), ConfigPlanChecks: updates(connection),
			Check: w.lets("policy [deployer] borrow true")},
		step{Config: w.limited("  access = \"view-only\"\n  roles = [\"*\"]"), ConfigPlanChecks: updates(connection),
			Check: all(w.lets("view-only [] borrow false"), hasNo(connection, "session_policy"),
				has(connection, "roles.0", "*"))},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"roles"}}, // all, and the import cannot know that somebody wrote that
		step{Config: w.limited("  access = \"full\"\n  approval = \"none\""), ConfigPlanChecks: updates(connection),
			Check: w.lets("full [] none false")},
		step{Config: w.limited("  keys = \"withheld\""), ConfigPlanChecks: updates(connection),
			Check: all(w.lets("full [] none false"), w.keys("withheld"))},
		step{Config: w.limited("  keys = \"withheld\"\n  allowed_actions = [\"sts:AssumeRole\"]"),
			ConfigPlanChecks: updates(connection), Check: all(w.allows("sts:AssumeRole"), w.keys("withheld"))},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"roles"}},
		step{Config: w.limited("  keys = \"withheld\""), ConfigPlanChecks: keeps(connection), Check: w.allows("sts:AssumeRole")},
		step{Config: w.limited("  keys = \"lent\""), ConfigPlanChecks: updates(connection), Check: w.allows()},
		step{Config: w.limited("  keys = \"withheld\""), ConfigPlanChecks: updates(connection), Check: w.allows()},
		step{ // others lend them: the apply withholds them again
			PreConfig: w.limits(api.LimitsRequest{Keys: "lent"}),
			Config:    w.limited("  keys = \"withheld\""), ConfigPlanChecks: updates(connection), Check: w.keys("withheld")},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"roles"}},
	)
}

// The exempt policy is kept as it is written, also if it is longer than a session
// policy, and put back after others change it. It is none where only the approval is
// named.
func TestExemptPolicyOfAConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const statement = `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::reports/*"}`
	compact := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(statement+",", 40) + statement + `]}`
	sorted := `{"Statement":[` + strings.Repeat(statement+",", 40) + statement + `],"Version":"2012-10-17"}`
	calls := "  keys = \"withheld\"\n  approval = \"call\"\n"
	written := calls + "  exempt_policy = <<-EOT\n" + strings.ReplaceAll(compact, "},", "},\n") + "\nEOT\n"
	others := func(policy string) func() {
		return w.limits(api.LimitsRequest{Keys: "withheld", Approval: "call", ExemptPolicy: api.Policy(policy)})
	}
	w.plays(
		step{Config: w.limited(written), Check: all(w.exempts(len(compact)), w.lets("full [] call false"))},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true,
			ImportStateVerifyIgnore: []string{"exempt_policy"}}, // the import cannot know its white space
		step{PreConfig: others(sorted), Config: w.limited(written), ConfigPlanChecks: keeps(connection)},
		step{PreConfig: others(strings.Replace(compact, "s3:GetObject", "s3:*", 1)), Config: w.limited(written),
			ConfigPlanChecks: updates(connection), Check: w.exempts(len(compact))},
		step{Config: w.limited("  keys = \"withheld\""), ConfigPlanChecks: keeps(connection),
			Check: w.exempts(len(compact))},
		step{Config: w.limited("  access = \"read-only\""), ConfigPlanChecks: updates(connection),
			Check: w.exempts(len(compact))},
		step{Config: w.limited(calls), ConfigPlanChecks: updates(connection),
			Check: all(w.lets("read-only [] call false"), w.exempts(0), hasNo(connection, "exempt_policy"))},
		step{Config: w.limited(written), ConfigPlanChecks: updates(connection), Check: w.exempts(len(compact))},
		step{Config: w.limited(calls + "  exempt_policy = \"\""), ConfigPlanChecks: updates(connection),
			Check: w.exempts(0)},
		step{Config: w.limited(written), ConfigPlanChecks: updates(connection), Check: w.exempts(len(compact))},
		step{Config: w.limited("  approval = \"write\""), ConfigPlanChecks: updates(connection),
			Check: all(w.lets("read-only [] write false"), w.exempts(0), hasNo(connection, "exempt_policy"))},
		// The apply learns the approval and the policy.
		step{Config: w.limited("  keys = \"withheld\"\n  approval = terraform_data.call.output\n  exempt_policy = "+
			"terraform_data.exempt.output") + fmt.Sprintf("resource \"terraform_data\" \"call\" { input = \"call\" }\n"+
			"resource \"terraform_data\" \"exempt\" { input = %q }\n", sorted), Check: w.exempts(len(sorted))},
		step{Config: w.limited("  approval = terraform_data.write.output") +
			"resource \"terraform_data\" \"write\" { input = \"write\" }\n",
			Check: all(w.lets("read-only [] write false"), w.exempts(0), hasNo(connection, "exempt_policy"))},
	)
}

// What the configuration does not name stays as others left it, through each apply: of
// nothing, of another limit, and of another end of the connection.
func TestSilenceKeepsLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both := func(production string) string {
		return w.config(integration("production", "", readonly, deployer), other,
			agent("scout", ""), production)
	}
	policy := api.Policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`)
	w.plays(
		step{Config: both(connect("production", "id", "")), Check: w.lets("full [] none false")},
		step{
			PreConfig: w.limits(api.LimitsRequest{Access: "policy", SessionPolicy: policy, Roles: &[]string{"readonly"},
				Keys: "withheld", Approval: "borrow"}),
			Config: both(connect("production", "id", "")), ConfigPlanChecks: keeps(connection),
			Check: all(w.lets("policy [readonly] borrow true"), has(connection, "access", "policy"),
				w.keys("withheld"), has(connection, "keys", "withheld"),
				has(connection, "roles.0", "readonly"), has(connection, "approval", "borrow"))},
		step{Config: both(connect("production", "id", "  default = true")), ConfigPlanChecks: updates(connection),
			Check: w.lets("policy [readonly] borrow true")},
		step{Config: both(connect("production", "id", "  approval = \"none\"")), ConfigPlanChecks: updates(connection),
			Check: all(w.lets("policy [readonly] none true"), w.keys("withheld"))},
		step{PreConfig: w.limits(api.LimitsRequest{Access: "view-only"}), Config: both(connect("production", "id", "")),
			Check: w.lets("view-only [] none false")},
		step{ // the other integration gets no more than this one had
			Config: both(`resource "rolebroker_agent_connection" "production" {
  agent       = rolebroker_agent.scout.id
  integration = rolebroker_aws_integration.staging.id
}
`), ConfigPlanChecks: updates(connection), Check: w.lets("view-only [] none false")},
	)
}

// The configuration that Terraform generates for connections and agents that are there
// has their limits, and its plan changes none: also of a connection whose roles are all
// gone, and of an agent that is cut off.
func TestGeneratedLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	policy := api.Policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"), w.Role("deployer", "Deployer", "us-east-1"))
	w.Integration("staging", w.Role("tester", "Tester", "us-west-2"))
	w.Integration("sandbox", w.Role("off", "Off", "us-west-2"))
	w.Agent("scout", "production", "staging", "sandbox")
	w.limits(api.LimitsRequest{Access: "policy", SessionPolicy: policy, Roles: &[]string{"readonly"},
		Keys: "withheld", Approval: "borrow"})()
	if _, err := w.Admin.Limit(t.Context(), "scout", "sandbox", api.LimitsRequest{Roles: &[]string{}}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{}); err != nil {
		t.Fatal(err)
	}
	before := w.agent("scout")
	imports := "import {\n  to = rolebroker_agent.scout\n  id = \"scout\"\n}\n"
	for _, c := range before.Connections {
		imports += fmt.Sprintf("import {\n  to = rolebroker_agent_connection.%s\n  id = \"scout/%[1]s\"\n}\n", c.Integration)
	}
	ws := w.workspaceOf(imports)
	said := ws.terraform("plan", "-generate-config-out=generated.tf", "-no-color")
	if !strings.Contains(said, "4 to import, 0 to add, 0 to change, 0 to destroy") {
		t.Errorf("the plan says\n%s", said)
	}
	ws.applies()
	after := w.agent("scout")
	if after.Version != before.Version || !reflect.DeepEqual(after.Connections, before.Connections) {
		t.Errorf("scout was\n%+v\nand is\n%+v", before, after)
	}
}

// The plan refuses limits that are not valid.
func TestLimitsThatAreNotValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	refuses := func(limits string, words ...string) step {
		return step{PlanOnly: true, ExpectError: says(words...), Config: w.config(
			integration("production", "", readonly), agent("scout", ""), connect("production", "id", limits))}
	}
	w.plays(
		refuses(`  access = "some"`, "access", `"some"`),
		refuses(`  access = "policy"`, "session_policy", "required"),
		refuses(`  session_policy = "{}"`, "session_policy", "allowed only with access"),
		refuses("  access = \"full\"\n  session_policy = \"{}\"", "session_policy", "allowed only with access policy"),
		refuses("  access = \"policy\"\n  session_policy = \"{\"", "session_policy", "not JSON"),
		refuses("  keys = \"lent\"\n  allowed_actions = [\"sts:AssumeRole\"]", "allowed_actions", "only with keys"),
		refuses(`  allowed_actions = ["s3:GetObject"]`, "allowed_actions", "not among the actions"),
		refuses(`  keys = "given"`, "keys", `"given"`),
		refuses("  keys = \"lent\"\n  approval = \"write\"", "approval", "only with keys"),
		refuses(`  exempt_policy = "{}"`, "exempt_policy", "allowed only with approval"),
		refuses("  approval = \"write\"\n  exempt_policy = \"{}\"", "exempt_policy", "allowed only with approval call"),
		refuses("  approval = \"call\"\n  exempt_policy = \"{\"", "exempt_policy", "not JSON"),
		refuses("  keys = \"lent\"\n  approval = \"call\"", "approval", "only with keys"),
		refuses(`  approval = "always"`, "approval", `"always"`),
		refuses(`  roles = ["*", "readonly"]`, "roles", "all roles of the integration"),
	)
}

// A new connection in Terraform does not replace the limits of one that is there: it
// is refused with others, and takes those over without any.
func TestANewConnectionWidensNoneThatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.config(integration("production", "", readonly), agent("scout", ""))
	w.plays(
		step{Config: base},
		step{
			PreConfig:   w.limits(api.LimitsRequest{Access: "view-only", Approval: "borrow"}),
			Config:      base + connect("production", "id", "  access = \"full\""),
			ExpectError: says("connected already, with other limits", "terraform import")},
		step{Config: base, Check: w.lets("view-only [] borrow false")},
		step{Config: base + connect("production", "id", "  access = \"view-only\""), Check: all(
			w.lets("view-only [] borrow false"), has(connection, "approval", "borrow"))},
	)
}

// A plan says what it widens: an access, roles, an approval, and an agent that is
// disabled. It says nothing about what it narrows, or keeps.
func TestAPlanSaysWhatItWidens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ends := func(disabled string) string {
		return integration("production", "", readonly, deployer) + agent("scout", disabled)
	}
	ws := w.workspaceOf(ends("") + connect("production", "id", ""))
	ws.terraform("apply", "-auto-approve", "-no-color")
	narrow := w.limits(api.LimitsRequest{Access: "read-only", Roles: &[]string{"readonly"}, Keys: "withheld",
		Approval: "borrow"})
	narrow()
	plans := func(disabled, limits string, warnings ...string) {
		t.Helper()
		ws.writes(requirements + ends(disabled) + connect("production", "id", limits))
		said := strings.Join(strings.Fields(strings.ReplaceAll(ws.terraform("plan", "-no-color"), "│", "")), " ")
		if got := strings.Count(said, "Warning: The plan "); len(warnings) == 0 && got > 0 {
			t.Errorf("with %q the plan says\n%s", limits, said)
		}
		for _, warning := range warnings {
			if !strings.Contains(said, warning) {
				t.Errorf("with %q the plan does not say %q:\n%s", limits, warning, said)
			}
		}
	}
	plans("", "")
	plans("", "  roles = ["+production+".roles[\"readonly\"].id]")
	plans("", "  access = \"full\"\n  roles = [\"deployer\", \"readonly\"]\n  approval = \"none\"\n  keys = \"lent\"",
		"widens what agent", "keys: it changes from withheld to lent",
		"access: it changes from read-only to full", "roles: it adds deployer to readonly",
		"approval: it changes from borrow to none", "Leave access, roles, keys, approval out")

	if _, err := w.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{Reason: "leaked its keys"}); err != nil {
		t.Fatal(err)
	}
	plans("  disabled = false", "")
	if _, err := w.Admin.UpdateAgent(t.Context(), "scout", api.AgentRequest{Name: "scout", Disabled: true}, ""); err != nil {
		t.Fatal(err)
	}
	plans("  disabled = false", "", "The plan enables agent scout", "It is also cut off", "by bootstrap: leaked its keys")
}

// An agent that was cut off stays cut off, whatever the configuration says, and other changes of it are made.
func TestAnApplyEnablesNoAgentThatWasCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	is := func(cutOff bool) resource.TestCheckFunc {
		return func(*terraform.State) error {
			if a := w.agent("scout"); a.Disabled || (a.CutOff != nil) != cutOff {
				return fmt.Errorf("disabled is %t, and the cut-off %v", a.Disabled, a.CutOff)
			}
			return nil
		}
	}
	w.plays(
		step{Config: w.config(agent("scout", "")), Check: is(false)},
		step{
			PreConfig: func() { w.Admin.CutOff(w.Context(), "scout", api.CutOffRequest{}) },
			Config:    w.config(agent("scout", "")), ConfigPlanChecks: keeps(scout),
			Check: all(is(true), has(scout, "disabled", "false"))},
		step{Config: w.config(agent("scout", "  description = \"Looks around\"")), ConfigPlanChecks: updates(scout),
			Check: is(true)},
		step{Config: w.config(agent("scout", "  description = \"Looks\"\n  disabled = false")),
			ConfigPlanChecks: updates(scout), Check: is(true)},
		step{
			PreConfig: func() { w.Admin.EnableAgent(w.Context(), "scout", api.EnableRequest{}) },
			Config:    w.config(agent("scout", "  description = \"Looks\"\n  disabled = false")), Check: is(false)},
	)
}

// Terraform limits many connections of one agent at once.
func TestManyLimitsOfOneAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const count = 15
	for i := range count {
		w.Integration(fmt.Sprintf("account-%d", i), w.Role("readonly", "ReadOnly", "us-east-1"))
	}
	many := func(access string) string {
		return w.config(agent("scout", ""), fmt.Sprintf(`
resource "rolebroker_agent_connection" "each" {
  count       = %d
  agent       = rolebroker_agent.scout.id
  integration = "account-${count.index}"
  default     = false
  access      = %q
}
`, count, access))
	}
	have := func(access string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			for _, c := range w.agent("scout").Connections {
				if c.Access != access {
					return fmt.Errorf("the access to %s is %s", c.Integration, c.Access)
				}
			}
			return nil
		}
	}
	w.plays(step{Config: many("read-only"), Check: have("read-only")},
		step{Config: many("view-only"), Check: have("view-only")})
}
