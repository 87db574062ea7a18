package broker

import "github.com/prometheus/client_golang/prometheus"

// metrics count what validations found.
type metrics struct {
	validations *prometheus.CounterVec
	changes     *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		validations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rolebroker_validations_total", Help: "Validations of a role, by status and code."}, []string{"status", "code"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rolebroker_role_changes_total", Help: "Roles that a validation found to work no longer, or again."}, []string{"to"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.validations, m.changes)
	}
	return m
}
