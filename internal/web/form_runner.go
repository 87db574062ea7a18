package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// addRunners adds the runners that can be chosen: all of them.
func (s *server) addRunners(ctx context.Context, v *visit, page *formPage) (err error) {
	if page.Runners, err = readAll(ctx, v, runnerName, s.Broker.Runners); err != nil {
		return err
	}
	if err := s.addChosen(ctx, v, page); err != nil || page.Chosen == nil {
		return err
	}
	page.RunnerState = stateOfRunner(page.Chosen, page.Now)
	if !slices.ContainsFunc(page.Runners, func(r rolebroker.Runner) bool { return r.ID == page.Chosen.ID }) {
		page.Runners = append(page.Runners, *page.Chosen)
	}
	return nil
}

// addChosen adds the chosen runner. If it was deleted since, none is chosen.
func (s *server) addChosen(ctx context.Context, v *visit, page *formPage) (err error) {
	if page.Runner == "" || page.Chosen != nil {
		return nil
	}
	page.Chosen, err = s.Broker.Runner(ctx, v.who, page.Runner)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		page.Runner, page.Chosen, err = "", nil, nil
	}
	return err
}

// addOutcomes adds the state of each saved role that is typed as it is saved, or why a runner has found out none. Roles
// that were just validated have their outcome.
func (s *server) addOutcomes(ctx context.Context, v *visit, page *formPage) error {
	if page.New() || page.Checked {
		return nil
	}
	if page.stored == nil {
		var err error
		if page.stored, err = s.Broker.Integration(ctx, v.who, page.ID); err != nil {
			return err
		}
	}
	stored := page.stored
	draft, _ := page.integration()
	of := map[string]*rolebroker.Role{}
	for i := range stored.Roles {
		of[string(stored.Roles[i].ID)] = &stored.Roles[i]
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		row.Outcome, row.State = nil, nil
		role := of[row.ID]
		if role == nil || stored.Fingerprint(role) != draft.Fingerprint(&draft.Roles[i]) {
			continue
		}
		row.setState(stored.StateOf(role))
		if row.Outcome == nil && !page.Platform() {
			row.Waits, row.Trying = page.waits(), page.RunnerState.Word == runnerConnected
		}
	}
	return nil
}

// addFixes adds the advice to the outcomes of saved roles that show it. Roles that were just tried have theirs.
func (s *server) addFixes(ctx context.Context, v *visit, page *formPage) error {
	var shown []*roleRow
	var of []rolebroker.RoleID
	for i := range page.Rows {
		row := &page.Rows[i]
		if row.State != nil && row.State.Status != rolebroker.StatusAssumable && !row.Brief {
			shown, of = append(shown, row), append(of, rolebroker.RoleID(row.ID))
		}
	}
	if len(of) == 0 {
		return nil
	}
	if err := s.Broker.AddHints(ctx, v.who, page.stored, of...); err != nil {
		return err
	}
	for _, row := range shown {
		row.setState(page.stored.StateOf(page.stored.Role(row.ID)))
	}
	return nil
}

// waits says why a saved role has no outcome.
func (p *formPage) waits() string {
	switch {
	case p.Chosen == nil:
		return "No runner assumes it yet: choose one in step 2."
	case p.RunnerState.Word == runnerConnected:
		return "Runner " + p.Chosen.Name + " is trying it."
	}
	return "Not checked yet: " + absence(p.Chosen, p.base) + "."
}

// makeRunner makes a runner and chooses it, so that people need not leave the form.
func (s *server) makeRunner(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	runner, err := s.Broker.CreateRunner(r.Context(), v.who, broker.RunnerSpec{Name: page.NewRunner})
	if fields := fieldErrors(err); fields != nil {
		page.Errors = map[string]string{"new_runner": cmp.Or(fields["name"], fields["form"])}
		return s.showForm(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	page.Runner, page.NewRunner = string(runner.ID), ""
	return s.showForm(w, r, v, http.StatusOK, page)
}
