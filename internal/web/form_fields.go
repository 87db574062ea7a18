package web

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/roleimport"
)

// maxRows bounds how many roles a form may have. Each has six fields at most, and Go reads 10,000 fields of a form.
const maxRows = 1500

// formOf is the form of a saved integration.
func formOf(in *rolebroker.Integration) *formPage {
	page := &formPage{
		ID:             string(in.ID),
		Version:        in.Version,
		Saved:          in.Name,
		Name:           in.Name,
		Description:    in.Description,
		Enabled:        in.Enabled,
		Mode:           in.AssumptionMode,
		Runner:         string(in.Runner),
		ExternalID:     in.ExternalID,
		NextExternalID: in.NextExternalID,
		SessionTags:    in.SessionTags,
		SourceIdentity: in.SourceIdentity,
		Default:        -1,
	}
	for i, role := range in.Roles {
		if role.Name == in.DefaultRole {
			page.Default = i
		}
		page.Rows = append(page.Rows, rowOfRole(role, in.StateOf(&role)))
	}
	page.Was = page.values()
	return page
}

func rowOfRole(role rolebroker.Role, state rolebroker.RoleState) roleRow {
	row := roleRow{
		ID:       string(role.ID),
		Name:     role.Name,
		ARN:      role.ARN.String(),
		Region:   string(role.Region),
		Duration: rolebroker.ShortDuration(role.SessionDuration), // "" for the default
		Enabled:  role.Enabled,
	}
	row.setState(state)
	return row
}

// setState shows the state of the saved role, unless nobody has tried it.
func (r *roleRow) setState(state rolebroker.RoleState) {
	if !state.CheckedAt.IsZero() {
		r.setOutcome(&state.Validation)
		r.State = &state
	}
}

func (r *roleRow) setOutcome(v *rolebroker.Validation) {
	r.Outcome, r.Tone, r.Word, r.Why = v, tone(v.Status), word(*v), headline(v.Message)[0]
}

// readForm reads what was typed.
func readForm(r *http.Request, id string) (*formPage, error) {
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxRoleForm) // a file was sent, too
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the form cannot be read: it may be too large")
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	page := &formPage{
		ID:             id,
		Saved:          get("saved"),
		Name:           get("name"),
		Description:    get("description"),
		Enabled:        get("disabled") == "",
		Mode:           rolebroker.AssumptionMode(get("mode")),
		Runner:         get("runner"),
		NewRunner:      get("new_runner"),
		ExternalID:     get("external_id"),
		SessionTags:    get("session_tags") != "",
		SourceIdentity: get("source_identity") != "",
		Default:        -1,
		Several:        r.PostForm.Get("several"),
		Find:           get("find"),
		Failing:        get("failing") != "",
	}
	page.Was, page.Merging = readValues(r), readMerging(r)
	page.asked = r.PostForm["conflict"]
	page.Version, _ = strconv.ParseInt(get("version"), 10, 64) // 0, which is stale, if someone tampered with it
	if page.Mode == "" {
		page.Mode = rolebroker.ModePlatform
	}
	rows, _ := strconv.Atoi(get("rows"))
	for i := range min(rows, maxRows) {
		prefix := "role." + strconv.Itoa(i) + "."
		row := roleRow{
			Place:    i,
			ID:       get(prefix + "id"),
			Name:     get(prefix + "name"),
			ARN:      get(prefix + "arn"),
			Region:   get(prefix + "region"),
			Duration: get(prefix + "duration"),
			Enabled:  get(prefix+"enabled") != "",
			Open:     get(prefix+"closed") == "",
		}
		switch {
		case r.PostForm.Has(prefix + "arn"):
		case row.ID != "":
			row.Open = !row.take(page.Was) // a closed row has no fields; without its values it must not vanish
		default:
			continue // the row was removed
		}
		if get("default") == strconv.Itoa(i) {
			page.Default = len(page.Rows)
		}
		page.Rows = append(page.Rows, row)
	}
	page.completeRows()
	return page, nil
}

