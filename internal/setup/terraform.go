package setup

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// terraform is configuration with a resource for each role.
func (b *blueprint) terraform(ctx context.Context) string {
	var out script
	out.WriteString(b.remarks())
	if missing := b.missing(); missing != "" {
		out.remark("%s\n", missing)
	}
	if several := len(b.accounts) > 1; several {
		out.line("# The roles are in several accounts: each needs a provider with credentials of " +
			"its own account, as in")
		out.line("#\n# provider \"aws\" {")
		out.line("#   alias               = %s", hclText("account_"+b.targets[0].arn.Account))
		out.line("#   allowed_account_ids = [%s]", hclText(b.targets[0].arn.Account))
		out.line("# }\n")
	}
	if !b.exists() {
		out.line("# These are new roles. To take over one that exists, write this again with the " +
			"trust policy that it has")
		out.line("# (--role, --current), or those whom it trusts now are locked out.\n")
	}
	taken := map[string]int{}
	for i, t := range until(ctx, b.targets) {
		if i > 0 {
			out.line("")
		}
		out.WriteString(b.awsIAMRole(t, unused(taken, terraformName(t.names[0]))))
	}
	for _, c := range until(ctx, b.cutOffs()) {
		out.line("")
		out.WriteString(b.awsCutOffRole(c, unused(taken, terraformName(c.name))))
	}
	return out.String()
}

func (b *blueprint) awsIAMRole(t *target, name string) string {
	var out script
	if t.obstacle != "" {
		out.remark("Role %s is not here: %s\n  %s", t.label(), t.obstacle, t.arn)
		return out.String()
	}
	if b.exists() {
		out.line("import {\n%s}\n", attributes([][2]string{{"to", "aws_iam_role." + name},
			{"id", hclText(t.arn.Name)}}))
	}
	out.remark("Role %s: %s", t.label(), t.arn)
	out.line("resource \"aws_iam_role\" %s {", hclText(name))
	if len(b.accounts) > 1 {
		out.line("  # provider = aws.account_%s\n", t.arn.Account)
	}
	out.line("%s\n  assume_role_policy = <<-POLICY\n%s\n  POLICY\n}\n", attributes(b.arguments(t)),
		hclHeredoc("    ", t.policy))
	out.line("# Attach all that your agents need, for example:")
	out.line("#\n# resource \"aws_iam_role_policy_attachment\" %s {", hclText(name))
	out.line("#   role       = aws_iam_role.%s.name", name)
	out.line("#   policy_arn = %s\n# }", hclText(readOnlyAccess(t.arn.Partition)))
	return out.String()
}

func (b *blueprint) arguments(t *target) [][2]string {
	all := [][2]string{{"name", hclText(t.arn.Name)}, {"path", hclText(t.arn.Path)},
		{"description", hclText(b.description(t))}}
	if n := t.seconds(); n > 0 {
		all = append(all, [2]string{"max_session_duration", strconv.Itoa(n)})
	}
	return all
}

// attributes are names and expressions, a line each, aligned as terraform fmt does it.
func attributes(all [][2]string) string {
	widest := 0
	for _, a := range all {
		widest = max(widest, len(a[0]))
	}
	var out script
	for _, a := range all {
		out.line("  %-*s = %s", widest, a[0], a[1])
	}
	return out.String()
}

// terraformName is a role's name in a form that an address in Terraform can have.
func terraformName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if isAlphanumeric(r) {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	if clean == "" || clean[0] < 'a' || clean[0] > 'z' {
		return "role_" + clean
	}
	return clean
}

// hclHeredoc is text as the body of a heredoc, with nothing in it for HCL to evaluate.
func hclHeredoc(indent, text string) string {
	text = strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text)
	return indent + strings.ReplaceAll(text, "\n", "\n"+indent)
}

// hclText is a string in quotes, with nothing in it for HCL to evaluate.
//
// Source: HCL Native Syntax Specification, "Template Literals".
func hclText(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case r == '"' || r == '\\':
			out.WriteString(`\` + string(r))
		case (r == '$' || r == '%') && i+1 < len(runes) && runes[i+1] == '{':
			out.WriteString(string(r) + string(r))
		case r < ' ' || r > '~':
			out.WriteString(hclRune(r))
		default:
			out.WriteRune(r)
		}
	}
	return out.String() + `"`
}

func hclRune(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}
