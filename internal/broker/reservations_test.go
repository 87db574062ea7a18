package broker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// reserves reserves an external ID.
func (w *world) reserves() *rolebroker.Reservation {
	w.Helper()
	r, err := w.broker.ReserveExternalID(w.ctx, admin)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// An audit event has the ID of the reservation, and not the external ID.
func TestExternalIDsAreAudited(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *broker.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r := w.reserves()
	if found, err := w.broker.Reservation(w.ctx, reader, r.ID); err != nil || *found != *r {
		t.Errorf("the reservation is %+v: %v", found, err)
	}
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
