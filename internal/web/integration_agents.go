package web

import (
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
)

// integrationAgentsPage lists the agents that may borrow from an integration.
type integrationAgentsPage struct {
	integrationTab
	paging
	Rows         []connectedAgent
	Others       []string
	Connect      string // the agent to connect, as it was typed
	ConnectError string // what is wrong with it
}

// connectedAgent is an agent with its connection to the integration.
type connectedAgent struct {
	rolebroker.Connection
	Agent rolebroker.AgentID
	Name  string
	State state
	Only  int // the roles that it is limited to; 0: it has all
	Since moment
}

func (s *server) showIntegrationAgents(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderIntegrationAgents(w, r, v, http.StatusOK, &integrationAgentsPage{})
}

// renderIntegrationAgents adds to the page the agents as they are now, and shows it.
func (s *server) renderIntegrationAgents(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *integrationAgentsPage,
) (err error) {
	if page.integrationTab, err = s.integrationTab(r, v, "agents"); err != nil {
		return err
	}
	page.After = r.URL.Query().Get("after")
	at := func(after string) string {
		return addressOf(pageOf(rolebroker.KindIntegration, page.In.ID)+"/agents", "after", after)
	}
	found, err := readPage(&page.paging, pageSize, at, agentName, func(p rolebroker.Page) ([]rolebroker.Agent, error) {
		p.Integration = string(page.In.ID)
		return s.Broker.Agents(r.Context(), v.who, p)
	})
	if err != nil {
		return err
	}
	for i := range found {
		if c := found[i].Connection(page.In.ID); c != nil {
			page.Rows = append(page.Rows, rowOfConnected(&found[i], c, page.Now))
		}
	}
	if page.MayWrite() {
		if page.Others, err = s.otherAgents(r.Context(), v, page.In.ID); err != nil {
			return err
		}
	}
	return s.render(w, status, "integration-agents", page)
}

// rowOfConnected is the row of an agent with its connection.
func rowOfConnected(a *rolebroker.Agent, c *rolebroker.Connection, now time.Time) connectedAgent {
	return connectedAgent{Connection: *c, Agent: a.ID, Name: a.Name, State: stateOfAgent(a), Only: len(c.Roles),
		Since: when(c.ConnectedAt, now)}
}

// connectIntegration connects an agent to the integration.
func (s *server) connectIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	page := &integrationAgentsPage{Connect: formValue(r, "agent"), ConnectError: "Choose an agent."}
	if page.Connect != "" {
		_, err := s.Broker.Connect(r.Context(), v.who, page.Connect, string(in.ID), nil, 0)
		switch rolebroker.CodeOf(err) {
		case "":
			return toDone(w, r, pageOf(rolebroker.KindIntegration, in.ID)+"/agents", "connected")
		case rolebroker.CodeNotFound, rolebroker.CodeInvalid:
			page.ConnectError = sentence(rolebroker.AsError(err).Message)
		default:
			return err
		}
	}
	return s.renderIntegrationAgents(w, r, v, http.StatusUnprocessableEntity, page)
}

// disconnectIntegration takes the integration away from an agent.
func (s *server) disconnectIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	if _, err := s.Broker.Disconnect(r.Context(), v.who, formValue(r, "agent"), string(in.ID)); err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindIntegration, in.ID)+"/agents", "disconnected")
}
