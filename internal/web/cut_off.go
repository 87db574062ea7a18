package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// cutOffs is the part of the broker that cuts agents off, and ends sessions.
type cutOffs interface {
	CutOff(ctx context.Context, who rolebroker.Caller, nameOrID string, how broker.CuttingOff) (*rolebroker.CutOff, error)
	LastCutOff(ctx context.Context, who rolebroker.Caller, nameOrID, role string) (*rolebroker.CutOff, error)
	Lift(ctx context.Context, who rolebroker.Caller, nameOrID string, remove bool) (*rolebroker.Agent,
		*rolebroker.CutOff, error)
	EndSession(ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID, apply bool) (
		*rolebroker.Session, *rolebroker.CutOff, error)
	EndedSession(ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID) (
		*rolebroker.Session, *rolebroker.CutOff, error)
}

// cutOffPage is what a cut-off, or the end of a session, stopped, and what is left to do in AWS. It is made from what
// is stored, so that people can come back to it.
type cutOffPage struct {
	base
	Cut     rolebroker.CutOff
	Session *rolebroker.Session // that was ended; nil: an agent was cut off
	Gone    bool                // the agent was deleted
	State   state
	At      moment
	First   moment // since when the agent is cut off, if it was cut off again since; Never: it was not
	From    string // what the agent was cut off from: "everything", or integration/role
	Lifted  bool   // what was taken is lent again

	Outcome  outcome
	Accounts []deniedAccount
	Open     []openRow
	Name     string // of the deny policy; empty: there is none
	Policy   string // JSON, indented
	Removal  moment // when the policies have no effect any more
	Due      bool   // they have none now

	Again     string   // the address that the form to apply posts to
	Role      string   // what it is for; empty: everything, or a session
	CanApply  bool     // there are policies that the server may be able to put on roles
	CanRemove bool     // the server put policies on roles that have no effect any more, and the agent is enabled
	CutOffFor []string // the integrations whose setup can have a cut-off role
	Enabling  lifting
}

// deniedAccount is an account with roles whose keys the agent may have.
type deniedAccount struct {
	rolebroker.DeniedAccount
	Rows []deniedRow
}

// deniedRow is a role with the deny policy that ends keys of it.
type deniedRow struct {
	rolebroker.DeniedRole
	Ends     moment // the last of the keys
	State    state  // of the policy
	Words    string // what became of the policy; empty: nothing yet
	Sessions string // how many were live; empty: none is known
	Link     string // the address of these sessions
}

// openRow is something that is still open.
type openRow struct {
	What  string
	Until moment // Never: nobody knows
}

// outcome sums up what is left to do in AWS.
type outcome struct {
	Tone, Says, Then string
	Left             int // roles whose keys may work, without a deny policy that is known to be there
}

// lifting is the form that enables an agent.
type lifting struct {
	Agent     rolebroker.AgentID
	Name      string
	CutOff    bool
	Needed    moment // until when deny policies are needed; Never: there are none
	Removable bool   // the server put some on roles that are not needed any more
}

// lastCut is what the page of an agent says of its last cut-off.
type lastCut struct {
	Link    string
	From    string
	At      moment
	By      string
	Outcome outcome
}

// cutChoice is a role that an agent can be cut off from.
type cutChoice struct{ ID, Reference string }

// cutChoices are the roles that an agent may borrow, and those that it has live sessions for.
func cutChoices(g *rolebroker.Grants, live []rolebroker.Session) (all []cutChoice) {
	add := func(id rolebroker.RoleID, reference string) {
		if !slices.ContainsFunc(all, func(c cutChoice) bool { return c.ID == string(id) }) {
			all = append(all, cutChoice{string(id), reference})
		}
	}
	for _, in := range g.Integrations {
		c := g.Agent.Connection(in.ID)
		for _, role := range in.Roles {
			if c != nil && c.Includes(role.ID) {
				add(role.ID, in.Name+"/"+role.Name)
			}
		}
	}
	for _, s := range live {
		add(s.Role, s.IntegrationName+"/"+s.RoleName)
	}
	return all
}

