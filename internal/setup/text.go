package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// width is how long a line for a person is at most. A longer word gets a line of its own.
const width = 98

// guide collects text for a person.
type guide struct{ script }

// text is the guide: what to decide, what to do in the console, and what to do next.
func (b *blueprint) text(ctx context.Context) string {
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
	g.cutOff(b)
	g.current(b)
	g.next(b)
	return strings.TrimRight(g.String(), "\n") + "\n"
}

func (g *guide) heading(text string) {
	g.gap()
	g.line("%s", text)
	g.line("%s\n", strings.Repeat("=", len(text)))
}

// gap adds an empty line, unless there is one already.
func (g *guide) gap() {
	if g.Len() > 0 && !strings.HasSuffix(g.String(), "\n\n") {
		g.line("")
	}
}

// paragraph adds a paragraph, wrapped.
func (g *guide) paragraph(format string, args ...any) {
	g.wrap("", "", fmt.Sprintf(format, args...))
	g.line("")
}

// wrap adds text as lines, the first with one prefix and the others with another.
func (g *guide) wrap(first, rest, text string) {
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

// remarks are the notes on the current policy as comments, for the top of a script.
func (b *blueprint) remarks() string {
	g := &guide{}
	for _, note := range b.notes() {
		g.wrap("# ", "#   ", note)
	}
	if g.Len() > 0 {
		g.line("")
	}
	return g.String()
}

// block adds text to be copied.
func (g *guide) block(text string) {
	g.gap()
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		g.line("%s", strings.TrimRight("    "+line, " "))
	}
	g.gap()
}

// stepOne adds the choice of mode, with a mark at the mode in use.
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
		g.wrap("  "+mark+" ", "      ", title)
		g.list("Advantages", advice.Advantages)
		g.list("Disadvantages", advice.Disadvantages)
		g.line("")
	}
	g.paragraph("The one with the [x] is what this integration uses.")
}

func (g *guide) list(title string, all []string) {
	for i, one := range all {
		if i == 0 {
			g.line("      %s:", title)
		}
		g.wrap("        - ", "          ", one)
	}
}

// role adds one of the roles.
func (g *guide) role(t *target) {
	g.line("  %s", t.label())
	g.line("    %s", t.arn)
	if t.obstacle != "" {
		g.wrap("    ", "    ", t.obstacle)
	}
}

// platform adds what to do for roles that the platform assumes.
func (g *guide) platform(b *blueprint) {
	g.paragraph("Sign in to the AWS console in the account of the role, and go to IAM > Roles.")
	if b.unknown() {
		g.paragraph("The platform's AWS identity is not known, so %s stands for the ID of its account.",
			accountPlaceholder)
	}
	if len(b.ExternalIDs) > 1 {
		g.paragraph("The external ID of this integration is being changed. Until that is finished every role has to "+
			"accept both, the one in use first: %s.",
			strings.Join(b.ExternalIDs, " and "))
	}
	if !b.exists() {
		g.newRole(b)
	}
	g.existingRole(b)
	g.principal(b)
}

// newRole adds the steps of the console's wizard.
func (g *guide) newRole(b *blueprint) {
	g.line("To create a new role for the platform:\n")
	g.steps(slices.Concat([]string{
		`Click Create role.` + b.filledIn(),
		`For "Trusted entity type" select "AWS account".`,
		`Select "Another AWS account", and enter the account ID ` + b.platformAccount() + `.` + b.thisAccount(),
		b.externalIDStep(),
		`Click Next, and add permissions. Important: all that your agents need in order to do their work.`,
		`Click Next, give the role its name and a description, review, and click Create role.` + b.pathStep(),
	}, b.durationSteps(), []string{
		b.wizardLacks() + ` replace it with the one below: the role > Trust relationships > Edit trust policy, ` +
			`then click Update policy.`,
	}))
	g.each(b, b.newPolicy)
}

// steps adds a numbered list.
func (g *guide) steps(all []string) {
	for i, text := range all {
		g.wrap(fmt.Sprintf("%3d. ", i+1), "     ", text)
	}
}

// each adds what write returns for each role, once for all roles with the same text.
func (g *guide) each(b *blueprint, write func(rolebroker.Role) string) {
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
			g.wrap("  For ", "  ", strings.Join(names[text], ", ")+":")
		}
		g.block(text)
	}
}

func (b *blueprint) platformAccount() string {
	if b.Platform.Account == "" {
		return accountPlaceholder
	}
	return b.Platform.Account
}

// filledIn tells that there is a link to the wizard with everything filled in.
func (b *blueprint) filledIn() string {
	address := b.createRole()
	if address == "" {
		return ""
	}
	return " Or open this address, which has steps 2 to 4 filled in, and compare them: " + address
}

func (b *blueprint) thisAccount() string {
	own := func(t *target) bool { return t.arn.Account == b.Platform.Account }
	if slices.ContainsFunc(b.targets, own) {
		return ` In that account itself, select "This account".`
	}
	return ""
}

