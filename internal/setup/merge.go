package setup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// merged is a trust policy with our statement in it.
type merged struct {
	text  string   // JSON
	diff  string   // from the current one; empty when nothing has to change
	notes []string // what a person should know about it, in sentences
}

// IAM's quota on the length of a trust policy, and what it can be raised to.
//
// Source: IAM User Guide, "IAM and AWS STS quotas".
const (
	usualSize   = 2048
	greatestAny = 4096
)

// merge puts the statement into the current policy. Statements that were
// written for us earlier go, with the conditions and actions that others gave
// them; all the rest stays.
func merge(p *policy, w want) *merged {
	m := &merged{text: indented(p.raw), notes: w.remarks(p)}
	if statements, changed := w.place(p.statements); changed {
		m.text = p.with(statements)
	}
	m.diff = string(diff.Diff("current", []byte(indented(p.raw)+"\n"), "new", []byte(m.text+"\n")))
	m.notes = append(m.notes, sizeNote(m.text)...)
	return m
}

// place is the statements as they are to be, as JSON, and whether that is a
// change.
func (w want) place(current []statement) (all []any, changed bool) {
	var stay, needed []grant
	at := -1
	for i := range current {
		st := &current[i]
		switch ours := w.recognizes(st); {
		case w.satisfied(st, ours):
			stay = append(stay, w.grant(st))
			all = append(all, st.raw)
		case !ours:
			all = append(all, st.raw)
		default:
			changed = true
			needed = append(needed, w.grant(st))
			if rest, left := w.without(st); left {
				all = append(all, rest)
			}
			if at < 0 {
				at = len(all)
			}
		}
	}
	if at < 0 {
		at = len(all)
	}
	if len(stay)+len(needed) == 0 {
		needed = []grant{{principal: w.principal}}
	}
	added := w.additions(stay, needed)
	return slices.Insert(all, at, added...), changed || len(added) > 0
}

// additions are the statements that are needed besides those that stay: none
// for what another does already, so that nobody is let in or kept out who was
// not.
func (w want) additions(stay, needed []grant) (added []any) {
	for i, g := range needed {
		done := func(other grant) bool { return other.includes(g) }
		later := func(other grant) bool { return other.includes(g) && !g.includes(other) }
		if !slices.ContainsFunc(stay, done) && !slices.ContainsFunc(needed[:i], done) && !slices.ContainsFunc(needed[i+1:], later) {
			added = append(added, w.statement(g))
		}
	}
	return added
}

// grant is what a statement lets us do, besides what we want of it.
type grant struct {
	principal string      // as it is to be called
	actions   []string    // those that we do not ask for
	others    []condition // those that are no demands of ours
	same      string      // equal for conditions that mean the same; empty without any
}

// grant is what a statement that names us lets us do.
func (w want) grant(st *statement) grant {
	others := w.others(st)
	return grant{principal: w.called(w.widest(st)), actions: w.extra(st), others: others, same: identity(others)}
}

// widest is the one of our names in a statement that lets in most.
func (w want) widest(st *statement) string {
	return slices.MaxFunc(st.named(w.kind, w.ours), func(a, b string) int { return breadth(a) - breadth(b) })
}

// includes says whether who comes in by the other does by this one, to do as
// much.
func (g grant) includes(other grant) bool {
	lacks := func(action string) bool { return !covered(action, g.actions) }
	return breadth(g.principal) >= breadth(other.principal) && (g.same == "" || g.same == other.same) && !slices.ContainsFunc(other.actions, lacks)
}

// sessionActions are those that a trust policy can allow besides the one that
// assumes the role.
//
// Source: Service Authorization Reference, "Actions defined by AWS Security
// Token Service".
func sessionActions() []string { return []string{tagSession, setSourceIdentity, "sts:SetContext"} }

// extra are the actions of a statement that we do not ask for. Those that it
// does not list but means are listed.
func (w want) extra(st *statement) (more []string) {
	all := st.actions
	if st.notAction {
		all = slices.DeleteFunc(sessionActions(), func(action string) bool { return !st.covers(action) })
	}
	for _, action := range all {
		if same := func(s string) bool { return strings.EqualFold(s, action) }; !slices.ContainsFunc(w.actions, same) && !slices.ContainsFunc(more, same) {
			more = append(more, action)
		}
	}
	return more
}

