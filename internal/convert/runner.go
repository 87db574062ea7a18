package convert

import (
	"math"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Runner is a runner as the management API answers it.
func Runner(r *rolebroker.Runner, now time.Time) api.Runner {
	status := api.RunnerAway
	switch {
	case r.JoinedAt.IsZero():
		status = api.RunnerWaiting
	case r.Connected(now):
		status = api.RunnerConnected
	}
	replicas := 0
	if status == api.RunnerConnected {
		replicas = r.Replicas
	}
	return api.Runner{
		ID:             string(r.ID),
		Name:           r.Name,
		Description:    r.Description,
		Issuer:         r.Issuer,
		Version:        r.Version,
		CreatedAt:      r.CreatedAt.UTC(),
		UpdatedAt:      r.UpdatedAt.UTC(),
		Status:         status,
		JoinedAt:       Time(r.JoinedAt),
		SeenAt:         Time(r.SeenAt),
		Replicas:       replicas,
		Program:        r.Report.Program,
		Method:         string(r.Report.Method),
		IdentityARN:    r.Report.Identity.ARN,
		IdentityError:  r.Report.IdentityError,
		ReportedIssuer: r.Report.Issuer,
		Pending:        r.Report.Pending,
	}
}

// RunnerRequest is the request that leaves a runner as it is, to be edited and
// written back.
func RunnerRequest(r api.Runner) api.RunnerRequest { return unchanged[api.RunnerRequest](r) }

// RunnerCredential is the answer that has a runner's new credential in it.
func RunnerCredential(r *rolebroker.Runner, key *rolebroker.RunnerKey, secret rolebroker.Secret) api.RunnerCredential {
	return api.RunnerCredential{
		Runner:     string(r.ID),
		Name:       r.Name,
		Credential: api.Secret(secret.Reveal()),
		ExpiresAt:  key.ExpiresAt.UTC(),
	}
}

// RunnerReport is what a runner says of itself.
func RunnerReport(r rolebroker.RunnerReport) api.RunnerReport {
	return api.RunnerReport{
		Program:       r.Program,
		Method:        string(r.Method),
		Account:       r.Identity.Account,
		ARN:           r.Identity.ARN,
		UserID:        r.Identity.UserID,
		IdentityError: r.IdentityError,
		Issuer:        r.Issuer,
		Pending:       r.Pending,
	}
}

// FromRunnerReport is what a runner said of itself.
func FromRunnerReport(sent api.RunnerReport) rolebroker.RunnerReport {
	return rolebroker.RunnerReport{
		Program:       sent.Program,
		Method:        rolebroker.AssumeMethod(sent.Method),
		Identity:      rolebroker.Identity{Account: sent.Account, ARN: sent.ARN, UserID: sent.UserID},
		IdentityError: sent.IdentityError,
		Issuer:        sent.Issuer,
		Pending:       sent.Pending,
	}
}

// ServiceAccount is a service account as a runner tells the server.
func ServiceAccount(a rolebroker.ServiceAccount) *api.ServiceAccount {
	return &api.ServiceAccount{Issuer: a.Issuer, Namespace: a.Namespace, Name: a.Name}
}

// FromServiceAccount is the service account that a runner sent.
func FromServiceAccount(sent *api.ServiceAccount) rolebroker.ServiceAccount {
	return rolebroker.ServiceAccount{Issuer: sent.Issuer, Namespace: sent.Namespace, Name: sent.Name}
}

// TokenRecord is what a runner may know of an agent's token.
func TokenRecord(t *rolebroker.Token) api.TokenRecord {
	return api.TokenRecord{
		ID:        string(t.ID),
		Agent:     string(t.Agent),
		CreatedAt: t.CreatedAt.UTC(),
		ExpiresAt: Time(t.ExpiresAt),
		RevokedAt: Time(t.RevokedAt),
	}
}

// FromTokenRecord is what a server tells a runner of an agent's token.
func FromTokenRecord(sent api.TokenRecord) *rolebroker.Token {
	return &rolebroker.Token{
		ID:        rolebroker.TokenID(sent.ID),
		Agent:     rolebroker.AgentID(sent.Agent),
		CreatedAt: sent.CreatedAt,
		ExpiresAt: FromTime(sent.ExpiresAt),
		RevokedAt: FromTime(sent.RevokedAt),
	}
}

// Change is a change as the server tells a runner.
func Change(c rolebroker.Change) api.Change {
	return api.Change{
		Agent:       string(c.Agent),
		Integration: string(c.Integration),
		Role:        string(c.Role),
		Ended:       c.Ended,
	}
}

// FromChange is a change that a server told a runner.
func FromChange(sent api.Change) rolebroker.Change {
	return rolebroker.Change{
		Agent:       rolebroker.AgentID(sent.Agent),
		Integration: rolebroker.IntegrationID(sent.Integration),
		Role:        rolebroker.RoleID(sent.Role),
		Ended:       sent.Ended,
	}
}

// Granted is an integration as the server tells a runner: its runner by ID, and
// without what people wrote about it, times, states and validations.
func Granted(in *rolebroker.Integration) api.Integration {
	sent := Integration(in)
	sent.Runner = string(in.Runner)
	sent.Description, sent.CreatedAt, sent.UpdatedAt = "", time.Time{}, time.Time{}
	sent.State = api.IntegrationState{}
	for i := range sent.Roles {
		sent.Roles[i].Validation, sent.Roles[i].State = nil, api.RoleState{}
	}
	return sent
}

// ValidationRequest is what a runner is asked to try.
func ValidationRequest(r *rolebroker.ValidationRequest) api.ValidationRequest {
	return api.ValidationRequest{ID: string(r.ID), Integration: Granted(&r.Integration),
		Tried: Tried(r.Tried), Wait: r.Wait.String()}
}

// Grants is what an agent may borrow, as the server tells a runner.
func Grants(g *rolebroker.Grants) api.Grants {
	return api.Grants{
		Agent: api.GrantedAgent{
			ID:                 string(g.Agent.ID),
			Name:               g.Agent.Name,
			Disabled:           g.Agent.Disabled,
			DefaultIntegration: string(g.Agent.DefaultIntegration),
			Connections: All(g.Agent.Connections, func(c *rolebroker.Connection) string {
				return string(c.Integration)
			}),
		},
		Integrations:   All(g.Integrations, Granted),
		Generations:    generations(g.Integrations, func(r *rolebroker.Role) int64 { return r.Generation }),
		KeyGenerations: generations(g.Integrations, func(r *rolebroker.Role) int64 { return r.KeyGeneration }),
		Limits:         limits(g.Agent.Connections),
		Requests:       requests(g.Requests),
	}
}

// limits are the limits of connections that have any, by the integration's ID.
func limits(connections []rolebroker.Connection) map[string]api.GrantedLimits {
	all := map[string]api.GrantedLimits{}
	for _, c := range connections {
		if !c.IsRestricted() {
			continue
		}
		limits := api.GrantedLimits{Access: string(c.Access), SessionPolicy: c.SessionPolicy, Keys: string(c.Keys),
			Approval: string(c.Approval), ExemptPolicy: c.ExemptPolicy,
			AllowedActions: c.AllowedActions}
		if c.Roles != nil {
			limits.Roles = All(c.Roles, func(r *rolebroker.ConnectionRole) string { return string(r.ID) })
		}
		all[string(c.Integration)] = limits
	}
	return all
}

// fromLimits sets what limits a connection, if the server tells any.
func fromLimits(c *rolebroker.Connection, sent api.GrantedLimits, roles []rolebroker.Role) {
	c.Access, c.SessionPolicy = rolebroker.Access(sent.Access), sent.SessionPolicy
	c.Approval, c.ExemptPolicy = rolebroker.Approval(sent.Approval), sent.ExemptPolicy
	c.AllowedActions = sent.AllowedActions
	if sent.Keys != "" {
		c.Keys = rolebroker.Keys(sent.Keys)
	}
	if sent.Roles == nil {
		return
	}
	c.Roles = []rolebroker.ConnectionRole{}
	for _, r := range roles {
		if slices.Contains(sent.Roles, string(r.ID)) {
			c.Roles = append(c.Roles, rolebroker.ConnectionRole{ID: r.ID, Name: r.Name})
		}
	}
}

// generations are the generations of all roles, by ID.
func generations(integrations []rolebroker.Integration, of func(*rolebroker.Role) int64) map[string]int64 {
	all := map[string]int64{}
	for _, in := range integrations {
		for i := range in.Roles {
			all[string(in.Roles[i].ID)] = of(&in.Roles[i])
		}
	}
	return all
}

// FromGrants is what an agent may borrow, as a server tells a runner. It fails as
// a whole if any part of it cannot be parsed. Codes: internal.
func FromGrants(sent api.Grants) (*rolebroker.Grants, error) {
	grants := &rolebroker.Grants{Agent: rolebroker.Agent{
		ID:                 rolebroker.AgentID(sent.Agent.ID),
		Name:               sent.Agent.Name,
		Disabled:           sent.Agent.Disabled,
		DefaultIntegration: rolebroker.IntegrationID(sent.Agent.DefaultIntegration),
	}}
	for _, shown := range sent.Integrations {
		in, err := FromIntegration(shown)
		if err != nil {
			return nil, err
		}
		for i := range in.Roles {
			in.Roles[i].Generation = sent.Generations[string(in.Roles[i].ID)]
			in.Roles[i].KeyGeneration = math.MaxInt64 // a server of an earlier version does not say which keys ended
			if generation, ok := sent.KeyGenerations[string(in.Roles[i].ID)]; ok {
				in.Roles[i].KeyGeneration = generation
			}
		}
		grants.Integrations = append(grants.Integrations, in)
		c := rolebroker.NewConnection(&in, time.Time{})
		if limits, ok := sent.Limits[shown.ID]; ok {
			fromLimits(&c, limits, in.Roles)
		}
		grants.Agent.Connections = append(grants.Agent.Connections, c)
	}
	for _, r := range sent.Requests {
		var arn rolebroker.RoleARN
		if r.ARN != "" {
			var err error
			if arn, err = rolebroker.ParseRoleARN(r.ARN); err != nil {
				return nil, err
			}
		}
		grants.Requests = append(grants.Requests, rolebroker.OpenRequest{ID: rolebroker.AccessRequestID(r.ID),
			Integration: rolebroker.IntegrationID(r.Integration), Role: rolebroker.RoleID(r.Role), Task: r.Task,
			ARN: arn, PolicyHash: r.PolicyHash, Access: rolebroker.Access(r.Access), Approved: r.Approved,
			Until: r.Until.UTC(), About: rolebroker.ApprovalBorrow})
	}
	return grants, nil
}

// requests are access requests as a runner is told them; nil for none.
func requests(open []rolebroker.OpenRequest) (all []api.GrantedRequest) {
	for _, r := range open {
		if r.About.IsOfCalls() { // only a gateway asks for these
			continue
		}
		all = append(all, api.GrantedRequest{ID: string(r.ID), Integration: string(r.Integration), Role: string(r.Role),
			Task: r.Task, ARN: r.ARN.String(), PolicyHash: r.PolicyHash, Access: string(r.Access), Approved: r.Approved,
			Until: r.Until.UTC()})
	}
	return all
}
