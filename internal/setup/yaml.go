package setup

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// yaml is an object as YAML, a member on each line.
func yaml(o object) string {
	var b strings.Builder
	writeYAML(&b, "", o)
	return b.String()
}

// writeYAML writes what is inside of v, every line after the indent.
func writeYAML(b *strings.Builder, indent string, v any) {
	switch v := v.(type) {
	case object:
		for _, m := range v {
			b.WriteString(indent + yamlText(m.key) + ":")
			writeYAMLValue(b, indent+"  ", m.value)
		}
	case []any:
		for _, one := range v {
			if inner, scalar := yamlScalar(one); scalar {
				b.WriteString(indent + "- " + inner + "\n")
				continue
			}
			var item strings.Builder
			writeYAML(&item, indent+"  ", one)
			b.WriteString(indent + "- " + strings.TrimPrefix(item.String(), indent+"  "))
		}
	}
}

func writeYAMLValue(b *strings.Builder, indent string, v any) {
	if inner, scalar := yamlScalar(v); scalar {
		b.WriteString(" " + inner + "\n")
		return
	}
	b.WriteByte('\n')
	writeYAML(b, indent, v)
}

// yamlScalar is v on one line, if it goes there.
func yamlScalar(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return yamlText(v), true
	case verbatim:
		return string(v), true
	case json.Number, bool, int:
		return fmt.Sprint(v), true
	case nil:
		return "null", true
	case object:
		return "{}", len(v) == 0
	case []any:
		return "[]", len(v) == 0
	}
	return "", false
}

// yamlText is a string in YAML: plain where every reader takes it for a
// string, and else in double quotes, whose escapes are Go's.
func yamlText(s string) string {
	first := func(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '/' }
	plain := s != "" && first(s[0]) && s[len(s)-1] != ':' && strings.Trim(s, yamlPlain) == "" &&
		!slices.Contains([]string{"y", "n", "yes", "no", "on", "off", "true", "false", "null"}, strings.ToLower(s))
	if plain {
		return s
	}
	return strconv.QuoteToASCII(s)
}

const yamlPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/+-"
