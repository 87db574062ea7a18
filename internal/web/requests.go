package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// accessRequests is the part of the broker that has access requests.
type accessRequests interface {
	AccessRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID) (
		*rolebroker.AccessRequest, error)
	AccessRequests(ctx context.Context, who rolebroker.Caller, filter rolebroker.AccessRequestFilter,
		page rolebroker.Page) ([]rolebroker.AccessRequest, error)
	ApproveRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID,
		with rolebroker.ApprovalTerms) (*rolebroker.AccessRequest, error)
	DenyRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, reason string) (
		*rolebroker.AccessRequest, error)
	EndRequest(ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID) (
		*rolebroker.AccessRequest, error)
}

// requestsPage is the inbox: the access requests that wait for a person, the one that expires first on top, and on
// demand the others, newest first. The page keeps itself up to date.
type requestsPage struct {
	list
	State  rolebroker.AccessRequestState // that the requests have; empty: any
	Agent  string                        // a name or an ID; empty: all agents
	States []string                      // to choose from
	Agents []string                      // suggestions
	Rows   []requestRow
	Broken []requestRow // approved by owners who broke the glass lately
}

// requestRow is one access request.
type requestRow struct {
	rolebroker.AccessRequest
	Wish                          string // what the agent asks for, in a sentence
	Waits                         string // for how long it has waited; empty: it does not wait
	Soon                          bool   // it waits, and expires soon
	Status                        state
	Created, Until, Decided, Over moment // Until: it can be decided, or the grant lasts
	// KeysEnd is when keys expire that were lent under a grant that was ended before its time; nil: none can work.
	KeysEnd *moment
}

// inboxPath is the address of the inbox.
const inboxPath = rolebroker.InboxPage

// allRequests is the state in the address of the page that shows requests in any state.
const allRequests = "all"

// at is the address of the page after a cursor, with the same filters.
func (p requestsPage) at(after string) string {
	state := p.Chosen()
	if p.State == rolebroker.RequestPending {
		state = ""
	}
	return addressOf(inboxPath, "agent", p.Agent, "state", state, "after", after)
}

// Here is the address of this page.
func (p requestsPage) Here() string { return p.at(p.After) }

// ByExpiry returns whether what expires first is first; else the newest is.
func (p requestsPage) ByExpiry() bool { return p.State == rolebroker.RequestPending }

// Everyone is the address of the same page for all agents.
func (p requestsPage) Everyone() string {
	p.Agent = ""
	return p.at("")
}

// Chosen is the state in the address.
func (p requestsPage) Chosen() string {
	if p.State == "" {
		return allRequests
	}
	return string(p.State)
}

func (s *server) listRequests(w http.ResponseWriter, r *http.Request, v *visit) error {
	asked := r.URL.Query()
	page := requestsPage{State: rolebroker.RequestPending, Agent: strings.TrimSpace(asked.Get("agent"))}
	page.base, page.Path, page.After = s.base(r, v, "Inbox", "requests"), inboxPath, asked.Get("after")
	switch state := asked.Get("state"); state {
	case "":
	case allRequests:
		page.State = ""
	default:
		page.State = rolebroker.AccessRequestState(state)
	}
	for _, state := range []rolebroker.AccessRequestState{rolebroker.RequestPending, rolebroker.RequestApproved,
		rolebroker.RequestDenied, rolebroker.RequestExpired, rolebroker.RequestEnded, allRequests} {
		page.States = append(page.States, string(state))
	}
	filter := rolebroker.AccessRequestFilter{State: page.State, Agent: page.Agent, OldestFirst: page.ByExpiry()}
	if !page.ByExpiry() {
		page.Words = newestFirst
	}
	found, err := readPage(&page.paging, pageSize, page.at, rolebroker.AccessRequestCursor,
		func(p rolebroker.Page) ([]rolebroker.AccessRequest, error) {
			return s.Broker.AccessRequests(r.Context(), v.who, filter, p)
		})
	if err != nil {
		return err
	}
	page.Rows = requestRows(found, page.Now)
	if page.Broken, err = s.brokenGlass(r.Context(), v, page.Now); err != nil {
		return err
	}
	agents, err := s.Broker.Agents(r.Context(), v.who, rolebroker.Page{Limit: maxNames})
	if err != nil {
		return err
	}
	page.Agents = names(agents, agentName)
	return s.render(w, http.StatusOK, "requests", page)
}

