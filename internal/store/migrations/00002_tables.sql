-- The schema, in the SQL that SQLite and PostgreSQL share.
--
-- Times and durations are BIGINT milliseconds; 0 is no time. The collation
-- "binary" compares byte by byte: SQLite has it, and on PostgreSQL the
-- migration before this one makes it, so that lists are in the same order
-- everywhere, whatever the locale of the database.

-- +goose Up

-- An external ID is used at most once: its row stays when its integration goes.
CREATE TABLE external_ids (
    value          TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    reserved_at    BIGINT NOT NULL,
    integration_id TEXT COLLATE "binary"
);

CREATE TABLE integrations (
    id              TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    name            TEXT COLLATE "binary" NOT NULL UNIQUE,
    description     TEXT NOT NULL,
    assumption_mode TEXT NOT NULL,
    external_id     TEXT COLLATE "binary" NOT NULL REFERENCES external_ids (value),
    version         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE TABLE roles (
    id               TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    integration_id   TEXT COLLATE "binary" NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    name             TEXT COLLATE "binary" NOT NULL,
    position         BIGINT NOT NULL,
    arn              TEXT NOT NULL,
    region           TEXT NOT NULL,
    enabled          BOOLEAN NOT NULL,
    is_default       BOOLEAN NOT NULL,
    session_duration BIGINT NOT NULL
);
CREATE UNIQUE INDEX roles_name ON roles (integration_id, name);
CREATE UNIQUE INDEX roles_default ON roles (integration_id) WHERE is_default;

CREATE TABLE agents (
    id                  TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    name                TEXT COLLATE "binary" NOT NULL UNIQUE,
    description         TEXT NOT NULL,
    disabled            BOOLEAN NOT NULL,
    default_integration TEXT COLLATE "binary" REFERENCES integrations (id) ON DELETE SET NULL,
    version             BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL
);
CREATE INDEX agents_default_integration ON agents (default_integration) WHERE default_integration IS NOT NULL;

CREATE TABLE connections (
    agent_id       TEXT COLLATE "binary" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    integration_id TEXT COLLATE "binary" NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    position       BIGINT NOT NULL,
    connected_at   BIGINT NOT NULL,
    PRIMARY KEY (agent_id, integration_id)
);
CREATE INDEX connections_integration ON connections (integration_id);

CREATE TABLE tokens (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    agent_id   TEXT COLLATE "binary" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    label      TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX tokens_agent ON tokens (agent_id, id);

CREATE TABLE api_keys (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "binary" NOT NULL UNIQUE,
    access     TEXT NOT NULL,
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- A session refers to nothing: it keeps the names of its moment.
CREATE TABLE sessions (
    id               TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    state            TEXT NOT NULL,
    agent_id         TEXT COLLATE "binary" NOT NULL,
    agent_name       TEXT COLLATE "binary" NOT NULL,
    integration_id   TEXT COLLATE "binary" NOT NULL,
    integration_name TEXT COLLATE "binary" NOT NULL,
    role_id          TEXT COLLATE "binary" NOT NULL,
    role_name        TEXT COLLATE "binary" NOT NULL,
    arn              TEXT COLLATE "binary" NOT NULL,
    region           TEXT NOT NULL,
    task             TEXT NOT NULL,
    session_name     TEXT NOT NULL,
    requested_at     BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    access_key_id    TEXT NOT NULL,
    request_id       TEXT NOT NULL,
    failure          TEXT NOT NULL,
    fetches          BIGINT NOT NULL,
    fetched_at       BIGINT NOT NULL
);
CREATE INDEX sessions_requested ON sessions (requested_at, id);
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_agent_id ON sessions (agent_id, requested_at, id);
CREATE INDEX sessions_agent_name ON sessions (agent_name, requested_at, id);
CREATE INDEX sessions_integration_id ON sessions (integration_id, requested_at, id);
CREATE INDEX sessions_integration_name ON sessions (integration_name, requested_at, id);
CREATE INDEX sessions_role_id ON sessions (role_id, requested_at, id);
CREATE INDEX sessions_role_name ON sessions (role_name, requested_at, id);
CREATE INDEX sessions_arn ON sessions (arn, requested_at, id);
