package provider_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// TestAnIntegrationFromItsMakingToItsEnd: make, change, rename, write in another
// order, import.
func TestAnIntegrationFromItsMakingToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id, roleID remembered
	w.plays(
		resource.TestStep{
			Config: w.config(integration("production", "", readonly, deployer)),
			Check: resource.ComposeAggregateTestCheckFunc(
				id.keep(production, "id"), roleID.keep(production, "roles.deployer.id"),
				resource.TestCheckResourceAttr(production, "description", ""),
				resource.TestCheckResourceAttr(production, "assumption_mode", "platform"),
				resource.TestCheckResourceAttr(production, "roles.readonly.session_duration", "1h"),
				resource.TestCheckResourceAttr(production, "roles.readonly.validation.status", "warning"),
				resource.TestCheckResourceAttr(production, "roles.readonly.validation.code", "external_id_not_required"),
				resource.TestCheckResourceAttrSet(production, "external_id"),
			),
		},
		resource.TestStep{ // an empty description is no description
			Config:           w.config(integration("production", `  description  = ""`, readonly, deployer)),
			ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop),
		},
		resource.TestStep{ // the order says nothing
			Config:           w.config(integration("production", "", deployer, readonly)),
			ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop),
		},
		resource.TestStep{ // a duration is what it is, however it is spelled
			Config: w.config(integration("production", "", readonly, role("deployer", "Deployer", `, session_duration = "60m"`))),
			Check:  resource.TestCheckResourceAttr(production, "roles.deployer.session_duration", "60m"),
		},
		resource.TestStep{ // renamed, in place
			Config:           w.config(integration("prod", `  description  = "Production accounts"`, readonly, deployer)),
			ConfigPlanChecks: expects(production, plancheck.ResourceActionUpdate),
			Check: resource.ComposeAggregateTestCheckFunc(id.same(production, "id"),
				resource.TestCheckResourceAttr(production, "name", "prod"), resource.TestCheckResourceAttr(production, "description", "Production accounts")),
		},
		resource.TestStep{ // a role, too
			Config:           w.config(integration("prod", `  description  = "Production accounts"`, readonly, role("shipper", "Deployer", ""))),
			ConfigPlanChecks: expects(production, plancheck.ResourceActionUpdate),
			Check:            roleID.same(production, "roles.shipper.id"),
		},
		resource.TestStep{ // taken away without being taken out
			Config: w.config(integration("prod", `  description  = "Production accounts"`, readonly, role("shipper", "Deployer", ", enabled = false"))),
			Check:  resource.TestCheckResourceAttr(production, "roles.shipper.enabled", "false"),
		},
		resource.TestStep{ResourceName: production, ImportState: true, ImportStateId: "prod", ImportStateVerify: true},
		resource.TestStep{ResourceName: production, ImportState: true, ImportStateVerify: true}, // by its ID
	)
	if _, err := w.Admin.Integration(context.Background(), "prod"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("after destroy: %v", err)
	}
}

// TestWhatWasImportedNeedsNoChange starts from an integration that was made by
// hand.
func TestWhatWasImportedNeedsNoChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"), w.Role("deployer", "Deployer", "us-east-1"))
	w.plays(resource.TestStep{
		Config:           w.config("import {\n  to = " + production + "\n  id = \"production\"\n}\n\n" + integration("production", "", deployer, readonly)),
		ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop),
	})
}

// TestDrift: what others change is shown, and changed back; what others delete
// is made again.
func TestDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.config(integration("production", "", readonly, deployer))
	w.plays(
		resource.TestStep{Config: config},
		resource.TestStep{
			PreConfig: func() {
				in := w.the("production")
				off := false
				_, err := w.Admin.UpdateIntegration(context.Background(), in.ID, api.IntegrationRequest{Name: "elsewhere", DefaultRole: "readonly",
					Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1"), {Name: "deployer", ARN: w.Role("", "Tester", "").ARN, Region: "eu-west-1", Enabled: &off}}}, "", api.ValidateSkip)
				if err != nil {
					t.Error(err)
				}
			},
			Config: config, ConfigPlanChecks: expects(production, plancheck.ResourceActionUpdate),
			Check: resource.ComposeAggregateTestCheckFunc(resource.TestCheckResourceAttr(production, "name", "production"),
				resource.TestCheckResourceAttr(production, "roles.deployer.region", "us-east-1")),
		},
		resource.TestStep{ // validations come and go, and a plan says nothing of them
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).DeleteRole("Deployer")
				w.Admin.ValidateIntegration(context.Background(), "production", client.Validating{})
			},
			Config: config, ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop),
			Check: resource.TestCheckResourceAttr(production, "roles.deployer.validation.status", "failed"),
		},
		resource.TestStep{
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "Deployer", TrustPolicy: testbed.Trust(testbed.PlatformAccount)})
				if err := w.Admin.DeleteIntegration(context.Background(), "production", ""); err != nil {
					t.Error(err)
				}
			},
			Config: config, ConfigPlanChecks: expects(production, plancheck.ResourceActionCreate),
		},
	)
}

