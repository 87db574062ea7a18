package broker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// reader may look and nothing else.
var reader = rolebroker.Caller{APIKey: "key_reader", Name: "reader", Access: rolebroker.AccessReadOnly}

// reserves reserves an external ID.
func (w *world) reserves() *rolebroker.Reservation {
	w.Helper()
	r, err := w.broker.ReserveExternalID(w.ctx, admin)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// An agent's token opens none of it, and a read-only key only the looking.
func TestExternalIDsAreForAdministrators(t *testing.T) {
	w := newWorld(t)
	r := w.reserves()
	for who, c := range map[string]struct {
		caller             rolebroker.Caller
		read, write, draft rolebroker.Code
	}{
		"an agent":        {w.scout, rolebroker.CodeDenied, rolebroker.CodeDenied, rolebroker.CodeDenied},
		"nobody":          {rolebroker.Caller{}, rolebroker.CodeUnauthenticated, rolebroker.CodeUnauthenticated, rolebroker.CodeUnauthenticated},
		"a read-only key": {reader, "", rolebroker.CodeDenied, ""},
	} {
		if _, err := w.broker.ReserveExternalID(w.ctx, c.caller); rolebroker.CodeOf(err) != c.write {
			t.Errorf("%s reserves: %v", who, err)
		}
		if _, err := w.broker.Reservation(w.ctx, c.caller, r.ID); rolebroker.CodeOf(err) != c.read {
			t.Errorf("%s looks at one: %v", who, err)
		}
		if err := w.broker.ReleaseExternalID(w.ctx, c.caller, r.ID); rolebroker.CodeOf(err) != c.write {
			t.Errorf("%s gives one back: %v", who, err)
		}
		draft := rolebroker.Integration{ExternalID: r.ExternalID, AssumptionMode: rolebroker.ModePlatform}
		if _, err := w.broker.SetupDraft(w.ctx, c.caller, draft, rolebroker.SetupRequest{}); rolebroker.CodeOf(err) != c.draft {
			t.Errorf("%s asks for the setup: %v", who, err)
		}
	}
	if got, err := w.broker.Reservation(w.ctx, reader, r.ID); err != nil || *got != *r {
		t.Errorf("what was reserved is %+v: %v", got, err)
	}
}

// What is done to external IDs is in the log by their IDs, and who did it.
func TestExternalIDsAreAudited(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *broker.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r := w.reserves()
	if err := w.broker.ReleaseExternalID(w.ctx, admin, r.ID); err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"external-id.reserve", "external-id.release"} {
		want := "action=" + action + " outcome=done by=test by_id=key_test reservation_id=" + string(r.ID)
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), r.ExternalID) {
		t.Error("the log has the external ID")
	}
}
