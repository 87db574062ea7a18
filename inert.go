package rolebroker

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// IsInert reports whether a terminal shows a character, and neither obeys nor hides it. It rejects control characters
// except line feed and tab, and characters that change the direction of text, have no width or are invisible.
//
// Source: Unicode Standard Annex 9 (bidirectional text), Technical Report 36 (security).
func IsInert(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return true
	case r < utf8.RuneSelf:
		return ' ' <= r && r != 0x7f
	}
	return unicode.IsGraphic(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) &&
		(!unicode.Is(unicode.Variation_Selector, r) || r == 0xfe0e || r == 0xfe0f)
}

// IsVisible is IsInert for forms and pages. It also accepts the carriage return, which line breaks in forms have, and
// the joiners, which emoji and some scripts need.
func IsVisible(r rune) bool { return IsInert(r) || r == '\r' || r == 0x200c || r == 0x200d }

// Inert replaces the characters that IsInert rejects, and invalid UTF-8, with U+FFFD.
func Inert(text string) string {
	return strings.Map(func(r rune) rune {
		if IsInert(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// InertJSON escapes the characters that IsInert rejects. The JSON keeps its meaning.
func InertJSON(text []byte) []byte { return escapeJSON(text, IsInert) }

// escapeJSON escapes the characters of JSON that are not to be kept as they are.
func escapeJSON(text []byte, keep func(rune) bool) []byte {
	if bytes.IndexFunc(text, func(r rune) bool { return !keep(r) }) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case keep(r):
			b.WriteRune(r)
		case r > 0xffff:
			first, second := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, first, second)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
