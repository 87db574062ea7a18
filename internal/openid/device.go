package openid

import (
	"context"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/rolebroker/rolebroker"
)

// Device is a sign-in of a command line without a browser: a person opens a page of the provider in any browser, and
// compares or types a code.
type Device struct {
	Code     rolebroker.Secret // with which the command line asks for the outcome
	UserCode string            // which the person sees
	URL      string            // of the page
	FullURL  string            // of the page with the code in it; may be empty
	Interval time.Duration     // between two questions
	Expires  time.Time
}

// BeginDevice begins a sign-in by a device code. Codes: unavailable.
func (p *Provider) BeginDevice(ctx context.Context) (*Device, error) {
	client, _, err := p.client(ctx, true, "")
	if err != nil {
		return nil, err
	}
	if client.Endpoint.DeviceAuthURL == "" {
		return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "the identity provider has no device codes").
			WithHint("sign in with a browser on this machine: rolebroker login")
	}
	begun, err := client.DeviceAuth(p.context(ctx))
	if err != nil {
		return nil, p.refused(err, "the identity provider gives this server no device codes")
	}
	return &Device{Code: rolebroker.NewSecret(begun.DeviceCode), UserCode: begun.UserCode, URL: begun.VerificationURI,
		FullURL: begun.VerificationURIComplete, Interval: time.Duration(begun.Interval) * time.Second,
		Expires: begun.Expiry}, nil
}

// AwaitDevice waits for the outcome of a sign-in by a device code until ctx is done; false: nobody has signed in yet.
// Codes: unauthenticated (it was refused, or took too long), unavailable.
func (p *Provider) AwaitDevice(
	ctx context.Context, code rolebroker.Secret, interval time.Duration,
) (person *rolebroker.Person, done bool, err error) {
	client, found, err := p.client(ctx, true, "")
	if err != nil {
		return nil, false, err
	}
	token, err := client.DeviceAccessToken(p.context(ctx),
		&oauth2.DeviceAuthResponse{DeviceCode: code.Reveal(), Interval: int64(interval / time.Second)})
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return nil, false, nil
	case err != nil:
		return nil, false, p.refused(err, "the sign-in was refused, or took too long")
	}
	// What follows is the person's, who has signed in: the code is used up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	person, err = p.person(ctx, found, client.ClientID, token, nil)
	return person, err == nil, err
}
