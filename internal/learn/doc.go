// Package learn writes the IAM policy that recorded calls need.
//
// A [Learner] adds up calls by IAM action and resource. [Learner.Policy] makes the policy of them: sorted, compact JSON, the
// same bytes for the same calls in any order. An action gets the resources that it was used on. From six siblings on, such
// as objects of one folder, they become one pattern; a pattern stays when more calls come.
//
//	l := learn.New(learn.Options{})
//	l.Add(kind)
//	p := l.Policy(rolebroker.MaxSessionPolicy)
//	fmt.Println(p.Policy) // {"Version":"2012-10-17","Statement":[…]}
//
// It never puts in what could give the agent more than it did: the management of permissions, iam:PassRole, and actions
// that return credentials, unless [Options] ask for them; and nothing for a call whose actions are not known. The
// [rolebroker.LearnedPolicy] has, in WouldRefuse, the calls that the policy would refuse for that reason.
//
// A [Judge] says what the limits of a connection would have done with recorded calls.
package learn
