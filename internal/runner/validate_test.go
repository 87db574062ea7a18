package runner

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// Whoever validates an integration in cluster mode gets what the runner finds out now,
// and not what it found last.
func TestAValidationAsksTheRunner(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		validates := func(want string) {
			w.Helper()
			asked, told := time.Now(), 0
			got := try(w.admin.ValidateIntegration(ctx, "cluster",
				client.Validating{Tell: func(api.RoleValidation) { told++ }}))(w)
			stored := try(w.admin.Integration(ctx, "cluster"))(w).Roles
			for i, r := range got.Roles {
				if r.Status != want || r.CheckedBy != "eks" || r.CheckedAt.Before(asked.Truncate(time.Second)) {
					w.Errorf("the validation says %+v, not %s", r, want)
				}
				if v := stored[i].Validation; v == nil || v.Status != want || v.CheckedBy != "eks" {
					w.Errorf("on record is %+v", v)
				}
			}
			if got.OK != (want == "assumable") || told != 2 || time.Since(asked) > 5*time.Second {
				w.Errorf("ok is %v; %d outcomes were told, in %s", got.OK, told, time.Since(asked))
			}
		}
		validates("assumable")
		time.Sleep(time.Minute)
		account := w.aws.Account(customerAccount)
		good, _ := account.Role("Inner")
		for _, role := range []string{"Inner", "Other"} {
			account.SetTrustPolicy(role, trusting(platformAccount))
		}
		validates("failed")
		for _, role := range []string{"Inner", "Other"} {
			account.SetTrustPolicy(role, good.TrustPolicy)
		}
		validates("assumable")

		draft := api.IntegrationRequest{Name: "draft", AssumptionMode: "cluster", Runner: "eks", DefaultRole: "locked",
			Roles: []api.RoleRequest{
				{Name: "locked", ARN: "arn:aws:iam::" + customerAccount + ":role/ReadOnly", Region: "us-east-1"},
				{Name: "wrong", ARN: "arn:aws:iam::" + customerAccount + ":user/scout", Region: "us-east-1"},
			}}
		tried := try(w.admin.ValidateDraft(ctx, draft, client.Validating{}))(w)
		if v := tried.Roles[0]; v.Code != "denied" || v.CheckedBy != "eks" {
			w.Errorf("the draft's role is %+v", v)
		}
		if v := tried.Roles[1]; v.Code != "arn_invalid" {
			w.Errorf("the draft's wrong role is %+v", v)
		}
	})
}

// The runner tries a role that AWS denies in the names of agents, as the server does: a trust policy can name them. It
// is told no agents but those that borrow through it.
func TestARunnerTriesTheNamesOfAgents(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		account := w.aws.Account(customerAccount)
		role, _ := account.Role("Inner")
		account.SetTrustPolicy("Inner", strings.Replace(role.TrustPolicy, `"Condition":{`,
			`"Condition":{"StringLike":{"sts:RoleSessionName":"scout*"},`, 1))
		is := func(code string, says ...string) {
			w.Helper()
			got := try(w.admin.ValidateIntegration(ctx, "cluster", client.Validating{}))(w).Roles[0]
			for _, text := range says {
				if !strings.Contains(got.Message+got.Hint, text) {
					w.Errorf("the validation says %s\n%s\nnot %q", got.Message, got.Hint, text)
				}
			}
			if got.Code != code || got.CheckedBy != "eks" {
				w.Errorf("the validation says %+v, not %s", got, code)
			}
		}
		try(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "stranger"}))(w)
		is("assumable", "under the session name scout")
		try(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "reader"}))(w)
		try(w.admin.Connect(ctx, "reader", "cluster"))(w)
		is("agent_refused", "under the session name scout, and not under reader", "a condition on sts:RoleSessionName")
		time.Sleep(validateInterval + time.Minute) // the runner tries the roles by itself
		if v := try(w.admin.Integration(ctx, "cluster"))(w).Roles[0].Validation; v.Code != "agent_refused" {
			w.Errorf("by itself the runner found %+v", v)
		}
		for _, call := range w.aws.Assumed() {
			if strings.Contains(call.SessionName, "stranger") {
				w.Errorf("the runner was told of an agent that borrows nothing from it: %+v", call)
			}
		}
	})
}

