package lend

import (
	"fmt"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// invent asks for so many new tasks at once, with a token, and returns how many got
// credentials.
func (f *fake) invent(token rolebroker.TokenID, what string, n int) (lent int) {
	f.Helper()
	for i := range n {
		if f.lends(token, fmt.Sprint(what, "-", i)) {
			lent++
		}
	}
	return lent
}

// lends says whether a token gets credentials for a task, or is throttled.
func (f *fake) lends(token rolebroker.TokenID, task string) bool {
	f.Helper()
	_, err := f.lender.Lend(f.Context(), rolebroker.Caller{Agent: "scout", Token: token},
		rolebroker.Request{Task: task})
	if err != nil && rolebroker.CodeOf(err) != rolebroker.CodeThrottled {
		f.Fatalf("%s asks for %s: %v", token, task, err)
	}
	return err == nil
}

// addToken gives scout another token.
func (f *fake) addToken(id rolebroker.TokenID) rolebroker.TokenID {
	f.records.change(rolebroker.Change{Agent: "scout"}, func(r *fakeRecords) {
		r.tokens[id] = &rolebroker.Token{ID: id, Agent: "scout"}
	})
	return id
}

// A process that invents names of tasks uses up what its token may start. A minute
// later its sessions make room.
func TestInventedTasksDoNotLockTheAgentOut(t *testing.T) {
	inBubble(t, func(f *fake) {
		if n := f.invent(scout.Token, "invented", 100); n != DefaultSessionsPerAgent {
			f.Errorf("%d of 100 tasks got credentials", n)
		}
		if f.lends(scout.Token, "real") {
			f.Error("a session in use made room")
		}
		time.Sleep(idleAfter)
		for i := range 100 {
			if !f.lends(scout.Token, fmt.Sprint("real-", i)) {
				f.Fatalf("task %d got no credentials", i)
			}
			time.Sleep(time.Second)
		}
		if leases, scouts, _, _ := f.counts(); leases != DefaultSessionsPerAgent || scouts != leases {
			f.Errorf("there are %d leases, and %d count", leases, scouts)
		}
	})
}

// What is asked for at least once a minute stays, whatever else is invented.
func TestASessionInUseDoesNotMakeRoom(t *testing.T) {
	inBubble(t, func(f *fake) {
		loan := f.mustLend("")
		for minute := range 20 {
			f.invent(scout.Token, fmt.Sprint("invented-", minute), 100)
			time.Sleep(idleAfter - time.Second)
			if f.mustLend("") != loan {
				f.Fatalf("in minute %d the session in use made room", minute)
			}
		}
	})
}

// The least recently used session makes room first.
func TestTheOldestSessionMakesRoom(t *testing.T) {
	inBubble(t, func(f *fake) {
		for _, task := range []string{"a", "b", "c"} {
			f.mustLend(task)
			time.Sleep(2 * time.Second)
		}
		f.mustLend("a")
		time.Sleep(idleAfter)
		f.mustLend("d")
		held := map[string]bool{}
		for _, l := range f.leases() {
			held[l.key.task] = true
		}
		if len(held) != 3 || held["b"] {
			f.Errorf("held are %v", held)
		}
	}, func(o *Options) { o.SessionsPerAgent = 3 })
}

// One token cannot starve another of the same agent: each has an equal share of
// the sessions, at once.
func TestOneTokenDoesNotStarveAnother(t *testing.T) {
	inBubble(t, func(f *fake) {
		other := f.addToken("other")
		third := f.addToken("third")
		f.invent(scout.Token, "invented", 100)
		if n := f.invent(other, "real", 100); n != DefaultSessionsPerAgent/2 {
			f.Errorf("the other token got credentials for %d tasks", n)
		}
		if f.invent(scout.Token, "again", 10) != 0 || !f.lends(other, "real-0") {
			f.Error("the first token took back what the other one has")
		}
		time.Sleep(time.Second) // until the agent may start a session
		if !f.lends(third, "third") || f.lends(other, "one-more") {
			f.Error("the sessions are not shared by three")
		}
		time.Sleep(idleAfter)
		for range 30 { // both ask for new sessions as fast as they can
			f.invent(scout.Token, fmt.Sprint("invented-", time.Now().Unix()), 10)
			if !f.lends(other, fmt.Sprint("later-", time.Now().Unix())) {
				f.Fatal("the other token was starved")
			}
			time.Sleep(2 * time.Second)
		}
	})
}

// What was handed out of a session that made room is recorded.
func TestTheUseOfASessionThatMadeRoomIsRecorded(t *testing.T) {
	inBubble(t, func(f *fake) {
		loan := f.mustLend("first")
		time.Sleep(idleAfter)
		f.mustLend("second")
		if err := f.lender.RecordUse(f.Context()); err != nil {
			f.Fatal(err)
		}
		if n := f.records.counted()[loan.Session]; n != 1 {
			f.Errorf("%d hand-outs are recorded", n)
		}
		if !f.lends(scout.Token, "second") {
			f.Error("the second session is not held")
		}
	}, func(o *Options) { o.SessionsPerAgent = 1 })
}

// Tokens that start nothing any more are forgotten.
func TestTokensAreForgotten(t *testing.T) {
	inBubble(t, func(f *fake) {
		for i := range 10 {
			f.lends(f.addToken(rolebroker.TokenID(fmt.Sprint("token-", i))), "")
			f.lends(rolebroker.TokenID(fmt.Sprint("token-", i)), fmt.Sprint("task-", i))
			time.Sleep(10 * time.Minute)
		}
		if n := len(f.lender.agents["scout"].tokens); n > 2 {
			f.Errorf("the allowances of %d tokens are kept", n)
		}
	})
}
