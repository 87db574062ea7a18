package openid

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/rolebroker/rolebroker"
)

// Check asks the provider whether it knows this server, so that a wrong setting shows before the first sign-in: whether
// it is the issuer, and accepts the client, its secret, the redirect URL and the scopes. What it finds it logs too.
// Codes: unavailable.
func (p *Provider) Check(ctx context.Context) error {
	attempt := NewAttempt()
	at, err := p.URL(ctx, attempt.Ask(p.Redirect))
	if err != nil {
		return err
	}
	if err := p.checkURL(ctx, at); err != nil {
		return err
	}
	client, _, err := p.client(ctx, false, p.Redirect)
	if err != nil {
		return err
	}
	// A code that is none: a provider that accepts the client refuses the code.
	_, err = client.Exchange(p.context(ctx), "rolebroker-checks-its-settings",
		oauth2.VerifierOption(attempt.Verifier()))
	answer := (*oauth2.RetrieveError)(nil)
	if errors.As(err, &answer) && (answer.ErrorCode == "invalid_client" || answer.ErrorCode == "unauthorized_client" ||
		answer.ErrorCode == "" && answer.Response.StatusCode == http.StatusUnauthorized) {
		return p.wrong("--oidc-client-id or --oidc-client-secret-file",
			"the identity provider does not accept this server’s client ID or secret")
	}
	return nil
}

// maxRedirects is how far the provider is followed on its own host.
const maxRedirects = 5

// checkURL opens the page to which people are sent, as far as nobody has to sign in.
func (p *Provider) checkURL(ctx context.Context, at string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"&prompt=none", nil)
	if err != nil {
		return p.notFound(err)
	}
	stay := *p.HTTPClient
	stay.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if next.URL.Host != r.URL.Host || len(via) >= maxRedirects || strings.HasPrefix(next.URL.String(), p.Redirect) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	answer, err := stay.Do(r)
	if err != nil {
		return p.notFound(err)
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	switch back := answer.Header.Get("Location"); {
	case answer.StatusCode >= 500:
		return p.notFound(errors.New(answer.Status))
	case answer.StatusCode >= 400:
		return p.wrong("--oidc-client-id, or --public-url", "the identity provider knows no client "+p.ClientID+
			" that comes back to "+p.Redirect+"; register exactly this redirect URL there")
	case strings.HasPrefix(back, p.Redirect+"?"):
		u, err := url.Parse(back)
		if err != nil {
			return p.notFound(err)
		}
		return p.comesBack(u.Query().Get("error"))
	}
	return nil
}

// comesBack judges the error of an answer to prompt=none, which nobody can be signed in for.
func (p *Provider) comesBack(code string) error {
	expected := []string{"", "login_required", "interaction_required", "consent_required", "account_selection_required"}
	switch {
	case slices.Contains(expected, code):
		return nil
	case code == "invalid_scope":
		return p.wrong("--oidc-scopes", "the identity provider does not accept the scopes")
	}
	return p.Refusal(code)
}

// Refusal returns the error for what the provider sent a person back with instead of a code.
func (p *Provider) Refusal(code string) error {
	switch code {
	case "access_denied":
		return rolebroker.Errorf(rolebroker.CodeUnauthenticated, "the identity provider did not let you in")
	case "unauthorized_client", "invalid_client", "unsupported_response_type", "invalid_request":
		return p.wrong("--oidc-client-id", "the identity provider refuses this server as a client ("+code+")")
	case "invalid_scope":
		return p.wrong("--oidc-scopes", "the identity provider does not accept the scopes")
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the identity provider could not sign you in").
		WithHint("try again soon; an API key works meanwhile")
}
