package web

import (
	"context"
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// sessionHead is what all pages of a session have.
type sessionHead struct {
	object
	Session sessionRow
	Gone    bool        // the agent was deleted
	Cut     string      // the address of the page of the cut-off that ended it; empty: none did
	From    []cutChoice // what the agent can be cut off from; empty: it is disabled, or deleted

	details *rolebroker.SessionDetails
}

// headOfSession makes the head of a page of the session that the request is about.
func (s *server) headOfSession(r *http.Request, v *visit, tab string) (h sessionHead, err error) {
	d, err := s.Broker.Session(r.Context(), v.who, rolebroker.SessionID(r.PathValue("session")))
	if err != nil {
		return h, err
	}
	name := d.AgentName + " borrowed " + d.IntegrationName + "/" + d.RoleName
	h = sessionHead{Gone: d.AgentGone, details: d, object: object{base: s.base(r, v, name, "sessions"),
		List: link{"Sessions", "/sessions"}, Name: name}}
	h.Session = rowOfSession(&d.Session, h.base)
	h.State = h.Session.Status
	h.Tabs = sessionTabs(d, tab)
	if h.Gone {
		return h, nil
	}
	return h, s.addAgentOfSession(r.Context(), v, &h)
}

// addAgentOfSession adds from what the agent can be cut off, or the cut-off that ended the session.
func (s *server) addAgentOfSession(ctx context.Context, v *visit, h *sessionHead) error {
	d := h.details
	agent, err := s.Broker.Agent(ctx, v.who, string(d.Agent))
	if err != nil {
		return err
	}
	if !agent.Disabled {
		h.From = []cutChoice{{string(d.Role), d.IntegrationName + "/" + d.RoleName}}
	}
	if d.EndedAt.IsZero() {
		return nil
	}
	cut, err := s.Broker.LastCutOff(ctx, v.who, string(d.Agent), string(d.Role))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil
	}
	if err == nil && cut.At.Equal(d.EndedAt) {
		h.Cut = cutOffAt(agent.ID, cut, "")
		if h.Session.KeysLeft {
			h.State = state{Tone: "bad", Word: "cut off"}
		}
	}
	return err
}

// sessionTabs are the pages of a session. It has one of calls if the gateway sees them.
func sessionTabs(d *rolebroker.SessionDetails, chosen string) []tab {
	tabs := []tab{{link: link{"Overview", ""}}}
	if d.Withheld() || len(d.Calls) > 0 {
		calls := tab{link: link{"Calls", "calls"}}
		if !d.MoreCalls {
			calls.Count = len(d.Calls)
		}
		tabs = append(tabs, calls)
	}
	tabs = append(tabs, tab{link: link{"Activity", "activity"}})
	return tabsOf(pageOf(rolebroker.KindSession, d.ID), chosen, tabs...)
}

// sessionPage is one session, with what explains it.
type sessionPage struct {
	sessionHead
	BegunBy   rolebroker.RequestID // the request that began it; empty: it is not on record
	Approval  *requestRow          // nil: none was needed, or it is not on record any more
	AllowedBy *eventRow            // the last change of the connection before; nil: it is not on record
}

// showSession shows a session to read.
func (s *server) showSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfSession(r, v, "")
	if err != nil {
		return err
	}
	d := head.details
	page := &sessionPage{sessionHead: head, BegunBy: d.BegunBy}
	if d.Approval != nil {
		row := rowOfRequest(d.Approval, page.Now)
		page.Approval = &row
	}
	if d.AllowedBy != nil {
		trail, err := s.Broker.TrailState(r.Context(), v.who)
		if err != nil {
			return err
		}
		row := rowOfEvent(d.AllowedBy, page.Now, trail.Checkpoint)
		page.AllowedBy = &row
	}
	return s.render(w, http.StatusOK, "session", page)
}

// sessionCallsPage has the calls of a session through the gateway, the newest first.
type sessionCallsPage struct {
	sessionHead
	paging
	Rows []callRow
}

func (s *server) showSessionCalls(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfSession(r, v, "calls")
	if err != nil {
		return err
	}
	page := sessionCallsPage{sessionHead: head, paging: paging{After: r.URL.Query().Get("after")}}
	at := func(after string) string {
		return addressOf(pageOf(rolebroker.KindSession, head.Session.ID)+"/calls", "after", after)
	}
	found, err := s.readCalls(r.Context(), v, &page.paging, at,
		broker.CallSelection{CallFilter: rolebroker.CallFilter{Session: head.Session.ID}})
	if err != nil {
		return err
	}
	for _, call := range found {
		page.Rows = append(page.Rows, rowOfCall(call, page.base))
	}
	return s.render(w, http.StatusOK, "session-calls", page)
}

// sessionActivityPage has the events about a session.
type sessionActivityPage struct {
	sessionHead
	Activity activity
}

func (s *server) showSessionActivity(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfSession(r, v, "activity")
	if err != nil {
		return err
	}
	page := sessionActivityPage{sessionHead: head}
	id := string(page.Session.ID)
	if page.Activity, err = s.activityOf(r, v, id, pageOf(rolebroker.KindSession, id)+"/activity"); err != nil {
		return err
	}
	for i := range page.Activity.Rows {
		if row := &page.Activity.Rows[i]; page.Gone && row.Actor.ID == string(page.Session.Agent) {
			row.By.Page = ""
		}
	}
	return s.render(w, http.StatusOK, "session-activity", page)
}
