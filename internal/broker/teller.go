package broker

import (
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// signOfLife is after how long without news somebody who is told of a
// validation hears that it goes on: before a proxy, or our own listener, takes
// the silence for the end.
const signOfLife = 15 * time.Second

// teller tells outcomes to somebody who may be slow, in a goroutine of its own:
// the validation does not wait for that.
type teller struct {
	how     Validating
	mu      sync.Mutex
	queue   []rolebroker.RoleValidation
	ended   bool
	changed chan struct{} // there may be something new
	done    chan struct{} // closed when all was told
}

func newTeller(how Validating) *teller {
	t := &teller{how: how, changed: make(chan struct{}, 1), done: make(chan struct{})}
	go t.run()
	return t
}

// add has an outcome told.
func (t *teller) add(r rolebroker.RoleValidation) {
	t.mu.Lock()
	t.queue = append(t.queue, r)
	t.mu.Unlock()
	t.wake()
}

// end waits until everything was told.
func (t *teller) end() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.wake()
	<-t.done
}

func (t *teller) wake() {
	select {
	case t.changed <- struct{}{}:
	default: // it is awake
	}
}

func (t *teller) run() {
	defer close(t.done)
	for {
		t.mu.Lock()
		news, ended := t.queue, t.ended
		t.queue = nil
		t.mu.Unlock()
		for _, r := range news {
			t.how.Tell(r)
		}
		if ended {
			return
		}
		select {
		case <-t.changed:
		case <-time.After(signOfLife):
			if t.how.Alive != nil {
				t.how.Alive()
			}
		}
	}
}
