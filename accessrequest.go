package rolebroker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AccessRequest is an agent's question whether it may borrow a role, and a person's or a rule's answer. An approved one
// is the grant of that role to that agent for that task, from the approval until EndsAt. Its names are those of that
// time.
type AccessRequest struct {
	ID              AccessRequestID
	Agent           AgentID
	AgentName       string
	Token           TokenID // that the agent showed
	Integration     IntegrationID
	IntegrationName string
	Role            RoleID
	RoleName        string
	ARN             RoleARN // of the role; zero: an earlier version of the program recorded the request
	PolicyHash      string  // HashPolicy of the session policy, with the access policy; empty: the same
	Access          Access  // what the connection gave when the agent asked; the most that is granted
	Task            string  // the only one that the grant is for; empty: what the agent does without naming a task
	Reason          string  // in the agent's words: nobody has checked them
	Duration        time.Duration
	CreatedAt       time.Time
	ExpiresAt       time.Time // until when it can be decided

	About Approval   // what the agent asked about: borrowing the role, or writes or calls through the gateway
	Call  *AskedCall // that it is about; nil: about all that the agent asks for the task
	Again bool       // the agent asks again for the call, with a reason; not stored

	Decision   Decision
	DecidedAt  time.Time   // zero: nobody has decided
	DecidedBy  string      // the name of the API key or the rule
	Decider    PrincipalID // empty: a rule decided
	Rule       ApprovalRuleID
	Note       string // why: required to deny, and to break the glass
	BreakGlass bool   // the owner of the agent approved it

	Granted       time.Duration // never longer than Duration
	GrantedAccess Access        // never wider than Access
	EndsAt        time.Time     // of the grant; zero: there is none
	Narrowed      Narrowed      // what of the writes or calls was granted

	EndedAt time.Time // when a person ended it before; zero: nobody did
	EndedBy string
}

// Decision is the answer to an access request.
type Decision string

// The decisions; the empty one is that there is none.
const (
	DecisionApproved Decision = "approved"
	DecisionDenied   Decision = "denied"
)

// AccessRequestState is the state of an access request at a time.
type AccessRequestState string

// The states.
const (
	RequestPending  AccessRequestState = "pending"
	RequestApproved AccessRequestState = "approved" // and the grant lasts
	RequestDenied   AccessRequestState = "denied"
	RequestExpired  AccessRequestState = "expired" // nobody decided in time, or the grant is over
	RequestEnded    AccessRequestState = "ended"   // a person ended it before its time
)

// The bounds of access requests.
const (
	RequestLifetime = 30 * time.Minute // how long one can be decided
	DefaultGrant    = time.Hour        // for an agent that names no duration
	MinGrant        = time.Minute
	MaxGrant        = 12 * time.Hour
	MaxReason       = 500 // characters

	MaxPendingRequests = 20  // of one agent
	MaxOpenRequests    = 100 // of one agent, pending and approved
)

// State returns the state of the request at a time. Nothing has to be stored for a request to expire.
func (r *AccessRequest) State(now time.Time) AccessRequestState {
	switch {
	case !r.EndedAt.IsZero():
		return RequestEnded
	case r.Decision == DecisionDenied:
		return RequestDenied
	case now.Before(r.openUntil()) && r.Decision == DecisionApproved:
		return RequestApproved
	case now.Before(r.openUntil()):
		return RequestPending
	}
	return RequestExpired
}

// openUntil is when the request expires unless a person acts: as a question, or as a grant.
func (r *AccessRequest) openUntil() time.Time {
	if r.Decision == DecisionApproved {
		return r.EndsAt
	}
	return r.ExpiresAt
}

// OpenUntil returns until when the request is pending or approved; the zero time if it is neither any more, whatever
// the time.
func (r *AccessRequest) OpenUntil() time.Time {
	if !r.EndedAt.IsZero() || r.Decision == DecisionDenied {
		return time.Time{}
	}
	return r.openUntil()
}

