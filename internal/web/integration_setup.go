package web

import (
	"net/http"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// integrationSetupPage is what has to be done in AWS for one role of an integration.
type integrationSetupPage struct {
	integrationTab
	Accounts []setupAccount // the choice of roles
	Role     roleLine       // the chosen one
	Setup    *rolebroker.Setup
	One      rolebroker.RoleSetup // the part of Setup for the role
	Several  bool                 // the roles are in several accounts of AWS
	Tried    bool                 // a trust policy was pasted
	Pasted   string               // as it was
	Problem  string               // what is wrong with it; empty: nothing
	Advice   rolebroker.Hint      // how to get it in another form
	Diff     []diffLine           // from the pasted policy to the new one; none if it is right
}

// setupAccount is an account with its roles, to choose one.
type setupAccount struct {
	ID    string
	Roles []setupChoice
}

// setupChoice is a role that can be chosen.
type setupChoice struct {
	Name   string
	Word   string // its state, if it fails; empty otherwise
	Chosen bool
}

// diffLine is a line of a difference.
type diffLine struct {
	Sign string // "+", "-", " ", or "…" for lines that are left out
	Text string
}

// showIntegrationSetup shows the setup of the role that the address names, else of one that needs it.
func (s *server) showIntegrationSetup(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &integrationSetupPage{}
	if err := s.addSetupOf(r, v, page); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "integration-setup", page)
}

// mergeIntegrationSetup shows how the trust policy that somebody pasted has to change. It stores and logs nothing of
// it.
func (s *server) mergeIntegrationSetup(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &integrationSetupPage{Tried: true, Pasted: r.PostFormValue("policy")}
	if err := s.addSetupOf(r, v, page); err != nil {
		return err
	}
	status := http.StatusOK
	if page.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return s.render(w, status, "integration-setup", page)
}

// addSetupOf adds the setup of the role that the request names.
func (s *server) addSetupOf(r *http.Request, v *visit, page *integrationSetupPage) (err error) {
	if page.integrationTab, err = s.integrationTab(r, v, "setup"); err != nil {
		return err
	}
	role, err := page.chosen(r.FormValue("role"))
	if err != nil || role == nil {
		return err
	}
	page.addChoices(role)
	page.Role = (&rolesPage{integrationTab: page.integrationTab}).line(role)
	ask := func(policy string) (*rolebroker.Setup, error) {
		return s.Broker.Setup(r.Context(), v.who, string(page.In.ID),
			rolebroker.SetupRequest{Role: string(role.ID), CurrentPolicy: policy})
	}
	if page.Tried && strings.TrimSpace(page.Pasted) == "" {
		page.Problem = "Paste the trust policy that the role has now."
	}
	if page.Tried && page.Problem == "" {
		page.Setup, err = ask(page.Pasted)
		page.Problem, page.Advice = policyProblem(err)
	}
	if page.Setup == nil && (err == nil || page.Problem != "") {
		page.Setup, err = ask("")
	}
	if err != nil {
		return err
	}
	page.One = page.Setup.Roles[0]
	page.Diff = diffLines(page.One.Diff)
	return nil
}

// policyProblem says what is wrong with a pasted policy, if that is the error.
func policyProblem(err error) (problem string, advice rolebroker.Hint) {
	if rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
		return "", nil
	}
	e := rolebroker.AsError(err)
	for _, f := range e.Fields {
		if f.Path == "current_trust_policy" {
			return sentence("the policy " + f.Message), e.Hint
		}
	}
	return "", nil
}

// chosen is the role of that name or ID; without one the first that fails, else the default role. Codes: not_found.
func (p *integrationSetupPage) chosen(name string) (*rolebroker.Role, error) {
	var first *rolebroker.Role
	for i := range p.In.Roles {
		role := &p.In.Roles[i]
		switch {
		case name != "" && (role.Name == name || string(role.ID) == name):
			return role, nil
		case name != "":
		case role.Enabled && p.In.StateOf(role).Status == rolebroker.StatusFailed:
			return role, nil
		case first == nil || role.Name == p.In.DefaultRole:
			first = role
		}
	}
	if name != "" {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "integration %s has no role %s", p.In.Name,
			rolebroker.ShowReference(name))
	}
	return first, nil
}

// addChoices adds the roles by account, in the order of the integration.
func (p *integrationSetupPage) addChoices(chosen *rolebroker.Role) {
	at := map[string]int{}
	for i := range p.In.Roles {
		role := &p.In.Roles[i]
		n, known := at[role.ARN.Account]
		if !known {
			n = len(p.Accounts)
			at[role.ARN.Account] = n
			p.Accounts = append(p.Accounts, setupAccount{ID: role.ARN.Account})
		}
		choice := setupChoice{Name: role.Name, Chosen: role == chosen}
		if state := p.In.StateOf(role); role.Enabled && state.Status == rolebroker.StatusFailed {
			choice.Word = string(state.Status)
		}
		p.Accounts[n].Roles = append(p.Accounts[n].Roles, choice)
	}
	p.Several = len(p.Accounts) > 1
}

// Wizard returns whether the AWS console's wizard makes a role for another account.
func (p *integrationSetupPage) Wizard() bool { return len(p.Setup.ExternalIDs) > 0 }

// Path is the path of the role; empty if it has none.
func (p *integrationSetupPage) Path() string {
	if path := p.One.Role.ARN.Path; path != "/" {
		return path
	}
	return ""
}

// Right returns whether the pasted policy needs no change.
func (p *integrationSetupPage) Right() bool { return p.One.Merged != "" && len(p.Diff) == 0 }

// diffLines are the lines of a unified difference without its head.
func diffLines(diff string) (lines []diffLine) {
	_, body, found := strings.Cut(diff, "\n+++ new\n")
	if !found {
		return nil
	}
	for line := range strings.Lines(strings.TrimSuffix(body, "\n")) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "@@ -1,"): // the beginning
		case strings.HasPrefix(line, "@@"):
			lines = append(lines, diffLine{Sign: "…"})
		case line != "":
			lines = append(lines, diffLine{line[:1], line[1:]})
		}
	}
	return lines
}
