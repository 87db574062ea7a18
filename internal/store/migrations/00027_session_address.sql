-- A session records the IP address that its agent asked from.

-- +goose Up

-- Empty in sessions of earlier versions.
ALTER TABLE sessions ADD COLUMN address TEXT COLLATE "binary" NOT NULL DEFAULT '';
