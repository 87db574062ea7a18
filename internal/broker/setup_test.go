package broker_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// blocking is a context whose Err blocks until it is released. Making a setup calls Err.
type blocking struct {
	context.Context
	calls   *atomic.Int32 // of Err that blocked
	release chan struct{}
}

func (h blocking) Err() error {
	select {
	case <-h.release:
	default:
		h.calls.Add(1)
		<-h.release
	}
	return h.Context.Err()
}

// notBlocked is a store that does not call Err of the context.
type notBlocked struct{ broker.Store }

func (l notBlocked) Integration(ctx context.Context, nameOrID string) (*rolebroker.Integration, error) {
	return l.Store.Integration(context.Background(), nameOrID)
}

func (l notBlocked) EarlierExternalIDs(
	ctx context.Context, id rolebroker.IntegrationID, most int,
) ([]string, error) {
	return l.Store.EarlierExternalIDs(context.Background(), id, most)
}

// Four setups are made at a time. Further callers wait until their context ends.
func TestSetupsAreMadeAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *broker.Options) { o.Store = notBlocked{o.Store} })
		setup := func(ctx context.Context) error {
			_, err := w.broker.Setup(ctx, admin, "production", rolebroker.SetupRequest{})
			return err
		}
		if err := setup(w.ctx); err != nil {
			t.Fatal(err)
		}
		h := blocking{w.ctx, new(atomic.Int32), make(chan struct{})}
		const all = 10
		done := make(chan error, all)
		for range all {
			go func() { done <- setup(h) }()
		}
		synctest.Wait()
		if n := h.calls.Load(); n != 4 || len(done) > 0 {
			t.Errorf("%d setups are made at a time", n)
		}
		brief, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		err := setup(brief)
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable ||
			!strings.Contains(err.Error(), "being made already") {
			t.Errorf("a caller who waits no longer gets %v", err)
		}
		close(h.release)
		for range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// The commands of a draft's setup do not name the integration, which does not exist yet. A refusal names the field.
func TestSetupOfADraft(t *testing.T) {
	w := newWorld(t)
	reserved, err := w.broker.ReserveExternalID(w.ctx, admin)
	if err != nil {
		t.Fatal(err)
	}
	draft := rolebroker.Integration{Enabled: true, Name: "new", ExternalID: reserved.ExternalID,
		AssumptionMode: rolebroker.ModePlatform, Roles: []rolebroker.Role{role("readonly", "ReadOnly")}}
	made, err := w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if made.Integration != "new" || strings.Contains(made.Text, "integration validate new") ||
		!strings.Contains(made.Text, "Create the integration") {
		t.Errorf("of %q it is\n%s", made.Integration, made.Text)
	}
	_, err = w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{Role: "other"})
	if e := rolebroker.AsError(err); e.Code != rolebroker.CodeNotFound || len(e.Hint) > 0 {
		t.Errorf("of a role that it does not have: %v (%s)", err, e.Hint)
	}
	_, err = w.broker.Setup(w.ctx, admin, "production", rolebroker.SetupRequest{Role: "other"})
	if e := rolebroker.AsError(err); e.Code != rolebroker.CodeNotFound ||
		e.Hint.String() != "rolebroker integration show production" {
		t.Errorf("of a role that a saved integration does not have: %v (%s)", err, e.Hint)
	}
	draft.Name, draft.Roles[0].Name = "a\n", "b;"
	_, err = w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{})
	if e := rolebroker.AsError(err); len(e.Fields) != 2 ||
		e.Fields[0].Path != "name" || e.Fields[1].Path != "roles[0].name" {
		t.Errorf("with invalid names: %v", err)
	}
	draft.Name, draft.Roles = "", nil
	made, err = w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{})
	if err != nil || !strings.HasSuffix(made.Principal, ":root") ||
		!strings.Contains(made.TrustPolicy, made.Principal) {
		t.Errorf("without roles it is %+v: %v", made, err)
	}
}

