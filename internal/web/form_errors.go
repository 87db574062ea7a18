package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/rolebroker/rolebroker"
)

// showErrors adds to the form what is wrong with it, at its fields where that is
// possible. wrong lists the fields that cannot be parsed.
func (p *formPage) showErrors(err error, wrong []rolebroker.Field) {
	e := rolebroker.AsError(err)
	p.Errors = map[string]string{}
	for _, f := range append(slices.Clone(wrong), e.Fields...) {
		if p.Errors[f.Path] == "" {
			p.Errors[f.Path] = sentence(p.fieldError(f))
		}
	}
	switch {
	case len(p.Errors) > 0:
		p.Problem = nothingSaved(len(p.Errors))
	case e.Code == rolebroker.CodeConflict:
		p.Errors["name"] = sentence(e.Message)
		p.Problem = "Nothing was saved."
	default:
		p.Problem = sentence(e.Message)
	}
}

// Faults are the errors of the form, in the order of its fields, each with the field that it is about.
func (p *formPage) Faults() (all []fault) {
	add := func(path, label, id string) {
		if message := p.Errors[path]; message != "" {
			all = append(all, fault{label, id, message})
		}
	}
	add("name", "Name", "name")
	add("description", "Description", "description")
	add("runner", "Runner", "runner")
	add("new_runner", "New runner", "new-runner")
	add("roles", "Roles", "add-role")
	for i, row := range p.Rows {
		of, id := " of role "+cmp.Or(row.Name, strconv.Itoa(i+1)), "role-"+strconv.Itoa(i)+"-"
		add(rolePath(i, "name"), "Name"+of, id+"name")
		add(rolePath(i, "arn"), "ARN"+of, id+"arn")
		add(rolePath(i, "region"), "Region"+of, id+"region")
		add(rolePath(i, "session_duration"), "Session duration"+of, id+"duration")
	}
	add("default_role", "Default role", "add-role")
	return all
}

// fault is an error of a field, with a link to the field.
type fault struct{ Label, ID, Message string }

func nothingSaved(fields int) string {
	return "Nothing was saved. " + plural(fields, "field is not valid.", "fields are not valid.")
}

// fieldError says what is wrong with a field. Some messages of the API speak of its
// JSON; the form has its own for those.
func (p *formPage) fieldError(f rolebroker.Field) string {
	switch f.Rule {
	case rolebroker.RuleRoleNameUnique:
		return p.sameName(f)
	case rolebroker.RuleDefaultChosen:
		in, _ := p.integration()
		return "choose the default role, one of " + cmp.Or(in.DefaultChoices(), "the roles")
	}
	return f.Message
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
