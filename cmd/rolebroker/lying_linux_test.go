package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestALyingServerCostsExecLittle runs exec with servers that answer what no server
// should: exec ends with an error, has not run the command, and used little memory.
func TestALyingServerCostsExecLittle(t *testing.T) {
	const loan = `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"s","Token":"t",
		"Expiration":"%s","RoleArn":"arn:aws:iam::444455556666:role/ReadOnly","AccountId":"444455556666"}`
	const offer = `{"reference":"readonly","integration":"production","name":"readonly","region":"us-east-1",` +
		`"arn":"arn:aws:iam::444455556666:role/ReadOnly","default":true}`
	lends := func(expires string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, loan, expires) }
	}
	soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	page := func(w io.Writer, items, cursor string) {
		fmt.Fprintf(w, `{"items":[%s],"next_cursor":"%s"}`, items, cursor)
	}
	var asked atomic.Int64
	for name, lie := range map[string]struct {
		credentials, roles http.HandlerFunc
		says               string
	}{
		"the truth": {lends(soon), func(w http.ResponseWriter, _ *http.Request) { page(w, offer, "") }, ""},
		"a list without an end": {lends(soon), func(w http.ResponseWriter, _ *http.Request) {
			page(w, strings.TrimSuffix(strings.Repeat(offer+",", 5000), ","), fmt.Sprint("c", asked.Add(1)))
		}, "does not end"},
		"a list in a circle": {lends(soon), func(w http.ResponseWriter, _ *http.Request) {
			page(w, offer, fmt.Sprint("c", asked.Add(1)%7))
		}, "does not end"},
		"a list of empty pages": {lends(soon), func(w http.ResponseWriter, _ *http.Request) {
			page(w, "", fmt.Sprint("c", asked.Add(1)))
		}, "does not end"},
		"an enormous cursor": {lends(soon), func(w http.ResponseWriter, _ *http.Request) {
			page(w, offer, strings.Repeat("c", 1<<20))
		}, "does not end"},
		"an enormous page": {lends(soon), func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 10 {
				io.WriteString(w, strings.Repeat("          ", 100_000))
			}
		}, "does not end"},
		"a page of nothing": {lends(soon), func(w http.ResponseWriter, _ *http.Request) {
			page(w, strings.TrimSuffix(strings.Repeat("{},", 4<<20), ","), "")
		}, "does not understand"},
		"enormous credentials": {func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("          ", 10_000_000))
		}, lends(soon), "more than 64 KiB"},
		"enormous headers": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 10_000))
			}
		}, lends(soon), "cannot reach"},
		"credentials for centuries": {lends("2999-01-01T00:00:00Z"), lends(soon), "longer than AWS"},
		"credentials for a day": {lends(time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)), lends(soon),
			"longer than AWS"},
		"expired credentials": {lends("2020-01-01T00:00:00Z"), lends(soon), "have expired"},
		"a redirect to another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:1/", http.StatusTemporaryRedirect)
		}, lends(soon), "redirects are not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			json := func(h http.HandlerFunc) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					h(w, r)
				}
			}
			mux.HandleFunc("/v1/credentials", json(lie.credentials))
			mux.HandleFunc("/v1/credentials/", json(lie.credentials))
			mux.HandleFunc("/v1/roles", json(lie.roles))
			server := httptest.NewServer(mux)
			defer server.Close()
			peak := filepath.Join(t.TempDir(), "peak")
			cmd := exec.Command("peak-memory", "rolebroker", "exec", "--", "echo", "has run")
			cmd.Env = append(withoutAWS(os.Environ()), "ROLEBROKER_URL="+server.URL,
				"ROLEBROKER_TOKEN=rbt_x", "GOGC=50", "PEAK_MEMORY_FILE="+peak)
			output, err := cmd.CombinedOutput()
			if lie.says == "" {
				if err != nil || !strings.Contains(string(output), "has run") {
					t.Errorf("exec says %s: %v", output, err)
				}
				return
			}
			if err == nil || strings.Contains(string(output), "has run") ||
				!strings.Contains(string(output), lie.says) {
				t.Errorf("exec says %.500s: %v; want %q", output, err, lie.says)
			}
			used := mib(t, peak)
			if used > 120*overhead {
				t.Errorf("exec used %d MiB", used)
			}
			t.Logf("exec used %d MiB in %s", used, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
		})
	}
}

// mib reads what peakMemory has written.
func mib(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return kib >> 10
}
