package runner

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// A change that takes nothing away from an agent, and a server that comes back, do
// not end the grace of an agent that asks for nothing meanwhile.
func TestTheGraceOutlivesUnrelatedChanges(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(w *world){
		"a description": func(w *world) {
			in := try(w.admin.Integration(ctx, "cluster"))(w)
			in.Description = "the roles of the cluster"
			update(w, in)
		},
		"another role": func(w *world) {
			in := try(w.admin.Integration(ctx, "cluster"))(w)
			in.Roles[1].SessionDuration = "30m"
			update(w, in)
		},
		"another agent": func(w *world) {
			try(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "ranger"}))(w)
			try(w.admin.CreateToken(ctx, "ranger", api.TokenRequest{}))(w)
		},
		"another token": func(w *world) {
			token := try(w.admin.CreateToken(ctx, "scout", api.TokenRequest{}))(w)
			if err := w.admin.RevokeToken(ctx, "scout", token.ID); err != nil {
				w.Fatal(err)
			}
			synctest.Wait()
			w.allow("inner") // the agent's sessions ended, and these are new
			w.allow("readonly")
		},
		"another runner": func(w *world) {
			try(w.admin.CreateRunner(ctx, api.RunnerRequest{Name: "gke"}))(w)
			try(w.admin.UpdateRunner(ctx, "gke", api.RunnerRequest{Name: "gke2"}, ""))(w)
		},
		"a restart of the server": func(w *world) {
			w.network.set(cut)
			time.Sleep(10 * time.Second)
			w.network.set(connected)
			w.eventually("the runner is ready", func() bool { return w.readiness() == "ready" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				lent := w.allow("inner")
				platform := w.allow("readonly")
				change(w)
				time.Sleep(time.Second)
				w.network.set(cut)
				time.Sleep(10 * time.Minute)
				if again := w.allow("inner"); name != "another token" && again.AccessKeyID != lent.AccessKeyID {
					w.Error("the cluster lends something else")
				}
				if again := w.allow("readonly"); again.AccessKeyID != platform.AccessKeyID && name != "another token" {
					w.Error("the platform lends something else")
				}
				time.Sleep(45 * time.Minute)
				w.allow("inner") // renewed
			})
		})
	}
}

func update(w *world, in api.Integration) {
	w.Helper()
	try(w.admin.UpdateIntegration(context.Background(), in.Name, api.IntegrationRequest{Name: in.Name,
		Description: in.Description, AssumptionMode: in.AssumptionMode, Runner: in.Runner, DefaultRole: in.DefaultRole,
		Roles: requests(in.Roles)}, "", api.ValidateSkip))(w)
}

func requests(roles []api.Role) (all []api.RoleRequest) {
	for _, r := range roles {
		all = append(all, api.RoleRequest{Name: r.Name, ARN: r.ARN, Region: r.Region, SessionDuration: r.SessionDuration})
	}
	return all
}

// What a change took away stays away during the outage after it, also for an agent
// that asked for nothing meanwhile.
func TestTheGraceIsNotForWhatWasTakenAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.allow("inner")
		w.allow("readonly")
		if err := w.admin.Disconnect(context.Background(), "scout", "cluster"); err != nil {
			w.Fatal(err)
		}
		time.Sleep(time.Second)
		w.network.set(cut)
		time.Sleep(time.Minute)
		w.deny("inner", rolebroker.CodeNotFound)
		w.allow("readonly")
	})
}

// A change of which the runner could not ask what it means ends the grace of those
// whom it concerns, and the refusal does not say that they were never authorised.
func TestTheRefusalAfterAChangeIsTrue(t *testing.T) {
	inWorld(t, func(w *world) {
		w.allow("inner")
		w.network.refuse(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/grants") })
		w.eventually("the runner is ready", func() bool { return w.readiness() == "ready" })
		update(w, try(w.admin.Integration(context.Background(), "cluster"))(w))
		time.Sleep(time.Second)
		w.network.set(cut)
		w.eventually("the runner notices", func() bool { return w.readiness() != "ready" })
		if e := w.deny("inner", rolebroker.CodeUnavailable); !strings.Contains(e.Message,
			"only what was authorised before, and did not change since, goes on") {
			w.Errorf("the refusal says %q", e.Message)
		}
	})
}
