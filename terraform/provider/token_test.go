package provider_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

const token = "rolebroker_agent_token.scout"

// tokenOf is a token of scout. The provider echo puts its value into the state, for
// the test.
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

// An agent borrows with a token that Terraform made and registered.
func TestATokenOpensWhatTerraformConnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connected := integration("production", "", readonly, deployer) + agent("scout",
		"") + connect("production", "id", "")
	var id remembered
	var shown rolebroker.Secret
	borrows := func(s *terraform.State) error {
		shown = rolebroker.NewSecret(attribute(s, "echo.token", "data"))
		w.HandedOut(shown)
		lent, err := w.Client(shown).Credentials(w.Context(), "deployer", "")
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
		step{Config: w.config(connected, tokenOf(`  label = "ecs"`)),
			Check: all(id.keep(token, "id"), borrows, isNotInState, has(token, "expires_at", ""))},
		step{
			ResourceName:            token,
			ImportState:             true,
			ImportStateIdFunc:       ofScout(token),
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"agent"},
		},
		step{ // renaming the agent keeps its token
			Config: w.config(
				strings.Replace(connected, `"scout" {`+"\n"+`  name = "scout"`, `"scout" {`+"\n"+
					`  name = "ranger"`, 1),
				tokenOf(`  label = "ecs"`),
			),
			ConfigPlanChecks: keeps(token), Check: id.same(token, "id")},
		step{ // another version makes another token, and the old one is revoked
			Config: w.config(connected, tokenOf("  label = \"ecs\"\n  token_wo_version = 2\n  expires_in "+
				"= \"720h\"")),
			ConfigPlanChecks: replaces(token),
			Check: all(hasSome(token, "expires_at"), func(*terraform.State) error {
				if _, err := w.Client(shown).Credentials(w.Context(), "", ""); err == nil {
					return errors.New("the replaced token still opens something")
				}
				return nil
			})},
		step{ // revoked outside: replaced
			PreConfig: func() {
				for made, err := range w.Admin.AllTokens(w.Context(), "scout") {
					if err != nil || w.Admin.RevokeToken(w.Context(), "scout", made.ID) != nil {
						t.Error("cannot revoke", err)
					}
				}
			},
			Config: w.config(
				connected,
				tokenOf("  token_wo_version = 2\n  expires_at = \"2999-01-01T01:00:00+01:00\""),
			),
			ConfigPlanChecks: replaces(token),
			Check: all(has(token, "expires_at", "2999-01-01T01:00:00+01:00"),
				has(token, "status", "active"))},
		step{ // deleted with its agent: created, and not replaced
			PreConfig: func() { w.Admin.DeleteAgent(w.Context(), "scout", "") },
			Config:    w.config(connected, tokenOf("  token_wo_version = 2")), ConfigPlanChecks: creates(token)},
	)
}

// Terraform replaces a token that has expired or was revoked, and the resources
// that depend on it. It does not replace one that expired at the expires_at of the
// configuration, because a new one would be expired too.
func TestATokenThatIsNoLongerValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.now().Add(time.Hour).UTC().Format(time.RFC3339)
	follower := `
resource "terraform_data" "store" {
  lifecycle {
    replace_triggered_by = [rolebroker_agent_token.scout.id]
  }
}
`
	revoke := func() {
		if err := w.Admin.RevokeToken(w.Context(), "scout", w.onlyToken("scout")); err != nil {
			t.Error(err)
		}
	}
	both := plans(plancheck.ExpectResourceAction(token, plancheck.ResourceActionDestroyBeforeCreate),
		plancheck.ExpectResourceAction("terraform_data.store", plancheck.ResourceActionDestroyBeforeCreate),
		plancheck.ExpectResourceAction(scout, plancheck.ResourceActionNoop))
	w.plays(
		step{
			Config: w.config(agent("scout", ""), tokenOf(`  expires_at = "`+at+`"`), follower),
			Check:  has(token, "status", "active"),
		},
		step{
			PreConfig:        func() { w.passes(time.Hour) },
			Config:           w.config(agent("scout", ""), tokenOf(`  expires_at = "`+at+`"`), follower),
			ConfigPlanChecks: keeps(token),
			Check:            has(token, "status", "expired"),
		},
		step{
			Config:           w.config(agent("scout", ""), tokenOf(""), follower),
			ConfigPlanChecks: both,
			Check:            has(token, "status", "active"),
		},
		step{PreConfig: revoke, Config: w.config(agent("scout", ""), tokenOf(""), follower), ConfigPlanChecks: both},
		step{Config: w.config(agent("scout", ""), tokenOf(""), follower),
			ConfigPlanChecks: keeps("terraform_data.store")},
	)
}

