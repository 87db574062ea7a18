package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Database is the path of a SQLite file or a postgres:// URL. The URL may
// hold a password: every way of printing it shows "redacted" in its place.
type Database struct{ address string }

// NewDatabase wraps a path or a URL.
func NewDatabase(address string) Database { return Database{address} }

// Reveal is the path or URL with its password, for opening the database.
func (d Database) Reveal() string { return d.address }

// IsPostgres says whether it is the URL of a PostgreSQL database.
func (d Database) IsPostgres() bool {
	scheme, _, ok := strings.Cut(d.address, "://")
	return ok && (scheme == "postgres" || scheme == "postgresql")
}

// Redacted is the path, or the URL without its password.
func (d Database) Redacted() string {
	if !strings.Contains(d.address, "://") {
		return d.address
	}
	u, err := url.Parse(d.address)
	if err != nil {
		scheme, _, _ := strings.Cut(d.address, "://")
		return scheme + "://redacted"
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), "redacted")
	}
	// libpq takes a password and the passphrase of a key as parameters too.
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, "redacted")
			u.RawQuery = query.Encode()
		}
	}
	return u.String()
}

func (d Database) String() string             { return d.Redacted() }
func (d Database) GoString() string           { return d.Redacted() }
func (d Database) Format(f fmt.State, _ rune) { fmt.Fprint(f, d.Redacted()) }
func (d Database) LogValue() slog.Value       { return slog.StringValue(d.Redacted()) }

// MarshalText is the redacted form too.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.Redacted()), nil }

// Set and Type make it a flag.
func (d *Database) Set(address string) error { d.address = address; return nil }

// Type is its name in the help.
func (d *Database) Type() string { return "path" }

// problem says what is wrong with it, without repeating the password.
func (d Database) problem() string {
	if d.address == "" {
		return "is empty; write the path of a SQLite file or a postgres:// URL"
	}
	scheme, _, isURL := strings.Cut(d.address, "://")
	switch {
	case !isURL:
		return ""
	case !d.IsPostgres():
		return fmt.Sprintf("has the scheme %q; write the path of a SQLite file or a postgres:// URL", scheme)
	}
	if u, err := url.Parse(d.address); err != nil || u.Host == "" && u.Query().Get("host") == "" {
		return "is not a valid URL; write postgres://USER:PASSWORD@HOST:5432/DATABASE, with special characters of the password percent-encoded"
	}
	return ""
}
