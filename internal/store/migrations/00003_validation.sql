-- What came of trying to assume roles, and external IDs that change.

-- +goose Up

ALTER TABLE integrations ADD COLUMN next_external_id TEXT COLLATE "binary" REFERENCES external_ids (value);
ALTER TABLE integrations ADD COLUMN session_tags BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE integrations ADD COLUMN source_identity BOOLEAN NOT NULL DEFAULT FALSE;
-- When the roles were last validated, or a server last took that upon itself.
ALTER TABLE integrations ADD COLUMN validated_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX integrations_validated ON integrations (validated_at, id) WHERE assumption_mode = 'platform';

-- The external IDs that an integration had are looked up.
CREATE INDEX external_ids_integration ON external_ids (integration_id, reserved_at) WHERE integration_id IS NOT NULL;

-- The last validation of a role. It outlives an update of the integration, in
-- which the rows of its roles are made anew, and says nothing any more once the
-- fingerprint is another.
CREATE TABLE validations (
    role_id        TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    integration_id TEXT COLLATE "binary" NOT NULL REFERENCES integrations (id) ON DELETE CASCADE,
    fingerprint    TEXT NOT NULL,
    status         TEXT NOT NULL,
    code           TEXT NOT NULL,
    message        TEXT NOT NULL,
    hint           TEXT NOT NULL,
    request_id     TEXT NOT NULL,
    checked_at     BIGINT NOT NULL
);
CREATE INDEX validations_integration ON validations (integration_id);
