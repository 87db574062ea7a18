package rolebroker_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"readonly":                     `"readonly"`,
		"a\nb\x00\xff":                 `"a\nb\x00\xff"`,
		strings.Repeat("x", 200):       `"` + strings.Repeat("x", 200) + `"`,
		strings.Repeat("x", 201):       `"` + strings.Repeat("x", 200) + `…"`,
		"x" + strings.Repeat("é", 200): `"x` + strings.Repeat("é", 99) + `…"`, // no half of a character
	} {
		if got := rolebroker.Quote(s); got != want {
			t.Errorf("%q is quoted as %s, want %s", s, got, want)
		}
	}
}
