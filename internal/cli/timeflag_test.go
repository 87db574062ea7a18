package cli

import (
	"testing"
	"time"
)

func TestTimeFlag(t *testing.T) {
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	for text, want := range map[string]string{
		"2h":                        "2026-03-14T07:26:53Z",
		"14d":                       "2026-02-28T09:26:53Z",
		"1d12h":                     "2026-03-12T21:26:53Z",
		"0s":                        "2026-03-14T09:26:53Z",
		"2026-03-01":                "2026-03-01T00:00:00Z",
		"2026-03-01T10:00:00+02:00": "2026-03-01T08:00:00Z",
		"2026-03-01T10:00:00.5Z":    "2026-03-01T10:00:00.5Z",
		"":                          "", "yesterday": "", "-2h": "", "2026-13-01": "", "2026-03-01T10:00": "", "2": "",
	} {
		var at time.Time
		err := timeFlag{&at, func() time.Time { return now }}.Set(text)
		switch {
		case want == "" && (err == nil || !at.IsZero()):
			t.Errorf("%q is %s", text, at)
		case want != "" && (err != nil || at.UTC().Format(time.RFC3339Nano) != want):
			t.Errorf("%q is %s, want %s: %v", text, at, want, err)
		}
	}
}