// identity is the same for sets of conditions that mean the same.
func identity(set []condition) string {
	var all []string
	for _, c := range set {
		all = append(all, c.operator+"\x00"+strings.ToLower(c.key)+"\x00"+string(compact(c.raw)))
	}
	slices.Sort(all)
	return strings.Join(all, "\x00\x00")
}

// recognizes says whether a statement was written so that we get in, and for
// nobody else of ours: it names us, and asks for nothing, or for what is or
// was ours, if by a pattern, and not for somebody else's external ID.
func (w want) recognizes(st *statement) bool {
	if st.deny || st.notPrincipal || !st.covers(w.actions[0]) || !slices.ContainsFunc(st.principals, w.isOurs) || w.excluded(st) {
		return false
	}
	for _, d := range w.demands {
		asked := st.on(d.key)
		if len(asked) == 0 && d.must {
			return false
		}
		for _, c := range asked {
			foreign := func(v string) bool {
				return !slices.Contains(d.values, v) && !slices.Contains(d.stale, v) && !(d.loose && c.matches(v, d.values))
			}
			if !c.compares() || slices.ContainsFunc(c.values, foreign) {
				return false
			}
		}
	}
	return true
}

// matches says whether a value of the condition is a pattern that one of ours
// fits.
func (c condition) matches(pattern string, ours []string) bool {
	return strings.Contains(c.operator, "StringLike") && strings.ContainsAny(pattern, "*?") &&
		slices.ContainsFunc(ours, func(s string) bool { return wild(pattern, s) })
}

func (w want) isOurs(p principal) bool { return p.kind == w.kind && w.ours(p.name) }

// excluded says whether the statement is for another principal of our
// account: its aws:PrincipalArn is none of ours.
func (w want) excluded(st *statement) bool {
	return slices.ContainsFunc(st.on("aws:PrincipalArn"), func(c condition) bool {
		fits := func(pattern string) bool { return wild(pattern, w.me) }
		return !strings.Contains(c.operator, "Not") && !slices.ContainsFunc(c.values, fits)
	})
}

// satisfied says whether a statement lets us in as we want it. One that is
// ours has to be exactly so; one that also serves others has to do.
func (w want) satisfied(st *statement, ours bool) bool {
	named := func(p principal) bool { return w.isOurs(p) && canonical(p.name, w.called(p.name)) }
	other := func(p principal) bool { return w.isOurs(p) && !named(p) }
	if st.deny || st.notPrincipal || !slices.ContainsFunc(st.principals, named) || ours && slices.ContainsFunc(st.principals, other) {
		return false
	}
	if slices.ContainsFunc(w.actions, func(a string) bool { return !st.covers(a) }) {
		return false
	}
	for _, d := range w.demands {
		if !d.metBy(st, ours) {
			return false
		}
	}
	return ours || len(w.others(st)) == 0
}

// metBy says whether the statement makes the demand: with these values, or,
// if exact is not asked for, with these among others.
func (d demand) metBy(st *statement, exact bool) bool {
	asked := st.on(d.key)
	if len(d.values) == 0 {
		return len(asked) == 0
	}
	met := func(c condition) bool {
		lacks := func(v string) bool { return !slices.Contains(c.values, v) }
		beyond := func(v string) bool { return !slices.Contains(d.values, v) }
		return (c.operator == "StringEquals" || c.operator == "StringLike") && !slices.ContainsFunc(d.values, lacks) &&
			!(exact && slices.ContainsFunc(c.values, beyond))
	}
	return len(asked) > 0 && !slices.ContainsFunc(asked, func(c condition) bool { return !met(c) })
}

// canonical says whether a principal is called as it is to be, if not as IAM
// shows it: an account by its root.
func canonical(name, called string) bool {
	return name == called || len(name) == 12 && strings.HasSuffix(called, ":iam::"+name+":root")
}

