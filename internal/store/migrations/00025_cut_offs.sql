-- When an agent was cut off, by whom and why, until it is enabled again.

-- +goose Up

ALTER TABLE agents ADD COLUMN cut_off_at BIGINT NOT NULL DEFAULT 0; -- 0: it is not cut off
ALTER TABLE agents ADD COLUMN cut_off_by TEXT NOT NULL DEFAULT '';
ALTER TABLE agents ADD COLUMN cut_off_reason TEXT NOT NULL DEFAULT '';
