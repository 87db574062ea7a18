package rolebroker_test

import (
	"os/exec"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestAShellReadsOneWord(t *testing.T) {
	for text, want := range map[string]string{
		"": "''", "plain": "plain", "a-b_c.d/e:f@g,h+i%j": "a-b_c.d/e:f@g,h+i%j", "--role-name": "--role-name",
		"a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "a=b": "'a=b'", "~": "'~'", "a\nb": "'a\nb'", "é": "'é'",
		`\`:  `'\'`,
		"!1": "'!1'", "{a,b}": "'{a,b}'", "#": "'#'",
	} {
		if got := rolebroker.ShellWord(text); got != want {
			t.Errorf("%q became %s, want %s", text, got, want)
		}
		for _, word := range []string{rolebroker.ShellWord(text), rolebroker.ShellQuote(text)} {
			out, err := exec.Command("sh", "-c", "printf %s "+word).Output()
			if err != nil || string(out) != text {
				t.Errorf("a shell reads %q, %v, want %q", out, err, text)
			}
		}
	}
}
