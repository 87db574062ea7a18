package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// The numbers of tokens and sessions that the page of an agent shows.
const (
	maxTokens   = 200
	maxSessions = 500
)

// agentPage is one agent: what it may borrow now, why not more, and how it borrows.
type agentPage struct {
	base
	Agent   rolebroker.Agent
	State   state
	Roles   []roleOffer
	Nothing string   // why it may borrow nothing; empty: it may borrow something
	Notes   []string // sentences about limits of what it may borrow
	Unclear []unclear
	Use     usage

	Connections []connectionRow
	Others      []string // integrations that it is not connected to
	More        bool     // there are more than Others
	Connect     string   // the choice in the form

	Bindings []bindingRow
	Issuers  []issuer                  // whose service accounts can be bound
	Account  rolebroker.ServiceAccount // the one in the form
	Region   rolebroker.Region         // of the first role that it may borrow
	First    string                    // a reference to that role
	Named    bool                      // there is no default role, so the agent has to name one

	Tokens []tokenRow
	Label  string // of a new token, in the form
	Expiry string // of a new token, the choice in the form

	NewName string // the name in the form
	About   string // the description in the form
	Version int64  // the version that the form shows
	Stale   bool   // another person has saved the agent since
	Errors  map[string]string
}

// Editing reports whether the form with the name is open.
func (p *agentPage) Editing() bool {
	return p.Stale || p.Errors["name"] != "" || p.Errors["description"] != ""
}

// roleOffer is a role that the agent may borrow now.
type roleOffer struct {
	rolebroker.Offer
	In         rolebroker.IntegrationID
	Runner     rolebroker.RunnerID // the runner that lends it; empty: this server
	RunnerName string
	Where      string // the role's account and name in AWS
	Left       string // how long the agent's credentials for it last; empty: it has none
}

// unclear is a name that several of the agent's roles have.
type unclear struct {
	Name string
	Says []string // the references that are not ambiguous
}

// connectionRow is an integration that the agent may borrow from.
type connectionRow struct {
	rolebroker.Connection
	Default   bool
	Mode      rolebroker.AssumptionMode
	Runner    string // the name of the runner in cluster mode; empty: none is chosen
	Selected  int    // the number of enabled roles
	Roles     int
	Connected moment
}

// tokenRow is one of the agent's tokens.
type tokenRow struct {
	rolebroker.Token
	State                  state
	Usable                 bool
	Created, Used, Expires moment
}

func (s *server) showAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderAgent(w, r, v, http.StatusOK, &agentPage{})
}

