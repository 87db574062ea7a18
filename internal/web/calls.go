package web

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// calls is the part of the broker that has calls through the gateway.
type calls interface {
	Calls(ctx context.Context, who rolebroker.Caller, selected broker.CallSelection, page rolebroker.Page) (
		[]rolebroker.Call, error)
}

// callsPage lists calls through the gateway, newest first.
type callsPage struct {
	list
	Agent    string // a name or an ID; empty: all agents
	Role     string // integration/role, a name, an ID or an ARN; empty: all roles
	Session  string // an ID; empty: all sessions
	Request  string // the ID of the approval behind them; empty: all
	Service  string // as the AWS CLI calls it; empty: all
	Level    string // empty: all
	Decision string // allowed or refused; empty: both
	Unknown  string // what is wrong with a filter; empty: nothing
	Levels   []rolebroker.CallLevel
	Rows     []callRow
}

// Filtered returns whether the page leaves out some calls.
func (p callsPage) Filtered() bool {
	return p.Agent != "" || p.Role != "" || p.Session != "" || p.Request != "" || p.Service != "" || p.Level != "" ||
		p.Decision != ""
}

// Here is the address of this page.
func (p callsPage) Here() string { return p.at(p.After) }

// at is the address of a page with the same filters.
func (p callsPage) at(after string) string {
	return addressOf("/calls", "agent", p.Agent, "role", p.Role, "session", p.Session, "request", p.Request,
		"service", p.Service, "level", p.Level, "decision", p.Decision, "after", after)
}

// callRow is one call.
type callRow struct {
	rolebroker.Call
	Status state
	What   string // service:Operation
	Began  moment
	Note   string // why it was refused, or why there is no answer
}

func (s *server) listCalls(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	get := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	page := callsPage{Agent: get("agent"), Role: get("role"), Session: get("session"), Request: get("request"),
		Service: get("service"), Level: get("level"), Decision: get("decision"), Levels: rolebroker.CallLevels()}
	page.Path, page.Noun, page.Plural, page.After = "/calls", "call", "calls", query.Get("after")
	page.base = s.base(r, v, "Calls", "calls")
	found, err := s.readCalls(r.Context(), v, &page.paging, page.at, broker.CallSelection{Agent: page.Agent,
		Role: page.Role, CallFilter: rolebroker.CallFilter{Session: rolebroker.SessionID(page.Session),
			Request: rolebroker.AccessRequestID(page.Request), Service: page.Service,
			Level: rolebroker.CallLevel(page.Level), Decision: rolebroker.CallDecision(page.Decision)}})
	if code := rolebroker.CodeOf(err); code == rolebroker.CodeNotFound || code == rolebroker.CodeInvalid {
		e := rolebroker.AsError(err) // a person may have mistyped a name
		if page.Unknown, err = e.Message, nil; len(e.Fields) > 0 {
			page.Unknown = "the " + e.Fields[0].Path + " " + e.Fields[0].Message
		}
	}
	if err != nil {
		return err
	}
	for _, call := range found {
		page.Rows = append(page.Rows, rowOfCall(call, page.base))
	}
	return s.render(w, http.StatusOK, "calls", page)
}

// readCalls reads a page of calls, the newest first.
func (s *server) readCalls(ctx context.Context, v *visit, p *paging, at func(after string) string,
	selected broker.CallSelection) ([]rolebroker.Call, error) {
	p.Words = newestFirst
	return readPage(p, pageSize, at, func(call *rolebroker.Call) string { return string(call.ID) },
		func(page rolebroker.Page) ([]rolebroker.Call, error) {
			return s.Broker.Calls(ctx, v.who, selected, page)
		})
}

func rowOfCall(call rolebroker.Call, b base) callRow {
	row := callRow{Call: call, Status: stateOfCall(&call), Began: when(call.BeganAt(), b.Now), Note: call.Reason,
		What: cmp.Or(call.Service, "?") + ":" + cmp.Or(call.Operation, "?")}
	if call.Times > 1 {
		row.Note = plural(int(call.Times), "time", "times") + ": " + row.Note
	}
	return row
}

// stateOfCall says what came of a call.
func stateOfCall(call *rolebroker.Call) state {
	switch call.Outcome() {
	case rolebroker.OutcomeNotSent:
		return state{Tone: "bad", Word: "refused"}
	case rolebroker.OutcomeUnanswered:
		return state{Tone: "warn", Word: "no answer"}
	case rolebroker.OutcomeHandedOut:
		return state{Tone: "good", Word: "handed out"}
	case rolebroker.OutcomeUnknown:
		return state{Tone: "warn", Word: "unknown"}
	}
	tone := "good"
	if call.Status >= http.StatusBadRequest {
		tone = "warn"
	}
	return state{Tone: tone, Word: strconv.Itoa(call.Status)}
}
