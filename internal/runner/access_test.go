package runner

import (
	"context"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
)

// assumedBy is the AssumeRole call that gave an access key; validations make others.
func (w *world) assumedBy(key string) awssim.AssumeRoleCall {
	w.Helper()
	for _, call := range w.aws.Assumed() {
		if call.AccessKeyID == key {
			return call
		}
	}
	w.Fatalf("no AssumeRole call gave the key %s", key)
	panic("unreachable")
}

// A runner sends the session policies of a connection, as the server does for a role that the platform assumes. A change
// is in force at the next request, and nothing from before is handed out again.
func TestARunnerLimitsWhatItLends(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}`
		seen := map[string]string{}
		for _, c := range []struct {
			limits      api.LimitsRequest
			access, arn string
		}{
			{api.LimitsRequest{}, "full", ""},
			{api.LimitsRequest{Access: "read-only"}, "read-only", "arn:aws:iam::aws:policy/ReadOnlyAccess"},
			{api.LimitsRequest{Access: "view-only"}, "view-only", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"},
			{api.LimitsRequest{Access: "policy", SessionPolicy: policy}, "policy", ""},
			{api.LimitsRequest{}, "full", ""},
		} {
			for integration, role := range map[string]string{"cluster": "inner", "platform": "platform/readonly"} {
				try(w.admin.Limit(ctx, "scout", integration, c.limits, ""))(t)
				var lent *client.Credentials
				w.eventually("the runner lends with access "+c.access, func() bool {
					lent = w.allow(role)
					return string(lent.Access) == c.access && seen[lent.AccessKeyID] == ""
				})
				seen[lent.AccessKeyID] = c.access
				call := w.assumedBy(lent.AccessKeyID)
				if got := call.PolicyARNs; len(got) != 0 && c.arn == "" || c.arn != "" && (len(got) != 1 || got[0] != c.arn) {
					t.Errorf("%s with %s: the policies are %q", integration, c.access, got)
				}
				if (call.Policy == "") != (c.access == "full") || c.access == "policy" && call.Policy != policy {
					t.Errorf("%s with %s: the policy is %s", integration, c.access, call.Policy)
				}
			}
		}
		for s, err := range w.admin.AllSessions(ctx, api.SessionFilter{}) {
			if err != nil || seen[s.AccessKeyID] != s.Access || s.Narrowed {
				t.Errorf("the record has access %q for %s, %v", s.Access, s.AccessKeyID, err)
			}
		}
	})
}

// A process asks for less at a runner too.
func TestARunnerNarrowsWhatAProcessAsksFor(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, role := range []string{"inner", "platform/readonly"} {
			full := w.allow(role)
			narrow := try(clientOf(w, w.runner.http.Handler, w.scout).Borrow(context.Background(),
				rolebroker.Request{Role: role, Access: rolebroker.AccessReadOnly}))(t)
			if narrow.Access != rolebroker.AccessReadOnly || full.AccessKeyID == narrow.AccessKeyID ||
				len(w.assumedBy(narrow.AccessKeyID).PolicyARNs) != 1 {
				t.Errorf("%s: %s is %s, and %s is %s", role, full.AccessKeyID, full.Access, narrow.AccessKeyID, narrow.Access)
			}
		}
		narrowed := 0
		for s, err := range w.admin.AllSessions(context.Background(), api.SessionFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if s.Narrowed && s.Access == "read-only" {
				narrowed++
			}
		}
		if narrowed != 2 {
			t.Errorf("%d sessions are on record as narrowed", narrowed)
		}
	})
}
