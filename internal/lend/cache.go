package lend

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rolebroker/rolebroker"
)

// maxCached bounds the cached roles, over all agents, and the cached tokens:
// some 60 MB at the most.
const maxCached = 100_000

// cache keeps what the records say about agents and tokens until a change
// concerns it. An answer that was read before a change is never kept after it.
// While the news of changes does not arrive, nothing cached is used, and what is read
// replaces it: a runner uses the cache again when it cannot reach the server.
type cache struct {
	records Records
	max     int // maxCached, but for tests

	grantReads, tokenReads singleflight.Group

	mu      sync.RWMutex
	version uint64 // counts the changes
	grants  map[rolebroker.AgentID]*rolebroker.Grants
	weight  int // of grants
	tokens  map[rolebroker.TokenID]*cachedToken
	uses    map[rolebroker.TokenID]time.Time // last uses of tokens that are no longer cached
}

// cachedToken is a token and when it was last used.
type cachedToken struct {
	*rolebroker.Token
	lastUsed atomic.Int64 // Unix minutes, not yet recorded; 0: none
}

func newCache(records Records) *cache {
	return &cache{
		records: records, max: maxCached,
		grants: map[rolebroker.AgentID]*rolebroker.Grants{},
		tokens: map[rolebroker.TokenID]*cachedToken{},
		uses:   map[rolebroker.TokenID]time.Time{},
	}
}

// Grants returns what an agent may borrow from now. Codes: not_found, unavailable.
func (c *cache) Grants(ctx context.Context, id rolebroker.AgentID) (*rolebroker.Grants, error) {
	watching := c.records.Watching()
	c.mu.RLock()
	cached, version := c.grants[id], c.version
	c.mu.RUnlock()
	if !watching {
		grants, err := c.records.Grants(ctx, id)
		if !rolebroker.IsOutage(err) {
			c.renewGrants(id, grants, version)
		}
		return grants, err
	}
	if cached != nil {
		return cached, nil
	}
	return readOnce(ctx, &c.grantReads, string(id), version, func(ctx context.Context) (*rolebroker.Grants, error) {
		grants, err := c.records.Grants(ctx, id)
		if err == nil {
			c.keepGrants(grants, version)
		}
		return grants, err
	})
}

// Token returns an agent token as it is now. Codes: not_found, unavailable.
func (c *cache) Token(ctx context.Context, id rolebroker.TokenID) (*rolebroker.Token, error) {
	watching := c.records.Watching()
	c.mu.RLock()
	cached, version := c.tokens[id], c.version
	c.mu.RUnlock()
	if !watching {
		token, err := c.records.Token(ctx, id)
		if !rolebroker.IsOutage(err) {
			c.renewToken(id, token, version)
		}
		return token, err
	}
	if cached != nil {
		return cached.Token, nil
	}
	return readOnce(ctx, &c.tokenReads, string(id), version, func(ctx context.Context) (*rolebroker.Token, error) {
		token, err := c.records.Token(ctx, id)
		if err == nil {
			c.keepToken(token, version)
		}
		return token, err
	})
}

// readTimeout bounds one read that several requests wait for.
const readTimeout = 10 * time.Second

// readOnce reads once for all requests that want the same between the same two
// changes. The version is part of the key, so that a request that comes after a
// change does not get an answer that was read before it.
func readOnce[T any](
	ctx context.Context, reads *singleflight.Group, id string, version uint64, read func(context.Context) (*T, error),
) (*T, error) {
	answer := reads.DoChan(fmt.Sprintf("%q %d", id, version), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return read(ctx)
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		return a.Val.(*T), nil
	case <-ctx.Done():
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the database did not answer in time: %w", ctx.Err())
	}
}

// renewGrants has what was read take the place of what is cached; nil: there is
// nothing. If another answer was cached since the version, nobody knows which is the
// newer one, and none stays.
func (c *cache) renewGrants(id rolebroker.AgentID, grants *rolebroker.Grants, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if grants != nil && reflect.DeepEqual(c.grants[id], grants) {
		return
	}
	changed := c.grants[id] != nil
	c.dropGrants(id)
	if grants != nil {
		c.keepGrantsLocked(grants, version)
	}
	if changed || c.grants[id] != nil {
		c.version++
	}
}

