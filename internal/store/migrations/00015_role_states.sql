-- What STS answered when each role was last lent. With its validation it is the state of the role.

-- +goose Up

-- When validations began to find that the role works, or does not; 0: not known.
ALTER TABLE validations ADD COLUMN since BIGINT NOT NULL DEFAULT 0;

-- Like a validation, a lending outlives an update of the integration, and says nothing any more once the fingerprint is
-- another.
CREATE TABLE lendings (
    role_id        TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    integration_id TEXT COLLATE "binary" NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    fingerprint    TEXT NOT NULL,
    refused        TEXT NOT NULL,
    message        TEXT NOT NULL,
    request_id     TEXT NOT NULL,
    agent_name     TEXT NOT NULL,
    lent_by        TEXT NOT NULL,
    lent_at        BIGINT NOT NULL,
    since          BIGINT NOT NULL
);
CREATE INDEX lendings_integration ON lendings (integration_id);
