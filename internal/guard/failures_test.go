package guard

import (
	"fmt"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

var wrong = rolebroker.Errorf(rolebroker.CodeUnauthenticated, "wrong")

// waits is how long a failure from an address has to wait.
func waits(f *Failures, address string) time.Duration {
	return rolebroker.AsError(f.Refuse("api", address, wrong)).RetryAfter
}

func TestFailuresAreForgivenInTime(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	f := NewFailures(func() time.Time { return now }, nil)
	for i := range networkBurst {
		if wait := waits(f, "192.0.2.7:1"); wait != 0 {
			t.Fatalf("failure %d has to wait %s", i, wait)
		}
	}
	for range 3 {
		if wait := waits(f, "192.0.2.7:1"); wait != networkEvery {
			t.Fatalf("one failure too many has to wait %s", wait)
		}
	}
	now = now.Add(networkEvery)
	if a, b := waits(f, "192.0.2.7:1"), waits(f, "192.0.2.7:1"); a != 0 || b != networkEvery {
		t.Errorf("after the wait, failures have to wait %s and %s", a, b)
	}
	now = now.Add(time.Hour)
	for range networkBurst {
		if waits(f, "192.0.2.7:1") != 0 {
			t.Error("after an hour, failures are not forgiven")
		}
	}
	if waits(f, "192.0.2.7:1") == 0 {
		t.Error("an hour forgives more than there can be")
	}
}

func TestAllAddressesTogetherAreBounded(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	f := NewFailures(func() time.Time { return now }, nil)
	served := 0
	for i := range 100_000 {
		if waits(f, fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)) == 0 {
			served++
		}
	}
	if served != globalBurst {
		t.Errorf("%d of 100,000 addresses did not have to wait", served)
	}
}

func TestWhatSaysNothingAboutTheCallerIsNotCounted(t *testing.T) {
	f := NewFailures(nil, nil)
	down := rolebroker.Errorf(rolebroker.CodeUnavailable, "the database is down")
	for range 10 * networkBurst {
		if err := f.Refuse("api", "192.0.2.7:1", down); err != error(down) {
			t.Fatal(err)
		}
	}
	if waits(f, "192.0.2.7:1") != 0 {
		t.Error("an outage counts as a failure")
	}
	var none *Failures
	if err := none.Refuse("api", "", wrong); err != error(wrong) || none.Exceeded("api", "") != nil {
		t.Error("no Failures limit")
	}
}
