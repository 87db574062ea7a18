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
	isLike := func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(action)) }
	sure := no
	if s.Action != nil && slices.ContainsFunc(s.Action, isLike) ||
		s.NotAction != nil && !slices.ContainsFunc(s.NotAction, isLike) {
		sure = yes
	}
	if s.Resource != nil {
		sure = min(sure, anyLike(s.Resource, resource))
	} else {
		sure = min(sure, anyLike(s.NotResource, resource).not())
	}
	if len(s.Condition) > 0 && string(s.Condition) != "{}" {
		sure = min(sure, maybe)
	}
	return sure
}

// anyLike is how sure it is that a resource is like one of the patterns. A resource with * stands for several, and a
// pattern with ${ for what only AWS knows.
func anyLike(patterns []string, resource string) (best certainty) {
	for _, p := range patterns {
		switch {
		case strings.Contains(p, "${"):
			best = max(best, maybe)
		case like(p, resource):
			return yes
		case strings.Contains(resource, "*"):
			best = max(best, maybe)
		}
	}
	return best
}

// like reports whether a text is like a pattern, in which * stands for any text and ? for one character. A * in the
// text stands for any text too: the pattern is then like all that the text stands for. It never takes more steps than
// the product of both lengths: agents choose the text.
func like(pattern, text string) bool {
	p, t := 0, 0
	star, again := -1, 0 // where to go on after the last * of the pattern
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, again = p, t
			p++
		case p < len(pattern) && pattern[p] == '?' && text[t] != '*':
			_, size := utf8.DecodeRuneInString(text[t:])
			p, t = p+1, t+size
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			again++
			p, t = star+1, again
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
