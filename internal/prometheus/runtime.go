package prometheus

import (
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// writeGauge and writeCounter write a metric that has one value.
func writeGauge(b *strings.Builder, name, help string, value float64) {
	writeHeader(b, name, "gauge", help)
	writeSample(b, name, value)
}

func writeCounter(b *strings.Builder, name, help string, value float64) {
	writeHeader(b, name, "counter", help)
	writeSample(b, name, value)
}

// writeRuntime writes what the Go runtime knows of itself.
func writeRuntime(b *strings.Builder) {
	writePauses(b)
	writeGauge(b, "go_gc_gomemlimit_bytes", "Memory limit of the Go runtime.", float64(debug.SetMemoryLimit(-1)))
	writeGauge(b, "go_goroutines", "Number of goroutines that exist.", float64(runtime.NumGoroutine()))
	writeHeader(b, "go_info", "gauge", "Version of Go that the program was built with.")
	writeSample(b, "go_info"+written([]string{"version"}, []string{runtime.Version()}), 1)
	writeMemory(b)
	writeGauge(b, "go_sched_gomaxprocs_threads", "Number of threads that run Go code at once.",
		float64(runtime.GOMAXPROCS(0)))
	threads, _ := runtime.ThreadCreateProfile(nil)
	writeGauge(b, "go_threads", "Number of threads created.", float64(threads))
}

func writePauses(b *strings.Builder) {
	const name = "go_gc_duration_seconds"
	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&stats)
	writeHeader(b, name, "summary", "How long garbage collections stopped the program.")
	for i, quantile := range []string{"0", "0.25", "0.5", "0.75", "1"} {
		writeSample(b, name+written([]string{"quantile"}, []string{quantile}), stats.PauseQuantiles[i].Seconds())
	}
	writeSample(b, name+"_sum", stats.PauseTotal.Seconds())
	writeSample(b, name+"_count", float64(stats.NumGC))
}

// writeMemory writes runtime.MemStats, whose documentation says what each of
// its fields is.
func writeMemory(b *strings.Builder) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	gauge := func(name, help string, value uint64) { writeGauge(b, "go_memstats_"+name, help, float64(value)) }
	total := func(name, help string, value uint64) { writeCounter(b, "go_memstats_"+name, help, float64(value)) }
	gauge("alloc_bytes", "Bytes of heap objects in use.", m.Alloc)
	total("alloc_bytes_total", "Bytes of heap objects allocated so far.", m.TotalAlloc)
	gauge("buck_hash_sys_bytes", "Bytes of the hash tables of profiles.", m.BuckHashSys)
	total("frees_total", "Heap objects freed so far.", m.Frees)
	gauge("gc_sys_bytes", "Bytes of the garbage collector's own data.", m.GCSys)
	gauge("heap_alloc_bytes", "Bytes of heap objects in use.", m.HeapAlloc)
	gauge("heap_idle_bytes", "Bytes of heap that hold no objects.", m.HeapIdle)
	gauge("heap_inuse_bytes", "Bytes of heap that hold objects.", m.HeapInuse)
	gauge("heap_objects", "Heap objects in use.", m.HeapObjects)
	gauge("heap_released_bytes", "Bytes of heap returned to the system.", m.HeapReleased)
	gauge("heap_sys_bytes", "Bytes of heap obtained from the system.", m.HeapSys)
	writeGauge(b, "go_memstats_last_gc_time_seconds", "When the last garbage collection ended, in seconds since 1970.",
		float64(m.LastGC)/1e9)
	total("mallocs_total", "Heap objects allocated so far.", m.Mallocs)
	gauge("mcache_inuse_bytes", "Bytes of mcache structures in use.", m.MCacheInuse)
	gauge("mcache_sys_bytes", "Bytes obtained from the system for mcache structures.", m.MCacheSys)
	gauge("mspan_inuse_bytes", "Bytes of mspan structures in use.", m.MSpanInuse)
	gauge("mspan_sys_bytes", "Bytes obtained from the system for mspan structures.", m.MSpanSys)
	gauge("next_gc_bytes", "Size of the heap at which the next garbage collection begins.", m.NextGC)
	gauge("other_sys_bytes", "Bytes obtained from the system for other uses.", m.OtherSys)
	gauge("stack_inuse_bytes", "Bytes of stacks in use.", m.StackInuse)
	gauge("stack_sys_bytes", "Bytes obtained from the system for stacks.", m.StackSys)
	gauge("sys_bytes", "Bytes obtained from the system.", m.Sys)
}
