package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// integrations is the part of the broker that has integrations.
type integrations interface {
	Integration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	Integrations(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Integration, error)
	SortedIntegrations(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) (
		found []rolebroker.Integration, cursors []string, err error)
	UsualRegion(ctx context.Context, who rolebroker.Caller) (rolebroker.Region, error)
	CountAgents(ctx context.Context, who rolebroker.Caller,
		of []rolebroker.Integration) (map[rolebroker.IntegrationID]int, error)
	AddHints(ctx context.Context, who rolebroker.Caller, in *rolebroker.Integration, roles ...rolebroker.RoleID) error
	ReserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error)
	CreateIntegration(ctx context.Context, who rolebroker.Caller, in rolebroker.Integration,
		how rolebroker.Saving) (*rolebroker.Integration, error)
	UpdateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, in rolebroker.Integration,
		ifVersion int64, how rolebroker.Saving) (*rolebroker.Integration, error)
	IntegrationOfRole(ctx context.Context, who rolebroker.Caller, id rolebroker.RoleID) (*rolebroker.Integration, error)
	DisableIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	EnableIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.Integration, error)
	DeleteIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
	ValidateIntegration(ctx context.Context, who rolebroker.Caller, nameOrID string, how broker.Validating) (
		[]rolebroker.RoleValidation, error)
	ValidateDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration,
		how broker.Validating) ([]rolebroker.RoleValidation, string, error)
	Setup(ctx context.Context, who rolebroker.Caller, nameOrID string,
		req rolebroker.SetupRequest) (*rolebroker.Setup, error)
	SetupDraft(ctx context.Context, who rolebroker.Caller, draft rolebroker.Integration,
		req rolebroker.SetupRequest) (*rolebroker.Setup, error)
}

// integrationsPage lists integrations.
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
	State    state  // of its selected roles
	By       string // the name of the runner that knows; empty: this server does
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
		Modes: []choice{{"", "All modes"}, {string(rolebroker.ModePlatform), "Platform"},
			{string(rolebroker.ModeCluster), "Cluster"}},
		States: []choice{{"", "Any state"}, {string(rolebroker.StatusFailed), "Failed"},
			{string(rolebroker.StatusWarning), "Warnings"}, {string(rolebroker.StatusUnknown), "Not checked"},
			{string(rolebroker.StatusAssumable), "All assumable"}, {string(rolebroker.ListedDisabled), "Disabled"}},
		Sorts: []sorting{byName,
			{"Agents", rolebroker.SortBackward + rolebroker.SortAgents, true, [2]string{"most", "fewest"}},
			{"Validated", rolebroker.SortState, false, [2]string{"failed first", "disabled first"}}},
	}}
	found, err := readSorted(r, v, &page.list, s.Broker.SortedIntegrations)
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
	row := integrationRow{Integration: in, Agents: agents, State: stateOfIntegration(&in, b)}
	if runner != nil {
		row.Note = absence(runner, b)
		if row.State.Checked.Ago != "" {
			row.By = in.State().Newest.CheckedBy
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

// stateOfIntegration sums up the states of its selected roles.
func stateOfIntegration(in *rolebroker.Integration, b base) state {
	sum := in.State()
	checked := moment{}
	if !sum.Newest.CheckedAt.IsZero() {
		checked = when(sum.Newest.CheckedAt, b.Now)
	}
	switch {
	case in.AssumptionMode == rolebroker.ModeCluster && in.Runner == "":
		return state{Tone: "off", Word: "no runner"}
	case sum.Roles == 0:
		return state{Tone: "off", Word: "no role selected"}
	case checked.Ago == "" && in.AssumptionMode == rolebroker.ModeCluster:
		return state{Tone: "off", Word: "not checked yet"}
	case checked.Ago == "":
		return state{Tone: "off", Word: "never"}
	case sum.Failed > 0:
		return state{"bad", plural(sum.Failed, "failed", "failed"), checked}
	case sum.Unknown > 0:
		return state{"off", plural(sum.Unknown, "not checked", "not checked"), checked}
	case sum.Warned > 0:
		return state{"warn", plural(sum.Warned, "warning", "warnings"), checked}
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
	return toDone(w, r, pageOf(rolebroker.KindIntegration, in.ID), "paused")
}

func (s *server) enableIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.EnableIntegration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindIntegration, in.ID), "enabled")
}

// deleteIntegrationPage asks whether to delete an integration.
type deleteIntegrationPage struct {
	base
	Integration rolebroker.Integration
	Agents      audience // that loses it
}

func (s *server) confirmDeleteIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	page := deleteIntegrationPage{base: s.base(r, v, "Delete "+in.Name, "integrations"), Integration: *in}
	if page.Agents, err = s.agentsOf(r.Context(), v, in); err != nil {
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

// agentsOf counts the agents that are connected to an integration, and names the first of them.
func (s *server) agentsOf(ctx context.Context, v *visit, in *rolebroker.Integration) (a audience, err error) {
	counts, err := s.Broker.CountAgents(ctx, v.who, []rolebroker.Integration{*in})
	if err != nil {
		return a, err
	}
	page := rolebroker.Page{Limit: maxMentioned, Integration: string(in.ID)}
	found, err := s.Broker.Agents(ctx, v.who, page)
	return audience{Count: max(counts[in.ID], len(found)), Names: names(found, agentName)}, err
}

// otherAgents names the first agents that are not connected to an integration, among those that are looked at.
func (s *server) otherAgents(ctx context.Context, v *visit, in rolebroker.IntegrationID) (others []string, _ error) {
	page := rolebroker.Page{Limit: maxNames}
	for range maxPages {
		found, err := s.Broker.Agents(ctx, v.who, page)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if !found[i].Connected(in) {
				others = append(others, found[i].Name)
			}
		}
		if len(found) < page.Limit || len(others) >= maxNames {
			break
		}
		page.After = found[len(found)-1].Name
	}
	return others[:min(len(others), maxNames)], nil
}

// maxPages bounds how many pages of agents are read to find some that are not connected.
const maxPages = 20
