package gateway_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// ledger is the records of calls.
type ledger struct {
	mu    sync.Mutex
	calls map[rolebroker.CallID]rolebroker.Call
	err   error
}

func (l *ledger) RecordCalls(_ context.Context, calls []rolebroker.Call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	for _, c := range calls {
		if l.calls == nil {
			l.calls = map[rolebroker.CallID]rolebroker.Call{}
		}
		l.calls[c.ID] = c
	}
	return nil
}

// fails has recording fail, or work again.
func (l *ledger) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

// all are the calls, the oldest first, as "operation level decision outcome".
func (l *ledger) all() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var calls []rolebroker.Call
	for _, c := range l.calls {
		calls = append(calls, c)
	}
	slices.SortFunc(calls, func(a, b rolebroker.Call) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, c := range calls {
		said := fmt.Sprint(c.Operation, " ", c.Level, " ", c.Decision, " ", c.Outcome())
		if c.Times != 1 {
			said += fmt.Sprint(" ", c.Times)
		}
		all = append(all, said)
	}
	return all
}

// recorded is a world whose calls are recorded. Its clock is moved by the test.
type recorded struct {
	*world
	ledger ledger
	clock  time.Time
	aws    func(http.ResponseWriter, *http.Request)
}

func newRecorded(t *testing.T, change func(*gateway.Options)) *recorded {
	w := &recorded{world: newWorld(t), clock: now}
	stand := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("X-Amzn-Requestid", "ID-OF-AWS")
		if w.aws != nil {
			w.aws(rw, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(rw, "{}")
	}))
	t.Cleanup(stand.Close)
	opts := gateway.Options{Keys: w.keys, Lender: w, Approver: w, Records: &w.ledger, Now: func() time.Time { return w.clock },
		Endpoint: func(endpoint.Service) string { return stand.URL }, Metrics: new(prometheus.Registry)}
	if change != nil {
		change(&opts)
	}
	w.gateway = gateway.New(opts)
	return w
}

