package seal_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"regexp"
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
	if want := sha256.Sum256([]byte(token)); !bytes.Equal(hash, want[:]) {
		t.Errorf("the hash is %x, want the SHA-256 %x", hash, want)
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

// malformed are tokens that New cannot have made, of one that it can have.
func malformed(good string) map[string]string {
	id, secret := good[4:30], good[31:]
	half := secret[:26]
	of := func(id, secret string) string { return "rbt_" + id + "_" + secret }
	return map[string]string{
		"nothing": "", "a prefix": "rbt", "no secret": "rbt_" + id, "an API key": "rbk_" + good[4:],
		"a sign-in": "rbs_" + good[4:],
		"no prefix": good[4:], "space before": " " + good, "space after": good + " ", "a line": good + "\n",
		"NUL":        good + "\x00",
		"upper case": strings.ToUpper(good), "an upper-case prefix": "RBT_" + good[4:],
		"an upper-case ID":     of(strings.ToUpper(id), secret),
		"an upper-case secret": of(id, strings.ToUpper(secret)), "a long secret": of(id, secret+"a"),
		"a short secret": of(id, secret[1:]),
		"a long ID":      of(id+"a", secret), "a short ID": of(id[1:], secret), "no ID": of("", secret),
		"an ID with its prefix": of("tok_"+id, secret),
		"a digit that is none":  of(id, secret[1:]+"1"), "an 8": of(id, "8"+secret[1:]),
		"a sign": of(id, secret[1:]+"-"), "an underscore": of(id, secret[1:]+"_"),
		"a sign in the ID": of(id[1:]+"%", secret), "another alphabet": of(id, secret[2:]+"é"),
		"bytes":      of(id, secret[1:]+"\xff"),
		"one letter": of(id, strings.Repeat("a", 52)), "a word": of(id, strings.Repeat("password", 7)[:52]),
		"half a secret, twice": of(id, half+half),
		"its ID in it":         of(id, id+half), "its ID behind": of(id, half+id), "two in one": good + good,
	}
}

func TestWhatIsMadeElsewhereIsLikeWhatIsMadeHere(t *testing.T) {
	for range 1000 {
		id := strings.ToLower(rand.Text())
		token, _ := seal.New("rbt", id)
		if got, ok := seal.Made("rbt", token); !ok || got != id {
			t.Fatalf("%s is taken for malformed", token)
		}
	}
	good, _ := seal.New("rbt", strings.ToLower(rand.Text()))
	for name, token := range malformed(good) {
		if id, ok := seal.Made("rbt", token); ok {
			t.Errorf("%s passes, as %s", name, id)
		}
	}
}

func FuzzMade(f *testing.F) {
	good, _ := seal.New("rbt", strings.ToLower(rand.Text()))
	f.Add(good)
	for _, seed := range malformed(good) {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^rbt_[a-z2-7]{26}_[a-z2-7]{52}\z`)
	f.Fuzz(func(t *testing.T, token string) {
		if id, ok := seal.Made("rbt", token); ok && (!form.MatchString(token) || id != token[4:30]) {
			t.Errorf("%q passes, as %q", token, id)
		}
	})
}

func FuzzID(f *testing.F) {
	token, _ := seal.New("rbt", "abc")
	for _, seed := range []string{token, "", "rbt", "rbt_", "rbt__", "rbt_abc_short",
		"rbk_abc_" + strings.Repeat("a", 52)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, ok := seal.ID("rbt", token)
		if ok && (id == "" || !strings.HasPrefix(token, "rbt_"+id+"_")) {
			t.Errorf("ID(%q) = %q", token, id)
		}
	})
}
