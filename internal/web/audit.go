package web

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// auditEvents is the part of the broker that has the audit trail.
type auditEvents interface {
	AuditEvents(ctx context.Context, who rolebroker.Caller, filter rolebroker.AuditFilter, page rolebroker.Page) (
		[]rolebroker.AuditRecord, error)
	TrailState(ctx context.Context, who rolebroker.Caller) (rolebroker.AuditTrail, error)
}

// auditPath is the address of the activity.
const auditPath = "/audit"

// auditFilters are the filters in the address of the page, as auditPage has them, and the flags of rolebroker audit list.
var auditFilters = []struct{ name, flag string }{
	{"actor", "--actor"}, {"subject", "--subject"}, {"action", "--action"}, {"outcome", "--outcome"}, {"since", "--since"},
	{"until", "--until"}, {"token", "--token"}, {"address", "--address"}, {"request_id", "--request-id"},
}

// eventsPerPage is how many events a page has. Each carries its details.
const eventsPerPage = 40

// auditPage lists audit events, the newest first.
type auditPage struct {
	list
	Filter  map[string]string // what was typed, by the names in auditFilters; empty values are left out
	Problem string            // why the filter selects nothing; empty: it is valid
	Rows    []eventRow
	Trail   rolebroker.AuditTrail
	Signed  moment // when its checkpoint was signed
	Command string // that lists the same
}

// Filtered returns whether the page leaves out some events.
func (p auditPage) Filtered() bool { return len(p.Filter) > 0 }

// Narrow returns whether a filter is set that few people need.
func (p auditPage) Narrow() bool {
	return p.Filter["token"]+p.Filter["address"]+p.Filter["request_id"] != ""
}

// Unsigned is how many events no checkpoint covers yet.
func (p auditPage) Unsigned() int64 { return p.Trail.Size + p.Trail.Waiting - p.Trail.Checkpoint }

// Local is a time of the filter as browsers take it; empty if it is none.
func (p auditPage) Local(name string) string {
	if at := momentIn(p.Filter[name]); !at.IsZero() {
		return at.UTC().Format("2006-01-02T15:04:05")
	}
	return ""
}

// at is the address of a page with the same filters.
func (p auditPage) at(after string) string {
	values := url.Values{}
	for name, value := range p.Filter {
		values.Set(name, value)
	}
	if after != "" {
		values.Set("after", after)
	}
	if len(values) == 0 {
		return auditPath
	}
	return auditPath + "?" + values.Encode()
}

// eventRow is one audit event.
type eventRow struct {
	api.AuditEvent
	When    moment
	By      thing // the actor
	On      []thing
	Tone    string
	Changes []factRow
	Signed  bool // a signed checkpoint covers it
}

// thing is something that an event names, with where a page about it is.
type thing struct {
	Kind, Name string
	Page       string // its own page; empty: there is none
	Events     string // the page of its events; empty: it has neither ID nor name
}

// factRow is a field of an event with its values before and after.
type factRow struct{ Field, Before, After string }

func (s *server) listAudit(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	page := auditPage{Filter: auditFilterOf(r)}
	page.Path, page.Noun, page.Plural, page.After = auditPath, "event", "events", query.Get("after")
	part := r.Header.Get("HX-Target") == "rows" // the browser has the rest of the page
	if part {
		page.base = s.partBase(r, v)
	} else {
		page.base = s.base(r, v, "Activity", "audit")
	}
	if err := s.addEvents(r.Context(), v, &page); err != nil {
		return err
	}
	if part {
		return s.renderPart(w, http.StatusOK, "audit", "rows", page)
	}
	return s.render(w, http.StatusOK, "audit", page)
}

// auditFilterOf is the filter in the address of the request.
func auditFilterOf(r *http.Request) map[string]string {
	set := map[string]string{}
	for _, f := range auditFilters {
		if value := strings.TrimSpace(r.URL.Query().Get(f.name)); value != "" {
			set[f.name] = value
		}
	}
	return set
}

// Export is the address of the events with the same filters, as JSON lines.
func (p auditPage) Export() string {
	values := url.Values{}
	for name, value := range p.Filter {
		values.Set(name, value)
	}
	return auditExportPath + "?" + values.Encode()
}

// addEvents reads the events of the page, and the state of the trail.
func (s *server) addEvents(ctx context.Context, v *visit, page *auditPage) (err error) {
	if page.Trail, err = s.Broker.TrailState(ctx, v.who); err != nil {
		return err
	}
	page.Signed = when(page.Trail.CheckpointAt, page.Now)
	page.Command = page.command()
	filter, err := page.filter()
	var found []rolebroker.AuditRecord
	if err == nil {
		page.Words = newestFirst
		found, err = readPage(&page.paging, eventsPerPage, page.at, rolebroker.AuditCursor,
			func(p rolebroker.Page) ([]rolebroker.AuditRecord, error) {
				return s.Broker.AuditEvents(ctx, v.who, filter, p)
			})
	}
	if e := rolebroker.AsError(err); err != nil && e.Code == rolebroker.CodeInvalid && len(e.Fields) > 0 {
		page.Problem, err = auditLabels[e.Fields[0].Path]+" "+e.Fields[0].Message, nil
	}
	for _, record := range found {
		page.Rows = append(page.Rows, rowOfEvent(&record, page.Now, page.Trail.Checkpoint))
	}
	return err
}