// rotates takes a step of a rotation, without checking the roles.
func (w *world) rotates(name string, step broker.RotationStep) *rolebroker.Integration {
	w.Helper()
	in, err := w.broker.RotateExternalID(w.ctx, admin, name, step, true)
	if err != nil {
		w.Fatal(err)
	}
	return in
}

// An external ID stands for its integration from the reservation until the integration is deleted, whichever roles the
// draft has.
func TestSetupByAnExternalID(t *testing.T) {
	w := newWorld(t)
	first := w.reserves().ExternalID
	draft := func(externalID string) rolebroker.Integration {
		return rolebroker.Integration{Name: "mine", Enabled: true, ExternalID: externalID,
			AssumptionMode: rolebroker.ModePlatform,
			Roles:          []rolebroker.Role{role("new", "NotThereYet")}}
	}
	requires := func(externalID, integration string, want ...string) {
		t.Helper()
		made, err := w.broker.SetupDraft(w.ctx, reader, draft(externalID), rolebroker.SetupRequest{})
		if err != nil {
			t.Fatal(err)
		}
		isDraft := integration == "mine"
		if !slices.Equal(made.ExternalIDs, want) || made.Integration != integration ||
			(made.IntegrationID == "") != isDraft ||
			strings.Contains(made.Text, "Create the integration") != isDraft {
			t.Errorf("of %s it is for %v, want %v:\n%s", made.Integration, made.ExternalIDs, want, made.Text)
		}
	}
	requires(first, "mine", first)
	in := draft(first)
	in.Name, in.DefaultRole = "vault", "new"
	if _, err := w.broker.CreateIntegration(w.ctx, admin, in, rolebroker.ValidateSkip.Saving()); err != nil {
		t.Fatal(err)
	}
	requires(first, "vault", first)
	if n := w.aws.Calls("AssumeRole"); n != 0 {
		t.Errorf("AssumeRole was called %d times", n)
	}
	second := w.rotates("vault", broker.RotationStart).NextExternalID
	requires(first, "vault", first, second)
	requires(second, "vault", first, second)
	w.rotates("vault", broker.RotationFinish)
	requires(first, "vault", second)
	third := w.rotates("vault", broker.RotationStart).NextExternalID
	w.rotates("vault", broker.RotationCancel)
	for _, externalID := range []string{first, second, third} {
		requires(externalID, "vault", second)
	}
	if err := w.broker.DeleteIntegration(w.ctx, admin, "vault", 0); err != nil {
		t.Fatal(err)
	}
	for _, externalID := range []string{first, second, third, "never", ""} {
		_, err := w.broker.SetupDraft(w.ctx, admin, draft(externalID), rolebroker.SetupRequest{})
		if e := rolebroker.AsError(err); e.Code != rolebroker.CodeInvalid || len(e.Fields) != 1 ||
			e.Fields[0].Path != "external_id" {
			t.Errorf("of %q there is a setup: %v", externalID, err)
		}
	}
}

// In cluster mode roles require no external ID, so a draft needs none.
func TestSetupOfADraftInACluster(t *testing.T) {
	w := newWorld(t)
	for _, cluster := range []rolebroker.ClusterIdentity{
		{Variant: rolebroker.ClusterPodIdentity},
		{Variant: rolebroker.ClusterIRSA, Issuer: "https://oidc.example/id/1"},
	} {
		draft := rolebroker.Integration{Enabled: true, AssumptionMode: rolebroker.ModeCluster,
			Roles: []rolebroker.Role{role("new", "NotThereYet")}}
		made, err := w.broker.SetupDraft(w.ctx, reader, draft, rolebroker.SetupRequest{Cluster: cluster})
		if err != nil || len(made.ExternalIDs) > 0 || made.TrustPolicy == "" ||
			strings.Contains(made.TrustPolicy, "ExternalId") {
			t.Errorf("with %s it is %+v: %v", cluster.Variant, made, err)
		}
	}
}
