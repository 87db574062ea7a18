package validate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/validate"
)

const (
	platform = "111122223333"
	customer = "444455556666"
)

// world is a validator on a simulated AWS.
type world struct {
	*testing.T
	aws       *awssim.AWS
	validator *validate.Validator
	subject   validate.Subject
}

// newWorld has a number of roles that require the external ID.
func newWorld(t *testing.T, roles int, o validate.Options) *world {
	w := &world{T: t, aws: awssim.New(awssim.Options{})}
	operator := w.aws.Account(platform).CreateUser("rolebroker", awssim.AllowAll)
	o.STS = sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: w.aws.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(operator.Key.AccessKeyID, operator.Key.SecretAccessKey,
			"")})
	w.validator = validate.New(o)
	w.subject.Integration = rolebroker.Integration{Enabled: true, ID: rolebroker.NewIntegrationID(), Name: "production",
		AssumptionMode: rolebroker.ModePlatform, ExternalID: "rolebroker-right"}
	for i := range roles {
		name := fmt.Sprintf("role-%04d", i)
		w.createRole(name)
		w.subject.Integration.Roles = append(w.subject.Integration.Roles,
			rolebroker.Role{Name: name, Enabled: true, Region: "us-east-1",
				ARN: rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: name}})
	}
	return w
}

func (w *world) createRole(name string) {
	w.aws.Account(customer).CreateRole(awssim.Role{Name: name, TrustPolicy: trustPolicy})
}

const trustPolicy = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + platform +
	`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],` +
	`"Condition":{"StringEquals":{"sts:ExternalId":"rolebroker-right"}}}}`

func (w *world) arn(i int) string { return w.subject.Integration.Roles[i].ARN.String() }

// count counts the results by code.
func count(results []rolebroker.RoleValidation) map[rolebroker.ValidationCode]int {
	codes := map[rolebroker.ValidationCode]int{}
	for _, r := range results {
		codes[r.Code]++
	}
	return codes
}

func TestAThousandRolesTakeTheirTimeAndKeepTheRate(t *testing.T) {
	const roles, concurrency, rate, latency = 1000, validate.DefaultConcurrency, validate.DefaultRate,
		50 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, roles, validate.Options{})
		w.aws.Inject(awssim.Slow(latency))
		start := time.Now()
		results := w.validator.Roles(t.Context(), w.subject, nil)
		took := time.Since(start)
		if n := count(results)[rolebroker.ValidAssumable]; n != roles {
			t.Fatalf("%d of %d roles can be assumed: %v", n, roles, count(results))
		}
		if most := roles / concurrency * latency * 12 / 10; took > most {
			t.Errorf("it took %s, want %s at most", took, most)
		}
		calls := w.aws.Assumed()
		if len(calls) != 4*roles { // an integration with a source identity needs three
			t.Errorf("there were %d calls for %d roles", len(calls), roles)
		}
		slices.SortFunc(calls, func(a, b awssim.AssumeRoleCall) int { return a.Time.Compare(b.Time) })
		for i := range calls {
			if i+rate < len(calls) && calls[i+rate].Time.Sub(calls[i].Time) < time.Second {
				t.Fatalf("%d calls fell within %s", rate+1, calls[i+rate].Time.Sub(calls[i].Time))
			}
		}
	})
}

func TestTwoValidationsShareTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 30, validate.Options{Rate: 10, Concurrency: 30})
		start := time.Now()
		done := make(chan struct{})
		for range 2 {
			go func() { w.validator.Roles(t.Context(), w.subject, nil); done <- struct{}{} }()
		}
		<-done
		<-done
		if took, least := time.Since(start), 18*time.Second; took < least {
			t.Errorf("180 calls at 10 a second took %s", took)
		}
	})
}

func TestASlowRoleDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 20, validate.Options{})
		w.aws.Inject(awssim.Fault{Action: "AssumeRole", RoleARN: w.arn(0), Delay: 8 * time.Second})
		start := time.Now()
		var told []int
		var late time.Duration
		results := w.validator.Roles(t.Context(), w.subject, func(r rolebroker.RoleValidation) {
			told = append(told, r.Index)
			if r.Index != 0 {
				late = time.Since(start)
			}
		})
		if len(told) != 20 || told[19] != 0 || late > time.Second {
			t.Errorf("outcomes came in the order %v, the last but one after %s", told, late)
		}
		for i, r := range results {
			if r.Index != i || r.Role.Name != w.subject.Integration.Roles[i].Name ||
				r.Status != rolebroker.StatusAssumable {
				t.Errorf("result %d is %+v", i, r)
			}
		}
	})
}

func TestARoleThatWasJustCreatedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, validate.Options{Patience: validate.DefaultPatience})
		w.aws.SetPropagation(20 * time.Second)
		w.aws.Account(customer).DeleteRole("role-0000")
		w.createRole("role-0000")

		w.subject.Wait = new(time.Duration)
		if r := w.validator.Roles(t.Context(), w.subject, nil)[0]; r.Code != rolebroker.ValidDenied {
			t.Errorf("at once it is %s", r.Code)
		}
		w.subject.Wait = nil
		start := time.Now()
		var told []rolebroker.ValidationCode
		r := w.validator.Roles(t.Context(), w.subject, func(r rolebroker.RoleValidation) {
			told = append(told, r.Code)
			if r.Code == rolebroker.ValidTryingAgain &&
				(time.Since(start) > time.Second || r.Message == "" || len(r.Hint) == 0) {
				t.Errorf("after %s it says %q", time.Since(start), r.Message)
			}
			if r.Code == rolebroker.ValidTryingAgain {
				listsInOrder(t, r.Hint, `"AWS": "arn:aws:iam::`+platform+`:root"`, "arn:aws:iam::"+platform+
					":user/rolebroker may call")
			}
		})[0]
		if r.Code != rolebroker.ValidAssumable || time.Since(start) > 26*time.Second {
			t.Errorf("after %s it is %s: %s", time.Since(start), r.Code, r.Message)
		}
		if !slices.Equal(told, []rolebroker.ValidationCode{rolebroker.ValidTryingAgain, rolebroker.ValidAssumable}) {
			t.Errorf("the outcomes were %v", told)
		}
	})
}

// A denial whose cause a call shows need not last as long as one that a new role has.
func TestACauseThatACallShowsEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, validate.Options{Patience: validate.DefaultPatience})
		w.subject.Integration.SessionTags = true
		w.aws.Account(customer).SetTrustPolicy("role-0000", strings.Replace(trustPolicy, `,"sts:TagSession"`, "", 1))
		start := time.Now()
		r := w.validator.Roles(t.Context(), w.subject, nil)[0]
		if r.Code != rolebroker.ValidTagSessionDenied || time.Since(start) > 8*time.Second {
			t.Errorf("after %s it is %s", time.Since(start), r.Code)
		}
	})
}

func TestARoleWithoutExternalIDCostsNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, validate.Options{Patience: validate.DefaultPatience})
		w.aws.Account(customer).SetTrustPolicy("role-0000", `{"Version":"2012-10-17","Statement":{"Effect":"Allow",`+
			`"Principal":{"AWS":"`+platform+`"},"Action":"sts:AssumeRole"}}`)
		start := time.Now()
		r := w.validator.Roles(t.Context(), w.subject, nil)[0]
		if r.Code != rolebroker.ValidExternalIDOpen || !r.Finding.NoSourceIdentity ||
			time.Since(start) > 100*time.Millisecond { // the rate of calls costs some
			t.Errorf("after %s it is %+v", time.Since(start), r.Finding)
		}
	})
}

// condition is the trust policy of the roles with one more condition.
func condition(operator, key, value string) string {
	const last = `"StringEquals":{`
	return strings.Replace(trustPolicy, last, `"`+operator+`":{"`+key+`":"`+value+`"},`+last, 1)
}

