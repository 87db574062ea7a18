package tokenfile_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/tokenfile"
)

// write makes a file with this content.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheTokenIsTheOneInTheFileNow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	file := tokenfile.New(path)
	has := func(want string) {
		t.Helper()
		if got, err := file.Token(); err != nil || got.Reveal() != want {
			t.Errorf("the token is %q, want %q: %v", got.Reveal(), want, err)
		}
	}
	if _, err := file.Token(); err == nil {
		t.Error("a file that is missing has a token")
	}
	write(t, path, "\r\n")
	if _, err := file.Token(); err == nil || !strings.Contains(err.Error(), "token is empty") {
		t.Errorf("a file that is empty has a token: %v", err)
	}
	write(t, path, "first\r\n")
	has("first")
	for _, none := range []string{"", "\n", "two words", "caf\u00e9", strings.Repeat("x", 64<<10+1)} {
		write(t, path, none)
		has("first")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	has("first")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	has("first")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, " second")
	has("second")
}

func TestAKnownTokenNeedsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	file := tokenfile.Known(path, rolebroker.NewSecret("first"))
	if got, err := file.Token(); err != nil || got.Reveal() != "first" {
		t.Errorf("the token is %q: %v", got.Reveal(), err)
	}
}

func TestAPipeIsReadOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := "/dev/fd/" + strconv.Itoa(int(r.Fd()))
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("NOT TESTED: this system has no /dev/fd")
	}
	if _, err := w.WriteString("once\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := tokenfile.New(path)
	for range 2 {
		if got, err := file.Token(); err != nil || got.Reveal() != "once" {
			t.Errorf("the token is %q: %v", got.Reveal(), err)
		}
	}
}

func TestErrorsDoNotQuoteTheToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "hunter2 hunter2")
	if _, err := tokenfile.New(path).Token(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is %v", err)
	}
}
