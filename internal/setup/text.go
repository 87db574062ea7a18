package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// width is how long a line for a person is at most, unless a word is longer.
const width = 98

// guide is text for a person.
type guide struct{ script }

// text is the guide: what to decide, what to do in the console, what comes
// next.
func (b *book) text(ctx context.Context) string {
	g := &guide{}
	g.stepOne(b.Mode)
	g.heading("Step 2: Configure role assumption in AWS (once for each role)")
	for _, t := range until(ctx, b.targets) {
		g.role(t)
	}
	g.line("")
	switch {
	case b.Mode != rolebroker.ModeCluster:
		g.platform(b)
	case b.Request.Cluster.Variant == rolebroker.ClusterPodIdentity:
		g.podIdentity(b)
	case b.Request.Cluster.Variant == rolebroker.ClusterAssumeRole:
		g.ownIdentity(b)
	default:
		g.irsa(b)
	}
	g.current(b)
	g.next(b)
	return strings.TrimRight(g.String(), "\n") + "\n"
}

func (g *guide) heading(text string) {
	g.gap()
	g.line("%s", text)
	g.line("%s\n", strings.Repeat("=", len(text)))
}

// gap is one empty line, unless there is one already.
func (g *guide) gap() {
	if g.Len() > 0 && !strings.HasSuffix(g.String(), "\n\n") {
		g.line("")
	}
}

// para is a paragraph, wrapped.
func (g *guide) para(format string, args ...any) {
	g.fill("", "", fmt.Sprintf(format, args...))
	g.line("")
}

// fill writes words a line at a time, the first after one prefix and those
// that follow after another.
func (g *guide) fill(first, rest, text string) {
	line, empty := first, true
	for _, word := range strings.Fields(text) {
		switch {
		case empty:
			line += word
		case len(line)+1+len(word) > width:
			g.line("%s", line)
			line = rest + word
		default:
			line += " " + word
		}
		empty = false
	}
	g.line("%s", line)
}

// remarks are the notes on the current policy as comments, for the top of what
// is to be pasted.
func (b *book) remarks() string {
	g := &guide{}
	for _, note := range b.notes() {
		g.fill("# ", "#   ", note)
	}
	if g.Len() > 0 {
		g.line("")
	}
	return g.String()
}

// block is text to be copied.
func (g *guide) block(text string) {
	g.gap()
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		g.line("%s", strings.TrimRight("    "+line, " "))
	}
	g.gap()
}

// stepOne is the choice of mode, with the one that is used marked.
func (g *guide) stepOne(mode rolebroker.AssumptionMode) {
	g.heading("Step 1: Decide whether to give role-assumption permission to the platform or to your cluster")
	for _, advice := range rolebroker.Modes() {
		mark, title := "[ ]", advice.Title
		if advice.Mode == mode {
			mark = "[x]"
		}
		if advice.Recommended {
			title += " (recommended)"
		}
		g.fill("  "+mark+" ", "      ", title)
		g.list("Advantages", advice.Advantages)
		g.list("Disadvantages", advice.Disadvantages)
		g.line("")
	}
	g.para("The one with the [x] is what this integration uses.")
}

func (g *guide) list(title string, all []string) {
	for i, one := range all {
		if i == 0 {
			g.line("      %s:", title)
		}
		g.fill("        - ", "          ", one)
	}
}

// role is one of those that it is about.
func (g *guide) role(t *target) {
	g.line("  %s", t.label())
	g.line("    %s", t.arn)
	if t.obstacle != "" {
		g.fill("    ", "    ", t.obstacle)
	}
}

// platform is for roles that the platform assumes.
func (g *guide) platform(b *book) {
	g.para("Sign in to the AWS console in the account of the role, and go to IAM > Roles.")
	if b.unknown() {
		g.para("The platform's AWS identity is not known, so %s stands for the ID of its account.", accountPlaceholder)
	}
	if len(b.ExternalIDs) > 1 {
		g.para("The external ID of this integration is being changed. Until that is finished every role has to accept both, the one in use first: %s.",
			strings.Join(b.ExternalIDs, " and "))
	}
	if !b.exists() {
		g.newRole(b)
	}
	g.existingRole(b)
	g.principal(b)
}

// newRole is the console's wizard.
func (g *guide) newRole(b *book) {
	g.line("To create a new role for the platform:\n")
	g.steps(slices.Concat([]string{
		`Click Create role.`,
		`For "Trusted entity type" select "AWS account".`,
		`Select "Another AWS account", and enter the account ID ` + b.platformAccount() + `.` + b.thisAccount(),
		b.externalIDStep(),
		`Click Next, and add permissions. Important: all that your agents need in order to do their work.`,
		`Click Next, give the role its name and a description, review, and click Create role.` + b.pathStep(),
	}, b.durationSteps(), []string{
		b.wizardLacks() + ` put the one below in its place: the role > Trust relationships > Edit trust policy, then click Update policy.`,
	}))
	g.each(b, b.newPolicy)
}

