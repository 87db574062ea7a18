package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
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
	return fmt.Sprintf(`
resource "rolebroker_agent_binding" "scout" {
  agent           = %s
  issuer          = %q
  namespace       = "agents"
  service_account = %q
}
`, agent, issuer, account)
}

// clustered is an integration whose roles a cluster assumes.
func clustered(name, more string) string {
	return integration(name, "  assumption_mode = \"cluster\"\n"+more, readonly)
}

func (w *world) runner(name string) api.Runner {
	w.Helper()
	r, err := w.Admin.Runner(w.Context(), name)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// Create, change, rename and import a runner; then others change and delete it.
func TestLifecycleOfARunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id remembered
	w.plays(
		step{Config: w.config(runner("eks", "")), Check: all(id.keep(eks, "id"),
			has(eks, "description", ""), has(eks, "issuer", ""))},
		step{Config: w.config(runner("eks", "  description = \"\"\n  issuer = \"\"")), ConfigPlanChecks: keeps(eks)},
		step{Config: w.config(runner("eks-production", "  description = \"The cluster\"\n  issuer = \""+issuer+"\"")),
			ConfigPlanChecks: updates(eks),
			Check:            all(id.same(eks, "id"), has(eks, "issuer", issuer))},
		step{ResourceName: eks, ImportState: true, ImportStateId: "eks-production", ImportStateVerify: true},
		step{ResourceName: eks, ImportState: true, ImportStateVerify: true},
		step{ // the data source shows what it says of itself, which a plan of the resource says nothing of
			Config: w.config(
				runner("eks-production", "  description = \"The cluster\"\n  issuer = \""+issuer+"\""),
				`data "rolebroker_runner" "eks" { name = rolebroker_runner.eks.name }`+"\n",
				`data "rolebroker_runner" "same" { id = data.rolebroker_runner.eks.id }`,
			),
			ConfigPlanChecks: keeps(eks),
			Check: all(
				has("data.rolebroker_runner.same", "name", "eks-production"),
				has("data.rolebroker_runner.same", "description", "The cluster"),
				has("data.rolebroker_runner.same", "issuer", issuer),
				has("data.rolebroker_runner.same", "status", "waiting"),
				has("data.rolebroker_runner.same", "seen_at", ""),
				has("data.rolebroker_runner.same", "program", ""),
				has("data.rolebroker_runner.same", "method", ""),
				has("data.rolebroker_runner.same", "identity_arn", ""),
				has("data.rolebroker_runner.same", "reported_issuer", ""),
				has("data.rolebroker_runner.same", "replicas", "0"),
				has("data.rolebroker_runner.same", "pending", "0"))},
		step{
			PreConfig: func() {
				theirs := api.RunnerRequest{Name: "theirs"}
				if _, err := w.Admin.UpdateRunner(w.Context(), "eks-production", theirs, ""); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(runner("eks", "")), ConfigPlanChecks: updates(eks), Check: id.same(eks, "id")},
		step{
			PreConfig: func() { w.Admin.DeleteRunner(w.Context(), "eks", "") },
			Config:    w.config(runner("eks", "")), ConfigPlanChecks: creates(eks)},
		step{
			Config: w.config(runner("eks", `  description = "mine"`)),
			ConfigPlanChecks: plans(between(func() error {
				_, err := w.Admin.UpdateRunner(w.Context(), "eks",
					api.RunnerRequest{Name: "eks", Description: "theirs"}, "")
				return err
			})),
			ExpectError: says("Updating the runner eks", "changed by someone else")},
		step{Config: w.config(runner("not a name", "")),
			ExpectError: says("The name is not valid", "has the character")},
		step{
			Config:      w.config(runner("eks", `  issuer = "oidc.eks.example.com"`)),
			ExpectError: says("The issuer is not valid", "https://"),
		},
		step{Config: w.config(runner("eks", ""), "resource \"rolebroker_runner\" \"again\" {\n  name = \"eks\"\n}\n"),
			ExpectError: says("Creating the runner eks", "terraform import rolebroker_runner.NAME eks")},
		step{
			Config: w.config(
				runner("eks", "  issuer = \""+issuer+"\""),
				"resource \"rolebroker_runner\" \"other\" {\n  name = \"other\"\n  issuer = "+
					"rolebroker_runner.eks.issuer\n}\n",
			),
			ExpectError: says("Creating the runner other", issuer),
		},
	)
}

// An integration names its runner by ID or by name, in cluster mode only, and
// follows renames.
func TestTheRunnerOfAnIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id, role remembered
	names := func(want string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			for in, err := range w.Admin.AllIntegrations(w.Context(), "") {
				if err != nil || in.Runner != want {
					return fmt.Errorf("the runner of %s is %q, not %q (%v)", in.Name, in.Runner, want, err)
				}
			}
			return nil
		}
	}
	byID, byName := "  runner = rolebroker_runner.eks.id", "  runner = rolebroker_runner.eks.name"
	w.plays(
		step{Config: w.config(runner("eks", ""), clustered("production", byID)),
			Check: all(id.keep(eks, "id"), role.keep(production, "roles.readonly.id"), names("eks"),
				id.same(production, "runner"), id.same(production, "runner_id"))},
		step{
			ResourceName:            production,
			ImportState:             true,
			ImportStateId:           "production",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"runner"},
		}, // which is spelled by its name
		step{ // renaming the runner is nothing to the integration
			Config: w.config(
				runner("eks-production", ""),
				clustered("production", byID),
			), ConfigPlanChecks: keeps(production), Check: names("eks-production")},
		step{ // by name it is the same
			Config: w.config(runner("eks-production", ""), clustered("production", byName)),
			Check: all(names("eks-production"),
				has(production, "runner", "eks-production"), id.same(production, "runner_id"))},
		step{ResourceName: production, ImportState: true, ImportStateVerify: true},
		step{ // both renamed and described anew, in one apply
			Config: w.config(runner("eks", ""), clustered("prod", byName+"\n  description = \"Production\"")),
			Check:  all(names("eks"), id.same(production, "runner_id"), role.same(production, "roles.readonly.id"))},
		step{ // the data source shows it
			Config: w.config(
				runner("eks", ""),
				clustered("prod", byName+"\n  description = \"Production\""),
				"data \"rolebroker_aws_integration\" \"same\" {\n  id = rolebroker_aws_integration.production.id\n}\n",
			),
			Check: all(has("data.rolebroker_aws_integration.same", "runner", "eks"),
				id.same("data.rolebroker_aws_integration.same", "runner_id"))},
		step{ // taken away elsewhere: shown, and named again
			PreConfig: func() {
				in := w.the("prod")
				without := api.IntegrationRequest{
					Name:           in.Name,
					Description:    in.Description,
					AssumptionMode: in.AssumptionMode,
					DefaultRole:    "readonly",
					Roles:          []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")},
				}
				if _, err := w.Admin.UpdateIntegration(w.Context(), in.ID, without, "", api.ValidateSkip); err != nil {
					t.Error(err)
				}
			},
			Config:           w.config(runner("eks", ""), clustered("prod", byName+"\n  description = \"Production\"")),
			ConfigPlanChecks: updates(production), Check: names("eks")},
		step{ // what others change between plan and apply is not written over
			Config: w.config(runner("eks", ""), clustered("prod", byName)),
			ConfigPlanChecks: plans(between(func() error {
				other, err := w.Admin.CreateRunner(w.Context(), api.RunnerRequest{Name: "other"})
				if err != nil {
					return err
				}
				in := w.the("prod")
				_, err = w.Admin.UpdateIntegration(
					w.Context(),
					in.ID,
					api.IntegrationRequest{
						Name:           in.Name,
						Description:    in.Description,
						AssumptionMode: in.AssumptionMode,
						Runner:         other.ID,
						DefaultRole:    "readonly",
						Roles:          []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")},
					},
					"",
					api.ValidateSkip,
				)
				return err
			})),
			ExpectError: says("Updating the integration prod", "changed by someone else")},
		step{Config: w.config(runner("eks", ""), clustered("prod", byName)), Check: names("eks")},
		step{
			Config:      w.config(runner("eks", ""), clustered("prod", "  runner = \"nobody\"")),
			ExpectError: says("Updating the integration prod", "runner:", `"nobody"`),
		},
		step{
			Config:      w.config(integration("prod", "  runner = \"eks\"", readonly)),
			PlanOnly:    true,
			ExpectError: says("The integration is not valid", "runner:", "cluster only"),
		},
		step{
			Config:      w.config(clustered("prod", "  runner = \"\"")),
			PlanOnly:    true,
			ExpectError: says("runner: The value is empty", "leave it out"),
		},
		step{
			Config:      w.config(clustered("new", "  runner = \"nobody\""), runner("eks", "")),
			ExpectError: says("runner:", `"nobody"`),
		},
		step{
			Config: w.config(
				runner("eks", "  lifecycle {\n    create_before_destroy = true\n  }"),
				clustered("prod", byName+"\n  description = \"Depends on it again\""),
			),
		},
		step{ // the platform again, and the runner is deleted in the same apply
			Config: w.config(integration("prod", "", readonly)), Check: all(names(""), hasNo(production, "runner"),
				hasNo(production, "runner_id"), has(production, "roles.readonly.validation.checked_by", ""))},
	)
}

