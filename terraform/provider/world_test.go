package provider_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
	"github.com/rolebroker/rolebroker/terraform/provider"
)

// world is a server on a simulated AWS, and Terraform beside it.
type world struct {
	*testing.T
	*testbed.Testbed
	*clock
}

// clock is the time of the server and of the provider: the real time, and the
// time that the test has skipped.
type clock struct{ skipped atomic.Int64 }

func (c *clock) now() time.Time         { return time.Now().Add(time.Duration(c.skipped.Load())) }
func (c *clock) passes(d time.Duration) { c.skipped.Add(int64(d)) }

// newWorld starts a world without integrations and agents. The customer's account
// has the roles ReadOnly, Deployer, Off and Tester, which trust the platform
// with any external ID.
func newWorld(t *testing.T) *world {
	t.Helper()
	needsTerraform(t)
	clock := &clock{}
	return &world{t, testbed.New(t, &testbed.Options{Empty: true, Now: clock.now}), clock}
}

// plays runs Terraform with the steps. After each step that applies, a plan has to
// be empty.
func (w *world) plays(steps ...step) {
	w.Helper()
	resource.Test(w.T, resource.TestCase{
		ProtoV6ProviderFactories: map[string]func() (tfprotov6.ProviderServer, error){
			"rolebroker": func() (tfprotov6.ProviderServer, error) { return provider.ServeForTests(w.now)(), nil },
			"echo":       echoprovider.NewProviderServer(),
		},
		Steps: steps,
	})
}

// config is a configuration of some blocks, with the provider's settings.
func (w *world) config(blocks ...string) string {
	return settings(w.URL, w.AdminKey.Reveal(), "") + strings.Join(blocks, "")
}

// role is an entry of roles, for a role in the customer's account.
func role(name, iamName, more string) string {
	return fmt.Sprintf(
		"    %s = { arn = %q, region = \"us-east-1\"%s }\n",
		name,
		"arn:aws:iam::"+testbed.CustomerAccount+":role/"+iamName,
		more,
	)
}

// integration is the resource rolebroker_aws_integration.production.
func integration(name, more string, roles ...string) string {
	return fmt.Sprintf(
		`resource "rolebroker_aws_integration" "production" {
  name         = %q
  default_role = "readonly"
%s
  roles = {
%s  }
}

`,
		name,
		more,
		strings.Join(roles, ""),
	)
}

var (
	readonly = role("readonly", "ReadOnly", "")
	deployer = role("deployer", "Deployer", "")
)

const production = "rolebroker_aws_integration.production"

// Short names for the parts of a step.
type step = resource.TestStep

var (
	all     = resource.ComposeAggregateTestCheckFunc
	has     = resource.TestCheckResourceAttr
	hasSome = resource.TestCheckResourceAttrSet
	hasNo   = resource.TestCheckNoResourceAttr
	hasSame = resource.TestCheckResourceAttrPair
)

// keeps, updates, creates and replaces are what the plan has to do with a
// resource.
func keeps(address string) resource.ConfigPlanChecks {
	return plans(plancheck.ExpectResourceAction(address, plancheck.ResourceActionNoop))
}

func updates(address string) resource.ConfigPlanChecks {
	return plans(plancheck.ExpectResourceAction(address, plancheck.ResourceActionUpdate))
}

func creates(address string) resource.ConfigPlanChecks {
	return plans(plancheck.ExpectResourceAction(address, plancheck.ResourceActionCreate))
}

func replaces(address string) resource.ConfigPlanChecks {
	return plans(plancheck.ExpectResourceAction(address, plancheck.ResourceActionDestroyBeforeCreate))
}

func plans(checks ...plancheck.PlanCheck) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: checks}
}

// says is a regular expression for an error that contains the words in this order,
// however Terraform breaks and frames the lines.
func says(words ...string) *regexp.Regexp {
	const between = `[\s│╷╵]+`
	for i, w := range words {
		words[i] = strings.Join(quotedAll(strings.Fields(w)), between)
	}
	return regexp.MustCompile(`(?s)` + strings.Join(words, `.*`))
}

func quotedAll(words []string) []string {
	for i, w := range words {
		words[i] = regexp.QuoteMeta(w)
	}
	return words
}

// the is the integration as the server has it.
func (w *world) the(name string) api.Integration {
	w.Helper()
	in, err := w.Admin.Integration(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return in
}

// ofScout is the import ID of a part of the agent scout.
func ofScout(address string) resource.ImportStateIdFunc {
	return func(s *terraform.State) (string, error) { return "scout/" + attribute(s, address, "id"), nil }
}

// attribute is the value of an attribute in the state.
func attribute(s *terraform.State, address, name string) string {
	if r := s.RootModule().Resources[address]; r != nil {
		return r.Primary.Attributes[name]
	}
	return ""
}

// remembered keeps the value of an attribute from one step to the next.
type remembered struct{ value string }

func (r *remembered) keep(address, name string) resource.TestCheckFunc {
	return func(s *terraform.State) error {
		r.value = attribute(s, address, name)
		if r.value == "" {
			return fmt.Errorf("%s has no %s", address, name)
		}
		return nil
	}
}

func (r *remembered) same(address, name string) resource.TestCheckFunc {
	return func(s *terraform.State) error {
		if now := attribute(s, address, name); now != r.value {
			return fmt.Errorf("%s of %s was %q and is %q", name, address, r.value, now)
		}
		return nil
	}
}
