package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// addSetup adds what people have to do in AWS for the typed roles. It leaves out
// roles that are not valid yet.
func (s *server) addSetup(ctx context.Context, v *visit, page *formPage) error {
	draft := page.setupDraft()
	draft.Roles = slices.DeleteFunc(draft.Roles, func(r rolebroker.Role) bool {
		return r.ARN == (rolebroker.RoleARN{}) || r.Name != "" && rolebroker.CheckName(r.Name) != nil
	})
	if rolebroker.CheckName(draft.Name) != nil {
		draft.Name = "" // people paste commands with the name
	}
	req, err := s.clusterSetup(ctx, v, page)
	if err != nil {
		return err
	}
	page.Setup, err = s.Broker.SetupDraft(ctx, v.who, draft, req)
	if err == nil && req.Cluster.Variant == rolebroker.ClusterAssumeRole {
		page.Trust = page.Setup.TrustPolicy
	}
	used := err == nil && page.Setup.IntegrationID != ""
	if page.New() && (used || rolebroker.CodeOf(err) == rolebroker.CodeInvalid) {
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"this form was used already, or its external ID is not from this server").
			WithHint("begin again: Integrations, New Integration")
	}
	return err
}

// merging is how the trust policy of a role, which somebody pasted, has to change.
type merging struct {
	Role    string  // its name, as it was typed; empty: the first one
	Pasted  string  // the policy; empty: none was
	Problem string  // what is wrong with it; empty: nothing
	Names   []fault // names that have to be corrected first
	Advice  rolebroker.Hint
	Setup   *rolebroker.Setup // nil: nobody asked, or there is a problem
}

// readMerging reads what was pasted.
func readMerging(r *http.Request) merging {
	return merging{Role: formValue(r, "merge_role"), Pasted: r.PostForm.Get("current_policy")}
}

// merge finds out how the pasted trust policy has to change. It stores and logs nothing of it.
func (s *server) merge(ctx context.Context, v *visit, page *formPage) error {
	m := &page.Merging
	if strings.TrimSpace(m.Pasted) == "" {
		m.Problem = "Paste the trust policy that the role has now."
		return nil
	}
	draft, _ := page.integration()
	i := slices.IndexFunc(draft.Roles, func(r rolebroker.Role) bool { return m.Role == "" || r.Name == m.Role })
	if i < 0 || draft.Roles[i].ARN.Name == "" || draft.Roles[i].Name == "" {
		m.Problem = "Enter the name and the ARN of the role in step 4 first."
		return nil
	}
	if m.Names = page.wrongNames(i); m.Names != nil {
		return nil
	}
	draft.Roles = draft.Roles[i : i+1]
	req, err := s.clusterSetup(ctx, v, page)
	if err != nil {
		return err
	}
	req.Role, req.CurrentPolicy = draft.Roles[0].Name, m.Pasted
	m.Setup, err = s.Broker.SetupDraft(ctx, v.who, draft, req)
	if m.Problem, m.Advice = policyProblem(err); m.Problem != "" {
		return nil
	}
	return err
}

// wrongNames marks the name of the integration and that of a role if they are not valid, since commands have them, and
// returns the errors.
func (p *formPage) wrongNames(role int) []fault {
	var wrong []rolebroker.Field
	for path, name := range map[string]string{"name": p.Name, rolePath(role, "name"): p.Rows[role].Name} {
		if err := rolebroker.CheckName(name); name != "" && err != nil {
			wrong = append(wrong, rolebroker.Field{Path: path, Message: err.Error()})
		}
	}
	if wrong == nil {
		return nil
	}
	p.showErrors(nil, wrong)
	return p.Faults()
}

// Changes returns whether the pasted policy has to change.
func (m merging) Changes() bool { return m.Setup != nil && len(m.Setup.Roles[0].Changes) > 0 }

// Distrusts returns whether the role fails perhaps because of its trust policy, if it exists.
func (r roleRow) Distrusts() bool {
	return r.Outcome != nil && slices.Contains([]rolebroker.ValidationCode{rolebroker.ValidDenied,
		rolebroker.ValidTrustDenied, rolebroker.ValidExternalIDOutdated, rolebroker.ValidExternalIDRefused},
		r.Outcome.Code)
}

// Existing are commands that print the trust policies that the roles have now, if they exist.
func (p *formPage) Existing() string {
	var commands []string
	for _, role := range p.Setup.Roles {
		commands = append(commands, rolebroker.ShellCommand("aws", "iam", "get-role", "--role-name", role.Role.ARN.Name,
			"--query", "Role.AssumeRolePolicyDocument"))
	}
	return strings.Join(commands, "\n")
}

// clusterSetup requests the setup for the cluster of the chosen runner, as far as
// the cluster is known.
func (s *server) clusterSetup(ctx context.Context, v *visit, page *formPage) (req rolebroker.SetupRequest, err error) {
	if page.Platform() {
		return req, nil
	}
	if err := s.addChosen(ctx, v, page); err != nil || page.Chosen == nil {
		return req, err
	}
	report := page.Chosen.Report
	if report.Method == rolebroker.MethodAssumeRole && report.Identity.ARN != "" {
		req.Cluster.Variant = rolebroker.ClusterAssumeRole
	}
	withIssuer := req
	withIssuer.Cluster.Issuer = page.Issuer()
	if withIssuer.WithDefaults().Check() != nil {
		return req, nil // IAM does not accept the issuer
	}
	return withIssuer, nil
}

// Issuer is the issuer of the chosen runner's cluster; empty: it is not known, and
// the setup has a placeholder.
func (p *formPage) Issuer() string {
	if p.Chosen == nil {
		return ""
	}
	return cmp.Or(p.Chosen.Issuer, p.Chosen.Report.Issuer)
}

// Principal is the principal by which roles trust the chosen runner.
func (p *formPage) Principal() string {
	arn, _ := p.Chosen.Report.Identity.Principal()
	return arn
}

// PathUnknown returns whether the path of the principal may be missing.
func (p *formPage) PathUnknown() bool {
	_, certain := p.Chosen.Report.Identity.Principal()
	return !certain
}

// setupOfForm answers with the part of the form that says what to do in AWS, for the
// roles that are typed so far.
func (s *server) setupOfForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, err := readForm(r, r.FormValue("id"))
	if err != nil {
		return err
	}
	page.base = s.partBase(r, v)
	if err := s.addRunners(r.Context(), v, page); err != nil {
		return err
	}
	switch err := s.addSetup(r.Context(), v, page); rolebroker.CodeOf(err) {
	case "":
		return s.renderPart(w, http.StatusOK, "form", "follow", page)
	case rolebroker.CodeInvalid:
		w.WriteHeader(http.StatusNoContent) // the form was just saved; the page keeps what it has
		return nil
	default:
		return err
	}
}
