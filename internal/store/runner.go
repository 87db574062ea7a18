package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rolebroker/rolebroker"
)

const (
	runnerColumns = `id, name, description, issuer, version, created_at, updated_at, joined_at, seen_at,
	program, method, account, arn, user_id, identity_error, reported_issuer, pending`

	// selectRunners counts the replicas seen within replicaWindow before the runner was.
	selectRunners = `SELECT ` + runnerColumns + `, (SELECT count(*) FROM runner_replicas AS p
		WHERE p.runner_id = runners.id AND p.seen_at > runners.seen_at - 60000) FROM runners `

	replicaWindow = time.Minute // the 60000 above
	maxReplicas   = 2000        // of one runner: what the broker allows it streams
)

var (
	runnerByNameOrID = newStatement("runnerByNameOrID",
		selectRunners+`WHERE id = $1 OR name = $1`)
	listRunners = newStatement("listRunners", `
		`+selectRunners+`WHERE name > $1 AND `+matchesOwn+`
		ORDER BY name LIMIT $3`)
	runnerByIssuer = newStatement("runnerByIssuer", `SELECT name FROM runners WHERE issuer = $1 AND id <> $2`)
	runnerVersion  = newStatement("runnerVersion", `SELECT name, version FROM runners WHERE id = $1`)

	insertRunner = newStatement("insertRunner", `
		INSERT INTO runners (`+runnerColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`)
	updateRunner = newStatement("updateRunner", `
		UPDATE runners SET name = $3, description = $4, issuer = $5, version = $6, updated_at = $7
		WHERE id = $1 AND version = $2`)
	deleteRunner = newStatement("deleteRunner", `DELETE FROM runners WHERE id = $1 AND (version = $2 OR $2 = 0)`)

	reportRunner = newStatement("reportRunner", `
		UPDATE runners SET program = $3, method = $4, account = $5, arn = $6, user_id = $7, identity_error = $8,
			reported_issuer = $9, pending = $10, seen_at = CASE WHEN seen_at < $2 THEN $2 ELSE seen_at END
		WHERE id = $1`)
	seeRunner = newStatement("seeRunner", `
		UPDATE runners SET seen_at = CASE WHEN seen_at < $2 THEN $2 ELSE seen_at END WHERE id = $1`)

	seeReplica = newStatement("seeReplica", `
		UPDATE runner_replicas SET seen_at = CASE WHEN seen_at < $3 THEN $3 ELSE seen_at END
		WHERE runner_id = $1 AND id = $2`)
	insertReplica = newStatement("insertReplica", `
		INSERT INTO runner_replicas (runner_id, id, seen_at)
		SELECT id, $2, CAST($3 AS BIGINT) FROM runners
		WHERE id = $1 AND (SELECT count(*) FROM runner_replicas WHERE runner_id = $1) < $4
		ON CONFLICT DO NOTHING`)
	forgetReplicas = newStatement("forgetReplicas", `DELETE FROM runner_replicas WHERE runner_id = $1 AND seen_at <= $2`)

	// holdRunner changes nothing. It makes concurrent changes of a runner's keys
	// wait for each other.
	holdRunner = newStatement("holdRunner", `UPDATE runners SET id = id WHERE id = $1`)
	joinRunner = newStatement("joinRunner", `UPDATE runners SET joined_at = $2 WHERE id = $1 AND joined_at = 0`)

	runnerKeyByID = newStatement("runnerKeyByID", `
		SELECT k.id, k.runner_id, u.name, k.is_join, k.hash, k.created_at, k.expires_at, k.used_at
		FROM runner_keys AS k JOIN runners AS u ON u.id = k.runner_id WHERE k.id = $1`)
	insertRunnerKey = newStatement("insertRunnerKey", `
		INSERT INTO runner_keys (id, runner_id, is_join, hash, created_at, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	useRunnerKey = newStatement("useRunnerKey", `
		UPDATE runner_keys SET used_at = $2 WHERE id = $1 AND NOT is_join AND used_at = 0`)
	useJoinKey = newStatement("useJoinKey",
		`DELETE FROM runner_keys WHERE id = $1 AND runner_id = $2 AND is_join`)
	forgetUnusedKeys = newStatement("forgetUnusedKeys",
		`DELETE FROM runner_keys WHERE runner_id = $1 AND is_join = $2 AND used_at = 0`)
	forgetCredentials = newStatement("forgetCredentials",
		`DELETE FROM runner_keys WHERE runner_id = $1 AND id <> $2 AND NOT is_join`)

	insertRunnerAgent = newStatement("insertRunnerAgent", `
		INSERT INTO runner_agents (runner_id, agent_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`)
	runnerAgent = newStatement("runnerAgent", `SELECT 1 FROM runner_agents WHERE runner_id = $1 AND agent_id = $2`)

	integrationsOfRunner = selectIntegrations("integrationsOfRunner", `WHERE runner_id = $1`)
)

// Runner returns a runner by name or ID. Codes: not_found.
func (s *Store) Runner(ctx context.Context, nameOrID string) (*rolebroker.Runner, error) {
	found, err := s.runners(ctx, runnerByNameOrID, nameOrID)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound("runner", nameOrID)
	}
	return &found[0], nil
}

// Runners lists runners by name.
func (s *Store) Runners(ctx context.Context, page rolebroker.Page) ([]rolebroker.Runner, error) {
	pattern, ok := containing(page.Search)
	if !ok {
		return nil, nil
	}
	return s.runners(ctx, listRunners, page.After, pattern, max(page.Limit, 0))
}

func (s *Store) runners(ctx context.Context, st *statement, args ...any) ([]rolebroker.Runner, error) {
	var found []rolebroker.Runner
	err := s.query(ctx, st, func(scan scan) error { return scanRunner(scan, &found) }, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// scanRunner reads a row of selectRunners, and of what more says.
func scanRunner(scan scan, found *[]rolebroker.Runner, more ...any) error {
	var r rolebroker.Runner
	err := scan(append([]any{&r.ID, &r.Name, &r.Description, &r.Issuer, &r.Version, timeColumn{&r.CreatedAt},
		timeColumn{&r.UpdatedAt}, timeColumn{&r.JoinedAt}, timeColumn{&r.SeenAt}, &r.Report.Program,
		&r.Report.Method, &r.Report.Identity.Account, &r.Report.Identity.ARN, &r.Report.Identity.UserID,
		&r.Report.IdentityError, &r.Report.Issuer, &r.Report.Pending, &r.Replicas}, more...)...)
	*found = append(*found, r)
	return err
}

// CreateRunner stores r. Codes: conflict (the ID, name or issuer is taken).
func (s *Store) CreateRunner(ctx context.Context, r *rolebroker.Runner, event rolebroker.AuditEvent) error {
	args := append([]any{r.ID, r.Name, r.Description, r.Issuer, r.Version, millis(r.CreatedAt), millis(r.UpdatedAt),
		millis(r.JoinedAt), millis(r.SeenAt)}, reportArgs(&r.Report)...)
	_, err := s.runRecorded(ctx, event, insertRunner, args...)
	return s.runnerRefused(ctx, r, err)
}

// runnerRefused converts the error of storing r, and says which of name and
// issuer is taken. Neither engine reports that in a form that a program should
// parse.
func (s *Store) runnerRefused(ctx context.Context, r *rolebroker.Runner, err error) error {
	if violated(err) != notUnique || r.Issuer == "" {
		return duplicate(err, "a", "runner", r.Name, string(r.ID))
	}
	other := ""
	if err := s.query(ctx, runnerByIssuer, func(scan scan) error { return scan(&other) }, r.Issuer, r.ID); err != nil {
		return err
	}
	if other == "" {
		return duplicate(err, "a", "runner", r.Name, string(r.ID))
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "runner %q has the issuer %s already", other, r.Issuer)
}

// reportArgs returns the columns of a runner's report. Its texts may contain
// anything.
func reportArgs(r *rolebroker.RunnerReport) []any {
	return []any{clean(r.Program), clean(r.Method), clean(r.Identity.Account), clean(r.Identity.ARN),
		clean(r.Identity.UserID), clean(r.IdentityError), clean(r.Issuer), r.Pending}
}

// UpdateRunner stores the name, description and issuer of a runner, if it has the
// expected version; r.Version is the new one. Codes: not_found, stale, conflict.
func (s *Store) UpdateRunner(
	ctx context.Context, r *rolebroker.Runner, expected int64, event rolebroker.AuditEvent,
) error {
	var refused error // explained outside of the transaction, which it has ended
	err := s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		updated, err := tx.exec(ctx, updateRunner, r.ID, expected, r.Name, r.Description, r.Issuer, r.Version,
			millis(r.UpdatedAt))
		if refused = err; err != nil {
			return err
		}
		if updated == 0 {
			return tx.outdated(ctx, runnerVersion, "runner", string(r.ID))
		}
		// Integrations show its name, and its issuer decides who agents are. Such
		// changes are rare enough to invalidate everything.
		tx.changes = append(tx.changes, rolebroker.Change{})
		return nil
	})
	if violated(refused) != noViolation {
		return s.runnerRefused(ctx, r, refused)
	}
	return err
}

// DeleteRunner deletes a runner and its keys. expected 0 means any version.
// Codes: not_found, stale, conflict (an integration names it).
func (s *Store) DeleteRunner(
	ctx context.Context, id rolebroker.RunnerID, expected int64, event rolebroker.AuditEvent,
) error {
	if !storableText(string(id)) {
		return notFound("runner", string(id))
	}
	err := s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		deleted, err := tx.exec(ctx, deleteRunner, id, expected)
		if err == nil && deleted == 0 {
			return tx.outdated(ctx, runnerVersion, "runner", string(id))
		}
		if violated(err) == missingReferent {
			return errRunnerInUse
		}
		tx.changes = append(tx.changes, rolebroker.Change{})
		return err
	})
	if !errors.Is(err, errRunnerInUse) {
		return err
	}
	return s.explainRunnerInUse(ctx, id)
}