// others are the conditions of a statement that are no demands of ours.
func (w want) others(st *statement) (rest []condition) {
	for _, c := range st.conditions {
		if !slices.ContainsFunc(w.demands, func(d demand) bool { return strings.EqualFold(d.key, c.key) }) {
			rest = append(rest, c)
		}
	}
	return rest
}

// without is the statement with our principals taken out, and whether any are
// left.
func (w want) without(st *statement) (rest object, left bool) {
	for _, f := range st.fields {
		value := any(f.value)
		if f.name == "Principal" {
			value = w.principalsWithout(f.value)
		}
		rest = append(rest, member{f.name, value})
	}
	return rest, slices.ContainsFunc(st.principals, func(p principal) bool { return !w.isOurs(p) })
}

func (w want) principalsWithout(raw json.RawMessage) (kinds object) {
	fields, _ := members(raw) // it was read before
	for _, f := range fields {
		if f.name != w.kind {
			kinds = append(kinds, member{f.name, f.value})
			continue
		}
		var names []any
		for _, one := range elements(f.value) {
			if name, _ := text1(one); !w.ours(name) {
				names = append(names, one)
			}
		}
		if len(names) > 0 {
			kinds = append(kinds, member{f.name, names})
		}
	}
	return kinds
}

// with is the policy with other statements, as JSON.
func (p *policy) with(statements []any) string {
	var o object
	for _, f := range p.fields {
		value := any(f.value)
		if f.name == "Statement" {
			value = statements
		}
		o = append(o, member{f.name, value})
	}
	return pretty(o)
}

// covers says whether the statement speaks of an action.
func (st *statement) covers(action string) bool {
	return covered(action, st.actions) != st.notAction
}

// covered says whether an action, or all those of a pattern, are of one of the
// patterns.
func covered(action string, patterns []string) bool {
	action = strings.ToLower(action)
	return slices.ContainsFunc(patterns, func(p string) bool {
		p = strings.ToLower(p)
		one := strings.Contains(p, "?") && strings.ContainsAny(action, "*?") // which may stand for more than one
		return p == action || !one && wild(p, action)
	})
}

// on is the statement's conditions on a key, whose case does not count.
func (st *statement) on(key string) (all []condition) {
	for _, c := range st.conditions {
		if strings.EqualFold(c.key, key) {
			all = append(all, c)
		}
	}
	return all
}

// compares says whether the operator asks for a value to be one of those
// given. A negation, or a test for presence, does not.
func (c condition) compares() bool {
	name := strings.TrimPrefix(strings.TrimPrefix(c.operator, "ForAnyValue:"), "ForAllValues:")
	switch strings.TrimSuffix(name, "IfExists") {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike":
		return true
	}
	return false
}

