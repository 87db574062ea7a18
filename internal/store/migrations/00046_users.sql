-- People sign in through the company's identity provider.

-- +goose Up

CREATE TABLE users (
    id         TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    issuer     TEXT COLLATE "binary" NOT NULL,
    subject    TEXT COLLATE "binary" NOT NULL,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    -- what the person's groups gave last; empty: nothing
    access     TEXT NOT NULL,
    -- random: the person's name on loopback follows from it
    salt       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    -- when the provider was asked about the person last
    seen_at    BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_subject ON users (issuer, subject);

-- As sign_ins are for API keys.
CREATE TABLE user_sign_ins (
    id           TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    user_id      TEXT COLLATE "binary" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash         BYTEA NOT NULL,
    link         BOOLEAN NOT NULL,
    command_line BOOLEAN NOT NULL,
    -- with what the provider is asked again, encrypted with the secret whose hash this is; empty: nothing
    renewal      BYTEA NOT NULL,
    checked_at   BIGINT NOT NULL,
    check_at     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL
);
CREATE INDEX user_sign_ins_user ON user_sign_ins (user_id);
CREATE INDEX user_sign_ins_expires ON user_sign_ins (expires_at);