// renderAgent fills in the current agent, and renders the page.
func (s *server) renderAgent(w http.ResponseWriter, r *http.Request, v *visit, status int, page *agentPage) error {
	grants, err := s.Broker.Grants(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	page.base, page.Agent, page.State = s.base(r, v, grants.Agent.Name,
		"agents"), grants.Agent, stateOfAgent(&grants.Agent)
	if page.Version == 0 {
		page.NewName, page.About, page.Version = page.Agent.Name, page.Agent.Description, page.Agent.Version
	}
	live, err := s.liveSessions(r.Context(), v, page.Agent.ID, page.Now)
	if err != nil {
		return err
	}
	page.offer(grants, live)
	page.Use = s.usageOf(r, page.Agent.Name, grants.Offers())
	page.connections(grants)
	if err := s.bind(r.Context(), v, page); err != nil {
		return err
	}
	if page.Others, page.More, err = s.otherIntegrations(r.Context(), v, &page.Agent); err != nil {
		return err
	}
	if page.Tokens, err = s.tokensOf(r.Context(), v, page.Agent.ID, page.Now); err != nil {
		return err
	}
	return s.render(w, status, "agent", page)
}

// liveSessions returns the sessions of an agent that may still work.
func (s *server) liveSessions(
	ctx context.Context, v *visit, agent rolebroker.AgentID, now time.Time,
) ([]rolebroker.Session, error) {
	return s.Broker.Sessions(ctx, v.who, rolebroker.SessionFilter{Agent: string(agent), LiveAt: now},
		rolebroker.Page{Limit: maxSessions})
}

// offer fills in the roles that the agent may borrow, and how long its credentials for them last.
func (p *agentPage) offer(g *rolebroker.Grants, live []rolebroker.Session) {
	until := map[rolebroker.RoleID]time.Time{}
	for _, session := range live {
		if session.State == rolebroker.SessionActive && session.ExpiresAt.After(until[session.Role]) {
			until[session.Role] = session.ExpiresAt
		}
	}
	p.Region = "us-east-1"
	for i, offer := range withRunnerRoles(g).Offers() {
		if i == 0 {
			p.Region = offer.Region
			p.Named = !offer.Default // the default comes first
			p.First = offer.Reference
		}
		in := integrationNamed(g, offer.Integration)
		row := roleOffer{Offer: offer, In: in.ID, Runner: in.Runner, RunnerName: in.RunnerName, Where: where(offer.ARN)}
		if ends, ok := until[in.Role(offer.Name).ID]; ok {
			row.Left = rolebroker.DurationInWords(max(ends.Sub(p.Now), 0)) + " left"
		}
		p.Roles = append(p.Roles, row)
	}
	if len(p.Roles) == 0 {
		p.Nothing = whyNothing(g)
		return
	}
	p.Notes = notes(g)
	p.Unclear = unclearNames(p.Roles)
}

// Here reports whether this server lends at least one of the roles.
func (p *agentPage) Here() bool {
	return slices.ContainsFunc(p.Roles, func(r roleOffer) bool { return r.Runner == "" })
}

// withRunnerRoles returns the grants as if this server lent the roles of runners too, so that Offers lists all of them.
func withRunnerRoles(g *rolebroker.Grants) *rolebroker.Grants {
	all := &rolebroker.Grants{Agent: g.Agent, Integrations: slices.Clone(g.Integrations)}
	for i := range all.Integrations {
		if in := &all.Integrations[i]; in.Runner != "" {
			in.AssumptionMode = rolebroker.ModePlatform
		}
	}
	return all
}

// where returns the account of a role, and its name there with its path.
func where(arn rolebroker.RoleARN) string {
	return arn.Account + " · " + strings.TrimPrefix(arn.Path, "/") + arn.Name
}

func integrationNamed(g *rolebroker.Grants, name string) *rolebroker.Integration {
	i := slices.IndexFunc(g.Integrations, func(in rolebroker.Integration) bool { return in.Name == name })
	return &g.Integrations[i] // an offer is of one of them
}

// whyNothing says why an agent may borrow nothing, and what to do.
func whyNothing(g *rolebroker.Grants) string {
	switch idle := withoutRunner(g); {
	case g.Agent.Disabled:
		return "It is disabled: nothing is lent to it until somebody enables it."
	case len(g.Integrations) == 0:
		return "It is not connected to an integration yet. " +
			"Connect one, and it may borrow the roles that are selected there."
	case len(idle) == len(g.Integrations):
		return "Nobody assumes the roles of " + strings.Join(idle, ", ") + " yet: choose a runner there."
	}
	return "No role is selected in the integrations it is connected to."
}

// withoutRunner returns the names of the integrations in cluster mode that name no runner.
func withoutRunner(g *rolebroker.Grants) (names []string) {
	for _, in := range g.Integrations {
		if in.AssumptionMode != rolebroker.ModePlatform && in.Runner == "" {
			names = append(names, in.Name)
		}
	}
	return names
}

// runnerNames returns the names of the runners that lend some of the roles.
func runnerNames(g *rolebroker.Grants) (names []string) {
	for _, in := range g.Integrations {
		if in.Runner != "" && !slices.Contains(names, in.RunnerName) {
			names = append(names, in.RunnerName)
		}
	}
	return names
}

// notes returns sentences about limits of what an agent may borrow.
func notes(g *rolebroker.Grants) (found []string) {
	const refused = ": instructions that name no role are refused."
	switch in := byDefault(g); {
	case in == nil:
		found = append(found, "It has no default integration"+refused+" Choose one below.")
	case in.AssumptionMode != rolebroker.ModePlatform && in.Runner == "":
		found = append(found, "Nobody assumes the roles of its default integration, "+in.Name+", yet"+refused)
	case in.Role(in.DefaultRole) == nil || !in.Role(in.DefaultRole).Enabled:
		found = append(found, "The default role of "+in.Name+", "+in.DefaultRole+", is not selected there"+refused)
	}
	if names := withoutRunner(g); len(names) > 0 {
		found = append(found, "The roles of "+strings.Join(names,
			", ")+" are not here: nobody assumes them until a runner is chosen there.")
	}
	if names := runnerNames(g); len(names) > 0 && len(g.Offers()) > 0 {
		found = append(found,
			"This server does not lend the roles of runners: pods ask "+strings.Join(names, ", ")+".")
	}
	return found
}

// byDefault returns the agent's default integration; nil if it has none.
func byDefault(g *rolebroker.Grants) *rolebroker.Integration {
	for i := range g.Integrations {
		if g.Integrations[i].ID == g.Agent.DefaultIntegration {
			return &g.Integrations[i]
		}
	}
	return nil
}

// unclearNames returns the names that are ambiguous, with the references to use instead.
func unclearNames(offers []roleOffer) (found []unclear) {
	for _, offer := range offers {
		if offer.Reference == offer.Name {
			continue
		}
		i := slices.IndexFunc(found, func(u unclear) bool { return u.Name == offer.Name })
		if i < 0 {
			found, i = append(found, unclear{Name: offer.Name}), len(found)
		}
		found[i].Says = append(found[i].Says, offer.Reference)
	}
	return found
}

// connections fills in the integrations that the agent is connected to.
func (p *agentPage) connections(g *rolebroker.Grants) {
	for _, c := range g.Agent.Connections {
		row := connectionRow{Connection: c, Default: c.Integration == g.Agent.DefaultIntegration,
			Connected: when(c.ConnectedAt, p.Now)}
		for _, in := range g.Integrations {
			if in.ID != c.Integration {
				continue
			}
			row.Mode, row.Runner, row.Roles = in.AssumptionMode, in.RunnerName, len(in.Roles)
			for _, role := range in.Roles {
				if role.Enabled {
					row.Selected++
				}
			}
		}
		p.Connections = append(p.Connections, row)
	}
}

// otherIntegrations returns the names of integrations that an agent is not connected to: maxNamed at most.
func (s *server) otherIntegrations(
	ctx context.Context, v *visit, a *rolebroker.Agent,
) (names []string, more bool, err error) {
	found, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: maxNamed + len(a.Connections) + 1})
	for _, in := range found {
		if !a.Connected(in.ID) {
			names = append(names, in.Name)
		}
	}
	if len(names) > maxNamed {
		return names[:maxNamed], true, err
	}
	return names, false, err
}

