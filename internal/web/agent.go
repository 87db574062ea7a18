package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// agentPage is one agent: the roles that it may borrow now, and how it does; its
// connections, tokens and service accounts.
type agentPage struct {
	base
	Agent rolebroker.Agent
	State state

	CutOff  moment // when it was cut off
	EndKeys string // the command for its keys in AWS; empty: it is not cut off

	agentRoles
	Use usage

	Requests []requestRow // that wait for a decision, or are approved and last

	Connections []connectionRow
	Others      []string // integrations that the agent is not connected to
	More        bool     // there are more of them
	Connect     string   // the integration to connect, as it was chosen

	Bindings []bindingRow
	Issuers  []issuer                  // whose service accounts can be bound
	Account  rolebroker.ServiceAccount // to bind, as it was typed
	Labels   string                    // to bind by, as they were typed

	Tokens []tokenRow
	Label  string // of a new token, as it was typed
	Expiry string // of a new token, as it was chosen

	NewName        string // as it was typed
	NewDescription string // as it was typed
	Version        int64  // the version that the form was made from
	Was            fieldValues
	Conflicts      []conflict // what somebody else changed too; empty: nobody did
	Errors         map[string]string
}

// Editing returns whether the form with the name is open.
func (p *agentPage) Editing() bool {
	return len(p.Conflicts) > 0 || p.Errors["name"] != "" || p.Errors["description"] != ""
}

// connectionRow is an integration that the agent is connected to.
type connectionRow struct {
	rolebroker.Connection
	Default   bool
	Paused    bool // the integration is disabled
	Mode      rolebroker.AssumptionMode
	Runner    string // the name of the integration's runner; empty: none
	Selected  int    // roles
	RoleCount int
	Connected moment
}

func (s *server) showAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderAgent(w, r, v, http.StatusOK, &agentPage{})
}

