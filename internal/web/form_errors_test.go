package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// The form has its own words for broken rules. It goes by the rule and not by the
// message, which speaks of the API's JSON and may change.
func TestTheFormHasItsOwnErrors(t *testing.T) {
	const readOnly, deploy = "arn:aws:iam::444455556666:role/ReadOnly", "arn:aws:iam::444455556666:role/Deploy"
	row := func(name, arn string, enabled bool) roleRow {
		return roleRow{Name: name, ARN: arn, Region: "eu-west-1", Enabled: enabled}
	}
	for _, test := range []struct {
		path, want string
		standard   int
		rows       []roleRow
	}{
		{"default_role", "Choose the default role: a or b.", -1,
			[]roleRow{row("a", readOnly, true), row("b", deploy, true)}},
		{"default_role", "Choose the default role: b.", -1,
			[]roleRow{row("a", readOnly, false), row("b", deploy, true)}},
		{"roles[2].name", `"b" is the name of role 2 already; names are unique in an integration.`, 0,
			[]roleRow{row("a", readOnly, true), row("b", deploy, true), row("b", readOnly, true)}},
	} {
		page := formPage{Name: "production", Mode: rolebroker.ModePlatform, Default: test.standard, Rows: test.rows}
		in, wrong := page.integration()
		err := rolebroker.AsError(in.Check())
		if len(wrong) > 0 || len(err.Fields) != 1 || err.Fields[0].Path != test.path {
			t.Fatalf("wrong is %v, %v; want %s", wrong, err, test.path)
		}
		for _, message := range []string{err.Fields[0].Message, "was reworded"} {
			err.Fields[0].Message = message
			page.showErrors(err, nil)
			if got := page.Errors[test.path]; got != test.want {
				t.Errorf("%q is shown as %q, want %q", message, got, test.want)
			}
			if strings.Contains(page.Errors[test.path], "enabl") || strings.Contains(page.Errors[test.path], "roles[") {
				t.Errorf("the form speaks of the API: %s", page.Errors[test.path])
			}
		}
	}
}

// A form may have as many wrong fields as rows. Each costs a few allocations, so it
// does not look at all rows.
func TestTheErrorsOfManyRows(t *testing.T) {
	page := formPage{Name: "production", Mode: rolebroker.ModePlatform}
	var wrong []rolebroker.Field
	for i := range maxRows {
		row := roleRow{
			Name:    fmt.Sprint("r", i),
			ARN:     "arn:aws:iam::444455556666:role/ReadOnly",
			Region:  "mars",
			Enabled: true,
		}
		page.Rows = append(page.Rows, row)
		wrong = append(wrong, rolebroker.Field{Path: fmt.Sprintf("roles[%d].region", i), Message: "is no region"})
	}
	allocations := testing.AllocsPerRun(1, func() { page.showErrors(nil, wrong) })
	if allocations > 20*maxRows || len(page.Errors) != maxRows {
		t.Errorf("%d fields took %.0f allocations", len(page.Errors), allocations)
	}
}
