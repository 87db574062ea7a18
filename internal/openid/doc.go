// Package openid asks the company's identity provider who somebody is, by OpenID Connect.
//
// A [Provider] sends a person to the identity provider, takes the code with which the person comes back, and returns a
// [rolebroker.Person]: who it is, and in which groups. Later it asks again about the same person. It knows the
// authorization code flow with PKCE, for browsers and for command lines, and device codes.
//
// The package refuses an answer that is not signed by the issuer, is for another client, has expired, or does not have
// the nonce of this attempt. It decides nothing about access, stores nothing, and reveals no token: what an error or
// the log says of the provider has no secret in it. The provider need not be there when a Provider is made.
//
//	provider := openid.New(openid.Options{Issuer: "https://login.example.com", ClientID: "rolebroker", …})
//	attempt := openid.NewAttempt()                            // kept by the browser
//	url, err := provider.URL(ctx, attempt.Ask(redirect))      // where the person goes
//	person, err := provider.Redeem(ctx, attempt.Redeem(redirect, code))
package openid
