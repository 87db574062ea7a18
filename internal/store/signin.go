package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

const (
	signInColumns     = `id, api_key_id, key_hash, hash, link, created_at, expires_at`
	userSignInColumns = `id, user_id, hash, link, command_line, renewal, checked_at, check_at, created_at, expires_at`
)

var (
	signInByID   = newStatement("signInByID", `SELECT `+signInColumns+` FROM sign_ins WHERE id = $1`)
	insertSignIn = newStatement("insertSignIn",
		`INSERT INTO sign_ins (`+signInColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`)
	userSignInByID = newStatement("userSignInByID",
		`SELECT `+userSignInColumns+` FROM user_sign_ins WHERE id = $1`)
	insertUserSignIn = newStatement("insertUserSignIn", `
		INSERT INTO user_sign_ins (`+userSignInColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`)
	claimCheck = newStatement("claimCheck", `UPDATE user_sign_ins SET check_at = $3 WHERE id = $1 AND check_at = $2`)
	storeCheck = newStatement("storeCheck",
		`UPDATE user_sign_ins SET renewal = $2, checked_at = $3, check_at = $4 WHERE id = $1`)
	deleteUserSignIn  = newStatement("deleteUserSignIn", `DELETE FROM user_sign_ins WHERE id = $1`)
	deleteUserSignIns = newStatement("deleteUserSignIns", `DELETE FROM user_sign_ins WHERE expires_at < $1`)

	deleteSignIn  = newStatement("deleteSignIn", `DELETE FROM sign_ins WHERE id = $1`)
	deleteSignIns = newStatement("deleteSignIns", `DELETE FROM sign_ins WHERE expires_at < $1`)

	counts = newStatement("counts", `
		SELECT (SELECT count(*) FROM integrations), (SELECT count(*) FROM agents),
			(SELECT count(*) FROM sessions WHERE expires_at > $1 AND state <> 'failed'),
			(SELECT count(*) FROM runners)`)

	countAgents = newLazyStatement("countAgents", func() string {
		return `SELECT integration_id, count(*) FROM connections WHERE integration_id IN ` +
			placeholders("("+strings.Repeat("?, ", countedAtOnce-1)+"?)", 1) + ` GROUP BY integration_id`
	})
)

// SignIn returns a sign-in by ID. Codes: not_found.
func (s *Store) SignIn(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error) {
	var found *rolebroker.SignIn
	err := s.query(ctx, signInByID, func(scan scan) error {
		found = &rolebroker.SignIn{}
		return scan(&found.ID, &found.APIKey, &found.KeyHash, &found.Hash, &found.Link, timeColumn{&found.CreatedAt},
			timeColumn{&found.ExpiresAt})
	}, id)
	if err != nil || found != nil {
		return found, err
	}
	return s.userSignIn(ctx, id)
}

// userSignIn returns a sign-in of a person.
func (s *Store) userSignIn(ctx context.Context, id rolebroker.SignInID) (*rolebroker.SignIn, error) {
	var found *rolebroker.SignIn
	err := s.query(ctx, userSignInByID, func(scan scan) error {
		found = &rolebroker.SignIn{}
		return scan(&found.ID, &found.User, &found.Hash, &found.Link, &found.CommandLine, &found.Renewal,
			timeColumn{&found.CheckedAt}, timeColumn{&found.CheckAt}, timeColumn{&found.CreatedAt},
			timeColumn{&found.ExpiresAt})
	}, id)
	if err == nil && found == nil {
		return nil, notFound("sign-in", string(id))
	}
	return found, err
}

// CreateSignIn stores in. Codes: not_found (the API key or the user), conflict (the ID is
// taken).
func (s *Store) CreateSignIn(ctx context.Context, in *rolebroker.SignIn, event rolebroker.AuditEvent) error {
	if in.User != "" {
		return s.createUserSignIn(ctx, in, event)
	}
	_, err := s.runRecorded(ctx, event, insertSignIn, in.ID, in.APIKey, hash(in.KeyHash), hash(in.Hash), in.Link,
		millis(in.CreatedAt),
		millis(in.ExpiresAt))
	switch violated(err) {
	case missingReferent:
		return notFound("API key", string(in.APIKey))
	case idTaken:
		return rolebroker.Errorf(rolebroker.CodeConflict, "a sign-in with the ID %s exists already", in.ID)
	}
	return err
}

func (s *Store) createUserSignIn(ctx context.Context, in *rolebroker.SignIn, event rolebroker.AuditEvent) error {
	_, err := s.runRecorded(ctx, event, insertUserSignIn, in.ID, in.User, hash(in.Hash), in.Link, in.CommandLine,
		hash(in.Renewal), millis(in.CheckedAt), millis(in.CheckAt), millis(in.CreatedAt), millis(in.ExpiresAt))
	switch violated(err) {
	case missingReferent:
		return notFound("user", string(in.User))
	case idTaken:
		return rolebroker.Errorf(rolebroker.CodeConflict, "a sign-in with the ID %s exists already", in.ID)
	}
	return err
}

// ClaimCheck moves the time at which the identity provider is to be asked about a sign-in again. Of several callers
// one succeeds: the one that asks.
func (s *Store) ClaimCheck(ctx context.Context, id rolebroker.SignInID, due, next time.Time) (bool, error) {
	changed, err := s.run(ctx, claimCheck, id, millis(due), millis(next))
	return changed > 0, err
}

// StoreCheck stores when the identity provider was asked about a sign-in, and with what it is asked again. Codes:
// not_found.
func (s *Store) StoreCheck(ctx context.Context, in *rolebroker.SignIn) error {
	changed, err := s.run(ctx, storeCheck, in.ID, hash(in.Renewal), millis(in.CheckedAt), millis(in.CheckAt))
	if err == nil && changed == 0 {
		return notFound("sign-in", string(in.ID))
	}
	return err
}

// EndSignIn deletes a sign-in of a person, and records why. Codes: not_found.
func (s *Store) EndSignIn(ctx context.Context, id rolebroker.SignInID, event rolebroker.AuditEvent) error {
	deleted, err := s.runRecorded(ctx, event, deleteUserSignIn, id)
	if err == nil && deleted == 0 {
		return notFound("sign-in", string(id))
	}
	return err
}

// DeleteSignIn deletes a sign-in. Codes: not_found (also for all but one of
// several concurrent calls).
func (s *Store) DeleteSignIn(ctx context.Context, id rolebroker.SignInID) error {
	deleted, err := s.run(ctx, deleteSignIn, id)
	if err == nil && deleted == 0 {
		deleted, err = s.run(ctx, deleteUserSignIn, id)
	}
	if err == nil && deleted == 0 {
		return notFound("sign-in", string(id))
	}
	return err
}

// DeleteSignIns deletes the sign-ins that expired before the time.
func (s *Store) DeleteSignIns(ctx context.Context, before time.Time) error {
	if _, err := s.run(ctx, deleteSignIns, millis(before)); err != nil {
		return err
	}
	_, err := s.run(ctx, deleteUserSignIns, millis(before))
	return err
}

// Counts counts integrations, agents, runners, and the sessions whose credentials may work
// at the time.
func (s *Store) Counts(ctx context.Context, at time.Time) (n rolebroker.Counts, err error) {
	err = s.query(ctx, counts, func(scan scan) error {
		return scan(&n.Integrations, &n.Agents, &n.Sessions, &n.Runners)
	}, millis(at))
	return n, err
}

// countedAtOnce is of how many integrations one statement counts the agents.
const countedAtOnce = 50

// CountAgents counts the agents that are connected to each of the integrations. Those without agents are not in the
// map.
func (s *Store) CountAgents(
	ctx context.Context, of []rolebroker.IntegrationID,
) (map[rolebroker.IntegrationID]int, error) {
	connected := map[rolebroker.IntegrationID]int{}
	for some := range slices.Chunk(of, countedAtOnce) {
		args := make([]any, countedAtOnce)
		for i := range args {
			args[i] = some[min(i, len(some)-1)] // the last one again and again
		}
		err := s.query(ctx, countAgents, func(scan scan) error {
			var id rolebroker.IntegrationID
			var n int
			err := scan(&id, &n)
			connected[id] = n
			return err
		}, args...)
		if err != nil {
			return nil, err
		}
	}
	return connected, nil
}
