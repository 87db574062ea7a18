-- Agents ask for access, and people answer. Agents have owners, who do not.

-- +goose Up

-- The API key that created the agent, or that an administrator named; empty: unknown.
ALTER TABLE agents ADD COLUMN owner TEXT COLLATE "binary" NOT NULL DEFAULT '';

-- What was asked, the decision, and the grant. Records outlive what they name.
CREATE TABLE access_requests (
    id               TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    agent_id         TEXT COLLATE "binary" NOT NULL,
    agent_name       TEXT COLLATE "binary" NOT NULL,
    token_id         TEXT COLLATE "binary" NOT NULL,
    integration_id   TEXT COLLATE "binary" NOT NULL,
    integration_name TEXT COLLATE "binary" NOT NULL,
    role_id          TEXT COLLATE "binary" NOT NULL,
    role_name        TEXT COLLATE "binary" NOT NULL,
    access           TEXT NOT NULL,
    task             TEXT COLLATE "binary" NOT NULL,
    reason           TEXT NOT NULL,
    duration         BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    decision         TEXT COLLATE "binary" NOT NULL,
    decided_at       BIGINT NOT NULL,
    decided_by       TEXT NOT NULL,
    decider_id       TEXT COLLATE "binary" NOT NULL,
    rule_id          TEXT COLLATE "binary" NOT NULL,
    note             TEXT NOT NULL,
    break_glass      BOOLEAN NOT NULL,
    granted          BIGINT NOT NULL,
    granted_access   TEXT NOT NULL,
    ends_at          BIGINT NOT NULL,
    ended_at         BIGINT NOT NULL,
    ended_by         TEXT NOT NULL,
    -- until when it is pending or approved; 0: it is neither any more
    open_until       BIGINT NOT NULL
);
CREATE INDEX access_requests_created ON access_requests (created_at, id);
CREATE INDEX access_requests_agent ON access_requests (agent_id, created_at, id);
CREATE INDEX access_requests_agent_name ON access_requests (agent_name, created_at, id);
CREATE INDEX access_requests_open ON access_requests (agent_id, open_until);
CREATE INDEX access_requests_undecided ON access_requests (created_at, id) WHERE decision = '' AND ended_at = 0;

-- The access request that allowed a session; empty: it needed none.
ALTER TABLE sessions ADD COLUMN access_request_id TEXT COLLATE "binary" NOT NULL DEFAULT '';
CREATE INDEX sessions_access_request ON sessions (access_request_id, requested_at, id) WHERE access_request_id <> '';
