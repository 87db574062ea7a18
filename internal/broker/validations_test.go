package broker_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/prometheus"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// lockedLog is a log for concurrent writers.
type lockedLog struct {
	sync.Mutex
	bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(p)
}

func (w *world) get(name string) *rolebroker.Integration {
	w.Helper()
	in, err := w.broker.Integration(w.ctx, admin, name)
	if err != nil {
		w.Fatal(err)
	}
	return in
}

func (w *world) validate(name string) []rolebroker.RoleValidation {
	w.Helper()
	results, err := w.broker.ValidateIntegration(w.ctx, admin, name, broker.Validating{})
	if err != nil {
		w.Fatal(err)
	}
	return results
}

// kept returns the code of the stored validation of each role that has one.
func (w *world) kept(name string) map[string]rolebroker.ValidationCode {
	codes := map[string]rolebroker.ValidationCode{}
	for _, role := range w.get(name).Roles {
		if role.Validation != nil {
			codes[role.Name] = role.Validation.Code
		}
	}
	return codes
}

func TestOutcomesAreStoredUntilTheRoleChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if kept := w.kept("production"); len(kept) != 0 {
			t.Errorf("without a validation there is %v", kept)
		}
		w.aws.Account(customerAccount).DeleteRole("Deployer")
		w.validate("production")
		if kept := w.kept("production"); kept["readonly"] != rolebroker.ValidExternalIDOpen ||
			kept["deployer"] != rolebroker.ValidDenied || kept["off"] != rolebroker.ValidExternalIDOpen {
			t.Errorf("the stored outcomes are %v", kept)
		}
		in := w.get("production")
		in.Name = "prod"
		in.Roles[0].Name, in.DefaultRole = "look", "look"
		in.Roles[1].Region = "eu-west-1"
		if _, err := w.broker.UpdateIntegration(w.ctx, admin, "production", *in, 0,
			rolebroker.ValidateSkip.Saving()); err != nil {
			t.Fatal(err)
		}
		if kept := w.kept("prod"); kept["look"] == "" || kept["deployer"] != "" || kept["off"] == "" {
			t.Errorf("after one was renamed and one got another region, the stored outcomes are %v", kept)
		}
	})
}

func TestAnUnknownOutcomeDoesNotReplaceAKnownOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.aws.Inject(awssim.Fail(503))
		w.validate("staging")
		if kept := w.kept("staging"); kept["readonly"] != rolebroker.ValidUnreachable {
			t.Errorf("with nothing stored before, the outcomes are %v", kept)
		}
		w.aws.ClearFaults()
		w.validate("staging")
		w.aws.Inject(awssim.Throttle())
		if r := w.validate("staging")[0]; r.Code != rolebroker.ValidThrottled {
			t.Errorf("while STS throttles it is %s", r.Code)
		}
		if kept := w.kept("staging"); kept["readonly"] != rolebroker.ValidExternalIDOpen {
			t.Errorf("the stored outcomes are %v", kept)
		}
	})
}

func TestACancelledValidationStoresItsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *broker.Options) { o.Validation.Concurrency = 1 })
		w.aws.Inject(awssim.Slow(time.Second))
		ctx, cancel := context.WithCancel(w.ctx)
		defer cancel()
		how := broker.Validating{Tell: func(rolebroker.RoleValidation) { cancel() }}
		results, err := w.broker.ValidateIntegration(ctx, admin, "production", how)
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, r := range results {
			if r.Code != rolebroker.ValidNotChecked {
				checked++
			}
		}
		if kept := w.kept("production"); checked != 1 || len(kept) != 1 {
			t.Errorf("%d roles were checked, %v is stored", checked, kept)
		}
	})
}

func TestSavingMayRequireThatEveryRoleWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		in := rolebroker.Integration{Name: "new", Enabled: true, AssumptionMode: rolebroker.ModePlatform,
			DefaultRole: "a",
			Roles:       []rolebroker.Role{role("a", "ReadOnly"), role("b", "Missing")}}
		_, err := w.broker.CreateIntegration(w.ctx, admin, in, rolebroker.ValidateRequire.Saving())
		e := rolebroker.AsError(err)
		if e.Code != rolebroker.CodeInvalid || len(e.Fields) != 1 || e.Fields[0].Path != "roles[1].arn" ||
			len(e.Fields[0].Hint) == 0 {
			t.Errorf("the refusal is %+v", e)
		}
		if _, err := w.broker.Integration(w.ctx, admin, "new"); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			t.Errorf("it was saved: %v", err)
		}
		in.Roles[1] = role("b", "Deployer")
		if _, err := w.broker.CreateIntegration(w.ctx, admin, in, rolebroker.ValidateRequire.Saving()); err != nil {
			t.Fatal(err)
		}
		if kept := w.kept("new"); kept["a"] == "" || kept["b"] == "" {
			t.Errorf("the stored outcomes are %v", kept)
		}
		in.Roles[1] = role("b", "Missing") // what does not work can be disabled
		for _, pause := range []func(*rolebroker.Integration){
			func(in *rolebroker.Integration) { in.Enabled = false },
			func(in *rolebroker.Integration) { in.Roles[1].Enabled = false },
		} {
			paused := in
			paused.Roles = slices.Clone(in.Roles)
			pause(&paused)
			_, err := w.broker.UpdateIntegration(w.ctx, admin, "new", paused, 0, rolebroker.ValidateRequire.Saving())
			if err != nil {
				t.Errorf("disabling what does not work: %v", err)
			}
		}
		w.aws.Inject(awssim.Fail(503))
		in.Name = "newer"
		_, err = w.broker.UpdateIntegration(w.ctx, admin, "new", in, 0, rolebroker.ValidateRequire.Saving())
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			t.Errorf("while STS is down the refusal is %v", err)
		}
		w.get("new")
	})
}

func TestARoleThatStopsWorkingIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, registry := &lockedLog{}, new(prometheus.Registry)
		w := newWorld(t, func(o *broker.Options) {
			o.Log, o.Metrics = slog.New(slog.NewTextHandler(log, nil)), registry
		})
		revalidate := func() {
			t.Helper()
			<-time.After(2 * time.Hour)
			if err := w.broker.Revalidate(w.ctx, time.Hour, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		revalidate()
		if strings.Contains(log.String(), "can no longer be assumed") {
			t.Errorf("a role was noticed that works:\n%s", log.String())
		}
		w.aws.Account(customerAccount).SetTrustPolicy("Deployer", trusting("999999999999"))
		revalidate()
		revalidate()
		w.aws.Account(customerAccount).SetTrustPolicy("Deployer", trusting(platformAccount))
		revalidate()
		for _, line := range []string{
			`level=WARN msg="a role can no longer be assumed" integration=production role=deployer`,
			`msg="a role can be assumed again" integration=production role=deployer`,
		} {
			if n := strings.Count(log.String(), line); n != 1 {
				t.Errorf("the log has %d lines with %s:\n%s", n, line, log.String())
			}
		}
		const want = `
# HELP rolebroker_role_changes_total Roles that a validation found to work no longer, or again.
# TYPE rolebroker_role_changes_total counter
rolebroker_role_changes_total{to="failing"} 1
rolebroker_role_changes_total{to="working"} 1
`
		if text := registry.Text(); !strings.Contains(text, strings.TrimPrefix(want, "\n")) {
			t.Errorf("the metrics are\n%s", text)
		}
	})
}

func TestValidationInTheBackgroundIsSpreadOutAndSharedByServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 18 {
			w.integration("more-"+string(rune('a'+i)), role("readonly", "ReadOnly"))
		}
		other := broker.New(broker.Options{Store: w.store, STS: w.sts, Lender: w.lender})
		const interval, tick = time.Hour, 6 * time.Minute // ten ticks for 20 integrations with 23 roles
		var each []int
		for range 10 {
			<-time.After(tick)
			before := w.aws.Calls("AssumeRole")
			together(2, func(i int) {
				if err := []*broker.Broker{w.broker, other}[i].Revalidate(w.ctx, interval, tick); err != nil {
					t.Error(err)
				}
			})
			each = append(each, w.aws.Calls("AssumeRole")-before)
		}
		sum := 0
		for _, calls := range each {
			sum += calls
		}
		if sum != 4*23 {
			t.Errorf("%d calls were made for 23 roles, by tick: %v", sum, each)
		}
		for name := range map[string]bool{"production": true, "more-r": true} {
			if len(w.kept(name)) == 0 {
				t.Errorf("%s was not validated", name)
			}
		}
	})
}

func TestAnIntegrationThatCouldNotBeValidatedIsDueAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		revalidate := func(after time.Duration) int {
			t.Helper()
			<-time.After(after)
			before := w.aws.Calls("AssumeRole")
			if err := w.broker.Revalidate(w.ctx, 24*time.Hour, 24*time.Hour); err != nil {
				t.Fatal(err)
			}
			return w.aws.Calls("AssumeRole") - before
		}
		w.aws.Inject(awssim.Fail(503))
		if n := revalidate(time.Second); n == 0 {
			t.Fatal("nothing was due at first")
		}
		w.aws.ClearFaults()
		if n := revalidate(time.Second); n != 0 {
			t.Errorf("a second later there are %d calls", n)
		}
		if n := revalidate(10 * time.Minute); n == 0 {
			t.Error("ten minutes later nothing is due")
		}
		if n := revalidate(10 * time.Minute); n != 0 {
			t.Errorf("after it was validated there are %d calls", n)
		}
	})
}