// Reference returns "integration/role".
func (r *AccessRequest) Reference() string { return r.IntegrationName + "/" + r.RoleName }

// Check returns every field that is wrong of what the agent sent. Codes: invalid.
func (r *AccessRequest) Check() error {
	var p problems
	p.check("reason", checkReason(r.Reason))
	p.check("duration", checkGrant(r.Duration))
	if _, err := SessionName(r.AgentName, r.Task); err != nil {
		p.add("task", "%s", strings.TrimPrefix(AsError(err).Message, "the task is not valid: "))
	}
	return p.err("the access request")
}

func checkGrant(d time.Duration) error {
	if d < MinGrant || d > MaxGrant || d%time.Second != 0 {
		return fmt.Errorf("must be whole seconds, from %s to %s", ShortDuration(MinGrant), ShortDuration(MaxGrant))
	}
	return nil
}

func checkReason(reason string) error {
	if reason == "" {
		return fmt.Errorf("is required: what the role is needed for, in words that a person can decide by")
	}
	return checkNote(reason)
}

func checkNote(text string) error {
	if n := utf8.RuneCountInString(text); n > MaxReason {
		return fmt.Errorf("has %d characters; at most %d are allowed", n, MaxReason)
	}
	return checkDescription(text)
}

// OneLine returns the text with each run of white space as one space, so that it cannot look like several lines of
// what shows it.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// ApprovalTerms are what a person answers to approve an access request.
type ApprovalTerms struct {
	Duration   time.Duration // 0: as long as asked
	Access     Access        // empty: as asked
	Note       string
	BreakGlass bool     // the owner of the agent decides, because nobody else can
	Narrowed   Narrowed // only these calls; the zero value: the call that the request is about, or all, if it is about all
	AllCalls   bool     // all writes or calls of the task, also if the request is about one; excludes Narrowed
}

// Approve returns the request as approved at a time: the clock of the grant starts then. A request about a call is
// approved for that call. It refuses what is not pending, and whatever is longer or wider than asked. Codes: conflict,
// invalid.
func (r *AccessRequest) Approve(with ApprovalTerms, now time.Time) (AccessRequest, error) {
	if err := r.decidable(now); err != nil {
		return AccessRequest{}, err
	}
	approved := *r
	approved.Granted, approved.GrantedAccess = r.Duration, r.Access
	var p problems
	if with.Duration != 0 {
		approved.Granted = with.Duration
		p.check("duration", checkGrant(with.Duration))
		if with.Duration > r.Duration {
			p.add("duration", "%s is longer than the %s that the agent asked for", ShortDuration(with.Duration),
				ShortDuration(r.Duration))
		}
	}
	if with.Access != "" {
		approved.GrantedAccess = with.Access
		if !slices.Contains(r.Grantable(), with.Access) {
			p.add("access", "%s is not narrower than the %s that the agent asked for; choose one of %s",
				Quote(string(with.Access)), r.Access, inWords(r.Grantable()))
		}
	}
	with.Narrowed.check(r.About, &p)
	switch only, ok := r.Call.Only(); {
	case with.AllCalls && !with.Narrowed.IsZero():
		p.add("all_calls", "excludes actions and resources")
	case with.AllCalls || !with.Narrowed.IsZero() || r.Call == nil:
	case !ok:
		p.add("all_calls", "is required: the IAM actions of the call are not known, so it cannot be approved alone")
	default:
		with.Narrowed = only
	}
	p.check("note", checkNote(with.Note))
	if with.BreakGlass && with.Note == "" {
		p.add("note", "is required to break the glass: the reason, for everyone who reads the record")
	}
	if err := p.err("the approval"); err != nil {
		return AccessRequest{}, err
	}
	approved.Decision, approved.DecidedAt, approved.EndsAt = DecisionApproved, now, now.Add(approved.Granted)
	approved.Note, approved.BreakGlass, approved.Narrowed = with.Note, with.BreakGlass, with.Narrowed
	return approved, nil
}

