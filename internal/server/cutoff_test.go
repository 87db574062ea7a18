package server_test

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// An agent that is cut off by one server is refused by the other within a second or so, though that one has lent it the
// role and keeps the credentials; and lent to again by both once it is enabled. No update ends the cut-off.
func TestACutOffReachesEveryReplica(t *testing.T) {
	t.Parallel()
	key := rolebroker.NewSecret("an admin key that both servers have")
	options := testbed.Options{Database: storetest.Postgres(t), Config: func(cfg *config.Server) { cfg.AdminKey = key }}
	first := testbed.New(t, &options)
	options.Empty = true
	second := testbed.New(t, &options)
	replicas := map[string]*testbed.Testbed{"the one that cut it off": first, "the other": second}
	awaits := func(what string, lent bool) {
		t.Helper()
		began := time.Now()
		for name, replica := range replicas {
			agent := replica.Client(first.Scout)
			var err error
			for time.Since(began) < 10*time.Second {
				if _, err = agent.Credentials(t.Context(), "readonly", ""); (err == nil) == lent {
					break
				}
			}
			if (err == nil) != lent {
				t.Fatalf("%s: %s answers %v", what, name, err)
			}
			t.Logf("%s: %s does so after %s", what, name, time.Since(began).Round(time.Millisecond))
		}
	}
	awaits("lending", true)
	if _, err := first.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{}); err != nil {
		t.Fatal(err)
	}
	awaits("refusing after the cut-off", false)
	if _, err := second.Admin.UpdateAgent(t.Context(), "scout", api.AgentRequest{Name: "scout"}, ""); err != nil {
		t.Fatal(err)
	}
	awaits("refusing after an update", false)
	if _, err := second.Admin.EnableAgent(t.Context(), "scout", api.EnableRequest{}); err != nil {
		t.Fatal(err)
	}
	awaits("lending again", true)
}
