package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
)

// validationColumns are the columns of a validation in a LEFT JOIN, where it may
// be missing. The hint is not among them: it is long, and with hundreds of roles
// that fail most of the time of a read.
const validationColumns = `COALESCE(v.fingerprint, ''), COALESCE(v.status, ''), COALESCE(v.code, ''),
	COALESCE(v.message, ''), COALESCE(v.request_id, ''), COALESCE(v.checked_at, 0), COALESCE(v.checked_by, ''),
	COALESCE(v.since, 0)`

var (
	recordValidation = newBatch("recordValidation", `
		INSERT INTO validations (role_id, integration_id, fingerprint, status, code, message, hint, hint_steps,
			request_id, checked_at, checked_by, since)
		VALUES ROWS
		ON CONFLICT (role_id) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
			code = excluded.code, message = excluded.message, hint = excluded.hint, hint_steps = excluded.hint_steps,
			request_id = excluded.request_id, checked_at = excluded.checked_at, checked_by = excluded.checked_by,
			since = excluded.since
		WHERE excluded.checked_at >= validations.checked_at`, `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)

	hintsOfIntegration = selectHints("hintsOfIntegration", `v.integration_id = $1`)
	hintOfRole         = selectHints("hintOfRole", `v.role_id = $1`)

	validatedAt = newStatement("validatedAt", `
		UPDATE integrations SET validated_at = CASE WHEN validated_at < $2 THEN $2 ELSE validated_at END WHERE id = $1`)

	setValidatedAt = newStatement("setValidatedAt", `UPDATE integrations SET validated_at = $2 WHERE id = $1`)

	forgetValidations = newStatement("forgetValidations", `
		DELETE FROM validations WHERE integration_id = $1
		AND NOT EXISTS (SELECT 1 FROM roles AS r WHERE r.id = validations.role_id)`)

	claimIntegrations = newStatement("claimIntegrations", `
		UPDATE integrations SET validated_at = $2
		WHERE validated_at < $1 AND id IN (
			SELECT id FROM integrations WHERE assumption_mode = 'platform' AND validated_at < $1
			ORDER BY validated_at, id LIMIT $3)
		RETURNING id`)

	countIntegrations = newStatement("countIntegrations",
		`SELECT count(*) FROM integrations WHERE assumption_mode = 'platform'`)

	setExternalIDs = newStatement("setExternalIDs", `
		UPDATE integrations SET external_id = $3, next_external_id = $4, validated_at = 0, version = $5, updated_at = $6
		WHERE id = $1 AND version = $2`)

	takeExternalID = newStatement("takeExternalID", `
		UPDATE external_ids SET integration_id = $2
		WHERE value = $1 AND (integration_id IS NULL OR integration_id = $2)`)

	exchangedReservations = newStatement("exchangedReservations", `
		SELECT e.value, COALESCE(e.id, '') FROM external_ids AS e JOIN integrations AS i ON i.id = $1
		WHERE e.value = i.external_id OR e.value = $2`)

	setReservationID = newStatement("setReservationID", `UPDATE external_ids SET id = $2 WHERE value = $1`)

	earlierExternalIDs = newStatement("earlierExternalIDs", `
		SELECT e.value FROM external_ids AS e JOIN integrations AS i ON i.id = e.integration_id
		WHERE e.integration_id = $1 AND e.value <> i.external_id AND e.value <> COALESCE(i.next_external_id, '')
		ORDER BY e.reserved_at DESC, e.value LIMIT $2`)
)

// validationRow is the validation in a row of a LEFT JOIN. Its status is empty if
// the role has none.
type validationRow struct {
	rolebroker.Validation
	fingerprint string
}

// dest returns the scan destinations of validationColumns.
func (v *validationRow) dest() []any {
	return []any{&v.fingerprint, &v.Status, &v.Code, &v.Message, &v.RequestID, timeColumn{&v.CheckedAt},
		&v.CheckedBy, timeColumn{&v.Since}}
}

// hintColumns are the columns of a hint: its text, which earlier versions read and
// write, and its steps as JSON.
type hintColumns struct{ text, steps string }

// storedStep is a step of a hint in JSON.
type storedStep struct {
	Text    string `json:"text,omitempty"`
	Command string `json:"command,omitempty"`
	Policy  string `json:"policy,omitempty"`
}

func hintColumnsOf(h rolebroker.Hint) hintColumns {
	if len(h) == 0 {
		return hintColumns{}
	}
	var cleaned rolebroker.Hint
	var stored []storedStep
	for _, step := range h {
		step = rolebroker.Step{Text: clean(step.Text), Command: clean(step.Command), Policy: clean(step.Policy)}
		cleaned, stored = append(cleaned, step), append(stored, storedStep(step))
	}
	steps, err := json.Marshal(stored)
	if err != nil {
		panic(err) // strings always can be marshalled
	}
	return hintColumns{text: cleaned.String(), steps: string(steps)}
}

// value returns the hint. Steps that do not render to the text belong to an
// earlier outcome: a server of an earlier version has since written the text
// alone.
func (c hintColumns) value() rolebroker.Hint {
	var stored []storedStep
	if json.Unmarshal([]byte(c.steps), &stored) != nil {
		return rolebroker.TextHint(c.text)
	}
	var h rolebroker.Hint
	for _, step := range stored {
		h = append(h, rolebroker.Step(step))
	}
	if h.String() != c.text {
		return rolebroker.TextHint(c.text)
	}
	return h
}

// of returns the validation, or nil if there is none or the role has changed
// since.
func (v *validationRow) of(in *rolebroker.Integration, role *rolebroker.Role) *rolebroker.Validation {
	if v.Status == "" || v.fingerprint != in.Fingerprint(role) {
		return nil
	}
	return &v.Validation
}

// selectHints reads validations with their hints.
func selectHints(name, where string) *statement {
	return newStatement(name, `
		SELECT `+validationColumns+`, v.role_id, v.hint, v.hint_steps FROM validations AS v WHERE `+where)
}

// AddHints adds to the validations of these roles of an integration their hints; no roles: of all. A validation that is
// newer than that of the role takes its place.
func (s *Store) AddHints(ctx context.Context, in *rolebroker.Integration, roles ...rolebroker.RoleID) error {
	of := map[rolebroker.RoleID]*rolebroker.Role{}
	for i := range in.Roles {
		of[in.Roles[i].ID] = &in.Roles[i]
	}
	add := func(scan scan) error {
		var id rolebroker.RoleID
		var row validationRow
		var hint hintColumns
		if err := scan(append(row.dest(), &id, &hint.text, &hint.steps)...); err != nil {
			return err
		}
		if role := of[id]; role != nil && row.of(in, role) != nil {
			row.Hint = hint.value()
			role.Validation = &row.Validation
		}
		return nil
	}
	if len(roles) == 0 {
		return s.query(ctx, hintsOfIntegration, add, in.ID)
	}
	for _, role := range roles {
		if err := s.query(ctx, hintOfRole, add, role); err != nil {
			return err
		}
	}
	return nil
}

// RecordValidations stores the results of validating roles of in. It ignores
// results of roles that have changed since, and results older than the stored
// ones. at is when the integration as a whole was validated; the zero time means
// that it was not. If the integration does not exist, RecordValidations stores
// nothing and returns nil.
func (s *Store) RecordValidations(ctx context.Context, in *rolebroker.Integration, results []rolebroker.RoleValidation,
	at time.Time) error {
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		// Concurrent updates of the integration wait from here on.
		if held, err := tx.exec(ctx, validatedAt, in.ID, millis(at)); err != nil || held == 0 {
			return err
		}
		now := map[rolebroker.RoleID]string{}
		var current rolebroker.Integration
		err := tx.query(ctx, integrationByNameOrID, func(scan scan) error {
			var role roleRow
			var validation validationRow
			var lending lendingRow
			err := scan(slices.Concat(integrationDest(&current), role.dest(), validation.dest(), lending.dest())...)
			now[role.ID] = current.Fingerprint(&role.Role)
			return err
		}, in.ID)
		if err != nil {
			return err
		}
		var rows [][]any
		for _, r := range results {
			if fingerprint := in.Fingerprint(&r.Role); now[r.Role.ID] == fingerprint {
				hint := hintColumnsOf(r.Hint)
				rows = append(rows, []any{r.Role.ID, in.ID, fingerprint, r.Status, r.Code, clean(r.Message), hint.text,
					hint.steps, clean(r.RequestID), millis(r.CheckedAt), clean(r.CheckedBy), millis(r.Since)})
			}
		}
		if err := tx.execBatch(ctx, recordValidation, rows); err != nil {
			return err
		}
		return tx.summarize(ctx, in.ID)
	})
}

// ClaimIntegrations returns at most limit integrations in platform mode that were
// last validated before the time, those of the longest ago, in any order. It marks
// them as validated now, so that no other call returns them until they are due
// again.
func (s *Store) ClaimIntegrations(ctx context.Context, before, now time.Time,
	limit int) (claimed []rolebroker.IntegrationID, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *tx) error {
		claimed = nil
		return query(ctx, tx, claimIntegrations, func(scan scan) error {
			var id rolebroker.IntegrationID
			err := scan(&id)
			claimed = append(claimed, id)
			return err
		}, millis(before), millis(now), limit)
	})
	return claimed, err
}

// SetValidatedAt stores when an integration was last validated. A caller that
// claimed it and could not validate it undoes its claim so.
func (s *Store) SetValidatedAt(ctx context.Context, id rolebroker.IntegrationID, at time.Time) error {
	_, err := s.run(ctx, setValidatedAt, id, millis(at))
	return err
}

// CountIntegrations counts the integrations in platform mode.
func (s *Store) CountIntegrations(ctx context.Context) (n int, err error) {
	err = s.query(ctx, countIntegrations, func(scan scan) error { return scan(&n) })
	return n, err
}

// SetExternalIDs stores ExternalID, NextExternalID, Version and UpdatedAt of in, if
// it has the expected version. Both external IDs must be reserved, and not
// another integration's. Codes: not_found, stale, invalid.
func (s *Store) SetExternalIDs(
	ctx context.Context, in *rolebroker.Integration, expected int64, event rolebroker.AuditEvent,
) error {
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		if err := tx.takeExternalIDs(ctx, in); err != nil {
			return err
		}
		if err := tx.passReservation(ctx, in); err != nil {
			return err
		}
		updated, err := tx.exec(ctx, setExternalIDs, in.ID, expected, in.ExternalID, nullable(in.NextExternalID),
			in.Version, millis(in.UpdatedAt))
		if err != nil {
			return err
		}
		if updated == 0 {
			return tx.outdated(ctx, integrationVersion, "integration", string(in.ID))
		}
		tx.changes = append(tx.changes, rolebroker.Change{Integration: in.ID})
		return tx.summarize(ctx, in.ID)
	})
}

// takeExternalIDs makes the external IDs of in those of its integration. Codes:
// invalid (one is not reserved, or is another integration's).
func (t *tx) takeExternalIDs(ctx context.Context, in *rolebroker.Integration) error {
	for _, value := range []string{in.ExternalID, in.NextExternalID} {
		if value == "" {
			continue
		}
		if taken, err := t.exec(ctx, takeExternalID, value, in.ID); err != nil {
			return err
		} else if taken == 0 {
			return errExternalID
		}
	}
	return nil
}

// passReservation exchanges the reservations of the stored external ID and of the
// one that in has in its place: the reservation of the external ID with which the
// integration was created is always that of the current one.
func (t *tx) passReservation(ctx context.Context, in *rolebroker.Integration) error {
	ids := map[string]rolebroker.ReservationID{}
	err := t.query(ctx, exchangedReservations, func(scan scan) error {
		var value string
		var id rolebroker.ReservationID
		err := scan(&value, &id)
		ids[value] = id
		return err
	}, in.ID, in.ExternalID)
	if err != nil || len(ids) < 2 {
		return err
	}
	for value := range ids {
		if _, err := t.exec(ctx, setReservationID, value, nil); err != nil {
			return err
		}
	}
	for value := range ids {
		for other, id := range ids {
			if other == value {
				continue
			}
			if _, err := t.exec(ctx, setReservationID, value, nullable(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// EarlierExternalIDs returns at most limit external IDs that the integration had
// before, newest first.
func (s *Store) EarlierExternalIDs(ctx context.Context, id rolebroker.IntegrationID, limit int,
) (values []string, err error) {
	err = s.query(ctx, earlierExternalIDs, func(scan scan) error {
		var value string
		err := scan(&value)
		values = append(values, value)
		return err
	}, id, limit)
	return values, err
}