// cutOffAt is the address of the page of an agent's cut-off from everything, or from a role. done is what was done just
// now; empty: nothing.
func cutOffAt(agent rolebroker.AgentID, cut *rolebroker.CutOff, done string) string {
	path, pairs := pageOf(rolebroker.KindAgent, agent)+"/cut-off", []string{}
	if len(cut.Roles) > 0 {
		pairs = append(pairs, "role", string(cut.Roles[0].Role))
	}
	if done != "" {
		pairs = append(pairs, "done", done)
	}
	if len(pairs) == 0 {
		return path
	}
	return query(path, pairs...)
}

// cutOffAgent cuts an agent off. The deny policies are put on the roles after that, if the person wants it.
func (s *server) cutOffAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	how := broker.CuttingOff{Role: formValue(r, "role"), Reason: formValue(r, "reason"),
		Apply: formValue(r, "apply") != ""}
	cut, err := s.Broker.CutOff(r.Context(), v.who, r.PathValue("agent"), how)
	if err != nil {
		return err
	}
	done := "cut-off"
	if len(cut.Roles) > 0 {
		done = "cut-off-role"
	}
	return to(w, r, cutOffAt(cut.Agent, cut, done))
}

// enableAgent enables an agent. If it was cut off, it leads to what is left of that.
func (s *server) enableAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, cut, err := s.Broker.Lift(r.Context(), v.who, r.PathValue("agent"), formValue(r, "remove") != "")
	if err != nil {
		return err
	}
	if cut == nil || len(cut.Accounts) == 0 {
		return s.toAgent(w, r, nil, "", "enabled")
	}
	return to(w, r, cutOffAt(agent.ID, cut, "lifted"))
}

// endSession ends a session. It asks no question, because the agent's next request
// starts another.
func (s *server) endSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	session, _, err := s.Broker.EndSession(r.Context(), v.who, rolebroker.SessionID(r.PathValue("session")),
		formValue(r, "apply") != "")
	if err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindSession, session.ID)+"/cut-off", "ended")
}

// showCutOff shows the last cut-off of an agent, or the last one that concerns a role.
func (s *server) showCutOff(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	cut, err := s.Broker.LastCutOff(r.Context(), v.who, string(agent.ID), r.URL.Query().Get("role"))
	if err != nil {
		return err
	}
	page := &cutOffPage{base: s.base(r, v, "Cut-off of "+agent.Name, "agents"), From: takenFrom(cut),
		Again: pageOf(rolebroker.KindAgent, agent.ID) + "/cut-off", Lifted: lentAgain(agent, cut)}
	switch {
	case len(cut.Roles) == 1:
		page.Role = string(cut.Roles[0].Role)
	case len(cut.Roles) > 1: // by an ARN
		for role := range cut.Denials() {
			page.Role = role.ARN.String()
		}
	}
	page.State = state{Tone: "bad", Word: "cut off"}
	if page.Lifted {
		page.State = state{Tone: "good", Word: "enabled since"}
		if len(cut.Roles) > 0 {
			page.State.Word = "lent again"
		}
	}
	page.First = moment{Never: true}
	if agent.CutOff.IsSet() && agent.CutOff.At.Before(cut.At) && len(cut.Roles) == 0 {
		page.First = when(agent.CutOff.At, page.Now)
	}
	page.Enabling = liftingOf(agent, cut, page.Now)
	page.CanRemove = page.MayWrite() && !agent.Disabled && page.Enabling.Removable
	return s.renderCutOff(w, page, cut)
}

// showEndedSession shows how a session was ended.
func (s *server) showEndedSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	session, cut, err := s.Broker.EndedSession(r.Context(), v.who, rolebroker.SessionID(r.PathValue("session")))
	if err != nil {
		return err
	}
	page := &cutOffPage{base: s.base(r, v, "Session of "+session.AgentName+" ended", "sessions"), Session: session,
		From: takenFrom(cut), State: state{Tone: "off", Word: "ended"},
		Again: pageOf(rolebroker.KindSession, session.ID) + "/end"}
	if _, err := s.Broker.Agent(r.Context(), v.who, string(session.Agent)); rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		page.Gone = true
	} else if err != nil {
		return err
	}
	return s.renderCutOff(w, page, cut)
}

