-- A binding is of one service account, of every one in a namespace, whose name is
-- then *, or of those there that have the labels.

-- +goose Up

ALTER TABLE tokens ADD COLUMN labels TEXT COLLATE "binary" NOT NULL DEFAULT '';
DROP INDEX tokens_account;
CREATE UNIQUE INDEX tokens_account ON tokens (issuer, namespace, service_account, labels) WHERE issuer <> '';
