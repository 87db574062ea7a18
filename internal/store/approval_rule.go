package store

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

const selectApprovalRules = `
	SELECT u.id, u.name, u.reason, u.enabled, u.agent_id, COALESCE(a.name, ''), u.integration_id, COALESCE(i.name, ''),
		u.role_id, COALESCE(r.name, ''), u.access, u.max_duration, u.until, u.version, u.created_at, u.updated_at
	FROM approval_rules AS u
	LEFT JOIN agents AS a ON a.id = u.agent_id
	LEFT JOIN integrations AS i ON i.id = u.integration_id
	LEFT JOIN roles AS r ON r.id = u.role_id `

var (
	approvalRuleByNameOrID = newStatement("approvalRuleByNameOrID",
		selectApprovalRules+`WHERE u.id = $1 OR u.name = $1`)
	listApprovalRules = newStatement("listApprovalRules",
		selectApprovalRules+`WHERE u.name > $1 ORDER BY u.name LIMIT $2`)
	approvalRuleVersion = newStatement("approvalRuleVersion", `SELECT name, version FROM approval_rules WHERE id = $1`)

	insertApprovalRule = newStatement("insertApprovalRule", `
		INSERT INTO approval_rules (id, name, reason, enabled, agent_id, integration_id, role_id, access, max_duration,
			until, version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`)
	updateApprovalRule = newStatement("updateApprovalRule", `
		UPDATE approval_rules SET name = $3, reason = $4, enabled = $5, agent_id = $6, integration_id = $7, role_id = $8,
			access = $9, max_duration = $10, until = $11, version = $12, updated_at = $13
		WHERE id = $1 AND version = $2`)
	deleteApprovalRule = newStatement("deleteApprovalRule",
		`DELETE FROM approval_rules WHERE id = $1 AND (version = $2 OR $2 = 0)`)
)

// ApprovalRule returns a rule by name or ID. Codes: not_found.
func (s *Store) ApprovalRule(ctx context.Context, nameOrID string) (*rolebroker.ApprovalRule, error) {
	found, err := s.approvalRules(ctx, approvalRuleByNameOrID, nameOrID)
	if err == nil && len(found) == 0 {
		err = notFound("approval rule", nameOrID)
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// ApprovalRules lists rules by name.
func (s *Store) ApprovalRules(ctx context.Context, page rolebroker.Page) ([]rolebroker.ApprovalRule, error) {
	return s.approvalRules(ctx, listApprovalRules, page.After, max(page.Limit, 0))
}

func (s *Store) approvalRules(ctx context.Context, st *statement, args ...any) ([]rolebroker.ApprovalRule, error) {
	var found []rolebroker.ApprovalRule
	err := s.query(ctx, st, func(scan scan) error {
		var r rolebroker.ApprovalRule
		err := scan(&r.ID, &r.Name, &r.Reason, &r.Enabled, &r.Agent, &r.AgentName, &r.Integration, &r.IntegrationName,
			&r.Role, &r.RoleName, &r.Access, durationColumn{&r.MaxDuration}, timeColumn{&r.Until}, &r.Version,
			timeColumn{&r.CreatedAt}, timeColumn{&r.UpdatedAt})
		found = append(found, r)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// CreateApprovalRule stores a rule. Codes: conflict (the name or the ID is taken).
func (s *Store) CreateApprovalRule(
	ctx context.Context, r *rolebroker.ApprovalRule, event rolebroker.AuditEvent,
) error {
	_, err := s.runRecorded(ctx, event, insertApprovalRule, r.ID, r.Name, r.Reason, r.Enabled, r.Agent, r.Integration,
		r.Role, r.Access, r.MaxDuration.Milliseconds(), millis(r.Until), r.Version, millis(r.CreatedAt),
		millis(r.UpdatedAt))
	return duplicate(err, "an", "approval rule", r.Name, string(r.ID))
}

// UpdateApprovalRule replaces the rule that has the ID r.ID, if it has the expected version. Its CreatedAt stays.
// Codes: not_found, stale, conflict (the name is taken).
func (s *Store) UpdateApprovalRule(
	ctx context.Context, r *rolebroker.ApprovalRule, expected int64, event rolebroker.AuditEvent,
) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		updated, err := tx.exec(ctx, updateApprovalRule, r.ID, expected, r.Name, r.Reason, r.Enabled, r.Agent,
			r.Integration, r.Role, r.Access, r.MaxDuration.Milliseconds(), millis(r.Until), r.Version, millis(r.UpdatedAt))
		if err == nil && updated == 0 {
			return tx.outdated(ctx, approvalRuleVersion, "approval rule", string(r.ID))
		}
		return duplicate(err, "an", "approval rule", r.Name, string(r.ID))
	})
}

// DeleteApprovalRule removes a rule. What it approved stays approved. expected 0 means any version. Codes: not_found,
// stale.
func (s *Store) DeleteApprovalRule(
	ctx context.Context, id rolebroker.ApprovalRuleID, expected int64, event rolebroker.AuditEvent,
) error {
	if !storableText(string(id)) {
		return notFound("approval rule", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		deleted, err := tx.exec(ctx, deleteApprovalRule, id, expected)
		if err == nil && deleted == 0 {
			return tx.outdated(ctx, approvalRuleVersion, "approval rule", string(id))
		}
		return err
	})
}
