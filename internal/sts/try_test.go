package sts_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
)

func TestTryCallsOnceAndAssumeRetries(t *testing.T) {
	for name, c := range map[string]struct {
		fault awssim.Fault
		kind  rolebroker.RefusalKind
	}{
		"throttling":              {awssim.Throttle(), rolebroker.RefusedThrottled},
		"an STS that is down":     {awssim.Fail(503), rolebroker.RefusedUnreachable},
		"an STS that fails":       {awssim.Fail(500), rolebroker.RefusedUnreachable},
		"a connection that broke": {awssim.Drop(), rolebroker.RefusedUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // retries wait
				aws, operator := simulate()
				client := newClient(aws, operator.Key)
				remove := aws.Inject(c.fault)
				begun := time.Now()
				if kind := kindOf(client.Try(t.Context(), assumption())); kind != c.kind {
					t.Errorf("trying is refused as %q, want %s", kind, c.kind)
				}
				if n, took := aws.Calls("AssumeRole"), time.Since(begun); n != 1 || took != 0 {
					t.Errorf("one try made %d requests and took %s", n, took)
				}
				if kind := kindOf(client.Assume(t.Context(), assumption())); kind != c.kind {
					t.Errorf("assuming is refused as %q, want %s", kind, c.kind)
				}
				if n := aws.Calls("AssumeRole") - 1; n != 3 {
					t.Errorf("assuming made %d requests, want 3", n)
				}
				for range 50 { // however often it failed before
					client.Try(t.Context(), assumption())
				}
				if n := aws.Calls("AssumeRole") - 4; n != 50 {
					t.Errorf("fifty tries made %d requests", n)
				}
				remove()
				if _, err := client.Try(t.Context(), assumption()); err != nil {
					t.Errorf("once it is over: %v", err)
				}
			})
		})
	}
}

func TestAssumptionsArriveUnchanged(t *testing.T) {
	const policy = `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	aws, operator := simulate()
	aws.Account(customer).SetTrustPolicy("ReadOnly",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"`+platform+
			`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}`)
	client := newClient(aws, operator.Key)
	for name, c := range map[string]struct {
		change func(*rolebroker.Assumption)
		want   awssim.AssumeRoleCall
	}{
		"what every loan has": {func(*rolebroker.Assumption) {}, awssim.AssumeRoleCall{ExternalID: "rolebroker-x"}},
		"no external ID":      {func(a *rolebroker.Assumption) { a.ExternalID = "" }, awssim.AssumeRoleCall{}},
		"a source identity": {func(a *rolebroker.Assumption) { a.SourceIdentity = "scout" },
			awssim.AssumeRoleCall{ExternalID: "rolebroker-x", SourceIdentity: "scout"}},
		"a session policy": {func(a *rolebroker.Assumption) { a.Policy = policy },
			awssim.AssumeRoleCall{ExternalID: "rolebroker-x", Policy: policy}},
		"session tags": {func(a *rolebroker.Assumption) {
			a.Tags = rolebroker.Tags{Agent: "scout", Integration: "production", Role: "readonly", Task: "nightly"}
		}, awssim.AssumeRoleCall{ExternalID: "rolebroker-x",
			Tags: map[string]string{"rolebroker:agent": "scout", "rolebroker:integration": "production",
				"rolebroker:role": "readonly", "rolebroker:task": "nightly"}}},
		"session tags without a task": {func(a *rolebroker.Assumption) {
			a.Tags = rolebroker.Tags{Agent: "scout", Integration: "production", Role: "readonly"}
		}, awssim.AssumeRoleCall{ExternalID: "rolebroker-x",
			Tags: map[string]string{"rolebroker:agent": "scout", "rolebroker:integration": "production",
				"rolebroker:role": "readonly"}}},
		"everything a validation has": {func(a *rolebroker.Assumption) {
			a.SessionName, a.SourceIdentity, a.Policy = "rolebroker=validation", "rolebroker=validation", policy
			a.Tags = rolebroker.Tags{Agent: "rolebroker=validation", Integration: "production", Role: "readonly"}
		}, awssim.AssumeRoleCall{SessionName: "rolebroker=validation", ExternalID: "rolebroker-x",
			SourceIdentity: "rolebroker=validation", Policy: policy,
			Tags: map[string]string{"rolebroker:agent": "rolebroker=validation", "rolebroker:integration": "production",
				"rolebroker:role": "readonly"}}},
	} {
		a := assumption()
		c.change(&a)
		if _, err := client.Try(t.Context(), a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := client.Assume(t.Context(), a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		calls := aws.Assumed()
		for _, call := range calls[len(calls)-2:] {
			got := awssim.AssumeRoleCall{SessionName: call.SessionName, ExternalID: call.ExternalID,
				SourceIdentity: call.SourceIdentity,
				Tags:           call.Tags, TransitiveTagKeys: call.TransitiveTagKeys, Policy: call.Policy,
				PolicyARNs: call.PolicyARNs, RoleARN: call.RoleARN, Duration: call.Duration}
			want := c.want
			want.SessionName, want.RoleARN, want.Duration = a.SessionName, readOnly.String(), time.Hour
			if len(got.Tags) == 0 {
				got.Tags = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: AWS saw (-want +got):\n%s", name, diff)
			}
		}
	}
}
