package validate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/validate"
)

// policyOf is a session policy of about so many characters.
func policyOf(length int) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:` +
		strings.Repeat("x", length-88) + `","Resource":"*"}]}`
}

func policyFor(policy string, agents ...string) rolebroker.TriedPolicy {
	return rolebroker.TriedPolicy{Access: rolebroker.AccessPolicy, SessionPolicy: policy, Agents: agents,
		Count: len(agents)}
}

var tooLarge = &rolebroker.Refusal{Kind: rolebroker.RefusedOther, Code: "PackedPolicyTooLarge",
	Message: "Packed policy consumes 118% of allotted space"}

// subjectOf has a number of roles.
func subjectOf(roles int, policies ...rolebroker.TriedPolicy) validate.Subject {
	s := validate.Subject{Integration: rolebroker.Integration{Enabled: true, ID: "int_x", Name: "production",
		AssumptionMode: rolebroker.ModePlatform, ExternalID: "rolebroker-right"},
		Tried: rolebroker.Tried{Policies: policies}}
	for i := range roles {
		s.Integration.Roles = append(s.Integration.Roles, rolebroker.Role{
			ID: rolebroker.RoleID(fmt.Sprintf("rol_%d", i)), Name: fmt.Sprintf("role-%d", i), Region: "us-east-1",
			ARN: rolebroker.RoleARN{Partition: "aws", Account: customer, Path: "/", Name: "ReadOnly"}})
	}
	return s
}

// withPolicies are the calls that have something else than the policy of all validations.
func (w *world) withPolicies() (calls []awssim.AssumeRoleCall) {
	for _, call := range w.aws.Assumed() {
		if call.Policy != `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}` {
			calls = append(calls, call)
		}
	}
	return calls
}

// Each session policy is tried with the tags of the agent that has the longest name. If they do not fit, agents with
// shorter names are tried until one gets a session. The role works all the same.
func TestASessionPolicyThatDoesNotFitIsAWarning(t *testing.T) {
	w := newWorld(t, 1, validate.Options{})
	w.subject.Integration.SessionTags = true
	name := strings.Repeat("n", 60)
	w.subject.Policies = []rolebroker.TriedPolicy{
		policyFor(policyOf(1950), "an-agent-with-quite-a-long-name", "some-agent", "x"),
		policyFor(policyOf(1930), name),
		policyFor(policyOf(500), "reader"),
	}
	w.subject.Policies[0].Count = 9
	r := w.validator.Roles(t.Context(), w.subject, nil)[0]
	if r.Code != rolebroker.ValidSessionPolicy || r.Status != rolebroker.StatusWarning || r.RequestID == "" {
		t.Errorf("the role is %+v", r.Validation)
	}
	for _, text := range []string{"the role can be assumed, but not for agents an-agent-with-quite-a-long-name and ",
		name + ", whose session policy and session tags are too large together: PackedPolicyTooLarge: Packed policy ",
		"rolebroker agent connect an-agent-with-quite-a-long-name production --session-policy FILE",
		"rolebroker agent connect an-agent-with-quite-a-long-name production --access read-only",
		"rolebroker integration update production '--session-tags=false'",
		"rolebroker integration validate production"} {
		if !strings.Contains(r.Message+"\n"+r.Hint.String(), text) {
			t.Errorf("it does not say %q:\n%s\n%s", text, r.Message, r.Hint)
		}
	}
	if strings.Contains(r.Message, "more") || strings.Contains(r.Message, "reader") {
		t.Errorf("it says more than is known: %s", r.Message)
	}
	calls := w.withPolicies()
	for _, call := range calls {
		if strings.Contains(call.Policy, "Allow") || call.SessionName != "rolebroker=validation" ||
			call.Duration != rolebroker.MinSessionDuration {
			t.Errorf("a call could do something: %+v", call)
		}
	}
	if len(calls) > 5 {
		t.Errorf("there are %d calls: %+v", len(calls), calls)
	}
}

// AWS's own policies come with one of ours beside it, and an approval with its end.
func TestTheSessionPolicyOfEachAccessIsTried(t *testing.T) {
	w := newWorld(t, 1, validate.Options{})
	w.subject.Policies = []rolebroker.TriedPolicy{
		{Access: rolebroker.AccessReadOnly, Agents: []string{"scout"}, Count: 1},
		{Access: rolebroker.AccessViewOnly, Ends: true, Agents: []string{"viewer"}, Count: 1},
		{Access: rolebroker.AccessFull, Ends: true, Agents: []string{"deployer"}, Count: 1},
		{Access: "of a newer server", Agents: []string{"scout"}, Count: 1},
	}
	r := w.validator.Roles(t.Context(), w.subject, nil)[0]
	if r.Code != rolebroker.ValidAssumable {
		t.Errorf("the role is %+v", r.Validation)
	}
	calls := w.withPolicies()
	if len(calls) != 3 {
		t.Fatalf("there are %d calls: %+v", len(calls), calls)
	}
	for i, want := range []string{"arn:aws:iam::aws:policy/ReadOnlyAccess",
		"arn:aws:iam::aws:policy/job-function/ViewOnlyAccess", ""} {
		call := calls[i]
		if strings.Join(call.PolicyARNs, " ") != want ||
			(want != "") != strings.Contains(call.Policy, `{"Effect":"Deny","Resource":"*","Action":["*"`) ||
			(i > 0) != strings.Contains(call.Policy, `"aws:CurrentTime":"1970-01-01T00:00:00Z"`) {
			t.Errorf("call %d is %+v", i, call)
		}
	}
}

