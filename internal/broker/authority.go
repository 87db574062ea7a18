package broker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

// maxRemembered bounds the roles that are remembered, over all agents, and
// the tokens: some 60 MB at the most.
const maxRemembered = 100_000

// authority remembers what the store said about agents and tokens, and
// forgets it the moment it changes. An answer that was read before a change
// is never remembered after it, and while changes by other servers are not
// heard of nothing remembered is used.
type authority struct {
	store  Records
	flight singleflight.Group

	mu      sync.RWMutex
	changes uint64 // how many changes there were
	grants  map[rolebroker.AgentID]*rolebroker.Grants
	roles   int // in grants
	tokens  map[rolebroker.TokenID]*rememberedToken
	uses    map[rolebroker.TokenID]time.Time // of tokens that were forgotten since

	watchers map[*Changes]struct{}
}

// readTimeout bounds one question to the store that several wait for.
const readTimeout = 10 * time.Second

type rememberedToken struct {
	token *rolebroker.Token
	used  atomic.Int64 // Unix minutes, not yet recorded; 0: none
}

// takeUse is when the token was last used, to the minute, and not before it was
// made.
func (t *rememberedToken) takeUse() time.Time {
	used := time.Unix(t.used.Swap(0)*60, 0).UTC()
	if used.Before(t.token.CreatedAt) {
		return t.token.CreatedAt
	}
	return used
}

func newAuthority(store Records) *authority {
	a := &authority{store: store, grants: map[rolebroker.AgentID]*rolebroker.Grants{}, tokens: map[rolebroker.TokenID]*rememberedToken{}, uses: map[rolebroker.TokenID]time.Time{}, watchers: map[*Changes]struct{}{}}
	store.Subscribe(a.forget)
	return a
}

// Grants is what an agent may borrow from now. Codes: not_found, unavailable.
func (a *authority) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	watching := a.store.Watching()
	a.mu.RLock()
	grants, seen := a.grants[id], a.changes
	a.mu.RUnlock()
	if grants != nil && watching {
		return grants, nil
	}
	return read(ctx, &a.flight, watching, fmt.Sprintf("%q %d", id, seen), func(ctx context.Context) (*rolebroker.Grants, error) {
		grants, err := a.store.Grants(ctx, id)
		if err == nil && watching {
			a.rememberGrants(grants, seen)
		}
		return grants, err
	})
}

// Token is what is known of an agent token now. Codes: not_found, unavailable.
func (a *authority) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	watching := a.store.Watching()
	a.mu.RLock()
	known, seen := a.tokens[id], a.changes
	a.mu.RUnlock()
	if known != nil && watching {
		return known.token, nil
	}
	return read(ctx, &a.flight, watching, fmt.Sprintf("%q %d", id, seen), func(ctx context.Context) (*rolebroker.Token, error) {
		token, err := a.store.Token(ctx, id)
		if err == nil && watching {
			a.rememberToken(token, seen)
		}
		return token, err
	})
}

// read asks the store, once for all who ask the same between the same two
// changes. The key carries the number of the change before it: whoever comes
// after a change never gets an answer from before it. While changes by others
// are not heard of, everyone asks for themselves.
func read[T any](ctx context.Context, flight *singleflight.Group, share bool, key string, from func(context.Context) (*T, error)) (*T, error) {
	if !share {
		return from(ctx)
	}
	answer := flight.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return from(ctx)
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*T), nil
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database did not answer in time: %w", ctx.Err())
	}
}

func (a *authority) rememberGrants(grants *rolebroker.Grants, seen uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if seen != a.changes || a.grants[grants.Agent.ID] != nil {
		return
	}
	for id := range a.grants {
		if a.roles+weight(grants) <= maxRemembered {
			break
		}
		a.forgetGrants(id)
	}
	a.grants[grants.Agent.ID] = grants
	a.roles += weight(grants)
}

func (a *authority) rememberToken(token *rolebroker.Token, seen uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if seen != a.changes {
		return
	}
	for id := range a.tokens {
		if len(a.tokens) < maxRemembered {
			break
		}
		a.forgetToken(id)
	}
	a.tokens[token.ID] = &rememberedToken{token: token}
}

// weight is what remembering grants costs, in roles.
func weight(grants *rolebroker.Grants) int {
	n := 1
	for _, in := range grants.Integrations {
		n += 1 + len(in.Roles)
	}
	return n
}

func (a *authority) forgetGrants(id rolebroker.AgentID) {
	if grants := a.grants[id]; grants != nil {
		a.roles -= weight(grants)
		delete(a.grants, id)
	}
}

// forgetToken keeps only when the token was last used, until that is recorded.
func (a *authority) forgetToken(id rolebroker.TokenID) {
	if t := a.tokens[id]; t.used.Load() != 0 {
		a.uses[id] = t.takeUse()
	}
	delete(a.tokens, id)
}

// forget is told of every change.
func (a *authority) forget(change rolebroker.Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.changes++
	for w := range a.watchers {
		w.add(change)
	}
	if change == (rolebroker.Change{}) {
		clear(a.grants)
		a.roles = 0
		for id := range a.tokens {
			a.forgetToken(id)
		}
		return
	}
	if change.Agent != "" {
		a.forgetGrants(change.Agent)
		for id, t := range a.tokens {
			if t.token.Agent == change.Agent {
				a.forgetToken(id)
			}
		}
	}
	if change.Integration != "" {
		for id, grants := range a.grants {
			if grants.Agent.Connected(change.Integration) {
				a.forgetGrants(id)
			}
		}
	}
}

// noteUse remembers that a token was used, to the minute.
func (a *authority) noteUse(id rolebroker.TokenID, now time.Time) {
	minute := now.Unix() / 60
	a.mu.RLock()
	defer a.mu.RUnlock()
	if t := a.tokens[id]; t != nil && t.used.Load() != minute {
		t.used.Store(minute)
	}
}

// takeUses gives the uses that were noted since the last time.
func (a *authority) takeUses() map[rolebroker.TokenID]time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	uses := a.uses
	a.uses = map[rolebroker.TokenID]time.Time{}
	for id, t := range a.tokens {
		if t.used.Load() != 0 {
			uses[id] = t.takeUse()
		}
	}
	return uses
}
