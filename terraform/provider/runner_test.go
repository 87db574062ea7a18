package provider_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

const (
	eks     = "rolebroker_runner.eks"
	binding = "rolebroker_agent_binding.scout"
	issuer  = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
)

// runner is a resource rolebroker_runner.eks.
func runner(name, more string) string {
	return fmt.Sprintf("resource \"rolebroker_runner\" \"eks\" {\n  name = %q\n%s\n}\n\n", name, more)
}

// bind is a binding of scout to a service account.
func bind(agent, account string) string {
	return fmt.Sprintf("resource \"rolebroker_agent_binding\" \"scout\" {\n  agent           = %s\n  issuer          = %q\n  namespace       = \"agents\"\n  service_account = %q\n}\n\n", agent, issuer, account)
}

// clustered is an integration whose roles a cluster assumes.
func clustered(name, more string) string {
	return integration(name, "  assumption_mode = \"cluster\"\n"+more, readonly)
}

func (w *world) runner(name string) api.Runner {
	w.Helper()
	r, err := w.Admin.Runner(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// TestARunnerFromItsMakingToItsEnd: make, change, rename, import, drift, delete
// outside.
func TestARunnerFromItsMakingToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id remembered
	w.plays(
		resource.TestStep{Config: w.config(runner("eks", "")), Check: resource.ComposeAggregateTestCheckFunc(id.keep(eks, "id"),
			resource.TestCheckResourceAttr(eks, "description", ""), resource.TestCheckResourceAttr(eks, "issuer", ""))},
		resource.TestStep{Config: w.config(runner("eks", "  description = \"\"\n  issuer = \"\"")), ConfigPlanChecks: expects(eks, plancheck.ResourceActionNoop)},
		resource.TestStep{Config: w.config(runner("eks-production", "  description = \"The cluster\"\n  issuer = \""+issuer+"\"")),
			ConfigPlanChecks: expects(eks, plancheck.ResourceActionUpdate),
			Check:            resource.ComposeAggregateTestCheckFunc(id.same(eks, "id"), resource.TestCheckResourceAttr(eks, "issuer", issuer))},
		resource.TestStep{ResourceName: eks, ImportState: true, ImportStateId: "eks-production", ImportStateVerify: true},
		resource.TestStep{ResourceName: eks, ImportState: true, ImportStateVerify: true},
		resource.TestStep{ // the data source shows what it says of itself, which a plan of the resource says nothing of
			Config: w.config(runner("eks-production", "  description = \"The cluster\"\n  issuer = \""+issuer+"\"") + "data \"rolebroker_runner\" \"eks\" {\n  name = rolebroker_runner.eks.name\n}\n" +
				"data \"rolebroker_runner\" \"same\" {\n  id = data.rolebroker_runner.eks.id\n}\n"),
			ConfigPlanChecks: expects(eks, plancheck.ResourceActionNoop),
			Check: resource.ComposeAggregateTestCheckFunc(
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "name", "eks-production"),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "description", "The cluster"),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "issuer", issuer),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "status", "waiting"),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "seen_at", ""),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "program", ""),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "method", ""),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "identity_arn", ""),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "reported_issuer", ""),
				resource.TestCheckResourceAttr("data.rolebroker_runner.same", "pending", "0"))},
		resource.TestStep{
			PreConfig: func() {
				if _, err := w.Admin.UpdateRunner(context.Background(), "eks-production", api.RunnerRequest{Name: "theirs"}, ""); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(runner("eks", "")), ConfigPlanChecks: expects(eks, plancheck.ResourceActionUpdate), Check: id.same(eks, "id")},
		resource.TestStep{
			PreConfig: func() { w.Admin.DeleteRunner(context.Background(), "eks", "") },
			Config:    w.config(runner("eks", "")), ConfigPlanChecks: expects(eks, plancheck.ResourceActionCreate)},
		resource.TestStep{
			Config: w.config(runner("eks", `  description = "mine"`)),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{between(func() error {
				_, err := w.Admin.UpdateRunner(context.Background(), "eks", api.RunnerRequest{Name: "eks", Description: "theirs"}, "")
				return err
			})}},
			ExpectError: says("Updating the runner eks", "changed by someone else")},
		resource.TestStep{Config: w.config(runner("not a name", "")), ExpectError: says("The name is not valid", "has the character")},
		resource.TestStep{Config: w.config(runner("eks", `  issuer = "oidc.eks.example.com"`)), ExpectError: says("The issuer is not valid", "https://")},
		resource.TestStep{Config: w.config(runner("eks", "") + "resource \"rolebroker_runner\" \"again\" {\n  name = \"eks\"\n}\n"),
			ExpectError: says("Creating the runner eks", "terraform import rolebroker_runner.NAME eks")},
		resource.TestStep{Config: w.config(runner("eks", "  issuer = \""+issuer+"\"") + "resource \"rolebroker_runner\" \"other\" {\n  name = \"other\"\n  issuer = rolebroker_runner.eks.issuer\n}\n"),
			ExpectError: says("Creating the runner other", issuer)},
	)
}

