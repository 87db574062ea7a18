-- Sessions belong to a runner by its ID: a new runner with the name of an earlier one
-- does not get its sessions. The name stays for people to read.

-- +goose Up

ALTER TABLE sessions ADD COLUMN runner_id TEXT COLLATE "binary" NOT NULL DEFAULT '';

-- A session that is older than the runner of its name was another runner's, which
-- was deleted or renamed. No runner has the ID run_unknown.
UPDATE sessions SET runner_id = COALESCE(
    (SELECT id FROM runners WHERE runners.name = sessions.runner AND runners.created_at <= sessions.requested_at),
    'run_unknown')
WHERE runner <> '';

CREATE INDEX sessions_outstanding ON sessions (runner_id, expires_at) WHERE state = 'requested' AND runner_id <> '';

-- The agents that showed a runner their token or service account. A runner learns of no
-- other agent.
CREATE TABLE runner_agents (
    runner_id TEXT COLLATE "binary" NOT NULL REFERENCES runners (id) ON DELETE CASCADE,
    agent_id  TEXT COLLATE "binary" NOT NULL REFERENCES agents (id) ON DELETE CASCADE,
    PRIMARY KEY (runner_id, agent_id)
);
CREATE INDEX runner_agents_agent ON runner_agents (agent_id);
INSERT INTO runner_agents (runner_id, agent_id)
SELECT DISTINCT sessions.runner_id, sessions.agent_id FROM sessions
JOIN runners ON runners.id = sessions.runner_id JOIN agents ON agents.id = sessions.agent_id;
