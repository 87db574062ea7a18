package rolebroker

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// User is a person who signed in through the company's identity provider. The pair of issuer and subject is the person;
// name and e-mail address are what the provider said last, and decide nothing.
type User struct {
	ID      UserID
	Issuer  string // the URL of the identity provider
	Subject string // who it is there: it never changes, and is never given to anyone else
	Name    string // empty: the provider does not say it
	Email   string // likewise

	// Access follows from the groups in which the provider saw the person last. Empty: none of them gives any.
	Access KeyAccess

	Salt      []byte // random: the person's name on loopback follows from it, see LoopbackName
	CreatedAt time.Time
	SeenAt    time.Time // when the provider was asked last
}

// Label is how the person is shown: by the e-mail address, or else by the name or the subject.
func (u *User) Label() string { return cmp.Or(u.Email, u.Name, u.Subject) }

// Caller returns the person as a caller.
func (u *User) Caller() Caller { return Caller{User: u.ID, Name: u.Label(), Access: u.Access} }

// Reference names the person as the subject of an event.
func (u *User) Reference() Subject { return Subject{KindUser, string(u.ID), u.Label()} }

// Facts returns what the identity provider says about the person, and what follows.
func (u *User) Facts() Facts {
	return Facts{"issuer": u.Issuer, "subject": u.Subject, "name": u.Name, "email": u.Email,
		"access": cmp.Or(string(u.Access), "none")}
}

// Person is what the identity provider says about someone who signs in.
type Person struct {
	Issuer, Subject, Name, Email string

	Groups []string

	// Renewal is with what the provider is asked again. Zero: it gave nothing, so the person has to sign in again.
	Renewal Secret
}

// GroupAccess says which groups of the identity provider give which access. A person has the widest one.
type GroupAccess struct{ Admin, Approver, Reader []string }

// Of returns the access of a member of the groups; empty if there is none. Names of groups are compared exactly.
func (g GroupAccess) Of(groups []string) KeyAccess {
	for _, one := range []struct {
		groups []string
		access KeyAccess
	}{{g.Admin, KeyAdmin}, {g.Approver, KeyApprover}, {g.Reader, KeyReadOnly}} {
		for _, group := range groups {
			if slices.Contains(one.groups, group) {
				return one.access
			}
		}
	}
	return ""
}

// maxShown is how many characters of a name from an identity provider are kept.
const maxShown = 200

// Shown returns a name from an identity provider as it is kept and shown: one line of visible characters.
func Shown(name string) string {
	visible := []rune(strings.Join(strings.Fields(Inert(name)), " "))
	return string(visible[:min(len(visible), maxShown)])
}