// Grantable returns the accesses that an approval may give: none is wider than the one that the agent asked for.
func (r *AccessRequest) Grantable() []Access {
	return slices.DeleteFunc(Accesses(), func(a Access) bool {
		return a != r.Access && r.About.IsOfCalls() || a != r.Access && (a == AccessPolicy || !a.narrows(r.Access))
	})
}

// Deny returns the request as denied at a time. Codes: conflict, invalid.
func (r *AccessRequest) Deny(reason string, now time.Time) (AccessRequest, error) {
	if err := r.decidable(now); err != nil {
		return AccessRequest{}, err
	}
	var p problems
	if reason == "" {
		p.add("reason", "is required: the agent and its people see it")
	}
	p.check("reason", checkNote(reason))
	if err := p.err("the decision"); err != nil {
		return AccessRequest{}, err
	}
	denied := *r
	denied.Decision, denied.DecidedAt, denied.Note = DecisionDenied, now, reason
	return denied, nil
}

// decidable returns nil while nobody has decided. Codes: conflict.
func (r *AccessRequest) decidable(now time.Time) error {
	if r.State(now) == RequestPending {
		return nil
	}
	return r.NotPending(now)
}

// NotPending says why a request that is not pending at a time cannot be decided.
func (r *AccessRequest) NotPending(now time.Time) error {
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	show := "rolebroker request show " + string(r.ID)
	switch state := r.State(now); {
	case r.Decision != "":
		return Errorf(CodeConflict, "%s %s access request %s at %s; it is %s", Quote(r.DecidedBy), r.Decision, r.ID,
			stamp(r.DecidedAt), state).WithHint("%s", show)
	case state == RequestEnded:
		return Errorf(CodeConflict, "%s ended access request %s at %s", Quote(r.EndedBy), r.ID, stamp(r.EndedAt)).
			WithHint("%s", show)
	}
	return Errorf(CodeConflict, "access request %s expired at %s", r.ID, stamp(r.ExpiresAt)).
		WithHint("the agent can ask again")
}

// NoAccessRequest says that there is no access request with an ID, or none that the caller may know of: the two must not
// be told apart.
func NoAccessRequest(id string) error {
	return Errorf(CodeNotFound, "there is no access request %s", Quote(id))
}

// AccessRequestFilter selects access requests; the zero value selects all.
type AccessRequestFilter struct {
	Agent string             // its ID, or its name at that time
	State AccessRequestState // at the time At; empty: any
	At    time.Time
	Since time.Time // requests that were made then or later; zero: all

	BreakGlass  bool // only those that an owner approved
	OldestFirst bool // those that wait expire in this order; false: the newest are first
}

// AccessRequestCursor returns the cursor of an access request in its list.
func AccessRequestCursor(r *AccessRequest) string {
	return strconv.FormatInt(r.CreatedAt.UnixMilli(), 10) + "." + string(r.ID)
}

// Subject names the access request.
func (r *AccessRequest) Subject() Subject { return Subject{Kind: KindAccessRequest, ID: string(r.ID)} }

// Subjects are what an event of the access request concerns.
func (r *AccessRequest) Subjects() []Subject {
	subjects := []Subject{r.Subject(), {KindAgent, string(r.Agent), r.AgentName},
		{KindIntegration, string(r.Integration), r.IntegrationName}, {KindRole, string(r.Role), r.Reference()}}
	if r.Rule != "" {
		subjects = append(subjects, Subject{KindApprovalRule, string(r.Rule), r.DecidedBy})
	}
	return subjects
}

