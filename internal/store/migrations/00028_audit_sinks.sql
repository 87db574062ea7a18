-- Where the audit trail is sent to, and how far it got.

-- +goose Up

-- size and edge are the tree of what was delivered, and checkpoint is the size of
-- the last checkpoint that was. The owner is the server that delivers, until its
-- lease ends.
CREATE TABLE audit_sinks (
    name       TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    size       BIGINT NOT NULL,
    edge       TEXT NOT NULL,
    checkpoint BIGINT NOT NULL,
    owner      TEXT COLLATE "binary" NOT NULL,
    lease_ends BIGINT NOT NULL
);
