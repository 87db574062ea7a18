package provider

import (
	"sync"

	"github.com/rolebroker/rolebroker"
)

// defaults remembers, for one run of the provider, which integration the
// configuration makes the default of each agent. It finds two connections that
// both claim to be the default while Terraform plans.
type defaults struct {
	mu sync.Mutex
	of map[string]string // from agents to integrations, as the configuration refers to them
}

func newDefaults() *defaults { return &defaults{of: map[string]string{}} }

// claim makes the integration the agent's default. It fails if another
// integration is that already.
func (d *defaults) claim(agent, integration string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if other, ok := d.of[agent]; ok && other != integration {
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"two connections of the agent %s say default = true: to %s and to %s", agent, other, integration).
			WithHint("An agent has one default integration: leave default = true on one of them.")
	}
	d.of[agent] = integration
	return nil
}
