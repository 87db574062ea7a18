package broker_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/lend"
)

// newsRecords are records whose changes a test tells. Any other method panics.
type newsRecords struct {
	lend.Records
	tell func(rolebroker.Change)
	deaf bool
}

func (r *newsRecords) Subscribe(tell func(rolebroker.Change)) { r.tell = tell }
func (r *newsRecords) Watching() bool                         { return !r.deaf }

// tellMany tells n changes, each of an agent named by its number.
func (r *newsRecords) tellMany(n int) (told []rolebroker.Change) {
	for i := range n {
		change := rolebroker.Change{Agent: rolebroker.AgentID(fmt.Sprint("agt_", i))}
		r.tell(change)
		told = append(told, change)
	}
	return told
}

func newNews() (*newsRecords, *broker.Broker) {
	records := &newsRecords{}
	return records, broker.New(broker.Options{Store: untouched{}, Lender: lend.New(lend.Options{Records: records})})
}

var runner = rolebroker.Caller{Runner: "run_eks", Name: "eks"}

func watch(t *testing.T, b *broker.Broker, who rolebroker.Caller) *broker.Changes {
	t.Helper()
	c, err := b.Watch(context.Background(), who)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// next takes the queued changes, without waiting for more.
func next(c *broker.Changes) []rolebroker.Change {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return c.Next(ended)
}

// anything is the change that concerns everything.
var anything = rolebroker.Change{}

func TestARunnerIsToldEachChangeInOrder(t *testing.T) {
	records, b := newNews()
	records.tellMany(3) // before anybody watches
	c := watch(t, b, runner)
	defer c.Close()
	for _, n := range []int{1, 5, 1000} { // 1000 is as many as are kept
		if told := records.tellMany(n); !slices.Equal(next(c), told) {
			t.Errorf("%d changes do not arrive as they were made", n)
		}
	}
	if got := next(c); len(got) > 0 {
		t.Errorf("afterwards there are %v", got)
	}
}

func TestMoreChangesThanAreKeptBecomeOne(t *testing.T) {
	records, b := newNews()
	slow, quick := watch(t, b, runner), watch(t, b, runner)
	defer slow.Close()
	defer quick.Close()
	records.tellMany(1000)
	next(quick)
	last := records.tellMany(1)
	if got := next(slow); !slices.Equal(got, []rolebroker.Change{anything}) {
		t.Errorf("for 1001 changes a slow runner is told %d: %+v", len(got), got[:min(len(got), 3)])
	}
	if got := next(quick); !slices.Equal(got, last) {
		t.Errorf("a runner that keeps up is told %+v", got)
	}

	// Later changes follow it.
	records.tellMany(1001)
	last = records.tellMany(2)
	if got, want := next(slow), append([]rolebroker.Change{anything}, last...); !slices.Equal(got, want) {
		t.Errorf("after that a slow runner is told %d: %+v, want %+v", len(got), got[:min(len(got), 3)], want)
	}
}

func TestNextWaitsForAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records, b := newNews()
		c := watch(t, b, runner)
		defer c.Close()
		began := time.Now()
		go func() {
			time.Sleep(time.Minute)
			records.tellMany(1)
		}()
		if got := c.Next(t.Context()); len(got) != 1 || time.Since(began) != time.Minute {
			t.Errorf("after %v it is told %v", time.Since(began), got)
		}
	})
}

func TestOnlyRunnersWatch(t *testing.T) {
	_, b := newNews()
	for _, who := range []rolebroker.Caller{{}, admin, {Agent: "agt_scout", Token: "tok_scout"}} {
		if _, err := b.Watch(context.Background(), who); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
			t.Errorf("%+v: %v", who, err)
		}
	}
}

// TestStreamsAreBounded for each runner. One that is closed, or was refused, does
// not count.
func TestStreamsAreBounded(t *testing.T) {
	records, b := newNews()
	const most = 2000
	records.deaf = true
	for range most + 1 {
		if _, err := b.Watch(context.Background(), runner); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Fatalf("a server that does not hear of changes says %v", err)
		}
	}
	records.deaf = false
	var open []*broker.Changes
	for range most {
		open = append(open, watch(t, b, runner))
	}
	refused := func() {
		t.Helper()
		if _, err := b.Watch(context.Background(), runner); rolebroker.CodeOf(err) != rolebroker.CodeThrottled {
			t.Errorf("with %d streams open, one more: %v", most, err)
		}
	}
	refused()
	watch(t, b, rolebroker.Caller{Runner: "run_gke", Name: "gke"}).Close()
	open[0].Close()
	open[0].Close() // counts once
	watch(t, b, runner)
	refused()
	if records.tellMany(1); len(next(open[0])) > 0 {
		t.Error("a stream that was closed is told of changes")
	}
}
