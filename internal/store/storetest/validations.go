package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// outcome is that role i of the integration failed, as a validation at that
// time found.
func outcome(in *rolebroker.Integration, i int, at time.Time) rolebroker.RoleValidation {
	return rolebroker.RoleValidation{Index: i, Role: in.Roles[i], Validation: rolebroker.Validation{
		Status: rolebroker.StatusFailed, Code: rolebroker.ValidTrustDenied,
		Message:   "the trust policy of " + in.Roles[i].Name + " does not let us in, ½",
		Hint:      rolebroker.Hint{{Text: "put this statement into it:", Policy: "{\n}"}, {Text: "or:", Command: "x"}},
		RequestID: fmt.Sprintf("request-%d", i), CheckedAt: at,
		Since: at.Add(-time.Minute)}}
}

// validate records an outcome for every role, and puts it into in.
func (s *suite) validate(in *rolebroker.Integration, at time.Time) {
	s.Helper()
	var results []rolebroker.RoleValidation
	for i := range in.Roles {
		results = append(results, outcome(in, i, at))
	}
	s.must(s.store.RecordValidations(s.ctx, in, results, at))
	for i := range in.Roles {
		in.Roles[i].Validation = &results[i].Validation
	}
}

// changed is a copy of the integration with a change made to it.
func changed(in *rolebroker.Integration, change func(*rolebroker.Integration)) *rolebroker.Integration {
	c := *in
	c.Roles = slices.Clone(in.Roles)
	change(&c)
	return &c
}

func testValidations(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer", "admin")
	other := s.createIntegration("staging", "readonly")
	a := s.createAgent("scout", in, other)
	found := []rolebroker.RoleValidation{outcome(in, 0, t1), outcome(in, 2, t2)}
	found[0].Validation = rolebroker.Validation{Status: rolebroker.StatusAssumable, Code: rolebroker.ValidAssumable,
		Message: "the role can be assumed", CheckedAt: t1}
	s.must(s.store.RecordValidations(s.ctx, in, found, t2))

	before := changed(in, func(*rolebroker.Integration) {})
	in.Roles[0].Validation, in.Roles[2].Validation = &found[0].Validation, &found[1].Validation // its version stays
	s.hasIntegration(in)
	s.hasIntegration(other)
	got, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: 10})
	s.must(err)
	s.equal([]rolebroker.Integration{*s.hinted(&got[0]), *s.hinted(&got[1])}, []rolebroker.Integration{*in, *other})
	if at := got[0].Roles[2].Validation.CheckedAt; at.Location() != time.UTC {
		s.Errorf("times come back in %s", at.Location())
	}
	grants, err := s.store.Grants(s.ctx, a.ID) // which have no validations
	s.must(err)
	s.equal(grants, grantsOf(a, before, other))

	// A role that was not validated this time keeps its validation.
	again := outcome(in, 1, t2)
	s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{again}, t2))
	in.Roles[1].Validation = &again.Validation
	s.hasIntegration(in)
	s.must(s.store.RecordValidations(s.ctx, in, nil, t2))
	s.hasIntegration(in)
}

func testNewestValidationWins(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer")
	s.validate(in, t1)
	for _, older := range []time.Time{t0, t1.Add(-time.Millisecond), {}} {
		s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{outcome(in, 0, older),
			outcome(in, 1, older)}, older))
		s.hasIntegration(in)
	}
	mixed := []rolebroker.RoleValidation{outcome(in, 0, t2), outcome(in, 1, t0)}
	mixed[0].Validation = rolebroker.Validation{Status: rolebroker.StatusWarning, Code: rolebroker.ValidExternalIDOpen,
		CheckedAt: t2}
	s.must(s.store.RecordValidations(s.ctx, in, mixed, t2))
	in.Roles[0].Validation = &mixed[0].Validation
	s.hasIntegration(in)

	last := outcome(in, 0, t2) // of two with the same time, the last one wins
	s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{last}, t2))
	in.Roles[0].Validation = &last.Validation
	s.hasIntegration(in)

	for i, err := range atOnce(10, func(i int) error {
		at := t2.Add(time.Duration(i) * time.Second)
		return s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{outcome(in, 1, at), outcome(in, 0, at)},
			at)
	}) {
		if err != nil {
			s.Errorf("recording %d: %v", i, err)
		}
	}
	newest := t2.Add(9 * time.Second)
	for i := range in.Roles {
		v := outcome(in, i, newest).Validation
		in.Roles[i].Validation = &v
	}
	s.hasIntegration(in)
}

