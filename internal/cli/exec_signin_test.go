package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/config"
)

// Exec never acts for the person who signed in, and says if its command could.
func TestExecLeavesTheSignInAlone(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path := filepath.Join(home, ".config", "rolebroker", "sign-in.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	save := func(until time.Time) {
		t.Helper()
		text, err := config.SignIn{URL: "http://127.0.0.1:1", Token: rolebroker.NewSecret("rbc_x"),
			Name: "ada@example.com", ExpiresAt: until}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=" + home, "ROLEBROKER_URL=http://127.0.0.1:1"}
	withToken := append(env, "ROLEBROKER_TOKEN=rbt_x")
	save(time.Now().Add(time.Hour))
	if got := run(env, "exec", "--", "true"); got.code != 2 || !strings.Contains(got.stderr, "ROLEBROKER_TOKEN") ||
		!strings.Contains(got.stderr, "is empty") {
		t.Errorf("without an agent token it exits %d: %s", got.code, got.stderr)
	}
	const warning = "warning: the command can read your sign-in as ada@example.com"
	self := strconv.Itoa(os.Getuid())
	for _, c := range []struct {
		args  []string
		warns bool
	}{{nil, true}, {[]string{"--proxy"}, true}, {[]string{"--user", self}, true}, {[]string{"--contained"}, false},
		{[]string{"--user", "4242:4242"}, false}} {
		got := run(withToken, append(append([]string{"exec"}, c.args...), "--", "true")...)
		if strings.Contains(got.stderr, warning) != c.warns || got.code == 0 {
			t.Errorf("%s exits %d: %s", c.args, got.code, got.stderr)
		}
	}
	save(time.Now().Add(-time.Second))
	if got := run(withToken, "exec", "--", "true"); strings.Contains(got.stderr, "warning") {
		t.Errorf("the sign-in has ended, and it says %s", got.stderr)
	}
}
