package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// sessions is the part of the broker that has sessions.
type sessions interface {
	Session(ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID) (*rolebroker.SessionDetails, error)
	Sessions(ctx context.Context, who rolebroker.Caller, filter rolebroker.SessionFilter,
		page rolebroker.Page) ([]rolebroker.Session, error)
	Counts(ctx context.Context, who rolebroker.Caller) (rolebroker.Counts, error)
}

// sessionSorts are the orders of the list of sessions.
var sessionSorts = []sorting{{"Requested", rolebroker.SortBackward + rolebroker.SortCreated, false,
	[2]string{"newest", "oldest"}}}

// sessionsPage lists sessions. The page keeps itself up to date.
type sessionsPage struct {
	list
	Agent        string // a name or an ID; empty: all agents
	Integration  string // a name or an ID; empty: all integrations
	Role         string // a name, an ID or an ARN; empty: all roles
	Token        string // the ID of the token or binding that they began with; empty: all
	Account      string // of their roles in AWS; empty: all
	Request      string // the ID of the access request that they are under; empty: all, and those under none
	Live         bool   // only sessions whose credentials may still be valid
	Unknown      string // which agent, integration or role is unknown; empty: none
	Paused       bool   // the page does not keep itself up to date
	Rows         []sessionRow
	Agents       []string // suggestions
	Integrations []string // suggestions
}

// Filtered returns whether the page leaves out some sessions.
func (p sessionsPage) Filtered() bool {
	return p.Live || p.Agent != "" || p.Integration != "" || p.Role != "" || p.Token != "" || p.Account != "" ||
		p.Request != ""
}

// Column is the head of a column that sorts the list.
func (p sessionsPage) Column(title string) column {
	return p.column(title, func(sort rolebroker.Sort) string {
		p.Sort = sort
		return p.at("")
	})
}

// FromOldest returns whether the list begins with the oldest session.
func (p sessionsPage) FromOldest() bool { return p.Sort == rolebroker.SortCreated }

// Here is the address of this page.
func (p sessionsPage) Here() string { return p.at(p.After) }

// at is the address of a page with the same filters.
func (p sessionsPage) at(after string) string {
	on := map[bool]string{true: "on"}
	sort := ""
	if p.FromOldest() {
		sort = string(p.Sort)
	}
	return addressOf("/sessions", "agent", p.Agent, "integration", p.Integration, "role", p.Role, "token", p.Token,
		"account", p.Account, "request", p.Request, "after", after, "sort", sort, "live", on[p.Live],
		"paused", on[p.Paused])
}

// sessionRow is one session.
type sessionRow struct {
	rolebroker.Session
	Status                      state
	Where                       string // the role's account and its name in AWS
	Times                       string // how often its credentials were fetched
	Requested, Expires, Fetched moment
	Ended                       moment // when a person ended it
	CanEnd                      bool   // its credentials may be handed out
	KeysLeft                    bool   // it was ended, and its keys may work in AWS
}

func (s *server) listSessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	page := sessionsPage{
		Agent: get("agent"), Integration: get("integration"), Role: get("role"), Token: get("token"),
		Account: get("account"), Request: get("request"),
		Live: query.Get("live") != "", Paused: query.Get("paused") != "",
	}
	page.Path, page.Noun, page.Plural, page.After = "/sessions", "session", "sessions", query.Get("after")
	page.Sorts = sessionSorts
	page.sortBy(rolebroker.Sort(query.Get("sort")))
	if r.Header.Get("HX-Target") == "rows" { // the browser has the rest of the page
		page.base = s.partBase(r, v)
		if err := s.addSessions(r.Context(), v, &page); err != nil {
			return err
		}
		return s.renderPart(w, http.StatusOK, "sessions", "rows", page)
	}
	page.base = s.base(r, v, "Sessions", "sessions")
	if err := s.addSessions(r.Context(), v, &page); err != nil {
		return err
	}
	if err := s.addSuggestions(r.Context(), v, &page); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "sessions", page)
}

// addSessions reads the sessions of the page.
func (s *server) addSessions(ctx context.Context, v *visit, page *sessionsPage) error {
	filter := rolebroker.SessionFilter{Agent: page.Agent, Integration: page.Integration, Role: page.Role,
		Token: rolebroker.TokenID(page.Token), Account: page.Account, Request: rolebroker.AccessRequestID(page.Request)}
	if page.Live {
		filter.LiveAt = page.Now
	}
	page.Words = newestFirst
	if page.FromOldest() {
		page.Words = oldestFirst
	}
	found, err := readPage(&page.paging, pageSize, page.at, rolebroker.SessionCursor,
		func(p rolebroker.Page) ([]rolebroker.Session, error) {
			p.Sort = page.Sort
			return s.Broker.Sessions(ctx, v.who, filter, p)
		})
	if code := rolebroker.CodeOf(err); code == rolebroker.CodeNotFound || code == rolebroker.CodeInvalid && page.Token+page.Account+page.Request != "" {
		// a person may be typing a name
		e := rolebroker.AsError(err)
		if page.Unknown, err = e.Message, nil; len(e.Fields) > 0 {
			page.Unknown = "the " + e.Fields[0].Path + " " + e.Fields[0].Message
		}
	}
	for _, session := range found {
		page.Rows = append(page.Rows, rowOfSession(&session, page.base))
	}
	return err
}

func rowOfSession(session *rolebroker.Session, b base) sessionRow {
	return sessionRow{
		Session:   *session,
		Status:    stateOfSession(session, b),
		Where:     accountAndName(session.ARN),
		Times:     plural(int(session.Fetches), "time", "times"),
		Requested: when(session.RequestedAt, b.Now),
		Expires:   when(session.ExpiresAt, b.Now),
		Fetched:   when(session.FetchedAt, b.Now),
		Ended:     when(session.EndedAt, b.Now),
		CanEnd:    session.Live(b.Now) && session.EndedAt.IsZero(),
		KeysLeft:  session.Live(b.Now) && !session.EndedAt.IsZero(),
	}
}

// stateOfSession says whether its credentials are valid.
func stateOfSession(session *rolebroker.Session, b base) state {
	switch {
	case session.State == rolebroker.SessionFailed:
		return state{Tone: "bad", Word: "failed"}
	case !session.Live(b.Now):
		return state{Tone: "off", Word: "expired"}
	case !session.EndedAt.IsZero():
		return state{Tone: "off", Word: "ended"}
	case session.State == rolebroker.SessionRequested:
		return state{Tone: "warn", Word: "no answer"}
	}
	return state{Tone: "good", Word: "live"}
}

// addSuggestions adds names of agents and integrations, for the filters.
func (s *server) addSuggestions(ctx context.Context, v *visit, page *sessionsPage) error {
	agents, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: maxNames})
	if err != nil {
		return err
	}
	integrations, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: maxNames})
	page.Agents, page.Integrations = names(agents, agentName), names(integrations, integrationName)
	return err
}
