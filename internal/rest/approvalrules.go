package rest

import (
	"context"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// approvalRules are the methods of the broker for approval rules.
type approvalRules interface {
	ApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string) (*rolebroker.ApprovalRule, error)
	ApprovalRules(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.ApprovalRule, error)
	CreateApprovalRule(ctx context.Context, who rolebroker.Caller, spec broker.ApprovalRuleSpec) (
		*rolebroker.ApprovalRule, error)
	UpdateApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string, spec broker.ApprovalRuleSpec,
		ifVersion int64) (*rolebroker.ApprovalRule, error)
	DeleteApprovalRule(ctx context.Context, who rolebroker.Caller, nameOrID string, ifVersion int64) error
}

// InApprovalRule is the path of one approval rule.
type InApprovalRule struct {
	Rule string `path:"approval_rule" doc:"The rule's name or ID." example:"scout-reads"`
}

type (
	listApprovalRules struct {
		Paging
	}
	getApprovalRule struct {
		InApprovalRule
		IfNoneMatch
	}
	createApprovalRule struct {
		Body body[api.ApprovalRuleRequest]
	}
	updateApprovalRule struct {
		InApprovalRule
		IfMatch
		Body body[api.ApprovalRuleRequest]
	}
	deleteApprovalRule struct {
		InApprovalRule
		IfMatch
	}
)

func (s *server) approvalRules() resource[rolebroker.ApprovalRule, api.ApprovalRule] {
	return resource[rolebroker.ApprovalRule, api.ApprovalRule]{"/api/v1/approval-rules", s.Broker.ApprovalRule,
		func(r *rolebroker.ApprovalRule) string { return string(r.ID) }, convert.ApprovalRule}
}

func (s *server) listApprovalRules(ctx context.Context, who rolebroker.Caller, in *listApprovalRules) (
	*listAnswer[api.ApprovalRule], error) {
	order := byName(func(r *rolebroker.ApprovalRule) string { return r.Name })
	return list(in.Paging, order, convert.ApprovalRule, func(page rolebroker.Page) ([]rolebroker.ApprovalRule, error) {
		return s.Broker.ApprovalRules(ctx, who, page)
	})
}

func (s *server) getApprovalRule(ctx context.Context, who rolebroker.Caller, in *getApprovalRule) (
	*found[api.ApprovalRule], error) {
	return s.approvalRules().get(ctx, who, in.Rule, in.IfNoneMatch)
}

func (s *server) createApprovalRule(ctx context.Context, who rolebroker.Caller, in *createApprovalRule) (
	*created[api.ApprovalRule], error) {
	if in.Body.value.ID != "" {
		return nil, invalidFields(madeByServer("id"))
	}
	spec, err := ruleOf(in.Body.value)
	if err != nil {
		return nil, err
	}
	return s.approvalRules().created(s.Broker.CreateApprovalRule(ctx, who, spec))
}

func (s *server) updateApprovalRule(ctx context.Context, who rolebroker.Caller, in *updateApprovalRule) (
	*changed[api.ApprovalRule], error) {
	return s.approvalRules().update(ctx, who, in.Rule, in.IfMatch,
		func(target string, version int64) (*rolebroker.ApprovalRule, error) {
			spec, err := ruleOf(in.Body.value)
			if err != nil {
				return nil, err
			}
			if id := in.Body.value.ID; id != "" {
				stored, err := s.Broker.ApprovalRule(ctx, who, target)
				if err != nil {
					return nil, err
				}
				if wrong := sameID(id, string(stored.ID)); len(wrong) > 0 {
					return nil, invalidFields(wrong...)
				}
				target = id
			}
			return s.Broker.UpdateApprovalRule(ctx, who, target, spec, version)
		})
}

func (s *server) deleteApprovalRule(ctx context.Context, who rolebroker.Caller, in *deleteApprovalRule) (
	*struct{}, error) {
	return s.approvalRules().remove(ctx, who, in.Rule, in.IfMatch, s.Broker.DeleteApprovalRule)
}

// ruleOf converts a request to a spec. An ID without its name is of something that is gone: without it, the rule would
// be about any.
func ruleOf(req api.ApprovalRuleRequest) (spec broker.ApprovalRuleSpec, err error) {
	for _, pair := range []struct{ field, name, id string }{
		{"agent", req.Agent, req.AgentID}, {"integration", req.Integration, req.IntegrationID},
		{"role", req.Role, req.RoleID},
	} {
		if pair.name == "" && pair.id != "" {
			return spec, invalid(pair.field, "is missing, but "+pair.field+"_id is not; leave out both for any")
		}
	}
	duration, err := convert.FromDuration(req.MaxDuration)
	if err != nil {
		return spec, invalid("max_duration", err.Error())
	}
	return broker.ApprovalRuleSpec{Name: req.Name, Reason: req.Reason, Disabled: req.Enabled != nil && !*req.Enabled,
		Agent: req.Agent, Integration: req.Integration, Role: req.Role, Access: rolebroker.Access(req.Access), MaxDuration: duration,
		Until: convert.FromTime(req.Until), AgentID: rolebroker.AgentID(req.AgentID),
		IntegrationID: rolebroker.IntegrationID(req.IntegrationID), RoleID: rolebroker.RoleID(req.RoleID)}, nil
}

// invalidFields is the error for a request with wrong fields.
func invalidFields(wrong ...rolebroker.Field) error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request is not valid", Fields: wrong}
}
