package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// agents is the part of the broker that has agents and their tokens.
type agents interface {
	Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	Agents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Agent, error)
	Grants(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Grants, error)
	CreateAgent(ctx context.Context, who rolebroker.Caller, spec broker.AgentSpec) (*rolebroker.Agent, error)
	UpdateAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.AgentSpec,
		ifVersion int64) (*rolebroker.Agent, error)
	DisableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	CutOff(ctx context.Context, who rolebroker.Caller, nameOrID string, how broker.CuttingOff) (*rolebroker.CutOff, error)
	EnableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	DeleteAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	Connect(ctx context.Context, who rolebroker.Caller, agent, integration string, limits *broker.Limits,
		ifVersion int64) (*rolebroker.Agent, error)
	Disconnect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
	ChooseDefault(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
	Tokens(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error)
	AgentToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) (*rolebroker.Token, error)
	CreateToken(ctx context.Context, who rolebroker.Caller, agent string,
		spec broker.TokenSpec) (*rolebroker.Token, rolebroker.Secret, error)
	RevokeToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error
}

// agentsPage lists agents by name.
type agentsPage struct {
	list
	IntegrationName string // of the integration that the agents are connected to; empty: all agents are listed
	Rows            []agentRow
}

// agentRow is one agent.
type agentRow struct {
	rolebroker.Agent
	Default string // the name of its default integration; empty: it has none
	State   state
	Created moment
}

func (s *server) listAgents(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := agentsPage{list: list{
		base: s.base(r, v, "Agents", "agents"),
		Path: "/agents", Noun: "agent", Plural: "agents",
	}}
	page.Integration = r.URL.Query().Get("integration")
	found, err := readList(r, v, &page.list, agentName, s.Broker.Agents)
	if err != nil {
		return err
	}
	if page.Integration != "" {
		in, err := s.Broker.Integration(r.Context(), v.who, page.Integration)
		if err != nil {
			return err
		}
		page.IntegrationName = in.Name
	}
	for _, a := range found {
		page.Rows = append(page.Rows, agentRow{
			Agent:   a,
			Default: defaultOf(&a),
			State:   stateOfAgent(&a),
			Created: when(a.CreatedAt, page.Now),
		})
	}
	return s.render(w, http.StatusOK, "agents", page)
}

// defaultOf is the name of an agent's default integration; empty: it has none.
func defaultOf(a *rolebroker.Agent) string {
	for _, c := range a.Connections {
		if c.Integration == a.DefaultIntegration {
			return c.IntegrationName
		}
	}
	return ""
}

// stateOfAgent says whether an agent can borrow anything.
func stateOfAgent(a *rolebroker.Agent) state {
	switch {
	case a.Disabled:
		return state{Tone: "off", Word: "disabled"}
	case len(a.Connections) == 0:
		return state{Tone: "off", Word: "not connected"}
	}
	return state{Tone: "good", Word: "enabled"}
}

// newAgentPage asks for a new agent, and keeps what was typed.
type newAgentPage struct {
	base
	NewName        string
	NewDescription string
	Choices        []choice
	More           bool              // there are more integrations than Choices
	Another        string            // the name of one of those, as it was typed
	Errors         map[string]string // by field
}

// choice is an integration that can be ticked.
type choice struct {
	rolebroker.Integration
	Chosen bool
}

func (s *server) newAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.askForAgent(w, r, v, http.StatusOK, newAgentPage{}, r.URL.Query()["integration"])
}

// askForAgent shows the form. The chosen integrations are ticked.
func (s *server) askForAgent(w http.ResponseWriter, r *http.Request, v *visit, status int, page newAgentPage,
	chosen []string) (err error) {
	page.base = s.base(r, v, "New Agent", "agents")
	if page.Choices, page.More, err = s.choices(r.Context(), v, chosen); err != nil {
		return err
	}
	return s.render(w, status, "new-agent", page)
}

// choices offers the chosen integrations, and the first of the others.
func (s *server) choices(ctx context.Context, v *visit, chosen []string) (offered []choice, more bool, err error) {
	for _, nameOrID := range chosen[:min(len(chosen), maxNames)] {
		in, err := s.Broker.Integration(ctx, v.who, nameOrID)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			continue // it was deleted since
		}
		if err != nil {
			return nil, false, err
		}
		offered = append(offered, choice{*in, true})
	}
	found, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: maxNames + 1})
	found, more = cut(found, maxNames)
	for _, in := range found {
		if !slices.ContainsFunc(offered, func(c choice) bool { return c.ID == in.ID }) {
			offered = append(offered, choice{in, false})
		}
	}
	return offered, more, err
}

func (s *server) createAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := newAgentPage{NewName: formValue(r, "name"), NewDescription: formValue(r, "description"),
		Another: formValue(r, "another")}
	chosen := slices.Clone(r.PostForm["integration"])
	if page.Another != "" {
		if _, err := s.Broker.Integration(r.Context(), v.who, page.Another); err != nil {
			page.Errors = map[string]string{"another": sentence(rolebroker.AsError(err).Message)}
			return s.askForAgent(w, r, v, statusOf(err), page, chosen)
		}
		chosen, page.Another = append(chosen, page.Another), ""
	}
	spec := broker.AgentSpec{Name: page.NewName, Description: page.NewDescription, Connections: broker.ConnectTo(chosen...)}
	agent, err := s.Broker.CreateAgent(r.Context(), v.who, spec)
	if page.Errors = fieldErrors(err); page.Errors != nil {
		return s.askForAgent(w, r, v, statusOf(err), page, chosen)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, "/agents/"+string(agent.ID), "created")
}

// ConnectionsError is what is wrong with the ticked integrations; empty: nothing.
func (p newAgentPage) ConnectionsError() string {
	for path, message := range p.Errors {
		if strings.HasPrefix(path, "connections[") {
			return message
		}
	}
	return ""
}

// deleteAgentPage asks whether to delete an agent.
type deleteAgentPage struct {
	base
	Agent  rolebroker.Agent
	Tokens int    // how many are usable
	Bound  int    // how many service accounts are bound to it
	Live   int    // how many sessions may still be valid
	Last   moment // when the last of them ends
}

func (s *server) confirmDeleteAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	page := deleteAgentPage{base: s.base(r, v, "Delete "+agent.Name, "agents"), Agent: *agent}
	tokens, err := s.allTokens(r.Context(), v, agent.ID)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Usable(page.Now) == nil {
			page.Tokens++
		}
	}
	bound, err := s.allBindings(r.Context(), v, agent.ID)
	if err != nil {
		return err
	}
	page.Bound = len(bound)
	live, err := s.liveSessions(r.Context(), v, agent.ID, page.Now)
	if err != nil {
		return err
	}
	page.Live = len(live)
	var last time.Time
	for _, session := range live {
		if session.ExpiresAt.After(last) {
			last = session.ExpiresAt
		}
	}
	page.Last = when(last, page.Now)
	return s.render(w, http.StatusOK, "delete-agent", page)
}

func (s *server) deleteAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.DeleteAgent(r.Context(), v.who, r.PathValue("agent"), 0); err != nil {
		return err
	}
	return toDone(w, r, "/agents", "deleted")
}
