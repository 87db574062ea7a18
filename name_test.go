package rolebroker

import (
	"strings"
	"testing"
)

func TestNamesLikeWhatWasTyped(t *testing.T) {
	for typed, want := range map[string]string{
		"Production AWS":                 "production-aws",
		"  -- Größe, 2 --":               "gr-e-2",
		"fine":                           "fine",
		"äöü":                            "",
		"":                               "",
		strings.Repeat("a b", 40):        strings.Repeat("a-b", 21) + "a",
		"int_4zqk2m7vprb5xw3tdn6hjc8ysa": "",
	} {
		if got := NameLike(typed); got != want || want != "" && CheckName(got) != nil {
			t.Errorf("%q gives %q, not %q", typed, got, want)
		}
	}
}
