package convert

import (
	"cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// User is a person as the management API answers it.
func User(u *rolebroker.User) api.User {
	return api.User{ID: string(u.ID), Issuer: u.Issuer, Subject: u.Subject, Name: u.Name, Email: u.Email,
		Access: cmp.Or(string(u.Access), "none"), CreatedAt: u.CreatedAt.UTC(), SeenAt: u.SeenAt.UTC()}
}
