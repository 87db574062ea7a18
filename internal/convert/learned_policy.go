package convert

import (
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// LearnedPolicy converts a policy. The answer does not say whose it is.
func LearnedPolicy(p *rolebroker.LearnedPolicy) api.LearnedPolicy {
	shown := api.LearnedPolicy{Policy: api.Policy(p.Policy), Characters: p.Characters, Fits: p.Fits(),
		Wider: string(p.Wider), Calls: p.Calls, Since: p.Since.UTC(), Newest: p.Newest,
		WouldRefuse: []api.RefusedCalls{}}
	for _, r := range p.WouldRefuse {
		shown.WouldRefuse = append(shown.WouldRefuse,
			api.RefusedCalls{Call: r.Call, Reason: r.Reason, Calls: r.Calls, LastAt: r.Last.UTC()})
	}
	return shown
}
