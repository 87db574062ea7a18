package store_test

import (
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// The migration that adds what lists are sorted and searched by computes of old rows what the store computes of new
// ones.
func TestOldIntegrationsAreSortedAndSearchedAsNewOnes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("migrations/00043_search.sql")
	if err != nil {
		t.Fatal(err)
	}
	update := regexp.MustCompile(`(?s)UPDATE integrations SET .+?;\n`).FindString(string(text))
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		fillStates(t, s)
		summaries := func() (all []string) {
			rows, err := s.DB().QueryContext(t.Context(),
				`SELECT name || ': ' || status || ' ' || role_search FROM integrations ORDER BY name`)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				all = append(all, "")
				if err := rows.Scan(&all[len(all)-1]); err != nil {
					t.Fatal(err)
				}
			}
			return all
		}
		want := summaries()
		for _, sql := range []string{`UPDATE integrations SET status = 'unknown', role_search = ''`, update} {
			if _, err := s.DB().ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, summaries()); diff != "" {
			t.Errorf("(-store +migration):\n%s", diff)
		}
	})
}

// fillStates makes integrations whose roles have validations and loans of all kinds.
func fillStates(t *testing.T, s *store.Store) {
	at := time.Now().UTC().Truncate(time.Second)
	runner := &rolebroker.Runner{ID: rolebroker.NewRunnerID(), Name: "eks", Version: 1, CreatedAt: at, UpdatedAt: at}
	if err := s.CreateRunner(t.Context(), runner, storetest.Event()); err != nil {
		t.Fatal(err)
	}
	validations := []rolebroker.Validation{{}, {Status: rolebroker.StatusFailed, Code: rolebroker.ValidTrustDenied},
		{Status: rolebroker.StatusFailed, Code: rolebroker.ValidExternalIDOpen},
		{Status: rolebroker.StatusWarning, Code: rolebroker.ValidExternalIDOpen},
		{Status: rolebroker.StatusAssumable, Code: rolebroker.ValidAssumable},
		{Status: rolebroker.StatusUnknown, Code: rolebroker.ValidUnreachable}}
	for v, validation := range validations {
		for l, lending := range []*rolebroker.Lending{nil, {At: at.Add(-time.Hour)}, {At: at.Add(time.Hour)},
			{At: at.Add(-time.Hour), Refused: rolebroker.RefusedDenied},
			{At: at.Add(time.Hour), Refused: rolebroker.RefusedDenied}} {
			for changed := range 2 {
				in := integrationNamed(t, s, string(rune('a'+v))+string(rune('a'+l))+string(rune('a'+changed)), at)
				if v == 1 {
					in.AssumptionMode, in.Runner = rolebroker.ModeCluster, runner.ID
				}
				in.SessionTags, in.SourceIdentity = v == 2, v != 3
				if err := s.CreateIntegration(t.Context(), in, storetest.Event()); err != nil {
					t.Fatal(err)
				}
				if validation.Status != "" {
					validation.CheckedAt = at
					found := []rolebroker.RoleValidation{{Role: in.Roles[0], Validation: validation}}
					if err := s.RecordValidations(t.Context(), in, found, at); err != nil {
						t.Fatal(err)
					}
				}
				if lending != nil {
					role := &in.Roles[0]
					if err := s.RecordLending(t.Context(), in.ID, role.ID, in.Fingerprint(role), lending); err != nil {
						t.Fatal(err)
					}
				}
				if changed == 1 {
					in.Roles = slices.Clone(in.Roles)
					in.Roles[0].SessionDuration, in.Version = 2*time.Hour, 2
					if err := s.UpdateIntegration(t.Context(), in, 1, storetest.Event()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

func integrationNamed(t *testing.T, s *store.Store, name string, at time.Time) *rolebroker.Integration {
	external := "rolebroker-" + name
	if err := s.ReserveExternalID(t.Context(), rolebroker.NewReservationID(), external, at,
		storetest.Event()); err != nil {
		t.Fatal(err)
	}
	arn, err := rolebroker.ParseRoleARN("arn:aws-us-gov:iam::111122223333:role/Team/IAM-" + name)
	if err != nil {
		t.Fatal(err)
	}
	off := arn
	off.Name = "Off"
	return &rolebroker.Integration{ID: rolebroker.NewIntegrationID(), Name: name, Enabled: true,
		AssumptionMode: rolebroker.ModePlatform, ExternalID: external, DefaultRole: "Read.Only", Version: 1,
		CreatedAt: at, UpdatedAt: at, Roles: []rolebroker.Role{
			{ID: rolebroker.NewRoleID(), Name: "Read.Only", ARN: arn, Region: "us-gov-west-1", Enabled: true},
			{ID: rolebroker.NewRoleID(), Name: "off", ARN: off, Region: "us-gov-west-1"}}}
}

// A server of an earlier release goes on during an upgrade, and stores neither what lists are sorted by nor what a
// search compares. The next validation does.
func TestIntegrationsOfAnEarlierReleaseAreFound(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		at := time.Now()
		in := integrationNamed(t, s, "production", at)
		if err := s.CreateIntegration(t.Context(), in, storetest.Event()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.DB().ExecContext(t.Context(), `UPDATE integrations SET role_search = ''`); err != nil {
			t.Fatal(err)
		}
		if err := s.RecordValidations(t.Context(), in, nil, at); err != nil {
			t.Fatal(err)
		}
		found, err := s.Integrations(t.Context(), rolebroker.Page{Limit: 5, Search: "role/Team/iam-production"})
		if err != nil || len(found) != 1 {
			t.Errorf("the search finds %d integrations: %v", len(found), err)
		}
	})
}

// Loans of several roles at the same time leave the state of the integration that its roles have.
func TestLoansAtOnceLeaveTheRightState(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		at := time.Now().Truncate(time.Second)
		in := integrationNamed(t, s, "production", at)
		in.Roles[1].Enabled = true
		if err := s.CreateIntegration(t.Context(), in, storetest.Event()); err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			at = at.Add(time.Minute)
			done := make(chan error)
			for n := range 2 {
				go func() {
					l := &rolebroker.Lending{At: at, Since: at}
					if (i+n)%2 == 0 {
						l.Refused = rolebroker.RefusedDenied
					}
					role := &in.Roles[n]
					done <- s.RecordLending(t.Context(), in.ID, role.ID, in.Fingerprint(role), l)
				}()
			}
			for range 2 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if n, err := s.CountTroubled(t.Context()); err != nil || n != 1 {
				t.Fatalf("after %d loans %d integrations fail: %v", i+1, n, err)
			}
		}
	})
}