// testValidationsAfterChanges has a validation be out of view for as long as
// the role is assumed in another way than it was.
func testValidationsAfterChanges(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer")
	s.validate(in, t1)
	validated := in.Roles[0].Validation
	for name, change := range map[string]func(*rolebroker.Integration){
		"ARN":             func(in *rolebroker.Integration) { in.Roles[0].ARN.Name = "other" },
		"path":            func(in *rolebroker.Integration) { in.Roles[0].ARN.Path = "/" },
		"region":          func(in *rolebroker.Integration) { in.Roles[0].Region = "eu-west-2" },
		"duration":        func(in *rolebroker.Integration) { in.Roles[0].SessionDuration = 90 * time.Minute },
		"mode":            func(in *rolebroker.Integration) { in.AssumptionMode = rolebroker.ModeCluster },
		"session tags":    func(in *rolebroker.Integration) { in.SessionTags = true },
		"source identity": func(in *rolebroker.Integration) { in.SourceIdentity = true },
	} {
		another := changed(in, change)
		ofAll := another.Roles[0] == in.Roles[0]
		another.Version, another.Roles[0].Validation = in.Version+1, nil
		if ofAll {
			another.Roles[1].Validation = nil
		}
		s.must(s.store.UpdateIntegration(s.ctx, another, in.Version, Event()))
		if got, err := s.store.Integration(s.ctx, string(in.ID)); err != nil || got.Roles[0].Validation != nil {
			s.Fatalf("after a change of its %s the role has the validation it had before, %v", name, err)
		}
		s.hasIntegration(another)
		in.Version += 2
		s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
		s.hasIntegration(in) // its validation is shown again
	}

	// A result from before a change says nothing about the role after it.
	stale := changed(in, func(*rolebroker.Integration) {})
	in.Roles[0].Region, in.Roles[0].Validation, in.Version = "eu-west-3", nil, in.Version+1
	s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
	s.must(s.store.RecordValidations(s.ctx, stale, []rolebroker.RoleValidation{outcome(stale, 0, t2)}, t2))
	s.hasIntegration(in)

	// The second role did not change.
	if in.Roles[1].Validation == nil || in.Roles[1].Validation == validated {
		s.Fatal("the second role has no validation of its own")
	}
}

func testValidationsAreKept(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer", "admin")
	s.validate(in, t1)
	update := func(change func(*rolebroker.Integration)) {
		s.Helper()
		change(in)
		in.Version++
		s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
		s.hasIntegration(in)
	}
	update(func(*rolebroker.Integration) {})
	update(func(in *rolebroker.Integration) { in.Name, in.Description, in.UpdatedAt = "prod", "", t2 })
	update(func(in *rolebroker.Integration) { in.Roles[0].Name, in.DefaultRole = "look", "look" })
	update(func(in *rolebroker.Integration) {
		in.Roles[0].Name, in.Roles[1].Name = in.Roles[1].Name, in.Roles[0].Name
	})
	update(func(in *rolebroker.Integration) { slices.Reverse(in.Roles) })
	// no change
	update(func(in *rolebroker.Integration) { in.Roles[1].SessionDuration = rolebroker.DefaultSessionDuration })
	update(func(in *rolebroker.Integration) { in.Roles[2].Enabled, in.DefaultRole = false, in.Roles[0].Name })
}

func testValidationsOfDeletedRoles(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer")
	s.validate(in, t1)
	gone := in.Roles[1]
	all := changed(in, func(*rolebroker.Integration) {})
	in.Roles, in.Version = in.Roles[:1], 2
	s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
	s.hasIntegration(in)

	// A new role with the same ID has no validation.
	gone.Validation = nil
	in.Roles, in.Version = append(in.Roles, gone), 3
	s.must(s.store.UpdateIntegration(s.ctx, in, 2, Event()))
	s.hasIntegration(in)

	// The result of a role that was deleted meanwhile does not show.
	in.Roles, in.Version = in.Roles[:1], 4
	s.must(s.store.UpdateIntegration(s.ctx, in, 3, Event()))
	s.must(s.store.RecordValidations(s.ctx, all, []rolebroker.RoleValidation{outcome(all, 1, t2)}, t2))
	s.hasIntegration(in)
	in.Version = 5
	s.must(s.store.UpdateIntegration(s.ctx, in, 4, Event()))
	in.Roles, in.Version = append(in.Roles, gone), 6
	s.must(s.store.UpdateIntegration(s.ctx, in, 5, Event()))
	s.hasIntegration(in)

	// Nor does that of an integration that was deleted meanwhile.
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.must(s.store.RecordValidations(s.ctx, all, []rolebroker.RoleValidation{outcome(all, 0, t2), outcome(all, 1, t2)},
		t2))
	s.must(s.store.RecordValidations(s.ctx, all, nil, t2))
	_, err := s.store.Integration(s.ctx, string(in.ID))
	s.code(err, rolebroker.CodeNotFound, "")
	again := s.integration("again")
	again.Roles, again.DefaultRole = []rolebroker.Role{in.Roles[0], gone}, "readonly"
	again.Roles[0].Validation = nil
	s.must(s.store.CreateIntegration(s.ctx, again, Event()))
	s.hasIntegration(again)
	s.validate(again, t0) // no newer result is in the way
	s.hasIntegration(again)
}

