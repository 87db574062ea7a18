package web

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// activity is a page of the events about one thing, the newest first. The part "activity" shows it.
type activity struct {
	paging
	Rows   []eventRow
	All    string // the address of the same events where they can be filtered further
	Export string // the address of the same events as JSON lines
}

// activityOf reads the page of the events about a thing that the request asks for. subject is the ID of the thing, and
// address that of its page of activity.
func (s *server) activityOf(r *http.Request, v *visit, subject, address string) (a activity, err error) {
	about := url.Values{"subject": {subject}}.Encode()
	a = activity{paging: paging{After: r.URL.Query().Get("after"), Words: newestFirst}, All: auditPath + "?" + about,
		Export: auditExportPath + "?" + about}
	state, err := s.Broker.TrailState(r.Context(), v.who)
	if err != nil {
		return a, err
	}
	at := func(after string) string { return addressOf(address, "after", after) }
	found, err := readPage(&a.paging, eventsPerPage, at, rolebroker.AuditCursor,
		func(page rolebroker.Page) ([]rolebroker.AuditRecord, error) {
			return s.Broker.AuditEvents(r.Context(), v.who, rolebroker.AuditFilter{Subject: subject}, page)
		})
	if err != nil {
		return a, err
	}
	now := s.Now()
	for i := range found {
		a.Rows = append(a.Rows, rowOfEvent(&found[i], now, state.Checkpoint))
	}
	return a, nil
}

// maxChanges is how many changes of an event are in view before somebody opens it.
const maxChanges = 4

// Main are the changes that are in view.
func (e eventRow) Main() []factRow { return e.Changes[:min(len(e.Changes), maxChanges)] }

// More is how many changes are not in view.
func (e eventRow) More() int { return max(0, len(e.Changes)-maxChanges) }

// maxDetails is how many changes of an event a page has. An integration with 300 roles is one event.
const maxDetails = 60

// Details are the changes that the page has.
func (e eventRow) Details() []factRow { return e.Changes[:min(len(e.Changes), maxDetails)] }

// Undetailed is how many changes the page leaves out.
func (e eventRow) Undetailed() int { return max(0, len(e.Changes)-maxDetails) }

// integrationActivityPage has the events about an integration.
type integrationActivityPage struct {
	integrationTab
	Activity activity
}

func (s *server) showIntegrationActivity(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	var page integrationActivityPage
	if page.integrationTab, err = s.integrationTab(r, v, "activity"); err != nil {
		return err
	}
	id := string(page.In.ID)
	if page.Activity, err = s.activityOf(r, v, id, pageOf(rolebroker.KindIntegration, id)+"/activity"); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "integration-activity", page)
}

// auditExportPath is the address of the export of the activity.
const auditExportPath = auditPath + "/export"

// exportPage is how many events an export reads at a time.
const exportPage = 500

// exportAudit answers with the events that the filters in the address select, one a line, the newest first. It holds
// one page of them in memory.
func (s *server) exportAudit(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := auditPage{Filter: auditFilterOf(r)}
	filter, err := page.filter()
	if err != nil {
		return err
	}
	lines := json.NewEncoder(w)
	for after, begun := "", false; ; begun = true {
		found, err := s.Broker.AuditEvents(r.Context(), v.who, filter,
			rolebroker.Page{Limit: exportPage, After: after})
		if err != nil && !begun {
			return err
		}
		if err != nil {
			s.Log.ErrorContext(r.Context(), "web app: exporting the activity", "cause", err)
			panic(http.ErrAbortHandler) // so that the browser sees that the file is not whole
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Content-Disposition", `attachment; filename="activity.jsonl"`)
		for i := range found {
			event, err := trail.Event(found[i].Record)
			if err != nil {
				event.ID, event.Time = string(found[i].ID), found[i].At
				event.Reason = "the record cannot be read"
			}
			if lines.Encode(event) != nil {
				return nil // the browser is gone
			}
		}
		if len(found) < exportPage {
			return nil
		}
		after = rolebroker.AuditCursor(&found[len(found)-1])
	}
}
