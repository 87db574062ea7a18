package setup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
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
		if !strings.Contains(accounts[0].Commands, want) {
			t.Errorf("%s lacks %s", accounts[0].Commands, want)
		}
	}
	if !strings.Contains(accounts[1].Remove, "aws iam delete-role-policy --role-name a --policy-name rolebroker-cut-off-scout\n") {
		t.Errorf("the removal is %s", accounts[1].Remove)
	}
}
