-- A connection says whether the agent is lent AWS keys.

-- +goose Up

-- lent, or withheld: the agent gets keys that only the gateway knows.
ALTER TABLE connections ADD COLUMN keys TEXT COLLATE "binary" NOT NULL DEFAULT 'lent';
