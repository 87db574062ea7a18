package gateway_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/renewal"
)

// newer is a key of scout's that was made later, for another task: so a test sees which one decides.
func (w *world) newer() rolebroker.Credentials {
	return w.keys.Make(rolebroker.GatewayKey{Agent: "agt_scout", Token: "tok_scout", Integration: "int_p", Role: "rol_d",
		Task: "newer", Expires: now.Add(2 * time.Hour)})
}

func TestANewerKeyDecides(t *testing.T) {
	w := newWorld(t)
	r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	key := w.newer()
	renewal.Add(r, key.AccessKeyID, key.SessionToken.Reveal(), key.SecretAccessKey.Reveal())
	got := w.sent(r)
	if w.asked.Task != "newer" {
		t.Errorf("the gateway asks for %+v", w.asked)
	}
	if got.Header.Get(renewal.Header) != "" {
		t.Error("AWS gets the newer key")
	}
}

// Who has the session token of a newer key, and not its secret, gets nothing by it; nor does a newer key make a request
// good that is not signed.
func TestANewerKeyIsProven(t *testing.T) {
	w := newWorld(t)
	key := w.newer()
	for name, c := range map[string]struct{ id, token, secret, says string }{
		"another secret":   {key.AccessKeyID, key.SessionToken.Reveal(), "secret", "InvalidClientTokenId"},
		"another ID":       {"RBGWAAAAAAAAAAAAAAAA", key.SessionToken.Reveal(), key.SecretAccessKey.Reveal(), "InvalidClientTokenId"},
		"no token of ours": {key.AccessKeyID, "rbg1.x.y", key.SecretAccessKey.Reveal(), "InvalidClientTokenId"},
	} {
		t.Log(name)
		r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
		renewal.Add(r, c.id, c.token, c.secret)
		w.refused(r, 403, c.says)
	}
	r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	renewal.Add(r, key.AccessKeyID, key.SessionToken.Reveal(), key.SecretAccessKey.Reveal())
	r.Body = io.NopCloser(strings.NewReader("[]"))
	w.refused(r, 403, "SignatureDoesNotMatch")
}

// Only the refusal of a key that is no longer good says that another may be.
func TestARefusalSaysThatTheKeyHasEnded(t *testing.T) {
	for code, want := range map[rolebroker.Code]string{rolebroker.CodeExpired: "true", rolebroker.CodeDenied: ""} {
		w := newWorld(t)
		w.denial = rolebroker.Errorf(code, "no")
		rec := httptest.NewRecorder()
		w.gateway.ServeHTTP(rec, w.request("POST", "/", "dynamodb", "eu-west-1", listTables))
		if got := rec.Header().Get(renewal.Ended); got != want || rec.Code != 403 {
			t.Errorf("%s is answered with %d, ended %q", code, rec.Code, got)
		}
	}
}