// renderCutOff adds to the page what is left to do, and shows it.
func (s *server) renderCutOff(w http.ResponseWriter, page *cutOffPage, cut *rolebroker.CutOff) error {
	page.Cut, page.At, page.Outcome = *cut, when(cut.At, page.Now), outcomeOf(cut, page.Now)
	page.Removal, page.Due = when(cut.Removal, page.Now), !page.Now.Before(cut.Removal)
	for _, open := range cut.Open {
		page.Open = append(page.Open, openRow{open.What, when(open.Until, page.Now)})
	}
	byServer := false
	for _, account := range cut.Accounts {
		shown := deniedAccount{DeniedAccount: account}
		for _, role := range account.Roles {
			shown.Rows = append(shown.Rows, rowOfDenial(&role, cut, page.Now))
			page.Name, page.Policy = role.Name, indented(role.Policy)
			if role.Runner == "" && role.State != rolebroker.PolicyApplied && page.Now.Before(role.Until) {
				byServer = true
				page.addSetups(role.Called)
			}
		}
		page.Accounts = append(page.Accounts, shown)
	}
	page.CanApply = page.MayWrite() && byServer && !page.Lifted
	return s.render(w, http.StatusOK, "cut-off", page)
}

// addSetups adds the integrations of roles, as integration/role.
func (p *cutOffPage) addSetups(called []string) {
	for _, reference := range called {
		if in, _, _ := strings.Cut(reference, "/"); !slices.Contains(p.CutOffFor, in) {
			p.CutOffFor = append(p.CutOffFor, in)
		}
	}
}

// indented is JSON that people can read.
func indented(policy string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(policy), "", "  ") != nil {
		return policy
	}
	return b.String()
}

// takenFrom says what an agent was cut off from.
func takenFrom(cut *rolebroker.CutOff) string {
	if len(cut.Roles) == 0 {
		return "everything"
	}
	var all []string
	for _, role := range cut.Roles {
		all = append(all, role.Reference)
	}
	return strings.Join(all, ", ")
}

// lentAgain returns whether an agent is lent again what it was cut off from.
func lentAgain(agent *rolebroker.Agent, cut *rolebroker.CutOff) bool {
	if len(cut.Roles) == 0 {
		return !agent.CutOff.IsSet()
	}
	return slices.ContainsFunc(cut.Roles, func(role rolebroker.EndedRole) bool {
		c := agent.Connection(role.Integration)
		return !agent.Disabled && c != nil && c.Includes(role.Role)
	})
}

func liftingOf(agent *rolebroker.Agent, cut *rolebroker.CutOff, now time.Time) lifting {
	l := lifting{Agent: agent.ID, Name: agent.Name, CutOff: agent.CutOff.IsSet(), Needed: moment{Never: true}}
	if cut == nil {
		return l
	}
	if now.Before(cut.Removal) {
		l.Needed = when(cut.Removal, now)
	}
	for role := range cut.Denials() {
		put := role.State == rolebroker.PolicyApplied || role.State == rolebroker.PolicyUnknown ||
			role.State == rolebroker.PolicyFailed
		l.Removable = l.Removable || put && !now.Before(role.Until)
	}
	return l
}

