package prometheus_test

import (
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/internal/prometheus"
)

func TestTextFormat(t *testing.T) {
	registry := new(prometheus.Registry)
	registry.Counter("plain_total", "Shown from the start.")
	registry.Counter("silent_total", "Not shown, as nothing was counted.", "code")
	labelled := registry.Counter("labelled_total", "Back\\slash and\nnew line.", "status", "code")
	labelled.Inc("failed", "b")
	labelled.Inc("failed", "a")
	labelled.Inc("failed", "b")
	labelled.Inc("\"quoted\"\\\n", "")
	registry.Gauge("big", "A large number.", func() float64 { return 123456789 })
	registry.Gauge("small", "A small number.", func() float64 { return 0.25 })
	seconds := registry.Histogram("seconds", "How long it took.", []float64{0.01, 0.5, 2})
	for _, s := range []float64{0, 0.01, 0.02, 2, 60} {
		seconds.Observe(s)
	}
	const want = `# HELP big A large number.
# TYPE big gauge
big 1.23456789e+08
# HELP labelled_total Back\\slash and\nnew line.
# TYPE labelled_total counter
labelled_total{status="\"quoted\"\\\n",code=""} 1
labelled_total{status="failed",code="a"} 1
labelled_total{status="failed",code="b"} 2
# HELP plain_total Shown from the start.
# TYPE plain_total counter
plain_total 0
# HELP seconds How long it took.
# TYPE seconds histogram
seconds_bucket{le="0.01"} 2
seconds_bucket{le="0.5"} 3
seconds_bucket{le="2"} 4
seconds_bucket{le="+Inf"} 5
seconds_sum 62.03
seconds_count 5
# HELP small A small number.
# TYPE small gauge
small 0.25
`
	if diff := cmp.Diff(want, registry.Text()); diff != "" {
		t.Error(diff)
	}
	if n := labelled.Value("failed", "b"); n != 2 {
		t.Errorf("Value is %d, want 2", n)
	}
}

func TestTheHandlerNamesTheFormat(t *testing.T) {
	registry := new(prometheus.Registry)
	registry.Counter("a_total", "A.").Inc()
	w := httptest.NewRecorder()
	registry.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if got := w.Header().Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := w.Body.String(); got != registry.Text() {
		t.Errorf("the body is %q", got)
	}
}

func TestConcurrentEventsAreAllCounted(t *testing.T) {
	registry := new(prometheus.Registry)
	counter := registry.Counter("a_total", "A.", "code")
	histogram := registry.Histogram("b", "B.", []float64{1})
	var working sync.WaitGroup
	for range 8 {
		working.Go(func() {
			for range 1000 {
				counter.Inc("x")
				histogram.Observe(0.5)
				registry.Text()
			}
		})
	}
	working.Wait()
	if text := registry.Text(); counter.Value("x") != 8000 || !strings.Contains(text, `b_bucket{le="1"} 8000`) {
		t.Error(text)
	}
}

func TestANilRegistryStillCounts(t *testing.T) {
	var registry *prometheus.Registry
	counter := registry.Counter("a_total", "A.")
	counter.Inc()
	registry.Histogram("b", "B.", nil).Observe(1)
	registry.Gauge("c", "C.", func() float64 { return 1 })
	if counter.Value() != 1 {
		t.Errorf("it counted %d", counter.Value())
	}
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	panics := func(what string, do func(*prometheus.Registry)) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s did not panic", what)
			}
		}()
		do(new(prometheus.Registry))
	}
	panics("a second metric of one name", func(r *prometheus.Registry) {
		r.Counter("a_total", "A.")
		r.Histogram("a_total", "A.", nil)
	})
	panics("a label without a value", func(r *prometheus.Registry) { r.Counter("a_total", "A.", "code").Inc() })
}

// The names are those of Prometheus' own client library, for which dashboards
// are made.
func TestTheProcessIsShown(t *testing.T) {
	registry := new(prometheus.Registry)
	registry.ObserveProcess()
	runtime.GC()
	value := map[string]string{}
	for line := range strings.Lines(registry.Text()) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		value[name] = number
	}
	names := []string{"go_gc_duration_seconds_count", "go_goroutines", "go_memstats_alloc_bytes",
		"go_memstats_sys_bytes",
		"go_sched_gomaxprocs_threads", "go_threads", `go_info{version="` + runtime.Version() + `"}`}
	if runtime.GOOS == "linux" {
		names = append(names, "process_cpu_seconds_total", "process_max_fds", "process_open_fds",
			"process_resident_memory_bytes",
			"process_start_time_seconds", "process_virtual_memory_bytes", "process_virtual_memory_max_bytes")
	}
	for _, name := range names {
		if value[name] == "" || value[name] == "0" && name != "process_cpu_seconds_total" {
			t.Errorf("%s is %q", name, value[name])
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	between := func(name string, least, most float64) {
		t.Helper()
		if n, err := strconv.ParseFloat(value[name], 64); err != nil || n < least || n > most {
			t.Errorf("%s is %q, want %v to %v", name, value[name], least, most)
		}
	}
	now := float64(time.Now().Unix())
	between("process_start_time_seconds", now-3600, now+1)
	between("process_resident_memory_bytes", 1<<20, 4<<30)
	between("process_cpu_seconds_total", 0, 3600)
}
