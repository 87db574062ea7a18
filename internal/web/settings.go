package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// settings has the broker's methods for the platform's identity and API keys.
type settings interface {
	Platform(ctx context.Context, who rolebroker.Caller) (*broker.Platform, error)
	APIKeys(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.APIKey, error)
	CreateAPIKey(
		ctx context.Context, who rolebroker.Caller, spec broker.APIKeySpec,
	) (*rolebroker.APIKey, rolebroker.Secret, error)
	DeleteAPIKey(ctx context.Context, who rolebroker.Caller, id rolebroker.APIKeyID) error
}

// settingsPage shows the platform's AWS identity and the API keys.
type settingsPage struct {
	base
	Asking    bool // AWS has not answered yet
	Identity  rolebroker.Identity
	Principal string          // the ARN by which trust policies name the platform
	Certain   bool            // Principal is certain
	Problem   string          // why the identity is unknown; empty: it is known
	Hint      rolebroker.Hint // what to do about Problem
	Version   string          // of the server

	Keys    []keyRow
	Next    string // the address of the next page of keys; empty on the last
	First   bool   // this is the first page
	Refused string // why a key could not be deleted

	Created  string // the new key, shown once; empty: none was made
	KeyName  string // the name in the form, or of the key that was created
	Access   rolebroker.Access
	Expiry   string // the choice in the form
	KeyFault map[string]string
}

// keyRow is one API key.
type keyRow struct {
	rolebroker.APIKey
	Own              bool // this sign-in uses it
	Expired          bool
	Created, Expires moment
}

// The number of keys on a page, and how long the page waits for AWS.
const (
	maxKeys          = 200
	settingsPatience = time.Second
)

func (s *server) showSettings(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderSettings(w, r, v, http.StatusOK, &settingsPage{Access: rolebroker.AccessReadOnly})
}

// renderSettings fills in the current settings, and renders the page.
func (s *server) renderSettings(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *settingsPage,
) error {
	page.base, page.Version, page.First = s.base(r, v, "Settings",
		"settings"), s.Version, r.URL.Query().Get("after") == ""
	if err := s.identify(r.Context(), v, page); err != nil {
		return err
	}
	found, err := s.Broker.APIKeys(r.Context(), v.who, rolebroker.Page{Limit: maxKeys + 1,
		After: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	if len(found) > maxKeys {
		found = found[:maxKeys]
		page.Next = "/settings?" + url.Values{"after": {string(found[maxKeys-1].ID)}}.Encode()
	}
	for _, key := range found {
		page.Keys = append(page.Keys, keyRow{APIKey: key, Own: key.ID == v.who.APIKey,
			Expired: !key.ExpiresAt.IsZero() && !page.Now.Before(key.ExpiresAt),
			Created: when(key.CreatedAt, page.Now), Expires: when(key.ExpiresAt, page.Now)})
	}
	slices.SortFunc(page.Keys, func(a, b keyRow) int { return strings.Compare(a.Name, b.Name) })
	return s.render(w, status, "settings", page)
}

// identify fills in the platform's AWS identity, or why it is unknown.
func (s *server) identify(ctx context.Context, v *visit, page *settingsPage) error {
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

// createAPIKey answers with the key and not with a redirect, because nothing may store the key for a second request.
func (s *server) createAPIKey(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &settingsPage{KeyName: formValue(r, "name"), Access: rolebroker.Access(formValue(r, "access")),
		Expiry: formValue(r, "expiry")}
	secret, err := s.makeAPIKey(r.Context(), v, page)
	if page.KeyFault = faults(err); page.KeyFault != nil {
		return s.renderSettings(w, r, v, statusOf(err), page)
	}
	if err != nil {
		return err
	}
	page.Created = secret.Reveal()
	return s.renderSettings(w, r, v, http.StatusCreated, page)
}

func (s *server) makeAPIKey(ctx context.Context, v *visit, page *settingsPage) (rolebroker.Secret, error) {
	expires, err := expiryOf(page.Expiry, s.Now())
	if err != nil {
		return rolebroker.Secret{}, err
	}
	_, secret, err := s.Broker.CreateAPIKey(ctx, v.who, broker.APIKeySpec{Name: page.KeyName, Access: page.Access,
		ExpiresAt: expires})
	return secret, err
}

func (s *server) deleteAPIKey(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.DeleteAPIKey(r.Context(), v.who, rolebroker.APIKeyID(r.PathValue("key")))
	if rolebroker.CodeOf(err) == rolebroker.CodeConflict {
		return s.renderSettings(w, r, v, http.StatusConflict,
			&settingsPage{Access: rolebroker.AccessReadOnly, Refused: sentence(rolebroker.AsError(err).Message)})
	}
	if err != nil {
		return err
	}
	return to(w, r, "/settings?done=keydeleted")
}
