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
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// Create, change, rename, reorder and import an integration.
func TestLifecycleOfAnIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var id, roleID remembered
	w.plays(
		step{
			Config: w.config(integration("production", "", readonly, deployer)),
			Check: all(
				id.keep(production, "id"), roleID.keep(production, "roles.deployer.id"),
				has(production, "description", ""),
				has(production, "assumption_mode", "platform"),
				has(production, "roles.readonly.session_duration", "1h"),
				has(production, "roles.readonly.validation.status", "warning"),
				has(production, "roles.readonly.validation.code", "external_id_not_required"),
				hasSome(production, "external_id"),
			),
		},
		step{ // an empty description is no description
			Config:           w.config(integration("production", `  description  = ""`, readonly, deployer)),
			ConfigPlanChecks: keeps(production),
		},
		step{ // the order says nothing
			Config:           w.config(integration("production", "", deployer, readonly)),
			ConfigPlanChecks: keeps(production),
		},
		step{ // a duration is what it is, however it is spelled
			Config: w.config(
				integration("production", "", readonly, role("deployer", "Deployer", `, session_duration = "60m"`)),
			),
			Check: has(production, "roles.deployer.session_duration", "60m"),
		},
		step{ // renamed, in place
			Config: w.config(integration("prod", `  description  = "Production accounts"`,
				readonly, deployer)),
			ConfigPlanChecks: updates(production),
			Check: all(id.same(production, "id"),
				has(production, "name", "prod"), has(production, "description", "Production accounts")),
		},
		step{ // a role, too
			Config: w.config(
				integration("prod", `  description  = "Production accounts"`, readonly,
					role("shipper", "Deployer", "")),
			),
			ConfigPlanChecks: updates(production),
			Check:            roleID.same(production, "roles.shipper.id"),
		},
		step{ // taken away without being taken out
			Config: w.config(
				integration(
					"prod",
					`  description  = "Production accounts"`,
					readonly,
					role("shipper", "Deployer", ", enabled = false"),
				),
			),
			Check: has(production, "roles.shipper.enabled", "false"),
		},
		step{ResourceName: production, ImportState: true, ImportStateId: "prod", ImportStateVerify: true},
		step{ResourceName: production, ImportState: true, ImportStateVerify: true}, // by its ID
	)
	if _, err := w.Admin.Integration(w.Context(), "prod"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("after destroy: %v", err)
	}
}

// An integration, and its default role, can be disabled even if its roles do not
// work, and the plan reverts it when others enable or disable it.
func TestDisablingAnIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	off := w.config(integration("production", "  enabled = false", readonly, deployer))
	flip := func(enabled bool) func() {
		return func() {
			in := w.the("production")
			request := convert.Request(in)
			request.Enabled = &enabled
			if _, err := w.Admin.UpdateIntegration(w.Context(), in.ID, request, "", api.ValidateSkip); err != nil {
				t.Error(err)
			}
		}
	}
	var id remembered
	w.plays(
		step{
			Config: w.config(integration("production", "", readonly, deployer)),
			Check:  all(id.keep(production, "id"), has(production, "enabled", "true")),
		},
		step{
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).SetTrustPolicy("ReadOnly", testbed.Trust("999988887777"))
			},
			Config:           off,
			ConfigPlanChecks: updates(production),
			Check:            all(id.same(production, "id"), has(production, "enabled", "false")),
		},
		step{PreConfig: flip(true), Config: off, ConfigPlanChecks: updates(production),
			Check: has(production, "enabled", "false")},
		step{ResourceName: production, ImportState: true, ImportStateId: "production", ImportStateVerify: true},
		step{
			Config: w.config(integration("production", "",
				role("readonly", "ReadOnly", ", enabled = false"), deployer)),
			Check: all(has(production, "enabled", "true"), has(production, "roles.readonly.enabled", "false"),
				has(production, "default_role", "readonly")),
		},
		step{PreConfig: flip(false),
			Config: w.config(integration("production", "",
				role("readonly", "ReadOnly", ", enabled = false"), deployer)),
			ConfigPlanChecks: updates(production), Check: has(production, "enabled", "true")},
	)
}

// An integration that was made by hand is imported without a change.
func TestAnImportedIntegrationNeedsNoChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"),
		w.Role("deployer", "Deployer", "us-east-1"))
	w.plays(step{
		Config: w.config(
			"import {\n  to = ",
			production,
			"\n  id = \"production\"\n}\n\n",
			integration("production", "", deployer, readonly),
		),
		ConfigPlanChecks: keeps(production),
	})
}

