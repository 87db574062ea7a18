package web_test

import (
	"context"
	"net/http"
	"testing"
)

// A form that no page has is refused as what it is.
func TestFormsThatNoPageHas(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	in, err := s.broker.Integration(context.Background(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	b.answers(b.post(path+"/roles", "action", "default", "role", string(in.Roles[0].ID)),
		http.StatusUnprocessableEntity, "Choose one role")
	b.answers(b.post(path+"/edit", "action", "add-role", "was", `{"":"x"}`, "conflict", ""), http.StatusOK)
}
