-- API keys have owners, and it is known when they were used.

-- +goose Up

-- The API key or the user that made the key, or that an administrator named; empty: unknown.
ALTER TABLE api_keys ADD COLUMN owner TEXT COLLATE "binary" NOT NULL DEFAULT '';

-- To the minute, in milliseconds since 1970; 0: never, or before this was kept.
ALTER TABLE api_keys ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
