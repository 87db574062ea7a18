package setup

import (
	"context"
	"fmt"
	"strings"
)

// widestKey is how long a key may be for its neighbours to be aligned with it.
// Those of IAM are shorter.
const widestKey = 200

// terraform is HCL with a resource for each role.
func (b *book) terraform(ctx context.Context) string {
	var out script
	out.WriteString(b.remarks())
	if missing := b.missing(); missing != "" {
		out.remark("%s\n", missing)
	}
	if several := len(b.accounts) > 1; several {
		out.line("# The roles are in several accounts: each needs a provider with credentials of its own account, as in")
		out.line("#\n# provider \"aws\" {")
		out.line("#   alias               = %s", hclText("account_"+b.targets[0].arn.Account))
		out.line("#   allowed_account_ids = [%s]", hclText(b.targets[0].arn.Account))
		out.line("# }\n")
	}
	if !b.exists() {
		out.line("# These are new roles. To take over one that exists, write this again with the trust policy that it has")
		out.line("# (--role, --current), or whoever it trusts now is locked out.\n")
	}
	taken := map[string]int{}
	for i, t := range until(ctx, b.targets) {
		if i > 0 {
			out.line("")
		}
		out.WriteString(b.awsIAMRole(t, unused(taken, terraformName(t.names[0]))))
	}
	return out.String()
}

func (b *book) awsIAMRole(t *target, name string) string {
	var out script
	if t.obstacle != "" {
		out.remark("Role %s is not here: %s\n  %s", t.label(), t.obstacle, t.arn)
		return out.String()
	}
	if b.exists() {
		out.WriteString("import {\n" + hclBody("  ", object{{"to", verbatim("aws_iam_role." + name)}, {"id", t.arn.Name}}) + "}\n\n")
	}
	out.remark("Role %s: %s", t.label(), t.arn)
	out.line("resource \"aws_iam_role\" %s {", hclText(name))
	if len(b.accounts) > 1 {
		out.line("  # provider = aws.account_%s\n", t.arn.Account)
	}
	out.WriteString(hclBody("  ", b.arguments(t)))
	out.line("\n  assume_role_policy = jsonencode(%s)\n}\n", hcl("  ", t.document))
	out.line("# Attach all that your agents need, for example:")
	out.line("#\n# resource \"aws_iam_role_policy_attachment\" %s {", hclText(name))
	out.line("#   role       = aws_iam_role.%s.name", name)
	out.line("#   policy_arn = %s\n# }", hclText(readOnlyAccess(t.arn.Partition)))
	return out.String()
}

func (b *book) arguments(t *target) object {
	o := object{{"name", t.arn.Name}, {"path", t.arn.Path}, {"description", b.description(t)}}
	if n := t.seconds(); n > 0 {
		o = append(o, member{"max_session_duration", n})
	}
	return o
}

// terraformName is a role's name as Terraform takes it in an address.
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

// hcl is v as an expression of HCL. The first line is for where it stands;
// those that follow begin with the indent.
func hcl(indent string, v any) string {
	switch v := v.(type) {
	case string:
		return hclText(v)
	case verbatim:
		return string(v)
	case object:
		if len(v) == 0 {
			return "{}"
		}
		return "{\n" + hclBody(indent+"  ", v) + indent + "}"
	case []any:
		return hclList(indent, v)
	case nil:
		return "null"
	}
	return fmt.Sprint(v) // a number or a bool
}

// attribute is a member in HCL.
type attribute struct{ key, value string }

func (a attribute) long() bool { return strings.Contains(a.value, "\n") }

// hclBody is members a line each, the equals signs of neighbours aligned as
// terraform fmt does it.
func hclBody(indent string, o object) string {
	all := make([]attribute, len(o))
	for i, m := range o {
		all[i] = attribute{hclKey(m.key), hcl(indent, m.value)}
	}
	align(all)
	var out strings.Builder
	for _, a := range all {
		out.WriteString(indent + a.key + " = " + a.value + "\n")
	}
	return out.String()
}

// align makes the keys of neighbours equally long whose values are on one line.
func align(all []attribute) {
	first, widest := 0, 0
	for i := range len(all) + 1 {
		if i < len(all) && !all[i].long() {
			widest = max(widest, len(all[i].key))
			continue
		}
		for j := first; j < i && widest <= widestKey; j++ {
			all[j].key += strings.Repeat(" ", widest-len(all[j].key))
		}
		first, widest = i+1, 0
	}
}

// hclList is a list on one line, or with a line for each element if one of them
// takes several.
func hclList(indent string, all []any) string {
	elements := make([]string, len(all))
	long := false
	for i, one := range all {
		elements[i] = hcl(indent+"  ", one)
		long = long || strings.Contains(elements[i], "\n")
	}
	if !long {
		return "[" + strings.Join(elements, ", ") + "]"
	}
	var out strings.Builder
	out.WriteString("[\n")
	for _, element := range elements {
		out.WriteString(indent + "  " + element + ",\n")
	}
	return out.String() + indent + "]"
}

// hclKey is a key as it is where it cannot be taken for anything else.
func hclKey(key string) string {
	clean := strings.TrimFunc(key, func(r rune) bool { return isAlphanumeric(r) || r == '_' }) == ""
	reserved := key == "for" || key == "null" || key == "true" || key == "false"
	if !clean || reserved || key == "" || '0' <= key[0] && key[0] <= '9' {
		return hclText(key)
	}
	return key
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
