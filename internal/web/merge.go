package web

import (
	"cmp"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// fieldValues are the values of a form, by field. A form carries those that it was made from, so that what two people change
// at once can be told apart: what only one of them changed is kept.
type fieldValues map[string]string

// conflict is a field that two people changed, each to another value.
type conflict struct {
	Field string // as in "description"
	Label string // in words, as in "Region of role readonly"
	Mine  string // as it was typed
	Saved string // as it is saved now
}

// merge takes into mine what only the other person changed since the form was made, and returns the rest of what that
// person changed. A field of a role that either of them removed or added is not compared here.
func (mine fieldValues) merge(was, saved fieldValues) (conflicts []string) {
	for _, field := range slices.Sorted(maps.Keys(saved)) {
		before, known := was[field]
		typed, has := mine[field]
		switch {
		case was == nil && has && saved[field] != typed:
			conflicts = append(conflicts, field)
		case !known || !has || saved[field] == before || saved[field] == typed:
		case typed == before:
			mine[field] = saved[field]
		default:
			conflicts = append(conflicts, field)
		}
	}
	return conflicts
}

// mergeInWords is merge for a form whose fields are texts. It returns what both changed, with both values.
func (mine fieldValues) mergeInWords(was, saved fieldValues) (conflicts []conflict) {
	for _, field := range mine.merge(was, saved) {
		label := capital(strings.ReplaceAll(field, "_", " "))
		conflicts = append(conflicts, conflict{field, label, cmp.Or(mine[field], "none"), cmp.Or(saved[field], "none")})
	}
	return conflicts
}

// Text is the values as a form carries them.
func (f fieldValues) Text() string {
	text, _ := json.Marshal(f) // strings always can be marshalled
	return string(text)
}

// deflaters are flate.Writers, each of which has a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return w
}}

// SmallText is Text for a form with many values: compressed.
func (f fieldValues) SmallText() string {
	var b strings.Builder
	encoded := base64.NewEncoder(base64.RawURLEncoding, &b)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(encoded)
	_, _ = io.WriteString(w, f.Text()) // nothing fails to write into a strings.Builder
	_ = w.Close()
	_ = encoded.Close()
	return b.String()
}

// maxValues bounds the values of a form, in bytes of JSON.
const maxValues = 4 << 20

// readValues reads the values that a form was made from. Without any, nothing counts as unchanged by the other person.
// People can change what they send; they could type other values just as well.
func readValues(r *http.Request) fieldValues {
	text := r.PostForm.Get("was")
	if !strings.HasPrefix(text, "{") {
		packed := base64.NewDecoder(base64.RawURLEncoding, strings.NewReader(text))
		all, err := io.ReadAll(io.LimitReader(flate.NewReader(packed), maxValues))
		if err != nil {
			return nil
		}
		text = string(all)
	}
	var was fieldValues
	if json.Unmarshal([]byte(text), &was) != nil {
		return nil
	}
	return was
}

// values are the values of the form of an integration. Roles are named by their IDs; new ones are left out.
func (p *formPage) values() fieldValues {
	f := fieldValues{"name": p.Name, "description": p.Description, "mode": string(p.Mode), "runner": p.Runner,
		"session tags": onOff(p.SessionTags), "source identity": onOff(p.SourceIdentity)}
	if p.Default >= 0 && p.Default < len(p.Rows) && p.Rows[p.Default].ID != "" {
		f["default role"] = p.Rows[p.Default].ID
	} else {
		f["default role"] = ""
	}
	for i := range p.Rows {
		if row := &p.Rows[i]; row.ID != "" {
			row.addTo(f)
			f[row.ID+" state"] = selected(row.Enabled)
		}
	}
	return f
}

// addTo adds the text fields of a role to the values of a form.
func (r *roleRow) addTo(f fieldValues) {
	f[r.ID+" name"], f[r.ID+" ARN"], f[r.ID+" region"] = r.Name, r.ARN, r.Region
	f[r.ID+" session duration"] = r.Duration
}

// take takes the text fields of a role from the values of a form, and reports whether they are there.
func (r *roleRow) take(f fieldValues) bool {
	_, there := f[r.ID+" ARN"]
	r.Name, r.ARN, r.Region = f[r.ID+" name"], f[r.ID+" ARN"], f[r.ID+" region"]
	r.Duration = f[r.ID+" session duration"]
	return there
}

// sameAs reports whether the text fields of a role are those in the values of a form.
func (r *roleRow) sameAs(f fieldValues) bool {
	was := roleRow{ID: r.ID}
	return was.take(f) && was.Name == r.Name && was.ARN == r.ARN && was.Region == r.Region && was.Duration == r.Duration
}

// set takes values into the form.
func (p *formPage) set(f fieldValues) {
	p.Name, p.Description = f["name"], f["description"]
	p.Mode, p.Runner = rolebroker.AssumptionMode(f["mode"]), f["runner"]
	p.SessionTags, p.SourceIdentity = f["session tags"] == "on", f["source identity"] == "on"
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.ID == "" {
			continue
		}
		row.take(f)
		row.Enabled = f[row.ID+" state"] == selected(true)
		if row.ID == f["default role"] {
			p.Default = i
		}
	}
}