// A runner that an integration names is not deleted; the error names the integration.
func TestARunnerInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(
		step{Config: w.config(runner("eks", ""))},
		step{
			PreConfig: func() {
				theirs := api.IntegrationRequest{
					Name:           "theirs",
					AssumptionMode: "cluster",
					Runner:         "eks",
					DefaultRole:    "readonly",
					Roles:          []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")},
				}
				if _, err := w.Admin.CreateIntegration(w.Context(), theirs, api.ValidateSkip); err != nil {
					t.Error(err)
				}
			},
			Config: w.config(""), ExpectError: says("Deleting the runner eks", "theirs", "create_before_destroy")},
		step{
			PreConfig: func() { w.Admin.DeleteIntegration(w.Context(), "theirs", "") },
			Config:    w.config(runner("eks", ""))},
	)
}

// Bindings come and go; a service account is bound to one agent.
func TestBindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id remembered
	bound := func(agent string, accounts ...string) resource.TestCheckFunc {
		return func(*terraform.State) error {
			var are []string
			for b, err := range w.Admin.AllBindings(w.Context(), agent) {
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
		step{Config: w.config(agent("scout", ""), byID), Check: all(id.keep(binding, "id"), bound("scout", "scout"))},
		step{
			ResourceName:            binding,
			ImportState:             true,
			ImportStateIdFunc:       ofScout(binding),
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"agent"},
		},
		step{ResourceName: binding, ImportState: true, ImportStateIdFunc: func(s *terraform.State) (string, error) {
			return attribute(s, binding, "agent_id") + "/" + attribute(s, binding, "id"), nil
		}, ImportStateVerify: true},
		step{
			ResourceName:  binding,
			ImportState:   true,
			ImportStateId: "scout",
			ExpectError:   says("AGENT/ID", "rolebroker agent bindings"),
		},
		step{Config: w.config(agent("ranger", ""), byID), ConfigPlanChecks: keeps(binding)},
		step{
			Config:           w.config(agent("ranger", ""), byName),
			ConfigPlanChecks: updates(binding),
			Check:            id.same(binding, "id"),
		},
		step{
			Config:           w.config(agent("ranger", ""), other, bind("rolebroker_agent.other.id", "scout")),
			ConfigPlanChecks: replaces(binding),
			Check:            all(bound("ranger"), bound("other", "scout")),
		},
		step{
			Config:           w.config(agent("scout", ""), bind("rolebroker_agent.scout.id", "lookout")),
			ConfigPlanChecks: replaces(binding),
			Check:            bound("scout", "lookout"),
		},
		step{
			Config: w.config(agent("scout", ""), strings.Replace(bind("rolebroker_agent.scout.id", "*"), "\n}",
				"\n  labels = { team = \"ml\" }\n}", 1)),
			ConfigPlanChecks: replaces(binding),
			Check:            all(bound("scout", "*"), resource.TestCheckResourceAttr(binding, "labels.team", "ml")),
		},
		step{
			ResourceName:            binding,
			ImportState:             true,
			ImportStateIdFunc:       ofScout(binding),
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"agent"},
		},
		step{
			Config:           w.config(agent("scout", ""), bind("rolebroker_agent.scout.id", "lookout")),
			ConfigPlanChecks: replaces(binding),
		},
		step{ // unbound outside: bound again
			PreConfig: func() {
				for b := range w.Admin.AllBindings(w.Context(), "scout") {
					if err := w.Admin.Unbind(w.Context(), "scout", b.ID); err != nil {
						t.Error(err)
					}
				}
			},
			Config: w.config(agent("scout", ""), byID), ConfigPlanChecks: creates(binding),
			Check: bound("scout", "scout")},
		step{Config: w.config(agent("scout", ""), byID, strings.Replace(byID, `" "scout"`, `" "again"`, 1)),
			ExpectError: says(
				"Binding the agent",
				"is bound to agent scout already",
				"terraform import rolebroker_agent_binding.NAME agt_",
			)},
		step{
			Config: w.config(
				agent("scout", ""),
				byID,
				other,
				strings.Replace(bind("rolebroker_agent.other.id", "scout"), `" "scout"`, `" "again"`, 1),
			),
			ExpectError: says("Binding the agent", "is agent scout already", "agent unbind scout bnd_"),
		},
		step{
			Config:      w.config(agent("scout", ""), bind("rolebroker_agent.scout.id", "Scout!")),
			PlanOnly:    true,
			ExpectError: says("service_account:", "not a Kubernetes name"),
		},
		step{Config: w.config(agent("scout", ""), bind(`"nobody"`, "scout")), ExpectError: says("agent:", `"nobody"`)},
		step{Config: w.config(agent("scout", "")), Check: bound("scout")},
	)
}

// One destroy removes a runner, its integration and the bindings.
func TestOneDestroyRemovesARunnerAndItsBindings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(
		step{
			Config: w.config(
				runner("eks", "  issuer = \""+issuer+"\""),
				clustered("production", "  runner = rolebroker_runner.eks.id"),
				agent("scout", ""),
				connect("production", "id", ""),
				strings.Replace(bind("rolebroker_agent.scout.id", "scout"), `"`+issuer+`"`,
					"rolebroker_runner.eks.issuer", 1),
			),
			Check: func(*terraform.State) error {
				if calls := w.AWS.Calls("AssumeRole"); calls != 0 {
					return errors.New("the platform tried to assume the role")
				}
				return nil
			},
		},
	)
	for r, err := range w.Admin.AllRunners(w.Context(), "") {
		t.Errorf("the runner %s is left (%v)", r.Name, err)
	}
	if _, err := w.Admin.Integration(w.Context(), "production"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("after destroy: %v", err)
	}
}