func testManyValidations(s *suite) {
	for _, n := range []int{24, 25, 26, 213} {
		in := s.createIntegration(fmt.Sprintf("with%d", n), numbered("role", n)...)
		s.validate(in, t1)
		s.hasIntegration(in)
		s.validate(in, t2)
		s.hasIntegration(in)
	}
}

func testValidationText(s *suite) {
	in := s.createIntegration("production", "readonly")
	v := outcome(in, 0, t1)
	v.Message, v.Hint, v.RequestID = "AWS said a\x00b", rolebroker.TextHint("caf\xe9"), "\xff\x00"
	s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{v}, t1))
	v.Message, v.Hint, v.RequestID = "AWS said a\uFFFDb", rolebroker.TextHint("caf\uFFFD"), "\uFFFD\uFFFD"
	in.Roles[0].Validation = &v.Validation
	s.hasIntegration(in)

	v.Message, v.CheckedAt = "'; DROP TABLE validations; --"+strings.Repeat("x", 1<<16), t2
	s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{v}, t2))
	s.hasIntegration(in)
}

func testAttribution(s *suite) {
	var all []*rolebroker.Integration
	for i, name := range numbered("int", 4) {
		in := s.integration(name, "readonly")
		in.SessionTags, in.SourceIdentity = i%2 == 1, i >= 2
		s.must(s.store.CreateIntegration(s.ctx, in, Event()))
		s.hasIntegration(in)
		all = append(all, in)
	}
	for _, in := range all {
		in.SessionTags, in.SourceIdentity, in.Version = !in.SessionTags, !in.SourceIdentity, 2
		s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
		s.hasIntegration(in)
	}
	all[0].NextExternalID, all[0].Version = s.reserve("next", t1), 3
	s.must(s.store.SetExternalIDs(s.ctx, all[0], 2, Event()))
	a := s.createAgent("scout", all...)
	got, err := s.store.Grants(s.ctx, a.ID)
	s.must(err)
	s.equal(got, grantsOf(a, all...))
}

// testHints adds hints to some roles, to all, and after something has changed.
func testHints(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer", "admin")
	s.validate(in, t1)
	read := func() *rolebroker.Integration {
		s.Helper()
		got, err := s.store.Integration(s.ctx, "production")
		s.must(err)
		return got
	}
	got, want := read(), read()
	s.must(s.store.AddHints(s.ctx, got, in.Roles[2].ID, in.Roles[0].ID, "rol_unknown"))
	want.Roles[0].Validation, want.Roles[2].Validation = in.Roles[0].Validation, in.Roles[2].Validation
	s.equal(got, want)
	s.equal(s.hinted(read()), in)

	// A newer outcome comes with its hint.
	got = read()
	s.validate(in, t2)
	s.must(s.store.AddHints(s.ctx, got))
	s.equal(got, in)

	// The role as it was read keeps its outcome when it has changed since.
	got, want = read(), read()
	in.Roles[1].Region, in.Version = "ap-southeast-2", in.Version+1
	s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
	s.validate(in, t2.Add(time.Minute))
	s.must(s.store.AddHints(s.ctx, got, in.Roles[1].ID))
	s.equal(got, want)

	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.must(s.store.AddHints(s.ctx, got))
	s.must(s.store.AddHints(s.ctx, &rolebroker.Integration{}))
}

// claim claims integrations and returns their names, sorted, because a claim has
// no order.
func (s *suite) claim(before, now time.Time, limit int) []string {
	s.Helper()
	ids, err := s.store.ClaimIntegrations(s.ctx, before, now, limit)
	s.must(err)
	claimed := []string{}
	for _, id := range ids {
		in, err := s.store.Integration(s.ctx, string(id))
		s.must(err)
		claimed = append(claimed, in.Name)
	}
	slices.Sort(claimed)
	return claimed
}

