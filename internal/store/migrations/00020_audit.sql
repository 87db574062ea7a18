-- The audit trail. An event is stored in the transaction of the change that it
-- records. Some moments later it gets its place in a Merkle tree.

-- +goose Up

-- record is one line of JSON, whose bytes are hashed. The other columns are for
-- lists. sequence is the place in the tree, and -1 until the event has one; hash
-- is empty until then.
CREATE TABLE audit_events (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    sequence   BIGINT NOT NULL,
    hash       TEXT NOT NULL,
    actor_id   TEXT COLLATE "binary" NOT NULL,
    actor_name TEXT COLLATE "binary" NOT NULL,
    noun       TEXT COLLATE "binary" NOT NULL,
    action     TEXT COLLATE "binary" NOT NULL,
    outcome    TEXT COLLATE "binary" NOT NULL,
    record     TEXT NOT NULL
);
CREATE UNIQUE INDEX audit_events_sequence ON audit_events (sequence) WHERE sequence >= 0;
CREATE INDEX audit_events_waiting ON audit_events (at, id) WHERE sequence < 0;
CREATE INDEX audit_events_at ON audit_events (at, id);
CREATE INDEX audit_events_actor_id ON audit_events (actor_id, at, id);
CREATE INDEX audit_events_actor_name ON audit_events (actor_name, at, id);
CREATE INDEX audit_events_noun ON audit_events (noun, at, id);
CREATE INDEX audit_events_action ON audit_events (action, at, id);
CREATE INDEX audit_events_refused ON audit_events (at, id) WHERE outcome = 'refused';

-- What an event concerns: an ID or a name.
CREATE TABLE audit_subjects (
    subject  TEXT COLLATE "binary" NOT NULL,
    at       BIGINT NOT NULL,
    event_id TEXT COLLATE "binary" NOT NULL REFERENCES audit_events (id) ON DELETE CASCADE,
    PRIMARY KEY (subject, at, event_id)
);
CREATE INDEX audit_subjects_event ON audit_subjects (event_id);

-- The tree, in one row with the id 1: its size and the hashes that it needs to
-- grow; and the tree before the first event that is still there. There is no row
-- until there is a tree.
CREATE TABLE audit_tree (
    id         BIGINT NOT NULL PRIMARY KEY,
    size       BIGINT NOT NULL,
    edge       TEXT NOT NULL,
    first_size BIGINT NOT NULL,
    first_edge TEXT NOT NULL
);

-- Signed checkpoints of the tree, by its size.
CREATE TABLE audit_checkpoints (
    size   BIGINT NOT NULL PRIMARY KEY,
    at     BIGINT NOT NULL,
    signed TEXT NOT NULL
);
