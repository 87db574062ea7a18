package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// tokensSize is how many rows each of the two lists of the page of tokens has.
const tokensSize = pageSize / 2

// agentTokensPage has what an agent's processes identify themselves with: its tokens and service accounts.
type agentTokensPage struct {
	agentHead
	agentRoles
	Tokens     []tokenRow
	TokenPages paging
	Label      string // of a new token, as it was typed
	Expiry     string // of a new token, as it was chosen

	Bindings     []bindingRow
	BindingPages paging
	Issuers      []issuer                  // whose service accounts can be bound
	Account      rolebroker.ServiceAccount // to bind, as it was typed
	Labels       string                    // to bind by, as they were typed
	Errors       map[string]string
}

func (s *server) showTokens(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderTokens(w, r, v, http.StatusOK, &agentTokensPage{})
}

// renderTokens adds to the page the tokens and service accounts as they are now, and shows it.
func (s *server) renderTokens(
	w http.ResponseWriter, r *http.Request, v *visit, status int, page *agentTokensPage,
) error {
	head, err := s.headOfAgent(r, v, "tokens")
	if err != nil {
		return err
	}
	page.agentHead, page.agentRoles = *head, rolesOfAgent(head.grants, head.live, head.Now)
	asked := r.URL.Query()
	page.BindingPages.After = asked.Get("accounts")
	if err := s.addBindings(r.Context(), v, page); err != nil {
		return err
	}
	tokens, err := s.tokensOf(r.Context(), v, page.Agent.ID, page.Now)
	if err != nil {
		return err
	}
	page.TokenPages.Of = "tokens"
	page.Tokens = partOf(&page.TokenPages, tokensSize, page.at("tokens"), tokens, asked.Get("tokens"), "tokens")
	return s.render(w, status, "agent-tokens", page)
}

// at is the address of a page of one of the lists.
func (p *agentTokensPage) at(list string) func(from string) string {
	return func(from string) string {
		return addressOf(pageOf(rolebroker.KindAgent, p.Agent.ID)+"/tokens", list, from) + "#" + list
	}
}

// tokenRow is one token of an agent.
type tokenRow struct {
	rolebroker.Token
	State                  state
	Usable                 bool
	Created, Used, Expires moment
}

// tokensOf lists an agent's tokens: usable tokens first, then the newest.
func (s *server) tokensOf(ctx context.Context, v *visit, agent rolebroker.AgentID, now time.Time) ([]tokenRow, error) {
	found, err := s.allTokens(ctx, v, agent)
	var rows []tokenRow
	for _, t := range found {
		rows = append(rows, rowOfToken(t, now))
	}
	slices.SortStableFunc(rows, func(a, b tokenRow) int {
		if a.Usable != b.Usable {
			return map[bool]int{true: -1, false: 1}[a.Usable]
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return rows, err
}

// allTokens reads all tokens of an agent.
func (s *server) allTokens(ctx context.Context, v *visit, agent rolebroker.AgentID) ([]rolebroker.Token, error) {
	return readAll(ctx, v, tokenID, func(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) (
		[]rolebroker.Token, error) {
		return s.Broker.Tokens(ctx, who, string(agent), page)
	})
}

func tokenID(t *rolebroker.Token) string { return string(t.ID) }

func rowOfToken(t rolebroker.Token, now time.Time) tokenRow {
	row := tokenRow{
		Token:   t,
		Usable:  t.Usable(now) == nil,
		Created: when(t.CreatedAt, now),
		Used:    when(t.UsedAt, now),
		Expires: when(t.ExpiresAt, now),
	}
	switch {
	case row.Usable:
		row.State = state{Tone: "good", Word: "usable"}
	case t.RevokedAt.IsZero():
		row.State = state{Tone: "off", Word: "expired"}
	default:
		row.State = state{"off", "revoked", when(t.RevokedAt, now)}
	}
	return row
}

// tokenPage shows a new token, which is never shown again.
type tokenPage struct {
	base
	Agent   rolebroker.Agent
	Token   rolebroker.Token
	Shown   string // the token itself; empty: it was shown before
	Expires moment
	Use     usage
}

// createToken makes a token and redirects to the page that shows it.
func (s *server) createToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	grants, err := s.Broker.Grants(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	form := &agentTokensPage{Label: formValue(r, "label"), Expiry: formValue(r, "expiry")}
	token, secret, err := s.makeToken(r.Context(), v, grants.Agent.ID, form)
	if form.Errors = fieldErrors(err); form.Errors != nil {
		return s.renderTokens(w, r, v, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return s.toOnce(w, r, pageOf(rolebroker.KindAgent, grants.Agent.ID)+"/tokens/"+string(token.ID),
		once{Secret: secret.Reveal()})
}

// showToken shows a new token, once.
func (s *server) showToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	grants, err := s.Broker.Grants(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	token, err := s.Broker.AgentToken(r.Context(), v.who, string(grants.Agent.ID), rolebroker.TokenID(r.PathValue("token")))
	if err != nil {
		return err
	}
	page := tokenPage{Agent: grants.Agent, Token: *token, Use: s.usageOf(r, grants.Agent.Name, grants.Offers())}
	title := "Token of "
	if shown := s.takeOnce(w, r); shown != nil {
		page.Shown, title = shown.Secret, "New token of "
	}
	page.base = s.base(r, v, title+grants.Agent.Name, "agents")
	page.Expires = when(token.ExpiresAt, page.Now)
	return s.render(w, http.StatusOK, "token", page)
}

func (s *server) makeToken(ctx context.Context, v *visit, agent rolebroker.AgentID,
	form *agentTokensPage) (*rolebroker.Token, rolebroker.Secret, error) {
	expires, err := expiryOf(form.Expiry, s.Now())
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	return s.Broker.CreateToken(ctx, v.who, string(agent), broker.TokenSpec{Label: form.Label, ExpiresAt: expires})
}

// expiryOf is when something that is made now expires, by the choice in a form; the
// zero time is never. Codes: invalid.
func expiryOf(chosen string, now time.Time) (time.Time, error) {
	switch chosen {
	case "":
		return time.Time{}, nil
	case "30d":
		return now.AddDate(0, 0, 30), nil
	case "90d":
		return now.AddDate(0, 0, 90), nil
	case "1y":
		return now.AddDate(1, 0, 0), nil
	}
	return time.Time{}, &rolebroker.Error{
		Code: rolebroker.CodeInvalid, Message: "the expiry is not valid",
		Fields: []rolebroker.Field{{Path: "expires_at", Message: "is not one of the offered ones"}},
	}
}

func (s *server) revokeToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.RevokeToken(r.Context(), v.who, r.PathValue("agent"), rolebroker.TokenID(r.PathValue("token")))
	return s.toAgent(w, r, err, "/tokens", "revoked")
}
