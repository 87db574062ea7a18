package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// agentHead is what all pages of an agent have.
type agentHead struct {
	object
	Agent rolebroker.Agent

	CutOff   moment      // when it was cut off
	EndKeys  string      // the command for its keys in AWS; empty: it is not cut off
	LastCut  *lastCut    // its last cut-off, while there may be something to do about it; nil: nothing
	CutRoles []cutChoice // of which one alone can be taken from it
	Enabling lifting

	grants *rolebroker.Grants
	live   []rolebroker.Session
}

// headOfAgent makes the head of a page of the agent that the request is about.
func (s *server) headOfAgent(r *http.Request, v *visit, tab string) (*agentHead, error) {
	grants, err := s.Broker.Grants(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return nil, err
	}
	agent := &grants.Agent
	h := &agentHead{Agent: *agent, grants: grants, object: object{base: s.base(r, v, agent.Name, "agents"),
		List: link{"Agents", "/agents"}, Name: agent.Name, State: stateOfAgent(agent)}}
	h.Tabs = agentTabs(agent, tab)
	if agent.CutOff.IsSet() {
		h.CutOff = when(agent.CutOff.At, h.Now)
		h.EndKeys = rolebroker.ShellCommand("rolebroker", "agent", "cut-off", agent.Name, "--print") + " > cut-off.sh"
	}
	if h.live, err = s.liveSessions(r.Context(), v, agent.ID, h.Now); err != nil {
		return nil, err
	}
	h.CutRoles = cutChoices(grants, h.live)
	return h, s.addLastCut(r.Context(), v, h)
}

// agentTabs are the pages of an agent.
func agentTabs(agent *rolebroker.Agent, chosen string) []tab {
	return tabsOf(pageOf(rolebroker.KindAgent, agent.ID), chosen,
		tab{link: link{"Now", ""}},
		tab{link: link{"Connections", "connections"}, Count: len(agent.Connections)},
		tab{link: link{"Tokens", "tokens"}}, tab{link: link{"Activity", "activity"}})
}

// agentPage is an agent now: what it may do, what it does and asks for, and how it is used.
type agentPage struct {
	agentHead
	Next       *nextStep // what is missing for it to work; nil: nothing
	Unapproved bool      // it has to ask, and no API key may approve what it asks for
	agentRoles
	Offers   offersPage
	Use      usage
	Bound    bool         // to service accounts
	Requests []requestRow // that wait for a decision, or are approved and last
	Live     []sessionRow // the newest first
	MoreLive int          // sessions that are not among them
	Withheld bool         // some keys are withheld, so that the server sees its calls
	Calls    []callRow    // the newest first
}

// nextStep is what a person does next for an agent to work.
type nextStep struct{ Says, Button, Address string }

// How many sessions and calls the page of an agent has.
const maxNow = 10

func (s *server) showAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfAgent(r, v, "")
	if err != nil {
		return err
	}
	page := &agentPage{agentHead: *head, agentRoles: rolesOfAgent(head.grants, head.live, head.Now)}
	page.Offers = page.offers(pageOf(rolebroker.KindAgent, page.Agent.ID), r.URL.Query().Get("roles"))
	page.Use = s.usageOf(r, page.Agent.Name, page.grants.Offers())
	if page.Requests, err = s.openRequests(r.Context(), v, page.Agent.ID, page.Now); err != nil {
		return err
	}
	if err := s.addDoings(r.Context(), v, page); err != nil {
		return err
	}
	if err := s.addNextStep(r.Context(), v, page); err != nil {
		return err
	}
	if slices.ContainsFunc(page.Agent.Connections, func(c rolebroker.Connection) bool {
		return c.Approval != rolebroker.ApprovalNone
	}) {
		if page.Unapproved, err = s.onlyApprover(r.Context(), v, page.Agent.Owner); err != nil {
			return err
		}
	}
	return s.render(w, http.StatusOK, "agent", page)
}

// addDoings adds what the agent does now.
func (s *server) addDoings(ctx context.Context, v *visit, page *agentPage) error {
	shown, _ := cut(page.live, maxNow)
	page.MoreLive = len(page.live) - len(shown)
	for i := range shown {
		page.Live = append(page.Live, rowOfSession(&shown[i], page.base))
	}
	page.Withheld = slices.ContainsFunc(page.Agent.Connections, func(c rolebroker.Connection) bool {
		return c.Keys == rolebroker.KeysWithheld
	})
	if !page.Withheld {
		return nil
	}
	calls, err := s.Broker.Calls(ctx, v.who, broker.CallSelection{Agent: string(page.Agent.ID)},
		rolebroker.Page{Limit: maxNow})
	for _, call := range calls {
		page.Calls = append(page.Calls, rowOfCall(call, page.base))
	}
	return err
}

