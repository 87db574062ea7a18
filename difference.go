package rolebroker

import (
	"fmt"
	"strings"
)

// Difference is one difference between two versions of an integration, in words for people.
type Difference struct {
	Role   string // the name of the role that differs; empty: the integration itself does
	Field  string // as in "session duration"; empty: the role was added or removed
	Before string // as in "1h"; empty: the role was added
	After  string // empty: the role was removed
}

// String says what the second version changes, as in "changes the region of role readonly from us-east-1 to us-west-2".
func (d Difference) String() string {
	switch {
	case d.Field == "" && d.Before == "":
		return "adds role " + d.Role
	case d.Field == "":
		return "removes role " + d.Role
	case d.Role == "":
		return fmt.Sprintf("changes the %s from %s to %s", d.Field, d.Before, d.After)
	}
	return fmt.Sprintf("changes the %s of role %s from %s to %s", d.Field, d.Role, d.Before, d.After)
}

// Differences lists the fields that people set and in which other differs from the integration. It ignores IDs,
// versions, times, validations and external IDs, which the server makes, and the order of the roles. Two roles with the
// same ID are the same role; among the rest, two with the same name are.
func (in *Integration) Differences(other *Integration) []Difference {
	all := differences("", in.traits(), other.traits())
	partners := in.partners(other)
	kept := map[*Role]bool{}
	for i := range in.Roles {
		role := &in.Roles[i]
		partner := partners[role]
		if partner == nil {
			all = append(all, Difference{Role: role.Name, Before: role.Name})
			continue
		}
		kept[partner] = true
		all = append(all, differences(role.Name, role.traits(), partner.traits())...)
	}
	for i := range other.Roles {
		if role := &other.Roles[i]; !kept[role] {
			all = append(all, Difference{Role: role.Name, After: role.Name})
		}
	}
	return all
}

// partners maps each role of the integration to the same role of other, if other has it. Both may have thousands of
// roles.
func (in *Integration) partners(other *Integration) map[*Role]*Role {
	found, taken := map[*Role]*Role{}, map[*Role]bool{}
	pair := func(key func(*Role) string) {
		free := map[string][]*Role{} // the roles of other without a partner, by key
		for i := range other.Roles {
			if role := &other.Roles[i]; !taken[role] && key(role) != "" {
				free[key(role)] = append(free[key(role)], role)
			}
		}
		for i := range in.Roles {
			role := &in.Roles[i]
			if same := free[key(role)]; found[role] == nil && len(same) > 0 {
				found[role], taken[same[0]] = same[0], true
				free[key(role)] = same[1:]
			}
		}
	}
	pair(func(r *Role) string { return string(r.ID) })
	pair(func(r *Role) string { return r.Name })
	return found
}

// trait is a field that Differences compares by its value and shows in words.
type trait struct {
	field string
	value any
	words string
}

// inJSON is the name of the field in JSON.
func (t trait) inJSON() string {
	if t.field == "state" {
		return "enabled"
	}
	return strings.ReplaceAll(t.field, " ", "_")
}

func differences(role string, before, after []trait) (all []Difference) {
	for i := range before {
		if before[i].value != after[i].value {
			all = append(all, Difference{role, before[i].field, before[i].words, after[i].words})
		}
	}
	return all
}

func (in *Integration) traits() []trait {
	runner := in.RunnerName
	if runner == "" {
		runner = string(in.Runner)
	}
	return []trait{
		{"name", in.Name, in.Name},
		{"description", in.Description, quotedForPeople(in.Description)},
		{"state", in.Enabled, enabledOrDisabled(in.Enabled)},
		{"assumption mode", in.AssumptionMode, string(in.AssumptionMode)},
		{"runner", in.Runner, orNone(runner)},
		{"session tags", in.SessionTags, onOff(in.SessionTags)},
		{"source identity", in.SourceIdentity, onOff(in.SourceIdentity)},
		{"default role", in.DefaultRole, orNone(in.DefaultRole)},
	}
}

func (r *Role) traits() []trait {
	return []trait{
		{"name", r.Name, r.Name},
		{"ARN", r.ARN, r.ARN.String()},
		{"region", r.Region, string(r.Region)},
		{"state", r.Enabled, enabledOrDisabled(r.Enabled)},
		{"session duration", r.Duration(), ShortDuration(r.Duration())},
	}
}

func enabledOrDisabled(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// quotedForPeople puts a description in quotation marks, and shortens it to a line or two.
func quotedForPeople(s string) string {
	const most = 100
	if s == "" {
		return "none"
	}
	if runes := []rune(s); len(runes) > most {
		s = strings.TrimSpace(string(runes[:most])) + "…"
	}
	return "“" + s + "”"
}
