package trail

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

func TestSelects(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	record, err := Record(&rolebroker.AuditEvent{ID: "evt_1", At: at, Action: rolebroker.ActionAgentConnect,
		Actor:    rolebroker.Caller{APIKey: "key_aaaaaaaaaaaaaaaaaaaaaaaaaa", Name: "admin"},
		Subjects: []rolebroker.Subject{{Kind: rolebroker.KindAgent, ID: "agt_1", Name: "scout"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]rolebroker.AuditFilter{
		"nothing": {}, "its name": {Actor: "admin"}, "its ID": {Actor: "key_aaaaaaaaaaaaaaaaaaaaaaaaaa"},
		"the noun": {Action: "agent"}, "the action": {Action: "agent.connect"}, "the subject": {Subject: "scout"},
		"the subject's ID": {Subject: "agt_1"}, "the outcome": {Outcome: rolebroker.OutcomeDone},
		"since": {Since: at}, "until": {Until: at.Add(1)},
	} {
		if !Selects(f, record) {
			t.Errorf("%s does not select it", name)
		}
	}
	for name, f := range map[string]rolebroker.AuditFilter{
		"another actor": {Actor: "adm"}, "another ID": {Actor: "key_baaaaaaaaaaaaaaaaaaaaaaaaa"},
		"another noun": {Action: "age"}, "another action": {Action: "agent.disconnect"}, "another subject": {Subject: "x"},
		"another outcome": {Outcome: rolebroker.OutcomeRefused}, "since": {Since: at.Add(1)}, "until": {Until: at},
		"one of two": {Actor: "admin", Subject: "x"},
	} {
		if Selects(f, record) {
			t.Errorf("%s selects it", name)
		}
	}
	if !Selects(rolebroker.AuditFilter{Actor: "x"}, []byte(`{"id":`)) {
		t.Error("an event that was altered is not shown")
	}
}
