-- Runners, which assume roles in customers' clusters, and the service accounts
-- there that are agents.

-- +goose Up

CREATE TABLE runners (
    id              TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    name            TEXT COLLATE "binary" NOT NULL UNIQUE,
    description     TEXT NOT NULL,
    issuer          TEXT COLLATE "binary" NOT NULL,
    version         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    joined_at       BIGINT NOT NULL,
    seen_at         BIGINT NOT NULL,
    program         TEXT NOT NULL,
    method          TEXT NOT NULL,
    account         TEXT NOT NULL,
    arn             TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    identity_error  TEXT NOT NULL,
    reported_issuer TEXT NOT NULL,
    pending         BIGINT NOT NULL
);
-- One runner is believed about the service accounts of a cluster.
CREATE UNIQUE INDEX runners_issuer ON runners (issuer) WHERE issuer <> '';

-- Credentials of runners, and the tokens with which they join.
CREATE TABLE runner_keys (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    runner_id  TEXT COLLATE "binary" NOT NULL REFERENCES runners (id) ON DELETE CASCADE,
    is_join    BOOLEAN NOT NULL,
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);
CREATE INDEX runner_keys_runner ON runner_keys (runner_id);

-- A runner stays while an integration names it.
ALTER TABLE integrations ADD COLUMN runner_id TEXT COLLATE "binary" REFERENCES runners (id);
CREATE INDEX integrations_runner ON integrations (runner_id) WHERE runner_id IS NOT NULL;

-- A service account that an agent is bound to is a token without a hash, whose
-- ID begins with bnd_. It is bound to one agent only.
ALTER TABLE tokens ADD COLUMN issuer TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN namespace TEXT COLLATE "binary" NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN service_account TEXT COLLATE "binary" NOT NULL DEFAULT '';
CREATE UNIQUE INDEX tokens_account ON tokens (issuer, namespace, service_account) WHERE issuer <> '';

-- Who did it: the runner's name at the time; empty: a server.
ALTER TABLE sessions ADD COLUMN runner TEXT NOT NULL DEFAULT '';
ALTER TABLE validations ADD COLUMN checked_by TEXT NOT NULL DEFAULT '';