func testClaimIntegrations(s *suite) {
	s.equal(s.claim(t2, t2, 10), []string{})
	for i, name := range []string{"third", "first", "fourth", "second"} { // named by their order of validation
		in := s.createIntegration(name, "readonly")
		s.validate(in, t1.Add(time.Duration([]int{3, 1, 4, 2}[i])*time.Minute))
	}
	s.createIntegration("never", "readonly")
	cluster := s.integration("cluster", "readonly")
	cluster.AssumptionMode = rolebroker.ModeCluster
	s.must(s.store.CreateIntegration(s.ctx, cluster, Event()))

	s.equal(s.claim(t0, t0, 0), []string{})
	s.equal(s.claim(t1, t1, 10), []string{"never"})
	s.equal(s.claim(t1, t2, 10), []string{})                                     // it is claimed
	s.equal(s.claim(t1.Add(4*time.Minute), t2, 2), []string{"first", "never"})   // those of the longest ago
	s.equal(s.claim(t1.Add(4*time.Minute), t2, 10), []string{"second", "third"}) // the fourth is not due
	s.equal(s.claim(t2, t2.Add(time.Minute), 10), []string{"fourth"})
	s.equal(s.claim(t2, t2.Add(time.Minute), 10), []string{})
	s.equal(len(s.claim(t2.Add(time.Second), t2.Add(time.Minute), 10)), 4) // due again

	// An integration that was validated meanwhile is not due.
	in, err := s.store.Integration(s.ctx, "first")
	s.must(err)
	s.validate(in, t2.Add(2*time.Hour))
	s.must(s.store.RecordValidations(s.ctx, in, nil, t0)) // which does not move it back
	s.equal(s.claim(t2.Add(2*time.Hour), t2.Add(3*time.Hour), 10), []string{"fourth", "never", "second", "third"})
	s.equal(s.claim(t2.Add(2*time.Hour+time.Millisecond), t2.Add(3*time.Hour), 10), []string{"first"})

	// Only integrations in platform mode are claimed.
	cluster.AssumptionMode, cluster.Version = rolebroker.ModePlatform, 2
	s.must(s.store.UpdateIntegration(s.ctx, cluster, 1, Event()))
	in.AssumptionMode, in.Version = rolebroker.ModeCluster, 2
	s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
	s.equal(s.claim(t2.Add(24*time.Hour), t2.Add(24*time.Hour), 10),
		[]string{"cluster", "fourth", "never", "second", "third"})
	got, err := s.store.Integration(s.ctx, "cluster")
	s.must(err)
	s.equal(got, cluster) // a claim changes nothing visible
}

func testClaimsAtOnce(s *suite) {
	const n, each = 40, 3
	for _, name := range numbered("int", n) {
		s.createIntegration(name, "readonly")
	}
	claimed := make([][]rolebroker.IntegrationID, 8)
	for _, err := range atOnce(len(claimed), func(i int) error {
		for {
			ids, err := s.store.ClaimIntegrations(s.ctx, t1, t1, each)
			if len(ids) > each {
				return fmt.Errorf("a claim of at most %d returned %d", each, len(ids))
			}
			if err != nil || len(ids) == 0 {
				return err
			}
			claimed[i] = append(claimed[i], ids...)
		}
	}) {
		s.must(err)
	}
	var rest []rolebroker.IntegrationID // left over after conflicts
	for {
		ids, err := s.store.ClaimIntegrations(s.ctx, t1, t1, each)
		s.must(err)
		if len(ids) == 0 {
			break
		}
		rest = append(rest, ids...)
	}
	all := slices.Concat(append(claimed, rest)...)
	slices.Sort(all)
	if len(all) != n || len(slices.Compact(all)) != n {
		s.Errorf("of %d integrations %d were claimed, want each once", n, len(all))
	}
}

func testCountIntegrations(s *suite) {
	counts := func(want int) {
		s.Helper()
		n, err := s.store.CountIntegrations(s.ctx)
		s.must(err)
		s.equal(n, want)
	}
	counts(0)
	in := s.createIntegration("production", "a", "b", "c")
	s.createIntegration("bare")
	cluster := s.integration("cluster", "readonly")
	cluster.AssumptionMode = rolebroker.ModeCluster
	s.must(s.store.CreateIntegration(s.ctx, cluster, Event()))
	counts(2)
	cluster.AssumptionMode, cluster.Version = rolebroker.ModePlatform, 2
	s.must(s.store.UpdateIntegration(s.ctx, cluster, 1, Event()))
	counts(3)
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	counts(2)
}

