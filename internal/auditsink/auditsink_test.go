package auditsink

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

// memory is a Store with one sink, and a trail that grows.
type memory struct {
	sync.Mutex  // for a pump that runs
	tree        trail.Tree
	records     []rolebroker.AuditRecord
	checkpoints []rolebroker.AuditCheckpoint
	key         *trail.Key

	done       rolebroker.AuditProgress
	edge       string
	moveBroken bool
	away       bool       // every claim fails
	taken      bool       // another server has the sink
	first      trail.Tree // before the first event that is still there
}

func newMemory(t *testing.T) *memory {
	t.Helper()
	key, _, err := trail.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return &memory{key: key}
}

// grow adds n events and signs a checkpoint.
func (m *memory) grow(t *testing.T, n int) {
	t.Helper()
	m.Lock()
	defer m.Unlock()
	for range n {
		e := rolebroker.AuditEvent{ID: rolebroker.NewAuditEventID(), At: time.UnixMilli(int64(m.tree.Size)),
			Action: "agent.create", Actor: rolebroker.Caller{APIKey: "key_1", Name: "ci", Address: "192.0.2.7"}}
		record, err := trail.Record(&e)
		if err != nil {
			t.Fatal(err)
		}
		r := rolebroker.AuditRecord{ID: e.ID, At: e.At, Sequence: m.tree.Size, Record: record}
		r.Hash = m.tree.Append(record).String()
		m.records = append(m.records, r)
	}
	signed, err := m.key.Sign(m.tree)
	if err != nil {
		t.Fatal(err)
	}
	m.checkpoints = append(m.checkpoints, rolebroker.AuditCheckpoint{Size: m.tree.Size, Signed: signed})
}

func (m *memory) ClaimSink(
	context.Context, string, string, time.Time, time.Time,
) (*rolebroker.AuditProgress, string, error) {
	m.Lock()
	defer m.Unlock()
	switch done := m.done; {
	case m.away:
		return nil, "", errors.New("the database is away")
	case m.taken:
		return nil, "", nil
	default:
		return &done, m.edge, nil
	}
}

func (m *memory) MoveSink(
	_ context.Context, _, _ string, from rolebroker.AuditProgress, to trail.Tree, checkpoint int64,
) error {
	m.Lock()
	defer m.Unlock()
	if m.moveBroken || from != m.done {
		return errors.New("the database is away")
	}
	m.done, m.edge = rolebroker.AuditProgress{Size: to.Size, Checkpoint: checkpoint}, to.Edge()
	return nil
}

func (m *memory) ReleaseSink(context.Context, string, string) error { return nil }

func (m *memory) PlacedEvents(_ context.Context, from int64, limit int) ([]rolebroker.AuditRecord, error) {
	m.Lock()
	defer m.Unlock()
	left := m.records[min(from, int64(len(m.records))):]
	return left[:min(limit, len(left))], nil
}

func (m *memory) Checkpoints(_ context.Context, from int64, limit int) (all []rolebroker.AuditCheckpoint, _ error) {
	m.Lock()
	defer m.Unlock()
	for _, c := range m.checkpoints {
		if c.Size >= from {
			all = append(all, c)
		}
	}
	return all, nil
}

func (m *memory) Trail(context.Context) (trail.Tree, error) { return m.first, nil }

func (m *memory) AuditTrail(context.Context) (rolebroker.AuditTrail, error) {
	m.Lock()
	defer m.Unlock()
	return rolebroker.AuditTrail{Size: m.tree.Size}, nil
}

// be makes the database be away, or be there again.
func (m *memory) be(away bool) {
	m.Lock()
	defer m.Unlock()
	m.away = away
}

// pump returns a pump, and what it logs.
func (m *memory) pump(sink Sink) (*Pump, *bytes.Buffer) {
	var log bytes.Buffer
	return &Pump{Store: m, Sink: sink, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}, &log
}

// flaky is a sink that fails until a time.
type flaky struct {
	until time.Time
	after time.Duration // what it asks for
	tries atomic.Int64  // read while the pump runs
	got   []int64
}

func (f *flaky) Name() string { return "flaky" }
func (f *flaky) Close() error { return nil }
func (f *flaky) Deliver(_ context.Context, b Batch) error {
	f.tries.Add(1)
	if time.Now().Before(f.until) {
		return &Retry{After: f.after, Err: errors.New("503")}
	}
	for _, r := range b.Records {
		f.got = append(f.got, r.Sequence)
	}
	return nil
}

func TestAReceiverThatIsAwayGetsEverythingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, sink := newMemory(t), &flaky{until: time.Now().Add(time.Minute)}
		m.grow(t, 1200)
		p, log := m.pump(sink)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.Run(ctx)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if p.Lag() != 1200 || sink.tries.Load() > 6 {
			t.Errorf("after 30s the lag is %d, after %d tries", p.Lag(), sink.tries.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := make([]int64, 1200)
		for i := range want {
			want[i] = int64(i)
		}
		if !slices.Equal(sink.got, want) || p.Lag() != 0 {
			t.Errorf("got %d events, lag %d", len(sink.got), p.Lag())
		}
		if strings.Count(log.String(), "level=ERROR") != 1 {
			t.Errorf("the log is %s", log)
		}
	})
}

