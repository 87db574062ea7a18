// Package storetest is the conformance suite of stores, for every engine, and
// makes databases for tests: SQLite files, and databases on a real PostgreSQL.
//
// It uses no fakes and skips nothing: without PostgreSQL, tests fail.
//
//	func TestPostgres(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) *store.Store {
//			return storetest.Open(t, storetest.Postgres(t))
//		})
//	}
package storetest
