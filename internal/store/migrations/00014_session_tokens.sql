-- A session records the token that its credentials were requested with. Sessions of
-- earlier versions have none.

-- +goose Up

ALTER TABLE sessions ADD COLUMN token_id TEXT COLLATE "binary" NOT NULL DEFAULT '';
CREATE INDEX sessions_token ON sessions (token_id, requested_at, id);

-- The account is the part of the ARN after the letters, hyphens and colons at its start.
CREATE INDEX sessions_account ON sessions (substr(ltrim(arn, 'abcdefghijklmnopqrstuvwxyz-:'), 1, 12), requested_at, id);
