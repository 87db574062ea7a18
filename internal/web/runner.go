package web

import (
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// runnerHead is what all pages of a runner have.
type runnerHead struct {
	object
	Runner rolebroker.Runner
	Joined moment
}

// headOfRunner makes the head of a page of the runner that the request is about.
func (s *server) headOfRunner(r *http.Request, v *visit, tab string) (runnerHead, error) {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return runnerHead{}, err
	}
	h := runnerHead{Runner: *runner, object: object{base: s.base(r, v, runner.Name, "runners"),
		List: link{"Runners", "/runners"}, Name: runner.Name}}
	h.State, h.Joined = stateOfRunner(runner, h.Now), when(runner.JoinedAt, h.Now)
	h.Tabs = runnerTabs(runner, tab)
	return h, nil
}

// runnerTabs are the pages of a runner.
func runnerTabs(runner *rolebroker.Runner, chosen string) []tab {
	return tabsOf(pageOf(rolebroker.KindRunner, runner.ID), chosen, tab{link: link{"Overview", ""}},
		tab{link: link{"Service accounts", "accounts"}}, tab{link: link{"Activity", "activity"}})
}

// runnerPage is a runner to read: what it reports about itself, and the integrations that name it.
type runnerPage struct {
	runnerHead
	Method string           // how it assumes roles, in words; empty: not known
	Rows   []integrationRow // that name it
}

// Unbelieved is an issuer whose service accounts the runner verifies, but about
// which the server does not believe it; empty: there is none.
func (p *runnerPage) Unbelieved() string {
	if p.Runner.Report.Issuer == p.Runner.Issuer {
		return ""
	}
	return p.Runner.Report.Issuer
}

func (s *server) showRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := s.headOfRunner(r, v, "")
	if err != nil {
		return err
	}
	page := &runnerPage{runnerHead: head, Method: methodOf(&head.Runner)}
	integrations, err := s.Broker.IntegrationsOf(r.Context(), v.who, page.Runner.ID)
	if err != nil {
		return err
	}
	for _, in := range integrations {
		page.Rows = append(page.Rows, rowOfIntegration(in, 0, &page.Runner, page.base))
	}
	return s.render(w, http.StatusOK, "runner", page)
}

// runnerActivityPage has the events about a runner.
type runnerActivityPage struct {
	runnerHead
	Activity activity
}

func (s *server) showRunnerActivity(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	var page runnerActivityPage
	if page.runnerHead, err = s.headOfRunner(r, v, "activity"); err != nil {
		return err
	}
	id := string(page.Runner.ID)
	if page.Activity, err = s.activityOf(r, v, id, pageOf(rolebroker.KindRunner, id)+"/activity"); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "runner-activity", page)
}

// runnerEditPage is the form for what people say about a runner.
type runnerEditPage struct {
	runnerHead
	Form      broker.RunnerSpec // as it was typed
	Version   int64             // the version that the form was made from
	Was       fieldValues
	Conflicts []conflict        // what somebody else changed too; empty: nobody did
	Errors    map[string]string // by field
}

func (s *server) editRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderEditRunner(w, r, v, http.StatusOK, &runnerEditPage{})
}

// renderEditRunner adds to the page the runner as it is now, and shows it.
func (s *server) renderEditRunner(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *runnerEditPage,
) (err error) {
	if page.runnerHead, err = s.headOfRunner(r, v, "edit"); err != nil {
		return err
	}
	if runner := &page.Runner; page.Version == 0 {
		page.Form = broker.RunnerSpec{Name: runner.Name, Description: runner.Description, Issuer: runner.Issuer}
		page.Version = runner.Version
	}
	page.Was = valuesOfRunner(&page.Runner)
	return s.render(w, status, "runner-edit", page)
}

// updateRunner saves the name, the description and the issuer.
func (s *server) updateRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.saveRunner(w, r, v, typedRunner(r), "updated")
}

// believeRunner sets the issuer to the one that a person saw the runner report, if
// nobody has changed it since.
func (s *server) believeRunner(w http.ResponseWriter, r *http.Request, v *visit) error {
	runner, err := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
	if err != nil {
		return err
	}
	spec := broker.RunnerSpec{Name: runner.Name, Description: runner.Description, Issuer: formValue(r, "issuer")}
	return s.saveRunner(w, r, v, spec, "believed")
}

// saveRunner saves the runner, or shows the form with the errors.
func (s *server) saveRunner(
	w http.ResponseWriter,
	r *http.Request,
	v *visit,
	spec broker.RunnerSpec,
	done string,
) error {
	page := &runnerEditPage{Form: spec, Version: formVersion(r)}
	_, err := s.Broker.UpdateRunner(r.Context(), v.who, r.PathValue("runner"), spec, max(page.Version, 1))
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		now, gone := s.Broker.Runner(r.Context(), v.who, r.PathValue("runner"))
		if gone != nil {
			return gone
		}
		mine := fieldValues{"name": spec.Name, "description": spec.Description, "issuer": spec.Issuer}
		page.Conflicts = mine.mergeInWords(readValues(r), valuesOfRunner(now))
		spec = broker.RunnerSpec{Name: mine["name"], Description: mine["description"], Issuer: mine["issuer"]}
		page.Form, page.Version = spec, now.Version
		if len(page.Conflicts) > 0 {
			return s.renderEditRunner(w, r, v, http.StatusConflict, page)
		}
		_, err = s.Broker.UpdateRunner(r.Context(), v.who, string(now.ID), spec, now.Version)
		done = "merged"
	}
	if page.Errors = runnerErrors(err, spec); page.Errors != nil {
		return s.renderEditRunner(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, pageOf(rolebroker.KindRunner, r.PathValue("runner")), done)
}

func valuesOfRunner(r *rolebroker.Runner) fieldValues {
	return fieldValues{"name": r.Name, "description": r.Description, "issuer": r.Issuer}
}