// reserve reserves an external ID.
func (s *suite) reserve(externalID string, at time.Time) string {
	s.Helper()
	s.must(s.store.ReserveExternalID(s.ctx, rolebroker.NewReservationID(), externalID, at, Event()))
	return externalID
}

// rotate stores new external IDs and increments the version.
func (s *suite) rotate(in *rolebroker.Integration, current, next string) {
	s.Helper()
	in.ExternalID, in.NextExternalID, in.Version, in.UpdatedAt = current, next, in.Version+1,
		in.UpdatedAt.Add(time.Minute)
	s.must(s.store.SetExternalIDs(s.ctx, in, in.Version-1, Event()))
}

// testLateValidations records a result of a role that has changed since.
func testLateValidations(s *suite) {
	old := s.createIntegration("production", "readonly", "deployer")
	now := changed(old, func(in *rolebroker.Integration) { in.Roles[0].Region = "ap-southeast-2" })
	now.Version++
	s.must(s.store.UpdateIntegration(s.ctx, now, old.Version, Event()))
	s.validate(now, t1)
	before := []rolebroker.Validation{*now.Roles[0].Validation, *now.Roles[1].Validation}
	s.validate(old, t2)
	got, err := s.store.Integration(s.ctx, "production")
	s.must(err)
	if v := got.Roles[0].Validation; v == nil || !v.CheckedAt.Equal(before[0].CheckedAt) {
		s.Errorf("the changed role has %+v, want the result of %s", v, before[0].CheckedAt)
	}
	if v := got.Roles[1].Validation; v == nil || !v.CheckedAt.After(before[1].CheckedAt) {
		s.Errorf("the unchanged role has %+v", v)
	}
}

// free checks whether an integration can be created with the external IDs.
func (s *suite) free(want bool, externalIDs ...string) {
	s.Helper()
	for _, externalID := range externalIDs {
		r, err := s.store.ReservationOf(s.ctx, externalID)
		if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			s.must(err)
		}
		if got := err == nil && r.Integration == ""; got != want {
			s.Errorf("external ID %q: free is %t", externalID, got)
		}
	}
}

func (s *suite) earlier(in *rolebroker.Integration, limit int, want ...string) {
	s.Helper()
	got, err := s.store.EarlierExternalIDs(s.ctx, in.ID, limit)
	s.must(err)
	s.equal(append([]string{}, got...), append([]string{}, want...))
}

func testSetExternalIDs(s *suite) {
	in := s.createIntegration("production", "readonly")
	other := s.createIntegration("staging", "readonly")
	s.validate(in, t1)
	validated := in.Roles[0].Validation
	first, second, third := in.ExternalID, s.reserve("second", t1), s.reserve("third", t2)

	s.free(true, second, third)
	s.rotate(in, first, second) // start
	s.hasIntegration(in)
	s.free(false, first, second)
	s.rotate(in, first, "") // cancel
	s.hasIntegration(in)
	s.free(false, second)

	in.Roles[0].Validation = nil
	s.rotate(in, first, third)
	s.rotate(in, third, "") // finish
	s.hasIntegration(in)
	s.rotate(in, third, first) // to an earlier one of its own
	s.hasIntegration(in)
	s.rotate(in, first, "")
	in.Roles[0].Validation = validated
	s.hasIntegration(in)
	s.hasIntegration(other)

	// An update may replace them.
	s.rotate(in, first, second)
	in.Roles[0].Validation = nil
	updated := changed(in, func(in *rolebroker.Integration) { in.ExternalID, in.NextExternalID = third, "" })
	updated.Version++
	s.must(s.store.UpdateIntegration(s.ctx, updated, in.Version, Event()))
	s.hasIntegration(updated)
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.free(false, first, second, third)
}

