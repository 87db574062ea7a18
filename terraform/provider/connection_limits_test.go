package provider_test

import (
	"fmt"
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

// The limits of a connection are made, changed, imported, put back after others change
// them, and gone once the configuration no longer has them.
func TestLimitsOfAConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limited := func(limits string) string {
		return w.config(integration("production", "", readonly, deployer), agent("scout", ""),
			connect("production", "id", limits))
	}
	is := func(want string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			c := w.agent("scout").Connections[0]
			if got := fmt.Sprintf("%s %s %s %t", c.Access, c.Roles, c.Approval, c.SessionPolicy != ""); got != want {
				return fmt.Errorf("the connection has %s, not %s", got, want)
			}
			return nil
		}
	}
	const narrow = "  access = \"read-only\"\n  roles = [\"readonly\"]\n  approval = \"borrow\""
	w.plays(
		step{Config: limited(narrow), Check: is("read-only [readonly] borrow false")},
		step{ResourceName: connection, ImportState: true, ImportStateVerify: true},
		step{ // others widen it: the plan shows that, and the apply puts it back
			PreConfig: func() {
				_, err := w.Admin.Limit(w.Context(), "scout", "production", api.LimitsRequest{Access: "full"}, "")
				if err != nil {
					t.Error(err)
				}
			},
			Config: limited(narrow), ConfigPlanChecks: updates(connection),
			Check: is("read-only [readonly] borrow false")},
		step{ // a role by its ID stays one
			Config: limited("  roles = [" + production + ".roles[\"deployer\"].id]"),
			Check:  is("full [deployer] none false")},
		step{Config: limited(policyInTerraform), ConfigPlanChecks: updates(connection), Check: is("policy [] none true")},
		step{Config: limited(""), ConfigPlanChecks: updates(connection),
			Check: all(is("full [] none false"), hasNo(connection, "session_policy"))},
	)
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
		refuses(`  session_policy = "{}"`, "session_policy", "allowed only with access policy"),
		refuses("  access = \"policy\"\n  session_policy = \"{\"", "session_policy", "not JSON"),
		refuses(`  approval = "write"`, "approval", `"write"`),
		refuses(`  roles = []`, "roles", "at least 1"),
	)
}

// A new connection in Terraform does not replace the limits of one that is there.
func TestANewConnectionWidensNoneThatIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.config(integration("production", "", readonly), agent("scout", ""))
	w.plays(
		step{Config: base},
		step{
			PreConfig: func() {
				_, err := w.Admin.Limit(w.Context(), "scout", "production", api.LimitsRequest{Access: "view-only"}, "")
				if err != nil {
					t.Error(err)
				}
			},
			Config:      base + connect("production", "id", ""),
			ExpectError: says("connected already, with other limits", "terraform import")},
		step{Config: base, Check: func(*terraform.State) error {
			if c := w.agent("scout").Connections[0]; c.Access != "view-only" {
				return fmt.Errorf("the access is %s", c.Access)
			}
			return w.Admin.Disconnect(w.Context(), "scout", "production")
		}},
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