// addNextStep adds what is missing for the agent to work.
func (s *server) addNextStep(ctx context.Context, v *visit, page *agentPage) error {
	tokens, err := s.allTokens(ctx, v, page.Agent.ID)
	if err != nil {
		return err
	}
	bound, err := s.allBindings(ctx, v, page.Agent.ID)
	page.Bound = len(bound) > 0
	usable := slices.ContainsFunc(tokens, func(t rolebroker.Token) bool { return t.Usable(page.Now) == nil })
	address := pageOf(rolebroker.KindAgent, page.Agent.ID)
	switch {
	case page.Agent.Disabled:
	case len(page.Agent.Connections) == 0:
		page.Next = &nextStep{"It is not connected to an integration yet, so it may borrow nothing.",
			"Connect Integration", address + "/connections"}
	case !usable && !page.Bound && page.LentHere():
		page.Next = &nextStep{"It has no token yet. Its processes show one to borrow roles.",
			"Create Token", address + "/tokens"}
	case !usable && !page.Bound && len(page.Roles) > 0:
		page.Next = &nextStep{"Its roles are lent in a cluster. Bind a service account there, and its pods get them " +
			"without a token.", "Bind Service Account", address + "/tokens#accounts"}
	}
	return err
}

// agentConnectionsPage is what an agent is connected to.
type agentConnectionsPage struct {
	agentHead
	Connections []connectionRow
	Others      []string // integrations that the agent is not connected to
	More        bool     // there are more of them
	Connect     string   // the integration to connect, as it was typed
	Errors      map[string]string
}

// connectionRow is an integration that the agent is connected to.
type connectionRow struct {
	rolebroker.Connection
	Default   bool
	Paused    bool // the integration is disabled
	Mode      rolebroker.AssumptionMode
	Runner    string // the name of the integration's runner; empty: none
	Selected  int    // roles
	RoleCount int
	Connected moment
	Words     limitWords
}

func (s *server) showConnections(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderConnections(w, r, v, http.StatusOK, &agentConnectionsPage{})
}

// renderConnections adds to the page the connections as they are now, and shows it.
func (s *server) renderConnections(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *agentConnectionsPage,
) error {
	head, err := s.headOfAgent(r, v, "connections")
	if err != nil {
		return err
	}
	page.agentHead, page.Connections = *head, connectionsOf(head.grants, head.Now)
	if page.Others, page.More, err = s.otherIntegrations(r.Context(), v, &page.Agent); err != nil {
		return err
	}
	return s.render(w, status, "agent-connections", page)
}

// agentActivityPage has the events about an agent.
type agentActivityPage struct {
	agentHead
	Activity activity
}

func (s *server) showAgentActivity(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfAgent(r, v, "activity")
	if err != nil {
		return err
	}
	page := &agentActivityPage{agentHead: *head}
	id := string(page.Agent.ID)
	if page.Activity, err = s.activityOf(r, v, id, pageOf(rolebroker.KindAgent, id)+"/activity"); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "agent-activity", page)
}

// agentEditPage is the form for the name and the description of an agent.
type agentEditPage struct {
	agentHead
	NewName        string // as it was typed
	NewDescription string // as it was typed
	Version        int64  // the version that the form was made from
	Was            fieldValues
	Conflicts      []conflict // what somebody else changed too; empty: nobody did
	Errors         map[string]string
}

func (s *server) editAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderEditAgent(w, r, v, http.StatusOK, &agentEditPage{})
}

// renderEditAgent adds to the page the agent as it is now, and shows it.
func (s *server) renderEditAgent(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *agentEditPage,
) error {
	head, err := s.headOfAgent(r, v, "edit")
	if err != nil {
		return err
	}
	page.agentHead = *head
	if page.Version == 0 {
		page.NewName, page.NewDescription, page.Version = page.Agent.Name, page.Agent.Description, page.Agent.Version
	}
	page.Was = valuesOfAgent(&page.Agent)
	return s.render(w, status, "agent-edit", page)
}

// liveSessions are the sessions of an agent whose credentials may still be valid.
func (s *server) liveSessions(ctx context.Context, v *visit, agent rolebroker.AgentID,
	now time.Time) ([]rolebroker.Session, error) {
	filter := rolebroker.SessionFilter{Agent: string(agent), LiveAt: now}
	return readAll(ctx, v, rolebroker.SessionCursor,
		func(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Session, error) {
			return s.Broker.Sessions(ctx, who, filter, page)
		})
}

