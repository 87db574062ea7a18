package seal_test

import (
	"bytes"
	"testing"

	"github.com/rolebroker/rolebroker/internal/seal"
)

func TestOnlyTheTokenOpensWhatItClosed(t *testing.T) {
	token, _ := seal.New("rbs", "abc")
	other, _ := seal.New("rbs", "abc")
	closed := seal.Close(token, "a refresh token")
	if got, ok := seal.Open(token, closed); !ok || got != "a refresh token" {
		t.Errorf("it opens as %q, %v", got, ok)
	}
	if bytes.Contains(closed, []byte("refresh")) || bytes.Equal(closed, seal.Close(token, "a refresh token")) {
		t.Errorf("%q is not encrypted, or twice the same", closed)
	}
	altered := bytes.Clone(closed)
	altered[len(altered)-1] ^= 1
	for name, wrong := range map[string]struct {
		token  string
		closed []byte
	}{
		"another token": {other, closed}, "no token": {"", closed}, "altered": {token, altered},
		"nothing": {token, nil}, "cut off": {token, closed[:5]},
	} {
		if got, ok := seal.Open(wrong.token, wrong.closed); ok {
			t.Errorf("%s opens as %q", name, got)
		}
	}
}
