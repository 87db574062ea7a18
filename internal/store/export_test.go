package store

import (
	"context"
	"database/sql"
)

// Statement is a statement, for tests.
type Statement struct {
	Name, Text string
	Postgres   bool
}

// Statements returns all statements.
func Statements() []Statement {
	listSessions() // registers its statements at first use
	listAccessRequests()
	listEvents()
	listCalls()
	var all []Statement
	for _, st := range statements {
		all = append(all, Statement{st.name, st.text(), st.postgres})
	}
	return all
}

// DB returns the pool of the store's writer.
func (s *Store) DB() *sql.DB { return s.writer }

// LoadAsIs puts the rows of a backup into an empty PostgreSQL database, with the schema that the backup has.
func LoadAsIs(ctx context.Context, file, database string) error {
	lite, err := openFile(file, "mode=ro")
	if err != nil {
		return err
	}
	defer lite.Close()
	version, err := schemaOf(ctx, lite)
	if err != nil {
		return err
	}
	config, err := parseURL(database)
	if err != nil {
		return err
	}
	pool := postgresPool(config, nil)
	defer pool.Close()
	if err := (&Store{postgres: true, writer: pool, log: discard}).migrateTo(ctx, version); err != nil {
		return err
	}
	tables, err := tablesOf(ctx, lite)
	if err != nil {
		return err
	}
	return copyTables(ctx, tables, lite, pool, func(string) {})
}

// Waiting returns how many changes wait for a transaction that they share.
func (s *Store) Waiting() int {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	return len(s.group.waiting)
}
