-- Sessions are listed by integration/role, as tables and messages show a role.

-- +goose Up

CREATE INDEX sessions_role ON sessions (integration_name, role_name, requested_at, id);
