-- What each cut-off did, and the deny policies that the server puts on roles.

-- +goose Up

-- Nothing is lent to a cut-off agent until it is enabled, whether a person disabled
-- it besides or not.
ALTER TABLE agents ADD COLUMN cut_off_disabled BOOLEAN NOT NULL DEFAULT FALSE;

-- Cut-offs outlive their agents. roles is JSON; empty: everything.
CREATE TABLE cut_offs (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    agent_id   TEXT COLLATE "binary" NOT NULL,
    agent_name TEXT COLLATE "binary" NOT NULL,
    roles      TEXT COLLATE "binary" NOT NULL,
    cut_at     BIGINT NOT NULL,
    cut_by     TEXT COLLATE "binary" NOT NULL,
    reason     TEXT COLLATE "binary" NOT NULL,
    sessions   BIGINT NOT NULL,
    requests   BIGINT NOT NULL
);
CREATE INDEX cut_offs_of_agents ON cut_offs (agent_id, cut_at);

-- session_id is empty if the policy denies all sessions of the agent. integrations
-- are the IDs of those that lent the role, and called what they call it, each
-- separated by spaces.
CREATE TABLE deny_policies (
    role_arn      TEXT COLLATE "binary" NOT NULL,
    policy        TEXT COLLATE "binary" NOT NULL,
    agent_id      TEXT COLLATE "binary" NOT NULL,
    session_id    TEXT COLLATE "binary" NOT NULL,
    integrations  TEXT COLLATE "binary" NOT NULL,
    called        TEXT COLLATE "binary" NOT NULL,
    issued_before BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    state         TEXT COLLATE "binary" NOT NULL,
    problem       TEXT COLLATE "binary" NOT NULL,
    changed_at    BIGINT NOT NULL,
    changed_by    TEXT COLLATE "binary" NOT NULL,
    PRIMARY KEY (role_arn, policy)
);
CREATE INDEX deny_policies_of_agents ON deny_policies (agent_id);
