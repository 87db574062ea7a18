-- Audit events are listed by token, by address and by request too. Events of before have them in their records only.

-- +goose Up

ALTER TABLE audit_events ADD COLUMN token_id TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN address TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE audit_events ADD COLUMN request_id TEXT COLLATE "binary" NOT NULL DEFAULT '';

CREATE INDEX audit_events_token ON audit_events (token_id, at, id) WHERE token_id <> '';
CREATE INDEX audit_events_address ON audit_events (address, at, id) WHERE address <> '';
CREATE INDEX audit_events_request ON audit_events (request_id, at, id) WHERE request_id <> '';
