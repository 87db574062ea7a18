package rolebroker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestWhatATerminalObeysIsInert(t *testing.T) {
	hostile := "\x00\x07\b\v\f\r\x1b\x7f\u0080\u0085\u009b\u00ad\u061c\u115f\u200b\u200c\u200d\u200e\u200f\u2028\u2029" +
		"\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\u3164\ufeff\U000e0041\U000e0100"
	for _, r := range hostile {
		if got := rolebroker.Inert("a" + string(r) + "b"); got != "a\ufffdb" {
			t.Errorf("%U is %q", r, got)
		}
		text, _ := json.Marshal("a" + string(r) + "b")
		escaped := rolebroker.InertJSON(text)
		var back string
		if err := json.Unmarshal(escaped, &back); err != nil || back != "a"+string(r)+"b" ||
			strings.ContainsFunc(string(escaped), func(r rune) bool { return r >= 0x7f }) {
			t.Errorf("%U is %s in JSON, which is %q: %v", r, escaped, back, err)
		}
	}
	if got := rolebroker.Inert("a\xffb\xc3"); got != "a\ufffdb\ufffd" {
		t.Errorf("invalid UTF-8 is %q", got)
	}
	const plain = "a tab\tand lines\n, é ü 中文 עברית ❤️ 😀 \u00a0"
	if got := rolebroker.Inert(plain); got != plain {
		t.Errorf("%q is %q", plain, got)
	}
}

func TestADescriptionIsVisible(t *testing.T) {
	for description, allowed := range map[string]bool{"two\r\nlines\tof \u05d0\u05d1 and \U0001f469\u200d\U0001f4bb": true,
		"x\x1b[2J": false, "x\u202e": false, "x\u2066": false, "x\u200b": false, "x\U000e0041": false, "x\u009b": false} {
		in := rolebroker.Agent{Name: "scout", Description: description}
		if err := in.Check(); (err == nil) != allowed {
			t.Errorf("the description %q: %v", description, err)
		} else if err != nil && rolebroker.AsError(err).Fields[0].Path != "description" {
			t.Errorf("the error is at %+v", rolebroker.AsError(err).Fields)
		}
	}
}
