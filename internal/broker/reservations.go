package broker

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// ReserveExternalID makes an external ID for a future integration, so that its roles can be set up in AWS first.
// Codes: denied.
func (b *Broker) ReserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error) {
	if err := b.May(ctx, who, rolebroker.ActionExternalIDReserve); err != nil {
		return nil, err
	}
	return b.reserveExternalID(ctx, who)
}

// reserveExternalID is ReserveExternalID for a caller who was permitted an action that needs an external ID.
func (b *Broker) reserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error) {
	r := rolebroker.Reservation{ID: rolebroker.NewReservationID(), ExternalID: newExternalID(),
		ReservedAt: stored(b.now())}
	event := b.event(who, rolebroker.ActionExternalIDReserve, nil, nil,
		rolebroker.Named(rolebroker.KindReservation, string(r.ID)))
	if err := b.store.ReserveExternalID(ctx, r.ID, r.ExternalID, r.ReservedAt, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return &r, nil
}

// newExternalID makes an external ID of 130 random bits, in characters that STS accepts and people can copy.
func newExternalID() string { return "rolebroker-" + strings.ToLower(rand.Text()) }

// Reservation finds a reserved external ID, and the integration that uses it. Codes: denied, not_found.
func (b *Broker) Reservation(
	ctx context.Context, who rolebroker.Caller, id rolebroker.ReservationID,
) (*rolebroker.Reservation, error) {
	subject := rolebroker.Named(rolebroker.KindReservation, string(id))
	if err := b.May(ctx, who, rolebroker.ActionExternalIDGet, subject); err != nil {
		return nil, err
	}
	r, err := b.store.Reservation(ctx, id)
	return r, usedOnce(err)
}

// ReleaseExternalID gives back an external ID that no integration has used. It cannot be used afterwards. Codes:
// denied, not_found, conflict.
func (b *Broker) ReleaseExternalID(
	ctx context.Context, who rolebroker.Caller, id rolebroker.ReservationID,
) error {
	const action = rolebroker.ActionExternalIDRelease
	subject := rolebroker.Named(rolebroker.KindReservation, string(id))
	if err := b.May(ctx, who, action, subject); err != nil {
		return err
	}
	event := b.event(who, action, nil, nil, subject)
	if err := b.store.ReleaseExternalID(ctx, id, event); err != nil {
		return usedOnce(err)
	}
	b.logEvent(ctx, &event)
	return nil
}

// usedOnce adds to a store's refusal that an external ID is used only once, and what to do.
func usedOnce(err error) error {
	e := rolebroker.AsError(err)
	switch {
	case err == nil:
		return nil
	case e.Code == rolebroker.CodeNotFound:
		return rolebroker.Errorf(e.Code, "%s: it was never reserved, was given back, or went with its integration; "+
			"an external ID is used only once", e.Message).
			WithHint("rolebroker external-id reserve makes another")
	case e.Code == rolebroker.CodeConflict:
		return rolebroker.Errorf(e.Code, "%s and cannot be given back", e.Message).
			WithHint("it goes with its integration: rolebroker integration delete, or rotate-external-id to change it")
	}
	return err
}
