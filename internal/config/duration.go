package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration parses a duration as time.ParseDuration does, and also days of 24
// hours, as in "30d" and "1d12h".
func ParseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return parseHours(s, s)
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > uint64(math.MaxInt64/day)-1 {
		return 0, badDuration(s)
	}
	if rest == "" {
		return time.Duration(n) * day, nil
	}
	hours, err := parseHours(rest, s)
	if err != nil || hours < 0 || hours >= day {
		return 0, badDuration(s)
	}
	return time.Duration(n)*day + hours, nil
}

func parseHours(s, whole string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, badDuration(whole)
	}
	return d, nil
}

func badDuration(s string) error {
	return fmt.Errorf("%q is not a duration; write it as in 30d, 12h, 90m or 30s", s)
}

// FormatDuration writes d in its shortest form: "30d", "1h30m", "45s".
func FormatDuration(d time.Duration) string {
	if d >= day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return FormatHours(d)
}

// FormatHours writes d in its shortest form without days, as time.ParseDuration
// reads it: "720h".
func FormatHours(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// durationValue is a duration as a flag.
type durationValue time.Duration

func (d *durationValue) Set(s string) error {
	parsed, err := ParseDuration(s)
	if err == nil {
		*d = durationValue(parsed)
	}
	return err
}

func (d *durationValue) String() string { return FormatDuration(time.Duration(*d)) }

// Type is its name in the help.
func (d *durationValue) Type() string { return "duration" }
