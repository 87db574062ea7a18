package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
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

// requestsPage is the inbox: the access requests that wait for a person, and on demand the others, newest first. The
// page keeps itself up to date.
type requestsPage struct {
	list
	State  rolebroker.AccessRequestState // that the requests have; empty: any
	States []requestChoice
	Rows   []requestRow
	Broken []requestRow // approved by owners who broke the glass lately
}

// requestChoice is a state to choose, with its address.
type requestChoice struct {
	Word    string
	Address string
	Chosen  bool
}

// requestRow is one access request.
type requestRow struct {
	rolebroker.AccessRequest
	Status                        state
	Created, Until, Decided, Over moment // Until: it can be decided, or the grant lasts
	// KeysEnd is when keys expire that were lent under a grant that was ended before its time; nil: none can work.
	KeysEnd *moment
}

// requestsAt is the address of the inbox for a state; "all" is any.
func requestsAt(state, after string) string {
	values := url.Values{}
	if state != string(rolebroker.RequestPending) {
		values.Set("state", state)
	}
	if after != "" {
		values.Set("after", after)
	}
	if len(values) == 0 {
		return "/access-requests"
	}
	return "/access-requests?" + values.Encode()
}

// Here is the address of this page.
func (p requestsPage) Here() string { return requestsAt(p.chosen(), p.After) }

// chosen is the state in the address.
func (p requestsPage) chosen() string {
	if p.State == "" {
		return "all"
	}
	return string(p.State)
}

func (s *server) listRequests(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := requestsPage{State: rolebroker.RequestPending}
	page.base, page.Path = s.base(r, v, "Inbox", "requests"), "/access-requests"
	page.After = r.URL.Query().Get("after")
	switch state := r.URL.Query().Get("state"); state {
	case "":
	case "all":
		page.State = ""
	default:
		page.State = rolebroker.AccessRequestState(state)
	}
	for _, state := range []rolebroker.AccessRequestState{rolebroker.RequestPending, rolebroker.RequestApproved,
		rolebroker.RequestDenied, rolebroker.RequestExpired, rolebroker.RequestEnded, "all"} {
		page.States = append(page.States, requestChoice{string(state), requestsAt(string(state), ""),
			string(state) == page.chosen()})
	}
	found, err := s.Broker.AccessRequests(r.Context(), v.who, rolebroker.AccessRequestFilter{State: page.State},
		rolebroker.Page{Limit: pageSize + 1, After: page.After})
	if err != nil {
		return err
	}
	found, more := cut(found, pageSize)
	if more {
		page.Next = requestsAt(page.chosen(), rolebroker.AccessRequestCursor(&found[pageSize-1]))
	}
	page.Rows = requestRows(found, page.Now)
	if page.Broken, err = s.brokenGlass(r.Context(), v, page.Now); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "requests", page)
}

// For how long every approver is told that an owner broke the glass, among how many requests.
const (
	glassNews  = 24 * time.Hour
	glassLimit = 200
)

// brokenGlass are the requests of the last day that the owners of the agents approved.
func (s *server) brokenGlass(ctx context.Context, v *visit, now time.Time) ([]requestRow, error) {
	found, err := s.Broker.AccessRequests(ctx, v.who, rolebroker.AccessRequestFilter{Since: now.Add(-glassNews)},
		rolebroker.Page{Limit: glassLimit})
	found = slices.DeleteFunc(found, func(r rolebroker.AccessRequest) bool { return !r.BreakGlass })
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
		Status:        stateOfRequest(req, now),
		Created:       when(req.CreatedAt, now),
		Until:         when(req.OpenUntil(), now),
		Decided:       when(req.DecidedAt, now),
		Over:          when(req.EndedAt, now),
	}
	if !req.EndedAt.IsZero() && !req.Writes && now.Before(req.EndsAt) {
		ends := when(req.EndsAt, now)
		row.KeysEnd = &ends
	}
	return row
}

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

// How many earlier sessions and requests the page of a request shows.
const maxBackground = 5

// requestPage is one access request, with what a person decides by.
type requestPage struct {
	base
	Request  requestRow
	Gone     bool              // the agent was deleted
	Owns     bool              // the person owns the agent, and can only break the glass
	Means    string            // what the access permits
	Call     string            // the request to AWS that it allows; empty: the role is not known any more
	Owner    string            // the name of the API key that owns the agent; empty: nobody is known
	Duration string            // to grant, as it was typed
	Access   rolebroker.Access // to grant, as it was chosen; empty: as asked
	Accesses []accessChoice
	Note     string // as it was typed
	Reason   string // to deny, as it was typed
	OnlyCall bool   // to grant only what the call that asked does
	Sessions []sessionRow
	Earlier  []requestRow // of the same agent and role
	Errors   map[string]string
}

// Pending returns whether somebody has to decide.
func (p requestPage) Pending() bool {
	return p.Request.Status.Word == string(rolebroker.RequestPending)
}

// Lasts returns whether the grant lasts.
func (p requestPage) Lasts() bool { return p.Request.Status.Word == string(rolebroker.RequestApproved) }

// MayDecide returns whether the person may decide access requests. Who owns the agent is another question.
func (b base) MayDecide() bool { return b.Who.MayDecide() == nil }

