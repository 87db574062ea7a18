package storetest

import (
	"strings"

	"github.com/rolebroker/rolebroker"
)

// reservation reserves an external ID, and is what is found of it.
func (s *suite) reservation(externalID string) *rolebroker.Reservation {
	s.Helper()
	r := &rolebroker.Reservation{ID: rolebroker.NewReservationID(), ExternalID: externalID, ReservedAt: t1}
	s.must(s.store.ReserveExternalID(s.ctx, r.ID, externalID, t1, Event()))
	return r
}

func (s *suite) hasReservation(want *rolebroker.Reservation) {
	s.Helper()
	got, err := s.store.Reservation(s.ctx, want.ID)
	s.must(err)
	s.equal(got, want)
}

func (s *suite) noReservation(id rolebroker.ReservationID) {
	s.Helper()
	_, err := s.store.Reservation(s.ctx, id)
	s.code(err, rolebroker.CodeNotFound, `there is no external ID "`+string(id)+`"`)
}

func testReservation(s *suite) {
	first, second := s.reservation("first"), s.reservation("second")
	s.hasReservation(first)
	s.hasReservation(second)
	s.code(s.store.ReserveExternalID(s.ctx, first.ID, "third", t2, Event()), rolebroker.CodeConflict,
		"an external ID with the ID "+string(first.ID)+" exists already")
	s.code(s.store.ReserveExternalID(s.ctx, rolebroker.NewReservationID(), "first", t2, Event()),
		rolebroker.CodeConflict,
		"this external ID was reserved before")
	s.hasReservation(first)
	s.free(false, "third")
	for _, id := range []rolebroker.ReservationID{"ext_none", "first",
		rolebroker.ReservationID(strings.ToUpper(string(first.ID))), first.ID + " ", "%"} {
		s.noReservation(id)
	}

	// Reservations without an ID are found by their external IDs only.
	for _, externalID := range []string{"old", "older"} {
		s.must(s.store.ReserveExternalID(s.ctx, "", externalID, t1, Event()))
		s.free(true, externalID)
	}
	s.noReservation("")
	s.code(s.store.ReleaseExternalID(s.ctx, "", Event()), rolebroker.CodeNotFound, `there is no external ID ""`)
	s.free(true, "old", "older")
}

func testReservationOf(s *suite) {
	s.free(false, "", "never", "a\x00b", "\xff", strings.Repeat("x", 5000))
	r := s.reservation("Reserved")
	s.free(true, "Reserved")
	s.free(false, "reserved", "Reserved ", "RESERVED", "%", "Reserve_", string(r.ID))
	got, err := s.store.ReservationOf(s.ctx, "Reserved")
	s.must(err)
	s.equal(got, r)
	in := s.integration("production", "readonly")
	s.free(true, in.ExternalID)
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	s.free(false, in.ExternalID)
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.free(false, in.ExternalID)
	s.free(true, "Reserved")
}

// testReservationFollows sees one through the life of its integration.
func testReservationFollows(s *suite) {
	first, second, third := s.reservation("first"), s.reservation("second"), s.reservation("third")
	in := s.integration("production", "readonly")
	in.ExternalID = "first"
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	all := []*rolebroker.Reservation{first}
	follow := func() {
		s.Helper()
		for _, r := range all {
			r.Integration, r.IntegrationName, r.ExternalID, r.NextExternalID = in.ID, in.Name, in.ExternalID,
				in.NextExternalID
			s.hasReservation(r)
		}
		for _, externalID := range []string{"first", "second", "third"}[:len(all)] {
			r, err := s.store.ReservationOf(s.ctx, externalID)
			s.must(err)
			s.equal([]string{r.ExternalID, r.NextExternalID, r.IntegrationName},
				[]string{in.ExternalID, in.NextExternalID, in.Name})
		}
	}
	follow()
	in.Name, in.Version = "prod", 2
	s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
	follow()
	s.hasReservation(second)
	s.rotate(in, "first", "second")
	all = append(all, second)
	follow()
	s.rotate(in, "second", "")
	follow()
	s.hasReservation(third)
	s.rotate(in, "second", "third")
	all = append(all, third)
	follow()
	s.rotate(in, "second", "") // a change that was cancelled
	follow()

	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	for _, r := range all {
		s.noReservation(r.ID)
		s.code(s.store.ReleaseExternalID(s.ctx, r.ID, Event()), rolebroker.CodeNotFound, "")
	}
	s.free(false, "first", "second", "third")
	s.code(s.store.ReserveExternalID(s.ctx, rolebroker.NewReservationID(), "first", t2, Event()),
		rolebroker.CodeConflict, "")
}

