package broker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

func TestEndingASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lend := func() *rolebroker.Loan {
			t.Helper()
			loan, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{})
			if err != nil {
				t.Fatal(err)
			}
			return loan
		}
		first := lend()
		if _, _, err := w.broker.EndSession(w.ctx, reader,
			first.Session, false); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
			t.Errorf("a read-only key gets %v", err)
		}
		time.Sleep(time.Minute)
		ended, _, err := w.broker.EndSession(w.ctx, admin, first.Session, false)
		if err != nil || !ended.EndedAt.Equal(time.Now()) || ended.EndedBy != "test" || !ended.Live(time.Now()) {
			t.Errorf("it is %+v, %v", ended, err)
		}
		if lend().Session == first.Session {
			t.Error("the ended session was handed out")
		}
		time.Sleep(time.Minute)
		again, _, err := w.broker.EndSession(w.ctx, admin, first.Session, false)
		if err != nil || !again.EndedAt.Equal(ended.EndedAt) {
			t.Errorf("ended again it is %+v, %v", again, err)
		}
		second := lend()
		time.Sleep(2 * time.Hour)
		if _, _, err := w.broker.EndSession(w.ctx, admin, second.Session, false); rolebroker.CodeOf(err) !=
			rolebroker.CodeConflict || !strings.Contains(err.Error(), "expired at") {
			t.Errorf("an expired session: %v", err)
		}
		if _, err := w.broker.EndSessions(w.ctx, admin, "", ""); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Errorf("all sessions: %v", err)
		}
	})
}