func TestATrustPolicyThatNamesAgents(t *testing.T) {
	both := []string{"scout", "reader"}
	for name, c := range map[string]struct {
		policy    string
		agents    []string
		connected bool
		code      rolebroker.ValidationCode
		says      string
	}{
		"the agent": {condition("StringLike", "sts:RoleSessionName", "scout"), []string{"scout"}, true,
			rolebroker.ValidAssumable, "under the session name scout"},
		"the agent with any task": {condition("StringLike", "sts:RoleSessionName", "scout@*"), []string{"scout"}, true,
			rolebroker.ValidAgentRefused, "under the session name scout@validation, and not under scout"},
		"one of two agents": {condition("StringLike", "sts:RoleSessionName", "reader"), both, true,
			rolebroker.ValidAgentRefused, "under the session name reader, and not under scout"},
		"an agent that is not connected yet": {condition("StringLike", "sts:RoleSessionName", "reader"), both, false,
			rolebroker.ValidAssumable, "under the session name reader"},
		"nobody that is known": {condition("StringLike", "sts:RoleSessionName", "somebody"), both, true,
			rolebroker.ValidDenied, "does not say why"},
		"the source identity": {condition("StringLike", "sts:SourceIdentity", "scout"), both, true,
			rolebroker.ValidAgentRefused, "under the session name scout, and not under reader"},
		"the tag": {condition("StringLike", "aws:RequestTag/rolebroker:agent", "scout"), []string{"scout"}, true,
			rolebroker.ValidAssumable, "under the session name scout"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, validate.Options{})
			w.subject.Integration.SourceIdentity, w.subject.Integration.SessionTags = true, true
			w.subject.Agents, w.subject.Connected = c.agents, c.connected
			w.aws.Account(customer).SetTrustPolicy("role-0000", c.policy)
			r := w.validator.Roles(t.Context(), w.subject, nil)[0]
			if r.Code != c.code || !strings.Contains(r.Message, c.says) {
				t.Errorf("%s: it is %s: %s", name, r.Code, r.Message)
			}
			if c.code == rolebroker.ValidDenied && !strings.Contains(r.Hint.String(), "sts:RoleSessionName") {
				t.Errorf("%s: the hint does not name the condition:\n%s", name, r.Hint)
			}
			for _, call := range w.aws.Assumed() {
				if call.Policy == "" {
					t.Errorf("%s: a session may do something: %+v", name, call)
				}
			}
		})
	}
}

func TestARoleThatStaysDeniedIsTriedForALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 6, validate.Options{Patience: validate.DefaultPatience, Concurrency: 1})
		for i := range 5 {
			w.aws.Account(customer).DeleteRole(w.subject.Integration.Roles[i].ARN.Name)
		}
		start := time.Now()
		var last time.Duration
		results := w.validator.Roles(t.Context(), w.subject, func(r rolebroker.RoleValidation) {
			if r.Index == 5 && r.Code == rolebroker.ValidAssumable {
				last = time.Since(start)
			}
		})
		if took := time.Since(start); took > validate.DefaultPatience+time.Second ||
			count(results)[rolebroker.ValidDenied] != 5 {
			t.Errorf("after %s there are %v", took, count(results))
		}
		if last > time.Second {
			t.Errorf("the one that works had to wait %s for those that do not", last)
		}
	})
}

func TestAnSTSThatRecoversIsNotUnknown(t *testing.T) {
	for name, fault := range map[string]awssim.Fault{"throttling": awssim.Throttle(), "down": awssim.Fail(503),
		"broken": awssim.Drop()} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, validate.Options{Patience: validate.DefaultPatience})
			fault.Action, fault.Times = "AssumeRole", 3
			w.aws.Inject(fault)
			if r := w.validator.Roles(t.Context(), w.subject, nil)[0]; r.Code != rolebroker.ValidAssumable {
				t.Errorf("%s: it is %s (%s): %s", name, r.Status, r.Code, r.Message)
			}
		})
	}
}

func TestAValidationThatIsEndedReturnsItsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 40, validate.Options{})
		w.aws.Inject(awssim.Slow(time.Second))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		told := 0
		results := w.validator.Roles(ctx, w.subject, func(r rolebroker.RoleValidation) {
			if r.Status == rolebroker.StatusAssumable {
				told++
			}
			if told == 10 {
				cancel()
			}
		})
		codes := count(results)
		if codes[rolebroker.ValidAssumable] < 10 ||
			codes[rolebroker.ValidAssumable]+codes[rolebroker.ValidNotChecked] != 40 {
			t.Errorf("there are %v", codes)
		}
		calls := w.aws.Calls("AssumeRole")
		<-time.After(time.Minute)
		if more := w.aws.Calls("AssumeRole") - calls; more != 0 {
			t.Errorf("%d more calls came afterwards", more)
		}
	})
}

func TestSessionsOfAValidationMayDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, validate.Options{})
		w.subject.Integration.SourceIdentity, w.subject.Integration.SessionTags = true, true
		w.validator.Roles(t.Context(), w.subject, nil)
		externalIDs := map[string]int{}
		for _, call := range w.aws.Assumed() {
			if call.Policy != `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}` {
				t.Errorf("a session was asked for with the policy %q", call.Policy)
			}
			if call.SessionName != "rolebroker=validation" || call.Duration != time.Hour {
				t.Errorf("a session was asked for as %+v", call)
			}
			externalIDs[call.ExternalID]++
		}
		if externalIDs["rolebroker-right"] == 0 || externalIDs[""] == 0 || len(externalIDs) != 3 {
			t.Errorf("the external IDs are %v", externalIDs)
		}
	})
}

func TestSTSIsNotCalledWhereTheOutcomeIsCertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, validate.Options{})
		roles := w.subject.Integration.Roles
		roles[0].ARN.Path = "/aws-service-role/ecs.amazonaws.com/"
		roles[1].Region = "cn-north-1"
		roles[2].ARN = rolebroker.RoleARN{}
		results := w.validator.Roles(t.Context(), w.subject, nil)
		for i, code := range []rolebroker.ValidationCode{rolebroker.ValidServiceLinked, rolebroker.ValidPartition,
			rolebroker.ValidARNInvalid} {
			if results[i].Code != code || results[i].Status != rolebroker.StatusFailed || len(results[i].Hint) == 0 {
				t.Errorf("role %d is %+v, want %s", i, results[i], code)
			}
		}
		w.subject.Integration.AssumptionMode = rolebroker.ModeCluster
		for _, r := range w.validator.Roles(t.Context(), w.subject, nil) {
			if r.Code != rolebroker.ValidClusterMode || r.Status != rolebroker.StatusUnknown {
				t.Errorf("in cluster mode it is %+v", r)
			}
		}
		if n := w.aws.Calls("AssumeRole"); n != 0 {
			t.Errorf("AWS was asked %d times", n)
		}
	})
}

func TestADenialListsWhatToCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, validate.Options{})
		w.aws.Account(customer).DeleteRole("role-0000")
		r := w.validator.Roles(t.Context(), w.subject, nil)[0]
		if strings.Contains(r.Message, "\n") || strings.HasSuffix(r.Message, ".") {
			t.Errorf("the message is no sentence of its own: %q", r.Message)
		}
		listsInOrder(t, r.Hint, "1. its trust policy has this statement", `"sts:ExternalId": "rolebroker-right"`,
			"2. the role is there", "3. arn:aws:iam::"+platform+":user/rolebroker may call", "4. no condition",
			"5. no explicit Deny", "rolebroker integration setup production --role role-0000")
	})
}

// What IAM says to be right is nothing to check: it comes after what can be wrong.
func TestADenialListsWhatIsRightLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, validate.Options{Own: permits{}})
		w.aws.Account(customer).DeleteRole("role-0000")
		r := w.validator.Roles(t.Context(), w.subject, nil)[0]
		listsInOrder(t, r.Hint, "1. its trust policy has this statement", "2. the role is there", "3. no condition",
			"4. no explicit Deny",
			"it is not for want of a policy of arn:aws:iam::"+platform+":user/rolebroker: IAM says")
	})
}

// permits is an identity whose policies allow everything.
type permits struct{}

func (permits) Permits(_ context.Context, _ rolebroker.Identity, _ rolebroker.RoleARN, actions ...string) (
	map[string]bool, error) {
	all := map[string]bool{}
	for _, a := range actions {
		all[a] = true
	}
	return all, nil
}

// listsInOrder fails the test unless a hint has texts, one after the other.
func listsInOrder(t *testing.T, hint rolebroker.Hint, texts ...string) {
	t.Helper()
	rest := hint.String()
	for _, want := range texts {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Errorf("the hint lacks %q, or has it earlier:\n%s", want, hint)
		}
		rest = after
	}
}
