package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// settings is the part of the broker that has the deployment's identity and API
// keys.
type settings interface {
	Platform(ctx context.Context, who rolebroker.Caller) (*broker.Platform, error)
	APIKeys(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.APIKey, error)
	CreateAPIKey(ctx context.Context, who rolebroker.Caller,
		spec broker.APIKeySpec) (*rolebroker.APIKey, rolebroker.Secret, error)
	DeleteAPIKey(ctx context.Context, who rolebroker.Caller, id rolebroker.APIKeyID) error
	Users(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.User, error)
}

// settingsPage is the deployment: its AWS identity and its API keys.
type settingsPage struct {
	list
	Asking    bool // AWS has not answered yet
	Identity  rolebroker.Identity
	Principal string          // that trust policies name
	Certain   bool            // Principal is certain: it has no path that AWS does not say
	Problem   string          // why the identity is not known; empty if it is
	Hint      rolebroker.Hint // what to do about the problem
	Version   string          // of the server

	People     []personRow
	MorePeople bool   // there are some that are not shown
	Through    string // the host of the identity provider; empty: there is none

	Keys    []keyRow
	Refused string // why a key could not be deleted

	Request string // the access request from whose page the person came; empty: they came from elsewhere
	Inbox   string // the address that an approver opens

	Created string // a new key, which is never shown again; empty: none was made
	KeyName string // of a new key, as it was typed
	Access  rolebroker.KeyAccess
	Expiry  string // as it was chosen
	Errors  map[string]string
}

// keyRow is one API key.
type keyRow struct {
	rolebroker.APIKey
	Own              bool // the person who sees the page is signed in with it
	Expired          bool
	Created, Expires moment
	Used             moment
}

// onlyApprover reports whether nobody but the API key or the person with an ID may approve access requests. Empty:
// there is none.
func (s *server) onlyApprover(ctx context.Context, v *visit, owner rolebroker.PrincipalID) (bool, error) {
	keys, err := readAll(ctx, v, func(k *rolebroker.APIKey) string { return string(k.ID) }, s.Broker.APIKeys)
	if err != nil {
		return false, err
	}
	users, err := readAll(ctx, v, func(u *rolebroker.User) string { return string(u.ID) }, s.Broker.Users)
	now := s.Now()
	return err == nil && !slices.ContainsFunc(keys, func(k rolebroker.APIKey) bool {
		expired := !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
		return rolebroker.PrincipalID(k.ID) != owner && !expired &&
			rolebroker.Caller{Access: k.Access}.MayDecide() == nil
	}) && !slices.ContainsFunc(users, func(u rolebroker.User) bool {
		return rolebroker.PrincipalID(u.ID) != owner && u.Caller().MayDecide() == nil
	}), err
}

// personRow is one person who signed in.
type personRow struct {
	rolebroker.User
	Own  bool // it is the person who sees the page
	Seen moment
}

// maxPeople is how many people the page shows.
const maxPeople = 200

// addPeople adds the people who signed in.
func (s *server) addPeople(ctx context.Context, v *visit, page *settingsPage) error {
	if s.Provider != nil {
		page.Through = hostOf(s.Provider.Issuer())
	}
	found, err := s.Broker.Users(ctx, v.who, rolebroker.Page{Limit: maxPeople + 1})
	if err != nil {
		return err
	}
	found, page.MorePeople = cut(found, maxPeople)
	for _, user := range found {
		page.People = append(page.People, personRow{user, user.ID == v.who.User, when(user.SeenAt, page.Now)})
	}
	slices.SortFunc(page.People, func(a, b personRow) int { return strings.Compare(a.Label(), b.Label()) })
	return nil
}

// settingsPatience is how long the page waits for AWS.
const settingsPatience = time.Second

func (s *server) showSettings(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &settingsPage{Access: rolebroker.KeyReadOnly, Request: askedFor(r.URL.Query().Get("request"))}
	if r.URL.Query().Get("access") == string(rolebroker.KeyApprover) {
		page.Access = rolebroker.KeyApprover
	}
	if shown := s.takeOnce(w, r); shown != nil {
		page.Created, page.KeyName, page.Access = shown.Secret, shown.Name, rolebroker.KeyAccess(shown.Access)
		page.Request, page.Inbox = askedFor(shown.Request), s.address(r).URL+inboxPath
	}
	return s.renderSettings(w, r, v, http.StatusOK, page)
}

