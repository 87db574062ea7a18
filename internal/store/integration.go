package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
)

const (
	integrationColumns = `i.id, i.name, i.description, i.enabled, i.assumption_mode, COALESCE(i.runner_id, ''),
		COALESCE(u.name, ''), i.external_id, COALESCE(i.next_external_id, ''), i.session_tags,
		i.source_identity, i.version, i.created_at, i.updated_at`
	// roleColumns are the columns of a role in a LEFT JOIN, where it may be
	// missing.
	roleColumns = `COALESCE(r.id, ''), COALESCE(r.name, ''), COALESCE(r.arn, ''), COALESCE(r.region, ''),
		COALESCE(r.enabled, FALSE), COALESCE(r.is_default, FALSE), COALESCE(r.session_duration, 0)`
)

// selectIntegrations reads a page of integrations with all their roles in one
// statement, and therefore from one snapshot.
func selectIntegrations(name, page string) *statement {
	return newStatement(name, `
		SELECT `+integrationColumns+`, `+roleColumns+`, `+validationColumns+`,
			`+lendingColumns+`
		FROM (SELECT * FROM integrations `+page+`) AS i
		LEFT JOIN runners AS u ON u.id = i.runner_id
		LEFT JOIN roles AS r ON r.integration_id = i.id
		LEFT JOIN validations AS v ON v.role_id = r.id
		LEFT JOIN lendings AS l ON l.role_id = r.id
		ORDER BY i.name, r.position`)
}

