package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// sessions has the broker's methods for sessions.
type sessions interface {
	Sessions(
		ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter, page rolebroker.Page,
	) ([]rolebroker.Session, error)
	Counts(ctx context.Context, who rolebroker.Caller) (rolebroker.Counts, error)
}

// sessionsPage lists sessions, newest first. It refreshes itself unless it is paused.
type sessionsPage struct {
	base
	Agent       string // the filter: a name or an ID; empty: all
	Integration string // the filter: a name or an ID; empty: all
	Role        string // the filter: a name, an ID or an ARN; empty: all
	Live        bool   // only sessions that may still work
	Paused      bool   // the page does not refresh itself
	Rows        []sessionRow
	Here        string   // the address of this page
	Next        string   // the address of the next page; empty on the last
	First       bool     // this is the first page
	Agents      []string // suggestions for Agent
	Groups      []string // suggestions for Integration
}

// Filtered reports whether a filter is set.
func (p sessionsPage) Filtered() bool {
	return p.Live || p.Agent != "" || p.Integration != "" || p.Role != ""
}

// sessionRow is one row of sessionsPage.
type sessionRow struct {
	rolebroker.Session
	Status                      state
	Where                       string // the account and name of the role in AWS
	Times                       string // how often its credentials were fetched
	Requested, Expires, Fetched moment
}

func (s *server) listSessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	page := sessionsPage{Agent: trimmed(query, "agent"), Integration: trimmed(query, "integration"),
		Role: trimmed(query, "role"),
		Live: query.Get("live") != "", Paused: query.Get("paused") != "", First: query.Get("after") == ""}
	page.Here = page.address(query.Get("after"))
	if r.Header.Get("HX-Target") == "rows" { // the browser keeps the rest of the page
		page.base = base{Who: v.who, Now: s.Now()}
		if err := s.fillSessions(r.Context(), v, &page, query.Get("after")); err != nil {
			return err
		}
		return s.renderPart(w, http.StatusOK, "sessions", "rows", page)
	}
	page.base = s.base(r, v, "Sessions", "sessions")
	if err := s.fillSessions(r.Context(), v, &page, query.Get("after")); err != nil {
		return err
	}
	if err := s.suggest(r.Context(), v, &page); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "sessions", page)
}

func trimmed(query url.Values, name string) string { return strings.TrimSpace(query.Get(name)) }

// address returns the address of a page with the same filters that starts after a cursor.
func (p sessionsPage) address(after string) string {
	values := url.Values{}
	for name, value := range map[string]string{"agent": p.Agent, "integration": p.Integration, "role": p.Role,
		"after": after} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if p.Live {
		values.Set("live", "on")
	}
	if p.Paused {
		values.Set("paused", "on")
	}
	return "/sessions?" + values.Encode()
}

// fillSessions fills in the sessions after a cursor.
func (s *server) fillSessions(ctx context.Context, v *visit, page *sessionsPage, after string) error {
	filter := rolebroker.SessionFilter{Agent: page.Agent, Integration: page.Integration, Role: page.Role}
	if page.Live {
		filter.LiveAt = page.Now
	}
	found, err := s.Broker.Sessions(ctx, v.who, filter, rolebroker.Page{Limit: pageSize + 1, After: after})
	if len(found) > pageSize {
		found = found[:pageSize]
		page.Next = page.address(rolebroker.SessionCursor(&found[pageSize-1]))
	}
	for _, session := range found {
		page.Rows = append(page.Rows, sessionRow{Session: session, Status: stateOfSession(&session, page.base),
			Where: where(session.ARN), Times: plural(int(session.Fetches), "time", "times"),
			Requested: when(session.RequestedAt, page.Now), Expires: when(session.ExpiresAt,
				page.Now), Fetched: when(session.FetchedAt, page.Now)})
	}
	return err
}

// stateOfSession says whether the credentials of a session may work.
func stateOfSession(session *rolebroker.Session, b base) state {
	switch {
	case session.State == rolebroker.SessionFailed:
		return state{Tone: "bad", Word: "failed"}
	case !session.Live(b.Now):
		return state{Tone: "off", Word: "expired"}
	case session.State == rolebroker.SessionRequested:
		return state{Tone: "warn", Word: "no answer"}
	}
	return state{Tone: "good", Word: "live"}
}

// suggest fills in the suggestions for the filters.
func (s *server) suggest(ctx context.Context, v *visit, page *sessionsPage) error {
	agents, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: maxNamed})
	if err != nil {
		return err
	}
	for _, a := range agents {
		page.Agents = append(page.Agents, a.Name)
	}
	integrations, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: maxNamed})
	for _, in := range integrations {
		page.Groups = append(page.Groups, in.Name)
	}
	return err
}
