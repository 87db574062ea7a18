-- Generations, and the end of sessions.
--
-- A generation grows when lending of its subject ends, so that nothing that was
-- lent before is handed out again: when an agent, an integration or a role is
-- disabled, when an agent's token is revoked, and when a person ends sessions.
-- The generation of a connection is the version that the agent got with it.

-- +goose Up

ALTER TABLE agents ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE connections ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE integrations ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

-- The generations of roles for one agent. A role is replaced when its integration
-- changes, so nothing refers to it.
CREATE TABLE endings (
    agent_id   TEXT COLLATE "binary" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    role_id    TEXT COLLATE "binary" NOT NULL,
    generation BIGINT NOT NULL,
    PRIMARY KEY (agent_id, role_id)
);

-- When a person ended the session, and who; 0 and empty: nobody did.
ALTER TABLE sessions ADD COLUMN ended_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN ended_by TEXT NOT NULL DEFAULT '';
