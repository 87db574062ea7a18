package trail

import (
	"bytes"
	"context"
	"encoding/json"
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

// Source is where Export reads from.
type Source interface {
	// TreeAt returns the tree before the event with a sequence.
	TreeAt(ctx context.Context, sequence int64) (Tree, error)

	// PlacedEvents lists events from a sequence on, in order.
	PlacedEvents(ctx context.Context, from int64, limit int) ([]rolebroker.AuditRecord, error)

	// Checkpoints lists signed checkpoints from a size on, in order.
	Checkpoints(ctx context.Context, from int64, limit int) ([]rolebroker.AuditCheckpoint, error)
}

// exportPage is how many events Export reads at once.
const exportPage = 500

// Export writes the events of a trail with the sequences from, up to size, which is that of the trail. It keeps one
// page in memory. It writes what the source has, and judges nothing but whether that can be written: see [Verify].
func Export(ctx context.Context, src Source, from, size int64, e *Exporter) error {
	tree, err := src.TreeAt(ctx, from)
	if err != nil {
		return err
	}
	if err := e.Start(tree); err != nil {
		return err
	}
	checkpoints := &ahead{src: src, next: max(from, 1)}
	for next := from; next < size; {
		page, err := src.PlacedEvents(ctx, next, int(min(exportPage, size-next)))
		if err != nil {
			return err
		}
		for i := range page {
			if err := checkpoints.write(ctx, e, page[i].Sequence); err != nil {
				return err
			}
			if err := e.Record(&page[i]); err != nil {
				return err
			}
			next = page[i].Sequence + 1
		}
		if len(page) == 0 {
			break
		}
	}
	return checkpoints.write(ctx, e, size)
}

// ahead reads checkpoints as an export needs them.
type ahead struct {
	src  Source
	next int64 // the size to read from
	page []rolebroker.AuditCheckpoint
	end  bool
}

// write writes the checkpoints that cover at most size events.
func (a *ahead) write(ctx context.Context, e *Exporter, size int64) (err error) {
	for {
		if len(a.page) == 0 && !a.end {
			if a.page, err = a.src.Checkpoints(ctx, a.next, exportPage); err != nil {
				return err
			}
			a.end = len(a.page) == 0
		}
		if a.end || a.page[0].Size > size {
			return nil
		}
		if err := e.Checkpoint(a.page[0].Signed); err != nil {
			return err
		}
		a.next, a.page = a.page[0].Size+1, a.page[1:]
	}
}

// Exporter writes an export. As OCSF, it has records only.
type Exporter struct {
	to   io.Writer
	ocsf bool
}

// NewExporter returns an exporter in a format.
func NewExporter(to io.Writer, format rolebroker.AuditFormat) *Exporter {
	return &Exporter{to, format == rolebroker.AuditOCSF}
}

// Wrote says whether a text that begins a file can be of an export in the format of e.
func (e *Exporter) Wrote(begin []byte) bool {
	n := min(len(begin), len(ocsfBegin))
	return string(begin[:n]) == ocsfBegin[:n] == e.ocsf
}

// Start begins an export after the records of a tree. One that goes on has a beginning.
func (e *Exporter) Start(from Tree) error {
	if e.ocsf {
		return nil
	}
	return e.write(line{Start: &start{from.Size, from.Edge()}})
}

// Record writes a record that has a place in the tree, with the hash that was kept when it got that place.
func (e *Exporter) Record(r *rolebroker.AuditRecord) error {
	hash, err := tlog.ParseHash(r.Hash)
	if err != nil {
		return &Broken{r.Sequence, string(r.ID), "its hash is no hash"}
	}
	if compact := new(bytes.Buffer); json.Compact(compact, r.Record) != nil || !bytes.Equal(compact.Bytes(), r.Record) {
		return &Broken{r.Sequence, string(r.ID), "it was altered after it was recorded"}
	}
	l := line{Sequence: &r.Sequence, Hash: &hash, Event: r.Record}
	if !e.ocsf {
		return e.write(l)
	}
	shown, err := ocsfEvent(r, l)
	if err != nil {
		return err
	}
	return e.write(shown)
}

// Checkpoint writes a signed checkpoint. It follows the last record that it covers.
func (e *Exporter) Checkpoint(signed string) error {
	if e.ocsf {
		return nil
	}
	return e.write(line{Checkpoint: signed})
}

func (e *Exporter) write(line any) error {
	text, err := encode(line)
	if err != nil {
		return err
	}
	_, err = e.to.Write(text)
	return err
}

// encode returns the only form that a line has.
func encode(line any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(line)
	return b.Bytes(), err
}

// decode reads a line. A line of any other form is an error, so that no byte of an export can change unnoticed.
func decode(text []byte) (l line, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, err
	}
	same, err := encode(l)
	if err == nil && !bytes.Equal(same, text) {
		err = errForm
	}
	return l, err
}
