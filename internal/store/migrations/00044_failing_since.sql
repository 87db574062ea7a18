-- Integrations that fail are listed by when their newest trouble began.

-- +goose Up

-- In milliseconds since 1970; 0: the integration does not fail, or it is not known. A trouble is what fails for one
-- cause, and begins with the first of its roles.
ALTER TABLE integrations ADD COLUMN failing_since BIGINT NOT NULL DEFAULT 0;
UPDATE integrations SET failing_since = COALESCE((
    SELECT MAX(CASE WHEN l.refused <> '' AND l.since > COALESCE(v.since, 0) THEN l.since ELSE v.since END)
    FROM roles AS r
    LEFT JOIN validations AS v ON v.role_id = r.id
    LEFT JOIN lendings AS l ON l.role_id = r.id
    WHERE r.integration_id = integrations.id AND r.enabled AND (v.status = 'failed' OR l.refused <> '')), 0)
WHERE status = 'failed';
CREATE INDEX integrations_failing ON integrations (status, enabled, failing_since DESC, name);
