package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// agents has the broker's methods for agents and their tokens.
type agents interface {
	Agent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	Agents(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Agent, error)
	Grants(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Grants, error)
	CreateAgent(ctx context.Context, who rolebroker.Caller, spec broker.AgentSpec) (*rolebroker.Agent, error)
	UpdateAgent(
		ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.AgentSpec, ifVersion int64,
	) (*rolebroker.Agent, error)
	DisableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	EnableAgent(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Agent, error)
	DeleteAgent(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	Connect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
	Disconnect(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
	ChooseDefault(ctx context.Context, who rolebroker.Caller, agent, integration string) (*rolebroker.Agent, error)
	Tokens(ctx context.Context, who rolebroker.Caller, agent string, page rolebroker.Page) ([]rolebroker.Token, error)
	CreateToken(
		ctx context.Context, who rolebroker.Caller, agent string, spec broker.TokenSpec,
	) (*rolebroker.Token, rolebroker.Secret, error)
	RevokeToken(ctx context.Context, who rolebroker.Caller, agent string, id rolebroker.TokenID) error
}

// agentsPage lists agents by name.
type agentsPage struct {
	base
	Search string
	Rows   []agentRow
	Next   string // the address of the next page; empty on the last
	First  bool   // this is the first page
}

// agentRow is one row of agentsPage.
type agentRow struct {
	rolebroker.Agent
	Default string // the name of its default integration; empty: none
	State   state
	Created moment
}

func (s *server) listAgents(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	page := agentsPage{base: s.base(r, v, "Agents", "agents"), Search: query.Get("search"),
		First: query.Get("after") == ""}
	found, err := s.Broker.Agents(r.Context(), v.who, rolebroker.Page{Limit: pageSize + 1, After: query.Get("after"),
		Search: page.Search})
	if err != nil {
		return err
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		page.Next = "/agents?" + url.Values{"after": {found[pageSize-1].Name}, "search": {page.Search}}.Encode()
	}
	for _, a := range found {
		page.Rows = append(page.Rows, agentRow{Agent: a, Default: defaultOf(&a), State: stateOfAgent(&a),
			Created: when(a.CreatedAt, page.Now)})
	}
	return s.render(w, http.StatusOK, "agents", page)
}

// defaultOf returns the name of an agent's default integration; "" if it has none.
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

// newAgentPage is the form of a new agent. It keeps the input.
type newAgentPage struct {
	base
	NewName string
	About   string // its description
	Choices []choice
	More    bool              // there are more integrations than Choices
	Errors  map[string]string // by field
}

// choice is an integration with a checkbox.
type choice struct {
	rolebroker.Integration
	Chosen bool
}

func (s *server) newAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.askForAgent(w, r, v, http.StatusOK, newAgentPage{}, r.URL.Query()["integration"])
}

// askForAgent shows the form, with some integrations ticked.
func (s *server) askForAgent(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page newAgentPage, chosen []string,
) (err error) {
	page.base = s.base(r, v, "New Agent", "agents")
	if page.Choices, page.More, err = s.choices(r.Context(), v, chosen); err != nil {
		return err
	}
	return s.render(w, status, "new-agent", page)
}

// choices returns the chosen integrations, and the first of the others.
func (s *server) choices(ctx context.Context, v *visit, chosen []string) (offered []choice, more bool, err error) {
	for _, nameOrID := range chosen[:min(len(chosen), maxNamed)] {
		in, err := s.Broker.Integration(ctx, v.who, nameOrID)
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, false, err
		}
		offered = append(offered, choice{*in, true})
	}
	found, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: maxNamed + 1})
	for _, in := range found[:min(len(found), maxNamed)] {
		if !slices.ContainsFunc(offered, func(c choice) bool { return c.ID == in.ID }) {
			offered = append(offered, choice{in, false})
		}
	}
	return offered, len(found) > maxNamed, err
}

func (s *server) createAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := newAgentPage{NewName: formValue(r, "name"), About: formValue(r, "description")}
	chosen := r.PostForm["integration"]
	agent, err := s.Broker.CreateAgent(r.Context(), v.who, broker.AgentSpec{Name: page.NewName,
		Description: page.About, Connections: &chosen})
	if page.Errors = faults(err); page.Errors != nil {
		return s.askForAgent(w, r, v, statusOf(err), page, chosen)
	}
	if err != nil {
		return err
	}
	return to(w, r, "/agents/"+string(agent.ID)+"?done=created")
}

// Connections returns the error about the chosen integrations; "" if there is none.
func (p newAgentPage) Connections() string {
	for path, message := range p.Errors {
		if strings.HasPrefix(path, "connections[") {
			return message
		}
	}
	return ""
}

// formValue returns the value of a form field, without white space around it.
func formValue(r *http.Request, field string) string {
	return strings.TrimSpace(r.PostFormValue(field))
}

// faults returns the messages of an error about the input, by field. The key "form" has the message about the
// whole form, and "name" the message about a name that is taken. It returns nil for any other error.
func faults(err error) map[string]string {
	e := rolebroker.AsError(err)
	switch {
	case err == nil:
		return nil
	case e.Code == rolebroker.CodeConflict:
		return map[string]string{"name": sentence(e.Message)}
	case e.Code != rolebroker.CodeInvalid:
		return nil
	case len(e.Fields) == 0:
		return map[string]string{"form": sentence(e.Message)}
	}
	found := map[string]string{}
	for _, f := range e.Fields {
		if found[f.Path] == "" {
			found[f.Path] = sentence(f.Message)
		}
	}
	return found
}

// expiryOf returns the time of expiry for a choice in a form; zero means never. Codes: invalid.
func expiryOf(chosen string, now time.Time) (time.Time, error) {
	switch chosen {
	case "":
		return time.Time{}, nil
	case "30d":
		return now.AddDate(0, 0, 30), nil
	case "90d":
		return now.AddDate(0, 0, 90), nil
	case "1y":
		return now.AddDate(1, 0, 0), nil
	}
	return time.Time{}, &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the expiry is not valid",
		Fields: []rolebroker.Field{{Path: "expires_at", Message: "is none of those offered"}}}
}

// deleteAgentPage asks before an agent is deleted.
type deleteAgentPage struct {
	base
	Agent  rolebroker.Agent
	Tokens int    // the number of usable tokens
	Bound  int    // the number of bound service accounts
	Live   int    // the number of sessions that may still work
	Last   moment // when the last of them ends
}

func (s *server) confirmDeleteAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	page := deleteAgentPage{base: s.base(r, v, "Delete "+agent.Name, "agents"), Agent: *agent}
	tokens, err := s.Broker.Tokens(r.Context(), v.who, string(agent.ID), rolebroker.Page{Limit: maxTokens})
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Usable(page.Now) == nil {
			page.Tokens++
		}
	}
	bound, err := s.Broker.Bindings(r.Context(), v.who, string(agent.ID), rolebroker.Page{Limit: maxTokens})
	if err != nil {
		return err
	}
	page.Bound = len(bound)
	live, err := s.liveSessions(r.Context(), v, agent.ID, page.Now)
	if err != nil {
		return err
	}
	var last time.Time
	for _, session := range live {
		if page.Live++; session.ExpiresAt.After(last) {
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
	return to(w, r, "/agents?done=deleted")
}