// steps is a numbered list.
func (g *guide) steps(all []string) {
	for i, text := range all {
		g.fill(fmt.Sprintf("%3d. ", i+1), "     ", text)
	}
}

// each is what is written for a role, once for all those for which it is the
// same.
func (g *guide) each(b *book, write func(rolebroker.Role) string) {
	var all []string
	names := map[string][]string{}
	for _, role := range b.Roles {
		text := write(role)
		if names[text] == nil {
			all = append(all, text)
		}
		names[text] = append(names[text], role.Name)
	}
	for _, text := range all {
		if text == "" {
			continue
		}
		if len(all) > 1 {
			g.gap()
			g.fill("  For ", "  ", strings.Join(names[text], ", ")+":")
		}
		g.block(text)
	}
}

func (b *book) platformAccount() string {
	if b.Platform.Account == "" {
		return accountPlaceholder
	}
	return b.Platform.Account
}

func (b *book) thisAccount() string {
	own := func(t *target) bool { return t.arn.Account == b.Platform.Account }
	if slices.ContainsFunc(b.targets, own) {
		return ` In that account itself, select "This account".`
	}
	return ""
}

func (b *book) externalIDStep() string {
	const never = `Do not tick "Require MFA", which no program can give.`
	if len(b.ExternalIDs) == 0 {
		return never
	}
	return `Tick "Require external ID", and enter ` + b.ExternalIDs[0] + ". The role can be assumed without that tick as well; " +
		"with it nobody else who uses the same platform can have it assumed for them. " + never
}

// wizardLacks is why the trust policy that the console writes may not do.
func (b *book) wizardLacks() string {
	switch {
	case b.form() == rolebroker.PrincipalExact:
		return "The trust policy that the console writes trusts the whole account, and allows neither session tags nor a source identity;"
	case len(b.ExternalIDs) > 1:
		return "The trust policy that the console writes accepts one external ID only, and allows neither session tags nor a source identity;"
	}
	return "Only if the integration asks for session tags or a source identity, neither of which the trust policy that the console writes allows,"
}

// pathStep says what the console cannot do.
func (b *book) pathStep() string {
	if slices.ContainsFunc(b.targets, func(t *target) bool { return t.arn.Path != "/" }) {
		return " The console makes no roles with a path; use the AWS CLI, CloudFormation or Terraform for those that have one."
	}
	return ""
}

// durationSteps are for roles whose sessions last longer than IAM lets them
// unasked.
func (b *book) durationSteps() (all []string) {
	for _, t := range b.targets {
		if t.seconds() > 0 {
			all = append(all, fmt.Sprintf("Under %s > Edit, raise the maximum session duration to %s at least.", t.arn.Name, hours(t.duration)))
		}
	}
	return all
}