// The runner tries the session policies of connections with the session tags, when a person asks and by itself, and the
// server names the agents. A runner of an earlier version does not, and its roles have no warning.
func TestARunnerTriesSessionPolicies(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		in := try(w.admin.Integration(ctx, "cluster"))(w)
		request := convert.Request(in)
		request.SessionTags = true
		try(w.admin.UpdateIntegration(ctx, "cluster", request, "", api.ValidateSkip))(w)
		try(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "reader"}))(w)
		try(w.admin.Connect(ctx, "reader", "cluster"))(w)
		limit := func(agent string, length int) {
			w.Helper()
			try(w.admin.Limit(ctx, agent, "cluster", api.LimitsRequest{Access: "policy", Roles: &[]string{"inner"},
				SessionPolicy: api.Policy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:` +
					strings.Repeat("x", length) + `","Resource":"*"}]}`)}, ""))(w)
		}
		limit("scout", 1940) // a runner assumes the role, so that saving does not find out
		limit("reader", 100)
		is := func(v api.Validation, code string) {
			w.Helper()
			if v.Code != code || v.CheckedBy != "eks" {
				w.Errorf("the validation is %+v, not %s", v, code)
			}
			if says := v.Message + "\n" + v.Hint; code == "session_policy_too_large" && (v.Status != "warning" ||
				!strings.Contains(says, "not for agent scout, whose session policy and session tags are too large "+
					"together: the runner reports \"PackedPolicyTooLarge: Packed policy consumes 10") ||
				!strings.Contains(says, "rolebroker agent connect scout cluster --session-policy FILE")) {
				w.Errorf("the validation says %s", says)
			}
		}
		results := try(w.admin.ValidateIntegration(ctx, "cluster", client.Validating{}))(w)
		is(results.Roles[0].Validation, "session_policy_too_large")
		is(results.Roles[1].Validation, "assumable")
		if !results.OK {
			w.Errorf("a warning is a failure: %+v", results)
		}
		byItself := func() api.Validation {
			w.Helper()
			before := *try(w.admin.Integration(ctx, "cluster"))(w).Roles[0].Validation
			time.Sleep(validateInterval + time.Minute)
			after := *try(w.admin.Integration(ctx, "cluster"))(w).Roles[0].Validation
			if !after.CheckedAt.After(before.CheckedAt) {
				w.Errorf("the runner has not validated by itself: %+v", after)
			}
			return after
		}
		is(byItself(), "session_policy_too_large")
		for _, call := range w.aws.Assumed() {
			if strings.Contains(call.Policy, "Allow") && call.Code == "" {
				w.Errorf("a validation could do something: %+v", call)
			}
		}
		limit("scout", 1000)
		is(byItself(), "assumable")
	})
}

// A runner that does not answer is named, and what it found before stays on record.
func TestAValidationWithoutARunner(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		unanswered := func(says string, within time.Duration) {
			w.Helper()
			asked := time.Now()
			got := try(w.admin.ValidateIntegration(ctx, "cluster", client.Validating{}))(w)
			for _, r := range got.Roles {
				if r.Status != "unknown" || r.Code != "runner_unavailable" || !strings.Contains(r.Message, says) ||
					!strings.Contains(r.Message, "runner eks found: assumable") ||
					!strings.Contains(r.Hint, "rolebroker runner show eks") {
					w.Errorf("the validation says %+v", r)
				}
			}
			if got.OK || time.Since(asked) > within {
				w.Errorf("ok is %v, after %s", got.OK, time.Since(asked))
			}
			for _, role := range try(w.admin.Integration(ctx, "cluster"))(w).Roles {
				if role.Validation == nil || role.Validation.Status != "assumable" {
					w.Errorf("on record is %+v", role.Validation)
				}
			}
		}
		w.eventually("the roles were tried", func() bool {
			roles := try(w.admin.Integration(ctx, "cluster"))(w).Roles
			return roles[0].Validation != nil && roles[1].Validation != nil
		})
		w.network.set(silent)
		unanswered("runner eks", 20*time.Second)
		time.Sleep(time.Minute)
		unanswered("runner eks is not connected; it was last in contact at 2000-01-01T00:0", time.Second)
		w.network.set(connected)
		w.eventually("the runner is ready", func() bool { return w.readiness() == "ready" })
		if got := try(w.admin.ValidateIntegration(ctx, "cluster", client.Validating{}))(w); !got.OK {
			w.Errorf("when it is back: %+v", got)
		}
	})
}

// Of the replicas of a runner one tries the roles.
func TestOneReplicaAnswers(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		calls := func() int {
			time.Sleep(10 * time.Second)
			before := len(w.aws.Assumed())
			try(w.admin.ValidateIntegration(ctx, "cluster", client.Validating{}))(w)
			time.Sleep(10 * time.Second)
			return len(w.aws.Assumed()) - before
		}
		alone := calls()
		replica := try(open(ctx, w.opts))(w)
		replica.startWork(ctx)
		defer replica.Close(ctx)
		if together := calls(); alone == 0 || together != alone {
			w.Errorf("STS lent %d times to one replica, and %d times to two", alone, together)
		}
	})
}
