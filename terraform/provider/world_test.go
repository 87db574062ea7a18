package provider_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
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
func (w *world) plays(steps ...resource.TestStep) {
	w.Helper()
	resource.Test(w.T, resource.TestCase{
		ProtoV6ProviderFactories: map[string]func() (tfprotov6.ProviderServer, error){
			"rolebroker": providerserver.NewProtocol6WithError(provider.NewForTests(w.now)()),
			"echo":       echoprovider.NewProviderServer(),
		},
		Steps: steps,
	})
}

// config is a configuration with the provider's settings before it.
func (w *world) config(hcl string) string {
	return fmt.Sprintf("provider \"rolebroker\" {\n  url   = %q\n  token = %q\n}\n\n", w.URL, w.AdminKey.Reveal()) + hcl
}

// role is a role of the customer's account, as an entry of roles.
func role(name, iamName, more string) string {
	return fmt.Sprintf("    %s = { arn = %q, region = \"us-east-1\"%s }\n", name, "arn:aws:iam::"+testbed.CustomerAccount+":role/"+iamName, more)
}

// integration is a resource rolebroker_aws_integration.production.
func integration(name, more string, roles ...string) string {
	return fmt.Sprintf("resource \"rolebroker_aws_integration\" \"production\" {\n  name         = %q\n  default_role = \"readonly\"\n%s\n  roles = {\n%s  }\n}\n\n",
		name, more, strings.Join(roles, ""))
}

var (
	readonly = role("readonly", "ReadOnly", "")
	deployer = role("deployer", "Deployer", "")
)

const production = "rolebroker_aws_integration.production"

// expects is what a plan is to do with a resource.
func expects(address string, action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

// says is an expression for an error in which the words come in this order,
// however Terraform breaks and frames its lines.
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

// the is what the server has of the integration.
func (w *world) the(name string) api.Integration {
	w.Helper()
	in, err := w.Admin.Integration(context.Background(), name)
	if err != nil {
		w.Fatal(err)
	}
	return in
}

// attribute is one of a resource's in the state.
func attribute(s *terraform.State, address, name string) string {
	if r := s.RootModule().Resources[address]; r != nil {
		return r.Primary.Attributes[name]
	}
	return ""
}

// remembered keeps an attribute from one step to the next.
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
