package main

import (
	"slices"
	"time"
)

// median returns the median, or 0 if there are no values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile returns the duration that the share p of all does not exceed, or 0 if
// there are none. It sorts all.
func percentile(durations []time.Duration, p float64) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return durations[min(int(p*float64(len(durations))), len(durations)-1)]
}

// milliseconds converts a duration to a quantity of the table.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// each collects a value of every turn.
func each[T any](turns []T, value func(T) float64) []float64 {
	column := make([]float64, len(turns))
	for i, t := range turns {
		column[i] = value(t)
	}
	return column
}
