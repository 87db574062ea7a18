package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(compact(m.key))
		b.WriteByte(':')
		b.Write(compact(m.value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// compact is v as JSON on one line. It does not escape <, > and &.
func compact(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // values of an object can be marshaled
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// pretty is v as indented JSON, without a newline at its end.
func pretty(v any) string { return indented(compact(v)) }

// indented is JSON with other white space, and with invisible characters escaped.
func indented(raw []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
		panic(err) // it was read or written as JSON before
	}
	return visible(b.String())
}

// visible is JSON with characters escaped that a terminal obeys instead of showing
// them.
func visible(text string) string {
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// hidden reports whether a character is a control or formats text, such as the escape
// character, a change of direction, or a line separator. White space is not hidden.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\n' && r != '\t' && r != '\r'
}

// texts is a list of strings. A list of one is the string itself, as in IAM.
func texts(all []string) any {
	if len(all) == 1 {
		return all[0]
	}
	list := make([]any, len(all))
	for i, s := range all {
		list[i] = s
	}
	return list
}
