package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// changeRoles does with the chosen roles what the pressed button of the page of roles says.
func (s *server) changeRoles(w http.ResponseWriter, r *http.Request, v *visit) error {
	action, only, _ := strings.Cut(formValue(r, "action"), ".")
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return err
	}
	if action == "validate-all" {
		return s.validateRoles(w, r, v, in, nil, "validated")
	}
	chosen := map[rolebroker.RoleID]bool{}
	for _, id := range r.PostForm["role"] {
		chosen[rolebroker.RoleID(id)] = true
	}
	if only != "" {
		chosen = map[rolebroker.RoleID]bool{rolebroker.RoleID(only): true}
	}
	if !slices.ContainsFunc(in.Roles, func(r rolebroker.Role) bool { return chosen[r.ID] }) {
		return s.showRolesAgain(w, r, v, http.StatusUnprocessableEntity, chosen, "Choose a role first.")
	}
	switch action {
	case "validate":
		return s.validateRoles(w, r, v, in, chosen, "validated")
	case "remove":
		return s.confirmRemoval(w, r, v, http.StatusOK, in, chosen, "")
	case "really-remove":
		if name := formValue(r, "default"); name != "" {
			in.DefaultRole = name
		}
		in.Roles = slices.DeleteFunc(in.Roles, func(r rolebroker.Role) bool { return chosen[r.ID] })
	case "enable":
		selectRoles(in, chosen, true)
	case "disable":
		selectRoles(in, chosen, false)
	case "default":
		if only == "" {
			return rolebroker.Errorf(rolebroker.CodeInvalid, "choose one role")
		}
		in.DefaultRole = in.Role(only).Name
	default:
		return rolebroker.Errorf(rolebroker.CodeInvalid, "there is no such action")
	}
	return s.saveRoles(w, r, v, in, chosen, action == "enable")
}

// onlyRoles is an integration with some of its roles, for a validation of these.
func onlyRoles(in *rolebroker.Integration, chosen map[rolebroker.RoleID]bool) *rolebroker.Integration {
	some := *in
	some.Roles = slices.DeleteFunc(slices.Clone(in.Roles), func(r rolebroker.Role) bool { return !chosen[r.ID] })
	some.DefaultRole = some.Roles[0].Name
	return &some
}

func selectRoles(in *rolebroker.Integration, chosen map[rolebroker.RoleID]bool, enabled bool) {
	for i := range in.Roles {
		if chosen[in.Roles[i].ID] {
			in.Roles[i].Enabled = enabled
		}
	}
}

// saveRoles saves the roles of an integration, unless somebody else has saved it since the page was made. It can
// validate the chosen ones afterwards.
func (s *server) saveRoles(w http.ResponseWriter, r *http.Request, v *visit, in *rolebroker.Integration,
	chosen map[rolebroker.RoleID]bool, validate bool) error {
	saved, err := s.Broker.UpdateIntegration(r.Context(), v.who, string(in.ID), *in, max(formVersion(r), 1),
		rolebroker.ValidateSkip.Saving())
	switch code := rolebroker.CodeOf(err); {
	case code == "" && validate:
		return s.validateRoles(w, r, v, saved, chosen, "updated")
	case code == "":
		return s.toRoles(w, r, "updated")
	}
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeStale:
		return s.showRolesAgain(w, r, v, http.StatusConflict, chosen, "Nothing was changed: somebody else saved "+
			in.Name+" meanwhile. This is how it is saved now. The roles that you chose are still chosen.")
	case rolebroker.CodeInvalid:
		now, gone := s.Broker.Integration(r.Context(), v.who, string(in.ID))
		if gone != nil {
			return gone
		}
		return s.confirmRemoval(w, r, v, http.StatusUnprocessableEntity, now, chosen,
			"Choose another default role. An integration has at least one role.")
	}
	return err
}

// toRoles redirects to the page of roles, or to that of the role whose page had the button.
func (s *server) toRoles(w http.ResponseWriter, r *http.Request, done string) error {
	return to(w, r, rolesAfter(r, done))
}

// rolesAfter is the address of the page of roles after something was done, with the same filter, or that of the role
// whose page had the button.
func rolesAfter(r *http.Request, done string) string {
	if of := formValue(r, "of"); of != "" {
		return pageOf(rolebroker.KindRole, of) + "?done=" + done
	}
	values := url.Values{"done": {done}}
	for _, name := range []string{"show", "search"} {
		if value := formValue(r, name); value != "" {
			values.Set(name, value)
		}
	}
	return pageOf(rolebroker.KindIntegration, r.PathValue("integration")) + "?" + values.Encode()
}

