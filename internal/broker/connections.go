package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// ConnectionSpec is what a person sets of a connection.
type ConnectionSpec struct {
	Integration string  // name or ID
	Limits      *Limits // nil leaves a connection that is there as it is, and limits nothing on a new one
}

// ConnectTo returns what connects an agent to the integrations, by names or IDs. Connections that are there stay as they
// are, and new ones limit nothing.
func ConnectTo(integrations ...string) *[]ConnectionSpec {
	specs := make([]ConnectionSpec, len(integrations))
	for i, nameOrID := range integrations {
		specs[i].Integration = nameOrID
	}
	return &specs
}

// Limits are what a person sets of what a connection lets the agent do. A field that is empty or nil limits nothing.
type Limits struct {
	Access        rolebroker.Access
	SessionPolicy string    // an IAM policy document, for the access policy
	Roles         *[]string // names or IDs of the only roles that the agent may borrow; nil: all
	Keys          rolebroker.Keys
	Approval      rolebroker.Approval
	ExemptPolicy  string // an IAM policy document of what needs no approval, for the call approval
	// AllowedActions are those of what returns credentials that the gateway sends all the same.
	AllowedActions []string
}

// LimitsOf returns the limits that a connection has.
func LimitsOf(c *rolebroker.Connection) Limits {
	limits := Limits{Access: c.Access, SessionPolicy: c.SessionPolicy, Keys: c.Keys, Approval: c.Approval,
		ExemptPolicy: c.ExemptPolicy, AllowedActions: c.AllowedActions}
	if names := c.RoleNames(); names != nil {
		limits.Roles = &names
	}
	return limits
}

// limited returns a connection of an agent to the integration with the limits. before is the connection that there is;
// nil: none. Codes: invalid.
func (b *Broker) limited(
	ctx context.Context, agent string, in *rolebroker.Integration, before *rolebroker.Connection, limits *Limits,
) (*rolebroker.Connection, error) {
	c := rolebroker.NewConnection(in, b.now())
	if before != nil {
		c.ConnectedAt = before.ConnectedAt
		if limits == nil {
			return before, nil
		}
	}
	if limits == nil {
		return &c, nil
	}
	if err := limits.apply(in, &c); err != nil || before != nil && before.IsLike(&c) {
		return &c, err
	}
	return &c, b.fits(ctx, agent, in, &c)
}

// apply sets the limits of a connection to the integration. Codes: invalid.
func (limits *Limits) apply(in *rolebroker.Integration, c *rolebroker.Connection) error {
	if limits.Access != "" {
		c.Access = limits.Access
	}
	if limits.Keys != "" {
		c.Keys = limits.Keys
	}
	if limits.Approval != "" {
		c.Approval = limits.Approval
	}
	c.AllowedActions = limits.AllowedActions
	c.SessionPolicy = limits.SessionPolicy
	if policy, wrong := rolebroker.ParseSessionPolicy(limits.SessionPolicy); limits.SessionPolicy != "" && len(wrong) == 0 {
		c.SessionPolicy = policy
	}
	c.ExemptPolicy = limits.ExemptPolicy
	if exempt, wrong := rolebroker.ParseExemptPolicy(c.ExemptPolicy); c.ExemptPolicy != "" && len(wrong) == 0 {
		c.ExemptPolicy = exempt
	}
	fields, err := rolesOf(in, limits.Roles, c)
	if err != nil {
		return err
	}
	return withFields(c.Check(), fields)
}

// fits returns nil unless STS says that the session policy of a connection and the session tags of its roles are too
// large together. STS is asked about one role: what the tags say differs little. Of roles in a cluster the server cannot
// ask. Codes: invalid.
func (b *Broker) fits(ctx context.Context, agent string, in *rolebroker.Integration, c *rolebroker.Connection) error {
	i := slices.IndexFunc(in.Roles, func(r rolebroker.Role) bool { return r.Enabled && c.Includes(r.ID) })
	if c.Access != rolebroker.AccessPolicy || in.AssumptionMode != rolebroker.ModePlatform || i < 0 {
		return nil
	}
	a, err := in.Assumption(&in.Roles[i], agent, "")
	if err == nil {
		err = c.Restrict(&a)
	}
	if err == nil && c.Approval == rolebroker.ApprovalBorrow {
		err = a.EndAt(b.now())
	}
	if err != nil {
		return err
	}
	refusal := b.validator.TooLarge(ctx, a)
	if refusal == nil {
		return nil
	}
	wrong := rolebroker.Field{Path: "session_policy", Message: fmt.Sprintf("has %d characters, which are too many "+
		"together with the session tags of the integration: %s", len(c.SessionPolicy), refusal.Error())}
	if in.SessionTags {
		wrong.Hint = rolebroker.Hintf("write a shorter policy, or leave the tags out: rolebroker integration update %s "+
			"--session-tags=false", in.Name)
	}
	return withFields(nil, []rolebroker.Field{wrong})
}

// rolesOf sets the roles of a connection, in the order of the integration's, and returns those that there are not.
func rolesOf(in *rolebroker.Integration, names *[]string, c *rolebroker.Connection) (wrong []rolebroker.Field, _ error) {
	if names == nil {
		return nil, nil
	}
	chosen := map[rolebroker.RoleID]bool{}
	for i, name := range *names {
		at := slices.IndexFunc(in.Roles, func(r rolebroker.Role) bool { return r.Name == name || string(r.ID) == name })
		if at < 0 {
			wrong = append(wrong, rolebroker.Field{Path: fmt.Sprintf("roles[%d]", i),
				Message: fmt.Sprintf("integration %s has no role %s", in.Name, rolebroker.Quote(name)),
				Hint:    rolebroker.Hintf("rolebroker integration show %s lists its roles", in.Name)})
			continue
		}
		if chosen[in.Roles[at].ID] {
			wrong = append(wrong, rolebroker.Field{Path: fmt.Sprintf("roles[%d]", i),
				Message: rolebroker.Quote(name) + " is listed twice"})
		}
		chosen[in.Roles[at].ID] = true
	}
	c.Roles = []rolebroker.ConnectionRole{}
	for _, r := range in.Roles {
		if chosen[r.ID] {
			c.Roles = append(c.Roles, rolebroker.ConnectionRole{ID: r.ID, Name: r.Name})
		}
	}
	return wrong, nil
}

// withFields adds wrong fields to an error about a connection, which may be nil.
func withFields(err error, fields []rolebroker.Field) error {
	if len(fields) == 0 {
		return err
	}
	e := rolebroker.Errorf(rolebroker.CodeInvalid, "the connection is not valid")
	if err != nil {
		e.Fields = rolebroker.AsError(err).Fields
	}
	e.Fields = append(e.Fields, fields...)
	return e
}

// under puts the fields of an error below a path of the agent.
func under(path string, err error) error {
	e := *rolebroker.AsError(err)
	e.Message = "the agent is not valid"
	e.Fields = slices.Clone(e.Fields)
	for i := range e.Fields {
		e.Fields[i].Path = path + "." + e.Fields[i].Path
	}
	return &e
}
