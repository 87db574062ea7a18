package rolebroker

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Call is one AWS API request that an agent sent through the gateway, or that was signed for the agent as an AWS token.
// It holds no body, no header and no value of the query. Its names are those of that time.
type Call struct {
	ID      CallID
	EndedAt time.Time // when the answer was passed on, or there was none; zero: nobody recorded an outcome

	Agent           AgentID
	AgentName       string
	Token           TokenID
	Address         string // that the request came from
	Integration     IntegrationID
	IntegrationName string
	Role            RoleID
	RoleName        string
	ARN             RoleARN // zero: the role was gone
	Task            string
	Session         SessionID       // whose credentials signed the request; empty: it was refused before there were any
	AccessRequest   AccessRequestID // the approval behind it; empty: it needed none

	Service   string   // as the AWS CLI calls it, such as dynamodb
	Operation string   // such as PutItem; empty: it is not known
	Actions   []string // of IAM, such as dynamodb:PutItem; empty: they are not known
	Region    Region
	Resources []string // ARNs; "*" says that there are more, or that they are not known; nil: they are not recorded
	Level     CallLevel

	Decision CallDecision
	Code     Code   // why it was refused; empty: it was allowed
	Reason   string // the same in words; of a call that was allowed, why AWS gave no answer
	Times    int64  // how many calls of this kind the record stands for: 1, or more if it was refused again and again

	// ValidUntil is when AWS stops to accept an AWS token. Zero: the gateway sent the call itself.
	ValidUntil time.Time

	Status    int    // of the answer over HTTP; 0: there was none
	RequestID string // of AWS, as CloudTrail has it
	BytesIn   int64  // that AWS got
	BytesOut  int64  // that the agent got
}

// CallLevel is how much a call may change, as the Service Authorization Reference says of its IAM actions.
type CallLevel string

// The levels, in the order of the harm that they can do.
const (
	CallList        CallLevel = "list"
	CallRead        CallLevel = "read"
	CallTagging     CallLevel = "tagging"
	CallWrite       CallLevel = "write"
	CallPermissions CallLevel = "permissions" // also of everything that is not known
)

// CallLevels are all levels, from the least harm to the most.
func CallLevels() []CallLevel {
	return []CallLevel{CallList, CallRead, CallTagging, CallWrite, CallPermissions}
}

// Changes reports whether a call of the level may change something. An unknown level may.
func (l CallLevel) Changes() bool { return l != CallList && l != CallRead }

// CallDecision is what the gateway decided about a call.
type CallDecision string

// The decisions.
const (
	CallAllowed CallDecision = "allowed"
	CallRefused CallDecision = "refused"
)

// CallOutcome is what became of a call.
type CallOutcome string

// The outcomes.
const (
	OutcomeAnswered   CallOutcome = "answered"   // AWS answered, with a status
	OutcomeUnanswered CallOutcome = "unanswered" // no answer came; AWS may have done it all the same
	OutcomeUnknown    CallOutcome = "unknown"    // it is under way, or the server ended before it had the outcome
	OutcomeNotSent    CallOutcome = "not_sent"   // the gateway refused it, and AWS never got it
	OutcomeHandedOut  CallOutcome = "handed_out" // the agent got it as an AWS token, of which nobody sees the use
)

// Outcome returns what became of the call.
func (c *Call) Outcome() CallOutcome {
	switch {
	case c.Decision == CallRefused:
		return OutcomeNotSent
	case !c.ValidUntil.IsZero():
		return OutcomeHandedOut
	case c.EndedAt.IsZero():
		return OutcomeUnknown
	case c.Status == 0:
		return OutcomeUnanswered
	}
	return OutcomeAnswered
}

// BeganAt is when the gateway had the request, in milliseconds.
func (c *Call) BeganAt() time.Time { return c.ID.Time() }

// Reference returns "integration/role".
func (c *Call) Reference() string { return c.IntegrationName + "/" + c.RoleName }

