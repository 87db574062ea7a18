-- A session says whether its keys left the server.

-- +goose Up

-- lent: the agent was handed AWS keys. withheld: only the gateway signed with them. Empty in sessions of
-- earlier versions.
ALTER TABLE sessions ADD COLUMN keys TEXT COLLATE "binary" NOT NULL DEFAULT '';
