package store

import (
	"context"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/trail"
)

const auditColumns = `e.id, e.at, e.sequence, e.hash, e.record`

var (
	insertEvent = newStatement("insertEvent", `
		INSERT INTO audit_events (id, at, sequence, hash, actor_id, actor_name, noun, action, outcome, record,
			token_id, address, request_id)
		VALUES ($1, $2, -1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`)
	insertSubject = newBatch("insertSubject",
		`INSERT INTO audit_subjects (subject, at, event_id) VALUES ROWS ON CONFLICT DO NOTHING`, `(?, ?, ?)`)

	// holdTree makes concurrent servers wait for each other.
	holdTree = newStatement("holdTree", `
		INSERT INTO audit_tree (id, size, edge, first_size, first_edge) VALUES (1, 0, '', 0, '')
		ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING size, edge`)
	growTree = newStatement("growTree", `UPDATE audit_tree SET size = $1, edge = $2 WHERE id = 1`)
	treeBase = newStatement("treeBase", `SELECT first_size, first_edge FROM audit_tree WHERE id = 1`)

	waitingEvents = newStatement("waitingEvents", `
		SELECT `+auditColumns+` FROM audit_events AS e WHERE e.sequence < 0 ORDER BY e.at, e.id LIMIT $1`)
	placeEvents = newBatch("placeEvent", `
		WITH placed (id, sequence, hash) AS (VALUES ROWS)
		UPDATE audit_events SET sequence = placed.sequence, hash = placed.hash
		FROM placed WHERE audit_events.id = placed.id`,
		`(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT))`)
	eventsFrom = newStatement("eventsFrom", `
		SELECT `+auditColumns+` FROM audit_events AS e WHERE e.sequence >= $1 AND e.sequence >= 0
		ORDER BY e.sequence LIMIT $2`)

	trailState = newStatement("trailState", `
		SELECT COALESCE((SELECT size FROM audit_tree WHERE id = 1), 0),
			(SELECT COUNT(*) FROM (SELECT 1 FROM audit_events WHERE sequence < 0 LIMIT 1001) AS waiting),
			COALESCE((SELECT size FROM audit_checkpoints ORDER BY size DESC LIMIT 1), 0),
			COALESCE((SELECT at FROM audit_checkpoints ORDER BY size DESC LIMIT 1), 0)`)

	insertCheckpoint = newStatement("insertCheckpoint",
		`INSERT INTO audit_checkpoints (size, at, signed, edge) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`)
	checkpointsFrom = newStatement("checkpointsFrom", `
		SELECT size, signed FROM audit_checkpoints WHERE size >= $1 ORDER BY size LIMIT $2`)
	edgeBefore = newStatement("edgeBefore", `
		SELECT size, edge FROM audit_checkpoints WHERE size <= $1 AND edge <> '' ORDER BY size DESC LIMIT 1`)
	hashesBetween = newStatement("hashesBetween", `
		SELECT sequence, hash FROM audit_events WHERE sequence >= $1 AND sequence < $2 AND sequence >= 0
		ORDER BY sequence`)
	firstSince = newStatement("firstSince", `
		SELECT MIN(sequence) FROM audit_events WHERE at >= $1 AND sequence >= 0`)
	checkpointUpTo = newStatement("checkpointUpTo", `
		SELECT COALESCE(MAX(size), 0) FROM audit_checkpoints WHERE size <= $1`)
	moveBase          = newStatement("moveBase", `UPDATE audit_tree SET first_size = $1, first_edge = $2 WHERE id = 1`)
	deleteEvents      = newStatement("deleteEvents", `DELETE FROM audit_events WHERE sequence >= 0 AND sequence < $1`)
	deleteCheckpoints = newStatement("deleteCheckpoints", `DELETE FROM audit_checkpoints WHERE size < $1`)

	lastCheckpoint = newStatement("lastCheckpoint", `
		SELECT size, signed FROM audit_checkpoints ORDER BY size DESC LIMIT 1`)

	listEvents = sync.OnceValue(eventLists)
)

