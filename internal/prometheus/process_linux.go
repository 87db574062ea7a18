package prometheus

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ticksPerSecond is the unit of times in /proc, USER_HZ, which is 100 on every
// architecture that Go runs on.
const ticksPerSecond = 100

// writeProcess writes what the system knows of this process. It leaves out what
// cannot be read.
//
// Source: proc_pid_stat(5), whose fields are counted from 1; proc_stat(5), btime.
func writeProcess(b *strings.Builder) {
	stat := statFields()
	number := func(field int) float64 {
		n, _ := strconv.ParseFloat(stat[field-1], 64)
		return n
	}
	if stat != nil {
		writeCounter(b, "process_cpu_seconds_total", "CPU time used, in user and kernel mode.",
			(number(14)+number(15))/ticksPerSecond)
		writeGauge(b, "process_resident_memory_bytes", "Memory that is resident.", number(24)*float64(os.Getpagesize()))
		writeGauge(b, "process_virtual_memory_bytes", "Size of the address space.", number(23))
		if booted := bootTime(); booted > 0 {
			writeGauge(b, "process_start_time_seconds", "When the process started, in seconds since 1970.",
				booted+number(22)/ticksPerSecond)
		}
	}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		writeGauge(b, "process_open_fds", "Number of open file descriptors.", float64(len(entries)))
	}
	limit := func(name, help string, resource int) {
		var r syscall.Rlimit
		if syscall.Getrlimit(resource, &r) == nil {
			writeGauge(b, name, help, float64(r.Cur))
		}
	}
	limit("process_max_fds", "Largest number of open file descriptors.", syscall.RLIMIT_NOFILE)
	limit("process_virtual_memory_max_bytes", "Largest size of the address space.", syscall.RLIMIT_AS)
}

// statFields returns the fields of /proc/self/stat, nil if it cannot be read.
// The second one, the name of the program, may have spaces and parentheses.
func statFields() []string {
	const least = 24 // the last that is used
	text, err := os.ReadFile("/proc/self/stat")
	end := bytes.LastIndexByte(text, ')')
	if err != nil || end < 0 {
		return nil
	}
	fields := append([]string{"pid", "comm"}, strings.Fields(string(text[end+1:]))...)
	if len(fields) < least {
		return nil
	}
	return fields
}

// bootTime is when the system started, in seconds since 1970; 0 if that cannot
// be read.
func bootTime() float64 {
	text, _ := os.ReadFile("/proc/stat")
	_, rest, _ := strings.Cut(string(text), "\nbtime ")
	value, _, _ := strings.Cut(rest, "\n")
	seconds, _ := strconv.ParseFloat(value, 64)
	return seconds
}
