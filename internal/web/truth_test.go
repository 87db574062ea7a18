package web_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// A page names some agents, and says exactly how many there are.
func TestCountsOfAgentsAreExact(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	for i := range 130 {
		spec := broker.AgentSpec{Name: fmt.Sprintf("agent-%03d", i)}
		if i < 120 {
			spec.Connections = broker.ConnectTo("production")
		}
		if _, err := s.broker.CreateAgent(context.Background(), root, spec); err != nil {
			t.Fatal(err)
		}
	}
	b.shows(path+"/delete", "120 agents (agent-000, ", "and 110 more) lose the roles", "See all 120 agents")
	b.shows(path+"/agents", "Agents <span class=\"count\">120<", ">agent-049<", `value="agent-129"`, "Next page")
	b.shows(path+"/agents?after=agent-099", ">agent-119<")
	all := b.get("/agents?integration=" + strings.TrimPrefix(path, "/integrations/")).Body.String()
	if !strings.Contains(all, "Agents of production") || !strings.Contains(all, "agent-049") ||
		!strings.Contains(all, "integration=int_") || strings.Contains(all, "agent-125") {
		t.Errorf("the agents of the integration are\n%s", all)
	}
	b.answers(b.post(path+"/connect", "agent", "nobody"), http.StatusUnprocessableEntity, "nobody", "connect-agent-problem")
	b.answers(b.post(path+"/connect", "agent", "agent-129"), http.StatusSeeOther)
	b.shows(path+"/delete", "121 agents")
}

// With more agents than a list offers, people type the name of any other.
func TestAPickerReachesEveryAgent(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	for i := range 101 {
		spec := broker.AgentSpec{Name: fmt.Sprintf("agent-%03d", i)}
		if _, err := s.broker.CreateAgent(context.Background(), root, spec); err != nil {
			t.Fatal(err)
		}
	}
	b.shows(path+"/agents", `<input id="connect-agent"`, `<option value="agent-099">`)
	b.answers(b.post(path+"/connect", "agent", "agent-100"), http.StatusSeeOther)
	b.shows(path+"/agents", ">agent-100<", `<option value="agent-000">`)
}

// A secret is shown once. Neither reloading its page nor going back to it makes another.
func TestReloadingThePageOfASecretMakesNoOther(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.post("/agents/new", "name", "scout")
	b.runner("eks", "")
	for _, c := range []struct {
		post  []string
		shows string
	}{
		{[]string{"/agents/scout/tokens", "label", "ci"}, "rbt_"},
		{[]string{"/runners/eks/join-token"}, "rbj_"},
		{[]string{"/settings/keys", "name", "ci", "access", "read-only"}, "rbk_"},
	} {
		made := b.post(c.post[0], c.post[1:]...)
		b.answers(made, http.StatusSeeOther)
		to := made.Header().Get("Location")
		if strings.Contains(to+b.cookie, c.shows) {
			t.Errorf("%s: the secret is in the address or in a cookie", c.post[0])
		}
		thief := *b
		thief.cookie = s.as(s.admin).cookie + "; " + b.cookie[strings.Index(b.cookie, "rolebroker-once"):]
		if strings.Contains(thief.get(to).Body.String(), c.shows) {
			t.Errorf("%s: another sign-in opens the cookie", c.post[0])
		}
		b.shows(to, c.shows)
		if again := b.get(to).Body.String(); strings.Contains(again, c.shows) {
			t.Errorf("%s: it is shown again", c.post[0])
		}
	}
	tokens, err := s.broker.Tokens(context.Background(), root, "scout", rolebroker.Page{Limit: 10})
	if err != nil || len(tokens) != 1 {
		t.Errorf("there are %d tokens: %v", len(tokens), err)
	}
}

// The list, the page of the integration and the page of the agent say the same of a role: what is newest.
func TestEveryPageHasTheSameStateOfARole(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	p := admin(t, tb)
	reloads := func(address string, says ...string) {
		t.Helper()
		p.until("the page says "+strings.Join(says, " and "), func() error {
			p.opens(address)
			text, err := evaluate[string](p, `document.querySelector("main").innerText`)
			if err != nil {
				return err
			}
			for _, s := range says {
				if !strings.Contains(text, s) {
					return fmt.Errorf("it says %s", text)
				}
			}
			return nil
		})
	}
	if _, err := tb.Client(tb.Scout).Credentials(t.Context(), "deployer", ""); err != nil {
		t.Fatal(err)
	}
	reloads("/agents/scout", "lent to scout", "not tried", "assumable")

	// AWS refuses the default role. The server finds out why.
	tb.AWS.Account("444455556666").SetTrustPolicy("ReadOnly", `{"Version":"2012-10-17","Statement":{
		"Effect":"Allow","Principal":{"AWS":"999988887777"},"Action":"sts:AssumeRole"}}`)
	if _, err := tb.Client(tb.Scout).Credentials(t.Context(), "", ""); err == nil {
		t.Fatal("AWS lends the role")
	}
	reloads("/integrations", "1 failed")
	reloads("/agents/scout", "failed", "AWS does not let the server assume the role", "See what to change")
	p.maybeTakes("agent-refused")
	p.presses("See what to change")
	p.arrives("readonly")
	p.sees("failed", "Why it fails", "sts:AssumeRole")
	p.looksAt("production")
	p.line("readonly").sees("failed")
	p.line("deployer").sees("assumable")

	// Only selected roles count.
	p.presses("Edit")
	p.arrives("Edit production")
	p.role(0).unticks("Select")
	p.presses("Update Integration")
	p.sees("Updated.")
	p.opens("/integrations")
	p.seesNot("1 failed")
}

// Validate says what Create would refuse, before anybody presses Create.
func TestValidateChecksWhatCreateChecks(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.begins("production") // another has the name
	p.typesRole(0, "readonly", "ReadOnly", "mars-north-1")
	p.presses("Validate")
	p.sees("It cannot be created yet:", "Name: Another integration has this name.", "Region of role readonly:")
	p.seesNot("You can create it anyway.")
	p.maybeTakes("validate-checks")
}

// Settings and the setup name the same principal. The narrower one is named as what it is.
func TestSettingsNameThePrincipalOfTheSetup(t *testing.T) {
	t.Parallel()
	p := admin(t, testbed.New(t, nil))
	p.opens("/settings")
	p.sees("Trust policies name", "The setup of every integration writes this", "Or, narrower")
	root := strings.TrimSpace(p.reads("Principal of the setup"))
	if narrower := strings.TrimSpace(p.reads("Principal of this identity")); root != "arn:aws:iam::111122223333:root" ||
		narrower != "arn:aws:iam::111122223333:user/rolebroker" {
		t.Errorf("the principals are %s and %s", root, narrower)
	}
	p.maybeTakes("settings-principals")
	p.edits("production")
	p.presses("Trust policy")
	if policy := p.reads("Trust policy"); !strings.Contains(policy, root) {
		t.Errorf("the setup writes %s", policy)
	}
}
