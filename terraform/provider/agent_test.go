package provider_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker/api"
)

const (
	scout      = "rolebroker_agent.scout"
	connection = "rolebroker_agent_connection.production"
)

// agent is a resource rolebroker_agent.scout.
func agent(name, more string) string {
	return fmt.Sprintf("resource \"rolebroker_agent\" \"scout\" {\n  name = %q\n%s\n}\n\n", name, more)
}

// connect is a connection of it to an integration's resource.
func connect(label, attribute, more string) string {
	return fmt.Sprintf("resource \"rolebroker_agent_connection\" %q {\n  agent       = rolebroker_agent.scout.%s\n  integration = rolebroker_aws_integration.%[1]s.%[2]s\n%[3]s\n}\n\n", label, attribute, more)
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
	a, err := w.Admin.Agent(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// TestAnAgentFromItsMakingToItsEnd: make, change, rename, import, drift, delete
// outside.
func TestAnAgentFromItsMakingToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id remembered
	w.plays(
		resource.TestStep{Config: w.config(agent("scout", "")), Check: resource.ComposeAggregateTestCheckFunc(id.keep(scout, "id"),
			resource.TestCheckResourceAttr(scout, "description", ""), resource.TestCheckResourceAttr(scout, "disabled", "false"))},
		resource.TestStep{Config: w.config(agent("scout", `  description = ""`)), ConfigPlanChecks: expects(scout, plancheck.ResourceActionNoop)},
		resource.TestStep{Config: w.config(agent("ranger", "  description = \"Looks around\"\n  disabled = true")),
			ConfigPlanChecks: expects(scout, plancheck.ResourceActionUpdate),
			Check:            resource.ComposeAggregateTestCheckFunc(id.same(scout, "id"), resource.TestCheckResourceAttr(scout, "disabled", "true"))},
		resource.TestStep{ResourceName: scout, ImportState: true, ImportStateId: "ranger", ImportStateVerify: true},
		resource.TestStep{ResourceName: scout, ImportState: true, ImportStateVerify: true},
		resource.TestStep{
			PreConfig: func() {
				if _, err := w.Admin.UpdateAgent(context.Background(), "ranger", api.AgentRequest{Name: "ranger", Description: "Sleeps"}, ""); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(agent("scout", "")), ConfigPlanChecks: expects(scout, plancheck.ResourceActionUpdate)},
		resource.TestStep{
			PreConfig: func() { w.Admin.DeleteAgent(context.Background(), "scout", "") },
			Config:    w.config(agent("scout", "")), ConfigPlanChecks: expects(scout, plancheck.ResourceActionCreate)},
		resource.TestStep{
			Config: w.config(agent("scout", `  description = "mine"`)),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{between(func() error {
				_, err := w.Admin.UpdateAgent(context.Background(), "scout", api.AgentRequest{Name: "scout", Description: "theirs"}, "")
				return err
			})}},
			ExpectError: says("Updating the agent scout", "changed by someone else")},
		resource.TestStep{Config: w.config(agent("not a name", "")), ExpectError: says("The name is not valid", "has the character")},
		resource.TestStep{Config: w.config(agent("scout", "") + "resource \"rolebroker_agent\" \"again\" {\n  name = \"scout\"\n}\n"),
			ExpectError: says("Creating the agent scout", "terraform import rolebroker_agent.NAME scout")},
	)
}

// TestConnections come and go, follow renames, and one of them is the default.
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
		resource.TestStep{Config: w.config(in + other + agent("scout", "") + connect("production", "id", "") + connect("staging", "id", "  default = true")),
			Check: resource.ComposeAggregateTestCheckFunc(connected("production", "staging"), defaultIs("staging"))},
		resource.TestStep{ResourceName: connection, ImportState: true, ImportStateVerify: true},
		resource.TestStep{ResourceName: connection, ImportState: true, ImportStateId: "scout/production", ImportStateVerify: true, ImportStateVerifyIgnore: []string{"agent", "integration"}},
		resource.TestStep{ // the default moves
			Config: w.config(in + other + agent("scout", "") + connect("production", "id", "  default = true") + connect("staging", "id", "")),
			Check:  defaultIs("production")},
		resource.TestStep{ // there is one
			Config:      w.config(in + other + agent("scout", "") + connect("production", "id", "  default = true") + connect("staging", "id", "  default = true")),
			PlanOnly:    true,
			ExpectError: says("Two default integrations", "default = true")},
		resource.TestStep{ // someone else moves it: shown, and moved back
			PreConfig: func() {
				a, staging := w.agent("scout"), "staging"
				if _, err := w.Admin.UpdateAgent(context.Background(), a.ID, api.AgentRequest{Name: a.Name, DefaultIntegration: &staging}, ""); err != nil {
					t.Error(err)
				}
			},
			Config:           w.config(in + other + agent("scout", "") + connect("production", "id", "  default = true") + connect("staging", "id", "")),
			ConfigPlanChecks: expects(connection, plancheck.ResourceActionUpdate), Check: defaultIs("production")},
		resource.TestStep{ // renaming what is connected takes nothing away
			Config:           w.config(renamed + other + agent("scout", "") + connect("production", "id", "  default = true") + connect("staging", "id", "")),
			ConfigPlanChecks: expects(connection, plancheck.ResourceActionNoop), Check: connected("prod", "staging")},
		resource.TestStep{ // by name it is the same
			Config: w.config(renamed + other + agent("scout", "") + connect("production", "name", "  default = true") + connect("staging", "id", "")),
			Check:  connected("prod", "staging")},
		resource.TestStep{
			Config: w.config(in + other + agent("scout", "") + connect("production", "name", "  default = true") + connect("staging", "id", "")),
			Check:  resource.ComposeAggregateTestCheckFunc(connected("production", "staging"), defaultIs("production"))},
		resource.TestStep{Config: w.config(in + other + agent("scout", "") + connect("production", "name", "")), Check: connected("production")},
		resource.TestStep{ // another integration
			Config: w.config(in + other + agent("scout", "") + "resource \"rolebroker_agent_connection\" \"production\" {\n  agent = \"scout\"\n  integration = rolebroker_aws_integration.staging.name\n}\n"),
			Check:  connected("staging")},
		resource.TestStep{ // disconnected outside: connected again
			PreConfig: func() { w.Admin.Disconnect(context.Background(), "scout", "staging") },
			Config:    w.config(in + other + agent("scout", "") + connect("staging", "id", "")),
			Check:     connected("staging")},
		resource.TestStep{Config: w.config(in + other + agent("scout", "")), Check: connected()},
		resource.TestStep{
			Config:      w.config(in + other + agent("scout", "") + "resource \"rolebroker_agent_connection\" \"nowhere\" {\n  agent       = rolebroker_agent.scout.id\n  integration = \"nowhere\"\n}\n"),
			ExpectError: says("Connecting the agent", "integration:", `"nowhere"`)},
		resource.TestStep{Config: w.config(in + other + agent("scout", ""))},
	)
}

