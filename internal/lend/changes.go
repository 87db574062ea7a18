package lend

import (
	"sync"

	"github.com/rolebroker/rolebroker"
)

// Subscribe calls tell with every change from now on, once the cached answers from
// before the change are dropped. tell must not block, nor call the Lender. cancel
// ends it.
func (l *Lender) Subscribe(tell func(rolebroker.Change)) (cancel func()) {
	return l.subscribers.add(tell)
}

// HearsChanges reports whether subscribers are told every change. While it is
// false they may miss some that other servers make.
func (l *Lender) HearsChanges() bool { return l.records.Watching() }

// changed is called with every change, before anything is answered by it.
func (l *Lender) changed(change rolebroker.Change) {
	if change.Validate == "" {
		l.cache.invalidate(change)
		l.dropEnded(change)
	}
	l.subscribers.tell(change)
}

// dropEnded drops the leases that a change ended. Nobody would get them any more,
// because their key has an earlier generation.
func (l *Lender) dropEnded(change rolebroker.Change) {
	if !change.Ended {
		return
	}
	var ended []*lease
	l.mu.Lock()
	for key, lease := range l.leases {
		if change.Ends(key.agent, key.integration, key.role) {
			ended = append(ended, lease)
		}
	}
	l.mu.Unlock()
	for _, lease := range ended { // whose lock is taken before the lender's
		lease.drop()
	}
}

// subscribers are the functions to call with each change. The zero value is
// empty.
type subscribers struct {
	mu  sync.Mutex
	all map[*func(rolebroker.Change)]struct{}
}

func (s *subscribers) add(tell func(rolebroker.Change)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*func(rolebroker.Change)]struct{}{}
	}
	s.all[&tell] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, &tell)
	}
}

func (s *subscribers) tell(change rolebroker.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tell := range s.all {
		(*tell)(change)
	}
}
