package provider_test

import (
	"testing"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// A new integration has a source identity. One that was made before that was the
// default keeps what it has, and no plan changes it.
func TestTheDefaultOfTheSourceIdentityChangesNothingThatExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	off := false
	_, err := w.Admin.CreateIntegration(w.Context(), api.IntegrationRequest{Name: "old", DefaultRole: "readonly",
		SourceIdentity: &off, Roles: []api.RoleRequest{w.Role("readonly", "ReadOnly", "us-east-1")}}, api.ValidateSkip)
	if err != nil {
		t.Fatal(err)
	}
	imports := "import {\n  to = " + production + "\n  id = \"old\"\n}\n\n"
	w.plays(
		step{Config: w.config(imports, integration("old", "", readonly)), ConfigPlanChecks: keeps(production),
			Check: has(production, "source_identity", "false")},
		step{Config: w.config(integration("old", `  description = "Older"`, readonly)),
			ConfigPlanChecks: updates(production), Check: has(production, "source_identity", "false")},
		step{Config: w.config(integration("old", `  source_identity = true`, readonly)),
			ConfigPlanChecks: updates(production), Check: has(production, "source_identity", "true")},
	)
}

// A new integration has a source identity where its roles allow it, and none where a
// role, as the AWS console makes it, works only without one.
func TestANewIntegrationHasASourceIdentityWhereItCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "Console",
		TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",
			"Principal":{"AWS":"arn:aws:iam::` + testbed.PlatformAccount + `:root"}}}`})
	w.plays(
		step{Config: w.config(integration("production", "", readonly)),
			Check: has(production, "source_identity", "true")},
		step{Config: w.config(integration("production", "", readonly)), ConfigPlanChecks: keeps(production)},
	)
	w.plays(
		step{Config: w.config(integration("console", "", role("readonly", "Console", ""))),
			Check: has(production, "source_identity", "false")},
		step{Config: w.config(integration("console", "", role("readonly", "Console", ""))),
			ConfigPlanChecks: keeps(production)},
	)
}
