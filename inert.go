package rolebroker

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// IsInert reports whether a terminal shows a character, and does not obey it or hide it: it is no control character
// but line feed and tab, and nothing that directs text, has no width or is invisible in another way.
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

// IsVisible is IsInert for places that are no terminal: forms, whose line breaks have a carriage return, and pages.
// Emoji and some scripts need the joiners.
func IsVisible(r rune) bool { return IsInert(r) || r == '\r' || r == 0x200c || r == 0x200d }

// Inert replaces what IsInert does not accept, and invalid UTF-8, with U+FFFD. The caller shows the result.
func Inert(text string) string {
	return strings.Map(func(r rune) rune {
		if IsInert(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// InertJSON escapes the same characters in JSON, which keeps its meaning.
func InertJSON(text []byte) []byte {
	isOther := func(r rune) bool { return !IsInert(r) }
	if bytes.IndexFunc(text, isOther) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case IsInert(r):
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
