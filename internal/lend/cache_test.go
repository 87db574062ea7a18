package lend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// questions are what the cache answers, each with the name of its answer.
var questions = map[string]func(context.Context, *cache, rolebroker.AgentID) (string, error){
	"grants": func(ctx context.Context, c *cache, agent rolebroker.AgentID) (string, error) {
		grants, err := c.Grants(ctx, agent)
		if err != nil {
			return "", err
		}
		return grants.Agent.Name, nil
	},
	"token": func(ctx context.Context, c *cache, agent rolebroker.AgentID) (string, error) {
		token, err := c.Token(ctx, tokenOf(agent))
		if err != nil {
			return "", err
		}
		return token.Label, nil
	},
}

// forEachQuestion runs a test in a bubble for grants and for tokens. The records
// have the agent "scout" with the name "old".
func forEachQuestion(t *testing.T, test func(t *testing.T, f *fakeRecords, c *cache, ask func() string)) {
	for name, question := range questions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRecords()
				f.put("scout", "old")
				c := newCache(f)
				test(t, f, c, func() string {
					answer, err := question(t.Context(), c, "scout")
					if err != nil {
						return err.Error()
					}
					return answer
				})
			})
		})
	}
}

// TestAnAnswerFromBeforeAChangeIsNotCached lets a change happen while its subject
// is being read.
func TestAnAnswerFromBeforeAChangeIsNotCached(t *testing.T) {
	forEachQuestion(t, func(t *testing.T, f *fakeRecords, c *cache, ask func() string) {
		release := f.hold()
		early := make(chan string, 1)
		go func() { early <- ask() }()
		synctest.Wait() // the old answer is under way
		f.put("scout", "new")
		c.invalidate(rolebroker.Change{Agent: "scout"})
		release()
		<-early
		if got := ask(); got != "new" {
			t.Errorf("after the change the answer is %q", got)
		}
		if n := f.readsOf(func() { ask() }); n != 0 {
			t.Error("the new answer is not cached")
		}
	})
}

// TestARequestAfterAChangeDoesNotJoinAReadFromBeforeIt asks again while the old
// answer is still under way.
func TestARequestAfterAChangeDoesNotJoinAReadFromBeforeIt(t *testing.T) {
	forEachQuestion(t, func(t *testing.T, f *fakeRecords, c *cache, ask func() string) {
		release := f.hold()
		defer release()
		go ask()
		synctest.Wait()
		f.put("scout", "new")
		c.invalidate(rolebroker.Change{Agent: "scout"})
		late := make(chan string, 1)
		go func() { late <- ask() }()
		synctest.Wait()
		select {
		case got := <-late:
			if got != "new" {
				t.Errorf("after the change the answer is %q", got)
			}
		default:
			t.Error("the request after the change waits for the read from before it")
		}
	})
}

func TestRequestsShareOneReadAndOutliveTheFirst(t *testing.T) {
	for name, question := range questions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeRecords()
				f.put("scout", "scout")
				c := newCache(f)
				release := f.hold()
				hasty, cancel := context.WithCancel(t.Context())
				gaveUp := make(chan error, 1)
				go func() {
					_, err := question(hasty, c, "scout")
					gaveUp <- err
				}()
				synctest.Wait()
				var wg sync.WaitGroup
				for range 100 {
					wg.Go(func() {
						if got, err := question(t.Context(), c, "scout"); got != "scout" || err != nil {
							t.Errorf("a request that waited got %q, %v", got, err)
						}
					})
				}
				synctest.Wait()
				cancel()
				if err := <-gaveUp; rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
					t.Errorf("the first request gave up and got %v", err)
				}
				release()
				wg.Wait()
				if f.reads != 1 {
					t.Errorf("there were %d reads", f.reads)
				}
			})
		})
	}
}

func TestAReadThatHangsIsGivenUp(t *testing.T) {
	forEachQuestion(t, func(t *testing.T, f *fakeRecords, c *cache, ask func() string) {
		defer f.hold()()
		began := time.Now()
		if got := ask(); got == "old" {
			t.Errorf("a read that hangs gave %q", got)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("it was given up after %v", waited)
		}
		if got := ask(); got != "old" {
			t.Errorf("the next read gave %q", got)
		}
	})
}

// TestNothingCachedIsUsedWhileChangesAreNotHeard changes the records behind the
// back of the cache.
func TestNothingCachedIsUsedWhileChangesAreNotHeard(t *testing.T) {
	forEachQuestion(t, func(t *testing.T, f *fakeRecords, c *cache, ask func() string) {
		ask()
		f.deaf = true
		f.put("scout", "new")
		for range 2 {
			if n := f.readsOf(func() {
				if got := ask(); got != "new" {
					t.Errorf("while deaf the answer is %q", got)
				}
			}); n != 1 {
				t.Errorf("while deaf a request made %d reads", n)
			}
		}
		f.deaf = false
		c.invalidate(rolebroker.Change{})
		if n := f.readsOf(func() { ask() }); n != 1 {
			t.Errorf("afterwards the first request made %d reads; nothing that was read while deaf may be kept", n)
		}
	})
}

