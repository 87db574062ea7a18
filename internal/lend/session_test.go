package lend

import (
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// TestTheRecordSaysTheLatestExpiryUntilSTSAnswers: the credentials of a session
// whose outcome is never recorded may work until then.
func TestTheRecordSaysTheLatestExpiryUntilSTSAnswers(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.lifetime = 50 * time.Minute })
		began := time.Now()
		loan := f.mustLend("")
		asked, finished := f.records.sessions()
		latest := began.Add(time.Hour + 5*time.Minute) // by a clock that differs from ours
		if s := asked[0]; s.State != rolebroker.SessionRequested || !s.ExpiresAt.Equal(latest) {
			f.Errorf("before STS answers the record is %+v", s)
		}
		if s := finished[0]; s.State != rolebroker.SessionActive || !s.ExpiresAt.Equal(loan.Credentials.Expires) {
			f.Errorf("afterwards it is %+v", s)
		}
	})
}

func TestCredentialsThatHaveExpiredByOurClockAreRefused(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.lifetime = -time.Minute })
		_, err := f.lend("")
		if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "set the clock right") {
			f.Errorf("it is refused with %v", err)
		}
		_, finished := f.records.sessions()
		if s := finished[0]; s.State != rolebroker.SessionFailed || s.RequestID != "request" ||
			!strings.Contains(s.Failure, "clock") {
			f.Errorf("the record is %+v", s)
		}
	})
}

func TestCredentialsWhoseOutcomeIsNotRecordedAreNotHandedOut(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.records.fail("FinishSession", errAway)
		f.refuses(rolebroker.CodeUnavailable)
		f.records.fail("FinishSession", nil)
		time.Sleep(10 * time.Second)
		f.mustLend("")
	})
}

// TestAFailureThatCannotBeRecordedIsStillAnswered as STS gave it.
func TestAFailureThatCannotBeRecordedIsStillAnswered(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.err = errRefused })
		f.records.fail("FinishSession", errAway)
		f.refuses(rolebroker.CodeDenied)
	})
}

func TestRefusalsOfSTSHaveACode(t *testing.T) {
	for kind, code := range map[rolebroker.RefusalKind]rolebroker.Code{
		rolebroker.RefusedDenied:          rolebroker.CodeDenied,
		rolebroker.RefusedDuration:        rolebroker.CodeDenied,
		rolebroker.RefusedRegion:          rolebroker.CodeDenied,
		rolebroker.RefusedOther:           rolebroker.CodeDenied,
		rolebroker.RefusedThrottled:       rolebroker.CodeUnavailable,
		rolebroker.RefusedUnreachable:     rolebroker.CodeUnavailable,
		rolebroker.RefusedNoIdentity:      rolebroker.CodeUnavailable,
		rolebroker.RefusedIdentity:        rolebroker.CodeUnavailable,
		rolebroker.RefusedIdentityExpired: rolebroker.CodeUnavailable,
	} {
		inBubble(t, func(f *fake) {
			f.sts.set(func(s *fakeSTS) { s.err = &rolebroker.Refusal{Kind: kind, Message: "no"} })
			_, err := f.lend("")
			if hint := rolebroker.AsError(err).Hint; rolebroker.CodeOf(err) != code || len(hint) == 0 {
				f.Errorf("%s is answered with %v (%s), want %s and a hint", kind, err, hint, code)
			}
		})
	}
}