var errRunnerInUse = rolebroker.Errorf(rolebroker.CodeConflict, "the runner is the runner of an integration")

// explainRunnerInUse returns an error that names an integration of the runner. It
// runs outside of the transaction, which the failed statement has ended.
func (s *Store) explainRunnerInUse(ctx context.Context, id rolebroker.RunnerID) error {
	all, err := s.IntegrationsOf(ctx, id)
	if err != nil || len(all) == 0 {
		return errRunnerInUse
	}
	in, more := all[0], ""
	if n := len(all) - 1; n > 0 {
		more = fmt.Sprintf(" and of %d more", n)
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "the runner %s assumes the roles of integration %s%s",
		in.RunnerName, in.Name, more).
		WithHint("name another runner first: rolebroker integration update %s --runner RUNNER", in.Name)
}

// RecordRunnerReport stores a runner's report about itself, and at as the time
// that it was last seen. Codes: not_found.
func (s *Store) RecordRunnerReport(ctx context.Context, id rolebroker.RunnerID, report rolebroker.RunnerReport,
	at time.Time) error {
	return s.changeRunner(ctx, id, reportRunner, append([]any{millis(at)}, reportArgs(&report)...)...)
}

// SeeRunner stores when a runner was last seen, unless a later time is stored.
// Codes: not_found.
func (s *Store) SeeRunner(ctx context.Context, id rolebroker.RunnerID, at time.Time) error {
	return s.changeRunner(ctx, id, seeRunner, millis(at))
}