// renewToken is renewGrants for a token.
func (c *cache) renewToken(id rolebroker.TokenID, token *rolebroker.Token, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.tokens[id]
	if known != nil && token != nil && known.RevokedAt.Equal(token.RevokedAt) { // all else that counts stays
		return
	}
	if known != nil {
		c.dropToken(id)
	}
	if token != nil {
		c.keepTokenLocked(token, version)
	}
	if known != nil || c.tokens[id] != nil {
		c.version++
	}
}

// keepGrants caches grants, unless something changed since they were read.
func (c *cache) keepGrants(grants *rolebroker.Grants, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepGrantsLocked(grants, version)
}

// keepGrantsLocked is keepGrants for a caller that holds c.mu.
func (c *cache) keepGrantsLocked(grants *rolebroker.Grants, version uint64) {
	if version != c.version || c.grants[grants.Agent.ID] != nil {
		return
	}
	for id := range c.grants {
		if c.weight+weightOf(grants) <= c.max {
			break
		}
		c.dropGrants(id)
	}
	c.grants[grants.Agent.ID] = grants
	c.weight += weightOf(grants)
}

// keepToken caches a token, unless something changed since it was read.
func (c *cache) keepToken(token *rolebroker.Token, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepTokenLocked(token, version)
}

// keepTokenLocked is keepToken for a caller that holds c.mu.
func (c *cache) keepTokenLocked(token *rolebroker.Token, version uint64) {
	if version != c.version || c.tokens[token.ID] != nil {
		return
	}
	for id := range c.tokens {
		if len(c.tokens) < c.max {
			break
		}
		c.dropToken(id)
	}
	c.tokens[token.ID] = &cachedToken{Token: token}
}

// weightOf is what grants cost in memory, in roles. An access request costs as much as a role.
func weightOf(grants *rolebroker.Grants) int {
	n := 1 + len(grants.Requests)
	for _, in := range grants.Integrations {
		n += 1 + len(in.Roles)
	}
	return n
}

func (c *cache) dropGrants(id rolebroker.AgentID) {
	if grants := c.grants[id]; grants != nil {
		c.weight -= weightOf(grants)
		delete(c.grants, id)
	}
}

// dropToken keeps only when the token was last used, until that is recorded.
func (c *cache) dropToken(id rolebroker.TokenID) {
	if t := c.tokens[id]; t.lastUsed.Load() != 0 {
		c.uses[id] = t.takeUse()
	}
	delete(c.tokens, id)
}

// invalidate drops what a change concerns. The zero Change concerns everything.
func (c *cache) invalidate(change rolebroker.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	if change == (rolebroker.Change{}) {
		clear(c.grants)
		c.weight = 0
		for id := range c.tokens {
			c.dropToken(id)
		}
		return
	}
	if change.Agent != "" {
		c.dropGrants(change.Agent)
		for id, t := range c.tokens {
			if t.Agent == change.Agent {
				c.dropToken(id)
			}
		}
	}
	if change.Integration != "" && change.Agent == "" {
		for id, grants := range c.grants {
			if grants.Agent.Connected(change.Integration) {
				c.dropGrants(id)
			}
		}
	}
}

// noteUse notes when a token was used, to the minute.
func (c *cache) noteUse(id rolebroker.TokenID, now time.Time) {
	minute := now.Unix() / 60
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t := c.tokens[id]; t != nil && t.lastUsed.Load() != minute {
		t.lastUsed.Store(minute)
	}
}

// takeUses returns the last use of each token that was used since the last call.
func (c *cache) takeUses() map[rolebroker.TokenID]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := c.uses
	c.uses = map[rolebroker.TokenID]time.Time{}
	for id, t := range c.tokens {
		if t.lastUsed.Load() != 0 {
			uses[id] = t.takeUse()
		}
	}
	return uses
}

// takeUse returns when the token was last used: to the minute, but not before it
// was made.
func (t *cachedToken) takeUse() time.Time {
	used := time.Unix(t.lastUsed.Swap(0)*60, 0).UTC()
	if used.Before(t.CreatedAt) {
		return t.CreatedAt
	}
	return used
}
