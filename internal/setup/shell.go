package setup

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// option is an option of a command with its value. A value that begins with - is
// joined to the option.
func option(name, value string) string {
	if strings.HasPrefix(value, "-") {
		return name + "=" + rolebroker.ShellWord(value)
	}
	return name + " " + rolebroker.ShellWord(value)
}

// comment makes a comment of every line. A line ends where any reader ends it: other
// characters than \n end lines too.
func comment(text string) string {
	lines := strings.Split(lineEnds.Replace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("# "+line, " ")
	}
	return strings.Join(lines, "\n")
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// script collects lines of text.
type script struct{ strings.Builder }

func (s *script) line(format string, args ...any) {
	fmt.Fprintf(s, format, args...)
	s.WriteByte('\n')
}

// remark adds a comment of one or several lines.
func (s *script) remark(format string, args ...any) {
	s.line("%s", comment(fmt.Sprintf(format, args...)))
}

// awsCLI is commands for all the roles. Commands that are optional, or that have
// placeholders, are comments.
func (b *blueprint) awsCLI(ctx context.Context) string {
	var out script
	out.WriteString(b.remarks())
	if missing := b.missing(); missing != "" {
		out.remark("%s", missing)
		out.line("# Until then the commands are comments.\n")
	}
	if doubt := b.doubt(); doubt != "" {
		out.remark("%s\n  %s\n", doubt, b.principalCommand())
	}
	if len(b.accounts) > 1 {
		out.line("# The roles are in several accounts: run each part with credentials of its own account.\n")
	}
	for i, account := range until(ctx, b.accounts) {
		if i > 0 {
			out.line("")
		}
		b.accountCommands(ctx, &out, account)
	}
	if about, command := b.clusterCommand(); about != "" {
		out.line("")
		out.remark("%s", strings.TrimSuffix(about+"\n"+command, "\n"))
	}
	return out.String()
}

// accountCommands adds those for the roles of one account. They run in that account
// only.
func (b *blueprint) accountCommands(ctx context.Context, out *script, account []*target) {
	id, changes := account[0].arn.Account, b.changes(account)
	out.line("# With credentials of account %s:", id)
	if changes {
		out.line("%s", b.runnable(guard(id)))
	}
	if b.Mode == rolebroker.ModeCluster && b.Request.Cluster.Variant == rolebroker.ClusterIRSA {
		out.line("\n%s", b.providerCommand(account[0].arn.Partition))
	}
	for _, t := range until(ctx, account) {
		out.line("")
		out.remark("Role %s: %s", t.label(), t.arn)
		out.line("%s", b.roleCommands(t))
	}
	if c := b.cutOff(account); c != nil {
		out.line("\n%s", b.cutOffCommands(c))
	}
	if changes {
		out.line("\n%s", b.runnable("fi"))
	}
}

// changes reports whether there is a command for one of the targets.
func (b *blueprint) changes(account []*target) bool {
	return !b.settled() && slices.ContainsFunc(account, func(t *target) bool { return t.obstacle == "" })
}

// guard begins commands that run in one account only, up to fi. In another account it
// fails, which ends bash -e. A shell into which the commands are pasted reads up to fi
// before it runs any of them.
func guard(account string) string {
	return `if [ "$(aws sts get-caller-identity --query Account --output text)" != ` + account + " ]; then\n" +
		`  echo "these are not credentials of account ` + account + `" >&2` + "\n  false\nelse"
}

// missing is what has to be filled in by hand, and how to find it; empty if nothing.
func (b *blueprint) missing() string {
	switch {
	case b.unknown():
		return "The platform's AWS identity is not known. Give the server one, and ask for this again;\n" +
			"or put the ID of its account for " + accountPlaceholder + " below."
	case b.needsIssuer():
		return "The cluster's issuer is not known. Find it with\n" +
			"  " + issuerCommand + "\n" +
			"and ask for this again:\n" +
			"  rolebroker integration setup " + b.integration() + " --oidc-issuer https://…\n" +
			"or put it in below for the one with REGION and " + clusterPlaceholder + "."
	}
	return ""
}

// doubt is why the principal may have another ARN; empty if the ARN is certain.
func (b *blueprint) doubt() string {
	exact, certain := b.Platform.Principal()
	if b.Mode == rolebroker.ModeCluster || b.form() != rolebroker.PrincipalExact || exact == "" || certain {
		return ""
	}
	return "AWS does not tell the platform the path of its own role, and a role with a path has another ARN than\n" +
		exact + ". Find it out in account " + b.Platform.Account + ", and put it in:"
}

// principalCommand prints the ARN of the platform's role, with its path.
func (b *blueprint) principalCommand() string {
	exact, _ := b.Platform.Principal()
	return "aws iam get-role " + option("--role-name", exact[strings.LastIndexByte(exact, '/')+1:]) +
		" --query Role.Arn --output text"
}

const issuerCommand = "aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer --output text"

// roleCommands create the role, or change the trust policy of one that exists.
func (b *blueprint) roleCommands(t *target) string {
	switch {
	case t.obstacle != "":
		return comment(t.obstacle)
	case !b.exists():
		return b.runnable(b.createCommand(t)) + "\n" + b.attachComment(t) + "\n" + b.existingComment(t)
	case b.settled():
		return "# Its trust policy is right as it is."
	}
	update := "aws iam update-assume-role-policy " + option("--role-name", t.arn.Name) + " \\\n  --policy-document " +
		rolebroker.ShellWord(t.policy)
	if n := t.seconds(); n > 0 {
		return b.runnable(update) + "\n# Its sessions are to last longer than an hour, which the role has to allow:\n" +
			fmt.Sprintf("# aws iam update-role %s --max-session-duration %d", option("--role-name", t.arn.Name), n)
	}
	return b.runnable(update)
}

// runnable is a command, or a comment if the command has placeholders.
func (b *blueprint) runnable(command string) string {
	if len(b.placeholders()) > 0 {
		return comment(command)
	}
	return command
}

func (b *blueprint) createCommand(t *target) string {
	words := []string{"aws iam create-role " + option("--role-name", t.arn.Name)}
	if t.arn.Path != "/" {
		words = append(words, option("--path", t.arn.Path))
	}
	if n := t.seconds(); n > 0 {
		words = append(words, option("--max-session-duration", strconv.Itoa(n)))
	}
	words = append(words, option("--description", b.description(t)), option("--assume-role-policy-document", t.policy))
	return strings.Join(words, " \\\n  ")
}

func (b *blueprint) attachComment(t *target) string {
	return "# Then let it do all that your agents need, for example:\n" +
		"# aws iam attach-role-policy " + option("--role-name", t.arn.Name) + " --policy-arn " +
		rolebroker.ShellWord(readOnlyAccess(t.arn.Partition))
}

// readOnlyAccess is a managed policy of AWS, as an example.
func readOnlyAccess(partition string) string {
	return "arn:" + partition + ":iam::aws:policy/ReadOnlyAccess"
}

// existingComment tells how to get the commands for a role that exists.
func (b *blueprint) existingComment(t *target) string {
	again := "rolebroker integration setup " + b.integration() + " " + option("--role", t.names[0]) + b.flags() +
		" --current current.json --format aws-cli"
	return comment("The role exists already? Then, instead of making it:\n" +
		"aws iam get-role " + option("--role-name", t.arn.Name) + " --query Role.AssumeRolePolicyDocument " +
		"> current.json && " + again)
}

// flags are the options of integration setup for what the request has besides defaults.
func (b *blueprint) flags() string {
	var f string
	r, usual := b.Request, rolebroker.SetupRequest{}.WithDefaults()
	for _, flag := range []struct{ name, value, usual string }{
		{"--principal", string(r.Principal), string(usual.Principal)},
		{"--cluster-variant", string(r.Cluster.Variant), string(usual.Cluster.Variant)},
		{"--oidc-issuer", r.Cluster.Issuer, ""},
		{"--namespace", r.Cluster.Namespace, usual.Cluster.Namespace},
		{"--service-account", r.Cluster.ServiceAccount, usual.Cluster.ServiceAccount},
	} {
		if flag.value != flag.usual {
			f += " " + option(flag.name, flag.value)
		}
	}
	return f
}

// providerCommand creates the OpenID Connect provider for the cluster's issuer.
func (b *blueprint) providerCommand(partition string) string {
	url := b.Request.Cluster.Issuer
	if url == "" {
		url = "https://" + b.issuer(partition)
	}
	return "# Once for each account and cluster, unless it is there (aws iam list-open-id-connect-providers):\n" +
		"# aws iam create-open-id-connect-provider " + option("--url", url) + " --client-id-list " + audience
}

// clusterCommand gives the service account its role. The command is empty where there is none to run, and both are
// empty where roles do not trust a cluster.
func (b *blueprint) clusterCommand() (about, command string) {
	if b.Mode != rolebroker.ModeCluster || len(b.targets) == 0 {
		return "", ""
	}
	c, arn := b.Request.Cluster, b.targets[0].arn.String()
	if c.ServiceAccount == rolebroker.AnyAccount {
		c.ServiceAccount = "SERVICE_ACCOUNT"
	}
	switch c.Variant {
	case rolebroker.ClusterAssumeRole:
		return "In account " + b.Runner.Account + ", the runner's own policy has to allow " +
			"sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity on the roles.", ""
	case rolebroker.ClusterPodIdentity:
		return "In the account of the cluster, give the service account its role. " +
				"EKS takes one for each service account:",
			"aws eks create-pod-identity-association --cluster-name CLUSTER " + option("--namespace", c.Namespace) +
				" " +
				option("--service-account", c.ServiceAccount) + " " + option("--role-arn", arn)
	}
	return "In the cluster, install the runner with its Helm chart, which makes the service account and gives the " +
		"runner's pods a token for AWS. The token is good for every role that trusts the service account, so the " +
		"service account needs no annotation.", ""
}
