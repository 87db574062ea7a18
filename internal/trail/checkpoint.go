package trail

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the state of a tree. Its signed form is a note of three lines, the origin, the size and the root, that
// programs for transparency logs can read.
//
// Source: C2SP, "tlog-checkpoint".
type Checkpoint struct {
	Origin string // the name of the key
	Size   int64
	Root   Hash
}

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// Unsigned returns the checkpoint in the form of a signed one, without a signature.
func (c Checkpoint) Unsigned() string { return c.text() + "\n" }

// OpenCheckpoint verifies a signed checkpoint with one of the keys, and returns it.
func OpenCheckpoint(signed string, keys note.Verifiers) (Checkpoint, error) {
	n, err := note.Open([]byte(signed), keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint is not signed by a key that is trusted: %w", err)
	}
	for _, sig := range n.Sigs {
		if _, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil {
			return Checkpoint{}, errCheckpoint // some bits of base64 mean nothing, and must be zero
		}
	}
	return parseCheckpoint(n.Text)
}

// ReadCheckpoint returns a signed checkpoint without verifying it.
func ReadCheckpoint(signed string) (Checkpoint, error) {
	text, _, found := strings.Cut(signed, "\n\n")
	if !found {
		return Checkpoint{}, errCheckpoint
	}
	return parseCheckpoint(text + "\n")
}

var errCheckpoint = fmt.Errorf("a checkpoint has a name, a number of records, a hash and a signature")

func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return Checkpoint{}, errCheckpoint
	}
	size, err1 := strconv.ParseInt(lines[1], 10, 64)
	root, err2 := tlog.ParseHash(lines[2])
	if err1 != nil || err2 != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errCheckpoint
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}
