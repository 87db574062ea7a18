package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// policy is a trust policy that was parsed. It keeps the JSON as written, since
// what is not ours is written back unchanged.
type policy struct {
	raw        json.RawMessage
	fields     []field
	statements []statement
}

// field is one member of a JSON object, as written.
type field struct {
	name  string
	value json.RawMessage
}

// statement is one statement of a trust policy.
type statement struct {
	raw          json.RawMessage
	fields       []field
	sid          string
	deny         bool
	principals   []principal
	notPrincipal bool
	actions      []string
	notAction    bool
	conditions   []condition
}

// principal is one entry of a Principal element. "*" alone is the kind AWS, with the
// name "*".
type principal struct{ kind, name string }

// condition is one key under one operator.
type condition struct {
	operator, key string
	values        []string
	raw           json.RawMessage
}

// maxQuoted bounds what an error repeats of a policy, in bytes.
const maxQuoted = 500

// currentPolicy is the field of the request that has the policy.
const currentPolicy = "current_trust_policy"

// abridged is text without its end if it is long.
func abridged(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "…"
}

// names are the names of the kind AWS in the statements for which of is true, as far as
// they are ours in that statement.
func (p *policy) names(of func(*statement) bool, ours func(*statement) func(name string) bool) (names []string) {
	for i := range p.statements {
		if st := &p.statements[i]; of(st) {
			names = append(names, st.named("AWS", ours(st))...)
		}
	}
	return names
}

// named are the names of a kind that are ours.
func (st *statement) named(kind string, ours func(name string) bool) (names []string) {
	for _, p := range st.principals {
		if p.kind == kind && ours(p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// parse parses a trust policy. Its errors say where it is wrong.
func parse(raw json.RawMessage) (*policy, error) {
	fields, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("the policy %w", err)
	}
	p := &policy{raw: raw, fields: fields}
	for _, f := range fields {
		if !slices.Contains([]string{"Version", "Id", "Statement"}, f.name) {
			return nil, fmt.Errorf("it has no element %q; it has Version and Statement", f.name)
		}
		if _, ok := stringIn(f.value); !ok && f.name != "Statement" {
			return nil, fmt.Errorf("%s is not a string", f.name)
		}
	}
	list, ok := lookup(fields, "Statement")
	if !ok {
		return nil, errors.New("it has no Statement")
	}
	for i, one := range elements(list) {
		st, err := parseStatement(one)
		if err != nil {
			return nil, fmt.Errorf("its Statement[%d] %w", i, err)
		}
		p.statements = append(p.statements, st)
	}
	return p, nil
}

func parseStatement(raw json.RawMessage) (statement, error) {
	fields, err := members(raw)
	st := statement{raw: raw, fields: fields}
	for _, f := range fields {
		if err := st.parseElement(f); err != nil {
			return st, err
		}
	}
	switch effect, _ := st.text("Effect"); {
	case err != nil:
		return st, err
	case effect != "Allow" && effect != "Deny":
		return st, errors.New("has no Effect that is Allow or Deny")
	case len(st.principals) == 0:
		return st, errors.New("has no Principal; a trust policy says in every statement for whom it is")
	case len(st.actions) == 0:
		return st, errors.New("has no Action")
	}
	return st, st.checkExclusive()
}

// parseElement parses one element of a statement.
func (st *statement) parseElement(f field) error {
	var err error
	switch f.name {
	case "Sid", "Effect":
		s, ok := stringIn(f.value)
		if !ok {
			return fmt.Errorf("has the %s %s, which is not a string", f.name, f.value)
		}
		if f.name == "Sid" {
			st.sid = s
		}
		st.deny = st.deny || f.name == "Effect" && s == "Deny"
	case "Principal", "NotPrincipal":
		st.notPrincipal = f.name == "NotPrincipal"
		st.principals, err = parsePrincipals(f.value)
	case "Action", "NotAction":
		st.notAction = f.name == "NotAction"
		st.actions, err = stringsIn(f.value)
	case "Condition":
		st.conditions, err = parseConditions(f.value)
	case "Resource", "NotResource":
		return fmt.Errorf("has a %s: it is what a role may do, not who may assume it", f.name)
	default:
		return fmt.Errorf("has %q, which is no element of a statement", f.name)
	}
	if err != nil {
		return fmt.Errorf("has a %s that %w", f.name, err)
	}
	return nil
}

// checkExclusive refuses elements that exclude each other.
func (st *statement) checkExclusive() error {
	for _, name := range []string{"Principal", "Action"} {
		_, one := lookup(st.fields, name)
		if _, other := lookup(st.fields, "Not"+name); one && other {
			return fmt.Errorf("has both %s and Not%s", name, name)
		}
	}
	return nil
}

func (st *statement) text(name string) (string, bool) {
	value, _ := lookup(st.fields, name)
	return stringIn(value)
}

func parsePrincipals(raw json.RawMessage) ([]principal, error) {
	if s, ok := stringIn(raw); ok && s == "*" {
		return []principal{{"AWS", "*"}}, nil
	}
	kinds, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf(`is not "*" and %w`, err)
	}
	var all []principal
	for _, kind := range kinds {
		names, err := stringsIn(kind.value)
		if err != nil {
			return nil, fmt.Errorf("has a %s that %w", kind.name, err)
		}
		for _, name := range names {
			all = append(all, principal{kind.name, name})
		}
	}
	return all, nil
}

func parseConditions(raw json.RawMessage) ([]condition, error) {
	operators, err := members(raw)
	if err != nil {
		return nil, err
	}
	var all []condition
	for _, operator := range operators {
		keys, err := members(operator.value)
		if err != nil {
			return nil, fmt.Errorf("has a %s that %w", operator.name, err)
		}
		for _, key := range keys {
			values, err := scalars(key.value)
			if err != nil {
				return nil, fmt.Errorf("has a %s that %w", key.name, err)
			}
			all = append(all, condition{operator.name, key.name, values, key.value})
		}
	}
	return all, nil
}

// members are those of a JSON object, in their order. A name that occurs twice is an
// error: readers of JSON differ in which of the two they use.
func members(raw json.RawMessage) ([]field, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("is not an object")
	}
	fields, seen := []field{}, map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, fmt.Errorf("has %q twice", name)
		}
		seen[name] = true
		fields = append(fields, field{name, value})
	}
	if _, err := dec.Token(); err != nil && err != io.EOF {
		return nil, err
	}
	return fields, nil
}

