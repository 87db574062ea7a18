package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// integrations has the broker's methods for integrations.
type integrations interface {
	Integration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	Integrations(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Integration, error)
	CountAgents(
		ctx context.Context, who rolebroker.Caller, of []rolebroker.Integration,
	) (map[rolebroker.IntegrationID]int, error)
	ReserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error)
	CreateIntegration(
		ctx context.Context, who rolebroker.Caller, in rolebroker.Integration, validate rolebroker.ValidateMode,
	) (*rolebroker.Integration, error)
	UpdateIntegration(
		ctx context.Context, who rolebroker.Caller, nameOrID string, in rolebroker.Integration, ifVersion int64,
		validate rolebroker.ValidateMode,
	) (*rolebroker.Integration, error)
	DeleteIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	ValidateDraft(
		ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, how broker.Validating,
	) ([]rolebroker.RoleValidation, string, error)
	SetupDraft(
		ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration, req rolebroker.SetupRequest,
	) (*rolebroker.Setup, error)
}

// pageSize is the number of rows on a page of a list.
const pageSize = 50

// integrationsPage lists integrations by name.
type integrationsPage struct {
	base
	Search string
	Rows   []integrationRow
	Next   string // the address of the next page; empty on the last
	First  bool   // this is the first page
}

// integrationRow is one row of integrationsPage.
type integrationRow struct {
	rolebroker.Integration
	Enabled  int
	Accounts int
	Agents   int
	State    state
	By       string // the runner that validated the roles; empty: this server
	Note     string // why the runner validates nothing now; empty: it does
}

// state is a coloured word with a time, such as the outcome of the last validation of an integration.
type state struct {
	Tone, Word string
	Checked    moment
}

func (s *server) listIntegrations(w http.ResponseWriter, r *http.Request, v *visit) error {
	query := r.URL.Query()
	page := integrationsPage{base: s.base(r, v, "Integrations", "integrations"), Search: query.Get("search"),
		First: query.Get("after") == ""}
	found, err := s.Broker.Integrations(r.Context(), v.who, rolebroker.Page{Limit: pageSize + 1,
		After: query.Get("after"), Search: page.Search})
	if err != nil {
		return err
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		page.Next = "/integrations?" + url.Values{"after": {found[pageSize-1].Name}, "search": {page.Search}}.Encode()
	}
	agents, err := s.Broker.CountAgents(r.Context(), v.who, found)
	if err != nil {
		return err
	}
	runners, err := s.runnersOf(r.Context(), v, found)
	if err != nil {
		return err
	}
	for _, in := range found {
		page.Rows = append(page.Rows, rowOf(in, agents[in.ID], runners[in.Runner], page.base))
	}
	return s.render(w, http.StatusOK, "integrations", page)
}

// rowOf makes the row of an integration. runner is the one that the integration names; nil if it names none.
func rowOf(in rolebroker.Integration, agents int, runner *rolebroker.Runner, b base) integrationRow {
	row := integrationRow{Integration: in, Agents: agents, State: stateOf(in, b)}
	if runner != nil {
		row.Note = absence(runner, b)
		if row.State.Checked.Ago != "" {
			row.By = runner.Name
		}
	}
	accounts := map[string]bool{}
	for _, role := range in.Roles {
		accounts[role.ARN.Account] = true
		if role.Enabled {
			row.Enabled++
		}
	}
	row.Accounts = len(accounts)
	return row
}

// absence says why a runner validates nothing now; "" if it does.
func absence(r *rolebroker.Runner, b base) string {
	switch stateOfRunner(r, b.Now).Word {
	case "waiting":
		return "runner " + r.Name + " has not joined"
	case "away":
		return "runner " + r.Name + " is away, last seen " + when(r.SeenAt, b.Now).Ago
	}
	return ""
}

// stateOf returns the worst outcome of the roles' validations.
func stateOf(in rolebroker.Integration, b base) state {
	count := map[rolebroker.ValidationStatus]int{}
	checked := 0
	last := moment{}
	var at rolebroker.Validation
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			count[v.Status]++
			checked++
			if v.CheckedAt.After(at.CheckedAt) {
				at = *v
				last = when(v.CheckedAt, b.Now)
			}
		}
	}
	switch {
	case in.AssumptionMode == rolebroker.ModeCluster && in.Runner == "":
		return state{Tone: "off", Word: "no runner"}
	case checked == 0 && in.AssumptionMode == rolebroker.ModeCluster:
		return state{Tone: "off", Word: "not checked yet"}
	case checked == 0:
		return state{Tone: "off", Word: "never"}
	case count[rolebroker.StatusFailed] > 0:
		return state{"bad", plural(count[rolebroker.StatusFailed], "failed", "failed"), last}
	case count[rolebroker.StatusWarning] > 0:
		return state{"warn", plural(count[rolebroker.StatusWarning], "open", "open"), last}
	case count[rolebroker.StatusUnknown] > 0 || checked < len(in.Roles):
		return state{"off", plural(len(in.Roles)-count[rolebroker.StatusAssumable], "not checked", "not checked"), last}
	}
	return state{"good", "all assumable", last}
}

// cataloguePage lists the kinds of integrations.
type cataloguePage struct{ base }

func (s *server) showCatalogue(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.render(w, http.StatusOK, "catalogue", cataloguePage{s.base(r, v, "New Integration", "integrations")})
}

// beginIntegration reserves the external ID of a new integration, so that the trust policies of its roles can require
// it before the integration is saved.
func (s *server) beginIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	reserved, err := s.Broker.ReserveExternalID(r.Context(), v.who)
	if err != nil {
		return err
	}
	return to(w, r, "/integrations/new/aws?"+url.Values{"external_id": {reserved.ExternalID}}.Encode())
}

// deletePage asks before an integration is deleted.
type deletePage struct {
	base
	Integration rolebroker.Integration
	Agents      []string // the agents that lose it
}

func (s *server) confirmDeleteIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	agents, err := s.agentsOf(r.Context(), v, in.ID)
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "delete-integration", deletePage{s.base(r, v, "Delete "+in.Name,
		"integrations"), *in, agents})
}

func (s *server) deleteIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.DeleteIntegration(r.Context(), v.who, r.PathValue("integration"), 0); err != nil {
		return err
	}
	return to(w, r, "/integrations?done=deleted")
}

// maxNamed bounds the lists of names on a page.
const maxNamed = 100

// agentsOf names the agents that are connected to an integration.
func (s *server) agentsOf(ctx context.Context, v *visit, id rolebroker.IntegrationID) ([]string, error) {
	found, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: maxNamed, Integration: string(id)})
	var names []string
	for _, agent := range found {
		names = append(names, agent.Name)
	}
	return names, err
}

// otherAgents names agents that are not among the connected ones.
func (s *server) otherAgents(ctx context.Context, v *visit, connected []string) ([]string, error) {
	found, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: maxNamed})
	var names []string
	for _, agent := range found {
		if !slices.Contains(connected, agent.Name) {
			names = append(names, agent.Name)
		}
	}
	return names, err
}

// connectIntegration connects an agent to the integration, from its page.
func (s *server) connectIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent := r.PostFormValue("agent")
	if agent == "" {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "choose an agent")
	}
	a, err := s.Broker.Connect(r.Context(), v.who, agent, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return to(w, r, "/agents/"+string(a.ID)+"?done=connected")
}
