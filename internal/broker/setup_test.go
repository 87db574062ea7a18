package broker_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// held is a context that holds up whoever writes a setup and asks it whether to
// go on, until it is let go.
type held struct {
	context.Context
	in  *atomic.Int32 // how many are held up, and were
	let chan struct{}
}

func (h held) Err() error {
	select {
	case <-h.let:
	default:
		h.in.Add(1)
		<-h.let
	}
	return h.Context.Err()
}

// loose is a store that is not held up.
type loose struct{ broker.Store }

func (l loose) Integration(ctx context.Context, nameOrID string) (*rolebroker.Integration, error) {
	return l.Store.Integration(context.Background(), nameOrID)
}

func (l loose) EarlierExternalIDs(ctx context.Context, id rolebroker.IntegrationID, most int) ([]string, error) {
	return l.Store.EarlierExternalIDs(context.Background(), id, most)
}

// A few setups are written at a time; whoever comes then waits, and not for
// longer than they like.
func TestSetupsAreWrittenAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *broker.Options) { o.Store = loose{o.Store} })
		setup := func(ctx context.Context) error {
			_, err := w.broker.Setup(ctx, admin, "production", rolebroker.SetupRequest{})
			return err
		}
		if err := setup(w.ctx); err != nil {
			t.Fatal(err)
		}
		h := held{w.ctx, new(atomic.Int32), make(chan struct{})}
		const all = 10
		done := make(chan error, all)
		for range all {
			go func() { done <- setup(h) }()
		}
		synctest.Wait()
		if n := h.in.Load(); n != 4 || len(done) > 0 {
			t.Errorf("%d setups are written at a time", n)
		}
		brief, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if err := setup(brief); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable || !strings.Contains(err.Error(), "being written already") {
			t.Errorf("who waits no longer hears %v", err)
		}
		close(h.let)
		for range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// What nobody can name yet is in no command, and what is wrong says where.
func TestSetupOfADraft(t *testing.T) {
	w := newWorld(t)
	reserved, err := w.broker.ReserveExternalID(w.ctx, admin)
	if err != nil {
		t.Fatal(err)
	}
	draft := rolebroker.Integration{Name: "new", ExternalID: reserved.ExternalID, AssumptionMode: rolebroker.ModePlatform, Roles: []rolebroker.Role{role("readonly", "ReadOnly")}}
	made, err := w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if made.Integration != "new" || strings.Contains(made.Text, "integration validate new") || !strings.Contains(made.Text, "Create the integration") {
		t.Errorf("of %q it is\n%s", made.Integration, made.Text)
	}
	_, err = w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{Role: "other"})
	if e := rolebroker.AsError(err); e.Code != rolebroker.CodeNotFound || e.Hint != "" {
		t.Errorf("of a role that it has not: %v (%s)", err, e.Hint)
	}
	_, err = w.broker.Setup(w.ctx, admin, "production", rolebroker.SetupRequest{Role: "other"})
	if e := rolebroker.AsError(err); e.Code != rolebroker.CodeNotFound || e.Hint != "rolebroker integration show production" {
		t.Errorf("of a role that a saved one has not: %v (%s)", err, e.Hint)
	}
	draft.Name, draft.Roles[0].Name = "a\n", "b;"
	_, err = w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{})
	if e := rolebroker.AsError(err); len(e.Fields) != 2 || e.Fields[0].Path != "name" || e.Fields[1].Path != "roles[0].name" {
		t.Errorf("with names that are none: %v", err)
	}
	draft.Name, draft.Roles = "", nil
	made, err = w.broker.SetupDraft(w.ctx, admin, draft, rolebroker.SetupRequest{})
	if err != nil || !strings.HasSuffix(made.Principal, ":root") || !strings.Contains(made.TrustPolicy, made.Principal) {
		t.Errorf("without roles yet it is %+v: %v", made, err)
	}
}
