package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/gateway"
	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// timestream is AWS with one cell.
type timestream struct {
	cell string
	got  []string // host, operation and the key that signed
}

func (ts *timestream) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(scope, "/")
	ts.got = append(ts.got, r.URL.Host+" "+operation+" "+key)
	rec := httptest.NewRecorder()
	switch {
	case operation == "DescribeEndpoints":
		io.WriteString(rec, `{"Endpoints":[{"Address":"`+ts.cell+`","CachePeriodInMinutes":1440}]}`)
	case !strings.HasPrefix(r.URL.Host, ts.cell):
		rec.WriteHeader(http.StatusMisdirectedRequest)
	default:
		io.WriteString(rec, "answer of AWS")
	}
	answer := rec.Result()
	answer.ContentLength = int64(rec.Body.Len())
	return answer, nil
}

// An agent that asks for the host of Timestream stays at the gateway, which sends its requests to the cell.
func TestTimestreamStaysAtTheGateway(t *testing.T) {
	const cell = "ingest-cell2.timestream.eu-west-1.amazonaws.com"
	const regional = "ingest.timestream.eu-west-1.amazonaws.com"
	w, at := newWorld(t), &timestream{cell: cell}
	w.gateway = gateway.New(gateway.Options{Keys: w.keys, Lender: w, Approver: w, Transport: at,
		Now: func() time.Time { return now }})
	do := func(host, target, operation string) (int, string) {
		t.Helper()
		r := httptest.NewRequest("POST", "http://"+host+target, strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", "Timestream_20181101."+operation)
		w.sign(r, w.key(), sigv4.Hash([]byte("{}")), "timestream", "eu-west-1")
		answer := w.answer(r)
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	expect := func(want ...string) {
		t.Helper()
		if got := strings.Join(at.got, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("AWS gets\n%s", got)
		}
		at.got = nil
	}
	const room = "127.0.0.1:7777"
	status, body := do(room, "/-/timestream-write/", "DescribeEndpoints")
	const here = `{"Endpoints":[{"Address":"127.0.0.1:7777/-/timestream-write","CachePeriodInMinutes":1440}]}`
	if body != here {
		t.Errorf("the answer is %d %s", status, body)
	}
	expect(regional + " DescribeEndpoints ASIAREAL")
	for range 2 { // the second time it is known
		if status, body := do(room, "/-/timestream-write/", "WriteRecords"); status != 200 || body != "answer of AWS" {
			t.Errorf("the answer is %d %s", status, body)
		}
	}
	expect(regional+" DescribeEndpoints ASIAREAL", cell+" WriteRecords ASIAREAL", cell+" WriteRecords ASIAREAL")

	// AWS moves the account: the call that finds out fails, and the next one asks.
	at.cell = "ingest-cell3.timestream.eu-west-1.amazonaws.com"
	if status, _ := do(room, "/-/timestream-write/", "WriteRecords"); status != http.StatusMisdirectedRequest {
		t.Errorf("the answer is %d", status)
	}
	do(room, "/-/timestream-write/", "WriteRecords")
	expect(cell+" WriteRecords ASIAREAL", regional+" DescribeEndpoints ASIAREAL", at.cell+" WriteRecords ASIAREAL")
	// Under the hosts of AWS, the SDK asks and goes to the cell by itself.
	if _, body := do(regional, "/", "DescribeEndpoints"); !strings.Contains(body, at.cell) {
		t.Errorf("the answer is %s", body)
	}
	do(at.cell, "/", "WriteRecords")
	expect(regional+" DescribeEndpoints ASIAREAL", at.cell+" WriteRecords ASIAREAL")

	// A host that is not Timestream's gets no request.
	for _, other := range []string{"evil.example", "ingest-cell2.timestream.us-east-1.amazonaws.com", "169.254.169.254",
		"query-cell2.timestream.eu-west-1.amazonaws.com", "evil.s3.eu-west-1.amazonaws.com", ""} {
		w, at := newWorld(t), &timestream{cell: other}
		w.gateway = gateway.New(gateway.Options{Keys: w.keys, Lender: w, Approver: w, Transport: at,
			Now: func() time.Time { return now }})
		r := httptest.NewRequest("POST", "http://"+room+"/-/timestream-write/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", "Timestream_20181101.WriteRecords")
		w.sign(r, w.key(), sigv4.Hash([]byte("{}")), "timestream", "eu-west-1")
		answer := w.answer(r)
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 403 || !strings.Contains(string(text), "not one of its hosts") || len(at.got) != 1 {
			t.Errorf("%s: the answer is %d %s, and AWS gets %q", other, answer.StatusCode, text, at.got)
		}
	}
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "no")
	do(room, "/-/timestream-write/", "WriteRecords")
	expect()
}