func TestASlowReceiverGetsHeartbeatsAndDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *broker.Options) { o.Validation.Patience = 30 * time.Second })
		w.aws.Account(customerAccount).DeleteRole("Tester")
		alive, told := 0, 0
		tell := func(r rolebroker.RoleValidation) {
			if r.Code != rolebroker.ValidTryingAgain {
				told++
			}
		}
		results, err := w.broker.ValidateIntegration(w.ctx, admin, "staging", broker.Validating{
			Tell:  func(r rolebroker.RoleValidation) { tell(r); <-time.After(time.Hour) }, // a slow receiver
			Alive: func() { alive++ },
		})
		if err != nil || len(results) != 2 || told != 2 {
			t.Errorf("%d of %d outcomes were reported: %v", told, len(results), err)
		}
		told = 0
		w.aws.Inject(awssim.Slow(9 * time.Second))
		_, err = w.broker.ValidateIntegration(w.ctx, admin, "staging", broker.Validating{
			Tell: tell, Alive: func() { alive++ }})
		if err != nil || told != 2 || alive == 0 {
			t.Errorf("%d were reported, with %d heartbeats: %v", told, alive, err)
		}
	})
}

func TestAttributionIsSentWhenTheIntegrationHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.mustLend("")
		if call := w.aws.Assumed()[0]; call.SourceIdentity != "" || len(call.Tags) != 0 {
			t.Errorf("with attribution off the call is %+v", call)
		}
		in := w.get("production")
		in.SessionTags, in.SourceIdentity = true, true
		if _, err := w.broker.UpdateIntegration(w.ctx, admin, "production", *in, 0,
			rolebroker.ValidateSkip.Saving()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.lender.Lend(w.ctx, w.scout, rolebroker.Request{Role: "deployer", Task: "fix-42"}); err != nil {
			t.Fatal(err)
		}
		calls := w.aws.Assumed()
		call := calls[len(calls)-1]
		want := map[string]string{"rolebroker:agent": "scout", "rolebroker:integration": "production",
			"rolebroker:role": "deployer", "rolebroker:task": "fix-42"}
		if call.SourceIdentity != "scout" || call.SessionName != "scout@fix-42" || !maps.Equal(call.Tags, want) ||
			call.Policy != "" {
			t.Errorf("it is %+v", call)
		}
	})
}

func TestAnExternalIDChangesWithoutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *broker.Options) { o.Validation = validate.Options{} })
		step := func(step broker.RotationStep, force bool) (*rolebroker.Integration, error) {
			return w.broker.RotateExternalID(w.ctx, admin, "staging", step, force)
		}
		old := w.get("staging")
		requiring := func(ids ...string) {
			for _, name := range []string{"ReadOnly", "Tester"} {
				w.aws.Account(customerAccount).SetTrustPolicy(name,
					strings.Replace(trusting(platformAccount), `"Action"`,
						`"Condition":{"StringEquals":{"sts:ExternalId":["`+strings.Join(ids, `","`)+`"]}},"Action"`, 1))
			}
		}
		w.scout = w.agent("tester", "staging")
		requiring(old.ExternalID)
		w.mustLend("")
		if _, err := step(broker.RotationFinish, false); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			t.Errorf("finishing what was not started: %v", err)
		}
		started, err := step(broker.RotationStart, false)
		if err != nil || started.ExternalID != old.ExternalID || started.NextExternalID == "" {
			t.Fatalf("after starting it is %+v: %v", started, err)
		}
		if _, err := step(broker.RotationStart, false); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			t.Errorf("starting again: %v", err)
		}
		w.mustLend("tester") // still with the old one
		if _, err := step(broker.RotationFinish, false); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			t.Errorf("finishing while no role accepts the new one: %v", err)
		}
		requiring(old.ExternalID, started.NextExternalID)
		finished, err := step(broker.RotationFinish, false)
		if err != nil || finished.ExternalID != started.NextExternalID || finished.NextExternalID != "" {
			t.Fatalf("after finishing it is %+v: %v", finished, err)
		}
		requiring(finished.ExternalID)
		w.mustLend("")
		calls := w.aws.Assumed()
		if last := calls[len(calls)-1]; last.ExternalID != finished.ExternalID {
			t.Errorf("the external ID sent is %s", last.ExternalID)
		}
		if _, err := step(broker.RotationStart, false); err != nil {
			t.Fatal(err)
		}
		cancelled, err := step(broker.RotationCancel, false)
		if err != nil || cancelled.ExternalID != finished.ExternalID || cancelled.NextExternalID != "" {
			t.Errorf("after cancelling it is %+v: %v", cancelled, err)
		}
	})
}