// TestTheRunnerOfAnIntegration is named by ID or by name, follows renames, and is
// in cluster mode only.
func TestTheRunnerOfAnIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id, role remembered
	names := func(want string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			for in, err := range w.Admin.AllIntegrations(context.Background(), "") {
				if err != nil || in.Runner != want {
					return fmt.Errorf("the runner of %s is %q, not %q (%v)", in.Name, in.Runner, want, err)
				}
			}
			return nil
		}
	}
	byID, byName := "  runner = rolebroker_runner.eks.id", "  runner = rolebroker_runner.eks.name"
	w.plays(
		resource.TestStep{Config: w.config(runner("eks", "") + clustered("production", byID)),
			Check: resource.ComposeAggregateTestCheckFunc(id.keep(eks, "id"), role.keep(production, "roles.readonly.id"), names("eks"),
				id.same(production, "runner"), id.same(production, "runner_id"))},
		resource.TestStep{ResourceName: production, ImportState: true, ImportStateId: "production", ImportStateVerify: true, ImportStateVerifyIgnore: []string{"runner"}}, // which is spelled by its name
		resource.TestStep{ // renaming the runner is nothing to the integration
			Config: w.config(runner("eks-production", "") + clustered("production", byID)), ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop), Check: names("eks-production")},
		resource.TestStep{ // by name it is the same
			Config: w.config(runner("eks-production", "") + clustered("production", byName)), Check: resource.ComposeAggregateTestCheckFunc(names("eks-production"),
				resource.TestCheckResourceAttr(production, "runner", "eks-production"), id.same(production, "runner_id"))},
		resource.TestStep{ResourceName: production, ImportState: true, ImportStateVerify: true},
		resource.TestStep{ // both renamed and described anew, in one apply
			Config: w.config(runner("eks", "") + clustered("prod", byName+"\n  description = \"Production\"")),
			Check:  resource.ComposeAggregateTestCheckFunc(names("eks"), id.same(production, "runner_id"), role.same(production, "roles.readonly.id"))},
		resource.TestStep{ // the data source shows it
			Config: w.config(runner("eks", "") + clustered("prod", byName+"\n  description = \"Production\"") + "data \"rolebroker_aws_integration\" \"same\" {\n  id = rolebroker_aws_integration.production.id\n}\n"),
			Check: resource.ComposeAggregateTestCheckFunc(resource.TestCheckResourceAttr("data.rolebroker_aws_integration.same", "runner", "eks"),
				id.same("data.rolebroker_aws_integration.same", "runner_id"))},
		resource.TestStep{ // taken away elsewhere: shown, and named again
			PreConfig: func() {
				in := w.the("prod")
				if _, err := w.Admin.UpdateIntegration(context.Background(), in.ID, api.IntegrationRequest{Name: in.Name, Description: in.Description, AssumptionMode: in.AssumptionMode, DefaultRole: "readonly",
					Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")}}, "", api.ValidateSkip); err != nil {
					t.Error(err)
				}
			},
			Config:           w.config(runner("eks", "") + clustered("prod", byName+"\n  description = \"Production\"")),
			ConfigPlanChecks: expects(production, plancheck.ResourceActionUpdate), Check: names("eks")},
		resource.TestStep{ // what others change between plan and apply is not written over
			Config: w.config(runner("eks", "") + clustered("prod", byName)),
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{between(func() error {
				other, err := w.Admin.CreateRunner(context.Background(), api.RunnerRequest{Name: "other"})
				if err != nil {
					return err
				}
				in := w.the("prod")
				_, err = w.Admin.UpdateIntegration(context.Background(), in.ID, api.IntegrationRequest{Name: in.Name, Description: in.Description, AssumptionMode: in.AssumptionMode, Runner: other.ID, DefaultRole: "readonly",
					Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")}}, "", api.ValidateSkip)
				return err
			})}},
			ExpectError: says("Updating the integration prod", "changed by someone else")},
		resource.TestStep{Config: w.config(runner("eks", "") + clustered("prod", byName)), Check: names("eks")},
		resource.TestStep{Config: w.config(runner("eks", "") + clustered("prod", "  runner = \"nobody\"")), ExpectError: says("Updating the integration prod", "runner:", `"nobody"`)},
		resource.TestStep{Config: w.config(integration("prod", "  runner = \"eks\"", readonly)), PlanOnly: true, ExpectError: says("The integration is not valid", "runner:", "cluster only")},
		resource.TestStep{Config: w.config(clustered("prod", "  runner = \"\"")), PlanOnly: true, ExpectError: says("runner: The value is empty", "leave it out")},
		resource.TestStep{Config: w.config(clustered("new", "  runner = \"nobody\"") + runner("eks", "")), ExpectError: says("runner:", `"nobody"`)},
		resource.TestStep{Config: w.config(runner("eks", "  lifecycle {\n    create_before_destroy = true\n  }") + clustered("prod", byName+"\n  description = \"Depends on it again\""))},
		resource.TestStep{ // the platform again, and the runner is deleted in the same apply
			Config: w.config(integration("prod", "", readonly)), Check: resource.ComposeAggregateTestCheckFunc(names(""), resource.TestCheckNoResourceAttr(production, "runner"),
				resource.TestCheckNoResourceAttr(production, "runner_id"), resource.TestCheckResourceAttr(production, "roles.readonly.validation.checked_by", ""))},
	)
}

