package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without credentials whoami says so, and the AWS SDK writes nothing of its own beside it.
func TestWhoamiWithoutCredentials(t *testing.T) {
	metadata := httptest.NewServer(http.NotFoundHandler()) // the SDK warns of the older way to ask for metadata
	defer metadata.Close()
	for _, name := range os.Environ() {
		if name, _, _ = strings.Cut(name, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL,
		"AWS_EC2_METADATA_DISABLED": "false", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none,
		"HOME": t.TempDir()} {
		t.Setenv(name, value)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stderr
	os.Stderr = write
	got := run(os.Environ(), "whoami")
	os.Stderr = before
	write.Close()
	beside, err := io.ReadAll(read)
	if err != nil || len(beside) > 0 {
		t.Errorf("beside the answer stands %q: %v", beside, err)
	}
	if got.code != 1 || !strings.HasPrefix(got.stderr, "rolebroker: no AWS credentials were found here") {
		t.Errorf("it ends with %d: %s", got.code, got.stderr)
	}
}
