-- Sessions record the pod that asked. Runners have replicas, and are asked to try roles.

-- +goose Up

-- As the token of the pod's service account said; empty for other agents.
ALTER TABLE sessions ADD COLUMN namespace TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN service_account TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN pod TEXT NOT NULL DEFAULT '';

-- The processes of a runner that were in contact. The ID of one that tells none is empty.
CREATE TABLE runner_replicas (
    runner_id TEXT COLLATE "binary" NOT NULL REFERENCES runners (id) ON DELETE CASCADE,
    id        TEXT COLLATE "binary" NOT NULL,
    seen_at   BIGINT NOT NULL,
    PRIMARY KEY (runner_id, id)
);

-- What a runner is asked to try, and what it answered, as JSON. They are deleted after a while.
CREATE TABLE validation_requests (
    id           TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    runner_id    TEXT COLLATE "binary" NOT NULL REFERENCES runners (id) ON DELETE CASCADE,
    subject      TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    taken_at     BIGINT NOT NULL,
    finished_at  BIGINT NOT NULL,
    findings     TEXT NOT NULL
);
CREATE INDEX validation_requests_runner ON validation_requests (runner_id, requested_at);