func lookup(fields []field, name string) (json.RawMessage, bool) {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil, false
	}
	return fields[i].value, true
}

// elements are those of a JSON array. Any other value is an array of itself, as in IAM.
func elements(raw json.RawMessage) []json.RawMessage {
	var many []json.RawMessage
	if json.Unmarshal(raw, &many) == nil && many != nil {
		return many
	}
	return []json.RawMessage{raw}
}

// stringIn is the string that raw is; ok is false for any other value.
func stringIn(raw json.RawMessage) (string, bool) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

// stringsIn are the strings of a string or a list of strings.
func stringsIn(raw json.RawMessage) ([]string, error) {
	var all []string
	for _, one := range elements(raw) {
		s, ok := stringIn(one)
		if !ok {
			return nil, errors.New("is not a string or a list of strings")
		}
		all = append(all, s)
	}
	return all, nil
}

// scalars are the values of a string, a number or a bool, or of a list of them.
func scalars(raw json.RawMessage) ([]string, error) {
	all := []string{}
	for _, one := range elements(raw) {
		s, ok := stringIn(one)
		switch trimmed := bytes.TrimSpace(one); {
		case ok:
			all = append(all, s)
		case len(trimmed) == 0 || bytes.ContainsAny(trimmed[:1], "[{n"):
			return nil, errors.New("is not a value or a list of values")
		default:
			all = append(all, string(trimmed))
		}
	}
	return all, nil
}

// size counts characters as IAM's quotas do: without white space.
func size(text string) (n int) {
	for _, r := range text {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}