func TestAChangeDropsWhatItConcernsAndNothingElse(t *testing.T) {
	production, staging := rolebroker.Integration{ID: "production"}, rolebroker.Integration{ID: "staging"}
	type change = rolebroker.Change
	for name, test := range map[string]struct {
		change  change
		dropped string
	}{
		"an agent":       {change{Agent: "scout"}, "scout's grants, scout's token"},
		"an integration": {change{Integration: "production"}, "scout's grants"},
		"an agent's connection": {change{Agent: "scout", Integration: "staging", Ended: true},
			"scout's grants, scout's token"},
		"a role":        {change{Integration: "production", Role: "readonly", Ended: true}, "scout's grants"},
		"another agent": {change{Agent: "digger"}, ""},
		"anything":      {change{}, "rover's grants, rover's token, scout's grants, scout's token"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRecords()
			f.put("scout", "scout", production)
			f.put("rover", "rover", staging)
			c := newCache(f)
			reads := func() string {
				var read []string
				for _, agent := range []rolebroker.AgentID{"scout", "rover"} {
					for what, question := range questions {
						if n := f.readsOf(func() { _, _ = question(t.Context(), c, agent) }); n > 0 {
							read = append(read, string(agent)+"'s "+what)
						}
					}
				}
				slices.Sort(read)
				return strings.Join(read, ", ")
			}
			reads()
			c.invalidate(test.change)
			if got := reads(); got != test.dropped {
				t.Errorf("the change dropped %s, want %s", got, test.dropped)
			}
			if got := reads(); got != "" {
				t.Errorf("afterwards there are reads of %s", got)
			}
		})
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	f := newFakeRecords()
	c := newCache(f)
	c.max = 10
	check := func() {
		t.Helper()
		weight := 0
		for _, grants := range c.grants {
			weight += weightOf(grants)
		}
		if weight != c.weight {
			t.Fatalf("the cached grants weigh %d, and the cache says %d", weight, c.weight)
		}
		if weight > c.max || len(c.tokens) > c.max {
			t.Fatalf("%d roles and %d tokens are cached; %d are allowed", weight, len(c.tokens), c.max)
		}
	}
	for i := range 100 {
		agent := rolebroker.AgentID(fmt.Sprint("agent-", i))
		in := rolebroker.Integration{ID: "production", Roles: make([]rolebroker.Role, i%7)}
		f.put(agent, string(agent), in)
		for what, question := range questions {
			if got, err := question(t.Context(), c, agent); got != string(agent) || err != nil {
				t.Fatalf("the %s of %s are %q, %v", what, agent, got, err)
			}
			check()
			if n := f.readsOf(func() { _, _ = question(t.Context(), c, agent) }); n != 0 {
				t.Errorf("the %s of %s are not cached", what, agent)
			}
		}
		switch i % 20 {
		case 7:
			c.invalidate(rolebroker.Change{Agent: agent})
		case 14:
			c.invalidate(rolebroker.Change{Integration: "production"})
		case 17:
			c.invalidate(rolebroker.Change{})
		}
		check()
	}
}

// TestTwoReadsOfTheSameAreCachedOnce: a request may look before the first read
// is cached and read after it.
func TestTwoReadsOfTheSameAreCachedOnce(t *testing.T) {
	f := newFakeRecords()
	f.put("scout", "scout", rolebroker.Integration{ID: "production", Roles: make([]rolebroker.Role, 3)})
	c := newCache(f)
	now := time.Now()
	for range 2 {
		c.keepGrants(f.agents["scout"], c.version)
		c.keepToken(f.tokens[tokenOf("scout")], c.version)
		c.noteUse(tokenOf("scout"), now)
	}
	c.keepToken(f.tokens[tokenOf("scout")], c.version)
	if want := weightOf(f.agents["scout"]); c.weight != want {
		t.Errorf("the cache says that the grants weigh %d, want %d", c.weight, want)
	}
	if uses := c.takeUses(); len(uses) != 1 {
		t.Errorf("the uses are %v", uses)
	}
}

func TestTheLastUseOfATokenIsTakenOnce(t *testing.T) {
	f := newFakeRecords()
	c := newCache(f)
	c.max = 1
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	for _, agent := range []rolebroker.AgentID{"evicted", "cached"} {
		f.put(agent, "x")
		f.tokens[tokenOf(agent)].CreatedAt = now.Add(-time.Hour)
		if _, err := c.Token(t.Context(), tokenOf(agent)); err != nil {
			t.Fatal(err)
		}
		c.noteUse(tokenOf(agent), now)
	}
	minute := now.Truncate(time.Minute)
	want := map[rolebroker.TokenID]time.Time{tokenOf("evicted"): minute, tokenOf("cached"): minute}
	if got := c.takeUses(); !maps.Equal(got, want) {
		t.Errorf("the uses are %v, want %v", got, want)
	}
	if got := c.takeUses(); len(got) > 0 {
		t.Errorf("a second time they are %v", got)
	}

	// The minute of the first use may begin before the token was made.
	f.put("new", "x")
	f.tokens[tokenOf("new")].CreatedAt = now
	if _, err := c.Token(t.Context(), tokenOf("new")); err != nil {
		t.Fatal(err)
	}
	c.noteUse(tokenOf("new"), now)
	if got := c.takeUses()[tokenOf("new")]; !got.Equal(now) {
		t.Errorf("a token made at %v was last used at %v", now, got)
	}
}

func TestSubscribersAreToldWhenTheCacheHasDroppedIt(t *testing.T) {
	f := newFakeRecords()
	f.put("scout", "scout")
	l := New(Options{Records: f})
	told := 0
	cancel := l.Subscribe(func(change rolebroker.Change) {
		told++
		if change != (rolebroker.Change{Agent: "scout"}) {
			t.Errorf("it is told of %+v", change)
		}
		if l.cache.grants["scout"] != nil {
			t.Error("the cache still has what changed")
		}
	})
	if _, err := l.Grants(t.Context(), "scout"); err != nil {
		t.Fatal(err)
	}
	l.changed(rolebroker.Change{Agent: "scout"})
	cancel()
	l.changed(rolebroker.Change{Agent: "scout"})
	if told != 1 {
		t.Errorf("it was told %d times", told)
	}
	f.deaf = true
	if l.HearsChanges() {
		t.Error("it says that it hears of changes")
	}
}
