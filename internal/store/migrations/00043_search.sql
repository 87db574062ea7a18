-- Integrations are found by their roles and listed by their state, and everything is found by its IDs in AWS.

-- +goose Up

-- What a search compares of the roles: of each, a line with its name and one with the account, the path and the name in
-- its ARN, in lower case.
ALTER TABLE integrations ADD COLUMN role_search TEXT COLLATE "binary" NOT NULL DEFAULT '';
UPDATE integrations SET role_search = COALESCE((
    SELECT string_agg(lower(r.name) || '
' || replace(lower(substr(ltrim(r.arn, 'abcdefghijklmnopqrstuvwxyz-:'), 1)), ':role/', ':/'), '
') FROM roles AS r WHERE r.integration_id = integrations.id), '');

-- The worst state of the enabled roles: failed, unknown, warning or assumable.
ALTER TABLE integrations ADD COLUMN status TEXT COLLATE "binary" NOT NULL DEFAULT 'unknown';
UPDATE integrations SET status = (
    SELECT CASE MIN(CASE
            WHEN v.status IS NULL AND l.role_id IS NULL THEN 1
            WHEN l.role_id IS NULL OR v.status <> 'unknown' AND l.lent_at <= v.checked_at
                THEN CASE v.status WHEN 'failed' THEN 0 WHEN 'warning' THEN 2 WHEN 'assumable' THEN 3 ELSE 1 END
            WHEN l.refused <> '' THEN 0
            WHEN v.status = 'warning' THEN 2
            ELSE 3 END)
        WHEN 0 THEN 'failed' WHEN 2 THEN 'warning' WHEN 3 THEN 'assumable' ELSE 'unknown' END
    FROM roles AS r
    LEFT JOIN validations AS v ON v.role_id = r.id
    LEFT JOIN lendings AS l ON l.role_id = r.id
    WHERE r.integration_id = integrations.id AND r.enabled);
CREATE INDEX integrations_status ON integrations (status, name);

CREATE INDEX sessions_access_key ON sessions (access_key_id COLLATE "binary") WHERE access_key_id <> '';
CREATE INDEX calls_request ON calls (request_id) WHERE request_id <> '';
CREATE INDEX tokens_ending ON tokens (expires_at) WHERE expires_at > 0 AND revoked_at = 0 AND issuer = '';
CREATE INDEX agents_cut_off ON agents (cut_off_at) WHERE cut_off_at > 0;