// TestTwoAtOnce: what was changed between plan and apply is not written over, and
// whoever comes second is told.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := `  description  = "by the first"`, `  description  = "by the second"`
	meanwhile := func(do func() error) resource.ConfigPlanChecks {
		return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{between(do)}}
	}
	update := func(description string) func() error {
		return func() error {
			in := w.the("production")
			_, err := w.Admin.UpdateIntegration(context.Background(), in.ID, api.IntegrationRequest{Name: in.Name, Description: description, DefaultRole: "readonly",
				Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")}}, in.ETag(), api.ValidateSkip)
			return err
		}
	}
	w.plays(
		resource.TestStep{Config: w.config(integration("production", "", readonly))},
		resource.TestStep{
			Config:           w.config(integration("production", second, readonly)),
			ConfigPlanChecks: meanwhile(update("by the first")),
			ExpectError:      says("Updating the integration production", "changed by someone else since this plan was made", "terraform plan"),
		},
		resource.TestStep{Config: w.config(integration("production", first, readonly)), ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop)},
		resource.TestStep{ // who did the same is no obstacle
			Config:           w.config(integration("production", second, readonly)),
			ConfigPlanChecks: meanwhile(update("by the second")),
		},
		resource.TestStep{ // nor is a change to what Terraform does not keep
			Config: w.config(integration("production", first, readonly)),
			ConfigPlanChecks: meanwhile(func() error {
				_, err := w.Admin.RotateExternalID(context.Background(), "production", api.Rotation{Step: "start"})
				return err
			}),
		},
		resource.TestStep{ // what has changed is not deleted either
			Config: w.config(""), ConfigPlanChecks: meanwhile(update("precious")),
			ExpectError: says("Deleting the integration production", "changed by someone else"),
		},
		resource.TestStep{Config: w.config(integration("production", `  description  = "precious"`, readonly)), ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop)},
	)
}

// between is what happens between a plan and its apply.
type between func() error

func (do between) CheckPlan(_ context.Context, _ plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = do()
}

// TestRolesThatNobodyCanAssume: by default the apply fails, at each such role,
// with the cause and what to change, and nothing is saved.
func TestRolesThatNobodyCanAssume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "Locked", TrustPolicy: testbed.Trust("999999999999")})
	locked, missing := role("locked", "Locked", ""), role("missing", "Missing", "")
	good := integration("production", "", readonly)
	w.plays(
		resource.TestStep{
			Config: w.config(integration("production", "", readonly, locked, missing)),
			ExpectError: says("Creating the integration production", production, `locked = {`, "Not every role can be assumed; nothing was saved", `roles["locked"].arn:`,
				"sts:AssumeRole", "arn:aws:iam::"+testbed.PlatformAccount+":root", "Creating the integration production", `missing = {`, `roles["missing"].arn:`),
		},
		resource.TestStep{Config: w.config(good), PreConfig: func() {
			if _, err := w.Admin.Integration(context.Background(), "production"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
				t.Errorf("something was saved: %v", err)
			}
		}},
		resource.TestStep{ // an update is not made either
			Config:      w.config(integration("production", "", readonly, locked)),
			ExpectError: says("Updating the integration production", `roles["locked"].arn`),
		},
		resource.TestStep{Config: w.config(good), ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop)},
		resource.TestStep{ // saved all the same, if that is wanted
			Config: w.config(integration("production", `  validate     = "warn"`, readonly, locked)),
			Check:  resource.TestCheckResourceAttr(production, "roles.locked.validation.status", "failed"),
		},
		resource.TestStep{ // requiring it now tries again, though nothing else changes
			Config:      w.config(integration("production", `  validate     = "require"`, readonly, locked)),
			ExpectError: says("Updating the integration production", `roles["locked"].arn`),
		},
		resource.TestStep{
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).SetTrustPolicy("Locked", testbed.Trust(testbed.PlatformAccount))
			},
			Config: w.config(integration("production", "", readonly, locked)),
			Check:  resource.TestCheckResourceAttr(production, "roles.locked.validation.status", "warning"),
		},
		resource.TestStep{ // not tried at all
			Config: w.config(integration("production", `  validate     = "skip"`, readonly, missing)),
			Check:  resource.TestCheckNoResourceAttr(production, "roles.missing.validation.status"),
		},
	)
}

