package rolebroker

import "time"

// Reservation is an external ID that was reserved. Once an integration uses it, the Reservation follows the
// integration: after a rotation it has the current external ID.
type Reservation struct {
	ID              ReservationID // empty for an external ID of an earlier version, which made no reservations
	ExternalID      string        // as reserved, or the integration's current one
	NextExternalID  string        // the integration's next one; empty if there is no rotation
	Integration     IntegrationID // empty: no integration has used it
	IntegrationName string        // its current name
	ReservedAt      time.Time
}
