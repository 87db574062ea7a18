package cli

import (
	"strings"
	"testing"
)

// FuzzDocuments checks that no file makes apply panic, and that every mistake has a place and a message.
func FuzzDocuments(f *testing.F) {
	for _, seed := range []string{"", "---\n---\n", "kind: agent\nname: a\n", "items: [{kind: agent, name: a}]", "[]", "- 1",
		`{"kind":"agent"}{"kind":"agent"}`, "kind: &k agent\nname: *k", "<<: *a", "kind: [x", "roles: [{arn: 1}]", "a",
		"? a\n: b", "kind: agent # comment", "\t", "{\"a\": \"\\u0000\"}", "items:\n- items: []\n", "kind: !!str agent",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		documents, wrong := documentsIn("file", text)
		for _, d := range documents {
			if fieldsOfKind()[d.kind()] == nil || d.number < 1 {
				t.Errorf("%+v is no document", d)
			}
		}
		for _, w := range append(wrong, checkDocuments(documents)...) {
			if !strings.HasPrefix(w.Path, "file") || w.Message == "" {
				t.Errorf("%+v says nothing", w)
			}
		}
	})
}