// hours is a duration without the units that are zero.
func hours(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// existingRole is for a role that is there.
func (g *guide) existingRole(b *book) {
	if b.settled() {
		g.para("The role's trust policy is right as it is.")
		return
	}
	g.line("To give the platform permission to assume an existing role:\n")
	g.steps(slices.Concat([]string{
		"Go to the role > Trust relationships > Edit trust policy.", capital(b.edit()) + ".", "Click Update policy.",
	}, b.durationSteps()))
	g.each(b, b.pasted(b.addition))
}

// edit is what to do in the console's editor of trust policies.
func (b *book) edit() string {
	if b.exists() {
		return "put the policy below in the place of what is there; what it keeps and what changes is shown further down"
	}
	return `add the statement below to the list under "Statement". ` + b.openings()
}

// openings are the statements beside which ours closes nothing.
func (b *book) openings() string {
	if len(b.ExternalIDs) == 0 {
		return "A statement that lets in everyone has to be taken out, or the role stays open"
	}
	return "A statement that names the same principal without the external ID, or lets in everyone, has to be taken out, or the role stays open"
}

// pasted is what a person copies: the whole policy, of a role of which it is
// known, or else what write writes; nothing if it is right as it is.
func (b *book) pasted(write func(rolebroker.Role) string) func(rolebroker.Role) string {
	switch {
	case b.settled():
		return func(rolebroker.Role) string { return "" }
	case b.exists():
		return func(rolebroker.Role) string { return b.merged.text }
	}
	return write
}

// settled says that the role's trust policy is right as it is.
func (b *book) settled() bool { return b.exists() && b.merged.diff == "" }

// principal is how the platform is named, and what speaks for either form.
func (g *guide) principal(b *book) {
	g.line("How the statement names the platform:\n")
	for _, form := range []struct {
		form  rolebroker.PrincipalForm
		about string
	}{
		{rolebroker.PrincipalAccount, "account: whoever in the platform's account may call sts:AssumeRole can assume the role, if they send the external ID. " +
			"It goes on working when the platform's own role or user is made anew."},
		{rolebroker.PrincipalExact, "exact: only the role or user that the platform is. IAM stores its unique ID, so it has to exist, and one that is made anew under " +
			"the same name is no longer trusted."},
	} {
		mark := "[ ]"
		if form.form == b.form() {
			mark = "[x]"
		}
		g.fill("  "+mark+" ", "      ", form.about)
	}
	g.line("")
	if doubt, _, found := strings.Cut(b.doubt(), "\n  "); found {
		g.para("%s", doubt)
		g.block(b.principalCommand())
	}
}

// irsa is for roles that a service account assumes with its token.
func (g *guide) irsa(b *book) {
	c := b.Request.Cluster
	g.para("The runner in your cluster assumes the roles as the service account %s in the namespace %s, by IAM roles for service accounts (IRSA). "+
		"EKS Pod Identity is the other way: --cluster-variant pod-identity.", c.ServiceAccount, c.Namespace)
	if b.needsIssuer() {
		g.para("The statement names the cluster by its OpenID Connect issuer. Find it, and ask for this again with --oidc-issuer:")
		g.block(issuerCommand)
	}
	g.line("In the AWS console, in the account of each role:\n")
	g.steps(append([]string{
		`Under IAM > Identity providers, add the cluster's issuer if it is not there: provider type "OpenID Connect", audience ` + audience + `.`,
	}, b.clusterSteps()...))
	g.each(b, b.pasted(b.newPolicy))
	g.para("In the cluster, give the service account one of the roles, so that EKS gives its pods a token. The token is good for every role that trusts the service account.")
	g.block(uncomment(b.clusterCommands()))
}

// clusterSteps give permission to a service account.
func (b *book) clusterSteps() []string {
	if b.settled() {
		return []string{"The role's trust policy is right as it is."}
	}
	if b.exists() {
		return []string{"Go to IAM > Roles > the role > Trust relationships > Edit trust policy, " + b.edit() + ". Click Update policy."}
	}
	return slices.Concat([]string{
		`For a new role, click Create role under IAM > Roles, select "Custom trust policy", and enter the policy below. Add permissions. ` +
			`Important: all that your agents need in order to do their work. Give the role its name and a description, and click Create role.` + b.pathStep(),
		`For an existing role, go to the role > Trust relationships > Edit trust policy, add the one statement of the policy below to the list under "Statement", and click Update policy.`,
	}, b.durationSteps())
}

// podIdentity is for roles that EKS assumes for the pods of a service account.
func (g *guide) podIdentity(b *book) {
	c := b.Request.Cluster
	g.para("The runner in your cluster gets its role as the service account %s in the namespace %s, by EKS Pod Identity. EKS takes one role for each service account: "+
		"for more than one, IAM roles for service accounts do better (--cluster-variant irsa).", c.ServiceAccount, c.Namespace)
	g.line("In the AWS console:\n")
	g.steps(append(b.clusterSteps(),
		`Under Amazon EKS > your cluster > Access > Pod Identity associations, give the service account its role; or with the AWS CLI as below.`))
	g.each(b, b.pasted(b.newPolicy))
	g.block(uncomment(b.clusterCommands()))
}

// ownIdentity is for roles that a runner assumes from an AWS identity that it has.
func (g *guide) ownIdentity(b *book) {
	me, _ := b.Runner.Principal()
	g.para("The runner in your cluster assumes the roles from its own AWS identity, %s. Where that is a role, AWS gives sessions of an hour at most.", me)
	g.line("In the AWS console:\n")
	g.steps(append(b.clusterSteps(),
		"In account "+b.Runner.Account+", the runner's own policy has to allow sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity on the roles."))
	g.each(b, b.pasted(b.newPolicy))
}

// uncomment is the commands among comments.
func uncomment(text string) string {
	var commands []string
	for _, line := range strings.Split(text, "\n") {
		if command := strings.TrimPrefix(line, "# "); strings.HasPrefix(command, "aws ") || strings.HasPrefix(command, "kubectl ") {
			commands = append(commands, command)
		}
	}
	return strings.Join(commands, "\n")
}

// current is what was found in the current trust policy, and what changes.
func (g *guide) current(b *book) {
	if !b.exists() {
		return
	}
	if len(b.notes()) > 0 {
		g.heading("About the current policy")
		for _, note := range b.notes() {
			g.fill("  - ", "    ", note)
		}
	}
	g.heading("What changes in the trust policy of " + b.targets[0].arn.Name)
	if b.settled() {
		g.para("Nothing.")
		return
	}
	g.block(b.merged.diff)
}

// next is what comes after.
func (g *guide) next(b *book) {
	g.heading("Next")
	switch cluster := b.Mode == rolebroker.ModeCluster; {
	case cluster:
		if b.draft() {
			g.para("Create the integration.")
		}
		g.para("The platform cannot validate roles that your cluster assumes. The runner in the cluster that the integration names tries them, and what it finds out is shown with the integration.")
		return
	case b.draft():
		g.para("Create the integration; its roles are validated then.")
		return
	}
	g.para("Validate the roles, a minute after the change, since IAM takes a while to make it known:")
	g.block("rolebroker integration validate " + b.integration())
	if len(b.ExternalIDs) > 1 {
		g.para("When every role accepts both external IDs, finish the change; after that they need the new one only:")
		g.block("rolebroker integration rotate-external-id " + b.integration() + " --finish")
	}
}

// capital is text with a capital at its beginning.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