// Facts returns the fields of the request that someone set.
func (r *AccessRequest) Facts() Facts {
	facts := Facts{"role": r.Reference(), "access": string(r.Access), "task": r.Task, "reason": r.Reason,
		"duration": ShortDuration(r.Duration), "expires_at": expiry(r.ExpiresAt), "decision": string(r.Decision),
		"note": r.Note}
	if r.ARN != (RoleARN{}) {
		facts["arn"] = r.ARN.String()
	}
	if r.PolicyHash != "" {
		facts["session_policy_sha256"] = r.PolicyHash
	}
	if r.Decision == DecisionApproved {
		facts["granted_duration"], facts["granted_access"] = ShortDuration(r.Granted), string(r.GrantedAccess)
		facts["ends_at"] = expiry(r.EndsAt)
	}
	if r.About != ApprovalBorrow {
		facts["about"] = string(r.About)
	}
	if r.Call != nil {
		facts["call"] = r.Call.String()
	}
	if r.Narrowed.Actions != nil {
		facts["granted_actions"] = strings.Join(r.Narrowed.Actions, " ")
	}
	if r.Narrowed.Resources != nil {
		facts["granted_resources"] = strings.Join(r.Narrowed.Resources, " ")
	}
	if r.BreakGlass {
		facts["break_glass"] = "true"
	}
	if !r.EndedAt.IsZero() {
		facts["ended_at"] = expiry(r.EndedAt)
	}
	return facts
}

// ApprovalRule approves access requests that a person need not see. Every field that is not empty narrows it.
type ApprovalRule struct {
	ID          ApprovalRuleID
	Name        string // unique in a deployment; a request that it approves names it
	Reason      string // why there is the rule; required
	Enabled     bool
	Agent       AgentID       // only of this agent
	Integration IntegrationID // only for roles of this integration
	Role        RoleID        // only for this role
	Access      Access        // only of this access, or a narrower one
	MaxDuration time.Duration // only if the agent asks for no more
	Until       time.Time     // only before; zero: always

	AgentName, IntegrationName, RoleName string // their current names, for messages; empty if they are gone

	Version   int64 // 1 for a new rule; each change adds 1
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Check returns every field that is wrong. Codes: invalid.
func (r *ApprovalRule) Check() error {
	var p problems
	p.check("name", CheckName(r.Name))
	if r.Reason == "" {
		p.add("reason", "is required: why nobody has to look at these requests")
	}
	p.check("reason", checkNote(r.Reason))
	p.check("max_duration", checkGrant(r.MaxDuration))
	if r.Role != "" && r.Integration == "" {
		p.add("role", "needs the integration of the role")
	}
	if r.Access != "" {
		p.check("access", oneOf(r.Access, Accesses()))
	}
	return p.err("the approval rule")
}

// Approves reports whether the rule approves a request at a time.
func (r *ApprovalRule) Approves(req *AccessRequest, now time.Time) bool {
	return r.Enabled && (r.Until.IsZero() || now.Before(r.Until)) &&
		(r.Agent == "" || r.Agent == req.Agent) &&
		(r.Integration == "" || r.Integration == req.Integration) &&
		(r.Role == "" || r.Role == req.Role) &&
		(r.Access == "" || req.Access.narrows(r.Access)) &&
		req.Duration <= r.MaxDuration
}

// Subject names the rule.
func (r *ApprovalRule) Subject() Subject { return Subject{KindApprovalRule, string(r.ID), r.Name} }

// Facts returns the fields of the rule that a person sets.
func (r *ApprovalRule) Facts() Facts {
	return Facts{"name": r.Name, "reason": r.Reason, "enabled": fmt.Sprint(r.Enabled), "agent": r.AgentName,
		"integration": r.IntegrationName, "role": r.RoleName, "access": string(r.Access),
		"max_duration": ShortDuration(r.MaxDuration), "until": expiry(r.Until)}
}

// InboxPage is the path of the page of the web app that lists access requests. AccessRequestPage is that of the page
// that shows one, without its ID. Who opens them has to sign in.
const (
	InboxPage         = "/access-requests"
	AccessRequestPage = InboxPage + "/"
)
