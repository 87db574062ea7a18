package provider_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

const token = "rolebroker_agent_token.scout"

// tokenOf is a token of scout, whose value the provider echo puts where the test
// finds it, which nothing but a test does.
func tokenOf(more string) string {
	return `
ephemeral "rolebroker_agent_token" "scout" {}

resource "rolebroker_agent_token" "scout" {
  agent    = rolebroker_agent.scout.id
  token_wo = ephemeral.rolebroker_agent_token.scout.token
` + more + `
}

provider "echo" {
  data = ephemeral.rolebroker_agent_token.scout.token
}

resource "echo" "token" {}
`
}

// TestATokenOpensWhatTerraformConnected: Terraform makes it, registers it, and
// an agent really borrows with it.
func TestATokenOpensWhatTerraformConnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := integration("production", "", readonly, deployer) + agent("scout", "") + connect("production", "id", "")
	var id remembered
	var shown rolebroker.Secret
	borrows := func(s *terraform.State) error {
		shown = rolebroker.NewSecret(attribute(s, "echo.token", "data"))
		w.HandedOut(shown)
		lent, err := w.Client(shown).Credentials(context.Background(), "deployer", "")
		if err == nil && lent.RoleARN != "arn:aws:iam::"+testbed.CustomerAccount+":role/Deployer" {
			err = fmt.Errorf("lent was %s", lent.RoleARN)
		}
		return err
	}
	isNotInState := func(s *terraform.State) error {
		for name, value := range s.RootModule().Resources[token].Primary.Attributes {
			if strings.Contains(value, shown.Reveal()) || name == "token_wo" {
				return errors.New("the token is in the state, in " + name)
			}
		}
		return nil
	}
	w.plays(
		resource.TestStep{Config: w.config(all + tokenOf(`  label = "ecs"`)),
			Check: resource.ComposeAggregateTestCheckFunc(id.keep(token, "id"), borrows, isNotInState, resource.TestCheckResourceAttr(token, "expires_at", ""))},
		resource.TestStep{ResourceName: token, ImportState: true, ImportStateIdFunc: func(s *terraform.State) (string, error) { return "scout/" + attribute(s, token, "id"), nil },
			ImportStateVerify: true, ImportStateVerifyIgnore: []string{"agent"}},
		resource.TestStep{ // renaming the agent leaves its token
			Config:           w.config(strings.Replace(all, `"scout" {`+"\n"+`  name = "scout"`, `"scout" {`+"\n"+`  name = "ranger"`, 1) + tokenOf(`  label = "ecs"`)),
			ConfigPlanChecks: expects(token, plancheck.ResourceActionNoop), Check: id.same(token, "id")},
		resource.TestStep{ // another version is another token, and the old one is revoked
			Config:           w.config(all + tokenOf("  label = \"ecs\"\n  token_wo_version = 2\n  expires_in = \"720h\"")),
			ConfigPlanChecks: expects(token, plancheck.ResourceActionDestroyBeforeCreate),
			Check: resource.ComposeAggregateTestCheckFunc(resource.TestCheckResourceAttrSet(token, "expires_at"), func(*terraform.State) error {
				if _, err := w.Client(shown).Credentials(context.Background(), "", ""); err == nil {
					return errors.New("the replaced token still opens something")
				}
				return nil
			})},
		resource.TestStep{ // revoked outside: made anew
			PreConfig: func() {
				for made, err := range w.Admin.AllTokens(context.Background(), "scout") {
					if err != nil || w.Admin.RevokeToken(context.Background(), "scout", made.ID) != nil {
						t.Error("cannot revoke", err)
					}
				}
			},
			Config:           w.config(all + tokenOf("  token_wo_version = 2\n  expires_at = \"2999-01-01T01:00:00+01:00\"")),
			ConfigPlanChecks: expects(token, plancheck.ResourceActionDestroyBeforeCreate),
			Check: resource.ComposeAggregateTestCheckFunc(resource.TestCheckResourceAttr(token, "expires_at", "2999-01-01T01:00:00+01:00"),
				resource.TestCheckResourceAttr(token, "status", "active"))},
		resource.TestStep{ // gone altogether, with its agent: made, and not replaced
			PreConfig: func() { w.Admin.DeleteAgent(context.Background(), "scout", "") },
			Config:    w.config(all + tokenOf("  token_wo_version = 2")), ConfigPlanChecks: expects(token, plancheck.ResourceActionCreate)},
	)
}