// errNoEvent refuses a change that nobody would find in the audit trail.
var errNoEvent = rolebroker.Errorf(rolebroker.CodeUnavailable, "a change needs an audit event")

// record stores an audit event in the transaction.
func (t *tx) record(ctx context.Context, e rolebroker.AuditEvent) error {
	if e.ID == "" || e.Action == "" {
		return errNoEvent
	}
	record, err := trail.Record(&e)
	if err != nil {
		return err
	}
	_, actor := e.Actor.Actor()
	noun, _, _ := strings.Cut(string(e.Action), ".")
	if _, err := t.exec(ctx, insertEvent, e.ID, millis(e.At), "", clean(actor), clean(e.Actor.Name), noun, e.Action,
		e.Outcome(), clean(string(record)), clean(trail.TokenOf(&e.Actor)), clean(e.Actor.Address),
		clean(string(e.Actor.Request))); err != nil {
		return err
	}
	return t.execBatch(ctx, insertSubject, subjectRows(&e))
}

// subjectRows has a row for each ID and for each name.
func subjectRows(e *rolebroker.AuditEvent) [][]any {
	var rows [][]any
	for _, s := range e.Subjects {
		for _, text := range []string{s.ID, s.Name} {
			if text != "" {
				rows = append(rows, []any{clean(text), millis(e.At), e.ID})
			}
		}
	}
	return rows
}

// runRecorded runs one statement that changes a row, and stores the event of it. If no row changes it stores none.
func (s *Store) runRecorded(
	ctx context.Context, e rolebroker.AuditEvent, st *statement, args ...any,
) (changed int64, err error) {
	err = s.changeRecorded(ctx, e, func(ctx context.Context, tx *tx) (err error) {
		changed, err = tx.exec(ctx, st, args...)
		tx.unchanged = changed == 0
		return err
	})
	return changed, err
}

// RecordEvent stores an event that goes with no change: a refusal, or something that was only looked at.
func (s *Store) RecordEvent(ctx context.Context, e rolebroker.AuditEvent) error {
	return s.recordTogether(ctx, e, func(context.Context, *tx) error { return nil })
}

// eventFilter says which columns a filter compares.
type eventFilter struct {
	actor   string // actor_id, actor_name or ""
	action  string // noun, action or ""
	subject bool
	outcome rolebroker.AuditOutcome // empty: any

	token, address, request bool
}

// eventLists makes a statement for each filter, so that each can use an index.
//
// $1 and $2 are the key before which the list begins, $3 is a lower bound of the time, $4 is the limit. The values of
// the filter follow.
func eventLists() map[eventFilter]*statement {
	lists := map[eventFilter]*statement{}
	for _, actor := range []string{"", "actor_id", "actor_name"} {
		for _, action := range []string{"", "noun", "action"} {
			for _, subject := range []bool{false, true} {
				for _, outcome := range []rolebroker.AuditOutcome{"", rolebroker.OutcomeDone, rolebroker.OutcomeRefused} {
					for bits := range 8 {
						f := eventFilter{actor, action, subject, outcome, bits&1 > 0, bits&2 > 0, bits&4 > 0}
						lists[f] = f.statement()
					}
				}
			}
		}
	}
	return lists
}

func (f eventFilter) statement() *statement {
	name, from, where, key, next := "listEvents", "audit_events AS e", "", "e.at, e.id", 5
	compare := func(column string) {
		name += " " + column
		where += " AND " + column + " = $" + strconv.Itoa(next)
		next++
	}
	if f.subject {
		from = "audit_subjects AS s JOIN audit_events AS e ON e.id = s.event_id"
		key = "s.at, s.event_id"
		compare("s.subject")
	}
	for _, column := range []string{f.actor, f.action} {
		if column != "" {
			compare("e." + column)
		}
	}
	for _, c := range []struct {
		column string
		given  bool
	}{{"e.token_id", f.token}, {"e.address", f.address}, {"e.request_id", f.request}} {
		if c.given {
			compare(c.column)
			where += " AND " + c.column + " <> ''" // for the planner to use the index
		}
	}
	if f.outcome != "" {
		name += " " + string(f.outcome)
		where += " AND e.outcome = '" + string(f.outcome) + "'" // the index of refusals is partial
	}
	at, id, _ := strings.Cut(key, ", ")
	return newStatement(name, `
		SELECT `+auditColumns+` FROM `+from+`
		WHERE (`+key+`) < ($1, $2) AND `+at+` >= $3`+where+`
		ORDER BY `+at+` DESC, `+id+` DESC LIMIT $4`)
}

