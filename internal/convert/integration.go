package convert

import (
	"cmp"
	"strconv"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Integration is an integration as the management API answers it.
func Integration(in *rolebroker.Integration) api.Integration {
	return api.Integration{
		ID:             string(in.ID),
		Name:           in.Name,
		Description:    in.Description,
		Enabled:        in.Enabled,
		AssumptionMode: string(in.AssumptionMode),
		Runner:         in.RunnerName,
		ExternalID:     in.ExternalID,
		NextExternalID: in.NextExternalID,
		SessionTags:    in.SessionTags,
		SourceIdentity: in.SourceIdentity,
		DefaultRole:    in.DefaultRole,
		State:          state(in.State()),
		Roles:          All(in.Roles, func(r *rolebroker.Role) api.Role { return role(in, r) }),
		Version:        in.Version,
		CreatedAt:      in.CreatedAt.UTC(),
		UpdatedAt:      in.UpdatedAt.UTC(),
	}
}

func role(in *rolebroker.Integration, r *rolebroker.Role) api.Role {
	return api.Role{
		ID:              string(r.ID),
		Name:            r.Name,
		ARN:             r.ARN.String(),
		Region:          string(r.Region),
		Enabled:         r.Enabled,
		SessionDuration: rolebroker.ShortDuration(r.Duration()),
		State:           roleState(in.StateOf(r)),
		Validation:      validationOrNull(r.Validation),
	}
}

// FromRequest is the integration that a request describes, without the ID of the
// integration. wrong lists the fields of its roles that cannot be parsed.
func FromRequest(req api.IntegrationRequest) (in rolebroker.Integration, wrong []rolebroker.Field) {
	in = rolebroker.Integration{
		Name:           req.Name,
		Description:    req.Description,
		Enabled:        enabled(req.Enabled),
		AssumptionMode: cmp.Or(rolebroker.AssumptionMode(req.AssumptionMode), rolebroker.ModePlatform),
		Runner:         rolebroker.RunnerID(req.Runner),
		ExternalID:     req.ExternalID,
		SessionTags:    req.SessionTags,
		SourceIdentity: req.SourceIdentity != nil && *req.SourceIdentity,
		DefaultRole:    req.DefaultRole,

		EnabledOpen:        req.Enabled == nil,
		SourceIdentityOpen: req.SourceIdentity == nil,
	}
	for i, role := range req.Roles {
		r, fields := fromRole(role, i)
		in.Roles = append(in.Roles, r)
		wrong = append(wrong, fields...)
	}
	return in, wrong
}

// enabled is what a request says, or true, which is the default.
func enabled(given *bool) bool { return given == nil || *given }

// fromRole is role i of a request.
func fromRole(req api.RoleRequest, i int) (role rolebroker.Role, wrong []rolebroker.Field) {
	check := func(field string, err error) {
		if err != nil {
			wrong = append(wrong, rolebroker.Field{Path: RolePath(i, field), Message: err.Error()})
		}
	}
	role = rolebroker.Role{
		ID:      rolebroker.RoleID(req.ID),
		Name:    req.Name,
		Region:  rolebroker.Region(req.Region),
		Enabled: enabled(req.Enabled),
	}
	var err error
	role.ARN, err = rolebroker.ParseRoleARN(req.ARN)
	check("arn", err)
	role.SessionDuration, err = rolebroker.ParseSessionDuration(req.SessionDuration)
	check("session_duration", err)
	return role, wrong
}

// RolePath is the path of a field of role i, as in roles[2].arn.
func RolePath(i int, field string) string { return "roles[" + strconv.Itoa(i) + "]." + field }

// Request is the request that leaves an integration as it is, to be edited and
// written back. It has what the server ignores too, except for states and
// validations, which could make it larger than the server takes.
func Request(in api.Integration) api.IntegrationRequest {
	req := unchanged[api.IntegrationRequest](in)
	req.State = nil
	for i := range req.Roles {
		req.Roles[i].Validation, req.Roles[i].State = nil, nil
	}
	return req
}

// FromIntegration is the integration that a server answered. Its runner is what
// the answer names it by: the management API by name, the runner API by ID.
// Codes: internal (a newer server sent what this version cannot parse).
func FromIntegration(shown api.Integration) (rolebroker.Integration, error) {
	in, wrong := FromRequest(Request(shown))
	if len(wrong) > 0 {
		return in, rolebroker.Errorf(rolebroker.CodeInternal,
			"the server sent a role that this version does not understand: %s: %s", wrong[0].Path, wrong[0].Message).
			WithHint("use the same version on both sides: rolebroker version")
	}
	in.ID, in.NextExternalID = rolebroker.IntegrationID(shown.ID), shown.NextExternalID
	in.Version, in.CreatedAt, in.UpdatedAt = shown.Version, shown.CreatedAt, shown.UpdatedAt
	return in, nil
}

// ExternalID is a reserved external ID as the management API answers it.
func ExternalID(r *rolebroker.Reservation) api.ExternalID {
	return api.ExternalID{
		ID:             string(r.ID),
		ExternalID:     r.ExternalID,
		NextExternalID: r.NextExternalID,
		Integration:    r.IntegrationName,
		IntegrationID:  string(r.Integration),
		ReservedAt:     r.ReservedAt.UTC(),
	}
}
