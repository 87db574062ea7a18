package provider

import (
	"fmt"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
)

// defaults remembers, for one run of the provider, what the connections of each
// agent say about its default integration. It finds two defaults, and none, while
// Terraform plans.
//
// The ID of an agent that the plan creates is not known, so the connections of all
// such agents are counted together: if more of them claim to be the default than
// there are such agents, two are of one agent.
type defaults struct {
	mu        sync.Mutex
	newAgents int // that the plan creates
	of        map[string]*said
}

// said is what the planned connections of one agent say.
type said struct {
	yes  map[string]bool // the integrations with default = true
	none map[string]bool // the integrations of new connections that do not say
}

// someNewAgent is the agent of a connection whose agent the plan creates.
const someNewAgent = ""

func newDefaults() *defaults { return &defaults{of: map[string]*said{}} }

// createsAgent counts an agent that the plan creates.
func (d *defaults) createsAgent() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.newAgents++
}

// plans adds a connection of an agent, which is an ID or someNewAgent, to an
// integration, which is empty if it is not known. isNew says whether the plan
// creates the connection. It fails if the agent has another default; it returns
// whether the agent's default depends on which connection happens to be first.
func (d *defaults) plans(agent, integration string, isDefault types.Bool, isNew bool) (byChance bool, _ error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.of[agent]
	if s == nil {
		s = &said{map[string]bool{}, map[string]bool{}}
		d.of[agent] = s
	}
	if integration == "" || agent == someNewAgent {
		integration = fmt.Sprintf("?%d", len(s.yes)+len(s.none))
	}
	agents := 1
	if agent == someNewAgent {
		agents = d.newAgents
	}
	switch {
	case isDefault.ValueBool():
		s.yes[integration] = true
		if agents > 0 && len(s.yes) > agents {
			return false, twoDefaults
		}
	case isDefault.IsNull() && isNew:
		s.none[integration] = true
		return agents > 0 && len(s.none) > agents && len(s.yes) < agents, nil
	}
	return false, nil
}

var twoDefaults = rolebroker.Errorf(rolebroker.CodeInvalid, "two connections of one agent say default = true").
	WithHint("An agent has one default integration: leave default = true on one of its connections. If these are " +
		"connections of different agents, refer to the agents by name.")
