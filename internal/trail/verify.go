package trail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// Expect is what an export is verified against.
type Expect struct {
	Keys note.Verifiers // sign the checkpoints; see [Keys]. nil: nothing signs the trail, and known is not signed

	// Known are signed checkpoints that were kept outside the reach of the server's operator. The export must agree
	// with each that lies in it.
	Known []string

	// Size is how many events whoever made the export says that the trail has, with those before it; 0: it does not say.
	Size int64
}

// Report is what was verified.
type Report struct {
	First       int64 // sequence of the first record
	Records     int64
	Checkpoints int
	Covered     int64      // how many of the records the last checkpoint covers
	Last        Checkpoint // zero if there is none
	Matched     int        // how many of the known checkpoints agree
	Tree        Checkpoint // what the export comes to, which nobody signed
	Unmatched   []int64    // sizes of known checkpoints that lie before the export, which says nothing about them
}

// Broken says which record is the first that is not as it was written.
type Broken struct {
	Sequence int64  // of the record
	ID       string // of the record; empty if it is missing or cannot be read
	Reason   string
}

func (b *Broken) Error() string {
	if b.ID == "" {
		return fmt.Sprintf("event %d: %s", b.Sequence, b.Reason)
	}
	return fmt.Sprintf("event %d (%s): %s", b.Sequence, b.ID, b.Reason)
}

var (
	errForm = errors.New("the line is not as rolebroker writes it")
	errOCSF = errors.New("this is an export as OCSF, which has no checkpoints and cannot be verified; verify one as " +
		"lines of JSON, which rolebroker audit export writes")
	errEmptied = errors.New("the trail had events and has none left: someone deleted them, because retention always " +
		"leaves the event of its own deletion")
	errUnmatched = errors.New("none of your checkpoints could be compared: all are older than the first event that is " +
		"there; if no retention and no --from-sequence left out the events before it, someone deleted them")
	errNotWhole = errors.New("this is no whole export: it does not begin with the state of the trail before its " +
		"first event")
)

// Verify reads an export and returns nil if every record is as it was written, in its order, none missing. An error is
// a [*Broken] if a record is to blame.
func Verify(export io.Reader, expect Expect) (Report, error) {
	v := verifier{known: map[int64][]Checkpoint{}, keys: expect.Keys, size: expect.Size}
	if err := v.expect(expect.Known); err != nil {
		return v.report, err
	}
	lines := bufio.NewReader(export)
	for n := 1; ; n++ {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(text) == 0 {
			v.report.Tree = Checkpoint{Size: v.tree.Size, Root: v.tree.Root()}
			return v.report, v.end()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return v.report, err
		}
		l, err := decode(text)
		if err != nil && n == 1 && bytes.HasPrefix(text, []byte(ocsfBegin)) {
			return v.report, errOCSF
		}
		if err != nil {
			return v.report, v.broken(v.tree.Size, nil, fmt.Sprintf("line %d cannot be read: %s", n, errForm))
		}
		if err := v.read(l); err != nil {
			return v.report, err
		}
	}
}

// verifier is the state of one Verify.
type verifier struct {
	keys   note.Verifiers
	known  map[int64][]Checkpoint // by size
	size   int64
	begun  bool
	tree   Tree
	report Report
}

// expect verifies the known checkpoints themselves.
func (v *verifier) expect(signed []string) error {
	for _, text := range signed {
		c, err := v.open(text)
		if err != nil {
			return err
		}
		v.known[c.Size] = append(v.known[c.Size], c)
	}
	return nil
}

// open verifies a checkpoint, if there are keys, and reads it.
func (v *verifier) open(text string) (Checkpoint, error) {
	if v.keys == nil {
		return ReadCheckpoint(text)
	}
	return OpenCheckpoint(text, v.keys)
}

func (v *verifier) read(l line) error {
	switch {
	case !v.begun && l.Start == nil:
		return errNotWhole
	case !v.begun:
		return v.begin(*l.Start)
	case l.Checkpoint != "":
		return v.checkpoint(l.Checkpoint)
	case l.Sequence != nil && l.Hash != nil && l.Event != nil:
		return v.record(*l.Sequence, *l.Hash, l.Event)
	}
	return v.broken(v.tree.Size, nil, errForm.Error())
}

func (v *verifier) begin(s start) (err error) {
	v.begun = true
	if v.tree, err = Regrow(s.Size, s.Edge); err != nil {
		return err
	}
	v.report.First = s.Size
	for size := range v.known {
		if size < s.Size {
			v.report.Unmatched = append(v.report.Unmatched, size)
		}
	}
	slices.Sort(v.report.Unmatched)
	return v.agree()
}

func (v *verifier) record(sequence int64, hash Hash, record []byte) error {
	switch next := v.tree.Size; {
	case sequence > next:
		return v.broken(next, nil, fmt.Sprintf("missing; the next that is there is event %d", sequence))
	case sequence < next:
		return v.broken(sequence, record, "it is there twice, or out of order")
	case hash != HashOf(record):
		return v.broken(sequence, record, "it was altered after it was recorded")
	}
	v.tree.Append(record)
	v.report.Records++
	return v.agree()
}

// agree compares the tree with the known checkpoints of its size.
func (v *verifier) agree() error {
	for _, c := range v.known[v.tree.Size] {
		if c.Root != v.tree.Root() {
			return v.broken(v.report.First+v.report.Covered, nil, fmt.Sprintf(
				"this event or a later one before event %d is not the one that your checkpoint of %d events covers",
				v.tree.Size, c.Size))
		}
		v.report.Matched++
	}
	return nil
}

func (v *verifier) checkpoint(signed string) error {
	c, err := v.open(signed)
	switch {
	case err != nil:
		return v.broken(v.tree.Size, nil, err.Error())
	case c.Size > v.tree.Size:
		return v.broken(v.tree.Size, nil, fmt.Sprintf("missing; a checkpoint covers %d events", c.Size))
	case c.Size < v.tree.Size || c.Root != v.tree.Root():
		return v.broken(v.report.First+v.report.Covered, nil, fmt.Sprintf(
			"this event or a later one before event %d is not the one that the checkpoint of %d events covers",
			v.tree.Size, c.Size))
	}
	v.report.Checkpoints++
	v.report.Covered, v.report.Last = c.Size-v.report.First, c
	return nil
}

func (v *verifier) end() error {
	if !v.begun {
		return errNotWhole
	}
	for size := range v.known {
		if size > v.tree.Size {
			return v.broken(v.tree.Size, nil, fmt.Sprintf("missing; your checkpoint covers %d events", size))
		}
	}
	if v.tree.Size < v.size {
		return v.broken(v.tree.Size, nil, fmt.Sprintf("missing; the trail is said to have %d events", v.size))
	}
	if v.size > 0 && v.report.Records == 0 {
		return errEmptied
	}
	if len(v.known) > 0 && v.report.Matched == 0 {
		return errUnmatched
	}
	return nil
}

func (v *verifier) broken(sequence int64, record []byte, reason string) *Broken {
	var named struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(record, &named) // an altered record may have no ID
	return &Broken{Sequence: sequence, ID: named.ID, Reason: reason}
}
