package trail

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Record returns the record of an audit event: one line of JSON, without HTML escapes and white space.
func Record(e *rolebroker.AuditEvent) ([]byte, error) {
	kind, id := e.Actor.Actor()
	record := api.AuditEvent{
		ID: string(e.ID), Time: e.At.UTC(), Action: string(e.Action), Outcome: string(e.Outcome()),
		Actor: api.AuditActor{Kind: string(kind), ID: id, Name: e.Actor.Name, Claimed: e.Claimed,
			Address: e.Actor.Address,
			Token:   TokenOf(&e.Actor), ServiceAccount: e.Actor.Workload.Account(),
			Pod: e.Actor.Workload.Pod},
		RequestID: string(e.Actor.Request), Before: e.Before, After: e.After,
	}
	for _, s := range e.Subjects {
		record.Subjects = append(record.Subjects, api.AuditSubject{Kind: string(s.Kind), ID: s.ID, Name: s.Name})
	}
	if e.Refusal != nil {
		record.Code, record.Reason = string(e.Refusal.Code), e.Refusal.Error()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(record)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// TokenOf returns the ID of what the caller showed, if the trail names that: an agent token, a binding, or a runner's
// credential or join token.
func TokenOf(who *rolebroker.Caller) string { return string(who.Token) + string(who.RunnerKey) }

// Selects says whether a filter selects a record. It selects each record that cannot be read, since someone altered it.
func Selects(f rolebroker.AuditFilter, record []byte) bool {
	e, err := Event(record)
	if err != nil {
		return true
	}
	actor := e.Actor.Name
	if rolebroker.IsID(f.Actor) {
		actor = e.Actor.ID
	}
	action := e.Action
	if !strings.Contains(f.Action, ".") {
		action, _, _ = strings.Cut(action, ".")
	}
	return (f.Actor == "" || f.Actor == actor) && (f.Action == "" || f.Action == action) &&
		(f.Outcome == "" || string(f.Outcome) == e.Outcome) && (f.Token == "" || f.Token == e.Actor.Token) &&
		(f.Address == "" || f.Address == e.Actor.Address) && (f.Request == "" || string(f.Request) == e.RequestID) &&
		(f.Since.IsZero() || !e.Time.Before(f.Since)) && (f.Until.IsZero() || e.Time.Before(f.Until)) &&
		(f.Subject == "" || slices.ContainsFunc(e.Subjects, func(s api.AuditSubject) bool {
			return f.Subject == s.ID || f.Subject == s.Name
		}))
}

// Event returns what a record says.
func Event(record []byte) (e api.AuditEvent, err error) {
	err = json.Unmarshal(record, &e)
	return e, err
}
