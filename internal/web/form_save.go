package web

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/roleimport"
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
	page.Saving = action == "save"
	if page.Saving || action == "take-saved" {
		page.asked = nil // this decides
	}
	switch {
	case takeOffer(r):
		return s.showOffered(w, r, v)
	case action == "take-saved" && !page.New():
		saved, err := s.Broker.Integration(r.Context(), v.who, page.ID)
		if err != nil {
			return err
		}
		page.takeSaved(r.PostForm["conflict"], formOf(saved))
	case action == "add-role", action == "enter" && !page.lastBlank():
		page.addRow()
	case action == "add-several":
		if err := page.addSeveral(r); err != nil {
			page.Errors = map[string]string{"several": sentence(rolebroker.AsError(err).Message)}
			return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
		}
	case action == "open-role" && i >= 0:
		page.Rows[i].Open = true
	case action == "select-all", action == "select-none":
		if err := s.addOutcomes(r.Context(), v, page); err != nil {
			return err
		}
		page.selectShown(action == "select-all")
	case action == "remove-role" && i >= 0 && page.Rows[i].ID != "":
		page.Rows[i].Confirming = true
	case (action == "remove-role" || action == "really-remove-role") && i >= 0:
		page.removeRow(i)
	case action == "merge":
		if err := s.merge(r.Context(), v, page); err != nil {
			return err
		}
	case action == "make-runner":
		return s.makeRunner(w, r, v, page)
	case action == "validate":
		return s.showOutcomes(w, r, v, page)
	case action == "save":
		return s.save(w, r, v, page, save)
	}
	return s.showForm(w, r, v, http.StatusOK, page)
}

// showOffered shows the form with a value that the person took instead of the one that was typed.
func (s *server) showOffered(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.PathValue("integration"))
	if err != nil {
		return err
	}
	return s.showForm(w, r, v, http.StatusOK, page)
}

// addRow adds an empty row, with the region of the row above.
func (p *formPage) addRow() {
	row := roleRow{Enabled: true, Open: true}
	if n := len(p.Rows); n > 0 {
		row.Region = p.Rows[n-1].Region
	}
	p.Rows = append(p.Rows, row)
	p.chooseOnly()
}

// lastBlank reports whether the last row is there and blank.
func (p *formPage) lastBlank() bool { return len(p.Rows) > 0 && p.Rows[len(p.Rows)-1].blank() }

// addSeveral adds the roles of a list that was pasted, or of a file. Those that are complete are shown closed.
func (p *formPage) addSeveral(r *http.Request) error {
	text := p.Several
	if file, _, err := r.FormFile("file"); err == nil {
		defer file.Close()
		uploaded, err := io.ReadAll(file) // the whole form is bounded
		if err != nil {
			return err
		}
		if len(uploaded) > 0 {
			text = string(uploaded)
		}
	}
	p.Several = roleimport.WithoutKeys(text)
	list, err := roleimport.Read(text)
	if err != nil {
		return err
	}
	region := ""
	if p.lastBlank() {
		region = p.Rows[len(p.Rows)-1].Region
	}
	for i := len(p.Rows) - 1; i >= 0; i-- {
		if p.Rows[i].blank() {
			p.removeRow(i)
		}
	}
	others := p.imported()
	if region != "" {
		others = append(others, roleimport.Role{Region: region})
	}
	added := list.After(others)
	if len(p.Rows)+len(added) > maxRows {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "there are %d roles, and a form takes %d",
			len(p.Rows)+len(added), maxRows)
	}
	for _, role := range added {
		p.Rows = append(p.Rows, roleRow{Name: role.Name, ARN: role.ARN, Region: role.Region,
			Duration: role.SessionDuration, Enabled: true})
	}
	p.Several, p.Skipped = "", list.Skipped
	p.Added = []string{"Added " + plural(len(added), "role.", "roles.")}
	for _, note := range list.Notes {
		p.Added = append(p.Added, sentence(note.What+": "+note.Says))
	}
	if p.Default < 0 && p.New() && len(p.Rows) > 0 {
		p.Default = 0
	}
	if len(p.Rows) == 0 {
		p.addRow()
	}
	return nil
}

