package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// Pages say each thing once, and what they say fits together.
func TestPagesSayEachThingOnce(t *testing.T) {
	t.Parallel()
	a := newAsker(t)
	owner := a.as(a.admin)
	const finds, needs = "find the credentials by themselves", "needs the program <code>rolebroker</code>"
	owner.shows("/agents/scout", finds, needs)
	withheld := broker.Limits{Access: rolebroker.AccessFull, Keys: rolebroker.KeysWithheld,
		Approval: rolebroker.ApprovalNone}
	if _, err := a.broker.Connect(t.Context(), root, "scout", "production", &withheld, 0); err != nil {
		t.Fatal(err)
	}
	owner.shows("/agents/scout", "Its AWS keys are withheld", needs)
	owner.lacks("/agents/scout", finds)

	form := func(says int, part string, pairs ...string) {
		t.Helper()
		answer := owner.post("/integrations/new/aws", append(pairs, "name", "x", "mode", "platform", "external_id",
			owner.begin(), "role.0.enabled", "on", "action", "validate")...)
		owner.answers(answer, http.StatusOK)
		if n := strings.Count(answer.Body.String(), part); n != says {
			t.Errorf("the form has %q %d times, not %d: %s", part, n, says, answer.Body)
		}
	}
	// Every tab of step 3 leads to step 4 until a role is there.
	form(2, "Then add the role in step 4", "rows", "1")
	form(3, "Add a role in step 4 to see", "rows", "1")
	form(0, "in step 4, with", "rows", "1", "role.0.name", "a", "role.0.arn", roleARN, "role.0.region", "us-east-1")
	const add = `value="add-role"`
	one := []string{"role.0.region", "us-east-1", "rows", "1", "role.0.name", "a", "role.0.arn", "AgentWork"}
	form(1, add, one...)
	form(2, add, "role.0.region", "us-east-1", "rows", "2", "role.0.name", "a", "role.0.arn", roleARN, "role.1.name", "b",
		"role.1.arn", roleARN+"2", "role.1.region", "us-east-1")
	form(2, "is not an ARN", one...) // at its field, and in the list at the buttons
	form(0, "arn_invalid", one...)
	for region, hidden := range map[string]int{"us-east-1": 1, "us-east-9": 0} {
		form(hidden, `role="status" hidden>AWS lists no such region`, "rows", "1", "role.0.name", "a",
			"role.0.arn", roleARN, "role.0.region", region)
	}
}