// CallFilter selects calls; the zero value selects all.
type CallFilter struct {
	Agent     AgentID
	Role      RoleID
	Session   SessionID
	Request   AccessRequestID
	Service   string
	Operation string
	Level     CallLevel
	Decision  CallDecision
	Since     time.Time // calls that began then or later; zero: all
	Until     time.Time // calls that began before; zero: all
}

// Check returns an error for a filter that can select nothing. Codes: invalid.
func (f *CallFilter) Check() error {
	var p problems
	if f.Level != "" {
		p.check("level", oneOf(f.Level, CallLevels()))
	}
	if f.Decision != "" {
		p.check("decision", oneOf(f.Decision, []CallDecision{CallAllowed, CallRefused}))
	}
	if f.Session != "" && !(IsID(string(f.Session)) && strings.HasPrefix(string(f.Session), "ses_")) {
		p.add("session", "must be the ID of a session, as in ses_…")
	}
	if f.Request != "" && !IsAccessRequestID(string(f.Request)) {
		p.add("request", "must be the ID of an access request, as in req_…")
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		p.add("until", "must be after since")
	}
	return p.err("the filter")
}

// CallID is the ID of a Call: cal_…. It begins with the time of the call, so that calls in the order of their IDs are in
// the order of time. The rest is random.
type CallID string

const (
	callPrefix = "cal_"
	// callCharacters are those of other IDs, in the order of their bytes.
	callCharacters = "234567abcdefghijklmnopqrstuvwxyz"
	callTime       = 9 // characters, of 5 bits, for the milliseconds since 1970
)

// NewCallID makes the ID of a call that begins at a time.
func NewCallID(at time.Time) CallID {
	return CallIDFrom(at) + CallID(newID("")[:idLength-callTime])
}

// CallIDFrom returns a text that is less than the ID of every call of a time or later, and greater than that of every
// earlier one.
func CallIDFrom(at time.Time) CallID {
	text := make([]byte, callTime)
	millis := max(at.UnixMilli(), 0)
	for i := range text {
		text[callTime-1-i] = callCharacters[millis&31]
		millis >>= 5
	}
	return callPrefix + CallID(text)
}

// Time returns when the call began; the zero time if the ID is not that of a call.
func (id CallID) Time() time.Time {
	if !IsCallID(string(id)) {
		return time.Time{}
	}
	var millis int64
	for _, c := range id[len(callPrefix) : len(callPrefix)+callTime] {
		n := strings.IndexRune(callCharacters, c)
		if n < 0 {
			return time.Time{}
		}
		millis = millis<<5 | int64(n)
	}
	return time.UnixMilli(millis).UTC()
}

// IsCallID reports whether s has the form of a CallID.
func IsCallID(s string) bool { return IsID(s) && strings.HasPrefix(s, callPrefix) }

// Bounds of what a call's record has of the resources that the agent named.
const (
	MaxCallResources = 20
	maxResourceText  = 4 << 10 // bytes, of all together
)

// BoundResources returns the resources as a record has them: at most MaxCallResources, and "*" for those that are left
// out.
func BoundResources(all []string) []string {
	size := 0
	for i, r := range all {
		if size += len(r); i == MaxCallResources || size > maxResourceText {
			return append(slices.Clone(all[:i]), "*")
		}
	}
	return all
}

// Subject names the call.
func (c *Call) Subject() Subject { return Subject{Kind: KindCall, ID: string(c.ID)} }

// CallDigest is what the audit trail has of the calls of an hour.
type CallDigest struct {
	Hour   time.Time // that they began in
	Calls  int64
	SHA256 string // of their export, in hexadecimal
}

// Facts returns what the event of the digest has.
func (d *CallDigest) Facts() Facts {
	return Facts{"hour": d.Hour.UTC().Format(time.RFC3339), "calls": fmt.Sprint(d.Calls), "sha256": d.SHA256}
}
