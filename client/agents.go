package client

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/auth"
)

const agentsPath = "/api/v1/agents"

func agentAt(nameOrID string) place { return at(agentsPath).member("agent", nameOrID) }

// Agents lists a page of agents, by name.
func (c *Client) Agents(ctx context.Context, l List) (api.List[api.Agent], error) {
	return list[api.Agent](ctx, c, at(agentsPath), l)
}

// AllAgents lists the agents that [List].Search selects, sorted by name.
func (c *Client) AllAgents(ctx context.Context, search string) iter.Seq2[api.Agent, error] {
	return all[api.Agent](ctx, c, at(agentsPath), List{Search: search})
}

// AgentsOf lists the agents that are connected to an integration and that [List].Search selects, sorted by name. Codes:
// not_found (the integration).
func (c *Client) AgentsOf(ctx context.Context, integration, search string) iter.Seq2[api.Agent, error] {
	return all[api.Agent](ctx, c, at(agentsPath), List{Integration: integration, Search: search})
}

// Agent reads an agent by name or ID; its ETag guards an update.
func (c *Client) Agent(ctx context.Context, nameOrID string) (api.Agent, error) {
	return get[api.Agent](ctx, c, agentAt(nameOrID))
}

// CreateAgent makes an agent.
func (c *Client) CreateAgent(ctx context.Context, a api.AgentRequest) (api.Agent, error) {
	return post[api.Agent](ctx, c, at(agentsPath), a)
}

// UpdateAgent replaces an agent. Connections and default integration stay as they
// are if a leaves them out. ifMatch is as for UpdateIntegration.
func (c *Client) UpdateAgent(ctx context.Context, nameOrID string, a api.AgentRequest, ifMatch string) (
	api.Agent, error) {
	return put[api.Agent](ctx, c, agentAt(nameOrID), a, ifMatch)
}

// DeleteAgent removes an agent, its connections and its tokens. ifMatch is as for
// UpdateIntegration.
func (c *Client) DeleteAgent(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, agentAt(nameOrID), ifMatch)
}

// CutOff stops the agent at once, everywhere. The answer says what still works in
// AWS, and has the commands that end it there. Cutting off again is safe.
func (c *Client) CutOff(ctx context.Context, nameOrID string, r api.CutOffRequest) (api.CutOff, error) {
	return post[api.CutOff](ctx, c, agentAt(nameOrID).under("cut-off"), r)
}

// LastCutOff reads the last cut-off of the agent, or the last one that concerns a
// role, with what is still open now. It changes nothing.
func (c *Client) LastCutOff(ctx context.Context, nameOrID, role string) (api.CutOff, error) {
	return send[api.CutOff](ctx, c, request{method: http.MethodGet, place: agentAt(nameOrID).under("cut-off"),
		query: query{"role": role}.values()})
}

// EnableAgent lends to the agent again, also after a cut-off.
func (c *Client) EnableAgent(ctx context.Context, nameOrID string, r api.EnableRequest) (api.EnabledAgent, error) {
	return post[api.EnabledAgent](ctx, c, agentAt(nameOrID).under("enable"), r)
}

func connectionAt(agent, integration string) place {
	return agentAt(agent).under("connections").member("integration", integration)
}

// Connect lets the agent borrow from the integration. A connection that is there
// keeps its limits, and a new one has none.
func (c *Client) Connect(ctx context.Context, agent, integration string) (api.Agent, error) {
	return put[api.Agent](ctx, c, connectionAt(agent, integration), nil, "")
}

// Limit lets the agent borrow from the integration within the limits, which replace
// those of a connection that is there. ifMatch, of the agent, is as for
// UpdateIntegration. Codes: invalid.
func (c *Client) Limit(ctx context.Context, agent, integration string, limits api.LimitsRequest, ifMatch string) (
	api.Agent, error) {
	return put[api.Agent](ctx, c, connectionAt(agent, integration), limits, ifMatch)
}

