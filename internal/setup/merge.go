package setup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/rolebroker/rolebroker"
)

// merged is the current trust policy with our statement in it.
type merged struct {
	text    string                    // JSON
	changes []rolebroker.PolicyChange // none if nothing has to change
	diff    string                    // from the current policy; empty if nothing has to change
	notes   []string                  // what a person should know about the policy, in sentences
}

// How long a trust policy can be, in characters: by default, and if the account's quota
// is raised as far as it goes.
//
// Source: IAM User Guide, "IAM and AWS STS quotas".
const (
	defaultSize = 2048
	maxSize     = 8192
)

// merge puts the desired statement into the current policy. It replaces statements
// that were written for us earlier, and keeps the conditions and actions that others
// added to them. All other statements stay. Codes: invalid (the new policy is too long).
func merge(p *policy, w desired) (*merged, error) {
	m := &merged{text: indented(p.raw), notes: w.remarks(p)}
	if statements, changes := w.merge(p.statements); len(changes) > 0 {
		m.text, m.changes = p.with(statements), changes
	}
	m.diff = string(diff.Diff("current", []byte(indented(p.raw)+"\n"), "new", []byte(m.text+"\n")))
	n := size(m.text)
	if n > maxSize {
		return nil, invalid(currentPolicy, "with the statement in it has %d characters without white space; IAM takes "+
			"at most 8,192, if the account's quota \"Role trust policy length\" is raised: take something out of it "+
			"first", n)
	}
	if n > defaultSize {
		m.notes = append(m.notes, sizeNote(n))
	}
	return m, nil
}

