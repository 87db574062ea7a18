package store

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

var (
	// claimSink begins with the first event that is still there.
	claimSink = newStatement("claimSink", `
		INSERT INTO audit_sinks (name, size, edge, checkpoint, owner, lease_ends)
		VALUES ($1, COALESCE((SELECT first_size FROM audit_tree WHERE id = 1), 0),
			COALESCE((SELECT first_edge FROM audit_tree WHERE id = 1), ''),
			COALESCE((SELECT first_size FROM audit_tree WHERE id = 1), 0), $2, $3)
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, lease_ends = excluded.lease_ends
		WHERE audit_sinks.owner = excluded.owner OR audit_sinks.lease_ends <= $4
		RETURNING size, edge, checkpoint`)
	sinkLease = newStatement("sinkLease",
		`SELECT size, edge, checkpoint, owner, lease_ends FROM audit_sinks WHERE name = $1`)
	moveSink = newStatement("moveSink", `
		UPDATE audit_sinks SET size = $4, edge = $5, checkpoint = $6
		WHERE name = $1 AND owner = $2 AND size = $3`)
	releaseSink = newStatement("releaseSink",
		`UPDATE audit_sinks SET owner = '', lease_ends = 0 WHERE name = $1 AND owner = $2`)
)

// ClaimSink makes a server the owner of a sink until a time, and returns what was delivered to that. A new sink begins
// with the first event that is still there. It returns nil if another server owns the sink. It only reads while another
// server owns it, and while this one does and more than half of its time is left.
func (s *Store) ClaimSink(
	ctx context.Context, name, owner string, now, until time.Time,
) (p *rolebroker.AuditProgress, edge string, err error) {
	settled := false
	err = s.query(ctx, sinkLease, func(scan scan) error {
		var held rolebroker.AuditProgress
		var holder string
		var ends int64
		err := scan(&held.Size, &edge, &held.Checkpoint, &holder, &ends)
		if holder == owner {
			p, settled = &held, ends > millis(now.Add(until.Sub(now)/2))
		} else {
			edge, settled = "", ends > millis(now)
		}
		return err
	}, name)
	if err != nil || settled {
		return p, edge, err
	}
	err = s.change(ctx, func(ctx context.Context, tx *tx) error {
		p, edge = nil, ""
		return tx.query(ctx, claimSink, func(scan scan) error {
			p = new(rolebroker.AuditProgress)
			return scan(&p.Size, &edge, &p.Checkpoint)
		}, name, owner, millis(until), millis(now))
	})
	return p, edge, err
}

// MoveSink stores what was delivered to a sink. Codes: conflict (another server owns the sink).
func (s *Store) MoveSink(
	ctx context.Context, name, owner string, from rolebroker.AuditProgress, to trail.Tree, checkpoint int64,
) error {
	moved, err := s.run(ctx, moveSink, name, owner, from.Size, to.Size, to.Edge(), checkpoint)
	if err == nil && moved == 0 {
		return rolebroker.Errorf(rolebroker.CodeConflict, "another server sends the audit trail to %s", name)
	}
	return err
}

// ReleaseSink lets another server own a sink at once.
func (s *Store) ReleaseSink(ctx context.Context, name, owner string) error {
	_, err := s.run(ctx, releaseSink, name, owner)
	return err
}
