package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/auth"
)

const agentsPath = "/api/v1/agents"

// Agents lists by name.
func (c *Client) Agents(ctx context.Context, l List) (api.List[api.Agent], error) {
	return list[api.Agent](ctx, c, agentsPath, l.query())
}

// AllAgents is every agent whose name contains search, by name.
func (c *Client) AllAgents(ctx context.Context, search string) iter.Seq2[api.Agent, error] {
	return all(func(l List) (api.List[api.Agent], error) { return c.Agents(ctx, l) }, List{Search: search})
}

// AgentsOf is every agent that is connected to an integration, by name.
func (c *Client) AgentsOf(ctx context.Context, integration string) iter.Seq2[api.Agent, error] {
	return all(func(l List) (api.List[api.Agent], error) { return c.Agents(ctx, l) }, List{Integration: integration})
}

// Agent finds one by name or ID; its ETag guards an update.
func (c *Client) Agent(ctx context.Context, nameOrID string) (api.Agent, error) {
	return get[api.Agent](ctx, c, agentsPath, "agent", nameOrID)
}

// CreateAgent makes one.
func (c *Client) CreateAgent(ctx context.Context, a api.AgentRequest) (api.Agent, error) {
	return send[api.Agent](ctx, c, request{method: http.MethodPost, path: agentsPath, body: a})
}

// UpdateAgent replaces one; connections and default integration stay as they
// are when they are left out. ifMatch is as for UpdateIntegration.
func (c *Client) UpdateAgent(ctx context.Context, nameOrID string, a api.AgentRequest, ifMatch string) (api.Agent, error) {
	return put[api.Agent](ctx, c, agentsPath, "agent", nameOrID, a, ifMatch)
}

// DeleteAgent removes one, its connections and its tokens. ifMatch is as for
// UpdateIntegration.
func (c *Client) DeleteAgent(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, agentsPath, "agent", nameOrID, ifMatch)
}

// Connect lets the agent borrow from the integration. Doing so again changes nothing.
func (c *Client) Connect(ctx context.Context, agent, integration string) (api.Agent, error) {
	collection, err := under(agent, "connections")
	if err != nil {
		return api.Agent{}, err
	}
	return put[api.Agent](ctx, c, collection, "integration", integration, nil, "")
}

// Disconnect takes the integration away from the agent. What the agent has
// already lives until it expires.
func (c *Client) Disconnect(ctx context.Context, agent, integration string) error {
	collection, err := under(agent, "connections")
	if err != nil {
		return err
	}
	return c.remove(ctx, collection, "integration", integration, "")
}

// Tokens lists an agent's tokens by ID, expired and revoked ones too.
func (c *Client) Tokens(ctx context.Context, agent string, l List) (api.List[api.Token], error) {
	collection, err := under(agent, "tokens")
	if err != nil {
		return api.List[api.Token]{}, err
	}
	return list[api.Token](ctx, c, collection, l.query())
}

// AllTokens is every token of an agent, by ID.
func (c *Client) AllTokens(ctx context.Context, agent string) iter.Seq2[api.Token, error] {
	return all(func(l List) (api.List[api.Token], error) { return c.Tokens(ctx, agent, l) }, List{})
}

// Token is what is remembered of a token of the agent, by its ID.
func (c *Client) Token(ctx context.Context, agent, id string) (api.Token, error) {
	collection, err := under(agent, "tokens")
	if err != nil {
		return api.Token{}, err
	}
	return get[api.Token](ctx, c, collection, "token", id)
}

// NewAgentToken makes a token to be registered with CreateToken, for whoever has
// to put it where the agent finds it first. It opens nothing until then.
func NewAgentToken() rolebroker.Secret {
	token, _ := auth.NewAgentToken(rolebroker.NewTokenID())
	return token
}

// CreateToken makes a token; the answer is the only one that has it. If t has one
// that NewAgentToken made, that is registered, and no answer has it. Doing so
// again with the same token and label is safe, and answers what the first time
// came to. Codes: also conflict (the token was revoked, or its ID is taken).
func (c *Client) CreateToken(ctx context.Context, agent string, t api.TokenRequest) (api.NewToken, error) {
	collection, err := under(agent, "tokens")
	if err != nil {
		return api.NewToken{}, err
	}
	return send[api.NewToken](ctx, c, request{method: http.MethodPost, path: collection, body: t})
}

// RevokeToken stops a token of the agent. Doing so again changes nothing.
func (c *Client) RevokeToken(ctx context.Context, agent, id string) error {
	collection, err := under(agent, "tokens")
	if err != nil {
		return err
	}
	return c.remove(ctx, collection, "token", id, "")
}

// under is the path of what belongs to an agent.
func under(agent, what string) (string, error) {
	path, err := member(agentsPath, "agent", agent)
	return path + "/" + what, err
}
