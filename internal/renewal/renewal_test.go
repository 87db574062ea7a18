package renewal

import (
	"net/http/httptest"
	"testing"
)

func TestAKeyIsProvenForOneRequest(t *testing.T) {
	r := httptest.NewRequest("PUT", "https://reports.s3.amazonaws.com/a%20b?x=1", nil)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=…, Signature=00")
	if _, ok := Read(r); ok {
		t.Error("a request has a key before one is added")
	}
	Add(r, "RBGWOLD", "old", "secret")
	Add(r, "RBGWID", "rbg1.token.mac", "secret")
	key, ok := Read(r)
	if !ok || key.ID != "RBGWID" || key.Token != "rbg1.token.mac" || !key.Proves(r, "secret") {
		t.Errorf("the key is %+v, %v", key, ok)
	}
	if key.Proves(r, "another secret") {
		t.Error("another secret proves it")
	}
	other := r.Clone(t.Context())
	other.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=…, Signature=01")
	if key.Proves(other, "secret") {
		t.Error("the proof is good for another request")
	}
	presigned := httptest.NewRequest("PUT", "https://reports.s3.amazonaws.com/a%20b?x=2", nil)
	presigned.Header = r.Header
	if key.Proves(presigned, "secret") {
		t.Error("the proof is good for another query")
	}
	r.Header.Set(Header, "RBGWID rbg1.token.mac !")
	if key, ok := Read(r); !ok || key.Proves(r, "secret") {
		t.Error("what is no proof proves it")
	}
}
