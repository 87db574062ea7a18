-- A connection says what the agent may do with the roles, and a session records it.

-- +goose Up

-- session_policy is empty unless the access is policy. roles are IDs with spaces
-- between them; * means all roles. An ID that no role of the integration has counts
-- for nothing.
ALTER TABLE connections ADD COLUMN access TEXT COLLATE "binary" NOT NULL DEFAULT 'full';
ALTER TABLE connections ADD COLUMN session_policy TEXT NOT NULL DEFAULT '';
ALTER TABLE connections ADD COLUMN approval TEXT COLLATE "binary" NOT NULL DEFAULT 'none';
ALTER TABLE connections ADD COLUMN roles TEXT COLLATE "binary" NOT NULL DEFAULT '*';

-- Empty in sessions of earlier versions. narrowed says that the process asked for
-- less than the connection lets the agent do.
ALTER TABLE sessions ADD COLUMN access TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN narrowed BOOLEAN NOT NULL DEFAULT FALSE;