// testExternalIDIsReservedAgain deletes integrations whose external ID another
// integration may have.
func testExternalIDIsReservedAgain(s *suite) {
	first, second := s.reservation("first"), s.reservation("second")
	in := s.integration("production", "readonly")
	in.ExternalID = "first"
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	s.rotate(in, "first", "second")
	s.rotate(in, "second", "")
	s.code(s.store.DeleteIntegrationButExternalID(s.ctx, in.ID, 1, Event()), rolebroker.CodeStale, "")
	s.free(false, "first", "second")
	s.must(s.store.DeleteIntegrationButExternalID(s.ctx, in.ID, in.Version, Event()))
	s.free(false, "first")
	s.free(true, "second")
	first.ExternalID = "second" // the reservation of the integration is that of its current external ID
	s.hasReservation(first)
	s.noReservation(second.ID)

	again := s.integration("again", "readonly")
	again.ExternalID = "second"
	s.must(s.store.CreateIntegration(s.ctx, again, Event()))
	first.Integration, first.IntegrationName = again.ID, again.Name
	s.hasReservation(first)
	s.must(s.store.DeleteIntegrationButExternalID(s.ctx, again.ID, 0, Event()))
	s.must(s.store.ReleaseExternalID(s.ctx, first.ID, Event()))
	s.free(false, "second")
}

// testUpdateWithAnotherExternalID replaces the external ID in an update.
func testUpdateWithAnotherExternalID(s *suite) {
	in := s.createIntegration("production", "readonly")
	earlier := in.ExternalID
	theirs := s.createIntegration("staging", "readonly")
	other := s.reservation("other")
	in.Version, in.ExternalID = 2, theirs.ExternalID
	s.code(s.store.UpdateIntegration(s.ctx, in, 1, Event()), rolebroker.CodeInvalid, "")
	in.ExternalID = "never"
	s.code(s.store.UpdateIntegration(s.ctx, in, 1, Event()), rolebroker.CodeInvalid, "")
	in.ExternalID = "other"
	s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
	s.hasIntegration(in)
	s.free(false, "other", earlier)
	other.Integration, other.IntegrationName = in.ID, in.Name
	s.hasReservation(other)
	values, err := s.store.EarlierExternalIDs(s.ctx, in.ID, 9)
	s.must(err)
	s.equal(values, []string{earlier})
}

func testReleaseExternalID(s *suite) {
	in := s.integration("production", "readonly")
	r, other := s.reservation("reserved"), s.reservation("other")
	s.must(s.store.ReleaseExternalID(s.ctx, r.ID, Event()))
	s.noReservation(r.ID)
	s.free(false, "reserved")
	s.code(s.store.ReleaseExternalID(s.ctx, r.ID, Event()), rolebroker.CodeNotFound,
		`there is no external ID "`+string(r.ID)+`"`)
	s.hasReservation(other)
	late := *in
	late.ExternalID = "reserved"
	s.code(s.store.CreateIntegration(s.ctx, &late, Event()), rolebroker.CodeInvalid, "")

	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	s.rotate(in, in.ExternalID, "other")
	s.code(s.store.ReleaseExternalID(s.ctx, other.ID, Event()), rolebroker.CodeConflict,
		`the external ID `+string(other.ID)+` is integration "production"'s`)
	s.rotate(in, in.ExternalID, "")
	s.code(s.store.ReleaseExternalID(s.ctx, other.ID, Event()), rolebroker.CodeConflict, "")
	s.hasIntegration(in)
}

// testReleasesMeetCreations gives external IDs back while integrations are
// created with them: either happens, and never both.
func testReleasesMeetCreations(s *suite) {
	for _, name := range numbered("production", 5) {
		r := s.reservation(name)
		in := s.integration(name+"-", "readonly")
		in.ExternalID = name
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				return s.store.ReleaseExternalID(s.ctx, r.ID, Event())
			}
			return s.store.CreateIntegration(s.ctx, in, Event())
		})
		switch {
		case errs[0] == nil:
			s.code(errs[1], rolebroker.CodeInvalid, "")
			s.noReservation(r.ID)
		default:
			s.code(errs[0], rolebroker.CodeConflict, "")
			s.must(errs[1])
			s.hasIntegration(in)
		}
	}
}