func (b *blueprint) externalIDStep() string {
	const never = `Do not tick "Require MFA", which no program can give.`
	if len(b.ExternalIDs) == 0 {
		return never
	}
	return `Tick "Require external ID", and enter ` + b.ExternalIDs[0] + ". The role can be assumed " +
		"without that tick as well; with it nobody else who uses the same platform can have it assumed for them. " +
		never
}

// wizardLacks is why the trust policy that the console writes may not suffice.
func (b *blueprint) wizardLacks() string {
	switch {
	case b.form() == rolebroker.PrincipalExact:
		return "The trust policy that the console writes trusts the whole account, and allows neither session tags " +
			"nor a source identity;"
	case len(b.ExternalIDs) > 1:
		return "The trust policy that the console writes accepts one external ID only, and allows neither session " +
			"tags nor a source identity;"
	}
	asks := b.asks()
	if asks == "" {
		return "That is all: this integration asks for neither session tags nor a source identity. To allow them, for " +
			"later,"
	}
	return "This integration asks for " + asks + ", which the trust policy that the console writes does not allow:"
}

// asks names what the integration asks for beside a session name; empty for nothing.
func (b *blueprint) asks() string {
	switch {
	case b.Tags && b.Source:
		return "session tags and a source identity"
	case b.Tags:
		return "session tags"
	case b.Source:
		return "a source identity"
	}
	return ""
}

// pathStep tells that the console creates no roles with a path.
func (b *blueprint) pathStep() string {
	if slices.ContainsFunc(b.targets, func(t *target) bool { return t.arn.Path != "/" }) {
		return " The console makes no roles with a path; use the AWS CLI, CloudFormation or Terraform " +
			"for those that have one."
	}
	return ""
}

// durationSteps are for roles whose sessions last longer than IAM's default.
func (b *blueprint) durationSteps() (all []string) {
	for _, t := range b.targets {
		if t.seconds() > 0 {
			all = append(all, fmt.Sprintf("Under %s > Edit, raise the maximum session duration to %s at least.",
				t.arn.Name, hours(t.duration)))
		}
	}
	return all
}

// hours is a duration without units that are zero.
func hours(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "0s")
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// existingRole adds the steps for a role that exists.
func (g *guide) existingRole(b *blueprint) {
	if b.settled() {
		g.paragraph("The role's trust policy is right as it is.")
		return
	}
	g.line("To give the platform permission to assume an existing role:\n")
	g.steps(slices.Concat([]string{
		"Go to the role > Trust relationships > Edit trust policy.", capital(b.edit()) + ".", "Click Update policy.",
	}, b.durationSteps()))
	g.each(b, b.pasted(b.addition))
}

// edit tells what to do in the console's editor of trust policies.
func (b *blueprint) edit() string {
	if b.exists() {
		return "replace the policy there with the one below; what changes is shown further down"
	}
	return `add the statement below to the list under "Statement". ` + b.openings()
}

// openings tells which other statements leave the role unlocked.
func (b *blueprint) openings() string {
	if len(b.ExternalIDs) == 0 {
		return "Remove a statement that trusts everyone: until then the role works, but is not locked"
	}
	first, _, _ := strings.Cut(b.principals(), ", ")
	return "Replace a statement that trusts " + short(first) + " already with it, and remove one " +
		"that trusts everyone: until then the role works, but is not locked"
}

// pasted is what a person copies: the new policy if the current one is known, else
// what write returns; nothing if the current policy is right.
func (b *blueprint) pasted(write func(rolebroker.Role) string) func(rolebroker.Role) string {
	switch {
	case b.settled():
		return func(rolebroker.Role) string { return "" }
	case b.exists():
		return func(rolebroker.Role) string { return b.merged.text }
	}
	return write
}

// settled reports whether the role's current trust policy is right.
func (b *blueprint) settled() bool { return b.exists() && b.merged.diff == "" }

// principal adds how the statement names the platform, and what either form means.
func (g *guide) principal(b *blueprint) {
	g.line("How the statement names the platform:\n")
	for _, form := range []struct {
		form  rolebroker.PrincipalForm
		about string
	}{
		{rolebroker.PrincipalAccount, "account: everyone in the platform's account who may call sts:AssumeRole " +
			"can assume the role, if they send the external ID. It goes on working when the platform's own role " +
			"or user is made anew."},
		{rolebroker.PrincipalExact, "exact: only the role or user that the platform is. IAM stores its unique ID, so " +
			"it has to exist, and one that is made anew under the same name is no longer trusted."},
	} {
		mark := "[ ]"
		if form.form == b.form() {
			mark = "[x]"
		}
		g.wrap("  "+mark+" ", "      ", form.about)
	}
	g.line("")
	if doubt := b.doubt(); doubt != "" {
		g.paragraph("%s", doubt)
		g.block(b.principalCommand())
	}
}

