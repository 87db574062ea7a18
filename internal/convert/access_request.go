package convert

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// AccessRequest is an access request as the management API answers it.
func AccessRequest(r *rolebroker.AccessRequest, now time.Time) api.AccessRequest {
	shown := api.AccessRequest{
		ID:            string(r.ID),
		State:         string(r.State(now)),
		Agent:         r.AgentName,
		AgentID:       string(r.Agent),
		TokenID:       string(r.Token),
		Integration:   r.IntegrationName,
		IntegrationID: string(r.Integration),
		Role:          r.RoleName,
		RoleID:        string(r.Role),
		Access:        string(r.Access),
		Task:          r.Task,
		Reason:        r.Reason,
		Duration:      rolebroker.ShortDuration(r.Duration),
		CreatedAt:     r.CreatedAt.UTC(),
		ExpiresAt:     r.ExpiresAt.UTC(),
		DecidedAt:     Time(r.DecidedAt),
		DecidedBy:     r.DecidedBy,
		DecidedByID:   cmp.Or(string(r.Rule), string(r.Decider)),
		ByRule:        r.Rule != "",
		BreakGlass:    r.BreakGlass,
		Note:          r.Note,
		EndsAt:        Time(r.EndsAt),
		EndedAt:       Time(r.EndedAt),
		EndedBy:       r.EndedBy,
		About:         string(r.About),
		Call:          askedCall(r.Call),

		GrantedActions:   r.Narrowed.Actions,
		GrantedResources: r.Narrowed.Resources,
	}
	if r.Decision == rolebroker.DecisionApproved {
		shown.GrantedDuration, shown.GrantedAccess = rolebroker.ShortDuration(r.Granted), string(r.GrantedAccess)
	}
	return shown
}

// askedCall is a call that waited for an approval; nil for nil.
func askedCall(c *rolebroker.AskedCall) *api.AskedCall {
	if c == nil {
		return nil
	}
	return &api.AskedCall{Summary: c.String(), Service: c.Service, Operation: c.Operation, Region: string(c.Region),
		Actions: append([]string{}, c.Actions...), Resources: append([]string{}, c.Resources...), Level: string(c.Level)}
}

// MyAccessRequest is an access request as the agent that made it sees it. page is the URL where people decide.
func MyAccessRequest(r *rolebroker.AccessRequest, now time.Time, page string) api.MyAccessRequest {
	shown := api.MyAccessRequest{
		ID:        string(r.ID),
		State:     string(r.State(now)),
		Role:      r.Reference(),
		Task:      r.Task,
		Reason:    r.Reason,
		Access:    string(r.Access),
		Duration:  rolebroker.ShortDuration(r.Duration),
		CreatedAt: r.CreatedAt.UTC(),
		ExpiresAt: r.ExpiresAt.UTC(),
		DecidedBy: r.DecidedBy,
		Note:      r.Note,
		URL:       page,
		About:     string(r.About),
		Call:      askedCall(r.Call),

		GrantedActions:   r.Narrowed.Actions,
		GrantedResources: r.Narrowed.Resources,
	}
	if r.Decision == rolebroker.DecisionApproved {
		shown.Access, shown.Duration = string(r.GrantedAccess), rolebroker.ShortDuration(r.Granted)
		shown.GrantedAt, shown.EndsAt = Time(r.DecidedAt), Time(r.EndsAt)
		if !r.EndedAt.IsZero() {
			shown.EndsAt = Time(r.EndedAt)
		}
	}
	return shown
}

// FromDuration is the duration that a text names, as in 30m; 0 for the empty text.
func FromDuration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is not a duration; expected one as in 30m or 1h", rolebroker.Quote(text))
	}
	return d, nil
}

// ApprovalRule is an approval rule as the management API answers it.
func ApprovalRule(r *rolebroker.ApprovalRule) api.ApprovalRule {
	return api.ApprovalRule{
		ID:            string(r.ID),
		Name:          r.Name,
		Reason:        r.Reason,
		Enabled:       r.Enabled,
		Agent:         r.AgentName,
		AgentID:       string(r.Agent),
		Integration:   r.IntegrationName,
		IntegrationID: string(r.Integration),
		Role:          r.RoleName,
		RoleID:        string(r.Role),
		Access:        string(r.Access),
		MaxDuration:   rolebroker.ShortDuration(r.MaxDuration),
		Until:         Time(r.Until),
		Version:       r.Version,
		CreatedAt:     r.CreatedAt.UTC(),
		UpdatedAt:     r.UpdatedAt.UTC(),
	}
}

// ApprovalRuleRequest is the request that leaves a rule as it is, to be edited and written back.
func ApprovalRuleRequest(r api.ApprovalRule) api.ApprovalRuleRequest {
	return unchanged[api.ApprovalRuleRequest](r)
}

// FromApprovalRuleRequest is the rule that a request describes, as far as that can be told without a server: what it
// names may be a name or an ID. wrong is what is wrong with the form of a field.
func FromApprovalRuleRequest(req api.ApprovalRuleRequest) (r rolebroker.ApprovalRule, wrong []rolebroker.Field) {
	r = rolebroker.ApprovalRule{Name: req.Name, Reason: req.Reason, Enabled: req.Enabled == nil || *req.Enabled,
		Agent: rolebroker.AgentID(req.Agent), Integration: rolebroker.IntegrationID(req.Integration),
		Role: rolebroker.RoleID(req.Role), Access: rolebroker.Access(req.Access), Until: FromTime(req.Until)}
	var err error
	if r.MaxDuration, err = FromDuration(req.MaxDuration); err != nil {
		wrong = []rolebroker.Field{{Path: "max_duration", Message: err.Error()}}
	}
	if r.MaxDuration == 0 {
		r.MaxDuration = rolebroker.DefaultGrant
	}
	return r, wrong
}
