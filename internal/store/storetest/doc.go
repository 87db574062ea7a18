// Package storetest proves that a store keeps its promises, whatever database
// is under it, and gives tests a real PostgreSQL.
//
// It fakes nothing: where there is no PostgreSQL it fails rather than skips.
//
//	func TestPostgres(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) *store.Store {
//			return storetest.Open(t, storetest.Postgres(t))
//		})
//	}
package storetest
