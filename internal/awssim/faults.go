package awssim

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// Fault is an injected failure. All faults that match a call apply: their delays
// add up, and the first that fails determines the response. Make one with [Slow],
// [Throttle], [Fail] or [Drop] and narrow it by its fields.
type Fault struct {
	Action  string // only calls of this action, such as "AssumeRole"; empty for all
	RoleARN string // only calls that name this role; empty for all
	Times   int    // how many calls it applies to; zero means until it is removed

	Delay   time.Duration // wait this long first, or until the caller gives up
	Drop    bool          // close the connection without an answer
	Code    string        // return this error to an authenticated caller
	Message string        //
	Status  int           // with Code
}

// Slow makes a service respond after d.
func Slow(d time.Duration) Fault { return Fault{Delay: d} }

// Throttle makes a service respond with "Rate exceeded" and status 400.
func Throttle() Fault {
	return Fault{Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest}
}

// Fail makes a service respond with a 5xx status.
func Fail(status int) Fault {
	if status == http.StatusServiceUnavailable {
		return Fault{Code: "ServiceUnavailable",
			Message: "The request has failed due to a temporary failure of the server.", Status: status}
	}
	return Fault{Code: "InternalFailure",
		Message: "The request processing has failed because of an unknown error, exception or failure.", Status: status}
}

// Drop makes a service close the connection without a response.
func Drop() Fault { return Fault{Drop: true} }

type fault struct {
	Fault
	left int
}

// Inject adds a fault and returns a function that removes it.
func (a *AWS) Inject(f Fault) (remove func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	added := &fault{Fault: f, left: f.Times}
	a.faults = append(a.faults, added)
	return func() { a.removeFault(added) }
}

// ClearFaults removes all faults.
func (a *AWS) ClearFaults() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = nil
}

func (a *AWS) removeFault(f *fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = slices.DeleteFunc(a.faults, func(g *fault) bool { return g == f })
}

// meet uses up one application of every fault that matches a call and returns
// their sum.
func (a *AWS) meet(action, roleARN string) (sum Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	used := false
	for _, f := range a.faults {
		fails := f.Drop || f.Code != ""
		failed := sum.Drop || sum.Code != ""
		if !f.matches(action, roleARN) || fails && failed {
			continue
		}
		sum.Delay += f.Delay
		if fails {
			sum.Drop, sum.Code, sum.Message, sum.Status = f.Drop, f.Code, f.Message, f.Status
		}
		f.left--
		used = used || f.Times > 0 && f.left == 0
	}
	if used {
		a.faults = slices.DeleteFunc(a.faults, func(f *fault) bool { return f.Times > 0 && f.left == 0 })
	}
	return sum
}

func (f *fault) matches(action, roleARN string) bool {
	return (f.Action == "" || f.Action == action) && (f.RoleARN == "" || f.RoleARN == roleARN)
}

// error returns the error response of the fault, or nil if the call succeeds.
func (f Fault) error() error {
	if f.Code == "" {
		return nil
	}
	return &Error{Status: f.Status, Code: f.Code, Message: f.Message}
}

// pause waits for d, or returns the context's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
