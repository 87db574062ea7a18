// Package store persists integrations, agents, tokens, API keys, runners and
// sessions in SQLite or in PostgreSQL.
//
// It checks no permissions, makes no secrets, fills in no defaults and reads no
// clock. It enforces what only a database can: unique names, valid references,
// updates only of the expected version, and durability of what it acknowledged.
// Tokens and keys reach it as hashes; credentials never reach it.
//
//	s, err := store.Open(ctx, store.Options{Database: "rolebroker.db"}) // or "postgres://…"
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	s.Subscribe(cache.Forget)
//	grants, err := s.Grants(ctx, agent)
//
// Both engines run the same SQL. Every statement is registered, so that a test
// can prepare all of them on both. The few differences have their own files:
// sqlite.go, postgres.go and listen.go.
//
// A SQLite file belongs to one server at a time, which a lock file next to it
// enforces. Any number of servers may share a PostgreSQL database: each receives
// the others' changes, and Watching says whether it does.
package store
