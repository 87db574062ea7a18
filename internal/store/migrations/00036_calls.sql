-- Calls through the gateway, and approvals of writes.

-- +goose Up

-- A call's ID begins with its time, so that IDs are in the order of time. actions
-- and resources are JSON. ended_at is 0 until the outcome is recorded. Records
-- outlive what they name.
CREATE TABLE calls (
    id                TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    ended_at          BIGINT NOT NULL,
    agent_id          TEXT COLLATE "binary" NOT NULL,
    agent_name        TEXT COLLATE "binary" NOT NULL,
    token_id          TEXT COLLATE "binary" NOT NULL,
    address           TEXT COLLATE "binary" NOT NULL,
    integration_id    TEXT COLLATE "binary" NOT NULL,
    integration_name  TEXT COLLATE "binary" NOT NULL,
    role_id           TEXT COLLATE "binary" NOT NULL,
    role_name         TEXT COLLATE "binary" NOT NULL,
    role_arn          TEXT COLLATE "binary" NOT NULL,
    task              TEXT COLLATE "binary" NOT NULL,
    session_id        TEXT COLLATE "binary" NOT NULL,
    access_request_id TEXT COLLATE "binary" NOT NULL,
    service           TEXT COLLATE "binary" NOT NULL,
    operation         TEXT COLLATE "binary" NOT NULL,
    actions           TEXT COLLATE "binary" NOT NULL,
    region            TEXT COLLATE "binary" NOT NULL,
    resources         TEXT COLLATE "binary" NOT NULL,
    level             TEXT COLLATE "binary" NOT NULL,
    decision          TEXT COLLATE "binary" NOT NULL,
    code              TEXT COLLATE "binary" NOT NULL,
    reason            TEXT COLLATE "binary" NOT NULL,
    times             BIGINT NOT NULL,
    status            BIGINT NOT NULL,
    request_id        TEXT COLLATE "binary" NOT NULL,
    bytes_in          BIGINT NOT NULL,
    bytes_out         BIGINT NOT NULL
);
CREATE INDEX calls_agent ON calls (agent_id, id);
CREATE INDEX calls_role ON calls (role_id, id);
CREATE INDEX calls_session ON calls (session_id, id);
CREATE INDEX calls_service ON calls (service, id);
CREATE INDEX calls_operation ON calls (operation, id);
CREATE INDEX calls_level ON calls (level, id);
CREATE INDEX calls_refused ON calls (id) WHERE decision = 'refused';
CREATE INDEX calls_access_request ON calls (access_request_id, id) WHERE access_request_id <> '';

-- The hours of calls whose digest is in the audit trail, by their beginning in
-- milliseconds since 1970. The record of a call in such an hour does not change.
CREATE TABLE call_digests (
    hour   BIGINT NOT NULL PRIMARY KEY,
    until  TEXT COLLATE "binary" NOT NULL, -- is greater than the IDs of the hour
    calls  BIGINT NOT NULL,
    sha256 TEXT NOT NULL
);

-- A request for leave to change something: writes are TRUE. asked_call is the call
-- that asked, as JSON. granted_actions and granted_resources are what the approval
-- is narrowed to, as JSON; empty: all writes of the task.
ALTER TABLE access_requests ADD COLUMN writes BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE access_requests ADD COLUMN asked_call TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE access_requests ADD COLUMN granted_actions TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE access_requests ADD COLUMN granted_resources TEXT COLLATE "binary" NOT NULL DEFAULT '';