// TestMistakesAreFoundBeforeAnybodyIsAsked, each at its place, by the rules that
// the server has.
func TestMistakesAreFoundBeforeAnybodyIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mistake := func(config string, words ...string) resource.TestStep {
		return resource.TestStep{Config: "provider \"rolebroker\" {\n  url   = \"http://127.0.0.1:1\"\n  token = \"none\"\n}\n" + config, PlanOnly: true, ExpectError: says(words...)}
	}
	w.plays(
		mistake(integration("no spaces", "", readonly), `name: "no spaces" has the character ' '`),
		mistake(integration("int_4zqk2m7vprb5xw3tdn6hjc8ysa", "", readonly), "looks like an ID"),
		mistake(integration("production", "", `    readonly = { arn = "arn:aws:iam::444455556666:user/x", region = "us-east-1" }`+"\n"), `roles["readonly"].arn`, "user"),
		mistake(integration("production", "", `    readonly = { arn = "arn:aws-cn:iam::444455556666:role/x", region = "us-east-1" }`+"\n"), `roles["readonly"].region`, "aws-cn"),
		mistake(integration("production", "", `    readonly = { arn = "arn:aws:iam::444455556666:role/x", region = "mars-1" }`+"\n"), `"mars-1" is not an AWS region`),
		mistake(integration("production", "", role("readonly", "ReadOnly", `, session_duration = "5m"`)), "15m to 12h"),
		mistake(integration("production", "", role("readonly", "ReadOnly", `, session_duration = "soon"`)), `roles["readonly"].session_duration`, "soon"),
		mistake(integration("production", "", role("readonly", "ReadOnly", `, enabled = false`), deployer), `default_role: "readonly" is disabled`, "deployer"),
		mistake(integration("production", "", deployer), `default_role: "readonly" is not a role of this integration`),
		mistake(integration("production", "", readonly, role(`"not a name"`, "Deployer", "")), `roles["not a name"]`, "has the character"),
		mistake(integration("production", "", `    readonly = { arn = "arn:aws:iam::444455556666:role/x", regoin = "us-east-1" }`+"\n"), `"region" is required`),
		mistake(integration("production", `  validate     = "maybe"`, readonly), "validate", "require"),
		mistake(integration("production", `  assumption_mode = "moon"`, readonly), "assumption_mode", "platform"),
		mistake(integration("production", ""), "roles"),
	)
}

// TestWhatIsNotKnownYetIsNoMistake has names, ARNs and whole roles that are
// known after the apply only.
func TestWhatIsNotKnownYetIsNoMistake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(resource.TestStep{
		Config: w.config(`
resource "terraform_data" "arn" {
  input = "` + w.Role("", "ReadOnly", "").ARN + `"
}

resource "rolebroker_aws_integration" "production" {
  name         = "production"
  default_role = "readonly"
  roles = {
    readonly = { arn = terraform_data.arn.output, region = "us-east-1" }
  }
}

resource "rolebroker_aws_integration" "all" {
  name         = rolebroker_aws_integration.production.id == "" ? "none" : "all"
  default_role = "readonly"
  roles        = { for name, role in rolebroker_aws_integration.production.roles : name => { arn = role.arn, region = role.id == "" ? "" : "us-east-1" } }
}
`),
		Check: resource.TestCheckResourceAttr("rolebroker_aws_integration.all", "roles.readonly.region", "us-east-1"),
	})
}

// TestANameThatIsTaken says how to keep what is there.
func TestANameThatIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.plays(resource.TestStep{
		Config:      w.config(integration("production", "", readonly)),
		ExpectError: says("Creating the integration production", "terraform import rolebroker_aws_integration.NAME production"),
	})
}

// TestAnExternalIDThatWasUsed is refused for another integration, with what to
// have made anew.
func TestAnExternalIDThatWasUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reserved := "resource \"rolebroker_external_id\" \"production\" {}\n\n"
	given := integration("production", "  external_id = rolebroker_external_id.production.external_id", readonly)
	w.plays(
		resource.TestStep{Config: w.config(reserved + given)},
		resource.TestStep{Config: w.config(reserved + given + strings.Replace(strings.Replace(given, `" "production"`, `" "second"`, 1), `= "production"`, `= "second"`, 1)),
			ExpectError: says("Creating the integration second", "external_id:", "used already", "terraform apply -replace=rolebroker_external_id.NAME")},
		resource.TestStep{Config: w.config(reserved + given)},
	)
}

// TestAClusterAssumes an integration's roles, and nobody tries them here.
func TestAClusterAssumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(resource.TestStep{
		Config: w.config(integration("production", `  assumption_mode = "cluster"`, role("readonly", "Nowhere", ""))),
		Check: resource.ComposeAggregateTestCheckFunc(resource.TestCheckResourceAttr(production, "assumption_mode", "cluster"),
			func(*terraform.State) error {
				if calls := w.AWS.Calls("AssumeRole"); calls != 0 {
					return errors.New("somebody tried to assume the role")
				}
				return nil
			}),
	})
}
