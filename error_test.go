package rolebroker

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestOutages(t *testing.T) {
	for _, code := range []Code{CodeUnavailable, CodeInternal, CodeThrottled} {
		if !IsOutage(fmt.Errorf("asking: %w", Errorf(code, "no answer"))) {
			t.Errorf("%s is taken for a refusal", code)
		}
	}
	for _, code := range []Code{CodeInvalid, CodeUnauthenticated, CodeExpired, CodeDenied, CodeNotFound, CodeConflict,
		CodeStale, CodeNotBound, "of_a_newer_version"} {
		if IsOutage(Errorf(code, "no")) {
			t.Errorf("%s is taken for an outage", code)
		}
	}
	if IsOutage(nil) || !IsOutage(errors.New("anything else")) || !IsOutage(context.DeadlineExceeded) {
		t.Error("no error is an outage, or an unknown error is none")
	}
}