// For how long every approver is told that an owner broke the glass, and how often at most.
const (
	glassNews  = 24 * time.Hour
	glassLimit = 200
)

// brokenGlass are the requests of the last day that the owners of the agents approved.
func (s *server) brokenGlass(ctx context.Context, v *visit, now time.Time) ([]requestRow, error) {
	found, err := s.Broker.AccessRequests(ctx, v.who,
		rolebroker.AccessRequestFilter{BreakGlass: true, Since: now.Add(-glassNews)}, rolebroker.Page{Limit: glassLimit})
	return requestRows(found, now), err
}

func requestRows(found []rolebroker.AccessRequest, now time.Time) (rows []requestRow) {
	for _, req := range found {
		rows = append(rows, rowOfRequest(&req, now))
	}
	return rows
}

func rowOfRequest(req *rolebroker.AccessRequest, now time.Time) requestRow {
	row := requestRow{
		AccessRequest: *req,
		Wish:          wishOf(req, now),
		Status:        stateOfRequest(req, now),
		Created:       when(req.CreatedAt, now),
		Until:         when(req.OpenUntil(), now),
		Decided:       when(req.DecidedAt, now),
		Over:          when(req.EndedAt, now),
	}
	if req.State(now) == rolebroker.RequestPending {
		row.Waits, row.Soon = rolebroker.DurationInWords(now.Sub(req.CreatedAt)), req.ExpiresAt.Sub(now) < soon
	}
	if !req.EndedAt.IsZero() && !req.About.IsOfCalls() && now.Before(req.EndsAt) {
		ends := when(req.EndsAt, now)
		row.KeysEnd = &ends
	}
	return row
}

// Deed says what the agent would do. It continues "It asked to …".
func (r requestRow) Deed() string { return deedOf(&r.AccessRequest) }

// GrantedWords says what an approval gave, as in "s3:ListBucket on arn:aws:s3:::reports, for 1 hour".
func (r requestRow) GrantedWords() string {
	what := map[rolebroker.Access]string{
		rolebroker.AccessFull:     "everything that %s allows",
		rolebroker.AccessReadOnly: "to read with %s, and change nothing",
		rolebroker.AccessViewOnly: "to list what is there with %s",
		rolebroker.AccessPolicy:   "what its session policy allows with %s",
	}[r.GrantedAccess]
	switch r.About {
	case rolebroker.ApprovalWrite:
		what = "every change that %s allows"
	case rolebroker.ApprovalCall:
		what = "every call that %s allows"
	}
	what = fmt.Sprintf(what, r.Reference())
	if only := r.Narrowed; !only.IsZero() {
		if only.Actions != nil {
			what = andList(only.Actions)
		}
		if only.Resources != nil {
			what += " on " + andList(only.Resources)
		} else {
			what += " on any resource"
		}
	}
	return what + ", for " + fully(r.Granted)
}

// soon is when a request that waits is about to expire.
const soon = 10 * time.Minute

// stateOfRequest is the state of an access request at a time.
func stateOfRequest(req *rolebroker.AccessRequest, now time.Time) state {
	tones := map[rolebroker.AccessRequestState]string{
		rolebroker.RequestPending:  "warn",
		rolebroker.RequestApproved: "good",
		rolebroker.RequestDenied:   "bad",
	}
	found := req.State(now)
	tone := tones[found]
	if tone == "" {
		tone = "off"
	}
	return state{Tone: tone, Word: string(found)}
}
