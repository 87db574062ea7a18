package rolebroker

import "time"

// CallKind is how often an agent sent calls that are alike.
type CallKind struct {
	Service   string   // as the AWS CLI calls it; empty: it is not known
	Operation string   // empty: it is not known
	Actions   []string // of IAM; empty: they are not known
	Resources []string // as IAM patterns; "*" says that there are more; nil: they were not recorded
	Role      RoleID
	ARN       RoleARN // of the role; zero: it was gone
	Calls     int64
	Last      time.Time // when the last of them began
}

// MaxLearned bounds the calls that a policy is learned from: the newest ones. It takes about a second.
const MaxLearned = 50_000

// LearnedPolicy is the IAM policy that recorded calls need.
type LearnedPolicy struct {
	Policy     string // compact JSON, the same for the same calls; empty: no call needs anything that a policy may have
	Characters int    // of the policy; more than MaxSessionPolicy: it is no session policy
	Wider      Widening
	Calls      int64     // that were learned from
	Since      time.Time // when the first of them may have been
	Newest     bool      // there were more than MaxLearned calls: those before Since were left out

	// WouldRefuse are the calls that the policy would have refused, sorted.
	WouldRefuse []RefusedKind
}

// RefusedKind is how often calls were sent that a policy would refuse.
type RefusedKind struct {
	Call   string // service:Operation
	Reason string
	Calls  int64
	Last   time.Time
}

// Judgement is what limits would have done with recorded calls.
type Judgement struct {
	Since   time.Time // when the first of the calls may have been
	Calls   int64
	Refused []RefusedKind // the most first
	Waited  []RefusedKind // for a person, the most first
	Unsure  []RefusedKind // nobody can say; the reason says why

	// Calls that are not among the others, because they say nothing about what the agent needs.
	AWSRefused int64 // with 401 or 403
	NotSent    int64 // the gateway refused them
}

// Fits reports whether the policy can be a session policy.
func (p *LearnedPolicy) Fits() bool { return p.Policy != "" && p.Characters <= MaxSessionPolicy }

// Widening is how much wider a learned policy is than its calls, for it to fit into a session policy.
type Widening string

// The widenings.
const (
	WidenNothing  Widening = "nothing"  // six siblings and more are a pattern
	WidenSiblings Widening = "siblings" // two siblings and more are a pattern
	WidenReads    Widening = "reads"    // and actions that only read may read everything
	WidenAll      Widening = "all"      // every action is for every resource
)

// Widenings are all widenings, from the narrowest.
func Widenings() []Widening { return []Widening{WidenNothing, WidenSiblings, WidenReads, WidenAll} }

// InWords says what a policy of the widening allows more than the calls that it was learned from; empty: nothing.
func (w Widening) InWords() string {
	switch w {
	case WidenSiblings:
		return "to fit, it allows all siblings where there are two, such as a whole folder for two objects"
	case WidenReads:
		return "to fit, it allows to read and list everything of the services that were read"
	case WidenAll:
		return "to fit, it allows each action on every resource"
	}
	return ""
}
