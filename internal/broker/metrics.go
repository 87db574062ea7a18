package broker

import "github.com/rolebroker/rolebroker/internal/prometheus"

// metrics count the outcomes of validations.
type metrics struct {
	validations *prometheus.Counter
	changes     *prometheus.Counter
}

func newMetrics(r *prometheus.Registry) *metrics {
	return &metrics{
		validations: r.Counter("rolebroker_validations_total",
			"Validations of a role, by status and code.", "status", "code"),
		changes: r.Counter("rolebroker_role_changes_total",
			"Roles that a validation found to work no longer, or again.", "to"),
	}
}
