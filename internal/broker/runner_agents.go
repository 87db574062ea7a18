package broker

import (
	"context"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// AgentOfAccount finds the binding of a service account with these labels, for the runner of its cluster. Codes:
// denied, not_bound.
func (b *Broker) AgentOfAccount(
	ctx context.Context, who rolebroker.Caller, account rolebroker.ServiceAccount, labels rolebroker.Labels,
) (*rolebroker.Token, error) {
	const action = rolebroker.ActionRunnerIdentify
	if err := b.May(ctx, who, action); err != nil {
		return nil, err
	}
	if err := account.Check(); err != nil { // people see it in a command
		return nil, err
	}
	if err := b.trustsIssuer(ctx, who, account.Issuer); err != nil {
		return nil, b.refused(ctx, who, action, err)
	}
	all, err := b.store.BindingsOf(ctx, account)
	if err != nil {
		return nil, err
	}
	token, err := rolebroker.BindingOf(all, account, labels)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, rolebroker.Errorf(rolebroker.CodeNotBound, "%s", err).
			WithSteps(rolebroker.Step{Text: "an administrator can bind one:",
				Command: rolebroker.ShellCommand("rolebroker", "agent", "bind", "AGENT", "--issuer", account.Issuer,
					"--namespace", account.Namespace, "--service-account", account.Name)})
	}
	if err != nil {
		e := rolebroker.AsError(err)
		e.Code = rolebroker.CodeNotBound
		return nil, e
	}
	return token, b.introduce(ctx, who, token.Agent)
}

// AgentOfToken finds the record of the token that an agent showed to the runner; auth has verified it. Codes: denied,
// not_found.
func (b *Broker) AgentOfToken(
	ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID,
) (*rolebroker.Token, error) {
	token, err := b.tokenFor(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return token, b.introduce(ctx, who, token.Agent)
}

// tokenFor permits a runner to identify an agent, and finds the record of the agent's token. Codes: denied, not_found.
func (b *Broker) tokenFor(
	ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID,
) (*rolebroker.Token, error) {
	subject := rolebroker.Named(rolebroker.KindToken, string(id))
	if err := b.May(ctx, who, rolebroker.ActionRunnerIdentify, subject); err != nil {
		return nil, err
	}
	return b.lender.Token(ctx, id)
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
			"this server does not believe runner %s about the service accounts of the issuer %s", runner.Name,
			rolebroker.Quote(issuer)).
			WithHint("an administrator sets the issuer of its cluster: rolebroker runner update %s --issuer URL",
				runner.Name)
	}
	return nil
}

// RunnerToken finds the record of a token of an agent that has identified itself to the runner. Codes: denied,
// not_found.
func (b *Broker) RunnerToken(
	ctx context.Context, who rolebroker.Caller, id rolebroker.TokenID,
) (*rolebroker.Token, error) {
	token, err := b.tokenFor(ctx, who, id)
	if err != nil {
		return nil, err
	}
	subject := rolebroker.Named(rolebroker.KindToken, string(id))
	err = b.refused(ctx, who, rolebroker.ActionRunnerIdentify, b.isIntroduced(ctx, who, token.Agent), subject)
	if rolebroker.CodeOf(err) == rolebroker.CodeDenied { // to this runner, the token does not exist
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "there is no agent token %s", rolebroker.Quote(string(id)))
	}
	if err != nil {
		return nil, err
	}
	return token, nil
}

// RunnerGrants returns what an agent that has identified itself to the runner may borrow. Integrations that do not name
// the runner come without their external IDs. Codes: denied, not_found.
func (b *Broker) RunnerGrants(
	ctx context.Context, who rolebroker.Caller, agent rolebroker.AgentID,
) (*rolebroker.Grants, error) {
	subject := rolebroker.Named(rolebroker.KindAgent, string(agent))
	if err := b.May(ctx, who, rolebroker.ActionRunnerGrants, subject); err != nil {
		return nil, err
	}
	if err := b.isIntroduced(ctx, who, agent); err != nil {
		return nil, b.refused(ctx, who, rolebroker.ActionRunnerGrants, err, subject)
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
	return &rolebroker.Grants{Agent: grants.Agent, Integrations: shown, Requests: grants.Requests}, nil
}

// LendThrough lends a role that the platform assumes to an agent that the runner identified by the service account of
// its pod. Codes: those of Lend; invalid.
func (b *Broker) LendThrough(
	ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, of rolebroker.Workload, address string,
	req rolebroker.Request,
) (*rolebroker.Loan, error) {
	agent, err := b.AgentThrough(ctx, who, binding, of, address)
	if err != nil {
		return nil, err
	}
	return b.lender.Lend(ctx, agent, req)
}

// AgentThrough returns the agent that the runner identified by the service account of its pod, as a caller. Codes:
// denied, not_found, invalid.
func (b *Broker) AgentThrough(
	ctx context.Context, who rolebroker.Caller, binding rolebroker.TokenID, of rolebroker.Workload, address string,
) (rolebroker.Caller, error) {
	const action = rolebroker.ActionRunnerLend
	subject := rolebroker.Named(rolebroker.KindBinding, string(binding))
	if err := b.May(ctx, who, action, subject); err != nil {
		return rolebroker.Caller{}, err
	}
	token, err := b.lender.Token(ctx, binding)
	if err != nil {
		return rolebroker.Caller{}, err
	}
	if err := b.trustsIssuer(ctx, who, token.Account.Issuer); err != nil {
		return rolebroker.Caller{}, b.refused(ctx, who, action, err, subject)
	}
	if err := of.Check(); err != nil {
		return rolebroker.Caller{}, err
	}
	if err := rolebroker.CheckAddress(address); err != nil {
		return rolebroker.Caller{}, err
	}
	return rolebroker.Caller{Agent: token.Agent, Token: token.ID, Workload: of, Address: address,
		Request: who.Request}, nil
}
