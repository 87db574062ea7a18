package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// The list of sessions has a button that ends a live session, and then says when and
// by whom it was ended, and until when its keys work.
func TestEndingASession(t *testing.T) {
	s := newSite(t, true)
	arn, err := rolebroker.ParseRoleARN("arn:aws:iam::444455556666:role/ReadOnly")
	if err != nil {
		t.Fatal(err)
	}
	session := rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionActive,
		Agent: rolebroker.NewAgentID(), AgentName: "scout", Integration: rolebroker.NewIntegrationID(),
		IntegrationName: "production", Role: rolebroker.NewRoleID(), RoleName: "readonly", ARN: arn,
		Region:      "us-east-1",
		SessionName: "scout", RequestedAt: s.now, ExpiresAt: s.now.Add(time.Hour), AccessKeyID: "ASIAEXAMPLE"}
	if err := s.store.RecordSession(context.Background(), &session, session.BeginEvent(session.RequestedAt)); err != nil {
		t.Fatal(err)
	}
	end := "/sessions/" + string(session.ID) + "/end"
	shows := func(b *browser, target string, wants, not string) {
		t.Helper()
		if page := b.get(target).Body.String(); !strings.Contains(page, wants) || strings.Contains(page, not) {
			t.Errorf("%s has no %q, or has %q:\n%s", target, wants, not, page)
		}
	}
	reader := s.as(s.reader)
	shows(reader, "/sessions", "live", end)
	if answer := reader.post(end); answer.Code != http.StatusForbidden {
		t.Errorf("a reader's POST answers %d", answer.Code)
	}
	admin := s.as(s.admin)
	shows(admin, "/sessions", `action="`+end+`"`, "by admin")
	s.now = s.now.Add(time.Minute)
	answer := admin.post(end)
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/sessions?done=ended" {
		t.Errorf("it answers %d and leads to %s", answer.Code, answer.Header().Get("Location"))
	}
	shows(admin, "/sessions?done=ended", "Ended. Nobody gets its credentials any more", end)
	shows(admin, "/sessions", "by admin; keys from before work until", end)
}
