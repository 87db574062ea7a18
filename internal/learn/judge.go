package learn

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
)

// Judge says what a connection would have done with recorded calls. It judges by IAM actions and resources, as they
// were recorded; what it cannot know it counts as unsure.
type Judge struct {
	connection *rolebroker.Connection
	policy     rolebroker.Policy // its session policy, with the access policy
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
	policy, err := rolebroker.ReadPolicy(c.SessionPolicy)
	j.policy = policy
	return j, err
}

// Add judges the calls of a kind.
func (j *Judge) Add(k rolebroker.CallKind) {
	j.calls += k.Calls
	verdict, reason := j.judge(&k)
	switch {
	case verdict == refused:
		j.refused.add(&k, reason)
	case verdict == unsure:
		j.unsure.add(&k, reason)
	case j.connection.Approval == rolebroker.ApprovalBorrow:
		j.waited.add(&k, "a person says yes before it uses a role")
	case j.connection.Approval == rolebroker.ApprovalWrite && changes(k.Actions):
		j.waited.add(&k, "a person says yes before each change")
	case j.connection.Approval == rolebroker.ApprovalCall && !j.connection.Exempts(k.Actions, k.Resources, k.ARN):
		j.waited.add(&k, "a person says yes before each call that its exempt policy does not allow")
	}
}

// verdict is what would have become of a call.
type verdict int

const (
	refused verdict = iota
	unsure
	sent
)

// Judgement is what was added so far.
func (j *Judge) Judgement() rolebroker.Judgement {
	return rolebroker.Judgement{Calls: j.calls, Refused: j.refused.sorted(), Waited: j.waited.sorted(),
		Unsure: j.unsure.sorted()}
}

// judge says whether a call would have been sent and answered, apart from approval.
func (j *Judge) judge(k *rolebroker.CallKind) (is verdict, reason string) {
	c := j.connection
	switch {
	case !c.Includes(k.Role):
		return refused, "its role is not one of those that the agent may use"
	case c.Keys == rolebroker.KeysWithheld && returnsMore(k, c):
		return refused, "it returns credentials"
	case c.Access == rolebroker.AccessFull:
		return sent, ""
	case len(k.Actions) == 0:
		return unsure, "its IAM actions are not known"
	case slices.Contains(k.Actions, rolebroker.ActionEKSToken):
		return unsure, "it is a token for Kubernetes, which no policy of AWS limits"
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
func byLevel(k *rolebroker.CallKind, access rolebroker.Access) (is verdict, reason string) {
	is = sent
	for _, a := range k.Actions {
		level := action.LevelOf(a)
		switch {
		case action.ReturnsCredentials(a):
			return refused, "it returns credentials"
		case isChange(level):
			return refused, "it may change something"
		case access == rolebroker.AccessViewOnly && level == action.Read:
			is, reason = unsure, "AWS’s ViewOnlyAccess has only some of the actions that read"
		}
	}
	return is, reason
}

// byPolicy judges by the session policy.
func (j *Judge) byPolicy(k *rolebroker.CallKind) (is verdict, reason string) {
	switch j.policy.Judge(k.Actions, k.Resources, k.ARN) {
	case rolebroker.PolicyDenies:
		return refused, "the session policy denies it"
	case rolebroker.PolicySilent:
		return refused, "the session policy does not allow it"
	case rolebroker.PolicyUnclear:
		return unsure, "the session policy decides by a condition, or by a resource that was not recorded"
	}
	return sent, ""
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
