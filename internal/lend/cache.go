package lend

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

// cache remembers what the store said about agents and tokens, and
// forgets it the moment it changes. An answer that was read before a change
// is never remembered after it, and while changes by other servers are not
// heard of nothing remembered is used.
type cache struct {
	store  Records
	flight singleflight.Group

	mu      sync.RWMutex
	changes uint64 // how many changes there were
	grants  map[rolebroker.AgentID]*rolebroker.Grants
	roles   int // in grants
	tokens  map[rolebroker.TokenID]*rememberedToken
	uses    map[rolebroker.TokenID]time.Time // of tokens that were forgotten since
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

func newCache(store Records) *cache {
	c := &cache{store: store, grants: map[rolebroker.AgentID]*rolebroker.Grants{}, tokens: map[rolebroker.TokenID]*rememberedToken{}, uses: map[rolebroker.TokenID]time.Time{}}
	return c
}

// Grants is what an agent may borrow from now. Codes: not_found, unavailable.
func (c *cache) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	watching := c.store.Watching()
	c.mu.RLock()
	grants, seen := c.grants[id], c.changes
	c.mu.RUnlock()
	if grants != nil && watching {
		return grants, nil
	}
	return read(ctx, &c.flight, watching, fmt.Sprintf("%q %d", id, seen), func(ctx context.Context) (*rolebroker.Grants, error) {
		grants, err := c.store.Grants(ctx, id)
		if err == nil && watching {
			c.rememberGrants(grants, seen)
		}
		return grants, err
	})
}

// Token is what is known of an agent token now. Codes: not_found, unavailable.
func (c *cache) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	watching := c.store.Watching()
	c.mu.RLock()
	known, seen := c.tokens[id], c.changes
	c.mu.RUnlock()
	if known != nil && watching {
		return known.token, nil
	}
	return read(ctx, &c.flight, watching, fmt.Sprintf("%q %d", id, seen), func(ctx context.Context) (*rolebroker.Token, error) {
		token, err := c.store.Token(ctx, id)
		if err == nil && watching {
			c.rememberToken(token, seen)
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

func (c *cache) rememberGrants(grants *rolebroker.Grants, seen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen != c.changes || c.grants[grants.Agent.ID] != nil {
		return
	}
	for id := range c.grants {
		if c.roles+weight(grants) <= maxRemembered {
			break
		}
		c.forgetGrants(id)
	}
	c.grants[grants.Agent.ID] = grants
	c.roles += weight(grants)
}

func (c *cache) rememberToken(token *rolebroker.Token, seen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen != c.changes {
		return
	}
	for id := range c.tokens {
		if len(c.tokens) < maxRemembered {
			break
		}
		c.forgetToken(id)
	}
	c.tokens[token.ID] = &rememberedToken{token: token}
}

// weight is what remembering grants costs, in roles.
func weight(grants *rolebroker.Grants) int {
	n := 1
	for _, in := range grants.Integrations {
		n += 1 + len(in.Roles)
	}
	return n
}

func (c *cache) forgetGrants(id rolebroker.AgentID) {
	if grants := c.grants[id]; grants != nil {
		c.roles -= weight(grants)
		delete(c.grants, id)
	}
}

// forgetToken keeps only when the token was last used, until that is recorded.
func (c *cache) forgetToken(id rolebroker.TokenID) {
	if t := c.tokens[id]; t.used.Load() != 0 {
		c.uses[id] = t.takeUse()
	}
	delete(c.tokens, id)
}

// forget is told of every change.
func (c *cache) forget(change rolebroker.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	if change == (rolebroker.Change{}) {
		clear(c.grants)
		c.roles = 0
		for id := range c.tokens {
			c.forgetToken(id)
		}
		return
	}
	if change.Agent != "" {
		c.forgetGrants(change.Agent)
		for id, t := range c.tokens {
			if t.token.Agent == change.Agent {
				c.forgetToken(id)
			}
		}
	}
	if change.Integration != "" {
		for id, grants := range c.grants {
			if grants.Agent.Connected(change.Integration) {
				c.forgetGrants(id)
			}
		}
	}
}

// noteUse remembers that a token was used, to the minute.
func (c *cache) noteUse(id rolebroker.TokenID, now time.Time) {
	minute := now.Unix() / 60
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t := c.tokens[id]; t != nil && t.used.Load() != minute {
		t.used.Store(minute)
	}
}

// takeUses gives the uses that were noted since the last time.
func (c *cache) takeUses() map[rolebroker.TokenID]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := c.uses
	c.uses = map[rolebroker.TokenID]time.Time{}
	for id, t := range c.tokens {
		if t.used.Load() != 0 {
			uses[id] = t.takeUse()
		}
	}
	return uses
}
