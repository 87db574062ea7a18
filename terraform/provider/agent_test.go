package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker/api"
)

const (
	scout      = "rolebroker_agent.scout"
	connection = "rolebroker_agent_connection.production"
)

// agent is the resource rolebroker_agent.scout.
func agent(name, more string) string {
	return fmt.Sprintf("resource \"rolebroker_agent\" \"scout\" {\n  name = %q\n%s\n}\n\n", name, more)
}

// connect is the connection of that agent to an integration. label is the name of
// the two resources, attribute the one that refers to agent and integration.
func connect(label, attribute, more string) string {
	return fmt.Sprintf(`
resource "rolebroker_agent_connection" %q {
  agent       = rolebroker_agent.scout.%s
  integration = rolebroker_aws_integration.%[1]s.%[2]s
%[3]s
}
`, label, attribute, more)
}

// other is a second integration.
const other = `
resource "rolebroker_aws_integration" "staging" {
  name         = "staging"
  default_role = "tester"
  roles = {
    tester = { arn = "arn:aws:iam::444455556666:role/Tester", region = "us-west-2" }
  }
}

`

func (w *world) agent(name string) api.Agent {
	w.Helper()
	a, err := w.Admin.Agent(w.Context(), name)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// Create, change, rename and import an agent; then others change and delete it.
func TestLifecycleOfAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id remembered
	w.plays(
		step{Config: w.config(agent("scout", "")), Check: all(id.keep(scout, "id"),
			has(scout, "description", ""), has(scout, "disabled", "false"))},
		step{Config: w.config(agent("scout", `  description = ""`)), ConfigPlanChecks: keeps(scout)},
		step{Config: w.config(agent("ranger", "  description = \"Looks around\"\n  disabled = true")),
			ConfigPlanChecks: updates(scout),
			Check:            all(id.same(scout, "id"), has(scout, "disabled", "true"))},
		step{ResourceName: scout, ImportState: true, ImportStateId: "ranger", ImportStateVerify: true},
		step{ResourceName: scout, ImportState: true, ImportStateVerify: true},
		step{
			PreConfig: func() {
				sleeps := api.AgentRequest{Name: "ranger", Description: "Sleeps"}
				if _, err := w.Admin.UpdateAgent(w.Context(), "ranger", sleeps, ""); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(agent("scout", "")), ConfigPlanChecks: updates(scout)},
		step{
			PreConfig: func() { w.Admin.DeleteAgent(w.Context(), "scout", "") },
			Config:    w.config(agent("scout", "")), ConfigPlanChecks: creates(scout)},
		step{
			Config: w.config(agent("scout", `  description = "mine"`)),
			ConfigPlanChecks: plans(between(func() error {
				_, err := w.Admin.UpdateAgent(w.Context(), "scout",
					api.AgentRequest{Name: "scout", Description: "theirs"}, "")
				return err
			})),
			ExpectError: says("Updating the agent scout", "changed by someone else")},
		step{Config: w.config(agent("not a name", "")),
			ExpectError: says("The name is not valid", "has the character")},
		step{Config: w.config(agent("scout", ""), "resource \"rolebroker_agent\" \"again\" {\n  name = \"scout\"\n}\n"),
			ExpectError: says("Creating the agent scout", "terraform import rolebroker_agent.NAME scout")},
	)
}

// The owner of an agent is the key that creates it, until the configuration names another one, or others do.
func TestTheOwnerOfAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"alice", "bob"} {
		if _, err := w.Admin.CreateAPIKey(w.Context(), api.APIKeyRequest{Name: name, Access: "approver"}); err != nil {
			t.Fatal(err)
		}
	}
	w.plays(
		step{Config: w.config(agent("scout", "")), Check: has(scout, "owner", "bootstrap")},
		step{Config: w.config(agent("scout", `  owner = "alice"`)), ConfigPlanChecks: updates(scout),
			Check: has(scout, "owner", "alice")},
		step{ResourceName: scout, ImportState: true, ImportStateVerify: true},
		step{
			PreConfig: func() {
				if _, err := w.Admin.UpdateAgent(w.Context(), "scout", api.AgentRequest{Name: "scout", Owner: "bob"}, ""); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(agent("scout", `  owner = "alice"`)), ConfigPlanChecks: updates(scout),
			Check: has(scout, "owner", "alice")},
		step{Config: w.config(agent("scout", "")), ConfigPlanChecks: keeps(scout), Check: has(scout, "owner", "alice")},
		step{Config: w.config(agent("scout", `  owner = "nobody"`)), ExpectError: says("Updating the agent scout", "There is no API key")},
	)
}

