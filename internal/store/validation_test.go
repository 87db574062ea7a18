package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

func createIntegration(t *testing.T, s *store.Store, name string) *rolebroker.Integration {
	t.Helper()
	in := &rolebroker.Integration{Enabled: true, ID: rolebroker.NewIntegrationID(), Name: name,
		AssumptionMode: rolebroker.ModePlatform, ExternalID: "external-" + name, Version: 1, DefaultRole: "readonly",
		Roles: []rolebroker.Role{{ID: rolebroker.NewRoleID(), Name: "readonly", Region: "eu-west-1", Enabled: true,
			ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: "ReadOnly"}}}}
	if err := s.ReserveExternalID(t.Context(), rolebroker.NewReservationID(), in.ExternalID, time.Now(),
		storetest.Event()); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateIntegration(t.Context(), in, storetest.Event()); err != nil {
		t.Fatal(err)
	}
	return in
}

// Several servers on one PostgreSQL that begin at the same time claim each
// integration exactly once.
func TestServersClaimEachIntegrationOnce(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	stores := []*store.Store{storetest.Open(t, url), storetest.Open(t, url)}
	const n = 60
	for i := range n {
		createIntegration(t, stores[i%2], fmt.Sprint("int", i))
	}
	now := time.Now()
	var mu sync.Mutex
	var all []rolebroker.IntegrationID
	// claim claims in rounds. A round may return nothing because another server
	// claimed the same integrations first.
	claim := func(s *store.Store, rounds int) {
		for range rounds {
			ids, err := s.ClaimIntegrations(t.Context(), now, now, 4)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			all = append(all, ids...)
			mu.Unlock()
		}
	}
	var servers sync.WaitGroup
	for i := range 4 {
		servers.Go(func() { claim(stores[i%2], n/4) })
	}
	servers.Wait()
	claim(stores[0], n/4)
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(all)) != n {
		t.Errorf("of %d integrations %d were claimed, want each once", n, len(all))
	}
}

// A server shows the validations of the others.
func TestServersShowEachOthersValidations(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	one, other := storetest.Open(t, url), storetest.Open(t, url)
	in := createIntegration(t, one, "production")
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	found := rolebroker.RoleValidation{Role: in.Roles[0],
		Validation: rolebroker.Validation{Status: rolebroker.StatusAssumable, Code: rolebroker.ValidAssumable,
			CheckedAt: at}}
	if err := one.RecordValidations(t.Context(), in, []rolebroker.RoleValidation{found}, at); err != nil {
		t.Fatal(err)
	}
	seen, err := other.Integration(t.Context(), "production")
	if err != nil || seen.Roles[0].Validation == nil ||
		!reflect.DeepEqual(*seen.Roles[0].Validation, found.Validation) {
		t.Errorf("the other server shows %+v, %v", seen, err)
	}
	if due, err := other.ClaimIntegrations(t.Context(), at, at, 10); err != nil || len(due) != 0 {
		t.Errorf("the other server validates %v again, %v", due, err)
	}
}

// An earlier version stores a hint as text alone: in rows that it left behind,
// and in those that it writes while this version runs beside it.
func TestAHintOfAnEarlierVersionReadsAsItsText(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		s := storetest.Open(t, database)
		in := createIntegration(t, s, "production")
		at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
		hint := rolebroker.Hint{{Text: "add this:", Policy: "{\n}"}, {Text: "or:", Command: "aws iam"}}
		found := rolebroker.RoleValidation{Role: in.Roles[0], Validation: rolebroker.Validation{
			Status: rolebroker.StatusFailed, Code: rolebroker.ValidDenied, Hint: hint, CheckedAt: at}}
		if err := s.RecordValidations(t.Context(), in, []rolebroker.RoleValidation{found}, at); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			change string
			want   rolebroker.Hint
		}{
			{"hint_steps = hint_steps", hint},
			{"hint = 'wait'", rolebroker.TextHint("wait")},
			{"hint_steps = ''", rolebroker.TextHint("wait")},
			{"hint = ''", nil},
		} {
			if _, err := s.DB().ExecContext(t.Context(), "UPDATE validations SET "+test.change); err != nil {
				t.Fatal(err)
			}
			stored, err := s.Integration(t.Context(), "production")
			if err == nil {
				err = s.AddHints(t.Context(), stored)
			}
			if err != nil || !reflect.DeepEqual(stored.Roles[0].Validation.Hint, test.want) {
				t.Errorf("after %s the hint is %#v, %v", test.change, stored.Roles[0].Validation.Hint, err)
			}
		}
	})
}
