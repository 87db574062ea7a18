package broker

import (
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
)

// heartbeat is the longest silence while outcomes are reported. After it, Validating.Alive is called: a proxy, or our
// own listener, may close a silent connection.
const heartbeat = 15 * time.Second

// progress reports the outcomes of a validation as they come, with heartbeats. It calls Validating in a goroutine of
// its own, so that a slow receiver does not delay the validation.
type progress struct {
	how     Validating
	mu      sync.Mutex
	queue   []rolebroker.RoleValidation // not reported yet
	ended   bool
	changed chan struct{} // has an element when queue or ended changed
	done    chan struct{} // closed when everything was reported
}

func newProgress(how Validating) *progress {
	p := &progress{how: how, changed: make(chan struct{}, 1), done: make(chan struct{})}
	go p.run()
	return p
}

// report queues an outcome.
func (p *progress) report(r rolebroker.RoleValidation) {
	p.mu.Lock()
	p.queue = append(p.queue, r)
	p.mu.Unlock()
	p.wake()
}

// end waits until all outcomes were reported.
func (p *progress) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.wake()
	<-p.done
}

func (p *progress) wake() {
	select {
	case p.changed <- struct{}{}:
	default: // run will see this change together with the last one
	}
}

func (p *progress) run() {
	defer close(p.done)
	for {
		p.mu.Lock()
		outcomes, ended := p.queue, p.ended
		p.queue = nil
		p.mu.Unlock()
		for _, r := range outcomes {
			p.how.Tell(r)
		}
		if ended {
			return
		}
		select {
		case <-p.changed:
		case <-time.After(heartbeat):
			if p.how.Alive != nil {
				p.how.Alive()
			}
		}
	}
}