// askedFor is the ID of an access request; empty: the text is none.
func askedFor(id string) string {
	if !rolebroker.IsAccessRequestID(id) {
		return ""
	}
	return id
}

// renderSettings adds to the page the settings as they are now, and shows it.
func (s *server) renderSettings(
	w http.ResponseWriter,
	r *http.Request,
	v *visit,
	status int,
	page *settingsPage,
) error {
	page.base, page.Version = s.base(r, v, "Settings", "settings"), s.Version
	page.Path, page.Noun, page.Plural, page.After = "/settings", "API key", "API keys", r.URL.Query().Get("after")
	if err := s.addIdentity(r.Context(), v, page); err != nil {
		return err
	}
	if err := s.addPeople(r.Context(), v, page); err != nil {
		return err
	}
	page.Of = "API keys"
	at := func(after string) string { return addressOf("/settings", "after", after) + "#keys" }
	found, err := readPage(&page.paging, pageSize, at, func(key *rolebroker.APIKey) string { return string(key.ID) },
		func(p rolebroker.Page) ([]rolebroker.APIKey, error) { return s.Broker.APIKeys(r.Context(), v.who, p) })
	if err != nil {
		return err
	}
	for _, key := range found {
		page.Keys = append(page.Keys, keyRow{
			APIKey:  key,
			Own:     key.ID == v.who.APIKey,
			Expired: !key.ExpiresAt.IsZero() && !page.Now.Before(key.ExpiresAt),
			Created: when(key.CreatedAt, page.Now),
			Expires: when(key.ExpiresAt, page.Now),
			Used:    when(key.UsedAt, page.Now),
		})
	}
	slices.SortFunc(page.Keys, func(a, b keyRow) int { return strings.Compare(a.Name, b.Name) })
	return s.render(w, status, "settings", page)
}

// addIdentity adds the platform's AWS identity, or why it is not known.
func (s *server) addIdentity(ctx context.Context, v *visit, page *settingsPage) error {
	ctx, cancel := context.WithTimeout(ctx, settingsPatience)
	defer cancel()
	platform, err := s.Broker.Platform(ctx, v.who)
	if rolebroker.CodeOf(err) == rolebroker.CodeUnavailable {
		page.Asking = true
		return nil
	}
	if err != nil {
		return err
	}
	if platform.Err != nil {
		e := rolebroker.AsError(platform.Err)
		page.Problem, page.Hint = sentence(e.Message), e.Hint
		return nil
	}
	page.Identity = platform.Identity
	page.Principal, page.Certain = platform.Principal()
	return nil
}

// createAPIKey makes an API key and redirects to the page that shows it.
func (s *server) createAPIKey(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &settingsPage{
		KeyName: formValue(r, "name"),
		Access:  rolebroker.KeyAccess(formValue(r, "access")),
		Expiry:  formValue(r, "expiry"),
		Request: askedFor(formValue(r, "request")),
	}
	secret, err := s.makeAPIKey(r.Context(), v, page)
	if page.Errors = fieldErrors(err); page.Errors != nil {
		return s.renderSettings(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	return s.toOnce(w, r, "/settings", once{Secret: secret.Reveal(), Name: page.KeyName, Access: string(page.Access),
		Request: page.Request})
}

func (s *server) makeAPIKey(ctx context.Context, v *visit, page *settingsPage) (rolebroker.Secret, error) {
	expires, err := expiryOf(page.Expiry, s.Now())
	if err != nil {
		return rolebroker.Secret{}, err
	}
	spec := broker.APIKeySpec{Name: page.KeyName, Access: page.Access, ExpiresAt: expires}
	_, secret, err := s.Broker.CreateAPIKey(ctx, v.who, spec)
	return secret, err
}

func (s *server) deleteAPIKey(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.DeleteAPIKey(r.Context(), v.who, rolebroker.APIKeyID(r.PathValue("key")))
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		page := &settingsPage{Access: rolebroker.KeyReadOnly, Refused: sentence(rolebroker.AsError(err).Message)}
		return s.renderSettings(w, r, v, http.StatusConflict, page)
	}
	if err != nil {
		return err
	}
	return toDone(w, r, "/settings", "keydeleted")
}