// The plan shows the changes of others, and the apply reverts them. What others
// delete is created again.
func TestDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := w.config(integration("production", "", readonly, deployer))
	w.plays(
		step{Config: config},
		step{
			PreConfig: func() {
				in := w.the("production")
				off := false
				_, err := w.Admin.UpdateIntegration(
					w.Context(),
					in.ID,
					api.IntegrationRequest{Name: "elsewhere", DefaultRole: "readonly",
						Roles: []api.RoleRequest{
							w.Role("readonly", "ReadOnly", "us-east-1"),
							{Name: "deployer", ARN: w.Role("", "Tester", "").ARN, Region: "eu-west-1", Enabled: &off},
						}},
					"",
					api.ValidateSkip,
				)
				if err != nil {
					t.Error(err)
				}
			},
			Config: config, ConfigPlanChecks: updates(production),
			Check: all(has(production, "name", "production"),
				has(production, "roles.deployer.region", "us-east-1")),
		},
		step{ // validations come and go, and a plan says nothing of them
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).DeleteRole("Deployer")
				w.Admin.ValidateIntegration(w.Context(), "production", client.Validating{})
			},
			Config: config, ConfigPlanChecks: keeps(production),
			Check: has(production, "roles.deployer.validation.status", "failed"),
		},
		step{
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).
					CreateRole(awssim.Role{Name: "Deployer", TrustPolicy: testbed.Trust(testbed.PlatformAccount)})
				if err := w.Admin.DeleteIntegration(w.Context(), "production", ""); err != nil {
					t.Error(err)
				}
			},
			Config: config, ConfigPlanChecks: creates(production),
		},
	)
}

// An apply does not overwrite a change that was made since the plan; it fails.
func TestAChangeBetweenPlanAndApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := `  description  = "by the first"`, `  description  = "by the second"`
	meanwhile := func(do func() error) resource.ConfigPlanChecks {
		return plans(between(do))
	}
	update := func(description string) func() error {
		return func() error {
			in := w.the("production")
			_, err := w.Admin.UpdateIntegration(
				w.Context(),
				in.ID,
				api.IntegrationRequest{Name: in.Name, Description: description, DefaultRole: "readonly",
					Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")}},
				in.ETag(),
				api.ValidateSkip,
			)
			return err
		}
	}
	w.plays(
		step{Config: w.config(integration("production", "", readonly))},
		step{
			Config:           w.config(integration("production", second, readonly)),
			ConfigPlanChecks: meanwhile(update("by the first")),
			ExpectError: says(
				"Updating the integration production",
				"changed by someone else since this plan was made",
				"terraform plan",
			),
		},
		step{Config: w.config(integration("production", first, readonly)), ConfigPlanChecks: keeps(production)},
		step{ // who did the same is no obstacle
			Config:           w.config(integration("production", second, readonly)),
			ConfigPlanChecks: meanwhile(update("by the second")),
		},
		step{ // nor is a change to what Terraform does not keep
			Config: w.config(integration("production", first, readonly)),
			ConfigPlanChecks: meanwhile(func() error {
				_, err := w.Admin.RotateExternalID(w.Context(), "production", api.Rotation{Step: "start"})
				return err
			}),
		},
		step{ // what has changed is not deleted either
			Config: w.config(""), ConfigPlanChecks: meanwhile(update("precious")),
			ExpectError: says("Deleting the integration production", "changed by someone else"),
		},
		step{
			Config:           w.config(integration("production", `  description  = "precious"`, readonly)),
			ConfigPlanChecks: keeps(production),
		},
	)
}

// between is what happens between a plan and its apply.
type between func() error

func (do between) CheckPlan(_ context.Context, _ plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	resp.Error = do()
}

// By default the apply fails and saves nothing. The error names each role that
// cannot be assumed, with the cause and what to change.
func TestRolesThatCannotBeAssumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.AWS.Account(testbed.CustomerAccount).
		CreateRole(awssim.Role{Name: "Locked", TrustPolicy: testbed.Trust("999999999999")})
	locked, missing := role("locked", "Locked", ""), role("missing", "Missing", "")
	good := integration("production", "", readonly)
	w.plays(
		step{
			Config: w.config(integration("production", "", readonly, locked, missing)),
			ExpectError: says(
				"Creating the integration production",
				production,
				`locked = {`,
				"Not every role can be assumed; nothing was saved",
				`roles["locked"].arn:`,
				"sts:AssumeRole",
				"arn:aws:iam::"+testbed.PlatformAccount+":root",
				"Creating the integration production",
				`missing = {`,
				`roles["missing"].arn:`,
			),
		},
		step{Config: w.config(good), PreConfig: func() {
			if _, err := w.Admin.Integration(w.Context(),
				"production"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
				t.Errorf("something was saved: %v", err)
			}
		}},
		step{ // an update is not made either
			Config:      w.config(integration("production", "", readonly, locked)),
			ExpectError: says("Updating the integration production", `roles["locked"].arn`),
		},
		step{Config: w.config(good), ConfigPlanChecks: keeps(production)},
		step{ // saved all the same, if that is wanted
			Config: w.config(integration("production", `  validate     = "warn"`, readonly, locked)),
			Check:  has(production, "roles.locked.validation.status", "failed"),
		},
		step{ // requiring it now tries again, though nothing else changes
			Config:      w.config(integration("production", `  validate     = "require"`, readonly, locked)),
			ExpectError: says("Updating the integration production", `roles["locked"].arn`),
		},
		step{
			PreConfig: func() {
				w.AWS.Account(testbed.CustomerAccount).SetTrustPolicy("Locked", testbed.Trust(testbed.PlatformAccount))
			},
			Config: w.config(integration("production", "", readonly, locked)),
			Check:  has(production, "roles.locked.validation.status", "warning"),
		},
		step{ // not tried at all
			Config: w.config(integration("production", `  validate     = "skip"`, readonly, missing)),
			Check:  hasNo(production, "roles.missing.validation.status"),
		},
	)
}

