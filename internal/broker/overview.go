package broker

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

// Bounds of an overview.
const (
	maxTroubled      = 50   // integrations that are looked at
	maxTroubledRoles = 1000 // roles of these
	maxTroubles      = 100
	maxWaiting       = 6   // access requests
	maxEnding        = 6   // tokens, and as many API keys
	maxLookedAt      = 200 // runners that may be silent, and agents that are cut off
	maxCut           = 20  // of these agents

	// endingSoon is for how long before its end a token or a key is shown.
	endingSoon = 14 * 24 * time.Hour

	// keysLast is when the keys of an agent have expired after it was cut off. A runner may have lent some when it had
	// not heard of that yet.
	keysLast = 2 * rolebroker.MaxSessionDuration

	activityHours  = 24
	activityMaxAge = 10 * time.Second
)

// activityCache keeps what was counted last. Every caller who may read gets the same.
type activityCache struct {
	flight  singleflight.Group
	mu      sync.Mutex
	counted []rolebroker.Activity
	until   time.Time // when counted is too old
}

// get returns what was counted last if it is not too old; nil otherwise.
func (c *activityCache) get(now time.Time) []rolebroker.Activity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Before(c.until) {
		return c.counted
	}
	return nil
}

func (c *activityCache) set(counted []rolebroker.Activity, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counted, c.until = counted, until
}

// Overview returns what people want to know first. Codes: denied.
func (b *Broker) Overview(ctx context.Context, who rolebroker.Caller) (*rolebroker.Overview, error) {
	if err := b.May(ctx, who, rolebroker.ActionOverview); err != nil {
		return nil, err
	}
	o := &rolebroker.Overview{At: b.now()}
	for _, add := range []func(context.Context, *rolebroker.Overview) error{
		b.addTroubles, b.addPending, b.addActivity, b.addEnding, b.addSilent, b.addCutOffs, b.addRoleCutOffs,
	} {
		if err := add(ctx, o); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// addTroubles adds why roles fail, the newest first.
func (b *Broker) addTroubles(ctx context.Context, o *rolebroker.Overview) (err error) {
	if o.Failing, err = b.store.CountTroubled(ctx); err != nil || o.Failing == 0 {
		return err
	}
	found, err := b.store.TroubledRoles(ctx, maxTroubled, maxTroubledRoles)
	if err != nil {
		return err
	}
	for i := range found {
		o.Troubles = append(o.Troubles, found[i].Troubles()...)
	}
	slices.SortStableFunc(o.Troubles, func(a, b rolebroker.Trouble) int {
		return b.State.Since.Compare(a.State.Since)
	})
	o.Troubles = o.Troubles[:min(len(o.Troubles), maxTroubles)]
	return nil
}

func (b *Broker) addPending(ctx context.Context, o *rolebroker.Overview) (err error) {
	o.Pending, err = b.store.AccessRequests(ctx,
		rolebroker.AccessRequestFilter{State: rolebroker.RequestPending, At: o.At, OldestFirst: true},
		rolebroker.Page{Limit: maxWaiting})
	return err
}

// addActivity counts what happened, at most once in a while for all callers.
func (b *Broker) addActivity(ctx context.Context, o *rolebroker.Overview) error {
	if o.Activity = b.activity.get(o.At); o.Activity != nil {
		return nil
	}
	counting := b.activity.flight.DoChan("", func() (any, error) {
		ctx := context.WithoutCancel(ctx) // others wait for it, too
		from := o.At.UTC().Truncate(time.Hour).Add(-(activityHours - 1) * time.Hour)
		counted, err := b.store.Activity(ctx, from, activityHours, rolebroker.MaxActivity)
		if err == nil {
			b.activity.set(counted, o.At.Add(activityMaxAge))
		}
		return counted, err
	})
	select {
	case answer := <-counting:
		counted, _ := answer.Val.([]rolebroker.Activity)
		o.Activity = counted
		return answer.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Broker) addEnding(ctx context.Context, o *rolebroker.Overview) (err error) {
	until := o.At.Add(endingSoon)
	if o.Ending, err = b.store.EndingTokens(ctx, o.At, until, maxEnding); err != nil {
		return err
	}
	keys, err := b.store.EndingAPIKeys(ctx, o.At, until, maxEnding)
	if err != nil {
		return err
	}
	for _, key := range keys {
		o.Ending = append(o.Ending, rolebroker.EndingKey{Name: key.Name, At: key.ExpiresAt})
	}
	slices.SortStableFunc(o.Ending, func(a, b rolebroker.EndingKey) int { return a.At.Compare(b.At) })
	o.HasTokens, err = b.store.HasToken(ctx)
	return err
}

func (b *Broker) addSilent(ctx context.Context, o *rolebroker.Overview) error {
	found, _, err := b.store.SortedRunners(ctx, rolebroker.Page{Limit: maxLookedAt, Sort: rolebroker.SortSeen}, o.At)
	for _, r := range found {
		if !r.JoinedAt.IsZero() && !r.Connected(o.At) {
			o.Silent = append(o.Silent, r)
		}
	}
	return err
}

// addCutOffs adds the cut-offs of agents whose keys may still work, where nobody has put a deny policy yet.
func (b *Broker) addCutOffs(ctx context.Context, o *rolebroker.Overview) error {
	agents, err := b.store.CutOffAgents(ctx, maxLookedAt)
	for i := 0; i < len(agents) && err == nil; i++ {
		if len(o.CutOffs) == maxCut || o.At.Sub(agents[i].CutOff.At) > keysLast {
			break
		}
		var cut *rolebroker.CutOff
		cut, err = b.lastCutOff(ctx, &agents[i], "")
		switch {
		case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
			err = nil
		case err == nil && leftToDo(cut, o.At):
			o.CutOffs = append(o.CutOffs, *cut)
		}
	}
	return err
}

// addRoleCutOffs adds the cut-offs from roles whose keys may still work, of agents that are not cut off from
// everything.
func (b *Broker) addRoleCutOffs(ctx context.Context, o *rolebroker.Overview) error {
	found, err := b.store.RoleCutOffs(ctx, o.At.Add(-keysLast), maxLookedAt)
	for i := 0; i < len(found) && err == nil && len(o.CutOffs) < maxCut; i++ {
		for _, role := range found[i].Roles {
			if err = b.addRoleCutOff(ctx, o, found[i].Agent, role.Role); err != nil {
				break
			}
		}
	}
	return err
}

// addRoleCutOff adds the last cut-off of an agent from a role, unless it is there, or nothing is left to do.
func (b *Broker) addRoleCutOff(ctx context.Context, o *rolebroker.Overview, id rolebroker.AgentID,
	role rolebroker.RoleID) error {
	agent, err := b.store.Agent(ctx, string(id))
	if err == nil && agent.CutOff.IsSet() {
		return nil
	}
	var cut *rolebroker.CutOff
	if err == nil {
		cut, err = b.lastCutOff(ctx, agent, string(role))
	}
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound: // the agent was deleted
		return nil
	case err != nil:
		return err
	}
	known := slices.ContainsFunc(o.CutOffs, func(c rolebroker.CutOff) bool { return c.ID == cut.ID })
	if !known && leftToDo(cut, o.At) {
		o.CutOffs = append(o.CutOffs, *cut)
	}
	return nil
}

// leftToDo reports whether keys may work that no deny policy of the server stops.
func leftToDo(cut *rolebroker.CutOff, now time.Time) bool {
	for role := range cut.Denials() {
		if now.Before(role.Until) && role.State != rolebroker.PolicyApplied {
			return true
		}
	}
	return false
}
