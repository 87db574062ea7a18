package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/rolebroker/rolebroker/api"
)

// entry is one message to the server: a session began, or its outcome.
type entry struct {
	Begin  *api.RunnerSession  `json:"begin,omitempty"`
	ID     string              `json:"id,omitempty"` // of the session that finished
	Finish *api.SessionOutcome `json:"finish,omitempty"`
}

// session is the ID of the session that the entry is about.
func (e entry) session() string {
	if e.Begin != nil {
		return e.Begin.ID
	}
	return e.ID
}

// spool keeps the messages that the server could not be sent, in their order: a
// line of JSON each, on disk before add returns. They hold no secret.
type spool struct {
	path string // empty: in memory only

	mu      sync.Mutex
	entries []entry
}

// maxSpool bounds the spool, to some 30 MB. A session that cannot be spooled is
// not begun; the outcome of one that was begun always fits.
const maxSpool = 50_000

// openSpool reads what an earlier run left. It drops a line that a crash or a
// full disk cut off: add did not succeed for that one.
func openSpool(folder string) (*spool, error) {
	if folder == "" {
		return &spool{}, nil
	}
	s := &spool{path: filepath.Join(folder, "sessions.jsonl")}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the spooled sessions: %w", err)
	}
	for line := range bytes.Lines(text) {
		var e entry
		if json.Unmarshal(line, &e) == nil && (e.Begin != nil || e.Finish != nil) {
			s.entries = append(s.entries, e)
		}
	}
	return s, s.write()
}

// add keeps one more, durably.
func (s *spool) add(e entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) >= maxSpool && e.Begin != nil {
		return fmt.Errorf("%d messages to the server are spooled already", len(s.entries))
	}
	s.entries = append(s.entries, e)
	if s.path == "" {
		return nil
	}
	err := appendLine(s.path, e)
	if err != nil {
		s.entries = s.entries[:len(s.entries)-1]
	}
	return err
}

func appendLine(path string, e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close() // the line was synced, or there is an error already
	before, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Sync()); err != nil {
		return errors.Join(err, file.Truncate(before)) // so that the next line does not join this one
	}
	return nil
}

// has reports whether an entry is about the session.
func (s *spool) has(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.session() == session {
			return true
		}
	}
	return false
}

// first is the oldest entry.
func (s *spool) first() (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) == 0 {
		return entry{}, false
	}
	return s.entries[0], true
}

// dropFirst forgets the oldest entry, once the server has it. The file is only
// emptied, when the last entry is dropped: sending an entry twice changes
// nothing.
func (s *spool) dropFirst() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = s.entries[1:]
	if len(s.entries) > 0 || s.path == "" {
		return nil
	}
	return s.write()
}

// pending counts the sessions whose begin is spooled.
func (s *spool) pending() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.Begin != nil {
			n++
		}
	}
	return n
}

// write replaces the file with the entries.
func (s *spool) write() error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, e := range s.entries {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	return replaceFile(s.path, text.Bytes())
}

// replaceFile replaces a file as a whole, or leaves it as it was.
func replaceFile(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // it is gone if all went well
	_, err = file.Write(text)
	if err := errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
