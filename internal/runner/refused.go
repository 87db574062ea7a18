package runner

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// maxRefusals bounds the refusals that wait to be sent. A report has at most so many, too.
const maxRefusals = 500

// refused keeps what an agent was refused here until it is sent. The server, which has the audit trail, hears of it in no
// other way.
func (r *record) refused(ctx context.Context, x rolebroker.AgentRefusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refusals) >= maxRefusals {
		r.log.WarnContext(ctx, "too many refusals wait for the server; one is in this log only", "agent", x.Who.Name,
			"agent_id", x.Who.Agent, "token", x.Who.Token, "role", x.Subject.Name, "reason", x.Refusal.Message)
		return
	}
	r.refusals = append(r.refusals, api.AgentRefusal{Agent: string(x.Who.Agent), Token: string(x.Who.Token),
		Address: x.Who.Address, Request: string(x.Who.Request), Workload: api.Workload(x.Who.Workload), Action: string(x.Action),
		Role: roleOf(x.Subject), Task: rolebroker.ShowReference(x.Task), Code: string(x.Refusal.Code),
		Reason: x.Refusal.Error(), Times: x.Times})
}

// roleOf is the role that a refusal concerns, as an agent would write it.
func roleOf(s rolebroker.Subject) string {
	if s.Name != "" {
		return s.Name
	}
	return s.ID
}

// sendRefusals sends the refusals that wait. If that fails they go on waiting.
func (r *record) sendRefusals(ctx context.Context) error {
	r.mu.Lock()
	sent := r.refusals
	r.refusals = nil
	r.mu.Unlock()
	if len(sent) == 0 {
		return nil
	}
	err := r.sendUse(ctx, api.Usage{Refusals: sent})
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refusals = append(sent, r.refusals...)
	}
	return err
}
