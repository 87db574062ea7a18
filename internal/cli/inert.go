package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/rolebroker/rolebroker"
)

// inert is a stream to which a command writes text: a terminal shows stored and remote
// text, and does not obey it. Each write has whole characters.
type inert struct{ io.Writer }

// Write implements io.Writer.
func (w inert) Write(text []byte) (int, error) {
	if _, err := io.WriteString(w.Writer, rolebroker.Inert(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// out and errs are stdout and stderr for text.
func (a *app) out() io.Writer  { return inert{a.Stdout} }
func (a *app) errs() io.Writer { return inert{a.Stderr} }

// toYAML turns JSON into YAML. The library writes some strings so that other readers
// refuse them or read something else; these are quoted here. The library sees a word in
// place of each.
func toYAML(text []byte) ([]byte, error) {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	word := "string-"
	for strings.Contains(string(text), word) {
		word += "x-"
	}
	var quoted []string
	replaced := replaceStrings(text, func(s string) string {
		if isPlainYAML(s) {
			return s
		}
		quoted = append(quoted, fmt.Sprintf("%s%d-", word, len(quoted)), quoteYAML(s))
		return quoted[len(quoted)-2]
	})
	written, err := yaml.JSONToYAML(replaced)
	if err != nil {
		return nil, err
	}
	return []byte(strings.NewReplacer(quoted...).Replace(string(written))), nil
}

// replaceStrings replaces the strings in valid JSON.
func replaceStrings(text []byte, replace func(string) string) []byte {
	var b []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			b = append(b, text[i])
			continue
		}
		start := i
		for i++; text[i] != '"'; i++ {
			if text[i] == '\\' {
				i++
			}
		}
		var s string
		_ = json.Unmarshal(text[start:i+1], &s) // it is valid
		encoded, _ := json.Marshal(replace(s))
		b = append(b, encoded...)
	}
	return b
}

// isPlainYAML reports whether the library writes a string as every reader reads it.
func isPlainYAML(s string) bool {
	isOther := func(r rune) bool { return r == '\t' || !rolebroker.IsInert(r) || r == '\ufffd' }
	return !strings.ContainsFunc(s, isOther) && s != "=" && s != "<<" && !strings.HasPrefix(s, "?") &&
		!strings.HasPrefix(strings.TrimLeft(s, "+-"), ".") && !strings.HasPrefix(s, "\n") && !strings.HasSuffix(s, "\n") &&
		!isSexagesimal(s)
}

// isSexagesimal reports whether a string may be a number to the base 60, such as 12:30:00.
//
// Source: YAML 1.1, Integer and Floating-Point Language-Independent Types.
func isSexagesimal(s string) bool {
	return strings.Contains(s, ":") && strings.Trim(s, "+-0123456789_:.") == ""
}

// quoteYAML writes a string in double quotes.
//
// Source: YAML 1.2.2, section 5.7.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case rolebroker.IsInert(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String() + `"`
}
