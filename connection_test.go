package rolebroker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

// grants are those of scout, connected to the integrations, the first its default.
func grants(integrations ...rolebroker.Integration) *rolebroker.Grants {
	g := &rolebroker.Grants{Agent: rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: "scout"},
		Integrations: integrations}
	for _, in := range integrations {
		g.Agent.Connections = append(g.Agent.Connections, rolebroker.NewConnection(&in, time.Time{}))
	}
	if len(integrations) > 0 {
		g.Agent.DefaultIntegration = integrations[0].ID
	}
	return g
}

func off(r rolebroker.Role) rolebroker.Role { r.Enabled = false; return r }

func paused(in rolebroker.Integration) rolebroker.Integration { in.Enabled = false; return in }

func TestReferences(t *testing.T) {
	production := integration("production", role("readonly"), role("deployer"), off(role("old")))
	staging := integration("staging", role("readonly"), role("tester"), role("old"))
	g := grants(production, staging)

	means := func(reference, want string) {
		t.Helper()
		grant, err := g.Resolve(reference)
		if err != nil {
			t.Errorf("%q: %v", reference, err)
		} else if grant.Reference() != want {
			t.Errorf("%q means %s, want %s", reference, grant.Reference(), want)
		}
	}
	refused := func(reference string, code rolebroker.Code, says string) {
		t.Helper()
		grant, err := g.Resolve(reference)
		if err == nil {
			t.Errorf("%q means %s", reference, grant.Reference())
			return
		}
		if rolebroker.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is refused as %s: %v; want %s and %q", reference, rolebroker.CodeOf(err), err, code, says)
		}
	}

	means("", "production/readonly")
	means("deployer", "production/deployer")
	means("tester", "staging/tester")
	means("old", "staging/old") // the other one is disabled
	means("staging/readonly", "staging/readonly")
	means("arn:aws:iam::444455556666:role/deployer", "production/deployer")
	means(string(production.Roles[1].ID), "production/deployer")
	means(string(staging.ID)+"/readonly", "staging/readonly")

	refused("readonly", rolebroker.CodeInvalid, "production/readonly, staging/readonly")
	refused("arn:aws:iam::444455556666:role/readonly", rolebroker.CodeInvalid, "ambiguous")
	refused("production/old", rolebroker.CodeDenied, "disabled")
	refused("production/tester", rolebroker.CodeNotFound, "available are production/readonly (default), deployer")
	refused("admin", rolebroker.CodeNotFound, "staging/readonly, tester, old")
	refused("Deployer", rolebroker.CodeNotFound, "not connected")
	refused("\x1b[2J", rolebroker.CodeNotFound, `"\x1b[2J"`)
	refused(strings.Repeat("x", 10000), rolebroker.CodeNotFound,
		"a role (10000 characters, neither a name nor an ARN); ")

	g.Integrations[0].Roles[0].Enabled = false
	refused("", rolebroker.CodeDenied, "the default role readonly is disabled in integration production; "+
		"available are deployer, readonly, tester, old")
	g.Integrations[0].Roles[0].Enabled = true
	g.Agent.DefaultIntegration = staging.ID
	means("", "staging/readonly")
	g.Agent.DefaultIntegration = ""
	refused("", rolebroker.CodeDenied, "no default integration")
	g.Agent.Disabled = true
	refused("deployer", rolebroker.CodeDenied, "disabled")
	g = grants()
	refused("", rolebroker.CodeDenied, "not connected to any integration")
	refused("x", rolebroker.CodeNotFound, "no role is available")
}

