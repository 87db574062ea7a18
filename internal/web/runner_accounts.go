package web

import (
	"context"
	"net/http"
	"net/url"

	"github.com/rolebroker/rolebroker"
)

// runnerAccountsPage has the service accounts about which the server believes a runner, and the agents that they are.
type runnerAccountsPage struct {
	runnerHead
	Rows  []boundAccount
	After string // the ID of the last binding before this page; empty: this is the first page
	First string // the address of the first page
	Next  string // the address of the next page; empty: this is the last
}

// boundAccount is a binding with the name of its agent.
type boundAccount struct {
	bindingRow
	AgentName string
}

func (s *server) showRunnerAccounts(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	page := runnerAccountsPage{After: r.URL.Query().Get("after")}
	if page.runnerHead, err = s.headOfRunner(r, v, "accounts"); err != nil {
		return err
	}
	page.First = "/runners/" + string(page.Runner.ID) + "/accounts"
	if page.Runner.Issuer == "" {
		return s.render(w, http.StatusOK, "runner-accounts", page)
	}
	found, err := s.Broker.BindingsOfIssuer(r.Context(), v.who, page.Runner.Issuer,
		rolebroker.Page{Limit: pageSize + 1, After: page.After})
	if err != nil {
		return err
	}
	found, more := cut(found, pageSize)
	if more {
		page.Next = page.First + "?" + url.Values{"after": {tokenID(&found[pageSize-1])}}.Encode()
	}
	agents, err := s.namesOfAgents(r.Context(), v, found)
	for _, b := range found {
		row := bindingRow{Token: b, Bound: when(b.CreatedAt, page.Now), Used: when(b.UsedAt, page.Now)}
		page.Rows = append(page.Rows, boundAccount{row, agents[b.Agent]})
	}
	if err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "runner-accounts", page)
}

// namesOfAgents are the names of the agents of tokens, by ID.
func (s *server) namesOfAgents(
	ctx context.Context, v *visit, tokens []rolebroker.Token,
) (map[rolebroker.AgentID]string, error) {
	names := map[rolebroker.AgentID]string{}
	for _, t := range tokens {
		if names[t.Agent] != "" {
			continue
		}
		agent, err := s.Broker.Agent(ctx, v.who, string(t.Agent))
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		names[t.Agent] = agent.Name
	}
	return names, nil
}
