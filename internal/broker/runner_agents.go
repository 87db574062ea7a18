package broker

import (
	"context"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// AgentOfAccount finds the binding of a service account, for the runner of its cluster. Codes: denied, not_bound.
func (b *Broker) AgentOfAccount(
	ctx context.Context, who rolebroker.Caller, account rolebroker.ServiceAccount,
) (*rolebroker.Token, error) {
	const action = rolebroker.ActionRunnerIdentify
	if err := b.May(ctx, who, action); err != nil {
		return nil, err
	}
	if err := b.trustsIssuer(ctx, who, account.Issuer); err != nil {
		return nil, b.refused(ctx, who, action, err)
	}
	token, err := b.store.Binding(ctx, account)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, rolebroker.Errorf(rolebroker.CodeNotBound,
			"no agent is bound to the service account %s of the issuer %s", account, account.Issuer).
			WithHint("an administrator can bind one: "+
				"rolebroker agent bind AGENT --issuer %s --namespace %s --service-account %s",
				account.Issuer, account.Namespace, account.Name)
	}
	return token, err
}

// trustsIssuer returns nil if an administrator set the issuer for the runner. What the runner says of its issuer does
// not count. Codes: denied.
func (b *Broker) trustsIssuer(ctx context.Context, who rolebroker.Caller, issuer string) error {
	runner, err := b.store.Runner(ctx, string(who.Runner))
	switch {
	case err != nil:
		return err
	case issuer == "" || runner.Issuer != issuer:
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"this server does not believe runner %s about the service accounts of the issuer %s", runner.Name, issuer).
			WithHint("if that is the issuer of its cluster, an administrator can set it: "+
				"rolebroker runner update %s --issuer %s", runner.Name, issuer)
	}
	return nil
}

// RunnerToken finds the record of the token that an agent showed to the runner. Codes: denied, not_found.
func (b *Broker) RunnerToken(
	ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID,
) (*rolebroker.Token, error) {
	subject := rolebroker.Named(rolebroker.KindToken, string(id))
	if err := b.May(ctx, who, rolebroker.ActionRunnerIdentify, subject); err != nil {
		return nil, err
	}
	return b.lender.Token(ctx, id)
}

// RunnerGrants returns what an agent may borrow. Integrations that do not name the runner come without their external
// IDs. Codes: denied, not_found.
func (b *Broker) RunnerGrants(
	ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID,
) (*rolebroker.Grants, error) {
	subject := rolebroker.Named(rolebroker.KindAgent, string(agent))
	if err := b.May(ctx, who, rolebroker.ActionRunnerGrants, subject); err != nil {
		return nil, err
	}
	grants, err := b.lender.Grants(ctx, agent)
	if err != nil {
		return nil, err
	}
	shown := slices.Clone(grants.Integrations)
	for i := range shown {
		if in := &shown[i]; in.Runner != who.Runner {
			in.ExternalID, in.NextExternalID = "", ""
		}
	}
	return &rolebroker.Grants{Agent: grants.Agent, Integrations: shown}, nil
}

// LendThrough lends a role that the platform assumes to an agent that the runner identified by its service account.
// Codes: those of Lend.
func (b *Broker) LendThrough(
	ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, req rolebroker.Request,
) (*rolebroker.Loan, error) {
	const action = rolebroker.ActionRunnerLend
	subject := rolebroker.Named(rolebroker.KindBinding, string(binding))
	if err := b.May(ctx, who, action, subject); err != nil {
		return nil, err
	}
	token, err := b.lender.Token(ctx, binding)
	if err != nil {
		return nil, err
	}
	if err := b.trustsIssuer(ctx, who, token.Account.Issuer); err != nil {
		return nil, b.refused(ctx, who, action, err, subject)
	}
	return b.lender.Lend(ctx, rolebroker.Caller{Agent: token.Agent, Token: token.ID}, req)
}
