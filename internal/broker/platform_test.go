package broker_test

import (
	"context"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// identitySTS says who the server is, and counts how often it is asked.
type identitySTS struct {
	validate.STS
	arn   string
	err   error
	asked int
}

func (s *identitySTS) Identity(context.Context) (*rolebroker.Identity, error) {
	s.asked++
	return &rolebroker.Identity{ARN: s.arn}, s.err
}

// The answer of AWS is used again for a minute, a failure for five seconds.
func TestThePlatformsIdentityIsAskedAgain(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	sts := &identitySTS{arn: "arn:aws:iam::111122223333:user/first"}
	b := broker.New(broker.Options{Store: untouched{}, STS: sts, Now: func() time.Time { return now }})
	check := func(what, arn string, asked int) {
		t.Helper()
		p, err := b.Platform(t.Context(), reader)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if p.ARN != arn || (p.Err != nil) != (arn == "") || sts.asked != asked {
			t.Errorf("%s: %q (%v) after %d calls, want %q after %d", what, p.ARN, p.Err, sts.asked, arn, asked)
		}
	}
	check("the first time", "arn:aws:iam::111122223333:user/first", 1)
	sts.arn = "arn:aws:iam::111122223333:user/second"
	now = now.Add(time.Minute - time.Nanosecond)
	check("within the minute", "arn:aws:iam::111122223333:user/first", 1)
	now = now.Add(time.Nanosecond)
	check("after a minute", "arn:aws:iam::111122223333:user/second", 2)

	sts.err = &rolebroker.Refusal{Kind: rolebroker.RefusedNoIdentity, Message: "no credentials"}
	now = now.Add(time.Minute)
	check("when it fails", "", 3)
	sts.err = nil
	now = now.Add(5*time.Second - time.Nanosecond)
	check("soon after the failure", "", 3)
	now = now.Add(time.Nanosecond)
	check("five seconds after the failure", "arn:aws:iam::111122223333:user/second", 4)
}
