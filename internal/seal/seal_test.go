package seal_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/seal"
)

func TestTokenIsFoundByItsIDAndMatchesItsHashOnly(t *testing.T) {
	token, hash := seal.New("rbt", "abc")
	if id, ok := seal.ID("rbt", token); !ok || id != "abc" {
		t.Errorf("ID of %q is %q, %v", token, id, ok)
	}
	if !seal.Matches(token, hash) {
		t.Error("a token does not match its own hash")
	}
	other, _ := seal.New("rbt", "abc")
	for name, wrong := range map[string]string{
		"another secret": other, "empty": "", "a byte less": token[:len(token)-1],
		"a byte more": token + "a", "upper case": strings.ToUpper(token),
	} {
		if seal.Matches(wrong, hash) {
			t.Errorf("%s matches", name)
		}
	}
}

func FuzzID(f *testing.F) {
	token, _ := seal.New("rbt", "abc")
	for _, seed := range []string{token, "", "rbt", "rbt_", "rbt__", "rbt_abc_short", "rbk_abc_" + strings.Repeat("a", 52)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, ok := seal.ID("rbt", token)
		if ok && (id == "" || !strings.HasPrefix(token, "rbt_"+id+"_")) {
			t.Errorf("ID(%q) = %q", token, id)
		}
	})
}
