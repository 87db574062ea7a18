package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// requestPage is one access request, with what a person decides by. Until it is over, the page keeps its state up to
// date.
type requestPage struct {
	object
	Request requestRow
	Decided string // the address that the decision came from; empty: it is not on record
	Ended   string // the address that the end came from; empty: it is not on record
	CutOff  bool   // the request ended because the agent was cut off
	Lost    string // why the person's decision changed nothing; empty: it did, or there was none

	Means string // what the access permits
	Call  string // the request to AWS that it allows; empty: the role is not known any more
	Owner string // who owns the agent; empty: nobody is known

	Unusual  []string
	Usual    string // why nothing is unusual; empty: something is
	Already  []string
	Lasting  []requestRow // other requests of the agent that are pending or approved
	Calls    []callRow    // the newest first
	Withheld bool         // some keys are withheld from the agent, so that its calls are on record
	Sessions []sessionRow // the newest first
	Earlier  []requestRow // of the same agent and role

	Gone     bool              // the agent was deleted
	Owns     bool              // the person owns the agent, and can only break the glass
	Duration string            // to grant, as it was typed
	Access   rolebroker.Access // to grant, as it was chosen; empty: as asked
	Accesses []accessChoice
	Note     string // as it was typed
	Reason   string // to deny, as it was typed
	Chosen   string // what to grant, as it was chosen: onlyCall or allForTask; empty: nobody chose yet
	Errors   map[string]string
}

// What an approval of a call is for.
const (
	onlyCall   = "call"
	allForTask = "task"
)

// CanBeOne returns whether the request can be approved for the call that asked, and nothing else.
func (p requestPage) CanBeOne() bool {
	_, ok := p.Request.AccessRequest.Call.Only()
	return ok
}

// IsOne returns whether it will be, unless the person chooses otherwise.
func (p requestPage) IsOne() bool { return p.CanBeOne() && p.Chosen != allForTask }

// Permits says what an approval as it is chosen lets the agent do.
func (p requestPage) Permits() string {
	r := p.Request.AccessRequest
	if d, err := parseDuration(p.Duration); err == nil && d > 0 && d < r.Duration {
		r.Duration = d
	}
	if slices.Contains(r.Grantable(), p.Access) {
		r.Access = p.Access
	}
	return permits(&r, p.IsOne())
}

// Pending returns whether somebody has to decide.
func (p requestPage) Pending() bool {
	return p.Request.Status.Word == string(rolebroker.RequestPending)
}

// Lasts returns whether the grant lasts.
func (p requestPage) Lasts() bool { return p.Request.Status.Word == string(rolebroker.RequestApproved) }

// Decides returns whether the person can decide now.
func (p requestPage) Decides() bool { return p.Pending() && p.MayDecide() && !p.Gone }

// Changes returns whether the choices for an approval have to be in view.
func (p requestPage) Changes() bool {
	return p.Owns || p.Chosen == allForTask || p.Note != "" || len(p.Errors) > 0 && p.Errors["reason"] == ""
}

// Faults are what is wrong with a decision, in the order of the fields.
func (p requestPage) Faults() []fault {
	return faultsOf(p.Errors, formField{"duration", "For", "duration"}, formField{"access", "Access", "access"},
		formField{"all_calls", "What", "only-problem"}, formField{"note", "Note", "note"},
		formField{"reason", "Reason", "reason"})
}

// MayDecide returns whether the person may decide access requests. Who owns the agent is another question.
func (b base) MayDecide() bool { return b.Who.MayDecide() == nil }

