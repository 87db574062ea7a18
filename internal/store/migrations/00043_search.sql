-- Integrations are found by their roles and listed by their state, and everything is found by its IDs in AWS.

-- +goose Up

CREATE INDEX sessions_access_key ON sessions (access_key_id COLLATE "binary") WHERE access_key_id <> '';
CREATE INDEX calls_request ON calls (request_id) WHERE request_id <> '';
CREATE INDEX tokens_ending ON tokens (expires_at) WHERE expires_at > 0 AND revoked_at = 0 AND issuer = '';
CREATE INDEX agents_cut_off ON agents (cut_off_at) WHERE cut_off_at > 0;

-- role_search is what a search compares of the roles: of each, a line with its name and one with the account, the path and
-- the name in its ARN, in lower case. status is the worst state of the enabled roles: failed, unknown, warning or
-- assumable. A validation or a loan of a role as it was before its last change counts no more, and a loan contradicts no
-- validation that only misses the external ID.
ALTER TABLE integrations ADD COLUMN role_search TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE integrations ADD COLUMN status TEXT COLLATE "binary" NOT NULL DEFAULT 'unknown';
UPDATE integrations SET role_search = COALESCE((
    SELECT string_agg(lower(r.name) || '
' || replace(lower(ltrim(r.arn, 'abcdefghijklmnopqrstuvwxyz-:') COLLATE "binary"), ':role/', ':/'), '
' ORDER BY r.position) FROM roles AS r WHERE r.integration_id = integrations.id), ''), status = (
    SELECT CASE MIN(CASE
            WHEN v.status IS NULL AND l.role_id IS NULL THEN 1
            WHEN l.role_id IS NULL OR v.status <> 'unknown' AND l.lent_at <= v.checked_at
                OR v.code = 'external_id_not_required' AND l.refused = ''
                THEN CASE v.status WHEN 'failed' THEN 0 WHEN 'warning' THEN 2 WHEN 'assumable' THEN 3 ELSE 1 END
            WHEN l.refused <> '' THEN 0
            WHEN v.status = 'warning' THEN 2
            ELSE 3 END)
        WHEN 0 THEN 'failed' WHEN 2 THEN 'warning' WHEN 3 THEN 'assumable' ELSE 'unknown' END
    FROM (
        SELECT r.id, integrations.assumption_mode || COALESCE(' ' || integrations.runner_id, '') || '|' || r.arn || '|'
            || r.region || '|' || CASE r.session_duration WHEN 0 THEN 3600000 ELSE r.session_duration END || '|'
            || integrations.external_id || '|' || CASE WHEN integrations.session_tags THEN 'true|' ELSE 'false|' END
            || CASE WHEN integrations.source_identity THEN 'true' ELSE 'false' END AS fingerprint
        FROM roles AS r WHERE r.integration_id = integrations.id AND r.enabled) AS r
    LEFT JOIN validations AS v ON v.role_id = r.id AND v.fingerprint = r.fingerprint
    LEFT JOIN lendings AS l ON l.role_id = r.id AND l.fingerprint = r.fingerprint);
CREATE INDEX integrations_status ON integrations (status, name);
