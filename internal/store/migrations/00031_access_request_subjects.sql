-- What an agent asked for, so that an approval is not one of what the role or the
-- session policy of the connection became later.

-- +goose Up

ALTER TABLE access_requests ADD COLUMN role_arn TEXT COLLATE "binary" NOT NULL DEFAULT ''; -- empty: not noted
-- SHA-256 of the session policy; empty: the connection had none, or it was not noted.
ALTER TABLE access_requests ADD COLUMN policy_hash TEXT COLLATE "binary" NOT NULL DEFAULT '';