// AuditEvents lists events, the newest first: by time and then ID, both descending.
func (s *Store) AuditEvents(
	ctx context.Context, filter rolebroker.AuditFilter, page rolebroker.Page,
) ([]rolebroker.AuditRecord, error) {
	before, id := auditCursor(page.After, filter.Until)
	args := []any{before, id, millis(filter.Since), max(page.Limit, 0)}
	var f eventFilter
	if filter.Subject != "" {
		f.subject = true
		args = append(args, filter.Subject)
	}
	if filter.Actor != "" {
		f.actor = "actor_name"
		if rolebroker.IsID(filter.Actor) {
			f.actor = "actor_id"
		}
		args = append(args, filter.Actor)
	}
	if filter.Action != "" {
		f.action = "noun"
		if strings.Contains(filter.Action, ".") {
			f.action = "action"
		}
		args = append(args, filter.Action)
	}
	for _, c := range []struct {
		given *bool
		value string
	}{{&f.token, filter.Token}, {&f.address, filter.Address}, {&f.request, string(filter.Request)}} {
		if *c.given = c.value != ""; *c.given {
			args = append(args, c.value)
		}
	}
	if filter.Outcome == rolebroker.OutcomeDone || filter.Outcome == rolebroker.OutcomeRefused {
		f.outcome = filter.Outcome
	}
	return s.auditRecords(ctx, listEvents()[f], args...)
}

// auditCursor returns the key before which a page begins: that of an item, or the first of all at a time.
func auditCursor(after string, until time.Time) (at int64, id string) {
	at, id = math.MaxInt64, ""
	if !until.IsZero() {
		at = millis(until)
	}
	millis, rest, _ := strings.Cut(after, ".")
	if n, err := strconv.ParseInt(millis, 10, 64); err == nil && n < at {
		at, id = n, rest
	}
	return at, id
}

func (s *Store) auditRecords(ctx context.Context, st *statement, args ...any) ([]rolebroker.AuditRecord, error) {
	var found []rolebroker.AuditRecord
	err := s.query(ctx, st, func(scan scan) error { return scanRecord(scan, &found) }, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}

func scanRecord(scan scan, found *[]rolebroker.AuditRecord) error {
	var r rolebroker.AuditRecord
	var text string
	err := scan(&r.ID, timeColumn{&r.At}, &r.Sequence, &r.Hash, &text)
	r.Record = []byte(text)
	*found = append(*found, r)
	return err
}

// AuditTrail returns the state of the audit trail.
func (s *Store) AuditTrail(ctx context.Context) (t rolebroker.AuditTrail, err error) {
	err = s.query(ctx, trailState, func(scan scan) error {
		return scan(&t.Size, &t.Waiting, &t.Checkpoint, timeColumn{&t.CheckpointAt})
	})
	return t, err
}

// GrowTrail gives at most limit waiting events their places in the audit trail, and stores the checkpoint that sign
// makes of it, unless that is empty. It does not ask sign if a checkpoint covers all events. It returns how many it
// placed. Several servers may call it at the same time.
func (s *Store) GrowTrail(
	ctx context.Context, limit int, at time.Time, sign func(trail.Tree) (string, error),
) (placed int, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *tx) error {
		tree, err := tx.holdTree(ctx)
		if err != nil {
			return err
		}
		if placed, err = tx.place(ctx, &tree, limit); err != nil {
			return err
		}
		return tx.checkpoint(ctx, tree, at, sign)
	})
	return placed, err
}