// Connections come and go, follow renames, and one of them is the default.
func TestConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := integration("production", "", readonly)
	renamed := integration("prod", "", readonly)
	defaultIs := func(name string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			if is := w.agent("scout").DefaultIntegration; is != name {
				return fmt.Errorf("the default integration is %q, not %q", is, name)
			}
			return nil
		}
	}
	connected := func(names ...string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			var are []string
			for _, c := range w.agent("scout").Connections {
				are = append(are, c.Integration)
			}
			if slices.Sort(are); !slices.Equal(are, names) {
				return fmt.Errorf("scout is connected to %v, not %v", are, names)
			}
			return nil
		}
	}
	w.plays(
		step{
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				connect("production", "id", ""),
				connect("staging", "id", "  default = true"),
			),
			Check: all(connected("production", "staging"), defaultIs("staging")),
		},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true},
		step{
			ResourceName:            connection,
			ImportState:             true,
			ImportStateId:           "scout/production",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"agent", "integration"},
		},
		step{ // the default moves
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				connect("production", "id", "  default = true"),
				connect("staging", "id", ""),
			),
			Check: defaultIs("production")},
		step{ // an agent has one default
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				connect("production", "id", "  default = true"),
				connect("staging", "id", "  default = true"),
			),
			PlanOnly:    true,
			ExpectError: says("Two default integrations", "default = true")},
		step{ // someone else moves it: the plan shows that, and the apply moves it back
			PreConfig: func() {
				a, staging := w.agent("scout"), "staging"
				moved := api.AgentRequest{Name: a.Name, DefaultIntegration: &staging}
				if _, err := w.Admin.UpdateAgent(w.Context(), a.ID, moved, ""); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				connect("production", "id", "  default = true"),
				connect("staging", "id", ""),
			),
			ConfigPlanChecks: updates(connection), Check: defaultIs("production")},
		step{ // renaming an integration does not disconnect it
			Config: w.config(
				renamed,
				other,
				agent("scout", ""),
				connect("production", "id", "  default = true"),
				connect("staging", "id", ""),
			),
			ConfigPlanChecks: keeps(connection), Check: connected("prod", "staging")},
		step{ // a reference by name leads to the same connection
			Config: w.config(
				renamed,
				other,
				agent("scout", ""),
				connect("production", "name", "  default = true"),
				connect("staging", "id", ""),
			),
			Check: connected("prod", "staging")},
		step{
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				connect("production", "name", "  default = true"),
				connect("staging", "id", ""),
			),
			Check: all(connected("production", "staging"), defaultIs("production"))},
		step{
			Config: w.config(in, other, agent("scout", ""), connect("production", "name", "")),
			Check:  connected("production"),
		},
		step{ // another integration
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				`resource "rolebroker_agent_connection" "production" {
  agent       = "scout"
  integration = rolebroker_aws_integration.staging.name
}`,
			),
			Check: connected("staging")},
		step{ // disconnected outside: connected again
			PreConfig: func() { w.Admin.Disconnect(w.Context(), "scout", "staging") },
			Config:    w.config(in, other, agent("scout", ""), connect("staging", "id", "")),
			Check:     connected("staging")},
		step{Config: w.config(in, other, agent("scout", "")), Check: connected()},
		step{
			Config: w.config(
				in,
				other,
				agent("scout", ""),
				`resource "rolebroker_agent_connection" "nowhere" {
  agent       = rolebroker_agent.scout.id
  integration = "nowhere"
}`,
			),
			ExpectError: says("Connecting the agent", "integration:", `"nowhere"`)},
		step{Config: w.config(in, other, agent("scout", ""))},
	)
}

// Data sources read existing objects.
func TestDataSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.Agent("scout", "production")
	const exempt = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
	w.limits(api.LimitsRequest{Access: "view-only", Roles: &[]string{"readonly"}, Keys: "withheld", Approval: "call",
		ExemptPolicy: exempt})()
	w.validates("production")
	w.plays(
		step{
			Config: w.config(`
data "rolebroker_platform" "here" {}
data "rolebroker_agent" "scout" { name = "scout" }
data "rolebroker_aws_integration" "production" { name = "production" }
data "rolebroker_aws_integration" "same" { id = data.rolebroker_aws_integration.production.id }
`),
			Check: all(
				has("data.rolebroker_platform.here", "account_id", "111122223333"),
				has("data.rolebroker_platform.here", "identity_error", ""),
				has("data.rolebroker_agent.scout", "default_integration", "production"),
				has("data.rolebroker_agent.scout", "integrations.0", "production"),
				has("data.rolebroker_agent.scout", "connections.production.access", "view-only"),
				has("data.rolebroker_agent.scout", "connections.production.roles.0", "readonly"),
				has("data.rolebroker_agent.scout", "connections.production.approval", "call"),
				has("data.rolebroker_agent.scout", "connections.production.exempt_policy", exempt),
				hasNo("data.rolebroker_agent.scout", "connections.production.session_policy"),
				has("data.rolebroker_aws_integration.same", "name", "production"),
				has("data.rolebroker_aws_integration.same", "roles.readonly.arn",
					"arn:aws:iam::444455556666:role/ReadOnly"),
				hasSome("data.rolebroker_aws_integration.same", "external_id"),
				has("data.rolebroker_aws_integration.same", "status", "warning"),
				has("data.rolebroker_aws_integration.same", "roles.readonly.state.from", "validation"),
				hasSome("data.rolebroker_aws_integration.same", "roles.readonly.state.since"),
			),
		},
		step{
			Config:      w.config(`data "rolebroker_agent" "nobody" { name = "nobody" }`),
			ExpectError: says("Reading the agent nobody", "nobody"),
		},
		step{Config: w.config(`data "rolebroker_aws_integration" "which" {}`), ExpectError: says("name", "id")},
		step{Config: w.config(here)},
	)
}