// While an integration is disabled its roles are refused, and no reference gets another meaning.
func TestReferencesKeepTheirMeaningWhileAnIntegrationIsDisabled(t *testing.T) {
	production := integration("production", role("readonly"), role("deployer"), off(role("old")))
	staging := integration("staging", role("readonly"), role("tester"), role("old"))
	g := grants(paused(production), staging)

	const says = "integration production is disabled; available are staging/readonly, tester, old"
	for _, reference := range []string{"", "deployer", "production/readonly", "production/old",
		string(production.Roles[1].ID), "arn:aws:iam::444455556666:role/deployer"} {
		grant, err := g.Resolve(reference)
		if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), says) {
			t.Errorf("%q means %v, %v", reference, grant, err)
		}
		if hint := rolebroker.AsError(err).Hint.String(); !strings.Contains(hint,
			"rolebroker integration update production --enabled") {
			t.Errorf("%q is refused with the hint %q", reference, hint)
		}
	}
	for _, reference := range []string{"readonly", "arn:aws:iam::444455556666:role/readonly"} {
		grant, err := g.Resolve(reference) // ambiguous before, after and meanwhile
		if rolebroker.CodeOf(err) != rolebroker.CodeInvalid || !strings.Contains(err.Error(),
			"production/readonly (integration production is disabled), staging/readonly") {
			t.Errorf("%q means %v, %v", reference, grant, err)
		} else if hint := rolebroker.AsError(err).Hint.String(); !strings.HasSuffix(hint, "--role staging/readonly") {
			t.Errorf("%q is refused with the hint %q", reference, hint)
		}
	}
	if grant, err := g.Resolve("tester"); err != nil || grant.Reference() != "staging/tester" {
		t.Errorf("tester means %v, %v", grant, err)
	}
	for _, offer := range g.Offers() {
		if offer.Integration != "staging" || offer.Default || offer.Name == "readonly" &&
			offer.Reference != "staging/readonly" {
			t.Errorf("it is offered %+v", offer)
		}
	}

	g = grants(paused(production))
	if _, err := g.Resolve(""); err == nil || !strings.Contains(err.Error(), "no role is available") {
		t.Errorf("without another integration: %v", err)
	}
}

func TestOffersAreWrittenAsTheAgentWouldNameThem(t *testing.T) {
	cluster := integration("cluster", role("runner"))
	cluster.AssumptionMode = rolebroker.ModeCluster
	g := grants(integration("staging", role("tester"), role("readonly")),
		integration("production", role("readonly"), off(role("old"))), cluster)
	g.Agent.DefaultIntegration = g.Integrations[1].ID

	var got []string
	for _, o := range g.Offers() {
		name := o.Reference
		if o.Default {
			name += " (default)"
		}
		got = append(got, name)
		if grant, err := g.Resolve(o.Reference); err != nil || grant.Role.Name != o.Name ||
			grant.Integration.Name != o.Integration {
			t.Errorf("the offer %s resolves to %v, %v", o.Reference, grant, err)
		}
		if found, ok := rolebroker.FindOffer(g.Offers(), o.Reference); !ok || found != o {
			t.Errorf("the offer %s is found as %v", o.Reference, found)
		}
	}
	if diff := cmp.Diff([]string{"production/readonly (default)", "tester", "staging/readonly"}, got); diff != "" {
		t.Error(diff)
	}
	g.Integrations[2].Runner, g.Runner = "run_a", "run_a"
	if offers := g.Offers(); len(offers) != 4 || offers[3].Integration != "cluster" {
		t.Errorf("its own runner offers %v", offers)
	}
	g.Integrations[2].Runner = "run_b"
	if offers := g.Offers(); len(offers) != 3 {
		t.Errorf("another runner offers %v", offers)
	}
	g.Agent.Disabled = true
	if offers := g.Offers(); len(offers) != 0 {
		t.Errorf("a disabled agent is offered %v", offers)
	}
}

func FuzzResolve(f *testing.F) {
	g := grants(integration("production", role("readonly"), role("deployer"), off(role("old"))),
		integration("staging", role("readonly")), paused(integration("paused", role("tester"), role("deployer"))))
	for _, seed := range []string{"", "readonly", "production/readonly", "arn:aws:iam::444455556666:role/deployer", "/",
		"//", "old", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reference string) {
		grant, err := g.Resolve(reference)
		if err != nil {
			if code := rolebroker.CodeOf(err); code != rolebroker.CodeInvalid && code != rolebroker.CodeDenied &&
				code != rolebroker.CodeNotFound {
				t.Errorf("%q is refused as %s", reference, code)
			}
			return
		}
		if !grant.Role.Enabled || !grant.Integration.Enabled {
			t.Errorf("%q gave a role that is disabled, or whose integration is", reference)
		}
		if reference != "" && !strings.Contains(reference, grant.Role.Name) && reference != string(grant.Role.ID) {
			t.Errorf("%q gave %s", reference, grant.Reference())
		}
	})
}
