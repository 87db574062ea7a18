package web

import (
	"context"
	"net/http"

	"github.com/rolebroker/rolebroker"
)

// runnerAccountsPage has the service accounts about which the server believes a runner, and the agents that they are.
type runnerAccountsPage struct {
	runnerHead
	paging
	Rows []boundAccount
}

// boundAccount is a binding with the name of its agent.
type boundAccount struct {
	bindingRow
	AgentName string
}

func (s *server) showRunnerAccounts(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	page := runnerAccountsPage{paging: paging{After: r.URL.Query().Get("after")}}
	if page.runnerHead, err = s.headOfRunner(r, v, "accounts"); err != nil {
		return err
	}
	if page.Runner.Issuer == "" {
		return s.render(w, http.StatusOK, "runner-accounts", page)
	}
	at := func(after string) string {
		return addressOf(pageOf(rolebroker.KindRunner, page.Runner.ID)+"/accounts", "after", after)
	}
	found, err := readPage(&page.paging, pageSize, at, tokenID, func(p rolebroker.Page) ([]rolebroker.Token, error) {
		return s.Broker.BindingsOfIssuer(r.Context(), v.who, page.Runner.Issuer, p)
	})
	if err != nil {
		return err
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