// selectShown selects or deselects the rows that the filter leaves.
func (p *formPage) selectShown(enabled bool) {
	for i := range p.Rows {
		if row := &p.Rows[i]; row.Open || p.matches(row) {
			row.Enabled = enabled
		}
	}
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
	in, ok := page.check()
	if !ok {
		return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
	}
	saved, err := save(in)
	merged := false
	if rolebroker.CodeOf(err) == rolebroker.CodeStale && page.Was != nil {
		if merged, err = s.mergeStale(r.Context(), v, page); err != nil {
			return err
		}
		if !merged {
			return s.showForm(w, r, v, http.StatusConflict, page)
		}
		if in, ok = page.check(); !ok {
			return s.showForm(w, r, v, http.StatusUnprocessableEntity, page)
		}
		saved, err = save(in)
	}
	switch rolebroker.CodeOf(err) {
	case "":
		done := "updated"
		switch {
		case page.New():
			done = "created"
		case merged:
			done = "merged"
		}
		return toDone(w, r, pageOf(rolebroker.KindIntegration, saved.ID), done)
	case rolebroker.CodeStale:
		return s.showStale(w, r, v, page)
	case rolebroker.CodeNotFound:
		return s.showGone(w, r, v, page)
	case rolebroker.CodeInvalid, rolebroker.CodeConflict:
		if made := s.madeBefore(r.Context(), v, page); made != nil {
			return toDone(w, r, pageOf(rolebroker.KindIntegration, made.ID), "created")
		}
	case rolebroker.CodeThrottled, rolebroker.CodeUnavailable:
	default:
		return err
	}
	page.showErrors(err, nil)
	return s.showForm(w, r, v, statusOf(err), page)
}

// check drops blank rows, and returns the integration that was typed, and whether it can be saved as far as the form
// can tell. If it cannot, the form has the errors.
func (p *formPage) check() (in rolebroker.Integration, ok bool) {
	p.dropBlank()
	p.chooseOnly()
	in, wrong := p.integration()
	if p.NewRunner != "" && !p.Platform() {
		p.Errors = map[string]string{"new_runner": "Press Make Runner first, or empty this."}
		return in, false
	}
	if err := in.Check(); err != nil || len(wrong) > 0 {
		p.showErrors(err, wrong)
		return in, false
	}
	return in, true
}

// checkBefore checks for Validate everything that saving checks. It adds to the form what would refuse it.
func (s *server) checkBefore(ctx context.Context, v *visit, page *formPage) error {
	defer func() { page.Problem = "" }() // nobody wanted to save
	if _, ok := page.check(); !ok && page.Errors["name"] != "" {
		return nil
	}
	named, err := s.Broker.Integration(ctx, v.who, page.Name)
	switch {
	case rolebroker.CodeOf(err) == rolebroker.CodeNotFound:
		return nil
	case err != nil:
		return err
	case string(named.ID) != page.ID && named.Name != page.ID:
		if page.Errors == nil {
			page.Errors = map[string]string{}
		}
		page.Errors["name"] = "Another integration has this name."
	}
	return nil
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

// mergeStale takes into the form what somebody else saved since it was made. It reports whether nothing is left to
// decide: no field was changed by both.
func (s *server) mergeStale(ctx context.Context, v *visit, page *formPage) (merged bool, err error) {
	now, err := s.Broker.Integration(ctx, v.who, page.ID)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return true, nil // saving it again says so
	}
	if err != nil {
		return false, err
	}
	if page.Runners, err = readAll(ctx, v, runnerName, s.Broker.Runners); err != nil {
		return false, err
	}
	saved := formOf(now)
	saved.Runners = page.Runners
	page.Conflicts = page.mergeSaved(saved)
	page.Enabled, page.Version, page.Saved, page.Was = now.Enabled, now.Version, now.Name, saved.Was
	page.Stale = len(page.Conflicts) > 0
	return !page.Stale, nil
}

// showStale answers a person whose form cannot be merged with what somebody else saved, because the form does not say
// what it was made from.
func (s *server) showStale(w http.ResponseWriter, r *http.Request, v *visit, page *formPage) error {
	if _, err := s.mergeStale(r.Context(), v, page); err != nil {
		return err
	}
	page.Stale = true
	return s.showForm(w, r, v, http.StatusConflict, page)
}
