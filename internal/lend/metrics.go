package lend

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rolebroker/rolebroker"
)

// metrics are what an operator watches. No label holds what a stranger wrote.
type metrics struct {
	lent    prometheus.Counter
	refused *prometheus.CounterVec
	calls   *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, leases func() float64) *metrics {
	m := &metrics{
		lent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rolebroker_loans_total", Help: "Credentials handed out."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rolebroker_refusals_total", Help: "Requests for credentials that were refused, by code."}, []string{"code"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rolebroker_sts_calls_total", Help: "AssumeRole calls, by outcome: ok, or why STS gave no credentials."}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rolebroker_sts_seconds", Help: "How long AssumeRole calls took.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}),
	}
	if registerer != nil {
		registerer.MustRegister(m.lent, m.refused, m.calls, m.seconds,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rolebroker_leases", Help: "Sessions held in memory."}, leases))
	}
	return m
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
	m.calls.WithLabelValues(outcome).Inc()
}
