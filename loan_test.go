package rolebroker_test

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

func TestWhenCredentialsExpire(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for after, want := range map[time.Duration]rolebroker.Code{
		-time.Hour: rolebroker.CodeUnavailable, 0: rolebroker.CodeUnavailable, time.Second: "",
		12 * time.Hour: "", 13 * time.Hour: "", 13*time.Hour + time.Second: rolebroker.CodeInternal,
		9000 * 24 * time.Hour: rolebroker.CodeInternal,
	} {
		err := rolebroker.CheckExpiry(now.Add(after), now)
		if (err == nil) != (want == "") || err != nil && rolebroker.CodeOf(err) != want {
			t.Errorf("credentials that expire in %s: %v, want %q", after, err, want)
		}
	}
}