var (
	integrationByNameOrID = selectIntegrations("integrationByNameOrID", `WHERE id = $1 OR name = $1`)
	listIntegrations      = selectIntegrations("listIntegrations",
		`WHERE name > $1 AND `+matchesRole+` ORDER BY name LIMIT $3`)

	setSummary = newStatement("setSummary", `
		UPDATE integrations SET status = $2, failing_since = $3, role_search = $4
		WHERE id = $1 AND (status <> $2 OR failing_since <> $3 OR role_search <> $4)`)

	integrationVersion = newStatement("integrationVersion", `SELECT name, version FROM integrations WHERE id = $1`)

	insertIntegration = newStatement("insertIntegration", `
		INSERT INTO integrations (id, name, description, assumption_mode, external_id, session_tags, source_identity,
			version, created_at, updated_at, runner_id, enabled, role_search)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`)

	updateIntegration = newStatement("updateIntegration", `
		UPDATE integrations SET name = $3, description = $4, assumption_mode = $5, session_tags = $6,
			source_identity = $7, validated_at = 0, version = $8, updated_at = $9, runner_id = $10, enabled = $11,
			external_id = $12, next_external_id = $13, role_search = $14,
			generation = generation + CASE WHEN enabled AND NOT $11
				OR assumption_mode <> $5 OR COALESCE(runner_id, '') <> COALESCE($10, '') THEN 1 ELSE 0 END
		WHERE id = $1 AND version = $2`)

	deleteIntegration = newStatement("deleteIntegration", `
		DELETE FROM integrations WHERE id = $1 AND (version = $2 OR $2 = 0)`)

	// holdIntegration changes nothing. It makes concurrent changes of an
	// integration's roles, and of their states, wait for each other.
	holdIntegration = newStatement("holdIntegration", `UPDATE integrations SET id = id WHERE id = $1`)

	storedRoles = newStatement("storedRoles",
		`SELECT id, arn, enabled, generation FROM roles WHERE integration_id = $1`)

	endRole = newStatement("endRole", `UPDATE roles SET generation = generation + 1 WHERE id = $1`)

	deleteRoles = newStatement("deleteRoles", `DELETE FROM roles WHERE integration_id = $1`)

	insertRole = newBatch("insertRole", `
		INSERT INTO roles (id, integration_id, name, position, arn, region, enabled, is_default, session_duration,
			generation)
		VALUES ROWS`, `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)

	useExternalID = newStatement("useExternalID", `
		UPDATE external_ids SET integration_id = $2 WHERE value = $1 AND integration_id IS NULL`)

	freeExternalID = newStatement("freeExternalID", `
		UPDATE external_ids SET integration_id = NULL
		WHERE value = (SELECT external_id FROM integrations WHERE id = $1)`)
)

// Integration returns an integration by name or ID, with its roles. Their
// validations have no hints, in whatever way they are read: AddHints adds them.
// Codes: not_found.
func (s *Store) Integration(ctx context.Context, nameOrID string) (*rolebroker.Integration, error) {
	found, err := s.integrations(ctx, integrationByNameOrID, nameOrID)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("integration", nameOrID)
	}
	return &found[0], nil
}

// Integrations lists integrations by name, with their roles.
func (s *Store) Integrations(ctx context.Context, page rolebroker.Page) ([]rolebroker.Integration, error) {
	pattern, ok := containing(page.Search)
	if !ok {
		return nil, nil
	}
	ofRole, ok := containing(roleText(page.Search))
	if !ok {
		return nil, nil
	}
	return s.integrations(ctx, listIntegrations, page.After, pattern, max(page.Limit, 0), ofRole)
}

func (s *Store) integrations(ctx context.Context, st *statement, args ...any) ([]rolebroker.Integration, error) {
	var found []rolebroker.Integration
	err := s.query(ctx, st, func(scan scan) error { return scanIntegration(scan, &found) }, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// scanIntegration reads a row of selectIntegrations, and of what more says.
func scanIntegration(scan scan, found *[]rolebroker.Integration, more ...any) error {
	var in rolebroker.Integration
	var role roleRow
	var validation validationRow
	var lending lendingRow
	dest := slices.Concat(integrationDest(&in), role.dest(), validation.dest(), lending.dest(), more)
	if err := scan(dest...); err != nil {
		return err
	}
	role.Validation, role.Lending = validation.of(&in, &role.Role), lending.of(&in, &role.Role)
	*found = role.addTo(*found, in)
	return nil
}

// summarize stores what the state of an integration is, and when the newest of its troubles began, for lists that are
// sorted by them, and what a search compares of its roles: a server of an earlier release stores none of it. The caller
// holds the integration.
func (t *tx) summarize(ctx context.Context, id rolebroker.IntegrationID) error {
	var found []rolebroker.Integration
	err := t.query(ctx, integrationByNameOrID, func(scan scan) error { return scanIntegration(scan, &found) }, id)
	if err != nil || len(found) == 0 {
		return err
	}
	var since time.Time
	for _, trouble := range found[0].Troubles() {
		if trouble.State.Since.After(since) {
			since = trouble.State.Since
		}
	}
	in := &found[0]
	_, err = t.exec(ctx, setSummary, id, in.State().Status, millis(since), searched(in.Roles))
	return err
}

// integrationDest returns the scan destinations of integrationColumns.
func integrationDest(in *rolebroker.Integration) []any {
	return []any{&in.ID, &in.Name, &in.Description, &in.Enabled, &in.AssumptionMode, &in.Runner, &in.RunnerName,
		&in.ExternalID, &in.NextExternalID, &in.SessionTags, &in.SourceIdentity, &in.Version, timeColumn{&in.CreatedAt},
		timeColumn{&in.UpdatedAt}}
}

// roleRow is the role in a row of a LEFT JOIN. Its ID is empty if the integration
// has no roles.
type roleRow struct {
	rolebroker.Role
	isDefault bool
}

// dest returns the scan destinations of roleColumns.
func (r *roleRow) dest() []any {
	return []any{&r.ID, &r.Name, arnColumn{&r.ARN}, &r.Region, &r.Enabled, &r.isDefault,
		durationColumn{&r.SessionDuration}}
}

// addTo adds the role to the last of the integrations, after appending in unless
// it is that one.
func (r *roleRow) addTo(all []rolebroker.Integration, in rolebroker.Integration) []rolebroker.Integration {
	if len(all) == 0 || all[len(all)-1].ID != in.ID {
		all = append(all, in)
	}
	last := &all[len(all)-1]
	if r.ID != "" {
		last.Roles = append(last.Roles, r.Role)
	}
	if r.isDefault {
		last.DefaultRole = r.Name
	}
	return all
}

// CreateIntegration stores in and assigns its reserved external ID to it. Codes:
// conflict (the name or ID is taken), invalid (the external ID is not reserved,
// or is another integration's), not_found (the runner).
func (s *Store) CreateIntegration(
	ctx context.Context, in *rolebroker.Integration, event rolebroker.AuditEvent,
) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		used, err := tx.exec(ctx, useExternalID, in.ExternalID, in.ID)
		if err != nil {
			return err
		}
		if used == 0 {
			return errExternalID
		}
		_, err = tx.exec(ctx, insertIntegration, in.ID, in.Name, in.Description, in.AssumptionMode, in.ExternalID,
			in.SessionTags, in.SourceIdentity, in.Version, millis(in.CreatedAt), millis(in.UpdatedAt),
			nullable(in.Runner), in.Enabled, searched(in.Roles))
		if err != nil {
			return integrationRefused(err, in)
		}
		tx.changes = append(tx.changes, rolebroker.Change{Integration: in.ID})
		return tx.insertRoles(ctx, in, nil)
	})
}

func integrationRefused(err error, in *rolebroker.Integration) error {
	if violated(err) == missingReferent {
		return notFound("runner", string(in.Runner))
	}
	return duplicate(err, "an", "integration", in.Name, string(in.ID))
}

var errExternalID = &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid",
	Fields: []rolebroker.Field{{Path: "external_id",
		Message: "is not one that was reserved here, or it was used already"}}}

// roleGenerations returns the generations that the roles of in get when they
// replace the stored ones. A role that is disabled, or gets another ARN, ends what
// was lent of it.
func (t *tx) roleGenerations(ctx context.Context, in *rolebroker.Integration) (map[rolebroker.RoleID]int64, error) {
	generations := map[rolebroker.RoleID]int64{}
	err := t.query(ctx, storedRoles, func(scan scan) error {
		var before rolebroker.Role
		if err := scan(&before.ID, arnColumn{&before.ARN}, &before.Enabled, &before.Generation); err != nil {
			return err
		}
		generations[before.ID] = before.Generation
		now := in.Role(string(before.ID))
		if now == nil || before.Enabled && !now.Enabled || before.ARN != now.ARN {
			generations[before.ID]++
			t.changes = append(t.changes, rolebroker.Change{Integration: in.ID, Role: before.ID, Ended: true})
		}
		return nil
	}, in.ID)
	return generations, err
}

// insertRoles stores the roles of in, which must have none stored, with their
// generations; a role without one is new.
func (t *tx) insertRoles(
	ctx context.Context, in *rolebroker.Integration, generations map[rolebroker.RoleID]int64,
) error {
	rows := make([][]any, len(in.Roles))
	for i, r := range in.Roles {
		rows[i] = []any{r.ID, in.ID, r.Name, i, r.ARN.String(), r.Region, r.Enabled, r.Name == in.DefaultRole,
			r.SessionDuration.Milliseconds(), generations[r.ID]}
	}
	err := t.execBatch(ctx, insertRole, rows)
	switch violated(err) {
	case notUnique:
		return rolebroker.Errorf(rolebroker.CodeConflict, "two roles of integration %q have the same name", in.Name)
	case idTaken:
		return rolebroker.Errorf(rolebroker.CodeConflict, "a role of integration %q has the ID of another", in.Name)
	}
	return err
}

// UpdateIntegration replaces the integration that has the ID in.ID, if it has the
// expected version; in.Version is the new one. Its external IDs must be reserved,
// and not another integration's. CreatedAt stays. The old roles are deleted before
// the new ones are stored, so roles can exchange names in one update; a role that
// keeps its ID keeps its state. The integration's generation grows when it is
// disabled, and when others assume its roles from now on. Codes: not_found (the
// integration or the runner), stale, conflict, invalid (the external ID).
func (s *Store) UpdateIntegration(
	ctx context.Context, in *rolebroker.Integration, expected int64, event rolebroker.AuditEvent,
) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		if held, err := tx.exec(ctx, holdIntegration, in.ID); err != nil || held == 0 {
			return cmp.Or(err, error(notFound("integration", string(in.ID))))
		}
		if err := tx.takeExternalIDs(ctx, in); err != nil {
			return err
		}
		updated, err := tx.exec(ctx, updateIntegration, in.ID, expected, in.Name, in.Description, in.AssumptionMode,
			in.SessionTags, in.SourceIdentity, in.Version, millis(in.UpdatedAt), nullable(in.Runner), in.Enabled,
			in.ExternalID, nullable(in.NextExternalID), searched(in.Roles))
		if err != nil {
			return integrationRefused(err, in)
		}
		if updated == 0 {
			return tx.outdated(ctx, integrationVersion, "integration", string(in.ID))
		}
		tx.changes = append(tx.changes, rolebroker.Change{Integration: in.ID, Ended: !in.Enabled})
		generations, err := tx.roleGenerations(ctx, in)
		if err != nil {
			return err
		}
		if _, err := tx.exec(ctx, deleteRoles, in.ID); err != nil {
			return err
		}
		if err := tx.insertRoles(ctx, in, generations); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, forgetValidations, in.ID); err != nil {
			return err
		}
		if _, err = tx.exec(ctx, forgetLendings, in.ID); err != nil {
			return err
		}
		return tx.summarize(ctx, in.ID)
	})
}

// DeleteIntegration deletes an integration, its roles and its connections, and
// clears it as the default of agents. Its external ID stays taken. expected 0
// means any version. Codes: not_found, stale.
func (s *Store) DeleteIntegration(
	ctx context.Context, id rolebroker.IntegrationID, expected int64, event rolebroker.AuditEvent,
) error {
	return s.deleteIntegration(ctx, id, expected, event, func(context.Context, *tx) error { return nil })
}

// DeleteIntegrationButExternalID is DeleteIntegration, except that the current
// external ID is reserved again, as before the integration was created. Earlier
// ones stay taken.
func (s *Store) DeleteIntegrationButExternalID(
	ctx context.Context, id rolebroker.IntegrationID, expected int64, event rolebroker.AuditEvent,
) error {
	return s.deleteIntegration(ctx, id, expected, event, func(ctx context.Context, tx *tx) error {
		_, err := tx.exec(ctx, freeExternalID, id)
		return err
	})
}

// deleteIntegration does first what first says, in the same transaction.
func (s *Store) deleteIntegration(
	ctx context.Context, id rolebroker.IntegrationID, expected int64, event rolebroker.AuditEvent,
	first func(context.Context, *tx) error,
) error {
	if !storableText(string(id)) {
		return notFound("integration", string(id))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		if err := first(ctx, tx); err != nil {
			return err
		}
		deleted, err := tx.exec(ctx, deleteIntegration, id, expected)
		if err != nil {
			return err
		}
		if deleted == 0 {
			return tx.outdated(ctx, integrationVersion, "integration", string(id))
		}
		tx.changes = append(tx.changes, rolebroker.Change{Integration: id, Ended: true})
		return nil
	})
}
