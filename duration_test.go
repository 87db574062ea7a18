package rolebroker_test

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

func TestTimesReadAsPeopleSayThem(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]string{
		0: "just now", -9 * time.Second: "just now", -10 * time.Second: "10 seconds ago",
		-30 * time.Second: "30 seconds ago", -time.Minute: "1 minute ago", -90 * time.Minute: "1 hour ago",
		-47 * time.Hour: "47 hours ago", -50 * time.Hour: "2 days ago",
		time.Second: "in 1 second", 41*time.Minute + time.Second: "in 41 minutes", 90 * 24 * time.Hour: "in 90 days",
	} {
		if got := rolebroker.RelativeTime(now.Add(after), now); got != want {
			t.Errorf("%s from now is %q, want %q", after, got, want)
		}
	}
	if got := rolebroker.RelativeTime(time.Time{}, now); got != "never" {
		t.Errorf("no time is %q", got)
	}
}