// Without session tags the roles of an integration differ in nothing that counts: a policy costs one call for all of
// them, and concerns everyone who has it. A policy is tried for the roles of its connections only.
func TestRolesShareWhatIsKnownOfASessionPolicy(t *testing.T) {
	subject := subjectOf(50, policyFor(policyOf(2047), "scout", "probe"), policyFor(policyOf(1000), "reader"))
	subject.Policies[0].Count = 7
	subject.Policies[0].Roles = []rolebroker.RoleID{"rol_0", "rol_2"}
	var policies []string
	sts := &oracle{answer: func(a rolebroker.Assumption, n int) *rolebroker.Refusal {
		if !strings.Contains(a.Policy, "s3:xxx") {
			return closed(a, n)
		}
		policies = append(policies, a.Policy)
		if len(a.Policy) > 1500 {
			return tooLarge
		}
		return nil
	}}
	results := validate.New(validate.Options{STS: sts, Concurrency: 1}).Roles(t.Context(), subject, nil)
	for i, r := range results {
		want := rolebroker.ValidAssumable
		if i == 0 || i == 2 {
			want = rolebroker.ValidSessionPolicy
		}
		if r.Code != want || i == 2 && !strings.Contains(r.Message, "agents scout, probe and 5 more, whose session "+
			"policy is too large: PackedPolicyTooLarge: Packed policy consumes 118%") {
			t.Errorf("role %d is %+v", i, r.Validation)
		}
	}
	if len(policies) != 2 {
		t.Errorf("there are %d calls", len(policies))
	}
}

// A role costs a few calls more at most, however many policies its connections have.
func TestTheSessionPoliciesOfARoleAreBounded(t *testing.T) {
	w := newWorld(t, 1, validate.Options{})
	for i := range validate.MaxPolicies {
		w.subject.Policies = append(w.subject.Policies, policyFor(policyOf(1500-i), "scout"))
	}
	if r := w.validator.Roles(t.Context(), w.subject, nil)[0]; r.Code != rolebroker.ValidAssumable {
		t.Errorf("the role is %+v", r.Validation)
	}
	if calls := w.withPolicies(); len(calls) != 10 {
		t.Errorf("there are %d calls", len(calls))
	}
}

// A role with another warning says both. STS that does not answer leaves the outcome unknown, and what STS says of
// something else is no matter of size.
func TestASessionPolicyBesideOtherOutcomes(t *testing.T) {
	subject := subjectOf(1, policyFor(policyOf(900), "scout"))
	of := func(other, own func(rolebroker.Assumption, int) *rolebroker.Refusal) *oracle {
		return &oracle{answer: func(a rolebroker.Assumption, n int) *rolebroker.Refusal {
			if strings.Contains(a.Policy, "s3:xxx") {
				return own(a, n)
			}
			return other(a, n)
		}}
	}
	always := func(r *rolebroker.Refusal) func(rolebroker.Assumption, int) *rolebroker.Refusal {
		return func(rolebroker.Assumption, int) *rolebroker.Refusal { return r }
	}
	for _, c := range []struct {
		sts     *oracle
		code    rolebroker.ValidationCode
		message string
	}{
		{of(always(nil), always(tooLarge)), rolebroker.ValidExternalIDOpen,
			"; it cannot be assumed for agent scout, whose session policy is too large"},
		{of(closed, always(throttled)), rolebroker.ValidThrottled,
			"the role can be assumed; whether also with the session policies of its connections could not be "},
		{of(closed, always(denied)), rolebroker.ValidAssumable, ""},
	} {
		got := validate.New(validate.Options{STS: c.sts}).Roles(t.Context(), subject, nil)[0]
		if got.Code != c.code || !strings.Contains(got.Message, c.message) {
			t.Errorf("the role is %+v, want %s", got.Validation, c.code)
		}
	}
	account := rolebroker.ServiceAccount{Issuer: "https://oidc.example.com", Namespace: "rolebroker", Name: "runner"}
	subject.Integration.SessionTags = true // which no call with a token has
	for want, refusal := range map[rolebroker.ValidationCode]*rolebroker.Refusal{
		rolebroker.ValidSessionPolicy: tooLarge, rolebroker.ValidThrottled: throttled, rolebroker.ValidAssumable: nil} {
		sts := of(always(nil), func(a rolebroker.Assumption, _ int) *rolebroker.Refusal {
			if a.Tags != (rolebroker.Tags{}) {
				t.Errorf("a call with a token has the tags %+v", a.Tags)
			}
			return refusal
		})
		got := validate.New(validate.Options{STS: sts, By: rolebroker.Party{Runner: true}}).
			WithToken(t.Context(), subject, account)[0]
		if got.Code != want || strings.Contains(got.Message+got.Hint.String(), "tags") {
			t.Errorf("with a token it is %+v, want %s", got.Validation, want)
		}
	}
}

// What a runner says of an agent that has no session policy there is in no message and in no command.
func TestARunnerCannotNameAgentsOfItsOwn(t *testing.T) {
	s := subjectOf(1, policyFor(policyOf(900), "scout"))
	f := rolebroker.Finding{Code: rolebroker.ValidSessionPolicy, Method: rolebroker.MethodAssumeRole,
		TooLarge: []string{"stranger"}}
	got := validate.Explain(s, rolebroker.Party{Runner: true}, 0, f)
	if got.Code != rolebroker.ValidAssumable || strings.Contains(got.Message+got.Hint.String(), "stranger") {
		t.Errorf("it is %+v", got.Validation)
	}
	f.TooLarge = []string{"stranger", "scout"}
	got = validate.Explain(s, rolebroker.Party{Runner: true}, 0, f)
	if got.Code != rolebroker.ValidSessionPolicy || strings.Contains(got.Message+got.Hint.String(), "stranger") ||
		!strings.Contains(got.Message, "agent scout, whose") {
		t.Errorf("it is %+v", got.Validation)
	}
}
