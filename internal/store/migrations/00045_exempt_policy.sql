-- A person can be asked about every call but those that a policy allows.

-- +goose Up

-- The IAM policy whose calls need no approval, with the approval call; empty: none.
ALTER TABLE connections ADD COLUMN exempt_policy TEXT COLLATE "binary" NOT NULL DEFAULT '';

-- What the agent asked about, as the approval of its connection: borrow, write or call. writes are TRUE for the last
-- two. Empty: a server of an earlier version wrote it, which knows borrow and write only.
ALTER TABLE access_requests ADD COLUMN about TEXT COLLATE "binary" NOT NULL DEFAULT '';
