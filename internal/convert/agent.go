package convert

import (
	"fmt"
	"time"
	"unique"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Agent is an agent as the management API answers it.
func Agent(a *rolebroker.Agent) api.Agent {
	shown := api.Agent{
		ID:          string(a.ID),
		Name:        a.Name,
		Description: a.Description,
		Disabled:    a.DisabledByPerson(),
		CutOff:      cutOffMark(a.CutOff),
		Owner:       a.OwnerName,
		OwnerID:     string(a.Owner),
		Connections: All(a.Connections, connection),
		Version:     a.Version,
		CreatedAt:   a.CreatedAt.UTC(),
		UpdatedAt:   a.UpdatedAt.UTC(),
	}
	for _, c := range a.Connections {
		if c.Integration == a.DefaultIntegration {
			shown.DefaultIntegration = c.IntegrationName
		}
	}
	return shown
}

// AgentRequest is the request that leaves an agent as it is, to be edited and
// written back. It leaves out connections and default integration, which stay
// unchanged then.
func AgentRequest(a api.Agent) api.AgentRequest {
	req := unchanged[api.AgentRequest](a)
	req.Connections, req.DefaultIntegration = nil, nil
	return req
}

func connection(c *rolebroker.Connection) api.Connection {
	return api.Connection{
		Integration:   c.IntegrationName,
		Access:        string(c.Access),
		SessionPolicy: api.Policy(c.SessionPolicy),
		Roles:         c.RoleNames(),
		Keys:          string(c.Keys),
		Approval:      string(c.Approval),
		ConnectedAt:   c.ConnectedAt.UTC(),

		ExemptPolicy:   api.Policy(c.ExemptPolicy),
		AllowedActions: c.AllowedActions,
	}
}

// LimitsRequest is the request that leaves a connection as it is, to be edited
// and written back.
func LimitsRequest(c api.Connection) api.LimitsRequest {
	return unchanged[api.LimitsRequest](c)
}

// FromConnectionRequest is the connection that a request describes, as far as that can be told without a server: its
// integration may be a name, and it has no roles.
func FromConnectionRequest(req api.ConnectionRequest) rolebroker.Connection {
	c := rolebroker.NewConnection(&rolebroker.Integration{ID: rolebroker.IntegrationID(req.Integration),
		Name: req.Integration}, time.Time{})
	limits := req.Limits()
	if limits == nil {
		return c
	}
	c.SessionPolicy, c.ExemptPolicy = string(limits.SessionPolicy), string(limits.ExemptPolicy)
	c.AllowedActions = limits.AllowedActions
	if limits.Access != "" {
		c.Access = rolebroker.Access(limits.Access)
	}
	if limits.Keys != "" {
		c.Keys = rolebroker.Keys(limits.Keys)
	}
	if limits.Approval != "" {
		c.Approval = rolebroker.Approval(limits.Approval)
	}
	return c
}

// Token is an agent's token as the management API answers it: without the token.
func Token(t *rolebroker.Token, now time.Time) api.Token {
	status := api.StatusActive
	switch {
	case !t.RevokedAt.IsZero():
		status = api.StatusRevoked
	case passed(t.ExpiresAt, now):
		status = api.StatusExpired
	}
	return api.Token{
		ID:        string(t.ID),
		Label:     t.Label,
		Status:    status,
		CreatedAt: t.CreatedAt.UTC(),
		ExpiresAt: Time(t.ExpiresAt),
		RevokedAt: Time(t.RevokedAt),
		UsedAt:    Time(t.UsedAt),
	}
}

// NewToken is the answer that has a new token in it; secret is zero if the client
// made the token.
func NewToken(t *rolebroker.Token, secret rolebroker.Secret) api.NewToken {
	return api.NewToken{ID: string(t.ID), Token: api.Secret(secret.Reveal()), ExpiresAt: Time(t.ExpiresAt)}
}

// Binding is a service account that is an agent, as the management API answers it.
func Binding(t *rolebroker.Token) api.Binding {
	return api.Binding{
		ID:             string(t.ID),
		Issuer:         t.Account.Issuer,
		Namespace:      t.Account.Namespace,
		ServiceAccount: t.Account.Name,
		Labels:         labels(t.Labels),
		Runner:         t.Runner,
		CreatedAt:      t.CreatedAt.UTC(),
		UsedAt:         Time(t.UsedAt),
	}
}

// labels are labels as JSON has them, which is never null.
func labels(l rolebroker.Labels) map[string]string {
	if l == nil {
		return map[string]string{}
	}
	return l
}

// APIKey is an API key as the management API answers it: without the key.
func APIKey(k *rolebroker.APIKey, now time.Time) api.APIKey {
	status := api.StatusActive
	if passed(k.ExpiresAt, now) {
		status = api.StatusExpired
	}
	return api.APIKey{
		ID:        string(k.ID),
		Name:      k.Name,
		Access:    string(k.Access),
		Status:    status,
		CreatedAt: k.CreatedAt.UTC(),
		ExpiresAt: Time(k.ExpiresAt),
		Owner:     k.OwnerName,
		OwnerID:   string(k.Owner),
		UsedAt:    Time(k.UsedAt),
	}
}

// NewAPIKey is the answer that has a new key in it.
func NewAPIKey(k *rolebroker.APIKey, secret rolebroker.Secret) api.NewAPIKey {
	return api.NewAPIKey{
		ID:        string(k.ID),
		Name:      k.Name,
		Access:    string(k.Access),
		Key:       api.Secret(secret.Reveal()),
		ExpiresAt: Time(k.ExpiresAt),
	}
}

// Credentials are the credentials of a loan, with all fields that any AWS SDK
// needs.
func Credentials(l *rolebroker.Loan) api.Credentials {
	return api.Credentials{
		AccessKeyID:     l.Credentials.AccessKeyID,
		SecretAccessKey: api.Secret(l.Credentials.SecretAccessKey.Reveal()),
		Token:           api.Secret(l.Credentials.SessionToken.Reveal()),
		Expiration:      l.Credentials.Expires.UTC().Truncate(time.Second),
		RoleARN:         l.Role.ARN.String(),
		AccountID:       l.Role.ARN.Account,
		Access:          string(l.Access),
		Keys:            string(l.Keys),
	}
}

// Offer is a role that an agent may borrow, as the credentials endpoint answers it.
func Offer(o *rolebroker.Offer) api.Offer {
	return api.Offer{
		Reference:   o.Reference,
		Integration: o.Integration,
		Name:        o.Name,
		ARN:         o.ARN.String(),
		Region:      string(o.Region),
		Access:      string(o.Access),
		Keys:        string(o.Keys),
		Default:     o.Default,

		NeedsApproval:       o.NeedsApproval,
		ChangesNeedApproval: o.ChangesNeedApproval,
		CallsNeedApproval:   o.CallsNeedApproval,
	}
}

// FromOffer is an offer that a server answered. It fails unless everything in it
// has the form that the server itself requires, since names and regions end up in
// files and on command lines. Offers share what repeats in a list, which may be long.
func FromOffer(shown api.Offer) (rolebroker.Offer, error) {
	arn, err := rolebroker.ParseRoleARN(shown.ARN)
	if err != nil {
		return rolebroker.Offer{}, fmt.Errorf("arn: %w", err)
	}
	offer := rolebroker.Offer{
		Reference:   shown.Reference,
		Integration: unique.Make(shown.Integration).Value(),
		Name:        shown.Name,
		ARN:         arn,
		Region:      rolebroker.Region(unique.Make(shown.Region).Value()),
		Access:      rolebroker.Access(unique.Make(shown.Access).Value()),
		Keys:        rolebroker.Keys(unique.Make(shown.Keys).Value()),
		Default:     shown.Default,

		NeedsApproval:       shown.NeedsApproval,
		ChangesNeedApproval: shown.ChangesNeedApproval,
		CallsNeedApproval:   shown.CallsNeedApproval,
	}
	if err := rolebroker.CheckRegion(offer.Region, arn.Partition); err != nil {
		return offer, fmt.Errorf("region: %w", err)
	}
	if err := rolebroker.CheckName(offer.Integration); err != nil {
		return offer, fmt.Errorf("integration: %w", err)
	}
	if err := rolebroker.CheckName(offer.Name); err != nil {
		return offer, fmt.Errorf("name: %w", err)
	}
	if offer.Reference != offer.Name && offer.Reference != offer.Integration+"/"+offer.Name {
		return offer, fmt.Errorf("reference: %q is not one of %s/%s", offer.Reference, offer.Integration, offer.Name)
	}
	if offer.Reference == offer.Name {
		offer.Reference = offer.Name // one text in memory
	}
	return offer, nil
}