// Disconnect takes the integration away from the agent. What the agent has
// already lives until it expires.
func (c *Client) Disconnect(ctx context.Context, agent, integration string) error {
	return c.remove(ctx, connectionAt(agent, integration), "")
}

func tokensAt(agent string) place { return agentAt(agent).under("tokens") }

// Tokens lists a page of an agent's tokens by ID, expired and revoked ones too.
func (c *Client) Tokens(ctx context.Context, agent string, l List) (api.List[api.Token], error) {
	return list[api.Token](ctx, c, tokensAt(agent), l)
}

// AllTokens lists an agent's tokens by ID, expired and revoked ones too.
func (c *Client) AllTokens(ctx context.Context, agent string) iter.Seq2[api.Token, error] {
	return all[api.Token](ctx, c, tokensAt(agent), List{})
}

// Token reads what the server remembers of a token of the agent, by its ID.
func (c *Client) Token(ctx context.Context, agent, id string) (api.Token, error) {
	return get[api.Token](ctx, c, tokensAt(agent).member("token", id))
}

// NewAgentToken makes a token to register with CreateToken, for callers that have
// to put it where the agent finds it first. It opens nothing until then.
func NewAgentToken() rolebroker.Secret {
	token, _ := auth.NewAgentToken(rolebroker.NewTokenID())
	return token
}

// CreateToken makes a token; the answer is the only one that has it. If t has one
// that NewAgentToken made, the server registers that, and no answer has it.
// Registering the same token with the same label again is safe, and answers what
// the first time did. Codes: also conflict (the token was revoked, or its ID is
// taken).
func (c *Client) CreateToken(ctx context.Context, agent string, t api.TokenRequest) (api.NewToken, error) {
	return post[api.NewToken](ctx, c, tokensAt(agent), t)
}

// LabelToken changes the label of a token of the agent. The token stays as it is.
func (c *Client) LabelToken(ctx context.Context, agent, id, label string) (api.Token, error) {
	return put[api.Token](ctx, c, tokensAt(agent).member("token", id), api.TokenUpdate{Label: label}, "")
}

// RevokeToken stops a token of the agent. Revoking it again changes nothing.
func (c *Client) RevokeToken(ctx context.Context, agent, id string) error {
	return c.remove(ctx, tokensAt(agent).member("token", id), "")
}

func bindingsAt(agent string) place { return agentAt(agent).under("bindings") }

// Bindings lists a page of the service accounts that are the agent, by ID.
func (c *Client) Bindings(ctx context.Context, agent string, l List) (api.List[api.Binding], error) {
	return list[api.Binding](ctx, c, bindingsAt(agent), l)
}

// AllBindings lists the service accounts that are the agent, by ID.
func (c *Client) AllBindings(ctx context.Context, agent string) iter.Seq2[api.Binding, error] {
	return all[api.Binding](ctx, c, bindingsAt(agent), List{})
}

// Bind makes a service account the agent: pods that run as it borrow what the
// agent may. Codes: also conflict (it is an agent already).
func (c *Client) Bind(ctx context.Context, agent string, b api.BindingRequest) (api.Binding, error) {
	return post[api.Binding](ctx, c, bindingsAt(agent), b)
}

// Unbind ends that a service account is the agent. What the agent has already
// lives until it expires.
func (c *Client) Unbind(ctx context.Context, agent, id string) error {
	return c.remove(ctx, bindingsAt(agent).member("binding", id), "")
}

// LearnedPolicy makes the policy that the recorded calls of an agent need. Codes: invalid (a field of what is asked).
func (c *Client) LearnedPolicy(ctx context.Context, agent string, from api.Learning) (api.LearnedPolicy, error) {
	q := query{"integration": from.Integration, "role": from.Role, "include": strings.Join(from.Include, ",")}
	if from.Session {
		q["session"] = "true"
	}
	q.addTimes(from.Since, time.Time{})
	r := request{method: http.MethodGet, place: agentAt(agent).under("policy"), query: q.values()}
	return send[api.LearnedPolicy](ctx, c, r)
}
