package rolebroker

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Policy is an IAM policy document that calls are judged by, as far as that can be done without AWS.
type Policy struct{ statements []policyStatement }

// policyStatement is a statement of a policy.
type policyStatement struct {
	Effect                                   string
	Action, NotAction, Resource, NotResource oneOrMore
	Condition                                json.RawMessage
}

// oneOrMore are texts; a policy may have one without a list.
type oneOrMore []string

// UnmarshalJSON reads a text or a list of texts.
func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// ReadPolicy reads a policy that ParseSessionPolicy or ParseExemptPolicy accepted.
func ReadPolicy(text string) (p Policy, err error) {
	var document struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return p, err
	}
	var one policyStatement
	if json.Unmarshal(document.Statement, &one) == nil {
		return Policy{[]policyStatement{one}}, nil
	}
	err = json.Unmarshal(document.Statement, &p.statements)
	return p, err
}

// PolicyVerdict is what a policy says of a call.
type PolicyVerdict int

// The verdicts, the strictest first.
const (
	PolicyDenies   PolicyVerdict = iota // a Deny matches
	PolicySilent                        // no Allow matches
	PolicyUnclear                       // it depends on a condition, or on a resource that is not known
	PolicyAllowing                      // every action is allowed on every resource
)

// Judge says what the policy says of a call with a role: of all its actions, on the resources of each. A call whose
// actions are not known is unclear.
func (p Policy) Judge(actions, resources []string, role RoleARN) PolicyVerdict {
	if len(actions) == 0 {
		return PolicyUnclear
	}
	verdict := PolicyAllowing
	for i, a := range actions {
		for _, resource := range ResourcesOfAction(actions, resources, role, i) {
			verdict = min(verdict, p.judge(a, resource))
		}
	}
	return verdict
}

func (p Policy) judge(action, resource string) PolicyVerdict {
	allow, deny := p.matching("Allow", action, resource), p.matching("Deny", action, resource)
	switch {
	case deny == yes:
		return PolicyDenies
	case allow == no:
		return PolicySilent
	case allow == maybe || deny == maybe:
		return PolicyUnclear
	}
	return PolicyAllowing
}

const passRole = "iam:PassRole"

// ResourcesOfAction returns the resources that the action with an index is used on in a call with a role. "*": they are
// not known.
func ResourcesOfAction(actions, resources []string, role RoleARN, i int) []string {
	switch {
	case actions[i] == passRole:
		return []string{rolesBeside(role)}
	case len(resources) == 0 || slices.Contains(resources, "*"):
		return []string{"*"}
	case actions[i] == "rds-db:connect": // the others say which database it is
		return resources[:1]
	case len(resources) == 2 && len(actions) > 1 && strings.HasPrefix(actions[0], "s3:GetObject"):
		if i == 0 { // a copy reads its source and writes its target
			return resources[:1]
		}
		return resources[1:]
	}
	return resources
}

// rolesBeside are all roles of the account of a role.
func rolesBeside(role RoleARN) string {
	if role == (RoleARN{}) {
		return "*"
	}
	return "arn:" + role.Partition + ":iam::" + string(role.Account) + ":role/*"
}

// certainty is whether something is so.
type certainty int

const (
	no certainty = iota
	maybe
	yes
)

// not is the opposite.
func (c certainty) not() certainty { return yes - c }

// matching is how sure it is that a statement with an effect matches.
func (p Policy) matching(effect, action, resource string) (best certainty) {
	for i := range p.statements {
		if s := &p.statements[i]; s.Effect == effect {
			best = max(best, s.matches(action, resource))
		}
	}
	return best
}

func (s *policyStatement) matches(action, resource string) certainty {
	name := []rune(strings.ToLower(action))
	isLike := func(pattern string) bool {
		p, _ := readPattern(strings.ToLower(pattern))
		return like(p, name)
	}
	sure := no
	if s.Action != nil && slices.ContainsFunc(s.Action, isLike) ||
		s.NotAction != nil && !slices.ContainsFunc(s.NotAction, isLike) {
		sure = yes
	}
	switch {
	case sure == no:
		return no
	case s.Resource != nil:
		sure = anyLike(s.Resource, resource)
	default:
		sure = anyLike(s.NotResource, resource).not()
	}
	if len(s.Condition) > 0 && string(s.Condition) != "{}" {
		sure = min(sure, maybe)
	}
	return sure
}

