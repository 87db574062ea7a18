package rest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/api"
)

// Cutting an agent off from one role takes that role, and gives it none that its connection did not include.
func TestACutOffFromARoleWidensNothing(t *testing.T) {
	w := newWorld(t)
	role := func(name string) string {
		return `{"name": "` + name + `", "arn": "arn:aws:iam::444455556666:role/` + name + `", "region": "us-east-1"}`
	}
	w.as(w.admin, "POST", "/api/v1/integrations", `{"name": "production", "default_role": "a", "roles": [`+
		role("a")+`, `+role("b")+`, `+role("c")+`]}`).want(201)
	w.createAgent(`{"name": "scout", "connections": [{"integration": "production", "roles": ["a", "b"]}]}`)
	w.as(w.admin, "POST", "/api/v1/agents/scout/cut-off", `{"role": "a"}`).want(200)
	agent := read[api.Agent](w.as(w.admin, "GET", "/api/v1/agents/scout", "").want(200))
	if got := agent.Connections[0].Roles; agent.Disabled || !slices.Equal(got, []string{"b"}) {
		t.Errorf("the agent has the roles %v of production, and is %+v", got, agent)
	}
}

// A runner may have lent what it has not reported yet. So the policies of a cut-off are for the roles of the runner too,
// though no session of them is on record.
func TestACutOffDeniesWhatARunnerMayHaveLent(t *testing.T) {
	w := newWorld(t)
	w.as(w.admin, "POST", "/api/v1/runners", `{"name": "eks"}`).want(201)
	w.as(w.admin, "POST", "/api/v1/integrations", strings.Replace(integrationJSON("cluster"), `"name"`,
		`"assumption_mode": "cluster", "runner": "eks", "name"`, 1)).want(201)
	w.createIntegration("production")
	w.createAgent(`{"name": "scout", "connections": [{"integration": "cluster"}, {"integration": "production"}]}`)
	cut := read[api.CutOff](w.as(w.admin, "POST", "/api/v1/agents/scout/cut-off", `{}`).want(200))
	if len(cut.Accounts) != 1 || len(cut.Accounts[0].Roles) != 1 || cut.Accounts[0].Roles[0].Runner != "eks" ||
		cut.Accounts[0].Roles[0].Sessions != 0 {
		t.Errorf("the cut-off denies %+v", cut.Accounts)
	}
}
