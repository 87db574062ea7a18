package execenv

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker/api"
)

// A person is told once of each request that a call of the command waits for, while it waits, and of no other.
func TestAPersonIsToldWhatACallWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newFake()
		ask := func(id, role string, call *api.AskedCall) {
			server.requests = append(server.requests, api.MyAccessRequest{ID: id, Role: role, Call: call,
				URL: "https://rolebroker.example.com/access-requests/" + id})
		}
		var told []string
		takes := time.Duration(0)
		o := options(server).withDefaults()
		o.Waiting = func(url string) { told = append(told, url) }
		o.Gateway = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(takes) })
		l := newLender(o)
		defer l.close()
		l.roles = roomOf(server.offers[:1]...)
		gateway := l.tellingOf(o)
		calls := func(long time.Duration, want ...string) {
			t.Helper()
			told, takes = nil, long
			gateway.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			synctest.Wait()
			if !slices.Equal(told, want) {
				t.Errorf("after a call of %s a person was told of %q, not of %q", long, told, want)
			}
		}
		calls(25 * time.Second) // it is slow, and waits for nobody
		ask("req_borrow", "production/readonly", nil)
		ask("req_other", "staging/default", &api.AskedCall{})
		ask("req_call", "production/readonly", &api.AskedCall{})
		calls(time.Second)
		calls(25*time.Second, "https://rolebroker.example.com/access-requests/req_call")
		calls(25 * time.Second)
		ask("req_second", "production/readonly", &api.AskedCall{})
		calls(slowCall+time.Second, "https://rolebroker.example.com/access-requests/req_second")

		o.Waiting = nil
		if _, is := l.tellingOf(o).(*telling); is {
			t.Error("the server is asked although nobody wants to know")
		}
	})
}
