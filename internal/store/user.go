package store

import (
	"context"

	"github.com/rolebroker/rolebroker"
)

const (
	userColumns = `id, issuer, subject, name, email, access, salt, created_at, seen_at`

	// userLabel is the label of a user u, as User.Label makes it.
	userLabel = `COALESCE(NULLIF(u.email, ''), NULLIF(u.name, ''), u.subject)`
)

var (
	userByID      = newStatement("userByID", `SELECT `+userColumns+` FROM users WHERE id = $1`)
	userBySubject = newStatement("userBySubject",
		`SELECT `+userColumns+` FROM users WHERE issuer = $1 AND subject = $2`)
	listUsers = newStatement("listUsers", `SELECT `+userColumns+` FROM users WHERE id > $1 ORDER BY id LIMIT $2`)
	putUser   = newStatement("putUser", `
		INSERT INTO users (`+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, access = excluded.access,
			seen_at = excluded.seen_at`)
)

// User returns a user by ID. Codes: not_found.
func (s *Store) User(ctx context.Context, id rolebroker.UserID) (*rolebroker.User, error) {
	return s.oneUser(ctx, string(id), userByID, id)
}

// UserOf returns the user who is the subject of an issuer. Codes: not_found.
func (s *Store) UserOf(ctx context.Context, issuer, subject string) (*rolebroker.User, error) {
	return s.oneUser(ctx, subject, userBySubject, issuer, subject)
}

func (s *Store) oneUser(ctx context.Context, named string, st *statement, args ...any) (*rolebroker.User, error) {
	found, err := s.users(ctx, st, args...)
	if err == nil && len(found) == 0 {
		err = notFound("user", named)
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

// Users lists users by ID.
func (s *Store) Users(ctx context.Context, page rolebroker.Page) ([]rolebroker.User, error) {
	return s.users(ctx, listUsers, page.After, max(page.Limit, 0))
}

func (s *Store) users(ctx context.Context, st *statement, args ...any) (found []rolebroker.User, err error) {
	err = s.query(ctx, st, func(scan scan) error {
		var u rolebroker.User
		err := scan(&u.ID, &u.Issuer, &u.Subject, &u.Name, &u.Email, &u.Access, &u.Salt, timeColumn{&u.CreatedAt},
			timeColumn{&u.SeenAt})
		found = append(found, u)
		return err
	}, args...)
	return found, err
}

// PutUser stores u, or what changes of a user who is there already: name, e-mail address, access and when the provider
// was asked. The event may be nil. Codes: conflict (another user is that subject).
func (s *Store) PutUser(ctx context.Context, u *rolebroker.User, event *rolebroker.AuditEvent) error {
	err := s.change(ctx, func(ctx context.Context, tx *tx) error {
		_, err := tx.exec(ctx, putUser, u.ID, u.Issuer, u.Subject, clean(u.Name), clean(u.Email), u.Access,
			hash(u.Salt),
			millis(u.CreatedAt), millis(u.SeenAt))
		if err != nil || event == nil {
			return err
		}
		return tx.record(ctx, *event)
	})
	return duplicate(err, "a", "user", u.Subject, string(u.ID))
}
