package lend_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
)

const getOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`

func (w *world) limit(l broker.Limits) {
	w.Helper()
	if _, err := w.broker.Connect(w.ctx, admin, "scout", "production", &l, 0); err != nil {
		w.Fatal(err)
	}
}

// Credentials of one access are not handed out under another, and none from before a change comes back.
func TestAChangeOfAccessEndsWhatWasLent(t *testing.T) {
	w := newWorld(t)
	seen := map[rolebroker.SessionID]rolebroker.Access{}
	for _, l := range []broker.Limits{{}, {Access: rolebroker.AccessReadOnly}, {Access: rolebroker.AccessViewOnly},
		{Access: rolebroker.AccessPolicy, SessionPolicy: getOnly},
		{Access: rolebroker.AccessPolicy, SessionPolicy: strings.Replace(getOnly, "Get", "List", 1)},
		{Access: rolebroker.AccessReadOnly}, {}} {
		w.limit(l)
		loan := w.mustLend("readonly")
		if before, known := seen[loan.Session]; known {
			t.Errorf("with %+v the session of access %s is handed out", l, before)
		}
		seen[loan.Session] = loan.Access
		calls := w.aws.Assumed()
		call := calls[len(calls)-1]
		if l.SessionPolicy != "" && call.Policy != l.SessionPolicy || (l.Access == "") != (call.Policy == "") {
			t.Errorf("with %+v STS got the policy %s", l, call.Policy)
		}
		if again := w.mustLend("readonly"); again.Session != loan.Session {
			t.Errorf("with %+v the second request starts a session", l)
		}
		stored, err := w.store.Session(w.ctx, loan.Session)
		if err != nil || stored.Access != loan.Access || stored.Narrowed {
			t.Errorf("the record has %q (%v)", stored.Access, err)
		}
	}
}

// A request can only narrow.
func TestARequestOnlyNarrows(t *testing.T) {
	w := newWorld(t)
	borrow := func(access rolebroker.Access) (*rolebroker.Loan, error) {
		return w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Role: "readonly", Access: access})
	}
	allow := func(asked, want rolebroker.Access) *rolebroker.Loan {
		t.Helper()
		loan, err := borrow(asked)
		if err != nil || loan.Access != want {
			t.Fatalf("asking for %q gives %+v, %v; want %s", asked, loan, err, want)
		}
		return loan
	}
	full, narrow := allow("", rolebroker.AccessFull), allow(rolebroker.AccessReadOnly, rolebroker.AccessReadOnly)
	if full.Session == narrow.Session || allow(rolebroker.AccessReadOnly, rolebroker.AccessReadOnly) != narrow {
		t.Error("a narrowed request shares the session of one that is not, or none with its like")
	}
	if stored, err := w.store.Session(w.ctx, narrow.Session); err != nil || !stored.Narrowed {
		t.Errorf("the record does not say that it was narrowed (%v)", err)
	}
	for _, asked := range []rolebroker.Access{"full", "view-only", "policy", "Read-Only"} {
		if _, err := borrow(asked); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Errorf("asking for %q: %v", asked, err)
		}
	}
	for _, access := range []rolebroker.Access{rolebroker.AccessReadOnly, rolebroker.AccessViewOnly} {
		w.limit(broker.Limits{Access: access})
		if allow(rolebroker.AccessReadOnly, access) != allow("", access) {
			t.Errorf("with %s a narrowed request has a session of its own", access)
		}
	}
	w.limit(broker.Limits{Access: rolebroker.AccessPolicy, SessionPolicy: getOnly})
	if _, err := borrow(rolebroker.AccessReadOnly); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("a session policy and read-only: %v", err)
	}
	allow("", rolebroker.AccessPolicy)
}

// AWS measures session policies and tags together. The refusal says what to shorten.
func TestAPolicyThatIsTooLargeWithTheTagsIsExplained(t *testing.T) {
	w := newWorld(t)
	w.limit(broker.Limits{Access: rolebroker.AccessPolicy, // before the tags are sent
		SessionPolicy: strings.Replace(getOnly, "Get*", strings.Repeat("x", 1950), 1)})
	in, err := w.broker.Integration(w.ctx, admin, "production")
	if err != nil {
		t.Fatal(err)
	}
	in.SessionTags = true
	w.aws.Account(customerAccount).CreateRole(awssim.Role{Name: "Tagged", TrustPolicy: strings.Replace(
		trusting(platformAccount), `"sts:AssumeRole"`, `["sts:AssumeRole", "sts:TagSession"]`, 1)})
	in.Roles[0].ARN.Name = "Tagged"
	if _, err := w.broker.UpdateIntegration(w.ctx, admin, "production", *in, 0,
		rolebroker.ValidateSkip.Saving()); err != nil {
		t.Fatal(err)
	}
	_, err = w.lend("readonly")
	refusal := rolebroker.AsError(err)
	if refusal == nil || refusal.Code != rolebroker.CodeDenied ||
		!strings.Contains(refusal.Message, "the session policy and the session tags of role production/readonly are too large") ||
		!strings.Contains(refusal.Hint.String(), "--session-policy FILE") ||
		!strings.Contains(refusal.Hint.String(), "rolebroker integration update production --session-tags=false") {
		t.Errorf("%v\n%s", err, refusal.Hint)
	}
}
