package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// integrations is the part of the broker that has integrations.
type integrations interface {
	Integration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	Integrations(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Integration, error)
	CountAgents(ctx context.Context, who rolebroker.Caller,
		of []rolebroker.Integration) (map[rolebroker.IntegrationID]int, error)
	ReserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error)
	CreateIntegration(ctx context.Context, who rolebroker.Caller, in rolebroker.Integration,
		how rolebroker.Saving) (*rolebroker.Integration, error)
	UpdateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, in rolebroker.Integration,
		ifVersion int64, how rolebroker.Saving) (*rolebroker.Integration, error)
	DisableIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	EnableIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	DeleteIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	ValidateDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration,
		how broker.Validating) ([]rolebroker.RoleValidation, string, error)
	SetupDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration,
		req rolebroker.SetupRequest) (*rolebroker.Setup, error)
}

// integrationsPage lists integrations by name.
type integrationsPage struct {
	list
	Rows []integrationRow
}

// integrationRow is one integration with its figures.
type integrationRow struct {
	rolebroker.Integration
	Selected int // roles
	Accounts int
	Agents   int
	State    state  // of the last validation
	By       string // the name of the runner that validated; empty: this server did
	Note     string // why its runner does not validate now; empty: it does
}

// state is a state as pages show it.
type state struct {
	Tone    string // good, warn, bad or off
	Word    string
	Checked moment // when it was found out; empty: not known, or unimportant
}

func (s *server) listIntegrations(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := integrationsPage{list: list{
		base: s.base(r, v, "Integrations", "integrations"),
		Path: "/integrations", Noun: "integration", Plural: "integrations",
	}}
	found, err := readList(r, v, &page.list, integrationName, s.Broker.Integrations)
	if err != nil {
		return err
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
		page.Rows = append(page.Rows, rowOfIntegration(in, agents[in.ID], runners[in.Runner], page.base))
	}
	return s.render(w, http.StatusOK, "integrations", page)
}

// rowOfIntegration is the row of an integration. runner is the runner that it
// names; nil: none.
func rowOfIntegration(in rolebroker.Integration, agents int, runner *rolebroker.Runner, b base) integrationRow {
	row := integrationRow{Integration: in, Agents: agents, State: stateOfIntegration(in, b)}
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
			row.Selected++
		}
	}
	row.Accounts = len(accounts)
	return row
}

// stateOfIntegration is the worst validation of its roles.
func stateOfIntegration(in rolebroker.Integration, b base) state {
	count := map[rolebroker.ValidationStatus]int{}
	var last rolebroker.Validation
	validated := 0
	for _, role := range in.Roles {
		if v := role.Validation; v != nil {
			validated++
			count[v.Status]++
			if v.CheckedAt.After(last.CheckedAt) {
				last = *v
			}
		}
	}
	unchecked := len(in.Roles) - count[rolebroker.StatusAssumable]
	checked := moment{}
	if !last.CheckedAt.IsZero() {
		checked = when(last.CheckedAt, b.Now)
	}
	switch {
	case in.AssumptionMode == rolebroker.ModeCluster && in.Runner == "":
		return state{Tone: "off", Word: "no runner"}
	case validated == 0 && in.AssumptionMode == rolebroker.ModeCluster:
		return state{Tone: "off", Word: "not checked yet"}
	case validated == 0:
		return state{Tone: "off", Word: "never"}
	case count[rolebroker.StatusFailed] > 0:
		return state{"bad", plural(count[rolebroker.StatusFailed], "failed", "failed"), checked}
	case count[rolebroker.StatusWarning] > 0:
		return state{"warn", plural(count[rolebroker.StatusWarning], "warning", "warnings"), checked}
	case count[rolebroker.StatusUnknown] > 0 || validated < len(in.Roles):
		return state{"off", plural(unchecked, "not checked", "not checked"), checked}
	}
	return state{"good", "all assumable", checked}
}

// cataloguePage offers the kinds of integrations.
type cataloguePage struct{ base }

func (s *server) showCatalogue(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := cataloguePage{s.base(r, v, "New Integration", "integrations")}
	return s.render(w, http.StatusOK, "catalogue", page)
}

// beginIntegration reserves the external ID of a new integration, which the trust
// policies of its roles can require before it is saved.
func (s *server) beginIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	reserved, err := s.Broker.ReserveExternalID(r.Context(), v.who)
	if err != nil {
		return err
	}
	return to(w, r, "/integrations/new/aws?"+url.Values{"external_id": {reserved.ExternalID}}.Encode())
}

func (s *server) disableIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.DisableIntegration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return toDone(w, r, "/integrations/"+string(in.ID), "paused")
}

func (s *server) enableIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.EnableIntegration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return toDone(w, r, "/integrations/"+string(in.ID), "enabled")
}

// deleteIntegrationPage asks whether to delete an integration.
type deleteIntegrationPage struct {
	base
	Integration rolebroker.Integration
	Agents      []string // the names of agents that lose it
}

func (s *server) confirmDeleteIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	page := deleteIntegrationPage{base: s.base(r, v, "Delete "+in.Name, "integrations"), Integration: *in}
	if page.Agents, err = s.agentsOf(r.Context(), v, in.ID); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "delete-integration", page)
}

func (s *server) deleteIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.Broker.DeleteIntegration(r.Context(), v.who, r.PathValue("integration"), 0); err != nil {
		return err
	}
	return toDone(w, r, "/integrations", "deleted")
}

// agentsOf names the agents that are connected to an integration.
func (s *server) agentsOf(ctx context.Context, v *visit, id rolebroker.IntegrationID) ([]string, error) {
	found, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: maxNames, Integration: string(id)})
	return names(found, agentName), err
}

// otherAgents names agents that are not connected.
func (s *server) otherAgents(ctx context.Context, v *visit, connected []string) ([]string, error) {
	found, err := s.Broker.Agents(ctx, v.who, rolebroker.Page{Limit: maxNames})
	others := slices.DeleteFunc(
		names(found, agentName),
		func(name string) bool { return slices.Contains(connected, name) },
	)
	return others, err
}

// connectIntegration connects an agent to the integration, from the integration's
// page.
func (s *server) connectIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent := r.PostFormValue("agent")
	if agent == "" {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "choose an agent")
	}
	connected, err := s.Broker.Connect(r.Context(), v.who, agent, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return toDone(w, r, "/agents/"+string(connected.ID), "connected")
}