// mergeSaved takes into the form what only the other person changed since it was made, and returns what both changed.
// saved is the integration as it is now.
func (p *formPage) mergeSaved(saved *formPage) (conflicts []conflict) {
	mine, theirs := p.values(), saved.values()
	for i := range saved.Rows { // roles that the other person added, or that only the other person has
		id := saved.Rows[i].ID
		_, before := p.Was[id+" ARN"]
		_, has := mine[id+" ARN"]
		switch {
		case has:
		case !before && p.Was != nil:
			p.Rows = append(p.Rows, saved.Rows[i])
		case changedRole(p.Was, theirs, id):
			conflicts = append(conflicts, conflict{id + " role", "Role " + saved.Rows[i].Name, "removed", "changed"})
		}
	}
	for i := len(p.Rows) - 1; i >= 0; i-- { // roles that the other person removed
		id := p.Rows[i].ID
		if _, has := theirs[id+" ARN"]; has || id == "" {
			continue
		}
		if !changedRole(p.Was, mine, id) {
			p.removeRow(i)
			continue
		}
		p.Rows[i].ID = "" // it is made anew
		conflicts = append(conflicts, conflict{"gone " + p.Rows[i].Name, "Role " + p.Rows[i].Name, "changed",
			"removed"})
	}
	mine = p.values()
	both := mine.merge(p.Was, theirs)
	p.set(mine)
	for _, field := range both {
		conflicts = append(conflicts, conflict{field, p.label(field), p.inWords(field, mine[field]),
			saved.inWords(field, theirs[field])})
	}
	return conflicts
}

// keepConflicts asks again about the fields that two people changed, while nobody has decided: another button was
// pressed meanwhile.
func (p *formPage) keepConflicts() {
	if p.Stale {
		return
	}
	mine := p.values()
	was := formPage{Runners: p.Runners, Rows: p.Rows}
	for _, field := range p.asked {
		id, ofRole := strings.CutSuffix(field, " role")
		name, gone := strings.CutPrefix(field, "gone ")
		switch saved, known := p.Was[field]; {
		case ofRole && p.Was[id+" name"] != "":
			p.Conflicts = append(p.Conflicts, conflict{field, "Role " + p.Was[id+" name"], "removed", "changed"})
		case gone:
			p.Conflicts = append(p.Conflicts, conflict{field, "Role " + name, "changed", "removed"})
		case known && mine[field] != saved:
			p.Conflicts = append(p.Conflicts, conflict{field, p.label(field), p.inWords(field, mine[field]),
				was.inWords(field, saved)})
		}
	}
	p.Stale = len(p.Conflicts) > 0
}

// changedRole reports whether a role has other values than before.
func changedRole(was, now fieldValues, id string) bool {
	for _, field := range []string{" name", " ARN", " region", " session duration", " state"} {
		if was[id+field] != now[id+field] {
			return true
		}
	}
	return false
}

// label names a field for people.
func (p *formPage) label(field string) string {
	id, rest, ofRole := strings.Cut(field, " ")
	if ofRole && strings.HasPrefix(id, "rol_") {
		for _, row := range p.Rows {
			if row.ID == id {
				return capital(rest) + " of role " + row.Name
			}
		}
	}
	return capital(field)
}

// inWords shows a value for people.
func (p *formPage) inWords(field, value string) string {
	switch {
	case field == "default role":
		for _, row := range p.Rows {
			if row.ID == value {
				return row.Name
			}
		}
	case field == "runner":
		for _, r := range p.Runners {
			if string(r.ID) == value {
				return r.Name
			}
		}
	case strings.HasSuffix(field, "session duration") && value == "":
		return rolebroker.ShortDuration(rolebroker.DefaultSessionDuration)
	}
	if value == "" {
		return "none"
	}
	return value
}

func capital(s string) string { return strings.ToUpper(s[:min(len(s), 1)]) + s[min(len(s), 1):] }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func selected(b bool) string {
	if b {
		return "selected"
	}
	return "not selected"
}

// takeSaved sets the fields in conflict to what the other person saved, which the form was made from meanwhile.
func (p *formPage) takeSaved(fields []string, saved *formPage) {
	for _, field := range fields {
		if id, ok := strings.CutSuffix(field, " role"); ok {
			for _, row := range saved.Rows {
				if row.ID == id {
					p.Rows = append(p.Rows, row)
				}
			}
		}
		if name, ok := strings.CutPrefix(field, "gone "); ok {
			if i := slices.IndexFunc(p.Rows, func(r roleRow) bool { return r.ID == "" && r.Name == name }); i >= 0 {
				p.removeRow(i)
			}
		}
	}
	mine := p.values()
	for _, field := range fields {
		if value, ok := p.Was[field]; ok {
			mine[field] = value
		}
	}
	p.set(mine)
}
