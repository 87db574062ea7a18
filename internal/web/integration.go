package web

import (
	"context"
	"net/http"

	"github.com/rolebroker/rolebroker"
)

// integrationTab is what the pages of an integration share: the head, and the row of tabs. Their templates define the
// parts "object-facts" and "object-actions" by "integration-facts" and "integration-actions".
type integrationTab struct {
	object
	In     rolebroker.Integration
	Agents audience           // that are connected
	Runner *rolebroker.Runner // nil: it names none
	By     string             // the name of the runner that knows State; empty: this server does
}

// integrationTab reads the integration of the request. chosen is the path of the tab that is shown, as in "agents".
func (s *server) integrationTab(r *http.Request, v *visit, chosen string) (t integrationTab, err error) {
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return t, err
	}
	return s.tabOfIntegration(r, v, in, chosen)
}

// tabOfIntegration is integrationTab for an integration.
func (s *server) tabOfIntegration(
	r *http.Request, v *visit, in *rolebroker.Integration, chosen string,
) (t integrationTab, err error) {
	t.In = *in
	t.base, t.List, t.Name = s.base(r, v, in.Name, "integrations"), link{"Integrations", "/integrations"}, in.Name
	if t.Runner, err = s.runnerOf(r.Context(), v, in); err != nil {
		return t, err
	}
	if t.Agents, err = s.agentsOf(r.Context(), v, in); err != nil {
		return t, err
	}
	t.State = stateOfIntegration(in, t.base)
	t.By = in.State().Newest.CheckedBy
	if !in.Enabled {
		t.State = state{Tone: "off", Word: "disabled"}
	}
	t.Tabs = tabsOf(pageOf(rolebroker.KindIntegration, in.ID), chosen,
		tab{link: link{"Roles", ""}, Count: len(in.Roles)},
		tab{link: link{"Agents", "agents"}, Count: t.Agents.Count},
		tab{link: link{"AWS setup", "setup"}},
		tab{link: link{"Activity", "activity"}})
	return t, nil
}

// runnerOf is the runner that an integration names; nil: none, or it was deleted.
func (s *server) runnerOf(
	ctx context.Context, v *visit, in *rolebroker.Integration,
) (*rolebroker.Runner, error) {
	if in.AssumptionMode != rolebroker.ModeCluster || in.Runner == "" {
		return nil, nil
	}
	runner, err := s.Broker.Runner(ctx, v.who, string(in.Runner))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, nil
	}
	return runner, err
}

// Cluster returns whether a cluster assumes the roles.
func (t integrationTab) Cluster() bool { return t.In.AssumptionMode == rolebroker.ModeCluster }

// Validates returns whether Validate has something to try.
func (t integrationTab) Validates() bool {
	for i := range t.In.Roles {
		if t.In.Roles[i].Enabled {
			return true
		}
	}
	return false
}
