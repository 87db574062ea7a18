package web_test

import (
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// furnished is a deployment as it looks after some weeks: integrations in every
// state, agents with and without connections, and sessions.
func furnished(t testing.TB) *testbed.Testbed {
	t.Helper()
	tb := testbed.New(t, &testbed.Options{Empty: true})
	f := furnisher{t, tb}
	production, staging, lake := f.reserves(), f.reserves(), f.reserves()
	f.role("ReadOnly", production, staging)
	f.role("Metrics", production, lake)
	f.role("Restore", production)
	f.role("Terraform", staging)
	f.integration("production", production, "Customer-facing workloads", tb.Role("readonly", "ReadOnly", "us-east-1"),
		tb.Role("deployer", "Deployer", "eu-west-1"),
		tb.Role("metrics", "Metrics", "us-east-1"), tb.Role("billing", "BillingExport", "us-east-1"),
		f.off(tb.Role("restore", "Restore", "eu-west-1")))
	f.integration("staging", staging, "Every branch is tried here", tb.Role("readonly", "ReadOnly", "us-east-1"),
		tb.Role("terraform", "Terraform", "us-west-2"))
	f.integration("data-lake", lake, "Athena and the raw buckets", tb.Role("analyst", "Metrics", "eu-central-1"))
	f.must(tb.Admin.CreateIntegration(t.Context(),
		api.IntegrationRequest{Name: "sandbox", AssumptionMode: "cluster", DefaultRole: "builder",
			Roles: []api.RoleRequest{tb.Role("builder", "Tester", "us-east-1")}}, api.ValidateSkip))

	f.agent("scout", "Looks into incidents before anybody is woken up", "production", "data-lake")
	f.agent("deployer", "Rolls out what was merged", "staging", "production")
	f.agent("librarian", "Answers questions about the data", "data-lake")
	f.agent("intern", "")
	tb.Scout = f.token("scout", "incident-runner")
	f.token("scout", "laptop of Dana")
	f.borrows(tb.Scout, "readonly", "analyst", "metrics", "billing")
	f.borrows(f.token("deployer", "ci"), "terraform", "production/readonly")
	f.borrows(f.token("librarian", "notebooks"), "analyst")
	f.asks()
	f.cluster()
	f.must(tb.Admin.CreateAPIKey(t.Context(), api.APIKeyRequest{Name: "terraform", Access: "admin"}))
	f.must(tb.Admin.CreateAPIKey(t.Context(), api.APIKeyRequest{Name: "dashboards", Access: "read-only"}))
	return tb
}

// furnisher furnishes a testbed.
type furnisher struct {
	testing.TB
	tb *testbed.Testbed
}

func (f furnisher) must(_ any, err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// asks lets the agent deployer ask for a role, which it is denied.
func (f furnisher) asks() {
	f.Helper()
	limits := api.LimitsRequest{Approval: string(rolebroker.ApprovalBorrow)}
	f.must(f.tb.Admin.Limit(f.Context(), "deployer", "production", limits, ""))
	asked := f.asking("release-17", "Roll out release 17 of the shop")
	f.must(f.tb.Admin.DenyRequest(f.Context(), asked, api.DenyRequest{Reason: "The shop is frozen until Monday"}))
}

// asking makes an access request of the agent deployer, and returns its ID.
func (f furnisher) asking(task, reason string) string {
	f.Helper()
	asked, err := f.tb.Client(f.token("deployer", task)).RequestAccess(f.Context(),
		api.AccessRequestRequest{Role: "production/deployer", Task: task, Reason: reason})
	f.must(asked, err)
	return asked.ID
}

// cluster adds a runner with an integration and an agent, and a runner that has not
// joined.
func (f furnisher) cluster() {
	f.Helper()
	ctx, admin := f.Context(), f.tb.Admin
	f.must(admin.CreateRunner(ctx, api.RunnerRequest{Name: "eks-production",
		Description: "The cluster of the shop, in us-east-1", Issuer: clusterIssuer}))
	f.must(admin.CreateRunner(ctx, api.RunnerRequest{Name: "eks-staging",
		Issuer: "https://oidc.eks.us-west-2.amazonaws.com/id/B716A7BD2EF7"}))
	joining, err := admin.CreateJoinToken(ctx, "eks-production", api.JoinTokenRequest{})
	f.must(joining, err)
	r := joins(f, f.tb, rolebroker.NewSecret(joining.Token.Reveal()))

	id := f.reserves()
	for _, name := range []string{"ShopRead", "ShopOrders"} {
		f.tb.AWS.Account(account).CreateRole(awssim.Role{Name: name,
			TrustPolicy: strings.ReplaceAll(trusting(id), testbed.PlatformAccount, clusterAccount)})
	}
	f.must(admin.CreateIntegration(ctx, api.IntegrationRequest{Name: "shop",
		Description: "Assumed in the cluster it runs in", AssumptionMode: "cluster", Runner: "eks-production",
		ExternalID:  id,
		DefaultRole: "readonly", Roles: []api.RoleRequest{f.tb.Role("readonly", "ShopRead", "us-east-1"),
			f.tb.Role("orders", "ShopOrders", "us-east-1"),
			f.tb.Role("refunds", "Refunds", "us-east-1")}}, api.ValidateSkip))
	f.agent("cashier", "Answers what became of an order", "shop")
	f.must(admin.Bind(ctx, "cashier", api.BindingRequest{Issuer: clusterIssuer, Namespace: "agents",
		ServiceAccount: "scout"}))
	f.must(admin.Bind(ctx, "cashier", api.BindingRequest{Issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/OLD",
		Namespace: "agents", ServiceAccount: "cashier"}))
	c, err := client.New(client.Options{URL: r.URL(), Token: rolebroker.NewSecret(podToken)})
	f.must(c, err)
	f.must(c.Credentials(ctx, "readonly", ""))
}

// reserves reserves an external ID.
func (f furnisher) reserves() string {
	f.Helper()
	id, err := f.tb.Admin.ReserveExternalID(f.Context())
	f.must(id, err)
	return id.ExternalID
}

// role creates or changes a role in AWS. It can be assumed only with one of the
// external IDs.
func (f furnisher) role(name string, externalIDs ...string) {
	trust := trusting(externalIDs...)
	customer := f.tb.AWS.Account(account)
	if _, there := customer.Role(name); there {
		customer.SetTrustPolicy(name, trust)
		return
	}
	customer.CreateRole(awssim.Role{Name: name, TrustPolicy: trust})
}

// cutOffRole makes the role in AWS by which the server puts deny policies on the roles of an integration.
func (f furnisher) cutOffRole(integration string) {
	f.Helper()
	in, err := f.tb.Admin.Integration(f.Context(), integration)
	f.must(in, err)
	f.tb.AWS.Account(account).CreateRole(awssim.Role{Name: "rolebroker-cut-off-" + integration,
		TrustPolicy: trusting(in.ExternalID), Policies: map[string]string{"cut-off": `{"Version": "2012-10-17",
			"Statement": {"Effect": "Allow", "Action": ["iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"],
				"Resource": "*"}}`}})
}

// trusting is a trust policy that lets the platform in with one of the external IDs.
func trusting(externalIDs ...string) string {
	return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "` + testbed.PlatformAccount + `"},
		"Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
		"Condition": {"StringEquals": {"sts:ExternalId": ["` + strings.Join(
		externalIDs,
		`", "`,
	) + `"]}}}}`
}

func (f furnisher) off(role api.RoleRequest) api.RoleRequest {
	enabled := false
	role.Enabled = &enabled
	return role
}

func (f furnisher) integration(name, externalID, about string, roles ...api.RoleRequest) {
	f.Helper()
	f.must(f.tb.Admin.CreateIntegration(f.Context(),
		api.IntegrationRequest{Name: name, ExternalID: externalID, Description: about, DefaultRole: roles[0].Name,
			Roles: roles}, api.ValidateWarn))
}

func (f furnisher) agent(name, about string, integrations ...string) {
	f.Helper()
	f.must(f.tb.Admin.CreateAgent(f.Context(), api.AgentRequest{Name: name, Description: about}))
	for _, in := range integrations {
		f.must(f.tb.Admin.Connect(f.Context(), name, in))
	}
}

func (f furnisher) token(agent, label string) rolebroker.Secret {
	f.Helper()
	made, err := f.tb.Admin.CreateToken(f.Context(), agent, api.TokenRequest{Label: label})
	f.must(made, err)
	token := rolebroker.NewSecret(string(made.Token))
	f.tb.HandedOut(token)
	return token
}

// borrows borrows roles; the role billing fails, and its session is recorded too.
func (f furnisher) borrows(token rolebroker.Secret, roles ...string) {
	for _, role := range roles {
		if _, err := f.tb.Client(token).Credentials(f.Context(), role, ""); err != nil && role != "billing" {
			f.Errorf("borrowing %s: %v", role, err)
		}
	}
}