func (s *server) showRequest(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderRequest(w, r, v, http.StatusOK, &requestPage{})
}

// requestOf is the ID of the access request that a page is about.
func requestOf(r *http.Request) rolebroker.AccessRequestID {
	return rolebroker.AccessRequestID(r.PathValue("request"))
}

// renderRequest adds to the page the request as it is now, and shows it.
func (s *server) renderRequest(w http.ResponseWriter, r *http.Request, v *visit, status int, page *requestPage) error {
	ctx := r.Context()
	req, err := s.Broker.AccessRequest(ctx, v.who, requestOf(r))
	if err != nil {
		return err
	}
	page.base = s.base(r, v, req.AgentName+" asks for "+req.Reference(), "requests")
	page.Request = rowOfRequest(req, page.Now)
	if page.Duration == "" {
		page.Duration = rolebroker.ShortDuration(req.Duration)
	}
	for _, choice := range accessChoices(cmp.Or(page.Access, req.Access)) {
		access := rolebroker.Access(choice.Word)
		if slices.Contains(req.Grantable(), access) {
			page.Accesses = append(page.Accesses, choice)
		}
		if access == req.Access {
			page.Means = choice.Means
		}
	}
	agent, err := s.Broker.Agent(ctx, v.who, string(req.Agent))
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		page.Gone = true
	case err != nil:
		return err
	default:
		page.Owner = agent.OwnerName
		page.Owns = agent.Owner != "" && agent.Owner == v.who.APIKey
	}
	if page.Call = callOf(req); req.Writes {
		page.Call = ""
	}
	if err := s.addBackground(ctx, v, req, page); err != nil {
		return err
	}
	return s.render(w, status, "request", page)
}

// callOf is the request to AWS that an access request is about.
func callOf(req *rolebroker.AccessRequest) string {
	name, err := rolebroker.SessionName(req.AgentName, req.Task)
	if err != nil || req.ARN.Name == "" {
		return ""
	}
	return "sts:AssumeRole on " + req.ARN.String() + " as " + name
}

// addBackground adds what the agent did last, and what it asked before.
func (s *server) addBackground(
	ctx context.Context, v *visit, req *rolebroker.AccessRequest, page *requestPage,
) error {
	sessions, err := s.Broker.Sessions(ctx, v.who, rolebroker.SessionFilter{Agent: string(req.Agent)},
		rolebroker.Page{Limit: maxBackground})
	if err != nil {
		return err
	}
	for i := range sessions {
		page.Sessions = append(page.Sessions, rowOfSession(&sessions[i], page.base))
	}
	earlier, err := s.Broker.AccessRequests(ctx, v.who, rolebroker.AccessRequestFilter{Agent: string(req.Agent)},
		rolebroker.Page{Limit: pageSize, After: rolebroker.AccessRequestCursor(req)})
	for _, other := range earlier {
		if other.Role == req.Role && len(page.Earlier) < maxBackground {
			page.Earlier = append(page.Earlier, rowOfRequest(&other, page.Now))
		}
	}
	return err
}

func (s *server) approveRequest(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &requestPage{Duration: formValue(r, "duration"), Access: rolebroker.Access(formValue(r, "access")),
		Note: formValue(r, "note")}
	page.OnlyCall = formValue(r, "only") == "call"
	terms := rolebroker.ApprovalTerms{Access: page.Access, Note: page.Note, BreakGlass: formValue(r, "break_glass") != ""}
	var err error
	if page.OnlyCall {
		req, err := s.Broker.AccessRequest(r.Context(), v.who, requestOf(r))
		if err != nil {
			return err
		}
		if req.Call != nil {
			terms.Narrowed = rolebroker.Narrowed{Actions: req.Call.Actions, Resources: req.Call.Resources}
		}
	}
	if terms.Duration, err = time.ParseDuration(page.Duration); err != nil || terms.Duration <= 0 {
		page.Errors = map[string]string{"duration": "Write a duration, such as 30m or 1h."}
		return s.renderRequest(w, r, v, http.StatusUnprocessableEntity, page)
	}
	_, err = s.Broker.ApproveRequest(r.Context(), v.who, requestOf(r), terms)
	return s.decided(w, r, v, err, "approved", page)
}

func (s *server) denyRequest(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &requestPage{Reason: formValue(r, "reason")}
	_, err := s.Broker.DenyRequest(r.Context(), v.who, requestOf(r), page.Reason)
	return s.decided(w, r, v, err, "denied", page)
}

func (s *server) endRequest(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.EndRequest(r.Context(), v.who, requestOf(r))
	return s.decided(w, r, v, err, "grantended", &requestPage{})
}

// decided shows the request after a decision, or what is wrong with the decision.
func (s *server) decided(w http.ResponseWriter, r *http.Request, v *visit, err error, done string,
	page *requestPage) error {
	if err == nil {
		return toDone(w, r, rolebroker.AccessRequestPage+url.PathEscape(r.PathValue("request")), done)
	}
	if page.Errors = fieldErrors(err); page.Errors == nil {
		return err
	}
	if name := page.Errors["name"]; name != "" { // a conflict: somebody else was faster
		page.Errors = map[string]string{"form": name}
	}
	return s.renderRequest(w, r, v, statusOf(err), page)
}
