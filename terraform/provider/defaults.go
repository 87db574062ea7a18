package provider

import (
	"sync"

	"github.com/rolebroker/rolebroker"
)

// defaults remembers which integration is the default of which agent according
// to the configuration, for one run of the provider: so that two connections
// that both say so are found while Terraform plans.
type defaults struct {
	mu sync.Mutex
	of map[string]string // an agent to an integration, as the configuration refers to them
}

func newDefaults() *defaults { return &defaults{of: map[string]string{}} }

// claim is an error if another integration is the agent's default already.
func (d *defaults) claim(agent, integration string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if other, ok := d.of[agent]; ok && other != integration {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "two connections of the agent %s say default = true: to %s and to %s", agent, other, integration).
			WithHint("An agent has one default integration: leave default = true on one of them.")
	}
	d.of[agent] = integration
	return nil
}