// Two defaults of one agent are refused in the first plan, before the agent has an
// ID; nothing is created.
func TestTwoDefaultsInTheFirstPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	both := integration("production", "", readonly) + other + agent("scout", "")
	ws := w.workspaceOf(both + connect("production", "id", "  default = true") +
		connect("staging", "id", "  default = true"))
	ws.refuses([]string{"apply", "-auto-approve"}, "Two default integrations", "default = true")
	w.isEmpty()
	ws.writes(requirements + both + connect("production", "id", "  default = true") +
		connect("staging", "id", "  default = false"))
	if said := ws.terraform("apply", "-auto-approve", "-no-color"); strings.Contains(said, "Warning: No conn") {
		t.Errorf("the apply says\n%s", said)
	}
	ws.expectsPlan(nil)
	if is := w.agent("scout").DefaultIntegration; is != "production" {
		t.Errorf("the default is %q", is)
	}
	ws.writes(requirements + both + connect("production", "id", "  default = true") +
		connect("staging", "name", "  default = true"))
	ws.refuses([]string{"plan"}, "Two default integrations", "default = true")
}

// Without a default, the plan warns of an agent that gets several connections: which
// one is the default would depend on which one Terraform happens to create first. It
// does not warn of one connection for each of several agents.
func TestNoDefaultAmongSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := integration("production", "", readonly) + other + agent("scout", "") + connect("production", "id", "")
	second := `
resource "rolebroker_agent" "ranger" { name = "ranger" }

resource "rolebroker_agent_connection" "ranger" {
  agent       = rolebroker_agent.ranger.id
  integration = rolebroker_aws_integration.staging.id
}
`
	const warning = "No connection of the agent is its default"
	ws := w.workspaceOf(one + second)
	if said := ws.terraform("plan", "-no-color"); strings.Contains(said, warning) {
		t.Errorf("each agent has one connection, and the plan says\n%s", said)
	}
	ws.writes(requirements + one + connect("staging", "id", ""))
	if said := ws.terraform("plan", "-no-color"); !strings.Contains(said, warning) {
		t.Errorf("an agent has two connections, and the plan says\n%s", said)
	}
	ws.terraform("apply", "-auto-approve", "-no-color")
	if said := ws.terraform("plan", "-no-color"); strings.Contains(said, warning) {
		t.Errorf("nothing is created, and the plan says\n%s", said)
	}
}

// A connection with default = false does not become the default, also if it is the
// first.
func TestAConnectionThatIsNoDefault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ws := w.workspaceOf(integration("production", "", readonly) + agent("scout", "") +
		connect("production", "id", "  default = false"))
	ws.applies()
	if a := w.agent("scout"); len(a.Connections) != 1 || a.DefaultIntegration != "" {
		t.Errorf("scout is %+v", a)
	}
}

// Data sources list objects, by name.
func TestListDataSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.Integration("staging", w.Role("tester", "Tester", "us-west-2"))
	w.validates("staging")
	w.Agent("scout", "production", "staging")
	w.Agent("ranger")
	w.plays(
		step{
			Config: w.config(runner("eks", ""), `
data "rolebroker_aws_integrations" "all" {}
data "rolebroker_aws_integrations" "some" { search = "prod" }
data "rolebroker_agents" "all" {}
data "rolebroker_runners" "all" { depends_on = [rolebroker_runner.eks] }
`),
			Check: all(
				has("data.rolebroker_aws_integrations.all", "integrations.%", "2"),
				has("data.rolebroker_aws_integrations.all", "integrations.staging.default_role", "tester"),
				has("data.rolebroker_aws_integrations.all", "integrations.staging.status", "warning"),
				has("data.rolebroker_aws_integrations.some", "integrations.%", "1"),
				hasSome("data.rolebroker_aws_integrations.some", "integrations.production.id"),
				has("data.rolebroker_agents.all", "agents.scout.integrations.1", "staging"),
				has("data.rolebroker_agents.all", "agents.ranger.default_integration", ""),
				has("data.rolebroker_runners.all", "runners.eks.status", "waiting"),
				has("data.rolebroker_runners.all", "runners.eks.replicas", "0"),
			),
		},
	)
}
