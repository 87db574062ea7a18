package provider_test

import (
	"context"
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

// TestAnExternalIDComesBeforeTheRoles, is in their trust policies, becomes the
// integration's, and follows it when it is rotated.
func TestAnExternalIDComesBeforeTheRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := "arn:aws:iam::" + testbed.PlatformAccount + ":root"
	var current, next string
	rotate := func(step string) func() {
		return func() {
			in, err := w.Admin.RotateExternalID(context.Background(), "production", api.Rotation{Step: step, Force: step == "finish"})
			if err != nil {
				t.Error(err)
			}
			current, next = in.ExternalID, in.NextExternalID
		}
	}
	config := w.config(reserved(readonly))
	var id remembered
	w.plays(
		resource.TestStep{Config: config, Check: resource.ComposeAggregateTestCheckFunc(
			id.keep(production, "id"),
			resource.TestCheckResourceAttrPair(production, "external_id", externalID, "external_id"),
			func(*terraform.State) error { current = w.the("production").ExternalID; return nil },
			trusts(root, &current))},
		resource.TestStep{PreConfig: rotate("start"), Config: config, ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop),
			Check: trusts(root, &current, &next)},
		resource.TestStep{PreConfig: rotate("finish"), Config: config, ConfigPlanChecks: expects(production, plancheck.ResourceActionNoop),
			Check: resource.ComposeAggregateTestCheckFunc(trusts(root, &current), id.same(production, "id"),
				resource.TestCheckResourceAttrPair(production, "external_id", externalID, "external_id"))},
		resource.TestStep{ // an external ID is used once: another integration has another
			PreConfig: func() { w.Admin.DeleteIntegration(context.Background(), "production", "") },
			Config:    config,
			ConfigPlanChecks: resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
				plancheck.ExpectResourceAction(externalID, plancheck.ResourceActionCreate), plancheck.ExpectResourceAction(production, plancheck.ResourceActionCreate)}}},
		resource.TestStep{ResourceName: externalID, ImportState: true, ImportStateVerify: true},
	)
}

// TestSetups of what there is: for an integration, for clusters, and for nobody.
func TestSetups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Integration("production", w.Role("readonly", "ReadOnly", "us-east-1"), w.Role("deployer", "Deployer", "us-east-1"))
	of := func(hcl string) string {
		return w.config("data \"rolebroker_aws_setup\" \"production\" {\n" + hcl + "\n}\n")
	}
	w.plays(
		resource.TestStep{Config: of(`  integration = "production"`), Check: resource.ComposeAggregateTestCheckFunc(
			resource.TestCheckResourceAttrSet(setup, "trust_policy"), resource.TestCheckResourceAttr(setup, "trust_policies.%", "2"),
			resource.TestCheckResourceAttr(setup, "principal", "arn:aws:iam::"+testbed.PlatformAccount+":root"), resource.TestCheckResourceAttrSet(setup, "text"))},
		resource.TestStep{Config: of("  integration    = \"production\"\n  principal_form = \"exact\""),
			Check: resource.TestCheckResourceAttr(setup, "principal", "arn:aws:iam::"+testbed.PlatformAccount+":user/rolebroker")},
		resource.TestStep{Config: of("  account_id = \"444455556666\"\n  cluster    = { issuer = \"https://oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE\", namespace = \"agents\" }"),
			Check: resource.ComposeAggregateTestCheckFunc(trusts("arn:aws:iam::444455556666:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"), trusts("system:serviceaccount:agents:rolebroker-runner"))},
		resource.TestStep{Config: of(`  cluster = { variant = "pod-identity" }`), Check: trusts("pods.eks.amazonaws.com")},
		resource.TestStep{Config: of(`  cluster = {}`), ExpectError: says("account_id", "is required")},
		resource.TestStep{Config: of(`  cluster = { variant = "pod-identity", namespace = "Not One" }`), ExpectError: says("cluster.namespace", "Kubernetes name")},
		resource.TestStep{Config: of(``), ExpectError: says("The setup of what?", "external_id")},
		resource.TestStep{Config: of(`  external_id = "chosen-by-me"`), ExpectError: says("external_id", "reserved")},
		resource.TestStep{Config: of(`  integration = "nowhere"`), ExpectError: says("Writing the setup", "nowhere")},
	)
}
