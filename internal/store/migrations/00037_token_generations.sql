-- How much of an agent's generation comes from tokens that were revoked and service accounts that were unbound. A key for
-- the gateway names its token, so the end of another one does not concern it.

-- +goose Up

ALTER TABLE agents ADD COLUMN token_generation BIGINT NOT NULL DEFAULT 0;
