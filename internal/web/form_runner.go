package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// offerRunners completes the form with the runners that can be chosen: the first
// by name, and the one that is.
func (s *server) offerRunners(ctx context.Context, v *visit, page *formPage) (err error) {
	if page.Runners, err = s.Broker.Runners(ctx, v.who, rolebroker.Page{Limit: maxNamed}); err != nil {
		return err
	}
	if err := s.choose(ctx, v, page); err != nil || page.Chosen == nil {
		return err
	}
	page.Runs = stateOfRunner(page.Chosen, page.Now)
	if !slices.ContainsFunc(page.Runners, func(r rolebroker.Runner) bool { return r.ID == page.Chosen.ID }) {
		page.Runners = append(page.Runners, *page.Chosen)
	}
	return nil
}

// choose finds the runner that is chosen. One that was deleted meanwhile is not.
func (s *server) choose(ctx context.Context, v *visit, page *formPage) (err error) {
	if page.Runner == "" || page.Chosen != nil {
		return nil
	}
	page.Chosen, err = s.Broker.Runner(ctx, v.who, page.Runner)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		page.Runner, page.Chosen, err = "", nil, nil
	}
	return err
}

// cluster asks for the setup of the cluster that the chosen runner is in, as far
// as that is known.
func (s *server) cluster(ctx context.Context, v *visit, page *formPage) (req rolebroker.SetupRequest, err error) {
	if page.Platform() {
		return req, nil
	}
	if err := s.choose(ctx, v, page); err != nil || page.Chosen == nil {
		return req, err
	}
	report := page.Chosen.Report
	if report.Method == rolebroker.MethodAssumeRole && report.Identity.ARN != "" {
		req.Cluster.Variant = rolebroker.ClusterAssumeRole
	}
	known := req
	known.Cluster.Issuer = cmp.Or(page.Chosen.Issuer, report.Issuer)
	if known.WithDefaults().Check() != nil {
		return req, nil // it is no issuer that IAM can know
	}
	return known, nil
}

// Principal is by whom roles name the runner that is chosen.
func (p *formPage) Principal() string {
	arn, _ := p.Chosen.Report.Identity.Principal()
	return arn
}

// PathUnknown says whether the principal may lack a path.
func (p *formPage) PathUnknown() bool {
	_, certain := p.Chosen.Report.Identity.Principal()
	return !certain
}

// Issuer is that of the runner that is chosen, as it stands in the setup; empty:
// a placeholder stands there.
func (p *formPage) Issuer() string {
	if p.Chosen == nil {
		return ""
	}
	return cmp.Or(p.Chosen.Issuer, p.Chosen.Report.Issuer)
}

// recall gives the roles that are typed as they are saved what the runner found
// out about them, or why it has not.
func (s *server) recall(ctx context.Context, v *visit, page *formPage) error {
	if page.New() || page.Platform() {
		return nil
	}
	stored, err := s.Broker.Integration(ctx, v.who, page.ID)
	if err != nil {
		return err
	}
	draft, _ := page.integration()
	for i := range page.Rows {
		row := &page.Rows[i]
		row.Outcome = nil
		role := stored.Role(row.ID)
		if role == nil || row.ID == "" || stored.Fingerprint(role) != draft.Fingerprint(&draft.Roles[i]) {
			continue
		}
		if row.Outcome = role.Validation; row.Outcome == nil {
			row.Waits, row.Trying = page.waits(), page.Runs.Word == "connected"
			continue
		}
		row.Checked = when(row.Outcome.CheckedAt, page.Now)
	}
	return nil
}

// waits is why there is no outcome of a role that is saved.
func (p *formPage) waits() string {
	switch {
	case p.Chosen == nil:
		return "Nobody assumes it yet: choose a runner in step 2."
	case p.Runs.Word == "connected":
		return "Runner " + p.Chosen.Name + " is trying it."
	}
	return "Not checked yet: " + absence(p.Chosen, p.base) + "."
}

// makeRunner makes a runner from within the form, and chooses it, so that
// nothing that is typed is lost on the way.
func (s *server) makeRunner(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	runner, err := s.Broker.CreateRunner(r.Context(), v.who, broker.RunnerSpec{Name: page.Makes})
	if wrong := faults(err); wrong != nil {
		page.Errors = map[string]string{"new_runner": cmp.Or(wrong["name"], wrong["form"])}
		return s.showForm(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	page.Runner, page.Makes = string(runner.ID), ""
	return s.showForm(w, r, v, http.StatusOK, page)
}
