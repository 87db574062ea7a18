package awssim

import (
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// facts maps lower-case condition keys to the values that they have in a request.
// A key without values is the same as a missing key.
type facts map[string][]string

func (f facts) get(key string) []string { return f[strings.ToLower(key)] }

// set ignores empty values.
func (f facts) set(key string, values ...string) {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	if len(values) > 0 {
		f[strings.ToLower(key)] = values
	}
}

// setTags sets prefix/Key for every tag. An empty tag value is a value.
func (f facts) setTags(prefix string, tags map[string]string) {
	for k, v := range tags {
		f[strings.ToLower(prefix+"/"+k)] = []string{v}
	}
}

// condition is one operator on one key. All conditions of a statement must hold.
type condition struct {
	operator
	key      string
	values   []string
	ifExists bool
	forAll   bool
	forAny   bool
}

// operator compares one value of the request with one of the policy.
type operator struct {
	null    bool // tests presence, compare is nil
	negated bool // true unless any value of the policy compares equal
	compare func(have string, want pattern) bool
}

// operators maps names to operators.
//
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
var operators = sync.OnceValue(func() map[string]operator {
	return map[string]operator{
		"StringEquals":              {compare: equal},
		"StringNotEquals":           {compare: equal, negated: true},
		"StringEqualsIgnoreCase":    {compare: equalFold},
		"StringNotEqualsIgnoreCase": {compare: equalFold, negated: true},
		"StringLike":                {compare: like},
		"StringNotLike":             {compare: like, negated: true},
		"ArnEquals":                 {compare: likeARN},
		"ArnLike":                   {compare: likeARN},
		"ArnNotEquals":              {compare: likeARN, negated: true},
		"ArnNotLike":                {compare: likeARN, negated: true},
		"NumericEquals":             {compare: numeric(func(c int) bool { return c == 0 })},
		"NumericNotEquals":          {compare: numeric(func(c int) bool { return c == 0 }), negated: true},
		"NumericLessThan":           {compare: numeric(func(c int) bool { return c < 0 })},
		"NumericLessThanEquals":     {compare: numeric(func(c int) bool { return c <= 0 })},
		"NumericGreaterThan":        {compare: numeric(func(c int) bool { return c > 0 })},
		"NumericGreaterThanEquals":  {compare: numeric(func(c int) bool { return c >= 0 })},
		"DateEquals":                {compare: date(func(c int) bool { return c == 0 })},
		"DateNotEquals":             {compare: date(func(c int) bool { return c == 0 }), negated: true},
		"DateLessThan":              {compare: date(func(c int) bool { return c < 0 })},
		"DateLessThanEquals":        {compare: date(func(c int) bool { return c <= 0 })},
		"DateGreaterThan":           {compare: date(func(c int) bool { return c > 0 })},
		"DateGreaterThanEquals":     {compare: date(func(c int) bool { return c >= 0 })},
		"Bool":                      {compare: equalFold},
		"BinaryEquals":              {compare: binary},
		"IpAddress":                 {compare: inNetwork},
		"NotIpAddress":              {compare: inNetwork, negated: true},
		"Null":                      {null: true},
	}
})

func parseConditions(raw json.RawMessage) ([]condition, error) {
	byOperator, err := object(raw)
	if err != nil {
		return nil, malformed("Syntax errors in policy.")
	}
	var all []condition
	for _, f := range byOperator {
		c, ok := parseOperator(f.name)
		if !ok {
			return nil, malformed("Invalid Condition type : %s", f.name)
		}
		byKey, err := object(f.value)
		if err != nil {
			return nil, malformed("Syntax errors in policy.")
		}
		for _, k := range byKey {
			c.key = k.name
			if c.values, ok = conditionValues(k.value); !ok {
				return nil, malformed("Syntax errors in policy.")
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func parseOperator(name string) (c condition, ok bool) {
	if name, c.forAll = strings.CutPrefix(name, "ForAllValues:"); !c.forAll {
		name, c.forAny = strings.CutPrefix(name, "ForAnyValue:")
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	c.operator, ok = operators()[name]
	return c, ok && !(c.null && (c.ifExists || c.forAll || c.forAny))
}

// conditionValues reads strings, numbers and booleans, alone or in a list.
func conditionValues(raw json.RawMessage) ([]string, bool) {
	values := []string{}
	for _, one := range list(raw) {
		if s, ok := text1(one); ok {
			values = append(values, s)
			continue
		}
		s := strings.TrimSpace(string(one))
		if s == "" || s == "null" || strings.ContainsAny(s[:1], `{["`) {
			return nil, false
		}
		values = append(values, s)
	}
	return values, len(values) > 0
}

// holds reports whether the request meets the condition.
func (c condition) holds(known facts, variables bool) bool {
	have := known.get(c.key)
	if c.null {
		absent := len(have) == 0
		return slices.ContainsFunc(c.values, func(v string) bool {
			return strings.EqualFold(v, strconv.FormatBool(absent))
		})
	}
	if len(have) == 0 {
		return c.ifExists || c.forAll || c.negated && !c.forAny
	}
	want := c.expand(known, variables)
	meets := func(v string) bool { return c.meets(v, want) }
	if c.forAll || c.negated && !c.forAny {
		return all(have, meets)
	}
	return slices.ContainsFunc(have, meets)
}

// meets compares one value of the request with all values of the policy.
func (c condition) meets(have string, want []pattern) bool {
	found := slices.ContainsFunc(want, func(w pattern) bool { return c.compare(have, w) })
	return found != c.negated
}

// expand omits values that have unknown variables: they match nothing.
func (c condition) expand(known facts, variables bool) []pattern {
	want := make([]pattern, 0, len(c.values))
	for _, v := range c.values {
		if p, ok := expand(v, known, variables); ok {
			want = append(want, p)
		}
	}
	return want
}

func all(values []string, f func(string) bool) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !f(v) })
}

func equal(have string, want pattern) bool     { return have == want.literal() }
func equalFold(have string, want pattern) bool { return strings.EqualFold(have, want.literal()) }
func like(have string, want pattern) bool      { return want.match(have) }
func likeARN(have string, want pattern) bool   { return want.matchARN(have) }

func numeric(holds func(int) bool) func(string, pattern) bool {
	return func(have string, want pattern) bool {
		x, err1 := strconv.ParseFloat(have, 64)
		y, err2 := strconv.ParseFloat(want.literal(), 64)
		if err1 != nil || err2 != nil || x != x || y != y {
			return false
		}
		switch {
		case x < y:
			return holds(-1)
		case x > y:
			return holds(1)
		}
		return holds(0)
	}
}

func date(holds func(int) bool) func(string, pattern) bool {
	return func(have string, want pattern) bool {
		x, ok1 := parseDate(have)
		y, ok2 := parseDate(want.literal())
		return ok1 && ok2 && holds(x.Compare(y))
	}
}

// parseDate reads the W3C profile of ISO 8601, or seconds since 1970.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02",
		"2006-01", "2006"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Unix(n, 0), err == nil
}

func binary(have string, want pattern) bool {
	x, err1 := base64.StdEncoding.DecodeString(have)
	y, err2 := base64.StdEncoding.DecodeString(want.literal())
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func inNetwork(have string, want pattern) bool {
	ip, err := netip.ParseAddr(have)
	if err != nil {
		return false
	}
	if network, err := netip.ParsePrefix(want.literal()); err == nil {
		return network.Contains(ip.Unmap())
	}
	one, err := netip.ParseAddr(want.literal())
	return err == nil && one.Unmap() == ip.Unmap()
}