func TestAReceiverIsNotAskedBeforeItWantsToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, sink := newMemory(t), &flaky{until: time.Now().Add(time.Hour), after: 5 * time.Minute}
		m.grow(t, 1)
		p, _ := m.pump(sink)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go p.Run(ctx)
		time.Sleep(299 * time.Second)
		synctest.Wait()
		if sink.tries.Load() != 1 {
			t.Errorf("it was asked %d times", sink.tries.Load())
		}
	})
}

func TestWhatIsNotKnownToBeDeliveredIsDeliveredAgain(t *testing.T) {
	m, sink := newMemory(t), &flaky{}
	m.grow(t, 2)
	p, _ := m.pump(sink)
	m.moveBroken = true
	if err := p.deliverAll(t.Context()); err == nil {
		t.Error("the database was away, and nobody noticed")
	}
	m.moveBroken = false
	if err := p.deliverAll(t.Context()); err != nil || !slices.Equal(sink.got, []int64{0, 1, 0, 1}) {
		t.Errorf("got %v, %v", sink.got, err)
	}
}

func TestRetentionDoesNotEndTheDelivery(t *testing.T) {
	m, sink := newMemory(t), &flaky{}
	m.grow(t, 3)
	m.first = m.tree
	m.grow(t, 2)
	p, log := m.pump(sink)
	if err := p.deliverAll(t.Context()); err != nil || !slices.Equal(sink.got, []int64{3, 4}) {
		t.Errorf("got %v, %v", sink.got, err)
	}
	if !strings.Contains(log.String(), "deleted before they were delivered") || !strings.Contains(log.String(), "to=2") {
		t.Errorf("the log is %s", log)
	}
}

func TestEventsThatWereDeletedAreMissed(t *testing.T) {
	m, sink := newMemory(t), &flaky{}
	m.grow(t, 3)
	m.records = m.records[1:]
	p, _ := m.pump(sink)
	if err := p.deliverAll(t.Context()); err == nil || len(sink.got) > 0 {
		t.Errorf("got %v, %v", sink.got, err)
	}
}

// verify verifies a file as an export.
func (m *memory) verify(t *testing.T, path string) trail.Report {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keys, err := trail.Keys(m.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	report, err := trail.Verify(f, trail.Expect{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEachFileOfARotationIsAnExport(t *testing.T) {
	m, path := newMemory(t), filepath.Join(t.TempDir(), "audit.jsonl")
	sink := &File{Path: path}
	p, _ := m.pump(sink)
	deliver := func(n int) {
		t.Helper()
		m.grow(t, n)
		if err := p.deliverAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	deliver(3)
	deliver(700)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	deliver(5)
	if r := m.verify(t, path+".1"); r.First != 0 || r.Records != 703 || r.Covered != 703 || r.Checkpoints != 2 {
		t.Errorf("the first file has %+v", r)
	}
	if r := m.verify(t, path); r.First != 703 || r.Records != 5 || r.Covered != 5 {
		t.Errorf("the second file has %+v", r)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
}

func TestALineThatWasNotWrittenWholeIsWrittenAgain(t *testing.T) {
	m, path := newMemory(t), filepath.Join(t.TempDir(), "audit.jsonl")
	killed := &File{Path: path}
	p, _ := m.pump(killed)
	m.grow(t, 2)
	before := m.done
	if err := errors.Join(p.deliverAll(t.Context()), killed.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	if err := os.WriteFile(path, whole[:first+40], 0o600); err != nil { // killed while it wrote the first event
		t.Fatal(err)
	}
	m.done, m.edge = before, ""
	p, _ = m.pump(&File{Path: path})
	if err := p.deliverAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.verify(t, path); r.Records != 2 || r.Covered != 2 {
		t.Errorf("the file has %+v", r)
	}
}

// TestADiskThatHangsIsLeft has a disk whose sync does not return. The pump's try ends before its lease does, no second
// write begins, and everything is in the file once the disk answers.
func TestADiskThatHangsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, path := newMemory(t), filepath.Join(t.TempDir(), "audit.jsonl")
		hangs, syncs := make(chan struct{}), atomic.Int64{}
		sink := &File{Path: path, sync: func(f *os.File) error {
			syncs.Add(1)
			<-hangs
			return f.Sync()
		}}
		p, _ := m.pump(sink)
		m.grow(t, 3)
		start := time.Now()
		if err := p.deliverAll(t.Context()); !errors.Is(err, errBusy) {
			t.Fatalf("delivering to a disk that hangs: %v", err)
		}
		if took := time.Since(start); took >= lease/2 {
			t.Errorf("the try took %v of a lease of %v", took, lease)
		}
		if err := p.deliverAll(t.Context()); !errors.Is(err, errBusy) || syncs.Load() != 1 {
			t.Errorf("the next try: %v, after %d writes", err, syncs.Load())
		}
		if err := sink.Close(); !errors.Is(err, errBusy) {
			t.Errorf("closing a file under a write: %v", err)
		}
		close(hangs)
		synctest.Wait()
		if err := p.deliverAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), `"sequence":2`); n != 2 { // it was written, and nobody knew
			t.Errorf("the last event is %d times in\n%s", n, text)
		}
	})
}

// TestTwoServersDoNotTearAFile has both on one path. Only the first writes, until it sees that the other has the sink.
func TestTwoServersDoNotTearAFile(t *testing.T) {
	m, path := newMemory(t), filepath.Join(t.TempDir(), "audit.jsonl")
	first, _ := m.pump(&File{Path: path})
	second, _ := m.pump(&File{Path: path})
	m.grow(t, 2)
	if err := first.deliverAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.grow(t, 2)
	if err := second.deliverAll(t.Context()); !errors.Is(err, errLocked) {
		t.Fatalf("the second server: %v", err)
	}
	m.taken = true
	if err := first.deliverAll(t.Context()); err != nil || first.Lag() != 0 {
		t.Fatalf("the first server, whose sink is taken: %v", err)
	}
	m.taken = false
	if err := second.deliverAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.verify(t, path); r.Records != 4 || r.Covered != 4 {
		t.Errorf("the file has %+v", r)
	}
}

// TestTheLagIsKeptWhileTheDatabaseIsAway shows an operator that something waits, and that delivering fails.
func TestTheLagIsKeptWhileTheDatabaseIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		sink := &flaky{until: time.Now().Add(time.Minute)}
		p, _ := m.pump(sink)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		check := func(after time.Duration, lag int64, failing bool) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if p.Lag() != lag || p.Failing() != failing {
				t.Errorf("the lag is %d, failing is %v; want %d, %v", p.Lag(), p.Failing(), lag, failing)
			}
		}
		check(0, 0, false)
		m.grow(t, 3)
		check(10*time.Second, 3, true)
		m.be(true)
		check(5*time.Minute, 3, true)
		m.be(false)
		check(longestWait, 0, false)
		stop()
		running.Wait()
	})
}

