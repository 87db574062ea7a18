package store

import "database/sql"

// Statement is a statement, for tests.
type Statement struct {
	Name, Text string
	Postgres   bool
}

// Statements returns all statements.
func Statements() []Statement {
	listSessions() // registers its statements at first use
	var all []Statement
	for _, st := range statements {
		all = append(all, Statement{st.name, st.text(), st.postgres})
	}
	return all
}

// DB returns the pool of the store's writer.
func (s *Store) DB() *sql.DB { return s.writer }
