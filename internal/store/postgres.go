package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/rolebroker/rolebroker"
)

const (
	postgresConnections = 16
	postgresIdle        = 4
	connectTimeout      = 5 * time.Second
)

func (s *Store) openPostgres(ctx context.Context, o Options) error {
	config, err := parseURL(o.Database)
	if err != nil {
		return err
	}
	s.writer = postgresPool(config, o.Password)
	s.reader = s.writer
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.listener, err = listen(ctx, config, withPassword(o.Password), s.writer, s.server, s.publish, s.log, o.lockWait())
	return err
}

// postgresPool makes a pool of connections, and completes their configuration.
func postgresPool(config *pgx.ConnConfig, password func() (rolebroker.Secret, error)) *sql.DB {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "rolebroker"
	}
	pool := stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(withPassword(password)))
	pool.SetMaxOpenConns(postgresConnections)
	pool.SetMaxIdleConns(postgresIdle)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return pool
}

// withPassword returns a function that sets the password of a connection that is about to be made.
func withPassword(read func() (rolebroker.Secret, error)) func(context.Context, *pgx.ConnConfig) error {
	return func(_ context.Context, config *pgx.ConnConfig) error {
		if read == nil {
			return nil
		}
		password, err := read()
		if err != nil {
			return fmt.Errorf("reading the password of the database: %w", err)
		}
		if !password.IsZero() {
			config.Password = password.Reveal()
		}
		return nil
	}
}

// parseURL parses the URL. Its errors quote no part of a URL in which the
// password cannot be located, and do not wrap the driver's error, whose chain
// holds the whole URL.
func parseURL(database string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(database)
	if err != nil || strings.Contains(u.EscapedPath()+u.RawQuery+u.EscapedFragment(), "@") {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid,
			"the URL of the database cannot be read; it has the form postgres://user:password@host:5432/name").
			WithHint("write characters like @ / ? # %% in the password as %%40 %%2F %%3F %%23 %%25")
	}
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "the URL of the database is not valid: %s", err)
	}
	return config, nil
}
