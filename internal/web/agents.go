package web

import (
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// agents is the part of the broker that has agents and their tokens.
type agents interface {
	Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	Agents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Agent, error)
	SortedAgents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) (
		found []rolebroker.Agent, cursors []string, err error)
	Grants(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Grants, error)
	CreateAgent(ctx context.Context, who rolebroker.Caller, spec broker.AgentSpec) (*rolebroker.Agent, error)
	UpdateAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.AgentSpec,
		ifVersion int64) (*rolebroker.Agent, error)
	DisableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
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

// agentsPage lists agents.
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
		States: []choice{{"", "Any state"}, {string(rolebroker.ListedCutOff), "Cut off"},
			{string(rolebroker.ListedDisabled), "Disabled"}, {string(rolebroker.ListedAlone), "Not connected"},
			{string(rolebroker.ListedEnabled), "Enabled"}},
		Sorts: []sorting{byName,
			{"Integrations", rolebroker.SortBackward + rolebroker.SortGranted, true, [2]string{"most", "fewest"}},
			{"State", rolebroker.SortState, false, [2]string{"cut off first", "enabled first"}},
			{"Created", rolebroker.SortBackward + rolebroker.SortCreated, false, [2]string{"newest", "oldest"}}},
	}}
	page.Integration = r.URL.Query().Get("integration")
	found, err := readSorted(r, v, &page.list, s.Broker.SortedAgents)
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
	case a.CutOff.IsSet():
		return state{Tone: "bad", Word: "cut off"}
	case a.Disabled:
		return state{Tone: "off", Word: "disabled"}
	case len(a.Connections) == 0:
		return state{Tone: "off", Word: "not connected"}
	}
	return state{Tone: "good", Word: "enabled"}
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