// showRolesAgain shows the page of roles with what is wrong. The chosen roles stay chosen.
func (s *server) showRolesAgain(w http.ResponseWriter, r *http.Request, v *visit, status int,
	chosen map[rolebroker.RoleID]bool, problem string) error {
	page, err := s.rolesPage(r, v)
	if err != nil {
		return err
	}
	page.Problem = problem
	for i := range page.Lines {
		page.Lines[i].Chosen = chosen[rolebroker.RoleID(page.Lines[i].ID)]
	}
	return s.render(w, status, "integration", page)
}

// validateRoles tries the chosen roles of an integration, or all of them, and leads to the page that says the result.
// done is what the page says was done.
func (s *server) validateRoles(w http.ResponseWriter, r *http.Request, v *visit, in *rolebroker.Integration,
	chosen map[rolebroker.RoleID]bool, done string) (err error) {
	tried, how := in, broker.Validating{}
	if chosen != nil {
		tried = onlyRoles(in, chosen)
	}
	progress := newProgressWriter(w, len(tried.Roles))
	if watches(r) {
		how = progress.validating()
	}
	if chosen != nil {
		_, _, err = s.Broker.ValidateDraft(r.Context(), v.who, *tried, how)
	} else {
		_, err = s.Broker.ValidateIntegration(r.Context(), v.who, string(in.ID), how)
	}
	switch {
	case err != nil && (progress.begun || done == "updated"): // the page shows which roles were not tried
		s.Log.WarnContext(r.Context(), "web app: validating roles", "reason", err)
	case err != nil:
		return err
	}
	if watches(r) {
		progress.end(s.Path + rolesAfter(r, done))
		return nil
	}
	return s.toRoles(w, r, done)
}

// removeRolesPage asks whether to remove roles.
type removeRolesPage struct {
	base
	In           rolebroker.Integration
	Version      int64             // of the integration that the person saw
	Roles        []rolebroker.Role // to remove
	Left         []string          // the names of the others
	Default      bool              // the default role is one of Roles
	Agents       audience          // that lose one of them
	Show, Search string            // of the page that asked
	Problem      string            // what is wrong with the answer
}

func (s *server) confirmRemoval(w http.ResponseWriter, r *http.Request, v *visit, status int,
	in *rolebroker.Integration, chosen map[rolebroker.RoleID]bool, problem string) error {
	page := removeRolesPage{base: s.base(r, v, "Remove roles of "+in.Name, "integrations"), In: *in,
		Version: formVersion(r), Show: formValue(r, "show"), Search: formValue(r, "search"), Problem: problem}
	for _, role := range in.Roles {
		if !chosen[role.ID] {
			page.Left = append(page.Left, role.Name)
			continue
		}
		page.Roles = append(page.Roles, role)
		page.Default = page.Default || role.Name == in.DefaultRole
	}
	agents, err := s.connectedTo(r.Context(), v, in.ID)
	if err != nil {
		return err
	}
	page.Agents = borrowersOf(agents, in.ID, maxMentioned, page.Roles...)
	return s.render(w, status, "remove-roles", page)
}

// connectedTo are all agents that are connected to an integration.
func (s *server) connectedTo(ctx context.Context, v *visit, id rolebroker.IntegrationID) ([]rolebroker.Agent, error) {
	return readAll(ctx, v, agentName, func(ctx context.Context, who rolebroker.Caller,
		page rolebroker.Page) ([]rolebroker.Agent, error) {
		page.Integration = string(id)
		return s.Broker.Agents(ctx, who, page)
	})
}

// borrowersOf are those of the agents that may borrow one of the roles of an integration, with the first names.
func borrowersOf(
	agents []rolebroker.Agent, id rolebroker.IntegrationID, mentioned int, roles ...rolebroker.Role,
) (a audience) {
	for i := range agents {
		c := agents[i].Connection(id)
		if c == nil || !slices.ContainsFunc(roles, func(r rolebroker.Role) bool { return c.Includes(r.ID) }) {
			continue
		}
		if a.Count++; len(a.Names) < mentioned {
			a.Names = append(a.Names, agents[i].Name)
		}
	}
	return a
}