// anyLike is how sure it is that a resource is like one of the patterns. A resource with * or ? stands for several. A
// pattern with a variable stands for what only AWS knows.
func anyLike(patterns []string, resource string) (best certainty) {
	text, _ := readPattern(resource)
	longer := longerSecret(resource)
	for _, p := range patterns {
		pattern, variable := readPattern(p)
		switch {
		case variable:
			best = max(best, maybe)
		case like(pattern, text) && (longer == nil || slices.Equal(pattern, text) || like(pattern, longer)):
			return yes
		case !apart(pattern, text) || longer != nil && !apart(pattern, longer):
			best = max(best, maybe)
		}
	}
	return best
}

// longerSecret is the other secret that the ARN of one may name: AWS takes an ARN without the six characters at its end
// too, and a name may end like an ARN. It is nil for another resource.
//
// Source: AWS Secrets Manager User Guide, "Finding secrets from a partial ARN".
func longerSecret(resource string) []rune {
	if parts := strings.SplitN(resource, ":", 7); len(parts) < 7 || parts[2] != "secretsmanager" ||
		strings.HasSuffix(resource, "?") || strings.HasSuffix(resource, "*") {
		return nil
	}
	longer, _ := readPattern(resource + "-??????")
	return longer
}

// What in a pattern stands for something else.
const (
	anyText      rune = -1 - iota // *
	anyCharacter                  // ?
)

// readPattern reads a pattern of resources, or the resource of a call: * stands for any text, ? for one character, and
// ${*}, ${?} and ${$} for themselves. variable: it has another variable.
//
// Source: IAM User Guide, "Policy variables: special characters".
func readPattern(s string) (text []rune, variable bool) {
	text = make([]rune, 0, len(s))
	for s != "" {
		c, size := utf8.DecodeRuneInString(s)
		switch {
		case c == '*':
			c = anyText
		case c == '?':
			c = anyCharacter
		case strings.HasPrefix(s, "${*}"), strings.HasPrefix(s, "${?}"), strings.HasPrefix(s, "${$}"):
			c, size = rune(s[2]), 4
		case strings.HasPrefix(s, "${"):
			variable = true
		}
		text, s = append(text, c), s[size:]
	}
	return text, variable
}

// like reports whether a pattern is like all that a text stands for. It never takes more steps than the product of both
// lengths: agents choose the text.
func like(pattern, text []rune) bool {
	p, t := 0, 0
	star, again := -1, 0 // where to go on after the last * of the pattern
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == anyText:
			star, again = p, t
			p++
		case p < len(pattern) && (pattern[p] == text[t] || pattern[p] == anyCharacter && text[t] != anyText):
			p, t = p+1, t+1
		case star >= 0:
			again++
			p, t = star+1, again
		default:
			return false
		}
	}
	return !slices.ContainsFunc(pattern[p:], func(c rune) bool { return c != anyText })
}

// apart reports whether nothing is like both patterns, as far as the text before the first * and after the last one
// says.
func apart(a, b []rune) bool {
	return beginApart(a, b, func(text []rune, i int) rune { return text[i] }) ||
		beginApart(a, b, func(text []rune, i int) rune { return text[len(text)-1-i] })
}

// beginApart reports whether two patterns differ before the first *, in the order of at.
func beginApart(a, b []rune, at func(text []rune, i int) rune) bool {
	for i := range max(len(a), len(b)) {
		if i == len(a) {
			return at(b, i) != anyText
		}
		if i == len(b) {
			return at(a, i) != anyText
		}
		c, d := at(a, i), at(b, i)
		if c == anyText || d == anyText {
			return false
		}
		if c != d && c != anyCharacter && d != anyCharacter {
			return true
		}
	}
	return false
}
