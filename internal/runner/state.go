package runner

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rolebroker/rolebroker"
)

// State is where a runner keeps its credential. Several replicas may share one.
type State interface {
	// Load reads the value. Codes: not_found.
	Load(ctx context.Context) ([]byte, error)

	// Save replaces old, nil if there is no value, with new. Codes: conflict (the
	// value is no longer old).
	Save(ctx context.Context, old, new []byte) error
}

// Folder is a State on disk: a file that no other user may read. One process uses it.
type Folder string

const credentialFile = "credential.json"

func (f Folder) path() string { return filepath.Join(string(f), credentialFile) }

// Load reads the file.
func (f Folder) Load(context.Context) ([]byte, error) {
	text, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "%s is not there", f.path())
	}
	return text, err
}

// Save replaces the file.
func (f Folder) Save(_ context.Context, _, new []byte) error {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	return replaceFile(f.path(), new)
}

// credential is the runner's credential, as a State keeps it.
type credential struct {
	Runner     rolebroker.RunnerID `json:"runner"`
	Name       string              `json:"name"`
	Credential string              `json:"credential"`
	MadeAt     time.Time           `json:"made_at"`
	ExpiresAt  time.Time           `json:"expires_at"`
	ClaimedAt  time.Time           `json:"claimed_at,omitzero"` // when a replica began to rotate it
}

// isDue reports whether to rotate the credential: it is old, and no other replica
// has begun to.
func (c credential) isDue(now time.Time) bool {
	return now.Sub(c.MadeAt) >= rotateAfter && now.Sub(c.ClaimedAt).Abs() >= claimLasts
}

func (c credential) encode() []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic("encoding plain strings: " + err.Error())
	}
	return text
}

func decodeCredential(text []byte) (c credential, err error) {
	if err = json.Unmarshal(text, &c); err != nil || c.Credential == "" {
		return c, rolebroker.Errorf(rolebroker.CodeInvalid, "the stored value is not a runner's credential").
			WithHint("delete it, and join again with a new join token: rolebroker runner join-token RUNNER")
	}
	return c, nil
}
