package trail

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/rolebroker/rolebroker"
)

// record returns the nth record of a test.
func record(n int) []byte { return fmt.Appendf(nil, `{"id":"evt_%d","action":"agent.<update>"}`, n) }

// TestTheTreeIsThatOfTransparencyLogs compares roots with an independent implementation that keeps all hashes.
func TestTheTreeIsThatOfTransparencyLogs(t *testing.T) {
	t.Parallel()
	var tree Tree
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (found []tlog.Hash, err error) {
		for _, i := range indexes {
			found = append(found, stored[i])
		}
		return found, nil
	})
	for n := range 200 {
		want, err := tlog.TreeHash(int64(n), reader)
		if err != nil || tree.Root() != want {
			t.Fatalf("the root of %d records is %s, want %s (%v)", n, tree.Root(), want, err)
		}
		again, err := Regrow(tree.Size, tree.Edge())
		if err != nil || again.Root() != want {
			t.Fatalf("the tree of %d records is another one after it was stored: %v", n, err)
		}
		more, err := tlog.StoredHashes(int64(n), record(n), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		before := tree
		tree.Append(record(n))
		if before.Root() != want {
			t.Fatalf("a copy of the tree of %d records changed", n)
		}
	}
}

func TestATreeDoesNotRegrowFromAnotherEdge(t *testing.T) {
	t.Parallel()
	var tree Tree
	for n := range 7 {
		tree.Append(record(n))
	}
	for _, test := range []struct {
		size int64
		edge string
	}{{8, tree.Edge()}, {6, tree.Edge()}, {-1, ""}, {7, "x y z"}, {7, ""}} {
		if _, err := Regrow(test.size, test.edge); err == nil {
			t.Errorf("%d records grew from %q", test.size, test.edge)
		}
	}
}

// sample is an export of ten records with checkpoints after the fourth and the eighth.
type sample struct {
	key   *Key
	lines []string
	four  string // the first checkpoint
	after Tree   // of all records
}

func newSample(t *testing.T, from, to int) sample {
	t.Helper()
	key, _, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return exported(t, key, from, to)
}

