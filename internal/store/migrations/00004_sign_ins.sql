-- People who are signed in to the web app, and links by which they may.

-- +goose Up

CREATE TABLE sign_ins (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    api_key_id TEXT COLLATE "binary" NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    key_hash   BYTEA NOT NULL,
    hash       BYTEA NOT NULL,
    link       BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_ins_api_key ON sign_ins (api_key_id);
CREATE INDEX sign_ins_expires ON sign_ins (expires_at);
