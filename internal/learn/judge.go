package learn

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
)

// Judge says what a connection would have done with recorded calls. It judges by IAM actions and resources, as they
// were recorded; what it cannot know it counts as unsure.
type Judge struct {
	connection *rolebroker.Connection
	statements []policyStatement
	calls      int64
	refused    kinds
	waited     kinds
	unsure     kinds
}

// kinds adds up calls by what they are called and the reason.
type kinds map[refusedKey]*rolebroker.RefusedKind

// NewJudge makes a judge by a connection whose session policy is valid.
func NewJudge(c *rolebroker.Connection) (*Judge, error) {
	j := &Judge{connection: c, refused: kinds{}, waited: kinds{}, unsure: kinds{}}
	if c.Access != rolebroker.AccessPolicy {
		return j, nil
	}
	statements, err := parsePolicy(c.SessionPolicy)
	j.statements = statements
	return j, err
}

// Add judges the calls of a kind.
func (j *Judge) Add(k rolebroker.CallKind) {
	j.calls += k.Calls
	verdict, reason := j.judge(&k)
	switch {
	case verdict == no:
		j.refused.add(&k, reason)
	case verdict == maybe:
		j.unsure.add(&k, reason)
	case j.connection.Approval == rolebroker.ApprovalBorrow:
		j.waited.add(&k, "a person says yes before it uses a role")
	case j.connection.Approval == rolebroker.ApprovalWrite && changes(k.Actions):
		j.waited.add(&k, "a person says yes before each change")
	}
}

// Judgement is what was added so far.
func (j *Judge) Judgement() rolebroker.Judgement {
	return rolebroker.Judgement{Calls: j.calls, Refused: j.refused.sorted(), Waited: j.waited.sorted(),
		Unsure: j.unsure.sorted()}
}

// judge says whether a call would have been sent and answered, apart from approval.
func (j *Judge) judge(k *rolebroker.CallKind) (verdict certainty, reason string) {
	c := j.connection
	switch {
	case !c.Includes(k.Role):
		return no, "its role is not one of those that the agent may use"
	case c.Keys == rolebroker.KeysWithheld && returnsMore(k, c):
		return no, "it returns credentials"
	case c.Access == rolebroker.AccessFull:
		return yes, ""
	case len(k.Actions) == 0:
		return maybe, "its IAM actions are not known"
	case slices.Contains(k.Actions, rolebroker.ActionEKSToken):
		return maybe, "it is a token for Kubernetes, which no policy of AWS limits"
	case c.Access == rolebroker.AccessPolicy:
		return j.byPolicy(k)
	}
	return byLevel(k, c.Access)
}

// returnsMore reports whether a call returns credentials that the connection does not allow, as the gateway asks it.
func returnsMore(k *rolebroker.CallKind, c *rolebroker.Connection) bool {
	asked := slices.Clone(k.Actions)
	if !slices.ContainsFunc(asked, action.ReturnsCredentials) {
		asked = []string{k.Service + ":" + k.Operation}
	}
	return slices.ContainsFunc(asked, func(a string) bool { return action.ReturnsCredentials(a) && !c.AllowsAction(a) })
}

// byLevel judges by the access levels of the actions, as AWS's managed policies are made.
func byLevel(k *rolebroker.CallKind, access rolebroker.Access) (verdict certainty, reason string) {
	verdict = yes
	for _, a := range k.Actions {
		level := action.LevelOf(a)
		switch {
		case action.ReturnsCredentials(a):
			return no, "it returns credentials"
		case isChange(level):
			return no, "it may change something"
		case access == rolebroker.AccessViewOnly && level == action.Read:
			verdict, reason = maybe, "AWS’s ViewOnlyAccess has only some of the actions that read"
		}
	}
	return verdict, reason
}

func isChange(l action.Level) bool { return l != action.List && l != action.Read }

// changes reports whether one of the actions may change something, also if none is known.
func changes(actions []string) bool {
	return len(actions) == 0 || slices.ContainsFunc(actions, func(a string) bool { return isChange(action.LevelOf(a)) })
}

func (all kinds) add(k *rolebroker.CallKind, reason string) {
	call := strings.Join(k.Actions, " and ")
	if call == "" {
		call = cmp.Or(k.Service, "?") + ":" + cmp.Or(k.Operation, "?")
	}
	key := refusedKey{call, reason}
	if all[key] == nil {
		all[key] = &rolebroker.RefusedKind{Call: call, Reason: reason}
	}
	all[key].Calls += k.Calls
	if k.Last.After(all[key].Last) {
		all[key].Last = k.Last
	}
}

// sorted has the most frequent first.
func (all kinds) sorted() []rolebroker.RefusedKind {
	return slices.SortedFunc(values(all), func(a, b rolebroker.RefusedKind) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Call, b.Call), cmp.Compare(a.Reason, b.Reason))
	})
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

// policyStatement is a statement of a session policy.
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

func parsePolicy(text string) (statements []policyStatement, err error) {
	var policy struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return nil, err
	}
	var one policyStatement
	if json.Unmarshal(policy.Statement, &one) == nil {
		return []policyStatement{one}, nil
	}
	err = json.Unmarshal(policy.Statement, &statements)
	return statements, err
}

const undecided = "the session policy decides by a condition, or by a resource that was not recorded"

// byPolicy judges by the session policy: a Deny that matches refuses, and so does the lack of an Allow.
func (j *Judge) byPolicy(k *rolebroker.CallKind) (verdict certainty, reason string) {
	verdict = yes
	for i, a := range k.Actions {
		for _, resource := range resourcesOf(k, i) {
			allow, deny := j.matching("Allow", a, resource), j.matching("Deny", a, resource)
			switch {
			case deny == yes:
				return no, "the session policy denies it"
			case allow == no:
				return no, "the session policy does not allow it"
			case allow == maybe || deny == maybe:
				verdict, reason = maybe, undecided
			}
		}
	}
	return verdict, reason
}

// matching is how sure it is that a statement with an effect matches.
func (j *Judge) matching(effect, action, resource string) (best certainty) {
	for _, s := range j.statements {
		if s.Effect == effect {
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

// anyLike is how sure it is that a resource is like one of the patterns. A recorded resource with * stands for several,
// and a pattern with ${ for what only AWS knows.
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

// like reports whether a text is like a pattern, in which * stands for any text and ? for one character.
func like(pattern, text string) bool {
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '*':
			rest := strings.TrimLeft(pattern[i:], "*")
			for j := i; j <= len(text); j++ {
				if like(rest, text[j:]) {
					return true
				}
			}
			return false
		case i == len(text) || pattern[i] != '?' && pattern[i] != text[i]:
			return false
		}
	}
	return len(pattern) == len(text)
}