// auditLabels are what the page calls its filters.
var auditLabels = map[string]string{"since": "From", "until": "To", "token": "Token", "address": "Address",
	"request_id": "Request", "outcome": "Outcome"}

// filter is what the filters in the address select. Codes: invalid.
func (p *auditPage) filter() (f rolebroker.AuditFilter, err error) {
	f = rolebroker.AuditFilter{Actor: p.Filter["actor"], Subject: p.Filter["subject"], Action: p.Filter["action"],
		Token: p.Filter["token"], Address: p.Filter["address"], Request: rolebroker.RequestID(p.Filter["request_id"])}
	switch outcome := rolebroker.AuditOutcome(p.Filter["outcome"]); outcome {
	case "", rolebroker.OutcomeRefused, rolebroker.OutcomeDone:
		f.Outcome = outcome
	default:
		return f, wrongFilter("outcome", "must be done or refused")
	}
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if p.Filter[name] == "" {
			continue
		}
		if *at = momentIn(p.Filter[name]); at.IsZero() {
			return f, wrongFilter(name, "must be a time in UTC, as in 2026-03-14T09:26")
		}
	}
	return f, nil
}

func wrongFilter(name, message string) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the filter is not valid",
		Fields: []rolebroker.Field{{Path: name, Message: message}}}
}

// momentIn reads a time in UTC, as browsers send it, or a date; the zero time if it is neither.
func momentIn(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}

// command lists the same events on the command line.
func (p *auditPage) command() string {
	words := []string{"rolebroker", "audit", "list"}
	for _, f := range auditFilters {
		value := p.Filter[f.name]
		if at := momentIn(value); (f.name == "since" || f.name == "until") && !at.IsZero() {
			value = at.UTC().Format(time.RFC3339)
		}
		if value != "" {
			words = append(words, f.flag, value)
		}
	}
	return rolebroker.ShellCommand(words...)
}

// rowOfEvent is a record as pages show it. signed is how many records of the trail the newest checkpoint covers.
func rowOfEvent(r *rolebroker.AuditRecord, now time.Time, signed int64) eventRow {
	e, err := trail.Event(r.Record)
	if err != nil {
		e = api.AuditEvent{ID: string(r.ID), Time: r.At, Reason: "the record cannot be read: it was altered in the database"}
	}
	row := eventRow{AuditEvent: e, When: when(e.Time, now), By: actorOf(&e.Actor), Tone: "good",
		Changes: changesOf(&e), Signed: r.Sequence >= 0 && r.Sequence < signed}
	if e.Outcome != string(rolebroker.OutcomeDone) {
		row.Tone = "bad"
	}
	for _, s := range e.Subjects {
		row.On = append(row.On, thingOf(s.Kind, s.ID, s.Name))
	}
	return row
}

// actorOf names who did it.
func actorOf(a *api.AuditActor) thing {
	t := thingOf(a.Kind, a.ID, a.Name)
	t.Name = cmp.Or(t.Name, wordOf(a.Kind))
	switch rolebroker.ActorKind(a.Kind) {
	case rolebroker.ActorJoinToken:
		t.Page = ""
	case rolebroker.ActorAPIKey, rolebroker.ActorUser:
		t.Page = "/settings"
	}
	t.Events = eventsOf("actor", cmp.Or(a.ID, a.Name))
	return t
}

// pagesOf are the beginnings of the addresses of things by their IDs.
var pagesOf = map[rolebroker.Kind]string{
	rolebroker.KindAgent: "/agents/", rolebroker.KindIntegration: "/integrations/", rolebroker.KindRunner: "/runners/",
	rolebroker.KindAccessRequest: rolebroker.AccessRequestPage, rolebroker.KindSession: "/sessions/",
	rolebroker.KindRole: "/roles/", rolebroker.KindApprovalRule: rulesPath + "/",
}

// pageOf is the address of the page of a thing. With the name of one of its tabs behind it, it is that of the tab.
func pageOf[ID ~string](kind rolebroker.Kind, id ID) string {
	return pagesOf[kind] + url.PathEscape(string(id))
}

// thingOf names something of an event. Its page may say that it is gone.
func thingOf(kind, id, name string) thing {
	t := thing{Kind: wordOf(kind), Name: cmp.Or(name, id), Events: eventsOf("subject", cmp.Or(id, name))}
	if pagesOf[rolebroker.Kind(kind)] != "" && id != "" {
		t.Page = pageOf(rolebroker.Kind(kind), id)
	}
	return t
}

// wordOf writes a kind for people.
func wordOf(kind string) string {
	return strings.ReplaceAll(strings.Replace(kind, "api_", "API ", 1), "_", " ")
}

// eventsOf is the address of the events with a filter; empty without a value.
func eventsOf(filter, value string) string {
	if value == "" {
		return ""
	}
	return auditPath + "?" + url.Values{filter: {value}}.Encode()
}

// changesOf has the fields of an event in the order of their names.
func changesOf(e *api.AuditEvent) (rows []factRow) {
	fields := maps.Clone(e.Before)
	if fields == nil {
		fields = map[string]string{}
	}
	maps.Copy(fields, e.After)
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		rows = append(rows, factRow{field, e.Before[field], e.After[field]})
	}
	return rows
}
