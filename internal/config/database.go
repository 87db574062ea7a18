package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
)

// Database is the path of a SQLite file, or a postgres:// URL. Every way of
// printing it replaces a password in the URL with "redacted".
type Database struct{ address string }

// NewDatabase wraps a path or a URL.
func NewDatabase(address string) Database { return Database{address} }

// Reveal returns the path, or the URL with its password, for opening the database.
func (d Database) Reveal() string { return d.address }

// IsPostgres says whether d is the URL of a PostgreSQL database.
func (d Database) IsPostgres() bool {
	scheme, _, ok := strings.Cut(d.address, "://")
	return ok && (scheme == "postgres" || scheme == "postgresql")
}

// Redacted returns the path, or the URL without its password. If a password may be
// in another place, it returns "redacted" only.
func (d Database) Redacted() string {
	if d.isKeywords() {
		return redacted
	}
	if !strings.Contains(d.address, "://") {
		return d.address
	}
	u, err := url.Parse(d.address)
	if err != nil || u.Fragment != "" || strings.Contains(u.User.Username(), ":") ||
		strings.Contains(u.Path+u.RawQuery, "@") {
		return redacted // a password may be in it that was not percent-encoded
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), redacted)
	}
	if hasPassword(u.RawQuery) {
		u.RawQuery = redacted
	}
	return u.String()
}

// HasPassword reports whether d is a URL that may have a password in it.
func (d Database) HasPassword() bool {
	shown := d.Redacted()
	return shown != d.address && strings.Contains(shown, redacted)
}

const redacted = "redacted"

// hasPassword says whether a query may have a password: libpq also takes the
// password, and the passphrase of a key, as parameters.
func hasPassword(query string) bool {
	values, err := url.ParseQuery(query)
	for name := range values {
		if strings.Contains(strings.ToLower(name), "password") {
			return true
		}
	}
	return err != nil
}

// isKeywords says whether d is in libpq's other form, "host=db password=secret", or
// is a URL without slashes. Either would be taken for the name of a file.
//
// Source: PostgreSQL, libpq, "Connection Strings".
func (d Database) isKeywords() bool {
	const form = `(?i)password\s*=|(^|\s)(host|hostaddr|port|user|dbname|service)\s*=|^postgres(ql)?:`
	before, _, _ := strings.Cut(d.address, "://")
	return regexp.MustCompile(form).MatchString(before) // compiled here, so that exec does not pay for it
}

func (d Database) String() string             { return d.Redacted() }
func (d Database) GoString() string           { return d.Redacted() }
func (d Database) Format(f fmt.State, _ rune) { fmt.Fprint(f, d.Redacted()) }
func (d Database) LogValue() slog.Value       { return slog.StringValue(d.Redacted()) }

// MarshalText returns the redacted form.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.Redacted()), nil }

// Set and Type implement [pflag.Value].
func (d *Database) Set(address string) error { d.address = address; return nil }

// Type is its name in the help.
func (d *Database) Type() string { return "path" }

// problem says what is wrong with d, without its password; "" if nothing is.
func (d Database) problem() string {
	if d.address == "" {
		return "is empty; write the path of a SQLite file or a postgres:// URL"
	}
	scheme, _, isURL := strings.Cut(d.address, "://")
	switch {
	case d.isKeywords():
		return "is neither the path of a SQLite file nor a URL; write " + urlForm
	case !isURL:
		return ""
	case !d.IsPostgres():
		return fmt.Sprintf("has the scheme %q; write the path of a SQLite file or a postgres:// URL", scheme)
	}
	if u, err := url.Parse(d.address); err != nil || u.Host == "" && u.Query().Get("host") == "" {
		return "is not a valid URL; write " + urlForm
	}
	return ""
}

const urlForm = "postgres://USER:PASSWORD@HOST:5432/DATABASE, with special characters of the password percent-encoded"
