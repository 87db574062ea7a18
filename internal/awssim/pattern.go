package awssim

import "strings"

// A pattern is text in which, after the expansion of variables, * stands for any
// number of characters and ? for one. Wildcards are represented by special runes,
// so that a star in the value of a variable is literal.
type pattern []rune

const (
	anyRun rune = -1 - iota
	anyOne
)

func wildcards(text string) pattern {
	p := make(pattern, 0, len(text))
	for _, r := range text {
		switch r {
		case '*':
			r = anyRun
		case '?':
			r = anyOne
		}
		p = append(p, r)
	}
	return p
}

// expand replaces the variables of text by their values in the context. It returns
// false if one has no value; such text matches nothing. Documents with a version
// before 2012-10-17 have no variables.
func expand(text string, known facts, variables bool) (pattern, bool) {
	if !variables || !strings.Contains(text, "${") {
		return wildcards(text), true
	}
	var p pattern
	for {
		before, rest, found := strings.Cut(text, "${")
		p = append(p, wildcards(before)...)
		if !found {
			return p, true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return append(p, wildcards("${"+rest)...), true
		}
		value, ok := variable(name, known)
		if !ok {
			return nil, false
		}
		p = append(p, []rune(value)...)
		text = after
	}
}

// variable returns the value of ${name}: one of the three escapes, a key of the
// context with exactly one value, or the default in ${key, 'default'}.
func variable(name string, known facts) (string, bool) {
	if name == "*" || name == "?" || name == "$" {
		return name, true
	}
	key, fallback, hasDefault := strings.Cut(name, ",")
	if values := known.get(strings.TrimSpace(key)); len(values) == 1 {
		return values[0], true
	}
	fallback = strings.TrimSpace(fallback)
	if hasDefault && len(fallback) >= 2 && fallback[0] == '\'' && fallback[len(fallback)-1] == '\'' {
		return fallback[1 : len(fallback)-1], true
	}
	return "", false
}

// literal returns the pattern's text with its wildcards as they were written.
func (p pattern) literal() string {
	var b strings.Builder
	for _, r := range p {
		switch r {
		case anyRun:
			r = '*'
		case anyOne:
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// match reports whether the pattern matches all of s. In the worst case it takes
// time proportional to the product of the lengths.
func (p pattern) match(s string) bool {
	text := []rune(s)
	i, j := 0, 0
	star, mark := -1, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i] == anyRun:
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == anyOne || p[i] == text[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == anyRun {
		i++
	}
	return i == len(p)
}

// matchARN compares the six colon-separated parts of an ARN one by one; the
// sixth may itself contain colons. A pattern of fewer parts matches only if
// its last ends in a star, which then stands for the parts that are missing.
func (p pattern) matchARN(s string) bool {
	if len(p) == 1 && p[0] == anyRun {
		return true
	}
	want, have := p.split(), strings.SplitN(s, ":", 6)
	if len(want) > len(have) {
		return false
	}
	if short := len(want); short < len(have) {
		last := want[short-1]
		if len(last) == 0 || last[len(last)-1] != anyRun {
			return false
		}
		have = append(have[:short-1:short-1], strings.Join(have[short-1:], ":"))
	}
	for i := range want {
		if !want[i].match(have[i]) {
			return false
		}
	}
	return true
}

// split cuts at the first five colons.
func (p pattern) split() []pattern {
	var parts []pattern
	from := 0
	for i, r := range p {
		if r == ':' && len(parts) < 5 {
			parts = append(parts, p[from:i])
			from = i + 1
		}
	}
	return append(parts, p[from:])
}
