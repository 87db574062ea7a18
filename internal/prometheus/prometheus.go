// Package prometheus counts what an operator watches and writes it in the text
// format that Prometheus reads.
//
// It stands in for Prometheus' own client library, whose packages take a
// millisecond to initialise: every `rolebroker exec` and `rolebroker
// credentials` paid for them without using them. It knows counters, gauges and
// histograms and nothing else, refuses a metric whose name is taken, and leaves
// the choice of labels to its callers: a label must never hold what a stranger
// wrote.
//
//	registry := new(prometheus.Registry)
//	refused := registry.Counter("rolebroker_refusals_total", "Refused requests, by code.", "code")
//	refused.Inc("denied")
//	http.Handle("GET /metrics", registry)
//
// Source: https://prometheus.io/docs/instrumenting/exposition_formats, text
// format 0.0.4.
package prometheus

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Registry holds the metrics of one server. The zero value is empty and ready.
// A nil Registry makes metrics that count and are not shown.
type Registry struct {
	mu      sync.Mutex
	metrics map[string]metric
	process bool // ObserveProcess was called
}

// metric is a counter, gauge or histogram.
type metric interface {
	// samples calls sample with each value: the suffix of its name, its labels
	// as written, and the value.
	samples(sample func(suffix, labels string, value float64))
	kind() string
	description() string
}

// desc has the fields of every metric.
type desc struct{ help string }

func (d desc) description() string { return d.help }

// add registers a metric. It panics when the name is taken, which is a mistake
// in the program.
func (r *Registry) add(name string, m metric) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.metrics[name]; taken {
		panic("prometheus: there are two metrics " + name)
	}
	if r.metrics == nil {
		r.metrics = map[string]metric{}
	}
	r.metrics[name] = m
}

// ObserveProcess adds what Prometheus' own client libraries show of a Go
// program: go_… about its runtime and, on Linux, process_… about its process.
//
// Source: https://prometheus.io/docs/instrumenting/writing_clientlibs, "Process
// metrics" and "Runtime metrics".
func (r *Registry) ObserveProcess() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = true
}

// Text returns all metrics in the text format: those of the process, then the
// others, sorted by name.
func (r *Registry) Text() string {
	r.mu.Lock()
	registered, process := maps.Clone(r.metrics), r.process
	r.mu.Unlock()
	var b strings.Builder
	if process {
		writeRuntime(&b)
		writeProcess(&b)
	}
	for _, name := range slices.Sorted(maps.Keys(registered)) {
		write(&b, name, registered[name])
	}
	return b.String()
}

// write writes one metric. A metric that has no value yet has no lines either.
func write(b *strings.Builder, name string, m metric) {
	first := true
	m.samples(func(suffix, labels string, value float64) {
		if first {
			writeHeader(b, name, m.kind(), m.description())
			first = false
		}
		writeSample(b, name+suffix+labels, value)
	})
}

func writeHeader(b *strings.Builder, name, kind, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp.Replace(help), name, kind)
}

func writeSample(b *strings.Builder, name string, value float64) {
	fmt.Fprintf(b, "%s %v\n", name, value)
}

// ServeHTTP answers with Text.
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(r.Text())) // the client may be gone
}

// Counter counts events, by the values of its labels.
type Counter struct {
	desc
	labels []string
	values sync.Map // labels as written → *atomic.Uint64
}

// Counter registers a counter. Without labels it is shown from the start, with
// labels once something was counted.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{desc: desc{help}, labels: labels}
	if len(labels) == 0 {
		c.at("")
	}
	r.add(name, c)
	return c
}

// Inc counts one event that has these values of the counter's labels, in their
// order.
func (c *Counter) Inc(values ...string) { c.at(written(c.labels, values)).Add(1) }

// Value returns how many events had these values.
func (c *Counter) Value(values ...string) uint64 { return c.at(written(c.labels, values)).Load() }

func (c *Counter) at(labels string) *atomic.Uint64 {
	if n, ok := c.values.Load(labels); ok {
		return n.(*atomic.Uint64)
	}
	n, _ := c.values.LoadOrStore(labels, new(atomic.Uint64))
	return n.(*atomic.Uint64)
}

func (c *Counter) kind() string { return "counter" }

func (c *Counter) samples(sample func(suffix, labels string, value float64)) {
	counts := map[string]uint64{}
	for labels, n := range c.values.Range {
		counts[labels.(string)] = n.(*atomic.Uint64).Load()
	}
	for _, labels := range slices.Sorted(maps.Keys(counts)) {
		sample("", labels, float64(counts[labels]))
	}
}

// gauge is a value that is read when it is shown.
type gauge struct {
	desc
	read func() float64
}

// Gauge registers a value that read returns whenever metrics are asked for.
func (r *Registry) Gauge(name, help string, read func() float64) {
	r.add(name, gauge{desc{help}, read})
}

func (g gauge) kind() string { return "gauge" }

func (g gauge) samples(sample func(suffix, labels string, value float64)) { sample("", "", g.read()) }

// Histogram counts observations in buckets.
type Histogram struct {
	desc
	bounds []float64

	mu     sync.Mutex
	counts []uint64 // one per bound, and one for values above all bounds
	sum    float64
}

// Histogram registers a histogram. Each of the bounds, which ascend, is the
// greatest value of its bucket.
func (r *Registry) Histogram(name, help string, bounds []float64) *Histogram {
	h := &Histogram{desc: desc{help}, bounds: bounds, counts: make([]uint64, len(bounds)+1)}
	r.add(name, h)
	return h
}

// Observe counts one observation.
func (h *Histogram) Observe(value float64) {
	bucket, _ := slices.BinarySearch(h.bounds, value)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucket]++
	h.sum += value
}

func (h *Histogram) kind() string { return "histogram" }

func (h *Histogram) samples(sample func(suffix, labels string, value float64)) {
	h.mu.Lock()
	counts, sum := slices.Clone(h.counts), h.sum
	h.mu.Unlock()
	total := 0.0
	for i, n := range counts {
		total += float64(n)
		bound := "+Inf"
		if i < len(h.bounds) {
			bound = fmt.Sprint(h.bounds[i])
		}
		sample("_bucket", written([]string{"le"}, []string{bound}), total)
	}
	sample("_sum", "", sum)
	sample("_count", "", total)
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeValue = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// written returns labels as a sample has them, "" when there are none. It panics
// when there is not one value for each name.
func written(names, values []string) string {
	if len(names) != len(values) {
		panic(fmt.Sprintf("prometheus: %d values for the labels %v", len(values), names))
	}
	if len(names) == 0 {
		return ""
	}
	pairs := make([]string, len(names))
	for i, name := range names {
		pairs[i] = name + `="` + escapeValue.Replace(values[i]) + `"`
	}
	return "{" + strings.Join(pairs, ",") + "}"
}
