package setup_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/setup"
)

// The policy selects the names that the agent had when its sessions began, and no other agent's.
func TestADenialSelectsOneAgent(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 9, 26, 53, 999_000_000, time.UTC)
	for agent, want := range map[string]string{
		"scout": `"aws:userid":["*:old","*:old@*","*:scout","*:scout@*"]`,
		"x":     `"aws:userid":["*:old","*:old@*","*:x@","*:x@*"]`,
	} {
		denial := setup.AgentDenial(agent, []rolebroker.Session{{AgentName: agent}, {AgentName: "old"}}, now)
		policy := denial.Policy()
		if !strings.Contains(policy, want) {
			t.Errorf("%s lacks %s", policy, want)
		}
		// AWS rounds the time of issue down, so what it issued in this second is denied too.
		if got := strings.Count(policy, `"DateLessThan":{"aws:TokenIssueTime":"2026-03-14T09:26:54Z"}`); got != 2 {
			t.Errorf("%s has the time %d times, want 2", policy, got)
		}
		if denial.Name != "rolebroker-cut-off-"+agent {
			t.Errorf("the policy is called %s", denial.Name)
		}
	}
}

// A session is denied by its name and the time around which it was issued. What begins after it was ended is not.
func TestADenialOfOneSession(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	s := &rolebroker.Session{ID: "ses_a", SessionName: "scout@tidy", RequestedAt: began}
	for ended, before := range map[time.Time]string{
		began.Add(time.Hour):   "2026-03-14T09:28:54Z",
		began.Add(time.Second): "2026-03-14T09:26:55Z",
	} {
		want := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{` +
			`"StringLike":{"aws:userid":"*:scout@tidy"},"DateGreaterThanEquals":{"aws:TokenIssueTime":"2026-03-14T09:25:53Z"},` +
			`"DateLessThan":{"aws:TokenIssueTime":"` + before + `"}}}]}`
		if got := setup.SessionDenial(s, ended).Policy(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// The commands name the role without its path, and are grouped by account.
func TestDenialsAreGroupedByAccount(t *testing.T) {
	t.Parallel()
	var roles []rolebroker.DeniedRole
	for _, arn := range []string{"arn:aws:iam::777788889999:role/a", "arn:aws:iam::444455556666:role/team/x/Deployer",
		"arn:aws:iam::444455556666:role/A"} {
		roles = append(roles, rolebroker.DeniedRole{ARN: role(t, "r", arn).ARN})
	}
	accounts := setup.AgentDenial("scout", nil, time.Now()).Deny(roles)
	if len(accounts) != 2 || accounts[0].Account != "444455556666" || len(accounts[0].Roles) != 2 {
		t.Fatalf("the accounts are %+v", accounts)
	}
	for _, want := range []string{"!= 444455556666 ]", "--role-name Deployer --policy-name rolebroker-cut-off-scout ",
		"--role-name A --policy-name "} {
		if commands := setup.PutPolicies(accounts[0].Account, accounts[0].Roles); !strings.Contains(commands, want) {
			t.Errorf("%s lacks %s", commands, want)
		}
	}
	remove := setup.RemovePolicies(accounts[1].Account, accounts[1].Roles)
	if !strings.Contains(remove, "aws iam delete-role-policy --role-name a --policy-name rolebroker-cut-off-scout\n") {
		t.Errorf("the removal is %s", remove)
	}
}

// The cut-off role trusts the platform alone, and may change the inline policies of the integration's roles, and of no
// other. Its commands can run again.
func TestTheCutOffRoleChangesTheRolesOfItsIntegration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	readonly := role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly")
	odd := role(t, "odd", "arn:aws:iam::444455556666:role"+hostile+"-x=y,z")
	for _, r := range []rolebroker.Role{readonly, odd, role(t, "other", "arn:aws:iam::444455556666:role/Other")} {
		w.customer.CreateRole(awssim.Role{Name: r.ARN.Name, Path: r.ARN.Path,
			TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}`})
	}
	s := w.subject(readonly, odd)
	s.Request.CutOff = true
	commands := write(t, s).CutOff
	w.paste(commands)
	w.paste(commands)
	made, found := w.customer.Role("rolebroker-cut-off-production")
	if !found {
		t.Fatal("there is no cut-off role")
	}
	itself := role(t, "cut-off", made.ARN)
	w.allow("the platform", w.platform, itself, externalID)
	w.deny("the platform without the external ID", w.platform, itself, "")
	w.deny("a colleague", w.colleague, itself, externalID)

	in := &rolebroker.Integration{Name: "production", ExternalID: externalID, Roles: s.Roles}
	for _, session := range []rolebroker.RoleARN{readonly.ARN, odd.ARN} {
		as, err := setup.CutOffAssumption(in, session)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ReadOnly", odd.ARN.Name, "Other"} {
			err := w.put(as, name)
			if name == session.Name && err != nil {
				t.Errorf("the policy is not put on %s: %v", name, err)
			} else if name != session.Name {
				denied(t, "a policy on "+name+" in a session for "+session.Name, err)
			}
		}
	}
	as, _ := setup.CutOffAssumption(in, readonly.ARN)
	as.Policy = ""
	denied(t, "a policy on a role of nobody", w.put(as, "Other"))
}

// put puts a policy on a role, in a session of the cut-off role.
func (w *world) put(as rolebroker.Assumption, role string) error {
	sessionPolicy := &as.Policy
	if as.Policy == "" {
		sessionPolicy = nil
	}
	out, err := w.sts(w.platform).AssumeRole(w.t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(as.ARN.String()),
		RoleSessionName: &as.SessionName, ExternalId: &as.ExternalID, Policy: sessionPolicy})
	if err != nil {
		return err
	}
	keys := credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey,
		*out.Credentials.SessionToken)
	_, err = iam.New(iam.Options{Region: "us-east-1", HTTPClient: w.aws.HTTPClient(), Credentials: keys,
		RetryMaxAttempts: 1}).PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: &role,
		PolicyName: aws.String("p"), PolicyDocument: aws.String(awssim.AllowAll)})
	return err
}

// A cut-off role that cannot be had is refused.
func TestCutOffRolesThatCannotBeHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := strings.Repeat("n", 46)
	for name, change := range map[string]func(*setup.Subject){
		"in cluster mode":       func(s *setup.Subject) { s.Mode = rolebroker.ModeCluster },
		"for one role":          func(s *setup.Subject) { s.Request.Role = "readonly" },
		"without a name":        func(s *setup.Subject) { s.Integration = "" },
		"with a long name":      func(s *setup.Subject) { s.Integration = long },
		"for hundreds of roles": func(s *setup.Subject) { s.Roles = manyRoles(t, 300) },
	} {
		s := w.subject(role(t, "readonly", "arn:aws:iam::444455556666:role/ReadOnly"))
		s.Request.CutOff = true
		change(&s)
		if _, err := setup.New(t.Context(), s); rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Errorf("%s: got %v, want it refused", name, err)
		}
	}
	in := &rolebroker.Integration{Name: long}
	if _, err := setup.CutOffAssumption(in, rolebroker.RoleARN{}); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("a name that IAM does not take: %v", err)
	}
}

func manyRoles(t *testing.T, n int) (all []rolebroker.Role) {
	for i := range n {
		name := fmt.Sprint("role", i)
		all = append(all, role(t, name, "arn:aws:iam::444455556666:role/"+name))
	}
	return all
}
