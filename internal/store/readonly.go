package store

import "context"

// OpenToRead opens a database that exists, also while servers use it, for methods that only read. It changes no schema.
// Codes: not_found (there is no database), unavailable.
func OpenToRead(ctx context.Context, o Options) (*Store, error) {
	s := &Store{postgres: isPostgres(o.Database), log: discard}
	if err := s.openToRead(ctx, o); err != nil {
		s.Close()
		return nil, openError(o.Database, err)
	}
	return s, nil
}

func (s *Store) openToRead(ctx context.Context, o Options) (err error) {
	if !s.postgres {
		if s.reader, err = openExisting(o.Database); err != nil {
			return err
		}
	} else {
		config, err := parseURL(o.Database)
		if err != nil {
			return err
		}
		s.reader = postgresPool(config, o.Password)
	}
	_, err = schemaOf(ctx, s.reader)
	return err
}
