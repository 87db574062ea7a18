package cli

import (
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker/internal/config"
)

// timeFlag is the value of a flag that takes a time: how long ago it was, a date or an RFC 3339 time.
type timeFlag struct {
	at  *time.Time
	now func() time.Time
}

func (a *app) timeFlag(at *time.Time) timeFlag { return timeFlag{at, a.Now} }

func (f timeFlag) Set(text string) error {
	if ago, err := config.ParseDuration(text); err == nil && ago >= 0 {
		*f.at = f.now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			*f.at = at
			return nil
		}
	}
	return fmt.Errorf("%q is not a time; write how long ago it was, as in 2h or 14d, a date, as in 2026-03-14, "+
		"or a time, as in 2026-03-14T09:26:53Z", text)
}

// String returns the default: none.
func (f timeFlag) String() string { return "" }

func (f timeFlag) Type() string { return "time" }

// laterFlag is the value of a flag that takes a time to come: how long from now, a date or an RFC 3339 time.
type laterFlag struct {
	at    *time.Time
	now   func() time.Time
	never bool // "never" is the zero time
}

func (f laterFlag) Set(text string) error {
	at := time.Time{}
	if f.never && text == "never" {
		*f.at = at
		return nil
	}
	if in, err := config.ParseDuration(text); err == nil && in > 0 {
		at = f.now().Add(in)
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if parsed, err := time.Parse(layout, text); err == nil {
			at = parsed
		}
	}
	switch {
	case at.IsZero():
		return fmt.Errorf("%q is not a time; write how long from now, as in 12h or 30d, a date, as in 2026-03-14, "+
			"or a time, as in 2026-03-14T09:26:53Z", text)
	case !at.After(f.now()):
		return fmt.Errorf("%q is in the past", text)
	}
	*f.at = at.UTC().Truncate(time.Second)
	return nil
}

// String returns the default: none.
func (f laterFlag) String() string { return "" }

func (f laterFlag) Type() string { return "time" }