// The provider finds each mistake at its attribute, by the server's own rules.
func TestMistakesAreFoundWithoutAskingTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mistake := func(config string, words ...string) resource.TestStep {
		return step{
			Config: "provider \"rolebroker\" {\n  url   = \"http://127.0.0.1:1\"\n  token = \"none\"\n}\n" +
				config,
			PlanOnly:    true,
			ExpectError: says(words...),
		}
	}
	w.plays(
		mistake(integration("no spaces", "", readonly), `name: "no spaces" has the character ' '`),
		mistake(integration("int_4zqk2m7vprb5xw3tdn6hjc8ysa", "", readonly), "looks like an ID"),
		mistake(
			integration(
				"production",
				"",
				`    readonly = { arn = "arn:aws:iam::444455556666:user/x", region = "us-east-1" }`+"\n",
			),
			`roles["readonly"].arn`,
			"user",
		),
		mistake(
			integration(
				"production",
				"",
				`    readonly = { arn = "arn:aws-cn:iam::444455556666:role/x", region = "us-east-1" }`+"\n",
			),
			`roles["readonly"].region`,
			"aws-cn",
		),
		mistake(
			integration("production", "", `    readonly = { arn = "arn:aws:iam::444455556666:role/x", region = "mars-1" }`+"\n"),
			`"mars-1" is not an AWS region`,
		),
		mistake(integration("production", "", role("readonly", "ReadOnly", `, session_duration = "5m"`)), "15m to 12h"),
		mistake(
			integration("production", "", role("readonly", "ReadOnly", `, session_duration = "soon"`)),
			`roles["readonly"].session_duration`,
			"soon",
		),
		mistake(integration("production", "", deployer), `default_role: "readonly" is not a role of this integration`),
		mistake(
			integration("production", "", readonly, role(`"not a name"`, "Deployer", "")),
			`roles["not a name"]`,
			"has the character",
		),
		mistake(
			integration(
				"production",
				"",
				`    readonly = { arn = "arn:aws:iam::444455556666:role/x", regoin = "us-east-1" }`+"\n",
			),
			`"region" is required`,
		),
		mistake(integration("production", `  validate     = "maybe"`, readonly), "validate", "require"),
		mistake(integration("production", `  assumption_mode = "moon"`, readonly), "assumption_mode", "platform"),
		mistake(integration("production", ""), "roles"),
	)
}

// Names, ARNs and whole roles may be unknown until the apply.
func TestUnknownValuesAreNoMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(step{
		Config: w.config(`
resource "terraform_data" "arn" {
  input = "`, w.Role("", "ReadOnly", "").ARN, `"
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
  roles = {
    for name, role in rolebroker_aws_integration.production.roles :
    name => { arn = role.arn, region = role.id == "" ? "" : "us-east-1" }
  }
}
`),
		Check: has("rolebroker_aws_integration.all", "roles.readonly.region", "us-east-1"),
	})
}

// The error about a name that is taken says how to import the existing integration.
func TestANameThatIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.plays(step{
		Config: w.config(integration("production", "", readonly)),
		ExpectError: says(
			"Creating the integration production",
			"terraform import rolebroker_aws_integration.NAME production",
		),
	})
}

// A second integration cannot have an external ID that was used; the error says
// what to replace.
func TestAnExternalIDIsUsedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reserved := "resource \"rolebroker_external_id\" \"production\" {}\n\n"
	given := integration("production", "  external_id = rolebroker_external_id.production.external_id", readonly)
	w.plays(
		step{Config: w.config(reserved, given)},
		step{
			Config: w.config(
				reserved,
				given,
				strings.Replace(strings.Replace(given, `" "production"`, `" "second"`, 1), `= "production"`,
					`= "second"`, 1),
			),
			ExpectError: says(
				"Creating the integration second",
				"external_id:",
				"used already",
				"terraform apply -replace=rolebroker_external_id.NAME",
			),
		},
		step{Config: w.config(reserved, given)},
	)
}

// In cluster mode the server does not try to assume the roles.
func TestClusterMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.plays(step{
		Config: w.config(integration("production", `  assumption_mode = "cluster"`, role("readonly", "Nowhere", ""))),
		Check: all(has(production, "assumption_mode", "cluster"),
			func(*terraform.State) error {
				if calls := w.AWS.Calls("AssumeRole"); calls != 0 {
					return errors.New("somebody tried to assume the role")
				}
				return nil
			}),
	})
}