// SeeReplica stores when a process of a runner was last seen, and forgets those that were not for a while. It does
// nothing for a runner that has maxReplicas others, or that does not exist.
func (s *Store) SeeReplica(ctx context.Context, id rolebroker.RunnerID, replica string, at time.Time) error {
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		if _, err := tx.exec(ctx, forgetReplicas, id, millis(at.Add(-replicaWindow))); err != nil {
			return err
		}
		seen, err := tx.exec(ctx, seeReplica, id, replica, millis(at))
		if err != nil || seen > 0 {
			return err
		}
		_, err = tx.exec(ctx, insertReplica, id, replica, millis(at), maxReplicas)
		return err
	})
}

// RecordRunnerAgent stores that an agent identified itself to a runner. Codes: not_found (either of them).
func (s *Store) RecordRunnerAgent(ctx context.Context, runner rolebroker.RunnerID, agent rolebroker.AgentID) error {
	_, err := s.run(ctx, insertRunnerAgent, runner, agent)
	if violated(err) == missingReferent {
		return notFound("agent", string(agent))
	}
	return err
}

// HasRunnerAgent reports whether an agent has identified itself to a runner.
func (s *Store) HasRunnerAgent(
	ctx context.Context, runner rolebroker.RunnerID, agent rolebroker.AgentID,
) (found bool, err error) {
	err = s.query(ctx, runnerAgent, func(scan scan) error {
		found = true
		return scan(new(int))
	}, runner, clean(agent))
	return found, err
}

// changeRunner runs a statement whose first argument is the ID of a runner.
func (s *Store) changeRunner(ctx context.Context, id rolebroker.RunnerID, st *statement, args ...any) error {
	if !storableText(string(id)) {
		return notFound("runner", string(id))
	}
	changed, err := s.run(ctx, st, append([]any{id}, args...)...)
	if err == nil && changed == 0 {
		return notFound("runner", string(id))
	}
	return err
}

// IntegrationsOf lists the integrations of a runner by name, with their roles.
func (s *Store) IntegrationsOf(ctx context.Context, id rolebroker.RunnerID) ([]rolebroker.Integration, error) {
	return s.integrations(ctx, integrationsOfRunner, id)
}