// openRequests are the access requests of an agent that wait for a decision, and then its grants that last.
func (s *server) openRequests(ctx context.Context, v *visit, agent rolebroker.AgentID, now time.Time) (
	rows []requestRow, err error) {
	for _, state := range []rolebroker.AccessRequestState{rolebroker.RequestPending, rolebroker.RequestApproved} {
		found, err := s.Broker.AccessRequests(ctx, v.who,
			rolebroker.AccessRequestFilter{Agent: string(agent), State: state},
			rolebroker.Page{Limit: rolebroker.MaxOpenRequests})
		if err != nil {
			return nil, err
		}
		rows = append(rows, requestRows(found, now)...)
	}
	return rows, nil
}

func connectionsOf(g *rolebroker.Grants, now time.Time) (rows []connectionRow) {
	for _, c := range g.Agent.Connections {
		row := connectionRow{
			Connection: c,
			Default:    c.Integration == g.Agent.DefaultIntegration,
			Connected:  when(c.ConnectedAt, now),
			Words:      wordsOfLimits(&c),
		}
		i := slices.IndexFunc(g.Integrations, func(in rolebroker.Integration) bool { return in.ID == c.Integration })
		if i >= 0 {
			in := &g.Integrations[i]
			row.Paused = !in.Enabled
			row.Mode, row.Runner, row.RoleCount = in.AssumptionMode, in.RunnerName, len(in.Roles)
			for _, role := range in.Roles {
				if role.Enabled && c.Includes(role.ID) {
					row.Selected++
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// otherIntegrations names the first integrations that an agent is not connected to.
func (s *server) otherIntegrations(
	ctx context.Context, v *visit, a *rolebroker.Agent,
) (others []string, more bool, err error) {
	limit := maxNames + len(a.Connections) + 1
	found, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: limit})
	found = slices.DeleteFunc(found, func(in rolebroker.Integration) bool { return a.Connected(in.ID) })
	found, more = cut(found, maxNames)
	return names(found, integrationName), more, err
}

// updateAgent saves the name and the description.
func (s *server) updateAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &agentEditPage{NewName: formValue(r, "name"), NewDescription: formValue(r, "description"),
		Version: formVersion(r)}
	now, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	spec := broker.AgentSpec{Name: page.NewName, Description: page.NewDescription, Disabled: now.DisabledByPerson()}
	_, err = s.Broker.UpdateAgent(r.Context(), v.who, string(now.ID), spec, max(page.Version, 1))
	done := "updated"
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		mine := fieldValues{"name": spec.Name, "description": spec.Description}
		page.Conflicts = mine.mergeInWords(readValues(r), valuesOfAgent(now))
		page.Version, page.NewName, page.NewDescription = now.Version, mine["name"], mine["description"]
		if len(page.Conflicts) > 0 {
			return s.renderEditAgent(w, r, v, http.StatusConflict, page)
		}
		spec.Name, spec.Description = page.NewName, page.NewDescription
		_, err = s.Broker.UpdateAgent(r.Context(), v.who, string(now.ID), spec, now.Version)
		done = "merged"
	}
	if page.Errors = fieldErrors(err); page.Errors != nil {
		return s.renderEditAgent(w, r, v, statusOf(err), page)
	}
	return s.toAgent(w, r, err, "", done)
}

func valuesOfAgent(a *rolebroker.Agent) fieldValues {
	return fieldValues{"name": a.Name, "description": a.Description}
}

// toAgent redirects to a page of the agent after a change, unless err is an error. tab is as in "/tokens"; empty: the
// first page.
func (s *server) toAgent(w http.ResponseWriter, r *http.Request, err error, tab, done string) error {
	if err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindAgent, r.PathValue("agent"))+tab, done)
}

func (s *server) disableAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.DisableAgent(r.Context(), v.who, r.PathValue("agent"))
	return s.toAgent(w, r, err, "", "disabled")
}

func (s *server) connectAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	refuse := func(problem string) error {
		page := &agentConnectionsPage{Connect: formValue(r, "integration")}
		page.Errors = map[string]string{"connect": problem}
		return s.renderConnections(w, r, v, http.StatusUnprocessableEntity, page)
	}
	if formValue(r, "integration") == "" {
		return refuse("Choose an integration.")
	}
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	_, err = s.Broker.Connect(r.Context(), v.who, string(agent.ID), formValue(r, "integration"), nil, 0)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return refuse(sentence(rolebroker.AsError(err).Message))
	}
	return s.toAgent(w, r, err, "/connections", "connected")
}

func (s *server) disconnectAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.Disconnect(r.Context(), v.who, r.PathValue("agent"), formValue(r, "integration"))
	return s.toAgent(w, r, err, "/connections", "disconnected")
}

func (s *server) chooseDefault(w http.ResponseWriter, r *http.Request, v *visit) error {
	if formValue(r, "integration") == "" {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "choose an integration")
	}
	_, err := s.Broker.ChooseDefault(r.Context(), v.who, r.PathValue("agent"), formValue(r, "integration"))
	return s.toAgent(w, r, err, "/connections", "default")
}
