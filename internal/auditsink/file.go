package auditsink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// File appends to a file, in the form of an export. It writes to a new file once the old one was renamed or deleted, so
// logrotate needs no signal. Each file begins with the state of the tree, as an export does.
type File struct {
	Path   string
	Format rolebroker.AuditFormat
	open   *os.File
	busy   chan error // gets the result of a delivery that took too long; nil: there is none

	sync func(*os.File) error // nil: os.File.Sync; tests have a disk that hangs
}

// Name implements [Sink].
func (f *File) Name() string { return "file:" + f.Path }

// errBusy says that the disk does not answer: a write cannot be cancelled.
var errBusy = errors.New("the disk has not finished an earlier write")

// Deliver implements [Sink]. It returns after the file is on the disk, or when ctx is done. While a write hangs, no other
// begins, and another server can take over.
func (f *File) Deliver(ctx context.Context, b Batch) error {
	if f.isBusy() {
		return errBusy
	}
	done := make(chan error, 1)
	go func() { done <- f.deliver(b) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		f.busy = done
		return errors.Join(errBusy, ctx.Err())
	}
}

// isBusy says whether a write still hangs. Its end does not matter: the pump delivers the events again.
func (f *File) isBusy() bool {
	select {
	case <-f.busy:
		f.busy = nil
	default:
	}
	return f.busy != nil
}

func (f *File) deliver(b Batch) error {
	empty, err := f.reopen()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	exporter := trail.NewExporter(&text, f.Format)
	if empty {
		if err := exporter.Start(b.From); err != nil {
			return err
		}
	}
	err = b.each(exporter.Record, func(c rolebroker.AuditCheckpoint) error { return exporter.Checkpoint(c.Signed) })
	if err != nil {
		return err
	}
	before, err := f.open.Stat()
	if err != nil {
		return err
	}
	if _, err := f.open.Write(text.Bytes()); err != nil { // a disk that is full takes a part
		return errors.Join(err, f.open.Truncate(before.Size()), f.close())
	}
	if f.sync != nil {
		return f.sync(f.open)
	}
	return f.open.Sync()
}

// reopen opens the file unless the open one is still what is called so. It removes a last line that was not written
// whole; the pump delivers that event again.
func (f *File) reopen() (empty bool, err error) {
	if f.open != nil && f.isCurrent() {
		info, err := f.open.Stat()
		return err == nil && info.Size() == 0, err
	}
	if err := f.close(); err != nil {
		return false, err
	}
	opened, err := os.OpenFile(f.Path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return false, err
	}
	size, err := f.begin(opened)
	if err != nil {
		return false, errors.Join(err, opened.Close())
	}
	f.open = opened
	return size == 0, nil
}

// begin makes sure that nobody else writes to the file, and that it has whole lines of the format. It returns its size.
func (f *File) begin(file *os.File) (size int64, err error) {
	if err := lock(file); err != nil {
		return 0, err
	}
	if size, err = wholeLines(file); err != nil {
		return 0, err
	}
	if err := file.Truncate(size); err != nil || size == 0 {
		return 0, err
	}
	return size, f.sameFormat(file)
}

// errLocked says that two servers have the same file, as on a volume that they share. Together they would tear lines.
var errLocked = errors.New("another server writes to the file; give each server a file of its own")

// errFormat says that the file begins in another format: before, the server had another setting.
var errFormat = errors.New("the file has events in another format; rename it, and the server makes a new one")

// sameFormat returns an error unless what the file begins with is of the format.
func (f *File) sameFormat(file *os.File) error {
	begin := make([]byte, 64)
	n, err := file.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !trail.NewExporter(nil, f.Format).Wrote(begin[:n]) {
		return errFormat
	}
	return nil
}

// isCurrent says whether the open file still has the path.
func (f *File) isCurrent() bool {
	named, err := os.Stat(f.Path)
	if err != nil {
		return false
	}
	open, err := f.open.Stat()
	return err == nil && os.SameFile(named, open)
}

// wholeLines returns the size of a file without a last line that has no end.
func wholeLines(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("it is not a regular file")
	}
	block := make([]byte, 64<<10)
	for end := info.Size(); end > 0; {
		from := max(0, end-int64(len(block)))
		part := block[:end-from]
		if _, err := f.ReadAt(part, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// Close implements [Sink]. It leaves a file alone whose disk does not answer.
func (f *File) Close() error {
	if f.isBusy() {
		return errBusy
	}
	return f.close()
}

func (f *File) close() error {
	if f.open == nil {
		return nil
	}
	err := f.open.Close()
	f.open = nil
	return err
}
