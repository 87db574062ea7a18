package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// roleField is a field of a role, on the command line and in tables. A new field
// of a role is one more entry in roleFields.
type roleField struct {
	key      string // in --role, before the =
	value    string // in help, after the =
	optional bool   // in --role of a new role
	set      func(role *api.RoleRequest, text string) error

	column int    // its position in the table of roles
	header string // of that column
	cell   func(in api.Integration, role api.Role) string
}

func roleFields() []roleField {
	return []roleField{{
		key: "name", value: "NAME", column: 1, header: "ROLE",
		set:  func(role *api.RoleRequest, text string) error { role.Name = text; return nil },
		cell: func(_ api.Integration, role api.Role) string { return role.Name },
	}, {
		key: "arn", value: "ARN", column: 6, header: "ARN",
		set:  func(role *api.RoleRequest, text string) error { role.ARN = text; return nil },
		cell: func(_ api.Integration, role api.Role) string { return role.ARN },
	}, {
		key: "region", value: "REGION", column: 4, header: "REGION",
		set:  func(role *api.RoleRequest, text string) error { role.Region = text; return nil },
		cell: func(_ api.Integration, role api.Role) string { return role.Region },
	}, {
		key: "enabled", value: "false", optional: true, column: 3, header: "ENABLED",
		set:  setEnabled,
		cell: func(_ api.Integration, role api.Role) string { return yesNo(role.Enabled) },
	}, {
		key: "session_duration", value: "1h", optional: true, column: 5, header: "DURATION",
		set:  func(role *api.RoleRequest, text string) error { role.SessionDuration = text; return nil },
		cell: func(_ api.Integration, role api.Role) string { return role.SessionDuration },
	}}
}

func setEnabled(role *api.RoleRequest, text string) error {
	enabled, err := strconv.ParseBool(text)
	if err != nil {
		return usage("enabled=%s is neither true nor false", text)
	}
	role.Enabled = &enabled
	return nil
}

// roleForm is the form of a role on the command line.
func roleForm() string {
	var b strings.Builder
	for i, f := range roleFields() {
		separator := ","
		if i == 0 {
			separator = ""
		}
		part := separator + f.key + "=" + f.value
		if f.optional {
			part = "[" + part + "]"
		}
		b.WriteString(part)
	}
	return b.String()
}

// parseRoles reads the values of --role.
func parseRoles(values []string) ([]api.RoleRequest, error) {
	var roles []api.RoleRequest
	for _, value := range values {
		role, err := parseRole(value)
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// parseRole reads a new role, in the form of roleForm. It leaves to the server
// whether the values are valid.
func parseRole(value string) (role api.RoleRequest, err error) {
	given, err := readRole(&role, "role", value)
	if err != nil {
		return role, err
	}
	for _, f := range roleFields() {
		if !f.optional && !given[f.key] {
			return role, usage("--role %s has no %s; a role has the form %s", value, f.key, roleForm())
		}
	}
	return role, nil
}

// changeRole applies a value of --set-role to the role that it names.
func changeRole(request *api.IntegrationRequest, value string) error {
	var change api.RoleRequest
	given, err := readRole(&change, "set-role", value)
	switch {
	case err != nil:
		return err
	case !given["name"] || len(given) == 1:
		return usage("--set-role %s must have a name and at least one change, as in name=readonly,region=us-east-1",
			value)
	}
	i, err := indexRole(request, change.Name)
	if err != nil {
		return err
	}
	name := request.Roles[i].Name
	_, err = readRole(&request.Roles[i], "set-role", value)
	request.Roles[i].Name = name // the value may have its ID instead
	return err
}

// readRole sets the fields of a role that a value has, and returns their keys.
func readRole(role *api.RoleRequest, flag, value string) (given map[string]bool, err error) {
	fields := roleFields()
	last, given := "", map[string]bool{}
	for part := range strings.SplitSeq(value, ",") {
		key, text, _ := strings.Cut(part, "=")
		i := slices.IndexFunc(fields, func(f roleField) bool { return f.key == key })
		switch {
		case i < 0 && last == "arn" && (key == part || didYouMeanKey(key) == ""): // the name of an IAM role may have commas
			role.ARN += "," + part
			continue
		case i < 0:
			return nil, usage("--%s has %q; %sa role has the form %s", flag, part, didYouMeanKey(key), roleForm())
		case given[key]:
			return nil, usage("--%s has %s twice", flag, key)
		}
		last, given[key] = key, true
		if err := fields[i].set(role, text); err != nil {
			return nil, usage("--%s: %w", flag, err)
		}
	}
	return given, nil
}

// didYouMeanKey asks which key a mistyped one could be; "" if it is like none.
func didYouMeanKey(key string) string {
	var keys []string
	for _, f := range roleFields() {
		keys = append(keys, f.key)
	}
	if like := similar(strings.ReplaceAll(key, "-", "_"), keys); len(like) > 0 {
		return "did you mean " + strings.Join(like, " or ") + "? "
	}
	return ""
}

// indexRole finds a role of an integration by its name or ID.
func indexRole(request *api.IntegrationRequest, nameOrID string) (int, error) {
	var names []string
	for i, role := range request.Roles {
		if nameOrID == role.Name || nameOrID == role.ID {
			return i, nil
		}
		names = append(names, role.Name)
	}
	return 0, rolebroker.Errorf(rolebroker.CodeNotFound, "integration %s has no role %q; it has %s",
		request.Name, nameOrID, strings.Join(names, ", ")).WithHint("rolebroker integration show %s", request.Name)
}

// roleTable shows the roles of an integration, with their states.
func (a *app) roleTable(in api.Integration) *table {
	fields := append(roleFields(), roleField{column: 2, header: "DEFAULT",
		cell: func(in api.Integration, role api.Role) string { return yesNo(role.Name == in.DefaultRole) }})
	slices.SortFunc(fields, func(f, g roleField) int { return cmp.Compare(f.column, g.column) })
	var header []string
	for _, f := range fields {
		header = append(header, f.header)
	}
	t := newTable(append(header, "STATUS", "CHECKED")...)
	for _, role := range in.Roles {
		var cells []string
		for _, f := range fields {
			cells = append(cells, f.cell(in, role))
		}
		t.add(append(cells, status(role.State), a.checked(role.State))...)
	}
	return t
}

// checked says when the state of a role was found out and from what: by which runner
// if it was not the server, and with which agent if it was not a validation.
func (a *app) checked(s api.RoleState) string {
	if s.CheckedAt == nil {
		return "-"
	}
	var parts []string
	switch rolebroker.Evidence(s.From) {
	case rolebroker.FromLoan:
		parts = append(parts, "lent to "+s.Agent)
	case rolebroker.FromRefusal:
		parts = append(parts, "refused to "+s.Agent)
	}
	if s.CheckedBy != "" {
		parts = append(parts, "by runner "+s.CheckedBy)
	}
	return strings.Join(append(parts, a.when(s.CheckedAt)), ", ")
}