// outcomeOf sums up what became of the keys in AWS.
func outcomeOf(cut *rolebroker.CutOff, now time.Time) outcome {
	const spreads = "IAM needs some seconds until a policy counts everywhere."
	needed, denied, known, tried, until := 0, 0, 0, false, time.Time{}
	for role := range cut.Denials() {
		if !now.Before(role.Until) {
			continue
		}
		needed++
		tried = tried || role.State != rolebroker.PolicyOpen
		if role.State == rolebroker.PolicyApplied {
			denied++
			continue
		}
		known += role.Sessions
		if role.Until.After(until) {
			until = role.Until
		}
	}
	left := needed - denied
	end := rolebroker.RelativeTime(until, now)
	switch {
	case len(cut.Accounts) == 0 && cut.Withheld > 0:
		return outcome{Tone: "good", Says: "No AWS keys left rolebroker.",
			Then: "They were withheld from the agent, so nothing is left to do in AWS."}
	case len(cut.Accounts) == 0:
		return outcome{Tone: "good", Says: "No keys of it are known to work in AWS.", Then: "Nothing is left to do there."}
	case needed == 0:
		return outcome{Tone: "good", Says: "All keys that it was lent have expired.", Then: "Nothing is left to do."}
	case left == 0 && needed == 1:
		return outcome{Tone: "good", Says: "AWS refuses the keys: the deny policy is on 1 role.", Then: spreads}
	case left == 0:
		return outcome{Tone: "good", Then: spreads,
			Says: fmt.Sprintf("AWS refuses the keys: the deny policy is on all %d roles that it has keys of.", needed)}
	case known == 0:
		return outcome{Tone: "warn", Left: left, Says: "No keys of it are known that work in AWS.",
			Then: "A runner may have lent " + plural(left, "role", "roles") + ", and not have reported that yet."}
	case !tried:
		return outcome{Tone: "warn", Left: left, Says: "The keys still work in AWS, unless somebody has run the commands for " +
			plural(left, "role", "roles") + ".", Then: "The server does not see that. The last of them expire " + end + "."}
	}
	return outcome{Tone: "bad", Left: left,
		Says: fmt.Sprintf("The server put the deny policy on %d of %s.", denied, plural(needed, "role", "roles")),
		Then: "Keys of the others work in AWS, unless somebody has run the commands, which the server does not see. " +
			"The last of them expire " + end + "."}
}

// rowOfDenial is a role whose keys were to be denied.
func rowOfDenial(role *rolebroker.DeniedRole, cut *rolebroker.CutOff, now time.Time) deniedRow {
	row := deniedRow{DeniedRole: *role, Ends: when(role.Until, now)}
	if role.Sessions > 0 {
		row.Sessions = plural(role.Sessions, "session", "sessions")
		row.Link = query("/sessions", "agent", string(cut.Agent), "role", role.ARN.String())
	}
	tones := map[rolebroker.PolicyState]state{
		rolebroker.PolicyOpen:         {Tone: "warn", Word: "not by the server"},
		rolebroker.PolicyUnknown:      {Tone: "warn", Word: "unknown"},
		rolebroker.PolicyApplied:      {Tone: "good", Word: "applied"},
		rolebroker.PolicyNotPermitted: {Tone: "bad", Word: "not permitted"},
		rolebroker.PolicyFailed:       {Tone: "bad", Word: "failed"},
		rolebroker.PolicyRemoved:      {Tone: "off", Word: "removed"},
	}
	row.State = tones[role.State]
	if role.State == rolebroker.PolicyOpen && !now.Before(role.Until) {
		row.State = state{Tone: "off", Word: "not needed any more"}
	}
	if role.State != rolebroker.PolicyOpen {
		row.Words = "It " + role.State.InWords() + "."
	}
	return row
}

// addLastCut adds to the page of an agent its last cut-off, and how it is enabled.
func (s *server) addLastCut(ctx context.Context, v *visit, page *agentHead) error {
	cut, err := s.Broker.LastCutOff(ctx, v.who, string(page.Agent.ID), "")
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		page.Enabling = liftingOf(&page.Agent, nil, page.Now)
		return nil
	}
	if err != nil {
		return err
	}
	page.Enabling = liftingOf(&page.Agent, cut, page.Now)
	if page.Agent.CutOff.IsSet() || page.Now.Before(cut.Removal) || page.Enabling.Removable {
		page.LastCut = &lastCut{Link: cutOffAt(page.Agent.ID, cut, ""), From: takenFrom(cut), At: when(cut.At, page.Now),
			By: cut.By, Outcome: outcomeOf(cut, page.Now)}
	}
	return nil
}
