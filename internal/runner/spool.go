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

// entry is one thing to be told to the server: that a session began, or what
// came of it.
type entry struct {
	Begin  *api.RunnerSession  `json:"begin,omitempty"`
	ID     string              `json:"id,omitempty"` // of the session that finished
	Finish *api.SessionOutcome `json:"finish,omitempty"`
}

// spool keeps what the server could not be told yet, in the order in which it
// happened: a line of JSON each, on disk before add returns. There is no secret
// in it.
type spool struct {
	path string // empty: in memory only

	mu      sync.Mutex
	entries []entry
}

// maxSpool bounds what is kept, some 30 MB: what cannot be written down is not
// begun.
const maxSpool = 50_000

// openSpool reads what an earlier run left. A line that was cut off by a crash or
// a full disk was acknowledged to nobody, and is dropped.
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
		return nil, fmt.Errorf("reading the sessions that were not told yet: %w", err)
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
		return fmt.Errorf("there are %d to be told already", maxSpool)
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
	defer file.Close() // what matters was synced, or is an error already
	before, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Sync()); err != nil {
		return errors.Join(err, file.Truncate(before)) // the next line is not to be part of this one
	}
	return nil
}

// has says whether something of a session is still to be told.
func (s *spool) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.ID == id || e.Begin != nil && e.Begin.ID == id {
			return true
		}
	}
	return false
}

// first is what is to be told next.
func (s *spool) first() (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.entries) == 0 {
		return entry{}, false
	}
	return s.entries[0], true
}

// told forgets the first, once the server has it. On disk it goes when all have
// gone: telling one twice changes nothing.
func (s *spool) told() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = s.entries[1:]
	if len(s.entries) > 0 || s.path == "" {
		return nil
	}
	return s.write()
}

// pending is how many sessions are still to be told.
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

// write replaces the file by what there is.
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

// replaceFile writes a file that is there whole or as it was.
func replaceFile(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // there is none when all went well
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
