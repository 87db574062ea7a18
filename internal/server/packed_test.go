package server_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// A session policy that is too large together with the session tags is refused when it is saved, with what AWS says of
// the size, and not only when the agent borrows. The call that finds out permits nothing.
func TestAPolicyThatIsTooLargeWithTheTagsIsNotSaved(t *testing.T) {
	tb := testbed.New(t, &testbed.Options{Empty: true})
	tb.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "Tagged",
		TrustPolicy: testbed.Trust(testbed.PlatformAccount)})
	request := api.IntegrationRequest{Name: "tagged", DefaultRole: "r", SessionTags: true,
		Roles: []api.RoleRequest{tb.Role("r", "Tagged", "us-east-1")}}
	if _, err := tb.Admin.CreateIntegration(t.Context(), request, api.ValidateSkip); err != nil {
		t.Fatal(err)
	}
	tb.Agent("scout", "tagged")
	policy := func(length int) api.LimitsRequest {
		return api.LimitsRequest{Access: "policy", SessionPolicy: api.Policy(`{"Version":"2012-10-17","Statement":[{"Effect":` +
			`"Allow","Action":"s3:` + strings.Repeat("x", length) + `","Resource":"*"}]}`)}
	}
	before, err := tb.Admin.Agent(t.Context(), "scout")
	if err != nil {
		t.Fatal(err)
	}
	_, err = tb.Admin.Limit(t.Context(), "scout", "tagged", policy(1950), "")
	refusal := rolebroker.AsError(err)
	if rolebroker.CodeOf(err) != rolebroker.CodeInvalid || len(refusal.Fields) != 1 ||
		refusal.Fields[0].Path != "session_policy" || !strings.Contains(refusal.Fields[0].Message, "% of allotted space") ||
		!strings.Contains(refusal.Fields[0].Hint.String(), "rolebroker integration update tagged --session-tags=false") {
		t.Errorf("saving answers %v: %+v", err, refusal)
	}
	limits := policy(1950)
	_, err = tb.Admin.UpdateAgent(t.Context(), "scout", api.AgentRequest{Name: "scout", Connections: &[]api.ConnectionRequest{
		{Integration: "tagged", Access: limits.Access, SessionPolicy: limits.SessionPolicy}}}, "")
	if refusal := rolebroker.AsError(err); rolebroker.CodeOf(err) != rolebroker.CodeInvalid || len(refusal.Fields) != 1 ||
		refusal.Fields[0].Path != "connections[0].session_policy" {
		t.Errorf("saving the agent answers %v", err)
	}
	if after, err := tb.Admin.Agent(t.Context(), "scout"); err != nil || after.Version != before.Version {
		t.Errorf("the agent is %+v, %v", after, err)
	}
	if _, err := tb.Admin.Limit(t.Context(), "scout", "tagged", policy(1000), ""); err != nil {
		t.Errorf("a shorter policy: %v", err)
	}
	for _, call := range tb.AWS.Assumed() {
		if strings.Contains(call.Policy, "Allow") || call.SessionName == "scout" {
			t.Errorf("saving sends AWS %+v", call)
		}
	}
	request.SessionTags = false
	if _, err := tb.Admin.UpdateIntegration(t.Context(), "tagged", request, "", api.ValidateSkip); err != nil {
		t.Fatal(err)
	}
	if _, err := tb.Admin.Limit(t.Context(), "scout", "tagged", policy(1950), ""); err != nil {
		t.Errorf("without the tags: %v", err)
	}
}
