package web_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// The size for which the pages are made: one integration has 300 roles, which the first of 200 agents may borrow.
const (
	crowdedIntegrations = 500
	crowdedRoles        = 300
	crowdedAgents       = 200
)

// crowded is a deployment of that size. The integration with 300 roles is production; the agent is scout.
func crowded(t testing.TB) *testbed.Testbed {
	t.Helper()
	tb := testbed.New(t, &testbed.Options{Empty: true})
	crowd(t, func(ctx context.Context, name string, roles []api.RoleRequest) error {
		_, err := tb.Admin.CreateIntegration(ctx, api.IntegrationRequest{Name: name, DefaultRole: roles[0].Name,
			Description: "Integration " + name, Roles: roles}, api.ValidateSkip)
		return err
	}, func(ctx context.Context, name, integration string) error {
		if _, err := tb.Admin.CreateAgent(ctx, api.AgentRequest{Name: name, Description: "Agent " + name}); err != nil {
			return err
		}
		_, err := tb.Admin.Connect(ctx, name, integration)
		return err
	})
	return tb
}

// crowdedSite is a site of that size.
func crowdedSite(t testing.TB) *site {
	t.Helper()
	s := newSite(t, true)
	crowd(t, func(ctx context.Context, name string, roles []api.RoleRequest) error {
		in := rolebroker.Integration{Name: name, Description: "Integration " + name, Enabled: true,
			AssumptionMode: rolebroker.ModePlatform, DefaultRole: roles[0].Name}
		for _, r := range roles {
			arn, err := rolebroker.ParseRoleARN(r.ARN)
			if err != nil {
				return err
			}
			in.Roles = append(in.Roles, rolebroker.Role{Name: r.Name, ARN: arn, Region: rolebroker.Region(r.Region),
				Enabled: true})
		}
		_, err := s.broker.CreateIntegration(ctx, root, in, rolebroker.ValidateSkip.Saving())
		return err
	}, func(ctx context.Context, name, integration string) error {
		spec := broker.AgentSpec{Name: name, Description: "Agent " + name, Connections: broker.ConnectTo(integration)}
		_, err := s.broker.CreateAgent(ctx, root, spec)
		return err
	})
	return s
}

// crowd makes the integrations, and then the agents, several at once.
func crowd(t testing.TB, integration func(ctx context.Context, name string, roles []api.RoleRequest) error,
	agent func(ctx context.Context, name, integration string) error) {
	t.Helper()
	name := func(of string, i int) string { return fmt.Sprintf("%s-%03d", of, i) }
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(8)
	group.Go(func() error { return integration(ctx, "production", crowdedRolesOf(0, crowdedRoles)) })
	for i := 1; i < crowdedIntegrations; i++ {
		group.Go(func() error { return integration(ctx, name("team", i), crowdedRolesOf(i, 3)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	group, ctx = errgroup.WithContext(t.Context())
	group.SetLimit(8)
	group.Go(func() error { return agent(ctx, "scout", "production") })
	for i := 1; i < crowdedAgents; i++ {
		group.Go(func() error { return agent(ctx, name("worker", i), name("team", i)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// crowdedRolesOf are n roles of an integration, in accounts of 20 roles each.
func crowdedRolesOf(integration, n int) (roles []api.RoleRequest) {
	for i := range n {
		enabled, account := true, 300000000000+1000*integration+i/20
		roles = append(roles, api.RoleRequest{Name: fmt.Sprintf("role-%03d", i), Region: "eu-central-1",
			Enabled: &enabled, ARN: fmt.Sprintf("arn:aws:iam::%012d:role/teams/Role-%03d", account, i)})
	}
	return roles
}
