-- External IDs can be looked at and given back, by an ID that can stand in a
-- URL. Those that were reserved before have none.

-- +goose Up

ALTER TABLE external_ids ADD COLUMN id TEXT COLLATE "binary";
CREATE UNIQUE INDEX external_ids_id ON external_ids (id);
