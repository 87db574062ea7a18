package store_test

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

func benchmarkBoth(b *testing.B, bench func(b *testing.B, s *store.Store)) {
	for _, name := range []string{"sqlite", "postgres"} {
		b.Run(name, func(b *testing.B) { bench(b, storetest.Open(b, engines[name](b))) })
	}
}

// BenchmarkGrants reads the grants of an agent with three connections of three
// roles each.
func BenchmarkGrants(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, s *store.Store) {
		a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: "scout", Version: 1}
		for i := range 3 {
			in := crashIntegration(i)
			if err := s.ReserveExternalID(b.Context(), rolebroker.NewReservationID(), in.ExternalID,
				time.Now(), storetest.Event()); err != nil {
				b.Fatal(err)
			}
			if err := s.CreateIntegration(b.Context(), in, storetest.Event()); err != nil {
				b.Fatal(err)
			}
			a.Connections = append(a.Connections, rolebroker.NewConnection(in, time.Time{}))
		}
		if err := s.CreateAgent(b.Context(), a, storetest.Event()); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.Grants(b.Context(), a.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSession records and finishes a session.
func BenchmarkSession(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, s *store.Store) {
		for b.Loop() {
			now := time.Now()
			se := &rolebroker.Session{ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested,
				Agent: "agt_1", AgentName: "scout", RequestedAt: now, ExpiresAt: now.Add(12 * time.Hour)}
			if err := s.RecordSession(b.Context(), se, se.BeginEvent(now)); err != nil {
				b.Fatal(err)
			}
			se.State, se.ExpiresAt = rolebroker.SessionActive, now.Add(time.Hour)
			if err := s.FinishSession(b.Context(), se, se.OutcomeEvent(now)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAppend appends audit events, by one writer and by more.
func BenchmarkAppend(b *testing.B) {
	benchmarkAppends(b, func(s *store.Store) error { return s.RecordEvent(b.Context(), storetest.Event()) })
}

// BenchmarkAppendCalls appends calls that change something, each of which waits until its record is durable.
func BenchmarkAppendCalls(b *testing.B) {
	benchmarkAppends(b, func(s *store.Store) error {
		return s.RecordCalls(b.Context(), []rolebroker.Call{benchmarkCall()})
	})
}

// BenchmarkRecordReads appends calls that only read, five hundred at a time as the gateway does.
func BenchmarkRecordReads(b *testing.B) {
	benchmarkBoth(b, func(b *testing.B, s *store.Store) {
		calls := make([]rolebroker.Call, 500)
		for b.Loop() {
			for i := range calls {
				calls[i] = benchmarkCall()
			}
			if err := s.RecordCalls(b.Context(), calls); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(calls)*b.N)/b.Elapsed().Seconds(), "calls/s")
	})
}

func benchmarkCall() rolebroker.Call {
	return rolebroker.Call{ID: rolebroker.NewCallID(time.Now()), Agent: "agt_7mzq2k4vprb5xw3tdn6hjc8ysa", AgentName: "scout",
		Token: "tok_7mzq2k4vprb5xw3tdn6hjc8ysa", Address: "192.0.2.7", Integration: "int_7mzq2k4vprb5xw3tdn6hjc8ysa",
		IntegrationName: "production", Role: "rol_7mzq2k4vprb5xw3tdn6hjc8ysa", RoleName: "deployer",
		Session: "ses_7mzq2k4vprb5xw3tdn6hjc8ysa", Service: "dynamodb", Operation: "PutItem",
		Actions: []string{"dynamodb:PutItem"}, Region: "eu-west-1",
		Resources: []string{"arn:aws:dynamodb:eu-west-1:444455556666:table/orders"}, Level: rolebroker.CallWrite,
		Decision: rolebroker.CallAllowed, Times: 1}
}

func benchmarkAppends(b *testing.B, appendOne func(*store.Store) error) {
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			benchmarkBoth(b, func(b *testing.B, s *store.Store) {
				var done sync.WaitGroup
				var next atomic.Int64
				b.ResetTimer()
				for range writers {
					done.Go(func() {
						for int(next.Add(1)) <= b.N {
							if err := appendOne(s); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				done.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
			})
		})
	}
}

// BenchmarkCallPage reads a page of a hundred calls from the middle, of 100,000 or as many as
// ROLEBROKER_BENCHMARK_CALLS says, by several filters. Each is about the same with ten million.
func BenchmarkCallPage(b *testing.B) {
	rows := cmp.Or(os.Getenv("ROLEBROKER_BENCHMARK_CALLS"), "100000")
	for _, engine := range []string{"sqlite", "postgres"} {
		s := storetest.Open(b, engines[engine](b))
		for _, sql := range []string{strings.Replace(manyCalls, "40000", rows, 1), "ANALYZE calls"} {
			if sql = strings.Replace(sql, "100000 + i", "100000000 + i", 1); engine == "sqlite" && sql == "ANALYZE calls" {
				continue // nobody runs it there
			}
			if _, err := s.DB().ExecContext(b.Context(), sql); err != nil {
				b.Fatal(err)
			}
		}
		n, err := strconv.Atoi(rows)
		if err != nil {
			b.Fatal(err)
		}
		middle := rolebroker.Page{Limit: 100, After: fmt.Sprint("cal_", 100_000_000+n/2)}
		for name, filter := range map[string]rolebroker.CallFilter{
			"all": {}, "agent": {Agent: "agt_7"}, "role": {Role: "rol_7"}, "session": {Session: "ses_7"},
			"service": {Service: "service7"}, "operation": {Operation: "Operation7"}, "writes": {Level: "write"},
			"refused": {Decision: rolebroker.CallRefused}, "agent refused": {Agent: "agt_1", Decision: rolebroker.CallRefused},
			"agent writes": {Agent: "agt_0", Level: "write"},
		} {
			b.Run(engine+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Calls(b.Context(), filter, middle); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
