package client

import (
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// Credentials are the credentials of a borrowed role.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey rolebroker.Secret
	Token           rolebroker.Secret // the session token
	Expiration      time.Time         // UTC
	RoleARN         string
	AccountID       string
	Access          rolebroker.Access // what they may do; empty: a server of an earlier version lent them
	Keys            rolebroker.Keys   // KeysWithheld: only the gateway knows them; else they are AWS's
}

// Credentials is Borrow for what the agent's connection permits.
func (c *Client) Credentials(ctx context.Context, role, task string) (*Credentials, error) {
	return c.Borrow(ctx, rolebroker.Request{Role: role, Task: task})
}

// Borrow borrows the role that a reference names, or the default role
// when it is empty, with an agent token. The task, which may be empty, tells
// CloudTrail what the agent is doing. Credentials that have expired, or that would last
// longer than AWS lets a session last, are an error, and so are those that may do more
// than was asked for.
func (c *Client) Borrow(ctx context.Context, req rolebroker.Request) (*Credentials, error) {
	p := at("/v1/credentials")
	if req.Role != "" {
		p = p.member("role", req.Role)
	}
	l, err := send[api.Credentials](ctx, c, request{method: http.MethodGet, place: p,
		query: query{"task": req.Task, "access": string(req.Access)}.values(), most: maxLoan})
	if err != nil {
		return nil, err
	}
	if l.AccessKeyID == "" || l.SecretAccessKey == "" || l.Expiration.IsZero() {
		return nil, rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s answered without credentials", c.base)
	}
	if err := rolebroker.CheckExpiry(l.Expiration, c.now()); err != nil {
		return nil, err
	}
	if err := rolebroker.CheckNarrowed(req, rolebroker.Access(l.Access)); err != nil {
		return nil, err
	}
	return &Credentials{
		AccessKeyID:     l.AccessKeyID,
		SecretAccessKey: rolebroker.NewSecret(l.SecretAccessKey.Reveal()),
		Token:           rolebroker.NewSecret(l.Token.Reveal()),
		Expiration:      l.Expiration.UTC(),
		RoleARN:         l.RoleARN,
		AccountID:       l.AccountID,
		Access:          rolebroker.Access(l.Access),
		Keys:            rolebroker.Keys(l.Keys),
	}, nil
}

// Roles lists what the agent with this token may borrow now, the default first.
// If this version cannot parse one of them, it returns none.
func (c *Client) Roles(ctx context.Context) ([]rolebroker.Offer, error) {
	r := request{method: http.MethodGet, place: at("/v1/roles")}
	var offers []rolebroker.Offer
	for shown, err := range pages[api.Offer](ctx, c, r, List{}, maxOffers) {
		if err != nil {
			return nil, err
		}
		offer, err := convert.FromOffer(shown)
		if err != nil {
			return nil, rolebroker.Errorf(rolebroker.CodeInternal,
				"rolebroker at %s offers a role that this version does not understand: %w", c.base, err).
				WithHint("use the same version on both sides: rolebroker version")
		}
		offers = append(offers, offer)
	}
	return offers, nil
}
