package awssim_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

func TestFaultsComeAndGo(t *testing.T) {
	w := newWorld(t)
	role, other := w.role("readonly", trusting(`"*"`)), w.role("other", trusting(`"*"`))
	ask := func(want string) {
		t.Helper()
		_, err := w.assume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
		wantCode(t, err, want)
	}
	f := awssim.Throttle()
	f.Times, f.Action, f.RoleARN = 2, "AssumeRole", role.ARN
	w.aws.Inject(f)
	w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &other.ARN})
	ask("Throttling")
	ask("Throttling")
	ask("")
	remove := w.aws.Inject(awssim.Fail(503))
	ask("ServiceUnavailable")
	ask("ServiceUnavailable")
	remove()
	ask("")
	w.aws.Inject(awssim.Drop())
	_, err := w.assume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
	if err == nil || code(err) == "" {
		t.Error("a dropped connection answered")
	}
	w.aws.ClearFaults()
	ask("")
	var codes []string
	for _, c := range w.aws.Assumed() {
		codes = append(codes, c.Code)
	}
	if diff := cmp.Diff([]string{"", "Throttling", "Throttling", "", "ServiceUnavailable", "ServiceUnavailable", "",
		"Dropped", ""}, codes); diff != "" {
		t.Error(diff)
	}
	if got := w.aws.Calls("AssumeRole"); got != 9 {
		t.Errorf("%d calls, want 9", got)
	}
}

// A client that retries gets through a throttle of two.
func TestSDKRetriesThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		role := w.role("readonly", trusting(`"*"`))
		f := awssim.Throttle()
		f.Times = 2
		w.aws.Inject(f)
		cfg := w.config(w.operator.Key)
		cfg.RetryMaxAttempts = 3
		_, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(),
			&sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: aws.String("run-1")})
		wantCode(t, err, "")
	})
}

func TestSlowness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		role := w.role("readonly", trusting(`"*"`))
		w.aws.Inject(awssim.Slow(20 * time.Second))
		w.aws.Inject(awssim.Slow(10 * time.Second))
		begun := time.Now()
		w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
		if took := time.Since(begun); took != 30*time.Second {
			t.Errorf("took %s, want 30s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.sts(w.operator.Key).AssumeRole(ctx,
			&sts.AssumeRoleInput{RoleArn: &role.ARN, RoleSessionName: aws.String("run-1")})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline exceeded", err)
		}
		if took := time.Since(begun); took != 31*time.Second {
			t.Errorf("gave up after %s, want 31s", took)
		}
		synctest.Wait()
		seen := w.aws.Assumed()
		if last := seen[len(seen)-1]; last.Code != "Canceled" {
			t.Errorf("journal %+v", last)
		}
	})
}

func TestJournal(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	in := asking(externalID("e-42"), sourceIdentity("alice"), tags("team", "blue"), transitive("team"), lasting(900))
	in.RoleArn = &role.ARN
	k := w.mustAssume(w.operator.Key, in)
	want := []awssim.AssumeRoleCall{{
		Action: "AssumeRole", Region: "eu-west-1", CallerARN: w.operator.ARN,
		CallerAccessKeyID: w.operator.Key.AccessKeyID,
		RoleARN:           role.ARN, SessionName: "run-1", ExternalID: "e-42", SourceIdentity: "alice",
		Tags: map[string]string{"team": "blue"}, TransitiveTagKeys: []string{"team"}, Duration: 900 * time.Second,
		AccessKeyID: k.AccessKeyID, Expires: k.Expires,
	}}
	if diff := cmp.Diff(want, w.aws.Assumed(), cmpopts.IgnoreFields(awssim.AssumeRoleCall{}, "Time",
		"RequestID")); diff != "" {
		t.Error(diff)
	}
}

// Everything at once, for the race detector.
func TestConcurrency(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				w.mustAssume(w.operator.Key, &sts.AssumeRoleInput{RoleArn: &role.ARN})
				w.customer.SetTrustPolicy("readonly", trusting(`"*"`))
				w.customer.SetRolePolicy("readonly", "p"+string(rune('a'+i)), awssim.AllowAll)
				w.aws.Inject(awssim.Slow(0))()
				w.customer.Role("readonly")
				w.aws.Assumed()
				w.aws.Secrets()
			}
		})
	}
	wg.Wait()
	if got := w.aws.Calls(""); got != 80 {
		t.Errorf("%d calls, want 80", got)
	}
}

func BenchmarkAssumeRole(b *testing.B) {
	w := newWorld(b)
	role := w.role("readonly", trusting(`{"AWS":"111122223333"}`, where(`{"StringEquals":{"sts:ExternalId":"e-42"}}`)))
	in := asking(externalID("e-42"))
	in.RoleArn = &role.ARN
	client := w.sts(w.operator.Key)
	for b.Loop() {
		if _, err := client.AssumeRole(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}
