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
