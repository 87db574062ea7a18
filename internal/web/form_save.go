package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// saveFunc saves an integration and returns it as it is saved.
type saveFunc func(rolebroker.Integration) (*rolebroker.Integration, error)

// createIntegration receives the form of a new integration.
func (s *server) createIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, "")
	if err != nil {
		return err
	}
	return s.press(w, r, v, page, func(in rolebroker.Integration) (*rolebroker.Integration, error) {
		return s.Broker.CreateIntegration(r.Context(), v.who, in, rolebroker.ValidateWarn.Saving())
	})
}

// updateIntegration receives the form of a saved integration.
func (s *server) updateIntegration(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return s.press(w, r, v, page, func(in rolebroker.Integration) (*rolebroker.Integration, error) {
		if page.Version < 1 {
			return nil, rolebroker.Errorf(rolebroker.CodeStale, "the form has no version")
		}
		return s.Broker.UpdateIntegration(r.Context(), v.who, page.ID, in, page.Version, rolebroker.ValidateWarn.Saving())
	})
}

// press does what the pressed button says.
func (s *server) press(w http.ResponseWriter, r *http.Request, v *visit, page *formPage, save saveFunc) error {
	action, row, _ := strings.Cut(r.PostForm.Get("action"), ".")
	i, err := strconv.Atoi(row)
	if hasRow := err == nil && i >= 0 && i < len(page.Rows); !hasRow {
		i = -1
	}
	switch {
	case action == "add-role":
		page.Rows = append(page.Rows, roleRow{Enabled: true})
		page.chooseOnly()
	case action == "remove-role" && i >= 0 && page.Rows[i].ID != "":
		page.Rows[i].Confirming = true
	case (action == "remove-role" || action == "really-remove-role") && i >= 0:
		page.removeRow(i)
	case action == "make-runner":
		return s.makeRunner(w, r, v, page)
	case action == "validate":
		return s.showOutcomes(w, r, v, page)
	case action == "save":
		return s.save(w, r, v, page, save)
	}
	return s.showForm(w, r, v, http.StatusOK, page)
}

func (p *formPage) removeRow(i int) {
	p.Rows = slices.Delete(p.Rows, i, i+1)
	switch {
	case p.Default == i:
		p.Default = -1
	case p.Default > i:
		p.Default--
	}
}

// chooseOnly makes an only role the default.
func (p *formPage) chooseOnly() {
	if p.Default < 0 && len(p.Rows) == 1 {
		p.Default = 0
	}
}

func (s *server) save(w http.ResponseWriter, r *http.Request, v *visit, page *formPage, save saveFunc) error {
	page.chooseOnly()
	in, wrong := page.integration()
	if page.NewRunner != "" && !page.Platform() {
		page.Problem = nothingSaved(1)
		page.Errors = map[string]string{"new_runner": "Press Make Runner first, or empty this."}
		return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
	}
	if len(wrong) > 0 {
		page.showErrors(in.Check(), wrong)
		return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
	}
	saved, err := save(in)
	switch rolebroker.CodeOf(err) {
	case "":
		done := "updated"
		if page.New() {
			done = "created"
		}
		return toDone(w, r, "/integrations/"+string(saved.ID), done)
	case rolebroker.CodeStale:
		return s.showStale(w, r, v, page)
	case rolebroker.CodeNotFound:
		return s.showGone(w, r, v, page)
	case rolebroker.CodeInvalid, rolebroker.CodeConflict:
		if made := s.madeBefore(r.Context(), v, page); made != nil {
			return toDone(w, r, "/integrations/"+string(made.ID), "created")
		}
	case rolebroker.CodeThrottled, rolebroker.CodeUnavailable:
	default:
		return err
	}
	page.showErrors(err, nil)
	return s.showForm(w, r, v, statusOf(err), page)
}

// madeBefore is the integration that the same form made already, because its button
// was pressed twice; nil if it made none.
func (s *server) madeBefore(ctx context.Context, v *visit, page *formPage) *rolebroker.Integration {
	if !page.New() {
		return nil
	}
	in, err := s.Broker.Integration(ctx, v.who, page.Name)
	if err != nil || in.ExternalID != page.ExternalID {
		return nil
	}
	return in
}

// showGone answers a person who edited an integration that someone else deleted.
// The form keeps what was typed and becomes that of a new integration.
func (s *server) showGone(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	reserved, err := s.Broker.ReserveExternalID(r.Context(), v.who)
	if err != nil {
		return err
	}
	page.Problem = "Somebody deleted " + page.Saved + " while you were editing. What you typed is still here. " +
		"Create Integration makes it anew, with another external ID, which the trust policies of its roles then " +
		"have to require."
	page.ExternalID = reserved.ExternalID
	page.ID, page.Version, page.NextExternalID = "", 0, ""
	for i := range page.Rows {
		page.Rows[i].ID = ""
	}
	return s.showForm(w, r, v, http.StatusConflict, page)
}

// showStale answers the second of two people who edit at once. The form keeps what
// they typed and lists what saving it would change.
func (s *server) showStale(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	now, err := s.Broker.Integration(r.Context(), v.who, page.ID)
	if err != nil {
		return err
	}
	if err := s.addChosen(r.Context(), v, page); err != nil {
		return err
	}
	page.Enabled = now.Enabled // which the form does not change
	typed, _ := page.integration()
	if page.Chosen != nil {
		typed.RunnerName = page.Chosen.Name
	}
	page.Stale, page.Version, page.Saved = true, now.Version, now.Name
	page.Differences = now.Differences(&typed)
	return s.showForm(w, r, v, http.StatusConflict, page)
}