// RunnerKey returns a runner's key by ID. Codes: not_found.
func (s *Store) RunnerKey(ctx context.Context, id rolebroker.RunnerKeyID) (*rolebroker.RunnerKey, error) {
	var found *rolebroker.RunnerKey
	err := s.query(ctx, runnerKeyByID, func(scan scan) error {
		found = &rolebroker.RunnerKey{}
		return scan(&found.ID, &found.Runner, &found.RunnerName, &found.Join, &found.Hash, timeColumn{&found.CreatedAt},
			timeColumn{&found.ExpiresAt}, timeColumn{&found.UsedAt})
	}, id)
	if err == nil && found == nil {
		return nil, notFound("runner key", string(id))
	}
	return found, err
}

// CreateRunnerKey stores k. It replaces the runner's unused keys of the same kind
// (join token or credential). Codes: not_found (the runner), conflict (the ID is
// taken).
func (s *Store) CreateRunnerKey(
	ctx context.Context, k *rolebroker.RunnerKey, event rolebroker.AuditEvent,
) error {
	if !storableText(string(k.Runner)) {
		return notFound("runner", string(k.Runner))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		if err := tx.holdRunner(ctx, k.Runner); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, forgetUnusedKeys, k.Runner, k.Join); err != nil {
			return err
		}
		return tx.insertRunnerKey(ctx, k)
	})
}

// Join exchanges a join token for a credential: it deletes the token and the
// runner's earlier credentials and stores the new one. JoinedAt becomes at unless
// the runner has joined before. Codes: not_found (also if the token was used
// before).
func (s *Store) Join(
	ctx context.Context, joinKey rolebroker.RunnerKeyID, credential *rolebroker.RunnerKey, at time.Time,
	event rolebroker.AuditEvent,
) error {
	if !storableText(string(joinKey) + string(credential.Runner)) {
		return notFound("runner key", string(joinKey))
	}
	return s.changeRecorded(ctx, event, func(ctx context.Context, tx *tx) error {
		if err := tx.holdRunner(ctx, credential.Runner); err != nil {
			return err
		}
		used, err := tx.exec(ctx, useJoinKey, joinKey, credential.Runner)
		if err != nil {
			return err
		}
		if used == 0 {
			return notFound("runner key", string(joinKey))
		}
		if _, err := tx.exec(ctx, forgetCredentials, credential.Runner, ""); err != nil {
			return err
		}
		if _, err := tx.exec(ctx, joinRunner, credential.Runner, millis(at)); err != nil {
			return err
		}
		return tx.insertRunnerKey(ctx, credential)
	})
}

// UseRunnerKey records that a credential was used. Its first use deletes the
// runner's other credentials, which are all older. Codes: not_found.
func (s *Store) UseRunnerKey(ctx context.Context, id rolebroker.RunnerKeyID, at time.Time) error {
	key, err := s.RunnerKey(ctx, id)
	switch {
	case err != nil:
		return err
	case key.Join:
		return notFound("credential of a runner", string(id))
	case !key.UsedAt.IsZero():
		return nil
	}
	return s.change(ctx, func(ctx context.Context, tx *tx) error {
		if err := tx.holdRunner(ctx, key.Runner); err != nil {
			return err
		}
		used, err := tx.exec(ctx, useRunnerKey, id, millis(at))
		if err != nil {
			return err
		}
		if used == 0 {
			return tx.usedBefore(ctx, id)
		}
		_, err = tx.exec(ctx, forgetCredentials, key.Runner, id)
		return err
	})
}

// usedBefore returns nil if the credential still exists.
func (t *tx) usedBefore(ctx context.Context, id rolebroker.RunnerKeyID) error {
	exists := false
	err := t.query(ctx, runnerKeyByID, func(scan) error { exists = true; return nil }, id)
	if err == nil && !exists {
		return notFound("runner key", string(id))
	}
	return err
}

// holdRunner makes concurrent changes of the runner's keys wait. Codes:
// not_found.
func (t *tx) holdRunner(ctx context.Context, id rolebroker.RunnerID) error {
	held, err := t.exec(ctx, holdRunner, id)
	if err == nil && held == 0 {
		return notFound("runner", string(id))
	}
	return err
}

func (t *tx) insertRunnerKey(ctx context.Context, k *rolebroker.RunnerKey) error {
	_, err := t.exec(ctx, insertRunnerKey, k.ID, k.Runner, k.Join, hash(k.Hash), millis(k.CreatedAt),
		millis(k.ExpiresAt), millis(k.UsedAt))
	return duplicate(err, "a", "runner key", "", string(k.ID))
}
