package server_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// policy is a connection with a session policy that is longer than length.
func policy(length int) api.LimitsRequest {
	return api.LimitsRequest{Access: "policy", SessionPolicy: api.Policy(`{"Version":"2012-10-17","Statement":[{` +
		`"Effect":"Allow","Action":"s3:` + strings.Repeat("x", length) + `","Resource":"*"}]}`)}
}

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

// A validation warns of a session policy that became too large after it was saved, here because the integration got
// session tags. The warning is of the roles that the connection includes, names the agents, and is in every answer and
// on record. A refusal to an agent does not replace it, because the role works for others.
func TestAValidationTriesTheSessionPoliciesOfConnections(t *testing.T) {
	for name, database := range map[string]func(testing.TB) string{
		"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb := testbed.New(t, &testbed.Options{Empty: true, Database: database(t)})
			request := api.IntegrationRequest{Name: "tagged", DefaultRole: "one"}
			for _, role := range []string{"one", "two"} {
				tb.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: role,
					TrustPolicy: testbed.Trust(testbed.PlatformAccount)})
				request.Roles = append(request.Roles, tb.Role(role, role, "us-east-1"))
			}
			require := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := tb.Admin.CreateIntegration(t.Context(), request, api.ValidateSkip)
			require(err)
			scout, reader := tb.Agent("scout", "tagged"), tb.Agent("reader", "tagged")
			tb.Agent("probe", "tagged")
			large := policy(1940)
			large.Roles = &[]string{"one"}
			for agent, limits := range map[string]api.LimitsRequest{"scout": large, "probe": large,
				"reader": {Access: "read-only"}} {
				_, err := tb.Admin.Limit(t.Context(), agent, "tagged", limits, "")
				require(err)
			}
			is := func(results []api.RoleValidation, codes ...string) {
				t.Helper()
				for i, r := range results {
					if r.Code != codes[i] || r.Code == "session_policy_too_large" && (r.Status != "warning" ||
						!strings.Contains(r.Message, "not for agents probe and scout, whose session policy and ") ||
						!strings.Contains(r.Hint, "rolebroker agent connect probe tagged --session-policy FILE")) {
						t.Errorf("role %d is %+v, want %s", i, r, codes[i])
					}
				}
			}
			validated := func() []api.RoleValidation {
				t.Helper()
				answer, err := tb.Admin.ValidateIntegration(t.Context(), "tagged", client.Validating{})
				require(err)
				if !answer.OK {
					t.Errorf("a warning is a failure: %+v", answer)
				}
				return answer.Roles
			}
			onRecord := func() (results []api.RoleValidation) {
				t.Helper()
				in, err := tb.Admin.Integration(t.Context(), "tagged")
				require(err)
				for _, role := range in.Roles {
					s := role.State
					results = append(results, api.RoleValidation{Validation: api.Validation{Status: s.Status,
						Code: s.Code, Message: s.Message, Hint: s.Hint}})
				}
				return results
			}
			const tooLarge, open = "session_policy_too_large", "external_id_not_required"
			in, err := tb.Admin.Integration(t.Context(), "tagged")
			require(err)
			for _, role := range request.Roles {
				tb.AWS.Account(testbed.CustomerAccount).SetTrustPolicy(role.Name, requiring(in.ExternalID))
			}
			is(validated(), "assumable", "assumable")
			request.SessionTags = true
			_, err = tb.Admin.UpdateIntegration(t.Context(), "tagged", request, "", api.ValidateWarn)
			require(err)
			is(onRecord(), tooLarge, "assumable") // saving says so
			is(validated(), tooLarge, "assumable")

			_, err = tb.Client(scout).Credentials(t.Context(), "one", "")
			if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "too large together") {
				t.Errorf("scout gets %v", err)
			}
			_, err = tb.Client(reader).Credentials(t.Context(), "two", "")
			require(err)
			is(onRecord(), tooLarge, "assumable")

			tb.AWS.Account(testbed.CustomerAccount).SetTrustPolicy("one", testbed.Trust(testbed.PlatformAccount))
			if r := validated()[0]; r.Code != open || !strings.Contains(r.Message,
				"; it cannot be assumed for agents probe and scout, whose session policy and session tags are ") {
				t.Errorf("with another warning it is %+v", r)
			}
			tb.AWS.Account(testbed.CustomerAccount).SetTrustPolicy("one", requiring(in.ExternalID))
			_, err = tb.Admin.Limit(t.Context(), "probe", "tagged", policy(1000), "")
			require(err)
			if r := validated()[0]; r.Code != tooLarge || !strings.Contains(r.Message, "not for agent scout, whose") {
				t.Errorf("with one agent left it is %+v", r)
			}
			_, err = tb.Admin.Limit(t.Context(), "scout", "tagged", api.LimitsRequest{Access: "read-only"}, "")
			require(err)
			is(validated(), "assumable", "assumable")
		})
	}
}

func requiring(externalID string) string {
	return strings.Replace(testbed.Trust(testbed.PlatformAccount), `"Action"`,
		`"Condition":{"StringEquals":{"sts:ExternalId":"`+externalID+`"}},"Action"`, 1)
}
