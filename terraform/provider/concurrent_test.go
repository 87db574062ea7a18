package provider_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// colleague is the workspace of another person, with a copy of the configuration
// and of the state.
func (ws *workspace) colleague(t *testing.T) *workspace {
	t.Helper()
	other := newWorkspace(t, ws.settings()...)
	for _, name := range []string{"main.tf", "terraform.tfstate"} {
		text, err := os.ReadFile(filepath.Join(ws.dir, name))
		ws.must(err)
		ws.must(os.WriteFile(filepath.Join(other.dir, name), text, 0o600))
	}
	return other
}

// settings are the environment variables with the server's URL and the API key.
func (ws *workspace) settings() (of []string) {
	for _, v := range ws.env {
		if strings.HasPrefix(v, "ROLEBROKER_") {
			of = append(of, v)
		}
	}
	return of
}

func (ws *workspace) writes(config string) {
	ws.Helper()
	ws.must(os.WriteFile(filepath.Join(ws.dir, "main.tf"), []byte(config), 0o600))
}

// meeting is a proxy before the server. While on is true, it holds a change back
// until a second one arrives, so that each was made without knowing the other.
func (w *world) meeting() (url string, on *atomic.Bool) {
	w.Helper()
	on = &atomic.Bool{}
	var mu sync.Mutex
	var waits chan struct{}
	front := httptest.NewServer(w.front(func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && on.Load() {
				mu.Lock()
				other := waits
				if other == nil {
					waits = make(chan struct{})
					other = waits
				} else {
					close(waits)
					waits = nil
				}
				mu.Unlock()
				select {
				case <-other:
				case <-time.After(2 * time.Minute):
					w.Error("a change has waited for another one, which did not come")
				}
			}
			server.ServeHTTP(rw, r)
		})
	}))
	w.Cleanup(front.Close)
	return front.URL, on
}

// Two people, with a copy of one state and a saved plan each, change one
// integration at the same moment. One change is applied and the other is refused.
// The next plan of each starts from the current values.
func TestTwoAppliesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := func(description string) string {
		return requirements +
			integration("production", "  validate    = \"skip\"\n  description = \""+description+"\"",
				readonly, deployer)
	}
	url, meet := w.meeting()
	first := newWorkspace(t, "ROLEBROKER_URL="+url, "ROLEBROKER_TOKEN="+w.AdminKey.Reveal())
	first.writes(config("ours"))
	first.applies()
	people := []*workspace{first, first.colleague(t)}
	wants := []string{"by the first", "by the second"}
	refusal := says("Updating the integration production", "changed by someone else since this plan was made",
		"Run terraform plan again")
	for round := range 3 {
		before := w.the("production")
		var said [2]string
		var status [2]int
		var both sync.WaitGroup
		for i, ws := range people {
			ws.writes(config(wants[i]))
			ws.expectsPlan(map[string]string{production: "update"})
		}
		meet.Store(true)
		for i, ws := range people {
			both.Go(func() { _, said[i], status[i] = ws.try("apply", "-no-color", "tfplan") })
		}
		both.Wait()
		meet.Store(false)

		applied := 0
		if status[0] != 0 {
			applied = 1
		}
		other := 1 - applied
		now := w.the("production")
		switch {
		case status[applied] != 0 || status[other] != 1:
			t.Fatalf("round %d: the applies exit with %v:\n%s\n%s", round, status, said[0], said[1])
		case !refusal.MatchString(said[other]):
			t.Errorf("the second is told\n%s", said[other])
		case now.ID != before.ID, now.Version != before.Version+1, now.Description != wants[applied],
			len(now.Roles) != 2:
			t.Errorf("there is %+v, which was %+v", now, before)
		}
		people[applied].expectsPlan(nil)
		people[other].expectsPlan(map[string]string{production: "update"})
		if plan := people[other].terraform("show", "-no-color", "tfplan"); !strings.Contains(
			plan,
			`"`+wants[applied]+`" -> "`+wants[other]+`"`,
		) {
			t.Errorf("the other one's plan is\n%s", plan)
		}

		// The refused person applies the new plan, and both are where they began.
		people[other].terraform("apply", "-no-color", "tfplan")
		if now := w.the("production"); now.Description != wants[other] {
			t.Errorf("there is %+v", now)
		}
		for _, ws := range people {
			ws.writes(config("ours"))
		}
		people[other].applies()
		people[applied].terraform("apply", "-auto-approve", "-no-color") // only to refresh the state
		people[applied].expectsPlan(nil)
	}
	first.destroys()
	w.isEmpty()
}