// call sends an operation of DynamoDB about the table orders, and returns the status and the answer.
func (w *recorded) call(operation string) (status int, body string) {
	w.t.Helper()
	const asks = `{"TableName":"orders","Key":{"secret":{"S":"secret value"}}}`
	r := httptest.NewRequest("POST", "http://127.0.0.1:7777/?x-debug=secret+parameter", strings.NewReader(asks))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	r.Header.Set("X-Note", "secret header")
	hash := sha256.Sum256([]byte(asks))
	w.sign(r, w.key(), hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1")
	w.clock = w.clock.Add(time.Millisecond) // a call later has a greater ID
	answer := w.answer(r)
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

func (w *recorded) flush() {
	w.t.Helper()
	if err := w.gateway.Flush(context.Background(), false); err != nil {
		w.t.Fatal(err)
	}
}

// has checks what is recorded.
func (w *recorded) has(want ...string) {
	w.t.Helper()
	if got := w.ledger.all(); !slices.Equal(got, want) {
		w.t.Errorf("recorded are %q, want %q", got, want)
	}
}

func TestAWriteIsRecordedBeforeAWSGetsIt(t *testing.T) {
	w := newRecorded(t, nil)
	w.aws = func(rw http.ResponseWriter, r *http.Request) {
		w.has("PutItem write allowed unknown")
		_, _ = io.Copy(io.Discard, r.Body)
		rw.WriteHeader(400)
		_, _ = io.WriteString(rw, "four")
	}
	if status, _ := w.call("PutItem"); status != 400 {
		t.Errorf("it is answered with %d", status)
	}
	w.flush()
	w.has("PutItem write allowed answered")
	for id, c := range w.ledger.calls {
		want := rolebroker.Call{ID: id, EndedAt: w.clock, Agent: "agt_scout", AgentName: "scout", Token: "tok_scout",
			Address: "192.0.2.1", Integration: "int_p", IntegrationName: "production", Role: "rol_d", RoleName: "deployer",
			ARN: c.ARN, Task: "deploy", Service: "dynamodb", Operation: "PutItem", Actions: []string{"dynamodb:PutItem"},
			Region: "eu-west-1", Resources: []string{"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"},
			Level: rolebroker.CallWrite, Decision: rolebroker.CallAllowed, Times: 1, Status: 400, RequestID: "ID-OF-AWS",
			BytesIn: 60, BytesOut: 4}
		if fmt.Sprint(c) != fmt.Sprint(want) || c.BeganAt() != w.clock {
			t.Errorf("recorded is\n%+v, want\n%+v", c, want)
		}
	}
}

func TestAReadIsRecordedSoonAfter(t *testing.T) {
	w := newRecorded(t, nil)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.aws = func(rw http.ResponseWriter, r *http.Request) { close(arrived); <-goOn }
	done := make(chan struct{})
	go func() { defer close(done); w.call("GetItem") }()
	<-arrived
	w.has()
	w.flush()
	w.has("GetItem read allowed unknown")
	close(goOn)
	<-done
	w.flush()
	w.has("GetItem read allowed answered")
}

func TestWhatCannotBeRecorded(t *testing.T) {
	w := newRecorded(t, nil)
	w.ledger.fails(errors.New("disk full"))
	status, body := w.call("PutItem")
	if status != 503 || !strings.Contains(body, "ServiceUnavailableException") ||
		!strings.Contains(body, "cannot record this call") {
		t.Errorf("a write is answered with %d %s", status, body)
	}
	reads := func(want int) {
		t.Helper()
		if status, body := w.call("GetItem"); status != want {
			t.Errorf("a read is answered with %d %s, want %d", status, body, want)
		}
	}
	reads(200)
	if err := w.gateway.Flush(context.Background(), false); err == nil {
		t.Error("nothing says that calls are not recorded")
	}
	reads(200)
	w.clock = w.clock.Add(time.Minute + time.Second)
	reads(503)
	w.has()
	w.ledger.fails(nil)
	w.flush()
	reads(200)
	w.flush()
	w.has("GetItem read allowed answered", "GetItem read allowed answered", "GetItem read allowed answered")
	if status, _ := w.call("PutItem"); status != 200 {
		t.Errorf("a write is answered with %d again", status)
	}
}

// TestReadsThatWaitForTheirRecordAreBounded has an outage, and more reads than the memory for them takes.
func TestReadsThatWaitForTheirRecordAreBounded(t *testing.T) {
	w := newRecorded(t, func(o *gateway.Options) { o.Transport = new(catcher) })
	w.ledger.fails(errors.New("disk full"))
	n := 0
	for ; ; n++ {
		if status, _ := w.call("GetItem"); status != 200 {
			break
		}
		if n > 100_000 {
			t.Fatal("there is no bound")
		}
	}
	if n < 5_000 {
		t.Errorf("only %d reads are kept", n)
	}
	w.ledger.fails(nil)
	w.flush()
	if got := len(w.ledger.all()); got != n {
		t.Errorf("%d of %d calls are recorded", got, n)
	}
	if status, _ := w.call("GetItem"); status != 200 {
		t.Errorf("afterwards a read is answered with %d", status)
	}
}

func TestRefusedCallsAreRecorded(t *testing.T) {
	w := newRecorded(t, nil)
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "agent scout is disabled")
	for range 100 {
		if status, _ := w.call("PutItem"); status != 403 {
			t.Fatalf("it is answered with %d", status)
		}
	}
	w.flush()
	w.has("PutItem write refused not_sent")
	w.clock = w.clock.Add(time.Minute)
	w.flush()
	w.has("PutItem write refused not_sent", "PutItem write refused not_sent 99")
	for _, c := range w.ledger.calls {
		if c.Code != rolebroker.CodeDenied || c.Reason != "agent scout is disabled" || c.Session != "" {
			t.Errorf("recorded is %+v", c)
		}
	}
	w.denial = nil
	w.call("NoSuchOperation")
	w.flush()
	w.has("PutItem write refused not_sent", "PutItem write refused not_sent 99", " permissions refused not_sent")
}

// TestALoopOfRefusalsIsBounded has an agent that invents things to be refused.
func TestALoopOfRefusalsIsBounded(t *testing.T) {
	w := newRecorded(t, nil)
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "no")
	operations := []string{"PutItem", "GetItem", "DeleteItem", "UpdateItem", "Query", "Scan", "BatchGetItem", "CreateTable",
		"DeleteTable", "DescribeTable", "ListTables", "UpdateTable", "TagResource", "UntagResource", "ListTagsOfResource",
		"CreateBackup", "DeleteBackup", "DescribeBackup", "ListBackups", "RestoreTableFromBackup", "DescribeLimits",
		"DescribeEndpoints", "ListGlobalTables", "CreateGlobalTable", "ListExports", "ListImports"}
	for range 3 {
		for _, operation := range operations {
			w.call(operation)
		}
	}
	w.flush()
	if n := len(w.ledger.all()); n != 21 {
		t.Errorf("%d calls are recorded of %d kinds", n, len(operations))
	}
}

func TestNoRecordHasContent(t *testing.T) {
	w := newRecorded(t, nil)
	w.call("PutItem")
	w.call("GetItem")
	w.flush()
	if text := fmt.Sprintf("%+v", w.ledger.calls); strings.Contains(text, "secret") || len(w.ledger.calls) != 2 {
		t.Errorf("recorded is %s", text)
	}
	w = newRecorded(t, func(o *gateway.Options) { o.RedactResources = true })
	w.call("PutItem")
	if text := fmt.Sprintf("%+v", w.ledger.calls); strings.Contains(text, "orders") || len(w.ledger.calls) != 1 {
		t.Errorf("without resources recorded is %s", text)
	}
}

func TestWhoIsNotIdentifiedLeavesNoRecord(t *testing.T) {
	w := newRecorded(t, nil)
	r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable")
	w.refused(r, 403, "SignatureDoesNotMatch")
	w.flush()
	w.has()
}
