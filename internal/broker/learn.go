package broker

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/learn"
)

// Learning says which calls a policy is made of, and what it may have.
type Learning struct {
	Agent       string    // a name or an ID
	Integration string    // a name or an ID; empty: the only one that the agent is connected to
	Role        string    // of the integration, a name or an ID; empty: all of them
	Since       time.Time // zero: the last 30 days
	Session     bool      // make it wider for it to fit into a session policy
	learn.Options
}

// learnedFor is how far back a policy is learned from, unless something else is asked for.
const learnedFor = 30 * 24 * time.Hour

// Learned is a policy, and whose it is.
type Learned struct {
	Agent       *rolebroker.Agent
	Integration *rolebroker.Integration
	Role        *rolebroker.Role // nil: all of them
	rolebroker.LearnedPolicy
}

// LearnedPolicy makes the policy that an agent's recorded calls need. Codes: denied, invalid (a field of what is asked),
// not_found (the agent, the integration or the role).
func (b *Broker) LearnedPolicy(ctx context.Context, who rolebroker.Caller, from Learning) (*Learned, error) {
	made, err := b.learned(ctx, who, from)
	if err != nil {
		return nil, err
	}
	if from.Since.IsZero() {
		from.Since = b.now().Add(-learnedFor)
	}
	l := learn.New(from.Options)
	var role rolebroker.RoleID
	if made.Role != nil {
		role = made.Role.ID
	}
	agent, in := made.Agent.ID, made.Integration.ID
	since, err := b.store.SinceNewest(ctx, agent, in, role, from.Since, rolebroker.MaxLearned)
	if err != nil {
		return nil, err
	}
	if err := b.store.CallKinds(ctx, agent, in, role, since, l.Add); err != nil {
		return nil, err
	}
	most := 0
	if from.Session {
		most = rolebroker.MaxSessionPolicy
	}
	made.LearnedPolicy = l.Policy(most)
	made.Since, made.Newest = since, since.After(from.Since)
	return made, nil
}

// learned finds what a policy is made for.
func (b *Broker) learned(ctx context.Context, who rolebroker.Caller, from Learning) (made *Learned, err error) {
	named := rolebroker.Named(rolebroker.KindAgent, from.Agent)
	if err := b.May(ctx, who, rolebroker.ActionCallList, named); err != nil {
		return nil, err
	}
	made = &Learned{}
	if made.Agent, err = b.store.Agent(ctx, from.Agent); err != nil {
		return nil, withList(err, "agent")
	}
	integration := from.Integration
	if integration == "" {
		if len(made.Agent.Connections) != 1 {
			return nil, invalid("the policy", "integration",
				"is required, because agent %s is not connected to exactly one integration", made.Agent.Name)
		}
		integration = string(made.Agent.Connections[0].Integration)
	}
	if made.Integration, err = b.store.Integration(ctx, integration); err != nil {
		return nil, withList(err, "integration")
	}
	if from.Role == "" {
		return made, nil
	}
	if made.Role = made.Integration.Role(from.Role); made.Role == nil {
		return nil, noSuchRole(made.Integration.Name + "/" + from.Role)
	}
	return made, nil
}
