package store

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// selectReservation reads a reservation with the current external IDs of its
// integration. It does not find the reservation of an integration that was
// deleted, whose row is kept so that its external ID is never used again.
func selectReservation(name, where string) *statement {
	return newStatement(name, `
		SELECT COALESCE(e.id, ''), COALESCE(i.external_id, e.value), COALESCE(i.next_external_id, ''),
			COALESCE(i.id, ''), COALESCE(i.name, ''), e.reserved_at
		FROM external_ids AS e LEFT JOIN integrations AS i ON i.id = e.integration_id
		WHERE `+where+` AND (e.integration_id IS NULL OR i.id IS NOT NULL)`)
}

var (
	reserveExternalID = newStatement("reserveExternalID",
		`INSERT INTO external_ids (value, reserved_at, id) VALUES ($1, $2, $3)`)

	releaseExternalID = newStatement("releaseExternalID",
		`DELETE FROM external_ids WHERE id = $1 AND integration_id IS NULL`)

	reservationByID         = selectReservation("reservationByID", `e.id = $1`)
	reservationByExternalID = selectReservation("reservationByExternalID", `e.value = $1`)
)

// ReserveExternalID stores an external ID for an integration to be created later,
// and the ID of the reservation, which may be empty. Codes: conflict (the
// external ID was reserved before, or the ID is taken).
func (s *Store) ReserveExternalID(
	ctx context.Context, id rolebroker.ReservationID, externalID string, at time.Time, event rolebroker.AuditEvent,
) error {
	_, err := s.runRecorded(ctx, event, reserveExternalID, externalID, millis(at), nullable(id))
	switch violated(err) {
	case idTaken:
		return rolebroker.Errorf(rolebroker.CodeConflict, "this external ID was reserved before")
	case notUnique:
		return rolebroker.Errorf(rolebroker.CodeConflict, "an external ID with the ID %s exists already", id)
	}
	return err
}

// Reservation returns a reservation by ID. Codes: not_found (also if its
// integration was deleted).
func (s *Store) Reservation(ctx context.Context, id rolebroker.ReservationID) (*rolebroker.Reservation, error) {
	return s.reservation(ctx, reservationByID, string(id))
}

// ReservationOf returns a reservation by its external ID. Codes: not_found (also
// if its integration was deleted).
func (s *Store) ReservationOf(ctx context.Context, externalID string) (*rolebroker.Reservation, error) {
	return s.reservation(ctx, reservationByExternalID, externalID)
}

func (s *Store) reservation(ctx context.Context, st *statement, key string) (*rolebroker.Reservation, error) {
	var r rolebroker.Reservation
	missing := notFound("external ID", key)
	err := s.query(ctx, st, func(scan scan) error { missing = nil; return scan(reservationDest(&r)...) }, key)
	switch {
	case err != nil:
		return nil, err
	case missing != nil:
		return nil, missing
	}
	return &r, nil
}

// reservationDest returns the scan destinations of selectReservation.
func reservationDest(r *rolebroker.Reservation) []any {
	return []any{&r.ID, &r.ExternalID, &r.NextExternalID, &r.Integration, &r.IntegrationName, timeColumn{&r.ReservedAt}}
}

// ReleaseExternalID deletes a reservation that no integration has used. Codes:
// not_found, conflict (an integration has it).
func (s *Store) ReleaseExternalID(
	ctx context.Context, id rolebroker.ReservationID, event rolebroker.AuditEvent,
) error {
	if !storableText(string(id)) {
		return notFound("external ID", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		released, err := tx.exec(ctx, releaseExternalID, id)
		if err != nil || released > 0 {
			return err
		}
		var why error = notFound("external ID", string(id))
		err = tx.query(ctx, reservationByID, func(scan scan) error {
			var r rolebroker.Reservation
			err := scan(reservationDest(&r)...)
			why = rolebroker.Errorf(rolebroker.CodeConflict, "the external ID %s is integration %q's", id,
				r.IntegrationName)
			return err
		}, id)
		if err != nil {
			return err
		}
		return why
	})
}
