package cli

import (
	"strconv"
	"time"
)

// when is a time as people say it: "in 47m", "2h ago"; never for nil.
func (a *app) when(t *time.Time, never string) string {
	if t == nil || t.IsZero() {
		return never
	}
	d := t.Sub(a.Now())
	if d < 0 {
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// expires says when something that was just made expires.
func (a *app) expires(t *time.Time) string {
	if t == nil {
		return "never expires"
	}
	return "expires " + a.when(t, "")
}

// span is a length of time in the largest unit that leaves at least two of it
// or, for hours and days, with the next smaller one: "40s", "47m", "1h30m", "3d".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	count := func(unit time.Duration, name string) string { return strconv.Itoa(int(d/unit)) + name }
	switch {
	case d < time.Minute:
		return count(time.Second, "s")
	case d < time.Hour:
		return count(time.Minute, "m")
	case d < 10*time.Hour && d%time.Hour >= time.Minute:
		return count(time.Hour, "h") + strconv.Itoa(int(d%time.Hour/time.Minute)) + "m"
	case d < 2*day:
		return count(time.Hour, "h")
	}
	return count(day, "d")
}
