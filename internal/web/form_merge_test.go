package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// A form that is not saved yet gives the command for a role that exists, from the trust policy that somebody pastes.
func TestAnExistingRoleInAFormThatIsNotSaved(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	b := s.as(s.admin)
	const theirs = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},` +
		`"Action":"sts:AssumeRole"}]}`
	s.aws.Account("444455556666").CreateRole(awssim.Role{Name: "ReadOnly", TrustPolicy: theirs})
	external := b.begin()
	sends := func(status int, pairs []string, says ...string) string {
		t.Helper()
		answer := b.post("/integrations/new/aws", append(pairs, "name", "production", "mode", "platform", "external_id",
			external, "rows", "1", "role.0.name", "readonly", "role.0.region", "us-east-1", "role.0.enabled", "on")...)
		b.answers(answer, status, says...)
		return answer.Body.String()
	}
	role := []string{"role.0.arn", roleARN}
	shown := sends(http.StatusOK, append(role, "action", "validate"), `href="#current-policy"`,
		"aws iam get-role --role-name ReadOnly --query Role.AssumeRolePolicyDocument")
	if strings.Contains(shown, "update-assume-role-policy --role-name ReadOnly") {
		t.Error("a command replaces a trust policy that nobody knows")
	}
	sends(http.StatusOK, append(role, "action", "merge"), "Paste the trust policy that the role has now.")
	sends(http.StatusOK, append(role, "action", "merge", "current_policy", "{"), "The policy is not JSON",
		`id="current-policy" class="mono" name="current_policy" rows="4"`)
	sends(http.StatusOK, []string{"role.0.arn", "", "action", "merge", "current_policy", theirs}, "ARN of the role")
	b.answers(b.post("/integrations/new/aws", append(role, "action", "merge", "current_policy", theirs, "name",
		"Company data", "mode", "platform", "external_id", external, "rows", "1", "role.0.name", "readonly",
		"role.0.region", "us-east-1", "role.0.enabled", "on")...), http.StatusOK, `First correct the <a href="#name">Name</a>`,
		`aria-invalid="true" aria-describedby="name-problem"`, "Use company-data", "1 field is not right")
	sends(http.StatusOK, append(role, "action", "merge", "current_policy", theirs, "merge_role", "other"),
		"ARN of the role")
	shown = sends(http.StatusOK, append(role, "action", "merge", "current_policy", theirs),
		"aws iam update-assume-role-policy --role-name ReadOnly", "ec2.amazonaws.com", external)
	merged := regexp.MustCompile(`(?s)aria-label="Command that changes the trust policy"[^>]*>(.*?)</pre>`).
		FindStringSubmatch(shown)
	if merged == nil || !strings.Contains(merged[1], "ec2.amazonaws.com") || !strings.Contains(merged[1], external) {
		t.Errorf("the command does not keep what the policy has, or does not add what it needs: %q", merged)
	}
	sends(http.StatusOK, append(role, "action", "merge", "current_policy", trusting(external)), "right as it is")
}
