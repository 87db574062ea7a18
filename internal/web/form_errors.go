package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// showErrors adds to the form what is wrong with it, at its fields where that is
// possible. wrong lists the fields that cannot be parsed.
func (p *formPage) showErrors(err error, wrong []rolebroker.Field) {
	e := rolebroker.AsError(err)
	p.Errors = map[string]string{}
	for _, f := range append(slices.Clone(wrong), e.Fields...) {
		chosen := f.Path == "default_role" && p.Default >= 0 && p.Rows[p.Default].Name == "" // which says so itself
		if p.Errors[f.Path] == "" && !chosen {
			p.Errors[f.Path] = p.fieldError(f)
		}
	}
	switch {
	case len(p.Errors) > 0:
	case e.Code == rolebroker.CodeConflict:
		p.Errors["name"] = sentence(e.Message)
	default:
		p.Problem = sentence(e.Message)
	}
}

// Faults are the errors of the form, in the order of its fields, each with the field that it is about.
func (p *formPage) Faults() []fault {
	fields := []formField{{"name", "Name", "name"}, {"description", "Description", "description"},
		{"runner", "Runner", "runner"}, {"new_runner", "New runner", "new-runner"}, {"roles", "Roles", "add-role"},
		{"several", "Add several", "several"}}
	errors := errorsOf(p.Errors, len(p.Rows))
	for i, row := range p.Rows {
		if errors[i] == nil {
			continue
		}
		of, id := " of role "+cmp.Or(row.Name, strconv.Itoa(i+1)), "role-"+strconv.Itoa(row.Place)+"-"
		for _, f := range roleFields {
			fields = append(fields, formField{rolePath(i, f.Path), f.Label + of, id + f.ID})
		}
	}
	return faultsOf(p.Errors, append(fields, formField{"default_role", "Default role", "default"})...)
}

// roleFields are the fields of a role.
var roleFields = []formField{{"name", "Name", "name"}, {"arn", "ARN", "arn"}, {"region", "Region", "region"},
	{"session_duration", "Session duration", "duration"}}

// fieldError says what is wrong with a field, and names it. Some messages of the API speak of its JSON; the form has
// its own for those.
func (p *formPage) fieldError(f rolebroker.Field) string {
	switch {
	case f.Rule == rolebroker.RuleRoleNameUnique:
		return sentence(p.sameName(f))
	case f.Rule == rolebroker.RuleDefaultChosen, f.Path == "default_role":
		return p.chooseDefault()
	case f.Path == "roles":
		return "Add a role: the integration has none."
	}
	path := f.Path
	if _, field, ofRole := strings.Cut(path, "]."); ofRole {
		path = field
	}
	label := map[string]string{"name": "Name", "description": "Description", "runner": "Runner", "arn": "ARN",
		"region": "Region", "session_duration": "Session duration"}[path]
	return atField(label, f.Message)
}

// chooseDefault asks for the default role, and names those that it can be.
func (p *formPage) chooseDefault() string {
	var names []string
	for _, row := range p.Rows {
		if row.Name != "" && row.Enabled && !slices.Contains(names, row.Name) {
			names = append(names, row.Name)
		}
	}
	const most = 5
	switch n := len(names); {
	case n == 0:
		return "Choose the default role."
	case n == 1:
		return "Choose the default role: " + names[0] + "."
	case n > most:
		return fmt.Sprintf("Choose the default role: %s or another one.", strings.Join(names[:most], ", "))
	default:
		return fmt.Sprintf("Choose the default role: %s or %s.", strings.Join(names[:n-1], ", "), names[n-1])
	}
}

// Offer is a name that would be valid in place of the one that was typed; empty: the name is valid.
func (p *formPage) Offer() string { return offer(p.Name) }

// Offer is the same for the name of a role.
func (r roleRow) Offer() string { return offer(r.Name) }

func offer(name string) string {
	if name == "" || rolebroker.CheckName(name) == nil {
		return ""
	}
	return rolebroker.NameLike(name)
}

// sameName says which role has the same name as the role of the field.
func (p *formPage) sameName(f rolebroker.Field) string {
	var i int
	if _, err := fmt.Sscanf(f.Path, "roles[%d].name", &i); err != nil || i < 0 || i >= len(p.Rows) {
		return f.Message
	}
	name := p.Rows[i].Name
	first := slices.IndexFunc(p.Rows, func(other roleRow) bool { return other.Name == name })
	return fmt.Sprintf("%q is the name of role %d already; names are unique in an integration", name, first+1)
}
