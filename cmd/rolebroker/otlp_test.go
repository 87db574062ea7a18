package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rolebroker/rolebroker"
)

// otlp is a receiver of OpenTelemetry logs, as a script sees it.
type otlp struct {
	address string
	server  *http.Server // nil while it is away

	mu  sync.Mutex
	got []otlpEvent // as they came
}

type otlpEvent struct {
	sequence int
	action   string
}

type otlpKey struct{}

// otlpReceiver is a receiver that comes and goes at one address. "otlp address NAME" sets a variable to its URL and does
// not start it yet.
func otlpReceiver(ts *testscript.TestScript, neg bool, args []string) {
	switch o := ts.Value(otlpKey{}).(*otlp); {
	case len(args) == 2 && args[0] == "address":
		o.address, o.got = freeAddress(ts), nil
		ts.Setenv(args[1], "http://"+o.address+"/v1/logs")
	case len(args) == 1 && args[0] == "start":
		o.start(ts)
	case len(args) == 1 && args[0] == "stop":
		ts.Check(o.server.Close())
	default:
		ts.Fatalf("usage: otlp address NAME | start | stop")
	}
}

func freeAddress(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().String()
}

func (o *otlp) start(ts *testscript.TestScript) {
	l, err := net.Listen("tcp", o.address)
	ts.Check(err)
	o.server = &http.Server{Handler: o}
	server := o.server
	go server.Serve(l)
	ts.Defer(func() { server.Close() })
}

func (o *otlp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent struct {
		ResourceLogs []struct {
			ScopeLogs []struct {
				LogRecords []struct {
					Attributes []struct {
						Key   string
						Value struct{ StringValue string }
					}
				}
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, record := range sent.ResourceLogs[0].ScopeLogs[0].LogRecords {
		var e otlpEvent
		for _, a := range record.Attributes {
			switch a.Key {
			case "rolebroker.audit.sequence":
				e.sequence, _ = strconv.Atoi(a.Value.StringValue)
			case "rolebroker.audit.action":
				e.action = a.Value.StringValue
			}
		}
		o.got = append(o.got, e)
	}
}

// inOrder returns how many agents were created, when each event is counted once. It fails if one came before an earlier
// one, or an earlier one is missing. A batch may come again.
func (o *otlp) inOrder() (created int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := 0
	for _, e := range o.got {
		switch {
		case e.sequence > next:
			return 0, fmt.Errorf("event %d came after %d", e.sequence, next-1)
		case e.sequence == next:
			next++
			if e.action == string(rolebroker.ActionAgentCreate) {
				created++
			}
		}
	}
	return created, nil
}

func otlpGot(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, neg, args, 1, "otlp-got N")
	o := ts.Value(otlpKey{}).(*otlp)
	until(ts, "the events of "+args[0]+" agents", func() bool {
		created, err := o.inOrder()
		ts.Check(err)
		return strconv.Itoa(created) == args[0]
	})
}
