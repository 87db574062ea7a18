-- The hashes that the audit trail needs to grow from a checkpoint. Empty: the
-- checkpoint is of an earlier version.

-- +goose Up

ALTER TABLE audit_checkpoints ADD COLUMN edge TEXT NOT NULL DEFAULT '';
