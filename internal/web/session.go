package web

import (
	"net/http"

	"github.com/rolebroker/rolebroker"
)

// sessionPage is one session, with what explains it.
type sessionPage struct {
	base
	Session   sessionRow
	BegunBy   rolebroker.RequestID // the request that began it; empty: it is not on record
	Gone      bool                 // the agent was deleted
	Approval  *requestRow          // nil: none was needed, or it is not on record any more
	AllowedBy *eventRow            // the last change of the connection before; nil: it is not on record
	Calls     []callRow            // through the gateway, the newest first
	More      bool                 // there are older calls
	Events    []eventRow           // the newest first
	Older     bool                 // there are older events
}

// showSession shows a session to read.
func (s *server) showSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	d, err := s.Broker.Session(ctx, v.who, rolebroker.SessionID(r.PathValue("session")))
	if err != nil {
		return err
	}
	trail, err := s.Broker.TrailState(ctx, v.who)
	if err != nil {
		return err
	}
	page := &sessionPage{base: s.base(r, v, "Session of "+d.AgentName+" for "+d.IntegrationName+"/"+d.RoleName, "sessions"),
		BegunBy: d.BegunBy, Gone: d.AgentGone, More: d.MoreCalls, Older: d.MoreEvents}
	page.Session = rowOfSession(&d.Session, page.base)
	if d.Approval != nil {
		row := rowOfRequest(d.Approval, page.Now)
		page.Approval = &row
	}
	event := func(r *rolebroker.AuditRecord) eventRow {
		row := rowOfEvent(r, page.Now, trail.Checkpoint)
		if page.Gone && row.Actor.ID == string(d.Agent) {
			row.By.Page = ""
		}
		return row
	}
	if d.AllowedBy != nil {
		row := event(d.AllowedBy)
		page.AllowedBy = &row
	}
	for i := range d.Calls {
		page.Calls = append(page.Calls, rowOfCall(d.Calls[i], page.base))
	}
	for i := range d.Events {
		page.Events = append(page.Events, event(&d.Events[i]))
	}
	return s.render(w, http.StatusOK, "session", page)
}
