package web

import (
	"testing"

	"github.com/rolebroker/rolebroker/api"
)

// Each event has a sentence that is true of what was done, and of what was refused.
func TestDeeds(t *testing.T) {
	t.Parallel()
	for action, want := range map[string][2]string{
		"access-request.approve":    {"Approved an access request", "Approve an access request"},
		"agent.set-default":         {"Chose the default integration", "Choose the default integration"},
		"api-key.create":            {"Created an API key", "Create an API key"},
		"external-id.reserve":       {"Reserved an external ID", "Reserve an external ID"},
		"integration.update":        {"Changed an integration", "Change an integration"},
		"session.begin":             {"Borrowed a role", "Borrow a role"},
		"what-no-version.knows-yet": {"what-no-version.knows-yet", "what-no-version.knows-yet"},
		"":                          {"", ""},
	} {
		for i, outcome := range []string{"done", "refused"} {
			if got := (eventRow{AuditEvent: api.AuditEvent{Action: action, Outcome: outcome}}).Deed(); got != want[i] {
				t.Errorf("%s, %s: %q", action, outcome, got)
			}
		}
	}
}