// place appends at most limit waiting events to the tree, and stores both.
func (t *tx) place(ctx context.Context, tree *trail.Tree, limit int) (placed int, err error) {
	var waiting []rolebroker.AuditRecord
	err = t.query(ctx, waitingEvents, func(scan scan) error { return scanRecord(scan, &waiting) }, limit)
	if err != nil || len(waiting) == 0 {
		return 0, err
	}
	rows := make([][]any, len(waiting))
	for i, r := range waiting {
		sequence := tree.Size
		rows[i] = []any{r.ID, sequence, tree.Append(r.Record).String()}
	}
	if err := t.execBatch(ctx, placeEvents, rows); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, growTree, tree.Size, tree.Edge())
	return len(waiting), err
}

func (t *tx) holdTree(ctx context.Context) (tree trail.Tree, err error) {
	return oneTree(ctx, t, holdTree)
}

// checkpoint stores what sign makes of the tree.
func (t *tx) checkpoint(
	ctx context.Context, tree trail.Tree, at time.Time, sign func(trail.Tree) (string, error),
) error {
	covered := int64(0)
	err := t.query(ctx, lastCheckpoint, func(scan scan) error { return scan(&covered, new(string)) })
	if err != nil || covered >= tree.Size {
		return err
	}
	signed, err := sign(tree)
	if err != nil || signed == "" {
		return err
	}
	_, err = t.exec(ctx, insertCheckpoint, tree.Size, millis(at), signed, tree.Edge())
	return err
}

// Trail returns the tree before the first event that is still there.
func (s *Store) Trail(ctx context.Context) (tree trail.Tree, err error) { return trailBase(ctx, s) }

// reading is a Store or a tx.
type reading interface {
	query(ctx context.Context, st *statement, row func(scan) error, args ...any) error
}

func trailBase(ctx context.Context, from reading) (trail.Tree, error) {
	return oneTree(ctx, from, treeBase)
}

// oneTree reads a row with a size and an edge; the empty tree if there is none.
func oneTree(ctx context.Context, from reading, st *statement, args ...any) (tree trail.Tree, err error) {
	var size int64
	var edge string
	if err := from.query(ctx, st, func(scan scan) error { return scan(&size, &edge) }, args...); err != nil {
		return tree, err
	}
	if tree, err = trail.Regrow(size, edge); err != nil {
		return tree, asError(ctx, corrupt("the audit trail", err))
	}
	return tree, nil
}

// TreeAt returns the tree before the event with a sequence, or before the one that is missing earlier. Codes: invalid
// (the event is not in the trail any more, or not yet).
func (s *Store) TreeAt(ctx context.Context, sequence int64) (trail.Tree, error) {
	return treeAt(ctx, s, sequence)
}

func treeAt(ctx context.Context, from reading, sequence int64) (tree trail.Tree, err error) {
	if tree, err = trailBase(ctx, from); err != nil {
		return tree, err
	}
	if sequence < tree.Size {
		return tree, rolebroker.Errorf(rolebroker.CodeInvalid, "the audit trail begins with event %d now", tree.Size)
	}
	later, err := oneTree(ctx, from, edgeBefore, sequence)
	if err != nil {
		return tree, err
	}
	if later.Size > tree.Size {
		tree = later
	}
	err = from.query(ctx, hashesBetween, func(scan scan) error {
		var at int64
		var hash string
		if err := scan(&at, &hash); err != nil {
			return err
		}
		if at != tree.Size || tree.AppendHash(hash) != nil {
			return rolebroker.Errorf(rolebroker.CodeInvalid, "event %d of the audit trail is missing or was altered", tree.Size)
		}
		return nil
	}, tree.Size, sequence)
	if err == nil && tree.Size < sequence {
		err = rolebroker.Errorf(rolebroker.CodeInvalid, "the audit trail has no event %d yet", sequence)
	}
	return tree, err
}