// tokensOf returns an agent's tokens: the usable ones first, then by age, the newest first.
func (s *server) tokensOf(ctx context.Context, v *visit, agent rolebroker.AgentID, now time.Time) ([]tokenRow, error) {
	found, err := s.Broker.Tokens(ctx, v.who, string(agent), rolebroker.Page{Limit: maxTokens})
	var rows []tokenRow
	for _, t := range found {
		row := tokenRow{Token: t, Usable: t.Usable(now) == nil, Created: when(t.CreatedAt, now),
			Used: when(t.UsedAt, now), Expires: when(t.ExpiresAt, now)}
		switch {
		case row.Usable:
			row.State = state{Tone: "good", Word: "usable"}
		case t.RevokedAt.IsZero():
			row.State = state{Tone: "off", Word: "expired"}
		default:
			row.State = state{"off", "revoked", when(t.RevokedAt, now)}
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b tokenRow) int {
		if a.Usable != b.Usable {
			return map[bool]int{true: -1, false: 1}[a.Usable]
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return rows, err
}

// updateAgent saves the name and the description.
func (s *server) updateAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &agentPage{NewName: formValue(r, "name"), About: formValue(r, "description")}
	page.Version, _ = strconv.ParseInt(formValue(r, "version"), 10, 64) // 0 is none
	now, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	spec := broker.AgentSpec{Name: page.NewName, Description: page.About, Disabled: now.Disabled}
	_, err = s.Broker.UpdateAgent(r.Context(), v.who, string(now.ID), spec, max(page.Version, 1))
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		page.Stale, page.Version = true, now.Version
		return s.renderAgent(w, r, v, http.StatusConflict, page)
	}
	if page.Errors = faults(err); page.Errors != nil {
		return s.renderAgent(w, r, v, statusOf(err), page)
	}
	return s.toAgent(w, r, err, "updated")
}

// toAgent redirects to the agent's page after a change, if there was no error.
func (s *server) toAgent(w http.ResponseWriter, r *http.Request, err error, done string) error {
	if err != nil {
		return err
	}
	return to(w, r, "/agents/"+r.PathValue("agent")+"?done="+done)
}

func (s *server) disableAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.DisableAgent(r.Context(), v.who, r.PathValue("agent"))
	return s.toAgent(w, r, err, "disabled")
}

