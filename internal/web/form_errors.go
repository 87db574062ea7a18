package web

import (
	"cmp"
	"fmt"
	"slices"

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
