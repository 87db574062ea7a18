// Package store remembers integrations, agents, tokens, API keys and sessions,
// in SQLite or in PostgreSQL.
//
// It is dumb on purpose: it checks no permission, makes no secret, fills in no
// default and reads no clock. What it does enforce is what only a database
// can: that names are unique, that references hold, that a change is made to
// the version its maker saw, and that what it acknowledged is still there
// after a crash. Tokens and keys reach it as hashes, credentials never do.
//
//	s, err := store.Open(ctx, store.Options{Database: "rolebroker.db"}) // or "postgres://…"
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	s.Subscribe(cache.Forget)
//	grants, err := s.Grants(ctx, agent)
//
// One SQL text serves both engines; every statement is made with newStatement,
// so a test can prepare all of them on both. The differences are few and have
// a file each: sqlite.go, postgres.go, listen.go.
//
// SQLite belongs to one server at a time, which a lock on a file next to the
// database sees to. Any number of servers share a PostgreSQL; each hears of
// the others' changes, and Watching says whether it does.
package store
