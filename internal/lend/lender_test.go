package lend

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
)

func TestAServerLendsWhatItAssumesItself(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.update(func(in *rolebroker.Integration) { in.AssumptionMode = rolebroker.ModeCluster })
		f.refuses(rolebroker.CodeDenied)
		f.update(func(in *rolebroker.Integration) {
			in.AssumptionMode, in.Runner, in.RunnerName = rolebroker.ModeCluster, "run_eks", "eks"
		})
		f.refuses(rolebroker.CodeDenied)
		if grant, err := f.lender.Resolve(f.Context(), scout, "readonly"); err != nil || grant.Role.Name != "readonly" {
			f.Errorf("who assumes it elsewhere is told %v, %v", grant, err)
		}
		f.update()
		f.mustLend("")
	})
}

func TestTokensAndAgentsThatAreGoneHaveExpired(t *testing.T) {
	for name, take := range map[string]func(*fakeRecords){
		"the token is gone":    func(r *fakeRecords) { delete(r.tokens, scout.Token) },
		"the token expires":    func(r *fakeRecords) { r.tokens[scout.Token].ExpiresAt = time.Now() },
		"the token is revoked": func(r *fakeRecords) { r.tokens[scout.Token].RevokedAt = time.Now() },
		"the agent is gone":    func(r *fakeRecords) { delete(r.agents, scout.Agent) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fake) {
				f.mustLend("")
				f.records.change(rolebroker.Change{Agent: scout.Agent}, take)
				f.refuses(rolebroker.CodeExpired)
				if _, err := f.lender.Offers(f.Context(), scout); rolebroker.CodeOf(err) != rolebroker.CodeExpired {
					f.Errorf("it is offered something: %v", err)
				}
			})
		})
	}
}

func TestOffersAreTheRolesOfTheAgent(t *testing.T) {
	inBubble(t, func(f *fake) {
		offers, err := f.lender.Offers(f.Context(), scout)
		if err != nil || len(offers) != 1 {
			f.Errorf("the offers are %v, %v", offers, err)
		}
	})
}

// closing closes the lender after a second, with time for grace, and says how
// long that took.
func (f *fake) closing(grace time.Duration) (took time.Duration) {
	f.Helper()
	time.Sleep(time.Second)
	ctx, cancel := context.WithTimeout(f.Context(), grace)
	defer cancel()
	began := time.Now()
	if err := f.lender.Close(ctx); err != nil {
		f.Error(err)
	}
	return time.Since(began)
}

func TestCloseWaitsForTheCallsUnderWay(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.takes = 5 * time.Second })
		answered := make(chan error, 1)
		go func() {
			_, err := f.lend("")
			answered <- err
		}()
		if took := f.closing(time.Minute); took != 4*time.Second {
			f.Errorf("closing took %v", took)
		}
		if err := <-answered; err != nil {
			f.Errorf("the request that waited got %v", err)
		}
		if _, s := f.records.sessions(); len(s) != 1 || s[0].State != rolebroker.SessionActive {
			f.Errorf("the record is %+v", s)
		}
	})
}

func TestCloseCancelsTheCallsThatTakeTooLong(t *testing.T) {
	inBubble(t, func(f *fake) {
		f.sts.set(func(s *fakeSTS) { s.takes = 15 * time.Second })
		go f.lend("")
		if took := f.closing(2 * time.Second); took != 2*time.Second {
			f.Errorf("closing took %v", took)
		}
		if _, s := f.records.sessions(); len(s) != 1 || s[0].State != rolebroker.SessionFailed {
			f.Errorf("when it has closed, the record is %+v", s)
		}
	})
}

func TestCloseRecordsTheUse(t *testing.T) {
	inBubble(t, func(f *fake) {
		session := f.times(3)
		f.closing(time.Minute)
		if n := f.records.counted()[session]; n != 3 {
			f.Errorf("the record counts %d", n)
		}
	})
}

func TestNothingStartsAfterClose(t *testing.T) {
	inBubble(t, func(f *fake) {
		old := f.mustLend("")
		f.closing(time.Minute)
		if _, err := f.lend("another"); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			f.Errorf("a new session: %v", err)
		}
		time.Sleep(50 * time.Minute)
		if _, err := f.lend(""); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable && err != nil {
			f.Error(err)
		}
		time.Sleep(time.Until(old.Credentials.Expires))
		f.refuses(rolebroker.CodeUnavailable)
		synctest.Wait()
		if n := f.records.writes["RecordSession"]; n != 1 {
			f.Errorf("there were %d sessions", n)
		}
		if leases, _, _, _ := f.counts(); leases != 1 {
			f.Errorf("there are %d leases", leases)
		}
	})
}