// tokens are all tokens of an agent.
func (w *world) tokens(agent string) []api.Token {
	w.Helper()
	var all []api.Token
	for made, err := range w.Admin.AllTokens(w.Context(), agent) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, made)
	}
	return all
}

// Tokens that are not valid are refused; the error does not contain them.
func TestInvalidTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	given := func(value, more string) string {
		return w.config(
			agent("scout", ""),
			"resource \"rolebroker_agent_token\" \"scout\" {\n  agent    = rolebroker_agent.scout.id\n  token_wo = \""+
				value,
			"\"\n",
			more,
			"\n}\n",
		)
	}
	empty := `
resource "terraform_data" "later" {
  input = ""
}

resource "rolebroker_agent_token" "scout" {
  agent    = rolebroker_agent.scout.id
  token_wo = terraform_data.later.output
}
`
	past := w.now().Add(-time.Hour).UTC().Format(time.RFC3339)
	good := "rbt_" + strings.Repeat("a", 26) + "_" + strings.Repeat("b", 52)
	w.plays(
		step{Config: given("", ""), ExpectError: says("token_wo: The value is empty",
			"ephemeral rolebroker_agent_token")},
		step{Config: w.config(agent("scout", ""), empty), ExpectError: says("token_wo: The value is empty")},
		step{Config: given("hunter2", ""), ExpectError: says("Registering a token of the agent", "token_wo")},
		step{Config: given(good, `  expires_at = "`+past+`"`), ExpectError: says("expires_at", "not in the future")},
		step{Config: given(good, `  expires_at = "tomorrow"`), ExpectError: says("The time is not valid", "RFC 3339")},
		step{Config: given(good, `  expires_in = "a while"`), ExpectError: says("The duration is not valid")},
		step{
			Config:      given(good, "  expires_in = \"1h\"\n  expires_at = \"2999-01-01T00:00:00Z\""),
			ExpectError: says("expires_at"),
		},
		step{Config: w.config(agent("scout", "")), Check: func(*terraform.State) error {
			if made := w.tokens("scout"); len(made) > 0 {
				return fmt.Errorf("scout has the tokens %+v", made)
			}
			return nil
		}},
	)
}

// Another label keeps the token. One that expires in some time is replaced while it
// still works, and so is what follows it.
func TestATokenIsRenewedAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := func(more string) string { return w.config(agent("scout", ""), tokenOf(more)) }
	monthly := `  expires_in = "720h"`
	var id remembered
	w.plays(
		step{Config: config(monthly), Check: id.keep(token, "id")},
		step{
			Config: config(monthly + "\n  label = \"ecs\""), ConfigPlanChecks: updates(token),
			Check: all(id.same(token, "id"), has(token, "label", "ecs"), func(*terraform.State) error {
				if made := w.tokens("scout"); len(made) != 1 || made[0].Label != "ecs" {
					return fmt.Errorf("scout has the tokens %+v", made)
				}
				return nil
			}),
		},
		step{
			PreConfig: func() { w.passes(470 * time.Hour) },
			Config:    config(monthly), Check: id.same(token, "id"),
		},
		step{ // less than a third is left
			PreConfig:        func() { w.passes(20 * time.Hour) },
			Config:           config(monthly),
			ConfigPlanChecks: replaces(token),
			Check:            all(id.keep(token, "id"), has(token, "status", "active")),
		},
		step{
			PreConfig:        func() { w.passes(700 * time.Hour) },
			Config:           config(monthly + "\n  renew_before = \"19h\""),
			ConfigPlanChecks: updates(token), Check: id.same(token, "id"),
		},
		step{
			PreConfig:        func() { w.passes(2 * time.Hour) },
			Config:           config(monthly + "\n  renew_before = \"19h\""),
			ConfigPlanChecks: replaces(token),
		},
		step{Config: config(monthly + "\n  renew_before = \"720h\""),
			ExpectError: says("Every apply would replace the token")},
		step{Config: config(`  renew_before = "720h"`), ExpectError: says("renew_before", "expires_in")},
		step{Config: config(monthly)},
	)
}
