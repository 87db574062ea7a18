package store

import "database/sql"

// Statement is a statement as the tests see it.
type Statement struct {
	Name, Text string
	Postgres   bool
}

// Statements is all there are.
func Statements() []Statement {
	listSessions() // registers its statements at first use
	var all []Statement
	for _, st := range statements {
		all = append(all, Statement{st.name, st.text(), st.postgres})
	}
	return all
}

// DB is the pool that tests look behind the store with.
func (s *Store) DB() *sql.DB { return s.writer }
