-- A connection names the actions that return credentials and that the gateway sends all the same.

-- +goose Up

-- Actions of IAM with spaces between them; empty: none.
ALTER TABLE connections ADD COLUMN allowed_actions TEXT COLLATE "binary" NOT NULL DEFAULT '';
