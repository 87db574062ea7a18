package lend

import (
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/prometheus"
)

// metrics are the metrics of lending. No label has a value that a client chose.
type metrics struct {
	lent    *prometheus.Counter
	refused *prometheus.Counter
	calls   *prometheus.Counter
	seconds *prometheus.Histogram
}

func newMetrics(r *prometheus.Registry, leases func() float64) *metrics {
	r.Gauge("rolebroker_leases", "Sessions held in memory.", leases)
	return &metrics{
		lent:    r.Counter("rolebroker_loans_total", "Credentials handed out."),
		refused: r.Counter("rolebroker_refusals_total", "Requests for credentials that were refused, by code.", "code"),
		calls: r.Counter("rolebroker_sts_calls_total",
			"AssumeRole calls, by outcome: ok, or why STS gave no credentials.", "outcome"),
		seconds: r.Histogram("rolebroker_sts_seconds", "How long AssumeRole calls took.",
			[]float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48}),
	}
}

// observeCall counts an AssumeRole call.
func (m *metrics) observeCall(took time.Duration, err error) {
	m.seconds.Observe(took.Seconds())
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		outcome = string(refusal.Kind)
	}
	m.calls.Inc(outcome)
}