// TestDataSources read what is there.
func TestDataSources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.Agent("scout", "production")
	w.plays(
		resource.TestStep{
			Config: w.config(`
data "rolebroker_platform" "here" {}
data "rolebroker_agent" "scout" { name = "scout" }
data "rolebroker_aws_integration" "production" { name = "production" }
data "rolebroker_aws_integration" "same" { id = data.rolebroker_aws_integration.production.id }
`),
			Check: resource.ComposeAggregateTestCheckFunc(
				resource.TestCheckResourceAttr("data.rolebroker_platform.here", "account_id", "111122223333"),
				resource.TestCheckResourceAttr("data.rolebroker_platform.here", "identity_error", ""),
				resource.TestCheckResourceAttr("data.rolebroker_agent.scout", "default_integration", "production"),
				resource.TestCheckResourceAttr("data.rolebroker_agent.scout", "integrations.0", "production"),
				resource.TestCheckResourceAttr("data.rolebroker_aws_integration.same", "name", "production"),
				resource.TestCheckResourceAttr("data.rolebroker_aws_integration.same", "roles.readonly.arn", "arn:aws:iam::444455556666:role/ReadOnly"),
				resource.TestCheckResourceAttrSet("data.rolebroker_aws_integration.same", "external_id"),
			),
		},
		resource.TestStep{Config: w.config(`data "rolebroker_agent" "nobody" { name = "nobody" }`), ExpectError: says("Reading the agent nobody", "nobody")},
		resource.TestStep{Config: w.config(`data "rolebroker_aws_integration" "which" {}`), ExpectError: says("name", "id")},
		resource.TestStep{Config: w.config(here)},
	)
}
