package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// pythonWithYAML returns the first Python that has PyYAML.
func pythonWithYAML(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import yaml").Run() == nil {
			return python
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no python3 has PyYAML")
	}
	t.Skip("NOT TESTED: no python3 has PyYAML")
	return ""
}

// Every string comes back from YAML as it was, also by the reader of Python.
func TestYAMLIsReadBack(t *testing.T) {
	all := []string{"a", "on", "1:30", "12:30:00", "-.INF", "+.inf", "2026-11-28T10:00:00Z", "~", "=", "<<", "?", "? a",
		".inf", ".NaN", "a\r\nb",
		"a\tb", "\ta", "\n", "a\nb", "a\nb\n", "\na", "\x1b[2J", "a\x07\nb\u202e", "\x7f", "\u0085", "\u009b", "\u2028",
		"\ufeff", "\U000e0041", "😀\u200d", "a\x00b", "quote\" \\ \u202e", "string-0-", "string-0-\u202e"}
	text, err := json.Marshal(map[string]any{"items": all, "key\u202e": 1})
	if err != nil {
		t.Fatal(err)
	}
	written, err := toYAML(rolebroker.InertJSON(text))
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(string(written), func(r rune) bool { return !rolebroker.IsInert(r) }) {
		t.Errorf("a terminal obeys %q", written)
	}
	read := exec.Command(pythonWithYAML(t), "-c",
		"import sys, json, yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)")
	read.Stdin = bytes.NewReader(written)
	output, err := read.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s of %s", err, output, written)
	}
	var back struct{ Items []string }
	if err := json.Unmarshal(output, &back); err != nil || len(back.Items) != len(all) {
		t.Fatalf("%v: %s", err, output)
	}
	for i, s := range back.Items {
		if s != all[i] {
			t.Errorf("%q is read back as %q", all[i], s)
		}
	}
}

// A server, or text that it stored, cannot make the terminal do anything.
func TestTheTerminalDoesNotObeyTheServer(t *testing.T) {
	const hostile = "x\u001b]0;owned\u0007\u001b[2J\u009b31m\u202eno\u2066\u200f\u061c\u200b\U000e0041\u007f\u2028y"
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status != http.StatusOK {
			json.NewEncoder(w).Encode(api.Problem{Code: hostile, Detail: hostile, Hint: hostile,
				Errors: []api.FieldError{{Field: hostile, Message: hostile, Hint: hostile}}})
			return
		}
		agent := api.Agent{ID: hostile, Name: hostile, Description: hostile, DefaultIntegration: hostile}
		if strings.HasSuffix(r.URL.Path, "/scout") {
			json.NewEncoder(w).Encode(agent)
			return
		}
		json.NewEncoder(w).Encode(api.List[api.Agent]{Items: []api.Agent{agent}})
	}))
	defer server.Close()
	for _, status = range []int{http.StatusOK, http.StatusBadRequest} {
		for _, args := range [][]string{{"agent", "list"}, {"agent", "show", "scout"}, {"agent", "list", "-o", "json"},
			{"agent", "show", "scout", "-o", "yaml"}, {"agent", "delete", hostile, "--yes"}, {"agent", hostile},
			{"__complete", "agent", "show", ""}, {"exec", "--role", hostile, "--", "true"}, {"agent", "--" + hostile}} {
			got := run([]string{"ROLEBROKER_URL=" + server.URL, "ROLEBROKER_TOKEN=rbk_x"}, args...)
			text := got.stdout + got.stderr
			if strings.ContainsFunc(text, func(r rune) bool { return !rolebroker.IsInert(r) }) {
				t.Errorf("with status %d, the terminal obeys %q: %q", status, args, text)
			}
			if status == http.StatusOK && strings.HasPrefix(strings.Join(args, " "), "agent list -o json") {
				var list api.List[api.Agent]
				if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || list.Items[0].Name != hostile {
					t.Errorf("JSON has %q: %v", got.stdout, err)
				}
			}
		}
	}
}