// receiver is an OTLP receiver.
type receiver struct {
	status  int
	answer  string
	got     []string // bodies of log records
	request *http.Request
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc.request = r
	body, _ := io.ReadAll(r.Body)
	var sent struct {
		ResourceLogs []struct {
			ScopeLogs []struct {
				LogRecords []struct {
					Body struct {
						StringValue string `json:"stringValue"`
					} `json:"body"`
					TimeUnixNano string `json:"timeUnixNano"`
				} `json:"logRecords"`
			} `json:"scopeLogs"`
		} `json:"resourceLogs"`
	}
	if json.Unmarshal(body, &sent) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if rc.status != 0 {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(rc.status)
		return
	}
	for _, r := range sent.ResourceLogs[0].ScopeLogs[0].LogRecords {
		rc.got = append(rc.got, r.Body.StringValue)
	}
	fmt.Fprint(w, rc.answer)
}

func TestOTLP(t *testing.T) {
	rc := &receiver{answer: `{"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "too old"}}`}
	server := httptest.NewServer(rc)
	defer server.Close()
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("Authorization=Bearer s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var warned []any
	sink, err := NewOTLP(server.URL+"/v1/logs", headers, "", "1.2.3", func(_ string, args ...any) { warned = args })
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(t)
	m.grow(t, 2)
	p, _ := m.pump(sink)
	for _, rc.status = range []int{503, 401, 302} {
		err := p.deliverAll(t.Context())
		retry, ok := errors.AsType[*Retry](err)
		if !ok || retry.After != 7*time.Second || m.done.Size != 0 || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: %v", rc.status, err)
		}
	}
	rc.status = 0
	if err := p.deliverAll(t.Context()); err != nil || m.done.Size != 2 {
		t.Fatal(err, m.done)
	}
	want := []string{string(m.records[0].Record), string(m.records[1].Record)}
	if !slices.Equal(rc.got, want) || rc.request.Header.Get("Authorization") != "Bearer s3cret" {
		t.Errorf("the receiver got %v with %v", rc.got, rc.request.Header)
	}
	if !slices.Contains(warned, any(`"too old"`)) {
		t.Errorf("the log has %v", warned)
	}
}

func TestOTLPTrustsThePrivateAuthorityOnly(t *testing.T) {
	rc := &receiver{}
	server := httptest.NewTLSServer(rc)
	server.Config.ErrorLog = nil
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(server.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"", ca} {
		sink, err := NewOTLP(server.URL, "", file, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		m := newMemory(t)
		m.grow(t, 1)
		p, _ := m.pump(sink)
		if err := p.deliverAll(t.Context()); (err == nil) != (file == ca) {
			t.Errorf("with CA %q: %v", file, err)
		}
	}
}

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
