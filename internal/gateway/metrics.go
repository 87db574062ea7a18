package gateway

import "github.com/rolebroker/rolebroker/internal/prometheus"

// metrics are what an operator watches of the gateway.
type metrics struct {
	calls    *prometheus.Counter
	lost     *prometheus.Counter
	upstream *prometheus.Histogram
	added    *prometheus.Histogram
}

func newMetrics(r *prometheus.Registry) *metrics {
	return &metrics{
		calls: r.Counter("rolebroker_calls_total", "Calls through the gateway, by service and decision.", "service",
			"decision"),
		lost: r.Counter("rolebroker_calls_unrecorded_total", "Refused calls that could not be recorded."),
		upstream: r.Histogram("rolebroker_call_upstream_seconds",
			"How long AWS took from the end of a signed request's headers to its answer.",
			[]float64{0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 60}),
		added: r.Histogram("rolebroker_call_added_seconds",
			"How long the gateway had a call before AWS got it, with the recording of what may change something.",
			[]float64{0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30}),
	}
}
