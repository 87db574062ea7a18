package awssim

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// shape has the constraints of a parameter in the service model. Lengths are in
// UTF-16 units; a max of zero means no limit. Errors show the pattern as the model
// has it.
type shape struct {
	min, max int
	pattern  string
	match    func(string) bool
}

func shaped(min, max int, pattern, expression string) shape {
	if expression == "" {
		expression = pattern
	}
	return shape{min, max, pattern, matching(`^(?:` + expression + `)$`)}
}

const (
	arnPattern    = `[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`
	arnGo         = `[\t\n\r\x{20}-\x{7E}\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`
	policyPattern = `[\u0009\u000A\u000D\u0020-\u00FF]+`
	policyGo      = `[\t\n\r\x{20}-\x{FF}]+`
	pathPattern   = `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`
	pathGo        = `(/)|(/[\x21-\x7E]+/)`
	prefixPattern = `\u002F[\u0021-\u007E]*`
	prefixGo      = `/[\x21-\x7E]*`
	keyPattern    = `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`
	valuePattern  = `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`
)

var (
	arnShape            = shaped(20, 2048, arnPattern, arnGo)
	sessionNameShape    = shaped(2, 64, `[\w+=,.@-]*`, "")
	externalIDShape     = shaped(2, 1224, `[\w+=,.@:\/-]*`, "")
	sessionPolicyShape  = shaped(1, 0, policyPattern, policyGo)
	webPolicyShape      = shaped(1, 2048, policyPattern, policyGo)
	policyDocumentShape = shaped(1, 131072, policyPattern, policyGo)
	tagKeyShape         = shaped(1, 128, keyPattern, "")
	tagValueShape       = shaped(0, 256, valuePattern, "")
	serialNumberShape   = shaped(9, 256, `[\w+=/:,.@-]*`, "")
	tokenCodeShape      = shaped(6, 6, `[\d]*`, "")
	webTokenShape       = shaped(4, 20000, "", `(?s:.*)`)
	roleNameShape       = shaped(1, 64, `[\w+=,.@-]+`, "")
	policyNameShape     = shaped(1, 128, `[\w+=,.@-]+`, "")
	pathShape           = shaped(1, 512, pathPattern, pathGo)
	pathPrefixShape     = shaped(1, 512, prefixPattern, prefixGo)
	markerShape         = shaped(1, 320, `[\u0020-\u00FF]+`, `[\x{20}-\x{FF}]+`)
	descriptionShape    = shaped(0, 1000, `[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`,
		`[\t\n\r\x{20}-\x{7E}\x{A1}-\x{FF}]*`)
	keyIDShape = shaped(16, 128, `[\w]+`, "")
	urlShape   = shaped(1, 255, "", `(?s:.*)`)
)

// checker parses parameters and collects all violations, because the service
// reports them together.
type checker struct {
	in         params
	violations []string
	malformed  error
}

func (p params) check() *checker { return &checker{in: p} }

// required returns a parameter that must be present.
func (k *checker) required(name string, s shape) string {
	if !k.in.has(name) {
		k.null(name)
		return ""
	}
	return k.optional(name, s)
}

func (k *checker) null(name string) {
	k.violations = append(k.violations, "Value null at '"+label(
		name)+"' failed to satisfy constraint: Member must not be null")
}

// optional returns a parameter that may be absent. Its callers treat an absent one
// as empty; the service does not.
func (k *checker) optional(name string, s shape) string {
	if !k.in.has(name) {
		return ""
	}
	v := k.in.get(name)
	k.text(label(name), v, s)
	return v
}

// text checks a value against its shape. The violations are in the order of the
// service's.
func (k *checker) text(where, v string, s shape) {
	if s.pattern != "" && !s.match(v) {
		k.violate(v, where, "satisfy regular expression pattern: "+s.pattern)
	}
	n := len(utf16.Encode([]rune(v)))
	if n < s.min {
		k.violate(v, where, "have length greater than or equal to "+strconv.Itoa(s.min))
	}
	if s.max > 0 && n > s.max {
		k.violate(v, where, "have length less than or equal to "+strconv.Itoa(s.max))
	}
}

func (k *checker) violate(v, where, must string) {
	k.violations = append(k.violations, "Value '"+v+"' at '"+where+"' failed to satisfy constraint: Member must "+must)
}

// number parses an integer. An absent one is zero, which is in no range.
func (k *checker) number(name string, min, max int) int {
	if !k.in.has(name) {
		return 0
	}
	text := k.in.get(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < math.MinInt32 || n > math.MaxInt32 {
		message := "invalid value for decimal type: " + text
		if text == "" {
			message = "missing value for decimal type"
		}
		k.malformed = refuse(http.StatusBadRequest, "MalformedInput", "%s", message)
		return 0
	}
	if n < int64(min) {
		k.violate(text, label(name), "have value greater than or equal to "+strconv.Itoa(min))
	}
	if n > int64(max) {
		k.violate(text, label(name), "have value less than or equal to "+strconv.Itoa(max))
	}
	return int(n)
}

func (k *checker) seconds(name string, min, max int) time.Duration {
	return time.Duration(k.number(name, min, max)) * time.Second
}

// size checks the length of a list.
func (k *checker) size(name string, n, max int) {
	if n > max {
		k.violate("["+strconv.Itoa(n)+" items]", label(name), "have length less than or equal to "+strconv.Itoa(max))
	}
}

// tags parses Tags. It does not look for duplicate keys, which the service reports
// later.
func (k *checker) tags() []tag {
	found := k.in.structs("Tags", "Key", "Value")
	k.size("Tags", len(found), 50)
	var all []tag
	for i, one := range found {
		where := "tags." + strconv.Itoa(i+1) + ".member."
		for _, f := range []struct {
			name string
			shape
		}{{"Key", tagKeyShape}, {"Value", tagValueShape}} {
			if !one.has(f.name) {
				k.null(where + label(f.name))
				continue
			}
			k.text(where+label(f.name), one.get(f.name), f.shape)
		}
		all = append(all, tag{one.get("Key"), one.get("Value")})
	}
	return all
}

// err returns all violations, or nil.
func (k *checker) err() error {
	switch n := len(k.violations); {
	case k.malformed != nil:
		return k.malformed
	case n == 0:
		return nil
	case n == 1:
		return invalid("1 validation error detected: %s", k.violations[0])
	default:
		return invalid("%d validation errors detected: %s", n, strings.Join(k.violations, "; "))
	}
}

// label returns a parameter's name as errors show it, in lower camel case.
func label(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToLower(name[:1]) + name[1:]
}

type tag struct{ key, value string }

// tagMap refuses keys that differ only in case, and keys reserved for AWS.
func tagMap(tags []tag) (map[string]string, error) {
	m := map[string]string{}
	for _, t := range tags {
		if strings.HasPrefix(strings.ToLower(t.key), "aws:") {
			return nil, refuse(http.StatusBadRequest, "InvalidParameterValue",
				"aws: prefixed tag key names are not allowed for external use.")
		}
		if _, twice := foldedTag(m, t.key); twice {
			return nil, refuse(http.StatusBadRequest, "InvalidParameterValue",
				"Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		m[t.key] = t.value
	}
	return m, nil
}
