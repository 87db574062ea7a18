package rolebroker

import (
	"fmt"
	"strconv"
	"time"
)

// ShortDuration formats a duration in whole seconds as a person would type it: 1h, 1h30m, 15m. [ParseSessionDuration]
// reads it.
func ShortDuration(d time.Duration) string {
	text := ""
	for _, unit := range []struct {
		length time.Duration
		symbol string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + unit.symbol
		}
		d %= unit.length
	}
	return text
}

// DurationInWords rounds a duration down to its largest unit: "40 seconds", "1 minute", "26 hours", "3 days".
func DurationInWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return counted(d/time.Second, "second")
	case d < time.Hour:
		return counted(d/time.Minute, "minute")
	case d < 2*day:
		return counted(d/time.Hour, "hour")
	}
	return counted(d/day, "day")
}

func counted(n time.Duration, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// RelativeTime says when t is, seen from now: "in 41 minutes", "2 hours ago", "just now". The zero time is "never".
func RelativeTime(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "never"
	case d < 0:
		return "in " + DurationInWords(-d)
	case d < 10*time.Second:
		return "just now"
	default:
		return DurationInWords(d) + " ago"
	}
}
