package rolebroker_test

import (
	"context"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

func TestRequestIDs(t *testing.T) {
	seen := map[rolebroker.RequestID]bool{}
	for range 10000 {
		id := rolebroker.NewRequestID()
		if parsed, ok := rolebroker.ParseRequestID(string(id)); !ok || parsed != id || len(id) != 26 || seen[id] {
			t.Fatalf("NewRequestID made %q", id)
		}
		seen[id] = true
	}
	for _, good := range []string{"a", "0af7651916cd43dd8448eb211c80319c", "7b1c2c9e-8f0a-4d33-9c55-0f3f2f1c9b11",
		"Root_1.5-x", strings.Repeat("x", 64)} {
		if id, ok := rolebroker.ParseRequestID(good); !ok || string(id) != good {
			t.Errorf("%q was refused", good)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "a\n", "ä", "<b>", "a;b", "a=b", `"`} {
		if _, ok := rolebroker.ParseRequestID(bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
	if id := rolebroker.RequestIDOf(context.Background()); id != "" {
		t.Errorf("a context without a request has the ID %q", id)
	}
	if id := rolebroker.RequestIDOf(rolebroker.WithRequestID(context.Background(), "x")); id != "x" {
		t.Errorf("the context of x has the ID %q", id)
	}
}
