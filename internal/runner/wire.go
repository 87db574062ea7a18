package runner

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// What the server says, as nouns, and the other way round.

func tokenOf(t api.TokenRecord) *rolebroker.Token {
	return &rolebroker.Token{ID: rolebroker.TokenID(t.ID), Agent: rolebroker.AgentID(t.Agent), CreatedAt: t.CreatedAt, ExpiresAt: orZero(t.ExpiresAt), RevokedAt: orZero(t.RevokedAt)}
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// grantsOf refuses grants of which any part is not in order.
func grantsOf(g api.Grants) (*rolebroker.Grants, error) {
	grants := &rolebroker.Grants{Agent: rolebroker.Agent{ID: rolebroker.AgentID(g.Agent.ID), Name: g.Agent.Name, Disabled: g.Agent.Disabled,
		DefaultIntegration: rolebroker.IntegrationID(g.Agent.DefaultIntegration)}}
	for _, id := range g.Agent.Connections {
		grants.Agent.Connections = append(grants.Agent.Connections, rolebroker.Connection{Integration: rolebroker.IntegrationID(id)})
	}
	for _, in := range g.Integrations {
		integration := rolebroker.Integration{ID: rolebroker.IntegrationID(in.ID), Name: in.Name, AssumptionMode: rolebroker.AssumptionMode(in.AssumptionMode),
			Runner: rolebroker.RunnerID(in.Runner), ExternalID: in.ExternalID, SessionTags: in.SessionTags, SourceIdentity: in.SourceIdentity, DefaultRole: in.DefaultRole}
		for _, r := range in.Roles {
			role, err := roleOf(r)
			if err != nil {
				return nil, rolebroker.Errorf(rolebroker.CodeInternal, "the server grants a role that this version does not understand: %w", err).
					WithHint("use the same version on both sides: rolebroker version")
			}
			integration.Roles = append(integration.Roles, role)
		}
		grants.Integrations = append(grants.Integrations, integration)
	}
	return grants, nil
}

func roleOf(r api.GrantedRole) (rolebroker.Role, error) {
	role := rolebroker.Role{ID: rolebroker.RoleID(r.ID), Name: r.Name, Region: rolebroker.Region(r.Region), Enabled: r.Enabled}
	var err error
	if role.ARN, err = rolebroker.ParseRoleARN(r.ARN); err != nil {
		return role, err
	}
	role.SessionDuration, err = rolebroker.ParseSessionDuration(r.SessionDuration)
	return role, err
}

func showSession(s *rolebroker.Session) api.RunnerSession {
	return api.RunnerSession{
		ID: string(s.ID), Agent: string(s.Agent), Integration: string(s.Integration), Role: string(s.Role), ARN: s.ARN.String(), Region: string(s.Region),
		Task: s.Task, SessionName: s.SessionName, RequestedAt: s.RequestedAt, ExpiresAt: s.ExpiresAt,
		AgentName: s.AgentName, IntegrationName: s.IntegrationName, RoleName: s.RoleName,
	}
}
