package learn

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/action"
)

// Options say what a policy may have that it has not by itself.
type Options struct {
	Permissions bool // actions that manage permissions
	PassRole    bool // iam:PassRole, for any role of the account
	Credentials bool // actions that return credentials
}

// Include returns the options that the words permissions, pass-role and credentials mean.
func Include(words []string) Options {
	return Options{Permissions: slices.Contains(words, "permissions"), PassRole: slices.Contains(words, "pass-role"),
		Credentials: slices.Contains(words, "credentials")}
}

// Learner adds up calls. Its memory is bounded by the number of actions, not of calls.
type Learner struct {
	options Options
	calls   int64
	used    map[string]*tree // by IAM action
	refused map[refusedKey]*rolebroker.RefusedKind
}

type refusedKey struct{ call, reason string }

// New makes a learner that has no calls.
func New(o Options) *Learner {
	return &Learner{options: o, used: map[string]*tree{}, refused: map[refusedKey]*rolebroker.RefusedKind{}}
}

// Add adds the calls of a kind.
func (l *Learner) Add(k rolebroker.CallKind) {
	l.calls += k.Calls
	if reason := l.leavesOut(&k); reason != "" {
		l.refuse(&k, reason)
		return
	}
	for i, a := range k.Actions {
		for _, r := range rolebroker.ResourcesOfAction(k.Actions, k.Resources, k.ARN, i) {
			l.use(a, r)
		}
	}
}

func (l *Learner) use(action, resource string) {
	if l.used[action] == nil {
		l.used[action] = &tree{}
	}
	l.used[action].add(steps(resource))
}

const passRole = "iam:PassRole"

// leavesOut says why the policy has nothing for a call; empty: it has.
func (l *Learner) leavesOut(k *rolebroker.CallKind) string {
	if len(k.Actions) == 0 {
		return "its IAM actions are not known"
	}
	for _, a := range k.Actions {
		switch {
		case a == passRole:
			if !l.options.PassRole {
				return "it hands a role to a service, with iam:PassRole"
			}
		case a == rolebroker.ActionEKSToken:
			return "it is a token for Kubernetes, which no policy of AWS limits"
		case action.ReturnsCredentials(a):
			if !l.options.Credentials {
				return a + " returns credentials"
			}
		case action.LevelOf(a) == action.Permissions && !l.options.Permissions:
			return a + " manages permissions"
		}
	}
	return ""
}

func (l *Learner) refuse(k *rolebroker.CallKind, reason string) {
	call := cmp.Or(k.Service, "?") + ":" + cmp.Or(k.Operation, "?")
	key := refusedKey{call, reason}
	if l.refused[key] == nil {
		l.refused[key] = &rolebroker.RefusedKind{Call: call, Reason: reason}
	}
	one := l.refused[key]
	one.Calls += k.Calls
	if k.Last.After(one.Last) {
		one.Last = k.Last
	}
}

// Policy makes the policy. While it has more than max characters it becomes wider: first siblings become a pattern from
// two on, then what only reads may read everything of the service, then every action is for any resource. Its Wider says how
// far that went. If it still is longer than max, it is so in its exact form. A max of 0 is no limit.
func (l *Learner) Policy(max int) rolebroker.LearnedPolicy {
	made := rolebroker.LearnedPolicy{Calls: l.calls}
	made.WouldRefuse = slices.SortedFunc(values(l.refused), func(a, b rolebroker.RefusedKind) int {
		return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Reason, b.Reason))
	})
	if len(l.used) == 0 {
		made.Wider = rolebroker.WidenNothing
		return made
	}
	for _, wider := range rolebroker.Widenings() {
		made.Policy, made.Wider = document(l.resources(wider)), wider
		if made.Characters = len(made.Policy); max == 0 || made.Characters <= max {
			return made
		}
	}
	made.Policy, made.Wider = document(l.resources(rolebroker.WidenNothing)), rolebroker.WidenNothing
	made.Characters = len(made.Policy)
	return made
}

// resources are the patterns of each action, sorted.
func (l *Learner) resources(wider rolebroker.Widening) map[string][]string {
	all := map[string][]string{}
	for a, used := range l.used {
		level := action.LevelOf(a)
		switch {
		case wider == rolebroker.WidenAll && a != passRole,
			wider == rolebroker.WidenReads && (level == action.List || level == action.Read):
			all[a] = []string{"*"}
		case wider == rolebroker.WidenNothing:
			all[a] = used.patterns(siblings)
		default:
			all[a] = used.patterns(1)
		}
	}
	return all
}

func values[K comparable, V any](m map[K]*V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for v := range maps.Values(m) {
			if !yield(*v) {
				return
			}
		}
	}
}