// completeRows gives the new roles that have an ARN what they can have from it and from the row above: the name and the
// region.
func (p *formPage) completeRows() {
	taken := map[string]bool{}
	for _, row := range p.Rows {
		taken[row.Name] = true
	}
	for i := range p.Rows {
		row := &p.Rows[i]
		if _, err := rolebroker.ParseRoleARN(row.ARN); err != nil || row.ID != "" {
			continue
		}
		if row.Name == "" {
			row.Name = roleimport.FreeName(row.ARN, taken)
			taken[row.Name] = true
		}
		if row.Region == "" && i > 0 {
			row.Region = roleimport.RegionFor(row.ARN, p.Rows[i-1].Region)
		}
	}
}

// imported are the rows as a list that others are added to.
func (p *formPage) imported() []roleimport.Role {
	all := make([]roleimport.Role, len(p.Rows))
	for i, row := range p.Rows {
		all[i] = roleimport.Role{Name: row.Name, ARN: row.ARN, Region: row.Region}
	}
	return all
}

// dropBlank drops the new rows in which nothing was typed, but for the last row of all.
func (p *formPage) dropBlank() {
	for i := len(p.Rows) - 1; i >= 0 && len(p.Rows) > 1; i-- {
		if p.Rows[i].blank() {
			p.removeRow(i)
		}
	}
}

// blank reports whether nothing was typed into a new row. Its region may be that of the row above.
func (r *roleRow) blank() bool { return r.ID == "" && r.Name == "" && r.ARN == "" && r.Duration == "" }

// integration is the integration that was typed. wrong lists the fields that
// cannot be parsed.
func (p *formPage) integration() (in rolebroker.Integration, wrong []rolebroker.Field) {
	in = rolebroker.Integration{
		ID:             rolebroker.IntegrationID(p.ID),
		Name:           p.Name,
		Description:    p.Description,
		Enabled:        p.Enabled,
		AssumptionMode: p.Mode,
		ExternalID:     p.ExternalID,
		SessionTags:    p.SessionTags,
		SourceIdentity: p.SourceIdentity,
		// A new integration that asks for one gets it where its roles allow it.
		SourceIdentityOpen: p.SourceIdentity && p.ID == "",
	}
	if p.Mode == rolebroker.ModeCluster {
		in.Runner = rolebroker.RunnerID(p.Runner)
	}
	for i, row := range p.Rows {
		role, fields := row.role(i)
		in.Roles, wrong = append(in.Roles, role), append(wrong, fields...)
		if i == p.Default {
			in.DefaultRole = row.Name
		}
	}
	return in, wrong
}

// maxSetup is how many roles may have their commands and templates in the form. Of more than that, only the first one
// has; the page of the setup has those of all.
const maxSetup = 12

// setupDraft is the integration whose setup the form shows: that of the first roles, if it has many.
func (p *formPage) setupDraft() rolebroker.Integration {
	few := *p
	if p.SetupCut() {
		few.Rows = p.Rows[:1]
	}
	draft, _ := few.integration()
	return draft
}

// SetupCut returns whether the setup in the form is that of the first roles only.
func (p *formPage) SetupCut() bool { return len(p.Rows) > maxSetup }

// role is the role that was typed into row i.
func (r roleRow) role(i int) (role rolebroker.Role, wrong []rolebroker.Field) {
	check := func(field string, err error) {
		if err != nil {
			wrong = append(wrong, rolebroker.Field{Path: rolePath(i, field), Message: err.Error()})
		}
	}
	role = rolebroker.Role{
		ID:      rolebroker.RoleID(r.ID),
		Name:    r.Name,
		Region:  rolebroker.Region(r.Region),
		Enabled: r.Enabled,
	}
	var err error
	role.ARN, err = rolebroker.ParseRoleARN(r.ARN)
	check("arn", err)
	role.SessionDuration, err = rolebroker.ParseSessionDuration(r.Duration)
	check("session_duration", err)
	return role, wrong
}