// SequenceSince returns the sequence of the first event of a time or later; size if there is none.
func (s *Store) SequenceSince(ctx context.Context, since time.Time, size int64) (int64, error) {
	return sequenceSince(ctx, s, since, size)
}

func sequenceSince(ctx context.Context, from reading, since time.Time, size int64) (int64, error) {
	var first *int64
	err := from.query(ctx, firstSince, func(scan scan) error { return scan(&first) }, millis(since))
	if err == nil && first != nil {
		return *first, nil
	}
	return size, err
}

// ForgetEvents deletes at most limit events from the front of the audit trail, all before a time, and keeps the hashes
// that what remains is verified with. It ends at a checkpoint if it can. made makes the event of that, from the
// sequences of the first event that was deleted and of the first that remains. It returns how many it deleted.
func (s *Store) ForgetEvents(
	ctx context.Context, before time.Time, limit int, made func(from, to int64) rolebroker.AuditEvent,
) (deleted int64, err error) {
	err = s.change(ctx, func(ctx context.Context, tx *tx) error {
		deleted = 0
		tree, err := tx.holdTree(ctx)
		if err != nil {
			return err
		}
		base, err := trailBase(ctx, tx)
		if err != nil {
			return err
		}
		end, err := tx.forgetUpTo(ctx, before, base.Size, min(tree.Size, base.Size+int64(limit)))
		if err != nil || end <= base.Size {
			return err
		}
		left, err := treeAt(ctx, tx, end)
		if err != nil {
			return err
		}
		deleted = end - base.Size
		if err := tx.moveBase(ctx, left); err != nil {
			return err
		}
		return tx.record(ctx, made(base.Size, end))
	})
	return deleted, err
}

// forgetUpTo returns the sequence of the first event to keep, which is at most most: none between the base and it is of
// the time or later.
func (t *tx) forgetUpTo(ctx context.Context, before time.Time, base, most int64) (end int64, err error) {
	if end, err = sequenceSince(ctx, t, before, most); err != nil {
		return 0, err
	}
	end = min(end, most)
	signed := int64(0)
	err = t.query(ctx, checkpointUpTo, func(scan scan) error { return scan(&signed) }, end)
	if signed > base {
		end = signed
	}
	return end, err
}

// moveBase makes a tree the one before the first event.
func (t *tx) moveBase(ctx context.Context, base trail.Tree) error {
	if _, err := t.exec(ctx, deleteEvents, base.Size); err != nil {
		return err
	}
	if _, err := t.exec(ctx, deleteCheckpoints, base.Size); err != nil {
		return err
	}
	_, err := t.exec(ctx, moveBase, base.Size, base.Edge())
	return err
}

// PlacedEvents lists the events of the audit trail from a sequence on.
func (s *Store) PlacedEvents(ctx context.Context, from int64, limit int) ([]rolebroker.AuditRecord, error) {
	return s.auditRecords(ctx, eventsFrom, from, limit)
}

// Checkpoints lists signed checkpoints by the size of the trail, from a size on.
func (s *Store) Checkpoints(ctx context.Context, from int64, limit int) ([]rolebroker.AuditCheckpoint, error) {
	return s.checkpoints(ctx, checkpointsFrom, from, limit)
}

// LastCheckpoint returns the newest signed checkpoint; the zero value if there is none.
func (s *Store) LastCheckpoint(ctx context.Context) (last rolebroker.AuditCheckpoint, err error) {
	found, err := s.checkpoints(ctx, lastCheckpoint)
	if err == nil && len(found) > 0 {
		last = found[0]
	}
	return last, err
}

func (s *Store) checkpoints(ctx context.Context, st *statement, args ...any) ([]rolebroker.AuditCheckpoint, error) {
	var found []rolebroker.AuditCheckpoint
	err := s.query(ctx, st, func(scan scan) error {
		var c rolebroker.AuditCheckpoint
		err := scan(&c.Size, &c.Signed)
		found = append(found, c)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return found, nil
}
