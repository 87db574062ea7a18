package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

const (
	externalID = "rolebroker_external_id.production"
	setup      = "data.rolebroker_aws_setup.production"
)

// reserved is an integration whose external ID was reserved before, for whose
// roles there is a trust policy.
func reserved(roles ...string) string {
	return `
resource "rolebroker_external_id" "production" {}

data "rolebroker_aws_setup" "production" {
  external_id = rolebroker_external_id.production.external_id
}

` + integration("production", "  external_id = rolebroker_external_id.production.external_id", roles...)
}

// trusts says whom the trust policy in the state lets in, and what it requires.
func trusts(principal string, externalIDs ...*string) resource.TestCheckFunc {
	return func(s *terraform.State) error {
		text := attribute(s, setup, "trust_policy")
		if !json.Valid([]byte(text)) || !strings.Contains(text, principal) {
			return errors.New("the trust policy is " + text)
		}
		for _, id := range externalIDs {
			if !strings.Contains(text, *id) {
				return fmt.Errorf("the trust policy does not have %s: %s", *id, text)
			}
		}
		if n := attribute(s, setup, "external_ids.#"); n != fmt.Sprint(len(externalIDs)) {
			return fmt.Errorf("there are %s external IDs", n)
		}
		return nil
	}
}

// An external ID is reserved before the roles exist. Their trust policies have it,
// the integration uses it, and it follows a rotation.
func TestAnExternalIDComesBeforeTheRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := "arn:aws:iam::" + testbed.PlatformAccount + ":root"
	var current, next string
	rotate := func(step string) func() {
		return func() {
			in, err := w.Admin.RotateExternalID(w.Context(), "production",
				api.Rotation{Step: step, Force: step == "finish"})
			if err != nil {
				t.Error(err)
			}
			current, next = in.ExternalID, in.NextExternalID
		}
	}
	config := w.config(reserved(readonly))
	var id remembered
	w.plays(
		step{Config: config, Check: all(
			id.keep(production, "id"),
			hasSame(production, "external_id", externalID, "external_id"),
			func(*terraform.State) error { current = w.the("production").ExternalID; return nil },
			trusts(root, &current))},
		step{PreConfig: rotate("start"), Config: config, ConfigPlanChecks: keeps(production),
			Check: trusts(root, &current, &next)},
		step{PreConfig: rotate("finish"), Config: config, ConfigPlanChecks: keeps(production),
			Check: all(trusts(root, &current), id.same(production, "id"),
				hasSame(production, "external_id", externalID, "external_id"))},
		step{ // an external ID is used once: another integration has another
			PreConfig: func() { w.Admin.DeleteIntegration(w.Context(), "production", "") },
			Config:    config,
			ConfigPlanChecks: plans(
				plancheck.ExpectResourceAction(externalID, plancheck.ResourceActionCreate),
				plancheck.ExpectResourceAction(production, plancheck.ResourceActionCreate))},
		step{ResourceName: externalID, ImportState: true, ImportStateVerify: true},
	)
}

// Setups for an integration, for clusters, and without an argument.
func TestSetups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"),
		w.Role("deployer", "Deployer", "us-east-1"))
	of := func(hcl string) string {
		return w.config("data \"rolebroker_aws_setup\" \"production\" {\n", hcl, "\n}\n")
	}
	w.plays(
		step{Config: of(`  integration = "production"`), Check: all(
			hasSome(setup, "trust_policy"), has(setup, "trust_policies.%", "2"),
			has(setup, "principal", "arn:aws:iam::"+testbed.PlatformAccount+":root"), hasSome(setup, "text"))},
		step{Config: of("  integration    = \"production\"\n  principal_form = \"exact\""),
			Check: has(setup, "principal", "arn:aws:iam::"+testbed.PlatformAccount+":user/rolebroker")},
		step{
			Config: of(
				`
  account_id = "444455556666"
  cluster = {
    issuer    = "https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"
    namespace = "agents"
  }`,
			),
			Check: all(
				trusts("arn:aws:iam::444455556666:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"),
				trusts("system:serviceaccount:agents:rolebroker-runner"),
			),
		},
		step{Config: of(`  cluster = { variant = "pod-identity" }`), Check: trusts("pods.eks.amazonaws.com")},
		step{Config: of(`  cluster = {}`), ExpectError: says("account_id", "is required")},
		step{
			Config:      of(`  cluster = { variant = "pod-identity", namespace = "Not One" }`),
			ExpectError: says("cluster.namespace", "Kubernetes name"),
		},
		step{Config: of(``), ExpectError: says("The setup of what?", "external_id")},
		step{Config: of(`  external_id = "chosen-by-me"`), ExpectError: says("external_id", "reserved")},
		step{Config: of(`  integration = "nowhere"`), ExpectError: says("Writing the setup", "nowhere")},
	)
}
