package client

import (
	"context"
	"iter"

	"github.com/rolebroker/rolebroker/api"
)

const (
	usersPath   = "/api/v1/users"
	signInsPath = "/api/v1/sign-ins"
)

// Users lists a page of the people who signed in, by ID.
func (c *Client) Users(ctx context.Context, l List) (api.List[api.User], error) {
	return list[api.User](ctx, c, at(usersPath), l)
}

// AllUsers lists the people who signed in, by ID.
func (c *Client) AllUsers(ctx context.Context) iter.Seq2[api.User, error] {
	return all[api.User](ctx, c, at(usersPath), List{})
}

// SignInURL returns where a person signs in for a command line. The client needs no token.
func (c *Client) SignInURL(ctx context.Context, r api.SignInURLRequest) (api.SignInURL, error) {
	return post[api.SignInURL](ctx, c, at(signInsPath+"/url"), r)
}

// SignIn signs a command line in with the code that came from the identity provider.
func (c *Client) SignIn(ctx context.Context, r api.SignInRequest) (api.NewSignIn, error) {
	return post[api.NewSignIn](ctx, c, at(signInsPath), r)
}

// BeginDeviceSignIn begins a sign-in that a person completes in a browser elsewhere.
func (c *Client) BeginDeviceSignIn(ctx context.Context) (api.DeviceSignIn, error) {
	return post[api.DeviceSignIn](ctx, c, at(signInsPath+"/device"), nil)
}

// AwaitDeviceSignIn waits some seconds for its outcome.
func (c *Client) AwaitDeviceSignIn(ctx context.Context, r api.DeviceSignInRequest) (api.DeviceOutcome, error) {
	return post[api.DeviceOutcome](ctx, c, at(signInsPath+"/device/wait"), r)
}

// SignOut ends the sign-in whose token the client has.
func (c *Client) SignOut(ctx context.Context) error {
	return c.remove(ctx, at(signInsPath+"/current"), "")
}
