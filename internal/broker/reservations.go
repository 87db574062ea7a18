package broker

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// ReserveExternalID makes an external ID for an integration that is yet to be
// created, so that roles can be set up in AWS first. Codes: denied.
func (b *Broker) ReserveExternalID(ctx context.Context, who rolebroker.Caller) (*rolebroker.Reservation, error) {
	if err := who.MayWrite(); err != nil {
		return nil, err
	}
	r := rolebroker.Reservation{ID: rolebroker.NewReservationID(), ExternalID: newExternalID(), ReservedAt: stored(b.now())}
	if err := b.store.ReserveExternalID(ctx, r.ID, r.ExternalID, r.ReservedAt); err != nil {
		return nil, err
	}
	b.audit(ctx, who, "external ID reserved", string(r.ID))
	return &r, nil
}

// madeExternalID is one that was reserved just now.
func (b *Broker) madeExternalID(ctx context.Context, who rolebroker.Caller) (string, error) {
	r, err := b.ReserveExternalID(ctx, who)
	if err != nil {
		return "", err
	}
	return r.ExternalID, nil
}

// newExternalID makes one of 130 random bits, in characters that STS takes and
// people can copy.
func newExternalID() string { return "rolebroker-" + strings.ToLower(rand.Text()) }

// Reservation is what became of an external ID that was reserved. Codes:
// denied, not_found.
func (b *Broker) Reservation(ctx context.Context, who rolebroker.Caller, id rolebroker.ReservationID) (*rolebroker.Reservation, error) {
	if err := who.MayRead(); err != nil {
		return nil, err
	}
	r, err := b.store.Reservation(ctx, id)
	return r, usedOnce(err)
}

// ReleaseExternalID gives back an external ID that no integration has used:
// none can be created with it any more. Codes: denied, not_found, conflict.
func (b *Broker) ReleaseExternalID(ctx context.Context, who rolebroker.Caller, id rolebroker.ReservationID) error {
	if err := who.MayWrite(); err != nil {
		return err
	}
	if err := b.store.ReleaseExternalID(ctx, id); err != nil {
		return usedOnce(err)
	}
	b.audit(ctx, who, "external ID released", string(id))
	return nil
}

// usedOnce adds to why an external ID is not there, or cannot be given back,
// what there is to know of all of them.
func usedOnce(err error) error {
	e := rolebroker.AsError(err)
	switch {
	case err == nil:
		return nil
	case e.Code == rolebroker.CodeNotFound:
		return rolebroker.Errorf(e.Code, "%s: it was never reserved, was given back, or went with its integration; an external ID is used only once", e.Message).
			WithHint("rolebroker external-id reserve makes another")
	case e.Code == rolebroker.CodeConflict:
		return rolebroker.Errorf(e.Code, "%s and cannot be given back", e.Message).
			WithHint("it goes with its integration: rolebroker integration delete, or rotate-external-id to change it")
	}
	return err
}