// TestARunnerThatIsNeeded is not deleted, and who needs it is said.
func TestARunnerThatIsNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(
		resource.TestStep{Config: w.config(runner("eks", ""))},
		resource.TestStep{
			PreConfig: func() {
				if _, err := w.Admin.CreateIntegration(context.Background(), api.IntegrationRequest{Name: "theirs", AssumptionMode: "cluster", Runner: "eks", DefaultRole: "readonly",
					Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")}}, api.ValidateSkip); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(""), ExpectError: says("Deleting the runner eks", "theirs", "create_before_destroy")},
		resource.TestStep{
			PreConfig: func() { w.Admin.DeleteIntegration(context.Background(), "theirs", "") },
			Config:    w.config(runner("eks", ""))},
	)
}

// TestBindings come and go, and a service account is one agent.
func TestBindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id remembered
	bound := func(agent string, accounts ...string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			var are []string
			for b, err := range w.Admin.AllBindings(context.Background(), agent) {
				if err != nil || b.Issuer != issuer || b.Namespace != "agents" {
					return fmt.Errorf("bound is %+v (%v)", b, err)
				}
				are = append(are, b.ServiceAccount)
			}
			if strings.Join(are, " ") != strings.Join(accounts, " ") {
				return fmt.Errorf("%s is %v, not %v", agent, are, accounts)
			}
			return nil
		}
	}
	byID, byName := bind("rolebroker_agent.scout.id", "scout"), bind("rolebroker_agent.scout.name", "scout")
	other := "resource \"rolebroker_agent\" \"other\" {\n  name = \"other\"\n}\n\n"
	w.plays(
		resource.TestStep{Config: w.config(agent("scout", "") + byID), Check: resource.ComposeAggregateTestCheckFunc(id.keep(binding, "id"), bound("scout", "scout"))},
		resource.TestStep{ResourceName: binding, ImportState: true, ImportStateIdFunc: func(s *terraform.State) (string, error) { return "scout/" + attribute(s, binding, "id"), nil },
			ImportStateVerify: true, ImportStateVerifyIgnore: []string{"agent"}},
		resource.TestStep{ResourceName: binding, ImportState: true, ImportStateIdFunc: func(s *terraform.State) (string, error) {
			return attribute(s, binding, "agent_id") + "/" + attribute(s, binding, "id"), nil
		}, ImportStateVerify: true},
		resource.TestStep{ResourceName: binding, ImportState: true, ImportStateId: "scout", ExpectError: says("AGENT/ID", "rolebroker agent bindings")},
		resource.TestStep{Config: w.config(agent("ranger", "") + byID), ConfigPlanChecks: expects(binding, plancheck.ResourceActionNoop)},
		resource.TestStep{Config: w.config(agent("ranger", "") + byName), ConfigPlanChecks: expects(binding, plancheck.ResourceActionUpdate), Check: id.same(binding, "id")},
		resource.TestStep{Config: w.config(agent("ranger", "") + other + bind("rolebroker_agent.other.id", "scout")), ConfigPlanChecks: expects(binding, plancheck.ResourceActionDestroyBeforeCreate),
			Check: resource.ComposeAggregateTestCheckFunc(bound("ranger"), bound("other", "scout"))},
		resource.TestStep{Config: w.config(agent("scout", "") + bind("rolebroker_agent.scout.id", "lookout")), ConfigPlanChecks: expects(binding, plancheck.ResourceActionDestroyBeforeCreate), Check: bound("scout", "lookout")},
		resource.TestStep{ // unbound outside: bound again
			PreConfig: func() {
				for b := range w.Admin.AllBindings(context.Background(), "scout") {
					if err := w.Admin.Unbind(context.Background(), "scout", b.ID); err != nil {
						t.Error(err)
					}
				}
			},
			Config: w.config(agent("scout", "") + byID), ConfigPlanChecks: expects(binding, plancheck.ResourceActionCreate), Check: bound("scout", "scout")},
		resource.TestStep{Config: w.config(agent("scout", "") + byID + strings.Replace(byID, `" "scout"`, `" "again"`, 1)),
			ExpectError: says("Binding the agent", "is bound to agent scout already", "terraform import rolebroker_agent_binding.NAME agt_")},
		resource.TestStep{Config: w.config(agent("scout", "") + byID + other + strings.Replace(bind("rolebroker_agent.other.id", "scout"), `" "scout"`, `" "again"`, 1)),
			ExpectError: says("Binding the agent", "is agent scout already", "agent unbind scout bnd_")},
		resource.TestStep{Config: w.config(agent("scout", "") + bind("rolebroker_agent.scout.id", "Scout!")), PlanOnly: true, ExpectError: says("service_account:", "not a Kubernetes name")},
		resource.TestStep{Config: w.config(agent("scout", "") + bind(`"nobody"`, "scout")), ExpectError: says("agent:", `"nobody"`)},
		resource.TestStep{Config: w.config(agent("scout", "")), Check: bound("scout")},
	)
}

// TestARunnerAndItsBindingsAreGoneAtOnce when one configuration had all of them.
func TestARunnerAndItsBindingsAreGoneAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(resource.TestStep{Config: w.config(runner("eks", "  issuer = \""+issuer+"\"") + clustered("production", "  runner = rolebroker_runner.eks.id") + agent("scout", "") +
		connect("production", "id", "") + strings.Replace(bind("rolebroker_agent.scout.id", "scout"), `"`+issuer+`"`, "rolebroker_runner.eks.issuer", 1)),
		Check: func(*terraform.State) error {
			if calls := w.AWS.Calls("AssumeRole"); calls != 0 {
				return errors.New("the platform tried to assume the role")
			}
			return nil
		}})
	for r, err := range w.Admin.AllRunners(context.Background(), "") {
		t.Errorf("the runner %s is left (%v)", r.Name, err)
	}
	if _, err := w.Admin.Integration(context.Background(), "production"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("after destroy: %v", err)
	}
}
