package broker_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

var deleteTable = &rolebroker.AskedCall{Service: "dynamodb", Operation: "DeleteTable", Region: "eu-west-1",
	Actions: []string{"dynamodb:DeleteTable"}, Resources: []string{"arn:aws:dynamodb:eu-west-1:444455556666:table/jobs"},
	Level: rolebroker.CallWrite}

// changer is a world in which scout's changes need an approval.
type changer struct {
	*world
	over chan error // what its calls got
}

func newChanger(t *testing.T) *changer {
	w := &changer{newWorld(t), make(chan error, 100)}
	if _, err := w.broker.Connect(w.ctx, admin, "scout", "production", &broker.Limits{Keys: rolebroker.KeysWithheld,
		Approval: rolebroker.ApprovalWrite}, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// calls sends n calls, which wait for 25 seconds.
func (w *changer) calls(ctx context.Context, n int) {
	for range n {
		go func() {
			_, _, err := w.broker.MayCall(ctx, w.scout, rolebroker.Request{Role: "deployer", Task: "tidy"}, deleteTable,
				25*time.Second)
			w.over <- err
		}()
	}
	synctest.Wait()
}

// got checks how many calls are over, and with which code.
func (w *changer) got(n int, code rolebroker.Code) {
	w.Helper()
	synctest.Wait()
	if len(w.over) != n {
		w.Errorf("%d calls are over, want %d", len(w.over), n)
	}
	for range len(w.over) {
		if err := <-w.over; rolebroker.CodeOf(err) != code {
			w.Errorf("a call got %v, want %q", err, code)
		}
	}
}

func TestCallsThatWaitAreBoundedAndLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newChanger(t)
		ctx, hangUp := context.WithCancel(t.Context())
		w.calls(ctx, 12)
		w.got(2, rolebroker.CodeApproval) // more than ten do not wait
		hangUp()
		w.got(10, rolebroker.CodeApproval)
		w.calls(t.Context(), 10)
		w.got(0, "")
		time.Sleep(24 * time.Second)
		w.got(0, "")
		time.Sleep(time.Second)
		w.got(10, rolebroker.CodeApproval)
		asked, err := w.broker.AccessRequests(t.Context(), admin, rolebroker.AccessRequestFilter{}, rolebroker.Page{Limit: 9})
		if err != nil || len(asked) != 1 || asked[0].About != rolebroker.ApprovalWrite || asked[0].Call.String() != deleteTable.String() {
			t.Errorf("it asked %+v, %v", asked, err)
		}

		w.calls(t.Context(), 3)
		bob := rolebroker.Caller{APIKey: "key_bob", Name: "bob", Access: rolebroker.KeyApprover}
		if _, err := w.broker.ApproveRequest(t.Context(), bob, asked[0].ID, rolebroker.ApprovalTerms{
			Duration: time.Minute}); err != nil {
			t.Fatal(err)
		}
		w.got(3, "")
		time.Sleep(time.Minute) // the grant is over: that is another question
		w.calls(t.Context(), 1)
		w.got(0, "")
		if _, err := w.broker.CutOff(t.Context(), admin, "scout", broker.CuttingOff{Reason: "odd"}); err != nil {
			t.Fatal(err)
		}
		w.got(1, rolebroker.CodeDenied)
	})
}

