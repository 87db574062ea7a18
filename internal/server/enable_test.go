package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// agent enable --apply leaves deny policies where they are while keys could work that they deny. When these have expired,
// it removes them, and what somebody removed by hand before is no error: neither a policy nor a role that is gone. It
// removes nothing twice, and nothing that is not its own.
func TestEnablingRemovesPoliciesThatAreNotNeeded(t *testing.T) {
	for name, database := range map[string]func(testing.TB) string{
		"SQLite": storetest.SQLite, "PostgreSQL": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			tb := testbed.New(t, &testbed.Options{Database: database(t), Now: clock.Now}) // AWS has its own clock
			account := tb.AWS.Account(testbed.CustomerAccount)
			account.CreateRole(awssim.Role{Name: "rolebroker-cut-off-production",
				TrustPolicy: testbed.Trust(testbed.PlatformAccount),
				Policies: map[string]string{"cut-off": `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
					"Action":"iam:*RolePolicy","Resource":"*"}}`}})
			for _, role := range []string{"Extra", "Gone"} {
				account.CreateRole(awssim.Role{Name: role, TrustPolicy: testbed.Trust(testbed.PlatformAccount)})
			}
			in, err := tb.Admin.Integration(t.Context(), "production")
			must(t, err)
			request := api.IntegrationRequest{Name: "production", DefaultRole: "readonly", ExternalID: in.ExternalID,
				Roles: []api.RoleRequest{tb.Role("readonly", "ReadOnly", "us-east-1"),
					tb.Role("deployer", "Deployer", "eu-west-1"), tb.Role("extra", "Extra", "us-east-1"),
					tb.Role("gone", "Gone", "us-east-1")}}
			_, err = tb.Admin.UpdateIntegration(t.Context(), "production", request, "", api.ValidateSkip)
			must(t, err)
			agent := tb.Client(tb.Scout)
			for _, role := range []string{"readonly", "deployer", "gone"} {
				_, err := agent.Credentials(t.Context(), role, "")
				must(t, err)
			}
			tb.AWS.SetLifetime(90 * time.Minute)
			_, err = agent.Credentials(t.Context(), "extra", "")
			must(t, err)
			cut, err := tb.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{Apply: true})
			must(t, err)
			is(t, "after the cut-off", cut, "Deployer applied, Extra applied, Gone applied, ReadOnly applied")

			enables := func(when, want string) {
				t.Helper()
				enabled, err := tb.Admin.EnableAgent(t.Context(), "scout", api.EnableRequest{Apply: true})
				must(t, err)
				is(t, when, *enabled.CutOff, want)
			}
			enables("while the keys could work", "Deployer applied, Extra applied, Gone applied, ReadOnly applied")
			for _, role := range []string{"Deployer", "Extra", "Gone", "ReadOnly"} {
				denied(t, account, role, true)
			}

			removesByHand(t, tb, "Deployer")
			account.DeleteRole("Gone")
			account.SetRolePolicy("ReadOnly", "of-the-customer", `{"Version":"2012-10-17","Statement":{"Effect":"Allow",
				"Action":"s3:GetObject","Resource":"*"}}`)
			clock.advance(61 * time.Minute)
			enables("when three have expired", "Deployer removed, Extra applied, Gone removed, ReadOnly removed")
			denied(t, account, "ReadOnly", false)
			denied(t, account, "Extra", true)
			if role, _ := account.Role("ReadOnly"); role.Policies["of-the-customer"] == "" {
				t.Error("it removes policies of others")
			}
			changes := removals(t, tb)
			enables("again", "Deployer removed, Extra applied, Gone removed, ReadOnly removed")
			if again := removals(t, tb); again != changes {
				t.Errorf("it removes what it has removed: %d events after %d", again, changes)
			}
			clock.advance(time.Hour)
			enables("when all have expired", "Deployer removed, Extra removed, Gone removed, ReadOnly removed")
			denied(t, account, "Extra", false)

			// A policy that cannot be removed is named, and stays due.
			tb.AWS.SetLifetime(3 * time.Hour) // an hour, by the clock of the server
			_, err = agent.Credentials(t.Context(), "extra", "")
			must(t, err)
			_, err = tb.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{Apply: true})
			must(t, err)
			account.SetTrustPolicy("rolebroker-cut-off-production", testbed.Trust("999988887777"))
			clock.advance(2 * time.Hour)
			enables("when AWS does not let the server", "Extra applied: AccessDenied")
			account.SetTrustPolicy("rolebroker-cut-off-production", testbed.Trust(testbed.PlatformAccount))
			enables("when AWS does", "Extra removed")
			denied(t, account, "Extra", false)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const denyScout = "rolebroker-cut-off-scout"

// denied checks whether a role has the deny policy in AWS.
func denied(t *testing.T, account *awssim.Account, name string, want bool) {
	t.Helper()
	if role, _ := account.Role(name); (role.Policies[denyScout] != "") != want {
		t.Errorf("role %s has the policies %v", name, role.Policies)
	}
}

// is checks what became of the policies of a cut-off, as in "ReadOnly applied".
func is(t *testing.T, when string, cut api.CutOff, want string) {
	t.Helper()
	var found []string
	for _, account := range cut.Accounts {
		for _, role := range account.Roles {
			said := role.ARN[strings.LastIndexByte(role.ARN, '/')+1:] + " " + role.State
			if strings.Contains(role.Problem, "AccessDenied") {
				said += ": AccessDenied"
			} else if role.Problem != "" {
				said += ": " + role.Problem
			}
			found = append(found, said)
		}
	}
	if got := strings.Join(found, ", "); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

// removesByHand removes the deny policy from a role, as somebody could with the printed commands.
func removesByHand(t *testing.T, tb *testbed.Testbed, role string) {
	t.Helper()
	in, err := tb.Admin.Integration(t.Context(), "production")
	must(t, err)
	as := rolebroker.Assumption{SessionName: "somebody", ExternalID: in.ExternalID, Region: "us-east-1",
		Duration: rolebroker.MinSessionDuration}
	as.ARN, err = rolebroker.ParseRoleARN("arn:aws:iam::" + testbed.CustomerAccount + ":role/rolebroker-cut-off-production")
	must(t, err)
	arn, err := rolebroker.ParseRoleARN("arn:aws:iam::" + testbed.CustomerAccount + ":role/" + role)
	must(t, err)
	somebody := sts.New(sts.Options{Endpoint: tb.AWSURL, Credentials: credentials.NewStaticCredentialsProvider(
		tb.Operator.AccessKeyID, tb.Operator.SecretAccessKey, "")})
	must(t, somebody.DeleteRolePolicy(t.Context(), as, arn, denyScout))
	denied(t, tb.AWS.Account(testbed.CustomerAccount), role, false)
}

// removals counts the audit events of removals.
func removals(t *testing.T, tb *testbed.Testbed) int {
	t.Helper()
	return strings.Count(tb.Log(), "action=deny-policy.remove")
}