func (s *server) enableAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.EnableAgent(r.Context(), v.who, r.PathValue("agent"))
	return s.toAgent(w, r, err, "enabled")
}

func (s *server) connectAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	refuse := func(status int, problem string) error {
		page := &agentPage{Connect: formValue(r, "integration"), Errors: map[string]string{"connect": problem}}
		return s.renderAgent(w, r, v, status, page)
	}
	if formValue(r, "integration") == "" {
		return refuse(http.StatusUnprocessableEntity, "Choose an integration.")
	}
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	_, err = s.Broker.Connect(r.Context(), v.who, string(agent.ID), formValue(r, "integration"))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return refuse(http.StatusUnprocessableEntity, sentence(rolebroker.AsError(err).Message))
	}
	return s.toAgent(w, r, err, "connected")
}

func (s *server) disconnectAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.Disconnect(r.Context(), v.who, r.PathValue("agent"), formValue(r, "integration"))
	return s.toAgent(w, r, err, "disconnected")
}

func (s *server) chooseDefault(w http.ResponseWriter, r *http.Request, v *visit) error {
	if formValue(r, "integration") == "" {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "choose an integration")
	}
	_, err := s.Broker.ChooseDefault(r.Context(), v.who, r.PathValue("agent"), formValue(r, "integration"))
	return s.toAgent(w, r, err, "default")
}

// tokenPage shows a new token, once.
type tokenPage struct {
	base
	Agent   rolebroker.Agent
	Token   rolebroker.Token
	Shown   string // the token itself
	Expires moment
	Use     usage
}

// createToken answers with the token and not with a redirect, because nothing may store the token for a second request.
func (s *server) createToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	grants, err := s.Broker.Grants(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	form := &agentPage{Label: formValue(r, "label"), Expiry: formValue(r, "expiry")}
	token, secret, err := s.makeToken(r.Context(), v, grants.Agent.ID, form)
	if form.Errors = faults(err); form.Errors != nil {
		return s.renderAgent(w, r, v, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	page := tokenPage{base: s.base(r, v, "New token of "+grants.Agent.Name, "agents"), Agent: grants.Agent,
		Token: *token, Shown: secret.Reveal()}
	page.Expires, page.Use = when(token.ExpiresAt, page.Now), s.usageOf(r, grants.Agent.Name, grants.Offers())
	return s.render(w, http.StatusCreated, "token", page)
}

func (s *server) makeToken(
	ctx context.Context, v *visit, agent rolebroker.AgentID, form *agentPage,
) (*rolebroker.Token, rolebroker.Secret, error) {
	expires, err := expiryOf(form.Expiry, s.Now())
	if err != nil {
		return nil, rolebroker.Secret{}, err
	}
	return s.Broker.CreateToken(ctx, v.who, string(agent), broker.TokenSpec{Label: form.Label, ExpiresAt: expires})
}

func (s *server) revokeToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	err := s.Broker.RevokeToken(r.Context(), v.who, r.PathValue("agent"), rolebroker.TokenID(r.PathValue("token")))
	return s.toAgent(w, r, err, "revoked")
}
