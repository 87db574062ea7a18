package guard

import (
	"sync"
	"time"
)

// How often what repeats is told: one of a kind in a time, and so many kinds of one owner. All others are one kind.
const (
	repeatEvery = time.Minute
	MaxKinds    = 5
)

// Repeats bounds what is recorded of callers who are refused again and again: the first of a kind at once, and those that
// follow once a minute, as one. So an owner who invents kinds cannot fill the database. The zero value has none.
type Repeats[Owner, Kind comparable, What any] struct {
	// Kinds is how many kinds of one owner are told apart; 0: five.
	Kinds int

	mu     sync.Mutex
	owners map[Owner]map[Kind]*repeated[What]
}

// Repeat is what repeated: the last of its kind, and how many there were that were not told.
type Repeat[What any] struct {
	What  What
	Times int64
}

type repeated[What any] struct {
	Repeat[What]
	toldAt time.Time
}

// Add counts one, and reports whether it is to be told now. The zero Kind is for all kinds that are too many.
func (r *Repeats[Owner, Kind, What]) Add(owner Owner, kind Kind, what What, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := r.owners[owner]
	if kinds == nil {
		kinds = map[Kind]*repeated[What]{}
		if r.owners == nil {
			r.owners = map[Owner]map[Kind]*repeated[What]{}
		}
		r.owners[owner] = kinds
	}
	most := r.Kinds
	if most == 0 {
		most = MaxKinds
	}
	if kinds[kind] == nil && len(kinds) >= most {
		kind = *new(Kind)
	}
	known := kinds[kind]
	if known == nil {
		kinds[kind] = &repeated[What]{Repeat[What]{What: what}, now}
		return true
	}
	known.What, known.Times = what, known.Times+1
	return false
}

// Len returns how many owners are remembered.
func (r *Repeats[Owner, Kind, What]) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.owners)
}

// Due takes what was counted for a minute, or all of it, and forgets the kinds that did not repeat.
func (r *Repeats[Owner, Kind, What]) Due(now time.Time, all bool) (due []Repeat[What]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for owner, kinds := range r.owners {
		for kind, known := range kinds {
			switch {
			case !all && now.Sub(known.toldAt) < repeatEvery:
			case known.Times == 0:
				delete(kinds, kind)
			default:
				due = append(due, known.Repeat)
				known.Times, known.toldAt = 0, now
			}
		}
		if len(kinds) == 0 {
			delete(r.owners, owner)
		}
	}
	return due
}