// renderAgent adds to the page the agent as it is now, and shows it.
func (s *server) renderAgent(w http.ResponseWriter, r *http.Request, v *visit, status int, page *agentPage) error {
	grants, err := s.Broker.Grants(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	page.base, page.Agent = s.base(r, v, grants.Agent.Name, "agents"), grants.Agent
	page.State = stateOfAgent(&grants.Agent)
	if page.Agent.CutOff.IsSet() {
		page.CutOff = when(page.Agent.CutOff.At, page.Now)
		page.EndKeys = rolebroker.ShellCommand("rolebroker", "agent", "cut-off", page.Agent.Name, "--print") + " > cut-off.sh"
	}
	if page.Version == 0 {
		page.NewName, page.NewDescription = page.Agent.Name, page.Agent.Description
		page.Version = page.Agent.Version
	}
	page.Was = valuesOfAgent(&page.Agent)
	live, err := s.liveSessions(r.Context(), v, page.Agent.ID, page.Now)
	if err != nil {
		return err
	}
	page.agentRoles = rolesOfAgent(grants, live, page.Now)
	page.Use = s.usageOf(r, page.Agent.Name, grants.Offers())
	page.Connections = connectionsOf(grants, page.Now)
	if err := s.addBindings(r.Context(), v, page); err != nil {
		return err
	}
	if page.Requests, err = s.openRequests(r.Context(), v, page.Agent.ID, page.Now); err != nil {
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

// liveSessions are the sessions of an agent whose credentials may still be valid.
func (s *server) liveSessions(ctx context.Context, v *visit, agent rolebroker.AgentID,
	now time.Time) ([]rolebroker.Session, error) {
	filter := rolebroker.SessionFilter{Agent: string(agent), LiveAt: now}
	return readAll(ctx, v, rolebroker.SessionCursor,
		func(ctx context.Context, who rolebroker.Caller, page rolebroker.Page) ([]rolebroker.Session, error) {
			return s.Broker.Sessions(ctx, who, filter, page)
		})
}

// openRequests are the access requests of an agent that wait for a decision, and then its grants that last.
func (s *server) openRequests(ctx context.Context, v *visit, agent rolebroker.AgentID, now time.Time) (
	rows []requestRow, err error) {
	for _, state := range []rolebroker.AccessRequestState{rolebroker.RequestPending, rolebroker.RequestApproved} {
		found, err := s.Broker.AccessRequests(ctx, v.who,
			rolebroker.AccessRequestFilter{Agent: string(agent), State: state},
			rolebroker.Page{Limit: rolebroker.MaxOpenRequests})
		if err != nil {
			return nil, err
		}
		rows = append(rows, requestRows(found, now)...)
	}
	return rows, nil
}

func connectionsOf(g *rolebroker.Grants, now time.Time) (rows []connectionRow) {
	for _, c := range g.Agent.Connections {
		row := connectionRow{
			Connection: c,
			Default:    c.Integration == g.Agent.DefaultIntegration,
			Connected:  when(c.ConnectedAt, now),
		}
		i := slices.IndexFunc(g.Integrations, func(in rolebroker.Integration) bool { return in.ID == c.Integration })
		if i >= 0 {
			in := &g.Integrations[i]
			row.Paused = !in.Enabled
			row.Mode, row.Runner, row.RoleCount = in.AssumptionMode, in.RunnerName, len(in.Roles)
			for _, role := range in.Roles {
				if role.Enabled && c.Includes(role.ID) {
					row.Selected++
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// otherIntegrations names the first integrations that an agent is not connected to.
func (s *server) otherIntegrations(
	ctx context.Context, v *visit, a *rolebroker.Agent,
) (others []string, more bool, err error) {
	limit := maxNames + len(a.Connections) + 1
	found, err := s.Broker.Integrations(ctx, v.who, rolebroker.Page{Limit: limit})
	found = slices.DeleteFunc(found, func(in rolebroker.Integration) bool { return a.Connected(in.ID) })
	found, more = cut(found, maxNames)
	return names(found, integrationName), more, err
}

// updateAgent saves the name and the description.
func (s *server) updateAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &agentPage{NewName: formValue(r, "name"), NewDescription: formValue(r, "description"),
		Version: formVersion(r)}
	now, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	spec := broker.AgentSpec{Name: page.NewName, Description: page.NewDescription, Disabled: now.DisabledByPerson()}
	_, err = s.Broker.UpdateAgent(r.Context(), v.who, string(now.ID), spec, max(page.Version, 1))
	done := "updated"
	if rolebroker.CodeOf(err) == rolebroker.CodeStale {
		mine := fieldValues{"name": spec.Name, "description": spec.Description}
		page.Conflicts = mine.mergeInWords(readValues(r), valuesOfAgent(now))
		page.Version, page.NewName, page.NewDescription = now.Version, mine["name"], mine["description"]
		if len(page.Conflicts) > 0 {
			return s.renderAgent(w, r, v, http.StatusConflict, page)
		}
		spec.Name, spec.Description = page.NewName, page.NewDescription
		_, err = s.Broker.UpdateAgent(r.Context(), v.who, string(now.ID), spec, now.Version)
		done = "merged"
	}
	if page.Errors = fieldErrors(err); page.Errors != nil {
		return s.renderAgent(w, r, v, statusOf(err), page)
	}
	return s.toAgent(w, r, err, done)
}

func valuesOfAgent(a *rolebroker.Agent) fieldValues {
	return fieldValues{"name": a.Name, "description": a.Description}
}

// toAgent redirects to the agent after a change, unless err is an error.
func (s *server) toAgent(w http.ResponseWriter, r *http.Request, err error, done string) error {
	if err != nil {
		return err
	}
	return toDone(w, r, "/agents/"+r.PathValue("agent"), done)
}

func (s *server) disableAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.DisableAgent(r.Context(), v.who, r.PathValue("agent"))
	return s.toAgent(w, r, err, "disabled")
}

func (s *server) cutOffAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.CutOff(r.Context(), v.who, r.PathValue("agent"), broker.CuttingOff{Reason: formValue(r, "reason")})
	return s.toAgent(w, r, err, "cut-off")
}

func (s *server) enableAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	_, err := s.Broker.EnableAgent(r.Context(), v.who, r.PathValue("agent"))
	return s.toAgent(w, r, err, "enabled")
}

func (s *server) connectAgent(w http.ResponseWriter, r *http.Request, v *visit) error {
	refuse := func(problem string) error {
		page := &agentPage{Connect: formValue(r, "integration"), Errors: map[string]string{"connect": problem}}
		return s.renderAgent(w, r, v, http.StatusUnprocessableEntity, page)
	}
	if formValue(r, "integration") == "" {
		return refuse("Choose an integration.")
	}
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return err
	}
	_, err = s.Broker.Connect(r.Context(), v.who, string(agent.ID), formValue(r, "integration"), nil, 0)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return refuse(sentence(rolebroker.AsError(err).Message))
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
