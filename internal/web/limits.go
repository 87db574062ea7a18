package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// limitsPage is the form for what an agent may do with the roles of an integration.
type limitsPage struct {
	base
	Agent       rolebroker.Agent
	Integration rolebroker.IntegrationID
	Name        string // of the integration
	Accesses    []accessChoice
	Policy      string // as it was typed, or indented
	Some        bool   // the agent is limited to the roles that are chosen
	Roles       []roleChoice
	KeyChoices  []accessChoice
	Approvals   []accessChoice
	Version     int64 // of the agent, that the form was made from
	Errors      map[string]string
}

// accessChoice is a word that can be chosen, and what it means.
type accessChoice struct {
	Word, Means string
	Chosen      bool
}

// roleChoice is a role of the integration.
type roleChoice struct {
	rolebroker.Role
	Chosen bool
}

// choicesOf are the words that can be chosen.
func choicesOf[T ~string](words []T, chosen T, means map[T]string) (all []accessChoice) {
	for _, w := range words {
		all = append(all, accessChoice{string(w), means[w], w == chosen})
	}
	return all
}

func accessChoices(chosen rolebroker.Access) []accessChoice {
	means := map[rolebroker.Access]string{
		rolebroker.AccessFull:     "everything that the role allows",
		rolebroker.AccessReadOnly: "what AWS’s ReadOnlyAccess allows too, but nothing that returns credentials",
		rolebroker.AccessViewOnly: "what AWS’s ViewOnlyAccess allows too: to list, and hardly any data",
		rolebroker.AccessPolicy:   "what the session policy below allows too",
	}
	return choicesOf(rolebroker.Accesses(), chosen, means)
}

func keyChoices(chosen rolebroker.Keys) []accessChoice {
	means := map[rolebroker.Keys]string{
		rolebroker.KeysLent:     "the agent gets AWS keys",
		rolebroker.KeysWithheld: "it gets keys that work at this server only, which signs its requests",
	}
	return choicesOf(rolebroker.AllKeys(), chosen, means)
}

func approvalChoices(chosen rolebroker.Approval) []accessChoice {
	means := map[rolebroker.Approval]string{
		rolebroker.ApprovalNone:   "nobody has to approve",
		rolebroker.ApprovalBorrow: "a person approves before a role is used",
	}
	return choicesOf(rolebroker.Approvals(), chosen, means)
}

// connectionOf finds the connection that a request is about, and its integration.
func (s *server) connectionOf(r *http.Request, v *visit) (
	*rolebroker.Agent, *rolebroker.Connection, *rolebroker.Integration, error) {
	agent, err := s.Broker.Agent(r.Context(), v.who, r.PathValue("agent"))
	if err != nil {
		return nil, nil, nil, err
	}
	in, err := s.Broker.Integration(r.Context(), v.who, r.PathValue("integration"))
	if err != nil {
		return nil, nil, nil, err
	}
	c := agent.Connection(in.ID)
	if c == nil {
		err = rolebroker.Errorf(rolebroker.CodeNotFound, "agent %s is not connected to integration %s", agent.Name, in.Name)
	}
	return agent, c, in, err
}

func (s *server) showLimits(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, c, in, err := s.connectionOf(r, v)
	if err != nil {
		return err
	}
	return s.renderLimits(w, r, v, http.StatusOK, agent, in, broker.LimitsOf(c), &limitsPage{Version: agent.Version})
}

// renderLimits shows the form with these limits in it.
func (s *server) renderLimits(w http.ResponseWriter, r *http.Request, v *visit, status int, agent *rolebroker.Agent,
	in *rolebroker.Integration, limits broker.Limits, page *limitsPage) error {
	page.base, page.Agent = s.base(r, v, agent.Name+" in "+in.Name, "agents"), *agent
	page.Integration, page.Name = in.ID, in.Name
	page.Accesses, page.Approvals = accessChoices(limits.Access), approvalChoices(limits.Approval)
	page.KeyChoices = keyChoices(limits.Keys)
	page.Policy, page.Some = limits.SessionPolicy, limits.Roles != nil
	var pretty bytes.Buffer
	if json.Indent(&pretty, []byte(page.Policy), "", "  ") == nil {
		page.Policy = pretty.String()
	}
	for _, role := range in.Roles {
		chosen := page.Some && (slices.Contains(*limits.Roles, role.Name) || slices.Contains(*limits.Roles, string(role.ID)))
		page.Roles = append(page.Roles, roleChoice{role, chosen})
	}
	return s.render(w, status, "limits", page)
}

// saveLimits replaces the limits by those of the form. A form with an access only, as the button Make read-only has it,
// leaves the other limits as they are.
func (s *server) saveLimits(w http.ResponseWriter, r *http.Request, v *visit) error {
	agent, c, in, err := s.connectionOf(r, v)
	if err != nil {
		return err
	}
	limits, page := broker.LimitsOf(c), &limitsPage{Version: max(formVersion(r), 1)}
	limits.Access, limits.SessionPolicy = rolebroker.Access(formValue(r, "access")), ""
	if formValue(r, "form") != "" {
		limits.Approval, limits.Roles = rolebroker.Approval(formValue(r, "approval")), nil
		if keys := formValue(r, "keys"); keys != "" {
			limits.Keys = rolebroker.Keys(keys)
		}
		if formValue(r, "scope") == "some" {
			chosen := append([]string{}, r.PostForm["role"]...)
			limits.Roles = &chosen
		}
	}
	if limits.Access == rolebroker.AccessPolicy {
		limits.SessionPolicy = strings.TrimSpace(formValue(r, "session_policy"))
	}
	if limits.Roles != nil && len(*limits.Roles) == 0 && formValue(r, "form") != "" {
		page.Errors = map[string]string{"roles": "Choose a role, or all of them. To take all roles away, disconnect the integration."}
		return s.renderLimits(w, r, v, http.StatusUnprocessableEntity, agent, in, limits, page)
	}
	_, err = s.Broker.Connect(r.Context(), v.who, string(agent.ID), string(in.ID), &limits, page.Version)
	if found := fieldErrors(err); found != nil {
		page.Errors = policyErrors(found)
		return s.renderLimits(w, r, v, statusOf(err), agent, in, limits, page)
	}
	return s.toAgent(w, r, err, "limited")
}

// policyErrors gathers what is wrong with elements of the session policy under its field.
func policyErrors(found map[string]string) map[string]string {
	shown := map[string]string{}
	var policy []string
	for path, problem := range found {
		element, isPolicy := strings.CutPrefix(path, "session_policy")
		switch {
		case isPolicy && element != "":
			policy = append(policy, strings.TrimPrefix(element, ".")+": "+problem)
		case isPolicy:
			policy = append(policy, problem)
		case strings.HasPrefix(path, "roles"):
			shown["roles"] = problem
		default:
			shown[path] = problem
		}
	}
	if slices.Sort(policy); len(policy) > 0 {
		shown["session_policy"] = strings.Join(policy, " ")
	}
	return shown
}
