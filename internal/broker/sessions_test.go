package broker_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

// A filter that names nothing is an error. What was deleted stays on record.
func TestSessionsOfWhatIsUnknownOrDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if _, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Role: "deployer"}); err != nil {
			t.Fatal(err)
		}
		in, err := w.broker.Integration(w.ctx, admin, "production")
		if err != nil {
			t.Fatal(err)
		}
		deployer := in.Role("deployer")
		integrationID, roleID, agentID := string(in.ID), string(deployer.ID), string(w.scout.Agent)
		type filter = rolebroker.SessionFilter
		finds := func(f filter, want int) {
			t.Helper()
			found, err := w.broker.Sessions(w.ctx, admin, f, rolebroker.Page{Limit: 10})
			if err != nil || len(found) != want {
				t.Errorf("%+v finds %d sessions, not %d: %v", f, len(found), want, err)
			}
		}
		refuses := func(f filter, code rolebroker.Code, message string) {
			t.Helper()
			_, err := w.broker.Sessions(w.ctx, admin, f, rolebroker.Page{Limit: 10})
			if e := rolebroker.AsError(err); err == nil || e.Code != code || e.Message != message {
				t.Errorf("%+v: %v, want %s", f, err, message)
			} else if code == rolebroker.CodeNotFound && len(e.Hint) == 0 {
				t.Errorf("%+v: %v has no hint", f, err)
			}
		}
		recorded := func() {
			t.Helper()
			for _, f := range []filter{{Agent: "scout"}, {Agent: agentID}, {Integration: "production"},
				{Integration: integrationID}, {Role: "deployer"}, {Role: roleID}, {Role: "production/deployer"},
				{Role: integrationID + "/" + roleID}, {Role: deployer.ARN.String()}} {
				finds(f, 1)
				f.Until = time.Now().Add(-time.Hour)
				finds(f, 0)
			}
		}
		recorded()
		finds(filter{Role: "production/readonly"}, 0)
		finds(filter{Role: "readonly"}, 0)
		finds(filter{Integration: "staging"}, 0)
		const unknown = rolebroker.CodeNotFound
		refuses(filter{Agent: "nobody"}, unknown, `there is no agent "nobody"`)
		refuses(filter{Agent: "scout", Integration: "prod"}, unknown, `there is no integration "prod"`)
		refuses(filter{Role: "prod/deployer"}, unknown, `there is no integration "prod"`)
		refuses(filter{Role: "staging/deployer"}, unknown, `there is no role "staging/deployer"`)
		refuses(filter{Role: "deploy", LiveAt: time.Now()}, unknown, `there is no role "deploy"`)
		refuses(filter{Role: "production/"}, unknown, `there is no role "production/"`)
		refuses(filter{Role: "rol_unknown"}, unknown, `there is no role "rol_unknown"`)
		refuses(filter{Since: time.Now(), Until: time.Now()}, rolebroker.CodeInvalid, "the filter is not valid")

		if err := w.broker.DeleteAgent(w.ctx, admin, "scout", 0); err != nil {
			t.Fatal(err)
		}
		if err := w.broker.DeleteIntegration(w.ctx, admin, "production", 0); err != nil {
			t.Fatal(err)
		}
		recorded()
		refuses(filter{Role: "production/readonly"}, unknown, `there is no integration "production"`)
	})
}