// merge is the statements of the new policy, as JSON, and how they differ from the current ones.
func (w desired) merge(current []statement) (all []any, changes []rolebroker.PolicyChange) {
	var stay, needed []grant
	var gone, less []*statement
	at := -1
	for i := range current {
		st := &current[i]
		w := w.of(st)
		switch ours := w.recognizes(st); {
		case w.satisfied(st, ours):
			stay = append(stay, w.grant(st))
			all = append(all, st.raw)
		case !ours:
			all = append(all, st.raw)
		default:
			needed = append(needed, w.grant(st))
			if rest, left := w.without(st); left {
				all = append(all, rest)
				less = append(less, st)
			} else {
				gone = append(gone, st)
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
	return slices.Insert(all, at, added...), w.changes(gone, less, added)
}

// additions are the statements that are needed besides those that stay. None is
// needed for what another statement allows already, so that nobody gains or loses
// access.
func (w desired) additions(stay, needed []grant) (added []any) {
	for i, g := range needed {
		included := func(other grant) bool { return other.includes(g) }
		later := func(other grant) bool { return other.includes(g) && !g.includes(other) }
		if !slices.ContainsFunc(stay, included) && !slices.ContainsFunc(needed[:i], included) &&
			!slices.ContainsFunc(needed[i+1:], later) {
			added = append(added, w.statement(g))
		}
	}
	return added
}

// grant is what a statement that names us allows, besides the desired statement.
type grant struct {
	principal string      // the name that the new statement has for it
	actions   []string    // besides ours
	others    []condition // besides our demands
	same      string      // equal for conditions that mean the same; empty without conditions
}

// grant is that of a statement that names us.
func (w desired) grant(st *statement) grant {
	others := w.others(st)
	return grant{principal: w.called(w.widest(st)), actions: w.extra(st), others: others, same: identity(others)}
}

// widest is the one of our names in a statement that lets in the most.
func (w desired) widest(st *statement) string {
	return slices.MaxFunc(st.named(w.kind, w.ours), func(a, b string) int { return breadth(a) - breadth(b) })
}

// includes reports whether this grant allows everything that the other does.
func (g grant) includes(other grant) bool {
	lacks := func(action string) bool { return !covered(action, g.actions) }
	return breadth(g.principal) >= breadth(other.principal) && (g.same == "" || g.same == other.same) &&
		!slices.ContainsFunc(other.actions, lacks)
}

// sessionActions are the actions that a trust policy can allow besides the one that
// assumes the role.
//
// Source: Service Authorization Reference, "Actions defined by AWS Security
// Token Service".
func sessionActions() []string { return []string{tagSession, setSourceIdentity, "sts:SetContext"} }

// extra are the actions that a statement allows besides ours. For a NotAction they
// are the session actions that it does not exclude.
func (w desired) extra(st *statement) (more []string) {
	all := st.actions
	if st.notAction {
		all = slices.DeleteFunc(sessionActions(), func(action string) bool { return !st.covers(action) })
	}
	for _, action := range all {
		same := func(s string) bool { return strings.EqualFold(s, action) }
		if !slices.ContainsFunc(w.actions, same) && !slices.ContainsFunc(more, same) {
			more = append(more, action)
		}
	}
	return more
}

// identity is equal for sets of conditions that mean the same.
func identity(set []condition) string {
	var all []string
	for _, c := range set {
		all = append(all, c.operator+"\x00"+strings.ToLower(c.key)+"\x00"+string(compact(c.raw)))
	}
	slices.Sort(all)
	return strings.Join(all, "\x00\x00")
}

// recognizes reports whether a statement was written for us: it names us, and each
// demand is absent or has only values that are or were ours, or a pattern that one of
// ours fits. A statement with another integration's external ID was not.
func (w desired) recognizes(st *statement) bool {
	if st.deny || st.notPrincipal || !st.covers(w.actions[0]) || w.excluded(st) {
		return false
	}
	if !slices.ContainsFunc(st.principals, w.isOurs) {
		return false
	}
	for _, d := range w.demands {
		asked := st.on(d.key)
		if len(asked) == 0 && d.must {
			return false
		}
		for _, c := range asked {
			foreign := func(v string) bool {
				return !slices.Contains(d.values, v) && !slices.Contains(d.stale, v) &&
					!(d.loose && c.matches(v, d.values))
			}
			if !c.compares() || slices.ContainsFunc(c.values, foreign) {
				return false
			}
		}
	}
	return true
}

// matches reports whether a value of the condition is a pattern that one of our values
// fits.
func (c condition) matches(pattern string, ours []string) bool {
	return strings.Contains(c.operator, "StringLike") && strings.ContainsAny(pattern, "*?") &&
		slices.ContainsFunc(ours, func(s string) bool { return wild(pattern, s) })
}

func (w desired) isOurs(p principal) bool { return p.kind == w.kind && w.ours(p.name) }

// excluded reports whether the statement is for another principal of our account: its
// aws:PrincipalArn does not match ours.
func (w desired) excluded(st *statement) bool {
	return slices.ContainsFunc(st.on("aws:PrincipalArn"), func(c condition) bool {
		fits := func(pattern string) bool { return wild(pattern, w.me) }
		return !strings.Contains(c.operator, "Not") && !slices.ContainsFunc(c.values, fits)
	})
}

// satisfied reports whether a statement lets us in as desired. One that was written
// for us has to be exactly as desired; one that also serves others has to suffice.
func (w desired) satisfied(st *statement, ours bool) bool {
	named := func(p principal) bool { return w.isOurs(p) && canonical(p.name, w.called(p.name)) }
	other := func(p principal) bool { return w.isOurs(p) && !named(p) }
	if st.deny || st.notPrincipal || !slices.ContainsFunc(st.principals, named) {
		return false
	}
	if ours && slices.ContainsFunc(st.principals, other) {
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

// metBy reports whether the statement makes the demand: with exactly these values, or,
// if exact is false, with these among others.
func (d demand) metBy(st *statement, exact bool) bool {
	asked := st.on(d.key)
	if len(d.values) == 0 {
		return len(asked) == 0
	}
	met := func(c condition) bool {
		lacks := func(v string) bool { return !slices.Contains(c.values, v) }
		beyond := func(v string) bool { return !slices.Contains(d.values, v) }
		return (c.operator == d.operator() || c.operator == "StringLike") && !slices.ContainsFunc(d.values, lacks) &&
			!(exact && slices.ContainsFunc(c.values, beyond))
	}
	return len(asked) > 0 && !slices.ContainsFunc(asked, func(c condition) bool { return !met(c) })
}

// canonical reports whether a principal has the wanted name. An account's ID stands for
// the ARN of its root, which IAM shows instead.
func canonical(name, called string) bool {
	return name == called || len(name) == 12 && strings.HasSuffix(called, ":iam::"+name+":root")
}

// others are the conditions of a statement besides our demands.
func (w desired) others(st *statement) (rest []condition) {
	for _, c := range st.conditions {
		if !slices.ContainsFunc(w.demands, func(d demand) bool { return strings.EqualFold(d.key, c.key) }) {
			rest = append(rest, c)
		}
	}
	return rest
}

// without is the statement without our principals; left is false if it has no others.
func (w desired) without(st *statement) (rest object, left bool) {
	for _, f := range st.fields {
		value := any(f.value)
		if f.name == "Principal" {
			value = w.principalsWithout(f.value)
		}
		rest = append(rest, member{f.name, value})
	}
	return rest, slices.ContainsFunc(st.principals, func(p principal) bool { return !w.isOurs(p) })
}

func (w desired) principalsWithout(raw json.RawMessage) (kinds object) {
	fields, _ := members(raw) // it was read before
	for _, f := range fields {
		if f.name != w.kind {
			kinds = append(kinds, member{f.name, f.value})
			continue
		}
		var names []any
		for _, one := range elements(f.value) {
			if name, _ := stringIn(one); !w.ours(name) {
				names = append(names, one)
			}
		}
		if len(names) > 0 {
			kinds = append(kinds, member{f.name, names})
		}
	}
	return kinds
}

// with is the policy with these statements instead of its own, as JSON.
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

// covers reports whether the statement applies to an action.
func (st *statement) covers(action string) bool {
	return covered(action, st.actions) != st.notAction
}

// covered reports whether one of the patterns includes an action, or all actions of a
// pattern.
func covered(action string, patterns []string) bool {
	action = strings.ToLower(action)
	return slices.ContainsFunc(patterns, func(p string) bool {
		p = strings.ToLower(p)
		one := strings.Contains(p, "?") && strings.ContainsAny(action, "*?") // which may stand for more than one
		return p == action || !one && wild(p, action)
	})
}

// on is the statement's conditions on a key. Keys are compared without case.
func (st *statement) on(key string) (all []condition) {
	for _, c := range st.conditions {
		if strings.EqualFold(c.key, key) {
			all = append(all, c)
		}
	}
	return all
}

// compares reports whether the operator requires one of the values. A negation or a
// test for presence does not.
func (c condition) compares() bool {
	name := strings.TrimPrefix(strings.TrimPrefix(c.operator, "ForAnyValue:"), "ForAllValues:")
	switch strings.TrimSuffix(name, "IfExists") {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike":
		return true
	}
	return false
}

// wild reports whether s matches a pattern, in which * stands for any number of
// characters and ? for one.
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

// remarks are what a person should know about the statements of the current policy.
func (w desired) remarks(p *policy) (notes []string) {
	for i := range p.statements {
		st := &p.statements[i]
		w := w.of(st)
		ours := w.recognizes(st)
		name := fmt.Sprintf("statement %d", i+1)
		if st.sid != "" {
			name += fmt.Sprintf(" (%q)", st.sid)
		}
		for _, note := range []string{
			w.gone(st, ours), w.denied(st), w.open(st, ours), w.widened(st, ours), w.narrowed(st, ours),
			w.unmeetable(st, ours),
		} {
			if note != "" {
				notes = append(notes, "The current policy's "+name+" "+note)
			}
		}
	}
	return notes
}

// denied is the remark on a statement that denies us access, whatever others allow.
func (w desired) denied(st *statement) string {
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

// concerns reports whether the statement names us or everyone.
func (w desired) concerns(st *statement) bool {
	named := slices.ContainsFunc(st.principals, func(p principal) bool { return w.isOurs(p) || p.name == "*" })
	return named != st.notPrincipal
}

func (w desired) whom(st *statement) string {
	switch everyone := slices.Contains(st.principals, principal{"AWS", "*"}); {
	case st.notPrincipal:
		return "everyone whom it does not list"
	case everyone:
		return "everyone"
	}
	return w.who
}

// open is the remark on a statement of others that lets somebody in without our
// demands.
func (w desired) open(st *statement, ours bool) string {
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
	return fmt.Sprintf("lets %s assume the role %s. It stays as it is: check whether it is needed.", whom, what)
}

// asks reports whether the statement has our demands, if with other values.
func (w desired) asks(st *statement) bool {
	for _, d := range w.demands {
		literal := func(c condition) bool {
			return c.compares() && !strings.HasSuffix(c.operator, "IfExists") &&
				!strings.HasPrefix(c.operator, "ForAllValues:") &&
				!slices.ContainsFunc(c.values, func(v string) bool { return strings.Trim(v, "*?") == "" })
		}
		if (d.must || w.kind == "AWS") && !slices.ContainsFunc(st.on(d.key), literal) {
			return false
		}
	}
	return true
}

// widened is the remark on a statement of ours that is replaced by one that lets in
// more, as requested.
func (w desired) widened(st *statement, ours bool) string {
	if !ours {
		return ""
	}
	name := w.widest(st)
	if called := w.called(name); breadth(name) < anAccount && breadth(called) == anAccount {
		return fmt.Sprintf("lets in %q alone, and the new one, as it was asked for, the whole account: %s.",
			name, called)
	}
	return ""
}

// narrowed is the remark on a statement of ours that let others in without our external
// ID.
func (w desired) narrowed(st *statement, ours bool) string {
	if !ours || w.kind != "AWS" || len(w.demands[0].values) == 0 {
		return ""
	}
	asked := st.on(w.demands[0].key)
	byPattern := func(c condition) bool {
		return slices.ContainsFunc(c.values, func(v string) bool { return c.matches(v, w.demands[0].values) })
	}
	const others = "others who come in by it need a statement of their own."
	switch {
	case len(asked) == 0:
		return "asks for no external ID, and the new one does: " + others
	case slices.ContainsFunc(asked, byPattern):
		return "accepts other external IDs than ours, and the new one does not: " + others
	}
	return ""
}

// unmeetable is the remark on a condition that no program can meet.
func (w desired) unmeetable(st *statement, ours bool) string {
	if !ours || !slices.ContainsFunc(st.conditions, asksForMFA) {
		return ""
	}
	return "asks for MFA, which no program can give; take that condition out."
}

func asksForMFA(c condition) bool {
	return strings.EqualFold(c.key, "aws:MultiFactorAuthAge") ||
		strings.EqualFold(c.key, "aws:MultiFactorAuthPresent") && slices.Contains(c.values, "true")
}

// sizeNote is the remark on a policy of n characters, which may be too long for the
// account.
func sizeNote(n int) string {
	return fmt.Sprintf("The new policy has %d characters without white space. The account's quota \"Role trust policy "+
		"length\" is 2,048 by default and at most 8,192: if it is less than that, raise it, or take something out of "+
		"the policy first.", n)
}