// The digest of an hour is the hash of its export. It comes once, six hours after the hour, and holds what was recorded.
func TestTheDigestOfAnHourIsThatOfItsExport(t *testing.T) {
	hour := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	now := hour.Add(time.Hour)
	w := newWorld(t, func(o *broker.Options) { o.Now = func() time.Time { return now } })
	for i := range 700 { // more than one page
		call := rolebroker.Call{ID: rolebroker.NewCallID(hour.Add(time.Duration(i) * 5 * time.Second)), Agent: w.scout.Agent,
			Service: "dynamodb", Operation: "GetItem<>&", Level: rolebroker.CallRead, Decision: rolebroker.CallAllowed,
			Times: 1, EndedAt: hour.Add(time.Hour), Status: 200}
		if err := w.store.RecordCalls(w.ctx, []rolebroker.Call{call}); err != nil {
			t.Fatal(err)
		}
	}
	digests := func() []rolebroker.AuditRecord {
		t.Helper()
		if err := w.broker.DigestCalls(w.ctx); err != nil {
			t.Fatal(err)
		}
		found, err := w.broker.AuditEvents(w.ctx, admin, rolebroker.AuditFilter{Action: "call.digest"}, rolebroker.Page{Limit: 9})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	now = hour.Add(7*time.Hour - time.Second)
	if n := len(digests()); n != 0 {
		t.Errorf("there are %d digests too early", n)
	}
	now = now.Add(time.Second)
	digests()
	found := digests()
	write, err := w.broker.ExportCalls(w.ctx, admin, hour, hour.Add(time.Hour))
	if err != nil || len(found) != 1 {
		t.Fatal(len(found), err)
	}
	var export strings.Builder
	if err := write(&export); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(export.String()))
	if record := string(found[0].Record); !strings.Contains(record, hex.EncodeToString(sum[:])) ||
		!strings.Contains(record, `"calls":"700"`) || strings.Count(export.String(), "\n") != 700 {
		t.Errorf("the trail has %s, and the hash is %x", record, sum)
	}
}

// A call that was denied is asked about again with a reason, and by its own agent only.
func TestACallIsAskedAboutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newChanger(t)
		w.calls(t.Context(), 1)
		asked, err := w.broker.AccessRequests(t.Context(), admin, rolebroker.AccessRequestFilter{}, rolebroker.Page{Limit: 9})
		if err != nil || len(asked) != 1 {
			t.Fatalf("it asked %+v, %v", asked, err)
		}
		bob := rolebroker.Caller{APIKey: "key_bob", Name: "bob", Access: rolebroker.KeyApprover}
		if _, err := w.broker.DenyRequest(t.Context(), bob, asked[0].ID, "no"); err != nil {
			t.Fatal(err)
		}
		w.got(1, rolebroker.CodeDenied)
		_, _, err = w.broker.MayCall(t.Context(), w.scout, rolebroker.Request{Role: "deployer", Task: "tidy"}, deleteTable, 0)
		if again := "rolebroker request --again " + string(asked[0].ID); rolebroker.CodeOf(err) != rolebroker.CodeDenied ||
			!strings.Contains(rolebroker.AsError(err).Hint.String(), again) {
			t.Errorf("asked once more, it is %v, without %q", err, again)
		}
		spec := broker.AccessRequestSpec{Again: asked[0].ID, Reason: "the table is empty"}
		for name, c := range map[string]struct {
			who  rolebroker.Caller
			spec broker.AccessRequestSpec
			code rolebroker.Code
		}{
			"another agent": {rolebroker.Caller{Agent: "agt_other", Token: "tok_other"}, spec, rolebroker.CodeDenied},
			"another role":  {w.scout, broker.AccessRequestSpec{Again: asked[0].ID, Role: "deployer", Reason: "r"}, rolebroker.CodeInvalid},
			"another task":  {w.scout, broker.AccessRequestSpec{Again: asked[0].ID, Task: "x", Reason: "r"}, rolebroker.CodeInvalid},
			"no request":    {w.scout, broker.AccessRequestSpec{Again: "req_none", Reason: "r"}, rolebroker.CodeNotFound},
		} {
			if _, err := w.broker.RequestAccess(t.Context(), c.who, c.spec); err == nil ||
				c.code != rolebroker.CodeDenied && rolebroker.CodeOf(err) != c.code {
				t.Errorf("%s: it is %v, want %s", name, err, c.code)
			}
		}
		again, err := w.broker.RequestAccess(t.Context(), w.scout, spec)
		if err != nil || again.ID == asked[0].ID || again.Call.String() != deleteTable.String() || again.Task != "tidy" ||
			again.Reason != spec.Reason {
			t.Fatalf("it asked %+v, %v", again, err)
		}
		w.calls(t.Context(), 1) // waits for that request
		w.got(0, "")
		if _, err := w.broker.ApproveRequest(t.Context(), bob, again.ID, rolebroker.ApprovalTerms{}); err != nil {
			t.Fatal(err)
		}
		w.got(1, "")
	})
}