// wild says whether s is of a pattern with * for any run of characters and ?
// for one.
func wild(pattern, s string) bool {
	star, mark := -1, 0
	p := 0
	for i := 0; i < len(s); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark, p = p, i, p+1
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p, i = p+1, i+1
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// remarks are what is to be said of the statements of the current policy.
func (w want) remarks(p *policy) (notes []string) {
	for i := range p.statements {
		st := &p.statements[i]
		ours := w.recognizes(st)
		name := fmt.Sprintf("statement %d", i+1)
		if st.sid != "" {
			name += fmt.Sprintf(" (%q)", st.sid)
		}
		for _, note := range []string{w.denied(st), w.open(st, ours), w.widened(st, ours), w.narrowed(st, ours), w.unmeetable(st, ours)} {
			if note != "" {
				notes = append(notes, "The current policy's "+name+" "+note)
			}
		}
	}
	return notes
}

// denied says that a statement keeps us out, whatever others allow.
func (w want) denied(st *statement) string {
	action := slices.IndexFunc(w.actions, st.covers)
	if !st.deny || action < 0 || !w.concerns(st) {
		return ""
	}
	when := ""
	if len(st.conditions) > 0 {
		when = " under the conditions it has"
	}
	return fmt.Sprintf("denies %s to %s%s; it wins over every allow.", w.actions[action], w.whom(st), when)
}

// concerns says whether the statement names us, or everyone.
func (w want) concerns(st *statement) bool {
	named := slices.ContainsFunc(st.principals, func(p principal) bool { return w.isOurs(p) || p.name == "*" })
	return named != st.notPrincipal
}

func (w want) whom(st *statement) string {
	switch everyone := slices.Contains(st.principals, principal{"AWS", "*"}); {
	case st.notPrincipal:
		return "everyone whom it does not list"
	case everyone:
		return "everyone"
	}
	return w.who
}

// open says that a statement, which stays, lets others in without what ours
// asks for.
func (w want) open(st *statement, ours bool) string {
	if st.deny || ours || !st.covers(w.actions[0]) || !w.concerns(st) || w.asks(st) || w.excluded(st) {
		return ""
	}
	whom, what := w.whom(st), "without our external ID"
	switch {
	case w.kind == "AWS" && len(w.demands[0].values) == 0:
		return ""
	case w.kind != "AWS":
		what = "and not the service account alone"
	}
	if w.kind != "AWS" && whom == w.who {
		whom = "every service account that comes this way"
	}
	if len(w.others(st)) > 0 {
		what += ", under its other conditions"
	}
	return fmt.Sprintf("lets %s assume the role %s. It was left as it is; see whether it has to be.", whom, what)
}

// asks says whether the statement makes demands of the kind ours makes, if
// with other values.
func (w want) asks(st *statement) bool {
	for _, d := range w.demands {
		literal := func(c condition) bool {
			return c.compares() && !strings.HasSuffix(c.operator, "IfExists") && !strings.HasPrefix(c.operator, "ForAllValues:") &&
				!slices.ContainsFunc(c.values, func(v string) bool { return strings.Trim(v, "*?") == "" })
		}
		if (d.must || w.kind == "AWS") && !slices.ContainsFunc(st.on(d.key), literal) {
			return false
		}
	}
	return true
}

// widened says that our statement, as it was asked for, lets in more than one
// that is ours did.
func (w want) widened(st *statement, ours bool) string {
	if !ours {
		return ""
	}
	name := w.widest(st)
	if called := w.called(name); breadth(name) < anAccount && breadth(called) == anAccount {
		return fmt.Sprintf("lets in %q alone, and the new one, as it was asked for, the whole account: %s.", name, called)
	}
	return ""
}

// narrowed says that who got in without our external ID no longer will.
func (w want) narrowed(st *statement, ours bool) string {
	if !ours || w.kind != "AWS" || len(w.demands[0].values) == 0 {
		return ""
	}
	asked := st.on(w.demands[0].key)
	byPattern := func(c condition) bool {
		return slices.ContainsFunc(c.values, func(v string) bool { return c.matches(v, w.demands[0].values) })
	}
	const others = "whoever else comes in by it needs a statement of their own."
	switch {
	case len(asked) == 0:
		return "asks for no external ID, and the new one does: " + others
	case slices.ContainsFunc(asked, byPattern):
		return "accepts other external IDs than ours, and the new one does not: " + others
	}
	return ""
}

// unmeetable says that a condition asks for what no program can give.
func (w want) unmeetable(st *statement, ours bool) string {
	if !ours || !slices.ContainsFunc(st.conditions, asksForMFA) {
		return ""
	}
	return "asks for MFA, which no program can give; take that condition out."
}

func asksForMFA(c condition) bool {
	return strings.EqualFold(c.key, "aws:MultiFactorAuthAge") ||
		strings.EqualFold(c.key, "aws:MultiFactorAuthPresent") && slices.Contains(c.values, "true")
}

// sizeNote says that IAM may not take the policy.
func sizeNote(text string) []string {
	switch n := size(text); {
	case n > greatestAny:
		return []string{fmt.Sprintf("The new policy has %d characters without white space; IAM takes %d at most. Take something out of it first.", n, greatestAny)}
	case n > usualSize:
		return []string{fmt.Sprintf("The new policy has %d characters without white space; IAM takes %d unless the account's quota \"Role trust policy length\" was raised, to %d at most.", n, usualSize, greatestAny)}
	}
	return nil
}
