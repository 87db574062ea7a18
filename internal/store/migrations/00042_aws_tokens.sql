-- Calls that were signed for an agent as an AWS token.

-- +goose Up

-- When AWS stops to accept the token, in milliseconds since 1970; 0: the gateway
-- sent the call itself.
ALTER TABLE calls ADD COLUMN valid_until BIGINT NOT NULL DEFAULT 0;
