package broker_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// state is the state of a role now, once what STS answered is recorded.
func (w *world) state(integration, role string) rolebroker.RoleState {
	w.Helper()
	synctest.Wait()
	in := w.get(integration)
	if err := w.broker.AddHints(w.ctx, admin, in); err != nil {
		w.Fatal(err)
	}
	return in.StateOf(in.Role(role))
}

// inBackground runs RevalidateSuspects until the test stops it.
func (w *world) inBackground() (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	var work sync.WaitGroup
	work.Go(func() { w.broker.RevalidateSuspects(ctx) })
	return func() { cancel(); work.Wait() }
}

func TestALoanAndARefusalAreTheStateOfARole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustLend("readonly")
		if s := w.state("production", "readonly"); s.Status != rolebroker.StatusAssumable ||
			s.From != rolebroker.FromLoan || s.Agent != "scout" || !s.CheckedAt.Equal(time.Now()) {
			t.Errorf("after a loan the state is %+v", s)
		}
		if s := w.state("production", "deployer"); s.Code != rolebroker.StateNotTried {
			t.Errorf("the state of a role that nobody borrowed is %+v", s)
		}
		began := time.Now()
		<-time.After(time.Minute)
		w.aws.Account(customerAccount).SetTrustPolicy("ReadOnly", trusting("999999999999"))
		<-time.After(40 * time.Minute) // past the renewal, which AWS refuses
		s := w.state("production", "readonly")
		if s.Status != rolebroker.StatusFailed || s.Code != rolebroker.ValidDenied || s.From != rolebroker.FromRefusal ||
			!s.Since.After(began.Add(29*time.Minute)) {
			t.Errorf("after a refusal the state is %+v", s)
		}
		w.aws.Account(customerAccount).SetTrustPolicy("ReadOnly", trusting(platformAccount))
		<-time.After(time.Minute)
		w.mustLend("readonly")
		if s := w.state("production", "readonly"); s.Status != rolebroker.StatusAssumable {
			t.Errorf("after the repair the state is %+v", s)
		}
		w.aws.Inject(awssim.Fail(503))
		<-time.After(time.Hour)
		if s := w.state("production", "readonly"); s.Status != rolebroker.StatusAssumable {
			t.Errorf("an outage of STS changed the state to %+v", s)
		}
	})
}

func TestARoleThatStartsToFailIsValidatedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.inBackground()()
		w.aws.Account(customerAccount).SetTrustPolicy("Deployer", trusting("999999999999"))
		w.refuses("deployer", rolebroker.CodeDenied)
		<-time.After(time.Minute) // the validation tries again for some seconds
		s := w.state("production", "deployer")
		if s.Status != rolebroker.StatusFailed || s.From != rolebroker.FromValidation || len(s.Hint) == 0 ||
			len(s.Message) == 0 {
			t.Fatalf("after the refusal nobody validated it: %+v", s)
		}
		before := w.aws.Calls("AssumeRole")
		for range 20 {
			<-time.After(10 * time.Second)
			w.refuses("deployer", rolebroker.CodeDenied)
		}
		if n := w.aws.Calls("AssumeRole") - before; n > 20 {
			t.Errorf("20 refusals caused %d calls to STS", n)
		}
		again := w.state("production", "deployer")
		if again.From != rolebroker.FromRefusal || again.Code != s.Code || again.Message != s.Message ||
			!again.Since.Equal(s.Since) || again.CheckedAt.Before(time.Now().Add(-15*time.Second)) {
			t.Errorf("while it is refused the state is %+v", again)
		}
	})
}

// A runner that reports refusals, takes every request and answers none holds up its own roles only.
func TestARunnerThatNeverAnswersHoldsUpItsOwnRolesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.inBackground()()
		eks := w.runner("eks")
		key, _, err := w.broker.JoinToken(w.ctx, admin, "eks", 0)
		if err == nil {
			_, _, _, err = w.broker.Join(w.ctx, rolebroker.Caller{Joining: eks.ID, RunnerKey: key.ID, Name: "eks"}, "")
		}
		mute := rolebroker.Caller{Runner: eks.ID, Name: "eks"}
		if err == nil {
			_, err = w.broker.UpdateRunner(w.ctx, admin, "eks", broker.RunnerSpec{Name: "eks",
				Issuer: scoutAccount.Issuer}, 0)
		}
		if err == nil {
			_, err = w.broker.Bind(w.ctx, admin, "scout", scoutAccount, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		contact := func(d time.Duration) {
			for range d / (2 * time.Second) {
				<-time.After(2 * time.Second)
				if err := w.broker.SeeRunner(w.ctx, mute); err != nil {
					t.Fatal(err)
				}
				requests, err := w.broker.RunnerValidationRequests(w.ctx, mute)
				if taken += len(requests); err != nil {
					t.Fatal(err)
				}
			}
		}
		contact(2 * time.Second)
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			in, err := w.clustered(name, "eks")
			if err == nil {
				_, err = w.broker.Connect(w.ctx, admin, "scout", name, nil, 0)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.broker.AgentOfAccount(w.ctx, mute, scoutAccount, nil); err != nil {
				t.Fatal(err)
			}
			s := rolebroker.Session{ID: rolebroker.NewSessionID(), Agent: w.scout.Agent, AgentName: "scout",
				Integration: in.ID, IntegrationName: name, Role: in.Roles[0].ID, RoleName: "readonly",
				ARN: in.Roles[0].ARN, Region: in.Roles[0].Region, SessionName: "scout", Token: w.scout.Token,
				RequestedAt: time.Now(), State: rolebroker.SessionRequested}
			if err := w.broker.BeginRunnerSession(w.ctx, mute, s, false); err != nil {
				t.Fatal(err)
			}
			s.State, s.Refused, s.Failure = rolebroker.SessionFailed, rolebroker.RefusedDenied, "no"
			s.ExpiresAt = s.RequestedAt
			if err := w.broker.FinishRunnerSession(w.ctx, mute, s); err != nil {
				t.Fatal(err)
			}
		}
		contact(4 * time.Second)
		w.aws.Account(customerAccount).SetTrustPolicy("Deployer", trusting("999999999999"))
		w.refuses("deployer", rolebroker.CodeDenied)
		contact(20 * time.Second)
		if s := w.state("production", "deployer"); taken != 1 || s.From != rolebroker.FromValidation {
			t.Errorf("the runner has %d requests, and the role that the server tries is %+v", taken, s)
		}
	})
}

// A trust policy can let validation in and not the agent. The state then changes to and fro, and each change is an
// agent's doing.
func TestAnAgentCannotCauseValidationsWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.inBackground()()
		w.aws.Account(customerAccount).SetTrustPolicy("Deployer", `{"Version":"2012-10-17","Statement":{
			"Effect":"Allow","Principal":{"AWS":"`+platformAccount+`"},
			"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],
			"Condition":{"StringNotLike":{"sts:RoleSessionName":"scout*"}}}}`)
		caused := 0
		for range 60 { // minutes
			_, err := w.broker.ValidateIntegration(w.ctx, admin, "production", broker.Validating{})
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
			before := w.aws.Calls("AssumeRole")
			w.refuses("deployer", rolebroker.CodeDenied)
			if s := w.state("production", "deployer"); s.From == rolebroker.FromNothing {
				t.Fatalf("the state is %+v", s)
			}
			<-time.After(59 * time.Second)
			caused += w.aws.Calls("AssumeRole") - before - 1
		}
		const perValidation = 5
		if caused < 2*perValidation || caused > 12*perValidation {
			t.Errorf("60 changes of the state within an hour caused %d calls to STS", caused)
		}
	})
}
