package storetest_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/trail"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// TestFillTrail lists and verifies a filled trail, as it does one that the store wrote.
func TestFillTrail(t *testing.T) {
	for name, database := range map[string]string{
		"sqlite": t.TempDir() + "/rolebroker.db", "postgres": storetest.Postgres(t),
	} {
		t.Run(name, func(t *testing.T) {
			open := func() *store.Store {
				s, err := store.Open(t.Context(), store.Options{Database: database})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			if err := open().Close(); err != nil { // it migrates
				t.Fatal(err)
			}
			filled := storetest.Filled{Events: 3000, From: time.Now().Add(-time.Hour)}
			if err := storetest.FillTrail(t.Context(), database, filled); err != nil {
				t.Fatal(err)
			}
			s := open()
			defer s.Close()
			id, agent := filled.Agent()
			for filter, want := range map[rolebroker.AuditFilter]int{
				{}: 3000, {Subject: agent}: 3, {Subject: id}: 3, {Outcome: rolebroker.OutcomeRefused}: 60, {Actor: "ci"}: 300,
				{Until: filled.From.Add(time.Minute)}: 60,
			} {
				found, err := s.AuditEvents(t.Context(), filter, rolebroker.Page{Limit: 5000})
				if err != nil || len(found) != want {
					t.Errorf("%+v: %d events, %v; want %d", filter, len(found), err, want)
				}
			}
			key, _, err := trail.NewKey()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.GrowTrail(t.Context(), 10, time.Now(), key.Sign); err != nil {
				t.Fatal(err)
			}
			var export bytes.Buffer
			if err := trail.Export(t.Context(), s, 0, 3000, trail.NewExporter(&export, rolebroker.AuditJSONL)); err != nil {
				t.Fatal(err)
			}
			keys, err := trail.Keys(key.Public())
			if err != nil {
				t.Fatal(err)
			}
			report, err := trail.Verify(&export, trail.Expect{Keys: keys})
			if err != nil {
				t.Error(err)
			}
			t.Logf("%+v", report)
		})
	}
}
