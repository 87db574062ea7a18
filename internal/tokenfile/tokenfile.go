// Package tokenfile reads a token from a file that another program replaces while this
// one runs: a secret manager's agent, or Kubernetes with a projected token.
//
// A [File] is read for each use, so that a new token needs no restart, and follows the
// symlinks that Kubernetes swaps. While the file is missing, empty or malformed, which
// it may be for a moment, the last token stays in use. A pipe is read once.
//
// The package refuses what cannot be a token, and its errors never quote the file's
// content.
//
//	file := tokenfile.New("/run/secrets/rolebroker-token")
//	token, err := file.Token()
package tokenfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/rolebroker/rolebroker"
)

// maxSize bounds a file, in bytes. A Kubernetes token has about one thousand.
const maxSize = 64 << 10

// File is a file with a token. Its methods can be called concurrently.
type File struct {
	path string

	mu   sync.Mutex
	last rolebroker.Secret // the last good token
}

// New returns the file at a path. It does not read it.
func New(path string) *File { return &File{path: path} }

// Known is New for a file that was read already: token is its last token.
func Known(path string, token rolebroker.Secret) *File { return &File{path: path, last: token} }

// Token returns the token that is in the file now. If the file has no good token, it
// returns the last one. It fails only if there never was one.
func (f *File) Token() (rolebroker.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token, err := f.read()
	if err == nil {
		f.last = token
	}
	if f.last.IsZero() {
		return f.last, err
	}
	return f.last, nil
}

// read reads the file. A pipe has its token once, and another read could block.
func (f *File) read() (rolebroker.Secret, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return rolebroker.Secret{}, err
	}
	if !info.Mode().IsRegular() && !f.last.IsZero() {
		return f.last, nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return rolebroker.Secret{}, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return rolebroker.Secret{}, err
	}
	token, err := Parse(strings.TrimSpace(string(content)))
	if err != nil {
		return rolebroker.Secret{}, fmt.Errorf("the file %s %w", f.path, err)
	}
	return token, nil
}

// Errors of Parse; they continue a sentence that begins with the name of the source.
var (
	ErrEmpty     = errors.New("is empty")
	errMalformed = errors.New("has white space or other characters that no token has")
	errLarge     = fmt.Errorf("has more than %d bytes, which no token has", maxSize)
)

// Parse checks that a text can be a token.
func Parse(token string) (rolebroker.Secret, error) {
	switch {
	case len(token) > maxSize:
		return rolebroker.Secret{}, errLarge
	case token == "":
		return rolebroker.Secret{}, ErrEmpty
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return rolebroker.Secret{}, errMalformed
	}
	return rolebroker.NewSecret(token), nil
}
