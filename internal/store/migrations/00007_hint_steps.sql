-- The steps of a hint, as JSON; hint is the same as text. Empty: only the text
-- is known.

-- +goose Up

ALTER TABLE validations ADD COLUMN hint_steps TEXT NOT NULL DEFAULT '';
