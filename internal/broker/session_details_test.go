package broker_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// explained is a session of the agent scout with what explains it.
func (w *world) explained(role string) *rolebroker.SessionDetails {
	w.Helper()
	who := w.scout
	who.Request = "the-request"
	if _, err := w.lender.Lend(w.ctx, who, rolebroker.Request{Role: role}); err != nil {
		w.Fatal(err)
	}
	found, err := w.broker.Sessions(w.ctx, admin, rolebroker.SessionFilter{}, rolebroker.Page{Limit: 1})
	if err != nil || len(found) == 0 {
		w.Fatal(err)
	}
	d, err := w.broker.Session(w.ctx, reader, found[0].ID)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

// allowedBy fails the test unless the record that allowed a session has the text.
func (w *world) allowedBy(d *rolebroker.SessionDetails, text string) {
	w.Helper()
	if d.AllowedBy == nil || !strings.Contains(string(d.AllowedBy.Record), text) {
		w.Errorf("it was allowed by %+v, want %s", d.AllowedBy, text)
	}
}

// A session is explained by the last change of its connection before it began, whoever made that change in whichever way,
// also when the integration had another name then.
func TestTheChangeThatAllowedASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		change := func(_ any, err error) {
			t.Helper()
			time.Sleep(2 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
		}
		connect := func(integration string, access rolebroker.Access) {
			t.Helper()
			change(w.broker.Connect(w.ctx, admin, "scout", integration, &broker.Limits{Access: access}, 0))
		}
		time.Sleep(time.Second)
		d := w.explained("deployer")
		w.allowedBy(d, `"agent.create"`)
		if d.BegunBy != "the-request" || len(d.Events) != 2 || d.MoreEvents || d.AgentGone || d.Approval != nil {
			t.Errorf("it is %+v", d)
		}
		connect("production", rolebroker.AccessReadOnly)
		connect("staging", rolebroker.AccessViewOnly) // of another integration
		change(w.broker.DisableAgent(w.ctx, admin, "scout"))
		change(w.broker.EnableAgent(w.ctx, admin, "scout"))
		d = w.explained("deployer")
		w.allowedBy(d, `"agent.connect"`)
		w.allowedBy(d, `access read-only`)

		// An update of the agent as a whole names the integration as it was called then.
		change(w.broker.UpdateAgent(w.ctx, admin, "scout", broker.AgentSpec{Name: "scout", Connections: &[]broker.ConnectionSpec{
			{Integration: "production", Limits: &broker.Limits{Access: rolebroker.AccessViewOnly}}, {Integration: "staging"}}}, 0))
		in, err := w.broker.Integration(w.ctx, admin, "production")
		if err != nil {
			t.Fatal(err)
		}
		renamed := *in
		renamed.Name = "live"
		change(w.broker.UpdateIntegration(w.ctx, admin, "production", renamed, 0, rolebroker.ValidateSkip.Saving()))
		d = w.explained("live/deployer")
		w.allowedBy(d, `"agent.update"`)
		w.allowedBy(d, `access view-only`)

		// What changes later explains nothing.
		time.Sleep(time.Second)
		connect("live", rolebroker.AccessFull)
		again, err := w.broker.Session(w.ctx, admin, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		w.allowedBy(again, `"agent.update"`)

		if err := w.broker.DeleteAgent(w.ctx, admin, "scout", 0); err != nil {
			t.Fatal(err)
		}
		if again, err = w.broker.Session(w.ctx, admin, d.ID); err != nil || !again.AgentGone {
			t.Errorf("it is %+v: %v", again, err)
		}
		w.allowedBy(again, `"agent.update"`)
	})
}

// Sessions are for people: no agent reads one, not even its own, and a refusal is recorded.
func TestAnAgentReadsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.explained("deployer")
		for who, code := range map[*rolebroker.Caller]rolebroker.Code{&w.scout: rolebroker.CodeDenied,
			{}: rolebroker.CodeUnauthenticated} {
			if found, err := w.broker.Session(w.ctx, *who, d.ID); found != nil || rolebroker.CodeOf(err) != code {
				t.Errorf("%+v gets %v: %v, want %s", who, found, err, code)
			}
		}
		if _, err := w.broker.Session(w.ctx, reader, "ses_aaaaaaaaaaaaaaaaaaaaaaaaaa"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			t.Errorf("an unknown session: %v", err)
		}
	})
}