// irsa adds what to do for roles that a service account assumes with its token.
func (g *guide) irsa(b *blueprint) {
	g.paragraph("The runner in your cluster assumes the roles as %s, by IAM roles for service accounts (IRSA). EKS Pod "+
		"Identity is the other way: --cluster-variant pod-identity.", b.clusterAccount())
	g.open(b)
	if b.needsIssuer() {
		g.paragraph("The statement names the cluster by its OpenID Connect issuer. Find it, and ask for this " +
			"again with --oidc-issuer:")
		g.block(issuerCommand)
	}
	g.line("In the AWS console, in the account of each role:\n")
	g.steps(append([]string{
		`Under IAM > Identity providers, add the cluster's issuer if it is not there: provider type ` +
			`"OpenID Connect", audience ` + audience + `.`,
	}, b.clusterSteps()...))
	g.each(b, b.pasted(b.newPolicy))
	about, _ := b.clusterCommand()
	g.paragraph("%s", about)
}

// open adds a warning if roles trust more than one service account.
func (g *guide) open(b *blueprint) {
	if open := b.openness(); open != "" {
		g.paragraph("%s", open)
	}
}

// clusterAccount names the service account of the runner.
func (b *blueprint) clusterAccount() string {
	c := b.Request.Cluster
	if c.ServiceAccount == rolebroker.AnyAccount {
		return "one of many: the policies trust " + clusterWho(c)
	}
	return "the service account " + c.ServiceAccount + " in the namespace " + c.Namespace
}

// clusterSteps are the steps that let a service account assume the roles.
func (b *blueprint) clusterSteps() []string {
	if b.settled() {
		return []string{"The role's trust policy is right as it is."}
	}
	if b.exists() {
		return []string{"Go to IAM > Roles > the role > Trust relationships > Edit trust policy, " + b.edit() +
			". Click Update policy."}
	}
	return slices.Concat([]string{
		`For a new role, click Create role under IAM > Roles, select "Custom trust policy", and enter the policy ` +
			`below. Add permissions. Important: all that your agents need in order to do their work. Give the role ` +
			`its name and a description, and click Create role.` + b.pathStep(),
		`For an existing role, go to the role > Trust relationships > Edit trust policy, add the one statement of ` +
			`the policy below to the list under "Statement", and click Update policy.`,
	}, b.durationSteps())
}

// podIdentity adds what to do for roles that EKS assumes for the pods of a service account.
func (g *guide) podIdentity(b *blueprint) {
	g.paragraph("The runner in your cluster gets its role as %s, by EKS Pod Identity. EKS takes one role for each "+
		"service account: for more than one, IAM roles for service accounts do better (--cluster-variant irsa).",
		b.clusterAccount())
	g.open(b)
	g.line("In the AWS console:\n")
	g.steps(append(b.clusterSteps(),
		`Under Amazon EKS > your cluster > Access > Pod Identity associations, give the service account its role; or `+
			`with the AWS CLI as below.`))
	g.each(b, b.pasted(b.newPolicy))
	_, command := b.clusterCommand()
	g.block(command)
}

// ownIdentity adds what to do for roles that a runner assumes from its own AWS identity.
func (g *guide) ownIdentity(b *blueprint) {
	me, _ := b.Runner.Principal()
	g.paragraph("The runner in your cluster assumes the roles from its own AWS identity, %s. Where that is a role, "+
		"AWS gives sessions of an hour at most.", me)
	g.paragraph("The runner reports that identity itself. Compare it with the one that you gave the runner before a " +
		"trust policy names it.")
	g.line("In the AWS console:\n")
	g.steps(append(b.clusterSteps(),
		"In account "+b.Runner.Account+", the runner's own policy has to allow sts:AssumeRole, sts:TagSession and "+
			"sts:SetSourceIdentity on the roles."))
	g.each(b, b.pasted(b.newPolicy))
}

// current adds what was found in the current trust policy, and what changes.
func (g *guide) current(b *blueprint) {
	if !b.exists() {
		return
	}
	if len(b.notes()) > 0 {
		g.heading("About the current policy")
		for _, note := range b.notes() {
			g.wrap("  - ", "    ", note)
		}
	}
	g.heading("What changes in the trust policy of " + b.targets[0].arn.Name)
	if b.settled() {
		g.paragraph("Nothing.")
		return
	}
	for _, change := range b.merged.changes {
		g.paragraph("%s", change.Words)
		if change.Statement != "" {
			g.block(change.Statement)
		}
	}
	g.paragraph("With a - before what goes and a + before what comes:")
	g.block(b.merged.diff)
}

// next adds what to do afterwards.
func (g *guide) next(b *blueprint) {
	g.heading("Next")
	switch cluster := b.Mode == rolebroker.ModeCluster; {
	case cluster:
		if b.draft() {
			g.paragraph("Create the integration.")
		}
		g.paragraph("The platform cannot validate roles that your cluster assumes. The runner in the cluster that " +
			"the integration names tries them, and what it finds out is shown with the integration.")
		return
	case b.draft():
		g.paragraph("Create the integration; its roles are validated then.")
		return
	}
	g.paragraph("Validate the roles, a minute after the change, since IAM takes a while to make it known:")
	g.block("rolebroker integration validate " + b.integration())
	if len(b.ExternalIDs) > 1 {
		g.paragraph("When every role accepts both external IDs, finish the change; after that they " +
			"need the new one only:")
		g.block("rolebroker integration rotate-external-id " + b.integration() + " --finish")
	}
}

// capital is text with its first letter capitalized.
func capital(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
