package web

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// maxRows bounds how many roles a form may have. Each has six fields, and Go reads
// 10,000 fields of a form.
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
		r.Outcome, r.State = &state.Validation, &state
	}
}

// readForm reads what was typed.
func readForm(r *http.Request, id string) (*formPage, error) {
	if err := r.ParseForm(); err != nil {
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
	}
	page.Was = readValues(r)
	page.Version, _ = strconv.ParseInt(get("version"), 10, 64) // 0, which is stale, if someone tampered with it
	if page.Mode == "" {
		page.Mode = rolebroker.ModePlatform
	}
	rows, _ := strconv.Atoi(get("rows"))
	for i := range min(rows, maxRows) {
		prefix := "role." + strconv.Itoa(i) + "."
		if !r.PostForm.Has(prefix + "arn") {
			continue // the row was removed
		}
		if get("default") == strconv.Itoa(i) {
			page.Default = len(page.Rows)
		}
		page.Rows = append(page.Rows, roleRow{
			ID:       get(prefix + "id"),
			Name:     get(prefix + "name"),
			ARN:      get(prefix + "arn"),
			Region:   get(prefix + "region"),
			Duration: get(prefix + "duration"),
			Enabled:  get(prefix+"enabled") != "",
		})
	}
	return page, nil
}

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
