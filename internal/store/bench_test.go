package store_test

import (
	"fmt"
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

// BenchmarkAppend appends audit events, by one writer and by sixteen.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			benchmarkBoth(b, func(b *testing.B, s *store.Store) {
				var done sync.WaitGroup
				var next atomic.Int64
				b.ResetTimer()
				for range writers {
					done.Go(func() {
						for int(next.Add(1)) <= b.N {
							if err := s.RecordEvent(b.Context(), storetest.Event()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				done.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		})
	}
}
