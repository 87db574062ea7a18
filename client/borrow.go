package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// Credentials are what an agent token borrows.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey rolebroker.Secret
	Token           rolebroker.Secret // the session token
	Expiration      time.Time         // UTC
	RoleARN         string
	AccountID       string
}

// lent is Credentials on the wire.
//
// Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
type lent struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
	RoleARN         string `json:"RoleArn"`
	AccountID       string `json:"AccountId"`
}

// Credentials borrows the role that a reference names, or the default role
// when it is empty, with an agent token. The task, which may be empty, says
// for CloudTrail what the agent is doing.
func (c *Client) Credentials(ctx context.Context, role, task string) (*Credentials, error) {
	r := request{method: http.MethodGet, path: "/v1/credentials", query: url.Values{}}
	if role != "" {
		r.path += "/" + segment(role)
	}
	set(r.query, "task", task)
	l, err := send[lent](ctx, c, r)
	if err != nil {
		return nil, err
	}
	if l.AccessKeyID == "" || l.SecretAccessKey == "" || l.Expiration.IsZero() {
		return nil, rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s answered without credentials", c.base)
	}
	return &Credentials{
		AccessKeyID:     l.AccessKeyID,
		SecretAccessKey: rolebroker.NewSecret(l.SecretAccessKey),
		Token:           rolebroker.NewSecret(l.Token),
		Expiration:      l.Expiration.UTC(),
		RoleARN:         l.RoleARN,
		AccountID:       l.AccountID,
	}, nil
}

// Roles lists what the agent whose token this is may borrow now, the default
// first. If one of them is not in order, none is returned.
func (c *Client) Roles(ctx context.Context) ([]rolebroker.Offer, error) {
	page := func(l List) (api.List[api.Offer], error) {
		return list[api.Offer](ctx, c, "/v1/roles", List{Cursor: l.Cursor}.query())
	}
	var offers []rolebroker.Offer
	for o, err := range all(page, List{}) {
		if err != nil {
			return nil, err
		}
		offer, err := convert.FromOffer(o)
		if err != nil {
			return nil, rolebroker.Errorf(rolebroker.CodeInternal, "rolebroker at %s offers a role that this version does not understand: %w", c.base, err).
				WithHint("use the same version on both sides: rolebroker version")
		}
		offers = append(offers, offer)
	}
	return offers, nil
}
