-- Rules that approve access requests. An empty column means any. A rule whose agent, integration or role is gone
-- approves nothing: IDs are never used again.

-- +goose Up

CREATE TABLE approval_rules (
    id             TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    name           TEXT COLLATE "binary" NOT NULL UNIQUE,
    reason         TEXT NOT NULL,
    enabled        BOOLEAN NOT NULL,
    agent_id       TEXT COLLATE "binary" NOT NULL,
    integration_id TEXT COLLATE "binary" NOT NULL,
    role_id        TEXT COLLATE "binary" NOT NULL,
    access         TEXT NOT NULL,
    max_duration   BIGINT NOT NULL,
    until          BIGINT NOT NULL,
    version        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
