package execenv

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// A call that waits for a person looks like one that is slow. So the room asks the server about calls that take longer
// than most, while it makes sense: the gateway answers a call that waits within half a minute.
const (
	slowCall   = 2 * time.Second
	slowAgain  = 5 * time.Second
	slowAtMost = 30 * time.Second
)

// telling is a gateway that tells a person, once each, which access requests the calls of the command wait for.
type telling struct {
	gateway http.Handler
	pending func(context.Context) ([]api.MyAccessRequest, error)
	tell    func(url string)

	mu   sync.Mutex
	told map[string]bool // by the ID of the request
}

// tellingOf returns the gateway of the options, which tells what its calls wait for if the options say whom.
func (l *lender) tellingOf(o Options) http.Handler {
	if o.Gateway == nil || o.Waiting == nil {
		return o.Gateway
	}
	pending := func(ctx context.Context) ([]api.MyAccessRequest, error) {
		return l.MyAccessRequests(ctx, rolebroker.Caller{}, string(rolebroker.RequestPending))
	}
	return &telling{gateway: o.Gateway, pending: pending, tell: o.Waiting, told: map[string]bool{}}
}

func (t *telling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithTimeout(r.Context(), slowAtMost)
	defer stop()
	timer := time.AfterFunc(slowCall, func() { t.watch(ctx) })
	defer timer.Stop()
	t.gateway.ServeHTTP(w, r)
}

// watch looks for requests until the call ends.
func (t *telling) watch(ctx context.Context) {
	again := time.NewTicker(slowAgain)
	defer again.Stop()
	for {
		t.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// look tells of the requests that nobody was told of. One of the calls that wait together looks for all of them.
func (t *telling) look(ctx context.Context) {
	if !t.mu.TryLock() {
		return
	}
	defer t.mu.Unlock()
	found, err := t.pending(ctx)
	if err != nil {
		return // the answer to the call says what is wrong
	}
	for _, r := range found {
		if isForCalls(&r) && !t.told[r.ID] {
			t.told[r.ID] = true
			t.tell(r.URL)
		}
	}
}

// isForCalls reports whether calls wait for a request, and not the borrowing of a role.
func isForCalls(r *api.MyAccessRequest) bool {
	about := rolebroker.Approval(r.About)
	return r.Call != nil || about == rolebroker.ApprovalWrite || about == rolebroker.ApprovalCall
}
