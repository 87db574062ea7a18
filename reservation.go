package rolebroker

import "time"

// Reservation is an external ID that was reserved, and what became of it. While
// no integration has used it, it is the external ID itself. From then on it
// follows the integration: through a change of the external ID it stands for
// the one that is required now.
type Reservation struct {
	ID              ReservationID // empty for one of a time when there were none
	ExternalID      string        // as reserved, or the integration's current one
	NextExternalID  string        // what the integration's is being changed to; empty when it is not
	Integration     IntegrationID // empty: none has used it
	IntegrationName string        // as it is now
	ReservedAt      time.Time
}
