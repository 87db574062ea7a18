package trail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/rolebroker/rolebroker"
)

// An export is lines of JSON: a start, then records in order, and checkpoints between them.

// line is one line of an export. It has a start, a record or a checkpoint.
type line struct {
	Start      *start          `json:"start,omitempty"`
	Sequence   *int64          `json:"sequence,omitempty"`
	Hash       *Hash           `json:"hash,omitempty"`
	Event      json.RawMessage `json:"event,omitempty"`
	Checkpoint string          `json:"checkpoint,omitempty"`
}

// start is the tree before the first record. It is empty unless earlier records were deleted.
type start struct {
	Size int64  `json:"size"`
	Edge string `json:"edge"`
}

// Exporter writes an export.
type Exporter struct{ to io.Writer }

// NewExporter begins an export after the records of a tree.
func NewExporter(to io.Writer, from Tree) (*Exporter, error) {
	e := &Exporter{to}
	return e, e.write(line{Start: &start{from.Size, from.Edge()}})
}

// Record writes a record that has a place in the tree, with the hash that was kept when it got that place.
func (e *Exporter) Record(r *rolebroker.AuditRecord) error {
	hash, err := tlog.ParseHash(r.Hash)
	if err != nil {
		return fmt.Errorf("event %d (%s): its hash is no hash", r.Sequence, r.ID)
	}
	return e.write(line{Sequence: &r.Sequence, Hash: &hash, Event: r.Record})
}

// Checkpoint writes a signed checkpoint. It follows the last record that it covers.
func (e *Exporter) Checkpoint(signed string) error { return e.write(line{Checkpoint: signed}) }

func (e *Exporter) write(l line) error {
	text, err := l.encode()
	if err != nil {
		return err
	}
	_, err = e.to.Write(text)
	return err
}

// encode returns the only form that a line has.
func (l line) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(l)
	return b.Bytes(), err
}

// decode reads a line. A line of any other form is an error, so that no byte of an export can change unnoticed.
func decode(text []byte) (l line, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, err
	}
	same, err := l.encode()
	if err == nil && !bytes.Equal(same, text) {
		err = errForm
	}
	return l, err
}