func (s *server) showRequest(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &requestPage{}
	if chosen := r.URL.Query(); r.Header.Get("HX-Request") != "" { // a link chooses nothing for a person
		page.Duration, page.Chosen = chosen.Get("duration"), chosen.Get("only")
		page.Access = rolebroker.Access(chosen.Get("access"))
	}
	return s.renderRequest(w, r, v, http.StatusOK, page)
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
	page.List = link{"Inbox", inboxPath}
	page.Name, page.State = wishOf(req, page.Now), stateOfRequest(req, page.Now)
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
	if page.Call = callOf(req); req.About.IsOfCalls() {
		page.Call = ""
	}
	if err := s.addDecider(ctx, v, req, page); err != nil {
		return err
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

// maxRequestEvents is how many of the events of a request are searched for who decided. Each refusal is one, too.
const maxRequestEvents = 20

// addDecider adds from where the request was decided and ended.
func (s *server) addDecider(ctx context.Context, v *visit, req *rolebroker.AccessRequest, page *requestPage) error {
	if req.Decision == "" && req.EndedAt.IsZero() {
		return nil
	}
	found, err := s.Broker.AuditEvents(ctx, v.who, rolebroker.AuditFilter{Subject: string(req.ID),
		Outcome: rolebroker.OutcomeDone}, rolebroker.Page{Limit: maxRequestEvents})
	for i := range found {
		event, err := trail.Event(found[i].Record)
		if err != nil {
			continue // the page of the activity says that it is unreadable
		}
		switch rolebroker.Action(event.Action) {
		case rolebroker.ActionAccessRequestApprove, rolebroker.ActionAccessRequestDeny:
			page.Decided = event.Actor.Address
		case rolebroker.ActionAccessRequestEnd:
			page.Ended = event.Actor.Address
		}
	}
	return err
}

// How much of what the agent did the page of a request shows.
const (
	maxBackground = 5  // sessions and requests
	maxLastCalls  = 10 // calls
)

// addBackground adds what the agent may do, what it did last, and what it asked before.
func (s *server) addBackground(
	ctx context.Context, v *visit, req *rolebroker.AccessRequest, page *requestPage,
) error {
	var h history
	if err := s.addAgent(ctx, v, req, page, &h); err != nil {
		return err
	}
	var err error
	h.all, err = s.Broker.AccessRequests(ctx, v.who, rolebroker.AccessRequestFilter{Agent: string(req.Agent)},
		rolebroker.Page{Limit: pageSize, After: rolebroker.AccessRequestCursor(req)})
	if err != nil {
		return err
	}
	h.earlier = slices.DeleteFunc(slices.Clone(h.all), func(other rolebroker.AccessRequest) bool {
		return other.Role != req.Role
	})
	shown, _ := cut(h.earlier, maxBackground)
	page.Earlier = requestRows(shown, page.Now)
	if page.Pending() {
		if page.Unusual = h.unusual(req, page.Now); len(page.Unusual) == 0 {
			page.Usual = h.usual(page.Now)
		}
	}
	return nil
}

// addAgent adds what the agent may do already, what else it asks for now, and what it called and
// borrowed last.
func (s *server) addAgent(ctx context.Context, v *visit, req *rolebroker.AccessRequest, page *requestPage,
	h *history) error {
	grants, err := s.Broker.Grants(ctx, v.who, string(req.Agent))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		page.Gone = true
		return nil
	}
	if err != nil {
		return err
	}
	agent := &grants.Agent
	h.agent = agent
	page.Owner = agent.OwnedBy()
	page.CutOff = !req.EndedAt.IsZero() && agent.CutOff.At.Equal(req.EndedAt)
	page.Owns = agent.Owner != "" && agent.Owner == v.who.Principal()
	for i := range agent.Connections {
		c := &agent.Connections[i]
		page.Withheld = page.Withheld || c.Keys == rolebroker.KeysWithheld
		if len(page.Already) < maxMentioned {
			page.Already = append(page.Already, wordsOfLimits(c).Sentence(agent.Name, c))
		}
	}
	if more := len(agent.Connections) - len(page.Already); more > 0 {
		page.Already = append(page.Already, "It may borrow from "+plural(more, "other integration", "other integrations")+".")
	}
	open, err := s.openRequests(ctx, v, agent.ID, page.Now)
	if err != nil {
		return err
	}
	page.Lasting, _ = cut(slices.DeleteFunc(open, func(other requestRow) bool { return other.ID == req.ID }),
		maxBackground)
	h.calls, err = s.Broker.Calls(ctx, v.who, broker.CallSelection{Agent: string(agent.ID)},
		rolebroker.Page{Limit: maxLastCalls})
	if err != nil {
		return err
	}
	for _, call := range h.calls {
		page.Calls = append(page.Calls, rowOfCall(call, page.base))
	}
	sessions, err := s.Broker.Sessions(ctx, v.who, rolebroker.SessionFilter{Agent: string(agent.ID)},
		rolebroker.Page{Limit: maxBackground})
	for i := range sessions {
		page.Sessions = append(page.Sessions, rowOfSession(&sessions[i], page.base))
	}
	return err
}

func (s *server) approveRequest(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &requestPage{Duration: formValue(r, "duration"), Access: rolebroker.Access(formValue(r, "access")),
		Note: formValue(r, "note")}
	page.Chosen = formValue(r, "only")
	terms := rolebroker.ApprovalTerms{Access: page.Access, Note: page.Note, AllCalls: page.Chosen != onlyCall,
		BreakGlass: formValue(r, "break_glass") != ""}
	var err error
	if terms.Duration, err = parseDuration(page.Duration); err != nil || terms.Duration <= 0 {
		page.Errors = map[string]string{"duration": "Write a duration, such as 5m or 1h."}
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
		return toDone(w, r, pageOf(rolebroker.KindAccessRequest, r.PathValue("request")), done)
	}
	if page.Errors = fieldErrors(err); page.Errors == nil {
		return err
	}
	if name := page.Errors["name"]; name != "" { // a conflict: somebody else was faster, or the role was changed
		page.Lost, page.Errors = name, nil
	}
	return s.renderRequest(w, r, v, statusOf(err), page)
}
