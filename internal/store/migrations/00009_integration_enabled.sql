-- An integration can be disabled: its roles are then lent to nobody.

-- +goose Up

ALTER TABLE integrations ADD COLUMN enabled BOOLEAN NOT NULL DEFAULT TRUE;