// TestATokenThatIsGoodNoMore is replaced, and with it whatever is to be; but not
// one whose end the configuration gives, which could not be made again.
func TestATokenThatIsGoodNoMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now().Add(time.Hour).UTC().Format(time.RFC3339)
	follower := "resource \"terraform_data\" \"store\" {\n  lifecycle {\n    replace_triggered_by = [rolebroker_agent_token.scout.id]\n  }\n}\n"
	revoke := func() {
		if err := w.Admin.RevokeToken(context.Background(), "scout", w.onlyToken("scout")); err != nil {
			t.Error(err)
		}
	}
	both := resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(token, plancheck.ResourceActionDestroyBeforeCreate),
		plancheck.ExpectResourceAction("terraform_data.store", plancheck.ResourceActionDestroyBeforeCreate),
		plancheck.ExpectResourceAction(scout, plancheck.ResourceActionNoop)}}
	w.plays(
		resource.TestStep{Config: w.config(agent("scout", "") + tokenOf(`  expires_at = "`+at+`"`) + follower), Check: resource.TestCheckResourceAttr(token, "status", "active")},
		resource.TestStep{PreConfig: func() { w.passes(time.Hour) }, Config: w.config(agent("scout", "") + tokenOf(`  expires_at = "`+at+`"`) + follower),
			ConfigPlanChecks: expects(token, plancheck.ResourceActionNoop), Check: resource.TestCheckResourceAttr(token, "status", "expired")},
		resource.TestStep{Config: w.config(agent("scout", "") + tokenOf("") + follower), ConfigPlanChecks: both, Check: resource.TestCheckResourceAttr(token, "status", "active")},
		resource.TestStep{PreConfig: revoke, Config: w.config(agent("scout", "") + tokenOf("") + follower), ConfigPlanChecks: both},
		resource.TestStep{Config: w.config(agent("scout", "") + tokenOf("") + follower), ConfigPlanChecks: expects("terraform_data.store", plancheck.ResourceActionNoop)},
	)
}

// tokens are all that an agent has.
func (w *world) tokens(agent string) []api.Token {
	w.Helper()
	var all []api.Token
	for made, err := range w.Admin.AllTokens(context.Background(), agent) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, made)
	}
	return all
}

// TestTokensThatAreNone are refused, and not repeated.
func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	given := func(value, more string) string {
		return w.config(agent("scout", "") + "resource \"rolebroker_agent_token\" \"scout\" {\n  agent    = rolebroker_agent.scout.id\n  token_wo = \"" + value + "\"\n" + more + "\n}\n")
	}
	empty := "resource \"terraform_data\" \"later\" {\n  input = \"\"\n}\nresource \"rolebroker_agent_token\" \"scout\" {\n  agent    = rolebroker_agent.scout.id\n  token_wo = terraform_data.later.output\n}\n"
	past := w.now().Add(-time.Hour).UTC().Format(time.RFC3339)
	good := "rbt_" + strings.Repeat("a", 26) + "_" + strings.Repeat("b", 52)
	w.plays(
		resource.TestStep{Config: given("", ""), ExpectError: says("token_wo: The value is empty", "ephemeral rolebroker_agent_token")},
		resource.TestStep{Config: w.config(agent("scout", "") + empty), ExpectError: says("token_wo: The value is empty")},
		resource.TestStep{Config: given("hunter2", ""), ExpectError: says("Registering a token of the agent", "token_wo")},
		resource.TestStep{Config: given(good, `  expires_at = "`+past+`"`), ExpectError: says("expires_at", "not in the future")},
		resource.TestStep{Config: given(good, `  expires_at = "tomorrow"`), ExpectError: says("The time is not valid", "RFC 3339")},
		resource.TestStep{Config: given(good, `  expires_in = "a while"`), ExpectError: says("The duration is not valid")},
		resource.TestStep{Config: given(good, "  expires_in = \"1h\"\n  expires_at = \"2999-01-01T00:00:00Z\""), ExpectError: says("expires_at")},
		resource.TestStep{Config: w.config(agent("scout", "")), Check: func(*terraform.State) error {
			if made := w.tokens("scout"); len(made) > 0 {
				return fmt.Errorf("scout has the tokens %+v", made)
			}
			return nil
		}},
	)
}