func exported(t *testing.T, key *Key, from, to int) sample {
	t.Helper()
	s := sample{key: key}
	for n := range from {
		s.after.Append(record(n))
	}
	var out bytes.Buffer
	e := NewExporter(&out, rolebroker.AuditJSONL)
	if err := e.Start(s.after); err != nil {
		t.Fatal(err)
	}
	for n := from; n < to; n++ {
		hash := s.after.Append(record(n)).String()
		if err := e.Record(&rolebroker.AuditRecord{Sequence: int64(n), Hash: hash, Record: record(n)}); err != nil {
			t.Fatal(err)
		}
		if n%4 != 3 {
			continue
		}
		signed, err := key.Sign(s.after)
		if err == nil {
			err = e.Checkpoint(signed)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 3 {
			s.four = signed
		}
	}
	s.lines = strings.SplitAfter(out.String(), "\n")
	s.lines = s.lines[:len(s.lines)-1]
	return s
}

func (s sample) verify(t *testing.T, text string, known ...string) (Report, error) {
	t.Helper()
	keys, err := Keys(s.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return Verify(strings.NewReader(text), Expect{Keys: keys, Known: known})
}

func TestAnUnalteredExportVerifies(t *testing.T) {
	t.Parallel()
	s := newSample(t, 0, 10)
	got, err := s.verify(t, strings.Join(s.lines, ""), s.four)
	if err != nil || got.Records != 10 || got.Checkpoints != 2 || got.Covered != 8 || got.Last.Size != 8 {
		t.Errorf("%+v, %v", got, err)
	}
	if !strings.Contains(s.lines[1], "agent.<update>") {
		t.Errorf("the record has other bytes in the export: %s", s.lines[1])
	}
}

// TestEveryChangedByteIsFound changes one byte at a time.
func TestEveryChangedByteIsFound(t *testing.T) {
	t.Parallel()
	s := newSample(t, 0, 8) // a checkpoint covers all of it
	whole := []byte(strings.Join(s.lines, ""))
	for i := range whole {
		for _, flip := range []byte{1, 0x20, 0x80} {
			changed := bytes.Clone(whole)
			changed[i] ^= flip
			if _, err := s.verify(t, string(changed)); err == nil {
				t.Errorf("byte %d: %q instead of %q is not found", i, changed[i], whole[i])
			}
		}
	}
}

func TestWhatIsBrokenIsNamed(t *testing.T) {
	t.Parallel()
	s := newSample(t, 0, 10) // start, 0 1 2 3, checkpoint, 4 5 6 7, checkpoint, 8 9
	forged := exported(t, s.key, 0, 10)
	for _, test := range []struct {
		name     string
		lines    func(l []string) []string
		sequence int64
		id       string
	}{
		{"altered", func(l []string) []string {
			l[3] = strings.Replace(l[3], "agent.<update>", "agent.<delete>", 1)
			return l
		}, 2, "evt_2"},
		{"altered with its hash", func(l []string) []string {
			changed := []byte(`{"id":"evt_2","action":"agent.list"}`)
			hash, sequence := HashOf(changed), int64(2)
			text, _ := encode(line{Sequence: &sequence, Hash: &hash, Event: changed})
			l[3] = string(text)
			return l
		}, 0, ""},
		{"dropped", func(l []string) []string { return append(l[:3:3], l[4:]...) }, 2, ""},
		{"dropped before the end", func(l []string) []string { return l[:9] }, -1, ""},
		{"dropped before a checkpoint", func(l []string) []string { return append(l[:9:9], l[10]) }, 7, ""},
		{"swapped", func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }, 1, ""},
		{"doubled", func(l []string) []string { l[3] = l[2]; return l }, 1, "evt_1"},
		{"a checkpoint dropped", func(l []string) []string { return append(l[:5:5], l[6:]...) }, -1, ""},
		{"a checkpoint moved", func(l []string) []string { l[5], l[6] = l[6], l[5]; return l }, 0, ""},
		{"white space added", func(l []string) []string { l[3] = " " + l[3]; return l }, 2, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := s.verify(t, strings.Join(test.lines(append([]string(nil), s.lines...)), ""))
			var broken *Broken
			switch {
			case test.sequence < 0 && err == nil: // nothing covers it, as the report says
			case !errors.As(err, &broken), broken.Sequence != test.sequence, broken.ID != test.id:
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := forged.verify(t, strings.Join(forged.lines[1:], "")); !errors.Is(err, errNotWhole) {
		t.Errorf("without its start: %v", err)
	}
}

// TestAnotherHistoryIsFoundByAKnownCheckpoint is the attack of someone who has the key too.
func TestAnotherHistoryIsFoundByAKnownCheckpoint(t *testing.T) {
	t.Parallel()
	s := newSample(t, 0, 10)
	short := exported(t, s.key, 0, 3)
	var tree Tree
	other := []byte(`{"id":"evt_x"}`)
	var out bytes.Buffer
	e := NewExporter(&out, rolebroker.AuditJSONL)
	_ = e.Start(tree)
	for n := range 8 {
		hash := tree.Append(other).String()
		_ = e.Record(&rolebroker.AuditRecord{Sequence: int64(n), Hash: hash, Record: other})
	}
	signed, _ := s.key.Sign(tree)
	_ = e.Checkpoint(signed)
	for name, text := range map[string]string{"rewritten": out.String(), "cut off": strings.Join(short.lines, "")} {
		if _, err := s.verify(t, text); err != nil {
			t.Errorf("%s, by whoever has the key: %v", name, err)
		}
		if _, err := s.verify(t, text, s.four); err == nil {
			t.Errorf("%s: a checkpoint that was kept elsewhere does not find it", name)
		}
	}
}

// TestALaterExportContinues verifies an export that begins after records that were deleted.
func TestALaterExportContinues(t *testing.T) {
	t.Parallel()
	s := newSample(t, 0, 10)
	late := exported(t, s.key, 6, 10)
	got, err := late.verify(t, strings.Join(late.lines, ""), s.four)
	if err == nil || len(got.Unmatched) != 1 {
		t.Errorf("compared with an earlier checkpoint only: %+v, %v", got, err)
	}
	eight := strings.TrimSuffix(late.lines[3], "\n")
	l, err := decode([]byte(eight + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err = late.verify(t, strings.Join(late.lines, ""), s.four, l.Checkpoint)
	if err != nil || got.First != 6 || got.Records != 4 || got.Covered != 2 || len(got.Unmatched) != 1 ||
		got.Matched != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	text := strings.Replace(strings.Join(late.lines, ""), `"size":6`, `"size":5`, 1)
	if _, err := late.verify(t, text); err == nil {
		t.Error("another start verifies")
	}
}

func TestAnotherKeyIsNotBelieved(t *testing.T) {
	t.Parallel()
	s, other := newSample(t, 0, 10), newSample(t, 0, 10)
	if _, err := other.verify(t, strings.Join(s.lines, "")); err == nil {
		t.Error("checkpoints of another key verify")
	}
	if _, err := other.verify(t, strings.Join(other.lines, ""), s.four); err == nil {
		t.Error("a known checkpoint of another key verifies")
	}
}

func TestTheKeyIsKeptInAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.key")
	key, made, err := OpenKey(path)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	again, made, err := OpenKey(path)
	if err != nil || made || again.Public() != key.Public() {
		t.Fatalf("%v, %v, %v", again, made, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	content, _ := os.ReadFile(path)
	if shown := fmt.Sprintf("%v %+v %#v", key, key, key); strings.Contains(string(content), shown) ||
		strings.Contains(shown, "PRIVATE") {
		t.Errorf("printing shows %s", shown)
	}
	if err := os.WriteFile(path, []byte("PRIVATE+KEY+x+00000000+c2VjcmV0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenKey(path); err == nil || strings.Contains(err.Error(), "c2VjcmV0") {
		t.Errorf("a key that is none: %v", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	var tree Tree
	text := bytes.Repeat([]byte("x"), 600)
	b.ReportAllocs()
	for b.Loop() {
		tree.Append(text)
	}
}

// TestARotatedKeyVerifiesWhatItsPredecessorsSigned rotates a key twice.
func TestARotatedKeyVerifiesWhatItsPredecessorsSigned(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit-key")
	first, _, err := OpenKey(path)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := first.Sign(Tree{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := RotateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = RotateKey(path); err != nil {
		t.Fatal(err)
	}
	third, err := ReadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if all := third.All(); len(all) != 3 || all[1] != second.Public() || all[2] != first.Public() {
		t.Errorf("after two rotations the keys are %q", all)
	}
	if !third.Signed(signed) || first.Signed("nonsense") {
		t.Error("what the first key signed does not verify")
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v (%v)", info.Mode(), err)
	}
	if _, err := ParseKey(first.Public()); err == nil {
		t.Error("a public key signs")
	}
}