func testExternalIDsOfOthers(s *suite) {
	in := s.createIntegration("production", "readonly")
	other, gone := s.createIntegration("staging", "readonly"), s.createIntegration("gone", "readonly")
	s.must(s.store.DeleteIntegration(s.ctx, gone.ID, 0, Event()))
	mine, next := s.reserve("mine", t1), s.reserve("next", t1)
	s.rotate(other, other.ExternalID, next)
	s.store.Subscribe(func(c rolebroker.Change) {
		if c != (rolebroker.Change{}) {
			s.Errorf("published %+v", c)
		}
	})

	const refused = "the integration is not valid: " +
		"external_id: is not one that was reserved here, or it was used already"
	for _, theirs := range []string{"of-my-own-choosing", other.ExternalID, next, gone.ExternalID, "", "x'; --",
		strings.Repeat("x", 5000)} {
		for _, ids := range [][2]string{{theirs, ""}, {in.ExternalID, theirs}, {theirs, mine}, {mine, theirs}} {
			if theirs == "" {
				continue
			}
			try := changed(in, func(in *rolebroker.Integration) {
				in.ExternalID, in.NextExternalID, in.Version = ids[0], ids[1], 2
			})
			s.code(s.store.SetExternalIDs(s.ctx, try, 1, Event()), rolebroker.CodeInvalid, refused)
			s.hasIntegration(in)
			s.free(true, mine) // the valid one is not used up
		}
	}
	s.hasIntegration(other)

	try := changed(in, func(in *rolebroker.Integration) { in.NextExternalID, in.Version = mine, 2 })
	const stale = `integration "production" was changed by someone else (it is at version 1)`
	for _, version := range []int64{0, 2, -1} {
		s.code(s.store.SetExternalIDs(s.ctx, try, version, Event()), rolebroker.CodeStale, stale)
	}
	try = changed(gone, func(in *rolebroker.Integration) { in.NextExternalID, in.Version = mine, 2 })
	s.code(s.store.SetExternalIDs(s.ctx, try, 1, Event()), rolebroker.CodeNotFound,
		`there is no integration "`+string(gone.ID)+`"`)
	for _, text := range []string{"a\x00b", "\xff"} {
		try = changed(in, func(in *rolebroker.Integration) { in.NextExternalID = text })
		s.code(s.store.SetExternalIDs(s.ctx, try, 1, Event()), rolebroker.CodeInvalid,
			"text has to be valid UTF-8 without NUL characters")
	}
	s.hasIntegration(in)
	s.free(true, mine)
}

// testRotationsAtOnce starts several changes of the same external ID at once. One
// succeeds, and the others use up no external ID.
func testRotationsAtOnce(s *suite) {
	in := s.createIntegration("production", "readonly")
	ids := numbered("next", 8)
	for _, id := range ids {
		s.reserve(id, t1)
	}
	won := ""
	for i, err := range atOnce(len(ids), func(i int) error {
		return s.store.SetExternalIDs(s.ctx, changed(in, func(in *rolebroker.Integration) {
			in.NextExternalID, in.Version = ids[i], 2
		}), 1, Event())
	}) {
		switch {
		case err == nil && won == "":
			won = ids[i]
		case err == nil:
			s.Errorf("%s and %s have both won", won, ids[i])
		default:
			s.code(err, rolebroker.CodeStale, "")
		}
	}
	in.NextExternalID, in.Version = won, 2
	s.hasIntegration(in)
	s.free(false, won)
	s.free(true, slices.DeleteFunc(ids, func(id string) bool { return id == won })...)
}

func testEarlierExternalIDs(s *suite) {
	in := s.createIntegration("production", "readonly")
	other := s.createIntegration("staging", "readonly")
	s.earlier(in, 10)
	first := in.ExternalID
	ids := numbered("next", 5)
	for i, id := range ids {
		s.reserve(id, t1.Add(time.Duration(i)*time.Minute))
	}
	s.rotate(in, first, ids[0])
	s.earlier(in, 10)
	s.rotate(in, ids[0], "")
	s.earlier(in, 10, first)
	s.rotate(in, ids[0], ids[3])
	s.rotate(in, ids[0], "") // a role may require one whose change was cancelled
	s.earlier(in, 10, ids[3], first)
	s.rotate(in, ids[1], "")
	s.rotate(in, ids[1], ids[4])
	s.earlier(in, 10, ids[3], ids[0], first)
	s.earlier(in, 2, ids[3], ids[0])
	s.earlier(in, 1, ids[3])
	s.earlier(in, 0)
	s.rotate(other, other.ExternalID, ids[2])
	s.rotate(other, ids[2], "")
	s.earlier(in, 10, ids[3], ids[0], first)
	s.earlier(other, 10, "external-staging")
	s.rotate(in, first, "") // the current one is not an earlier one
	s.earlier(in, 10, ids[4], ids[3], ids[1], ids[0])

	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.earlier(in, 10)
	s.earlier(&rolebroker.Integration{}, 10)
}
