package broker

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
)

// AccessRequestSpec is what an agent asks for.
type AccessRequestSpec struct {
	Role     string // a role reference; empty: the default role
	Task     string
	Reason   string
	Duration time.Duration              // 0: rolebroker.DefaultGrant
	Again    rolebroker.AccessRequestID // of an earlier request about a call, with its role and task; empty: none

	call *rolebroker.AskedCall // that asks by itself; nil: the agent asks
}

// How fast one agent may ask, on one server. A question that was asked already counts too.
const (
	requestBurst = 30
	requestEvery = 5 * time.Second
)

// RequestAccess stores an agent's question whether it may borrow a role, or returns the one that is open for the same
// role and task. A rule may answer it at once. Codes: denied, expired, not_found (the role), invalid, throttled.
func (b *Broker) RequestAccess(
	ctx context.Context, who rolebroker.Caller, spec AccessRequestSpec,
) (*rolebroker.AccessRequest, error) {
	const action = rolebroker.ActionAccessRequestCreate
	if err := b.May(ctx, who, action); err != nil {
		return nil, err
	}
	r, err := b.requestAccess(ctx, who, action, spec)
	return r, b.lender.Refuse(ctx, rolebroker.AgentRefusal{Who: who, Action: action,
		Subject: rolebroker.Named(rolebroker.KindRole, spec.Role), Task: spec.Task}, err)
}

// requestAccess is RequestAccess for an agent.
func (b *Broker) requestAccess(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, spec AccessRequestSpec,
) (*rolebroker.AccessRequest, error) {
	if err := b.lender.Prepare(ctx, who); err != nil {
		return nil, err
	}
	if !b.asks.limiter(who.Agent).AllowN(b.now(), 1) {
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "this agent asks for access too often").
			WithHint("ask once, and wait for the decision; asking again does not make it come sooner")
	}
	r, err := b.asked(ctx, who, spec)
	if err != nil {
		return nil, err
	}
	who.Name = r.AgentName
	events := []rolebroker.AuditEvent{b.event(who, action, nil, r.Facts(), r.Subjects()...)}
	if err := b.applyRules(ctx, r, &events); err != nil {
		return nil, err
	}
	same, err := b.store.CreateAccessRequest(ctx, r, events...)
	if err != nil || same != nil {
		return same, err
	}
	for i := range events {
		b.logEvent(ctx, &events[i])
	}
	return r, nil
}

// again fills in what an agent asks again. Codes: invalid, not_found (it never asked that).
func (b *Broker) again(ctx context.Context, who rolebroker.Caller, spec *AccessRequestSpec) error {
	earlier, err := b.store.AccessRequest(ctx, spec.Again)
	switch {
	case err == nil && earlier.Agent != who.Agent:
		return rolebroker.NoAccessRequest(string(spec.Again))
	case err != nil:
		return err
	case spec.Role != "" || spec.Task != "":
		return invalid("the access request", "again", "excludes a role and a task: they are those of the earlier request")
	case earlier.Call == nil:
		return invalid("the access request", "again", "%s is not about one call; ask for its role and task", earlier.ID)
	}
	spec.Role, spec.Task = string(earlier.Integration)+"/"+string(earlier.Role), earlier.Task
	spec.call = earlier.Call
	return nil
}

// asked makes the request that an agent's spec describes.
func (b *Broker) asked(
	ctx context.Context, who rolebroker.Caller, spec AccessRequestSpec,
) (*rolebroker.AccessRequest, error) {
	if spec.Again != "" {
		if err := b.again(ctx, who, &spec); err != nil {
			return nil, err
		}
	}
	grants, err := b.lender.Grants(ctx, who.Agent)
	if err != nil {
		return nil, err
	}
	grant, err := grants.Resolve(spec.Role)
	if err != nil {
		return nil, err
	}
	about := grant.Connection.Approval
	if about == rolebroker.ApprovalNone {
		return nil, invalid("the access request", "role", "%s needs no approval: the agent can borrow it now",
			grant.Reference())
	}
	if spec.Again != "" && !about.IsOfCalls() {
		return nil, invalid("the access request", "again", "%s needs an approval before it is used, not for single calls",
			grant.Reference())
	}
	if spec.Duration == 0 {
		spec.Duration = rolebroker.DefaultGrant
	}
	now := stored(b.now())
	r := &rolebroker.AccessRequest{
		ID: rolebroker.NewAccessRequestID(), Agent: grants.Agent.ID, AgentName: grants.Agent.Name, Token: who.Token,
		Integration: grant.Integration.ID, IntegrationName: grant.Integration.Name,
		Role: grant.Role.ID, RoleName: grant.Role.Name, ARN: grant.Role.ARN, Access: grant.Connection.Access,
		Task: spec.Task, Reason: rolebroker.OneLine(spec.Reason), Duration: spec.Duration,
		CreatedAt: now, ExpiresAt: now.Add(rolebroker.RequestLifetime), About: about, Call: spec.call,
		Again: spec.Again != "",
	}
	if r.Access == rolebroker.AccessPolicy {
		r.PolicyHash = rolebroker.HashPolicy(grant.Connection.SessionPolicy)
	}
	return r, r.Check()
}

// applyRules approves a request by the first rule that does, and adds the event of that.
func (b *Broker) applyRules(
	ctx context.Context, r *rolebroker.AccessRequest, events *[]rolebroker.AuditEvent,
) error {
	page := rolebroker.Page{Limit: rulesPerPage}
	for {
		rules, err := b.store.ApprovalRules(ctx, page)
		if err != nil {
			return err
		}
		for i := range rules {
			if rules[i].Approves(r, r.CreatedAt) {
				return b.approveByRule(r, &rules[i], events)
			}
		}
		if len(rules) < rulesPerPage {
			return nil
		}
		page.After = rules[len(rules)-1].Name
	}
}

const rulesPerPage = 500

func (b *Broker) approveByRule(
	r *rolebroker.AccessRequest, rule *rolebroker.ApprovalRule, events *[]rolebroker.AuditEvent,
) error {
	approved, err := r.Approve(rolebroker.ApprovalTerms{Note: rule.Reason, AllCalls: true}, r.CreatedAt)
	if err != nil {
		return err
	}
	before := r.Facts()
	approved.Rule, approved.DecidedBy = rule.ID, rule.Name
	*r = approved
	by := rolebroker.Caller{Name: "the approval rule " + rule.Name}
	*events = append(*events,
		b.event(by, rolebroker.ActionAccessRequestApprove, before, r.Facts(), r.Subjects()...))
	return nil
}

// MyAccessRequest returns a request of the agent that asks. While it is pending, MyAccessRequest waits at most so long
// for the decision. Codes: denied, not_found (also if it is another agent's), throttled.
func (b *Broker) MyAccessRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, wait time.Duration,
) (*rolebroker.AccessRequest, error) {
	const action = rolebroker.ActionAccessRequestCreate
	if err := b.May(ctx, who, action); err != nil {
		return nil, err
	}
	r, err := b.myRequest(ctx, who, id, wait)
	return r, b.lender.Refuse(ctx, rolebroker.AgentRefusal{Who: who, Action: action,
		Subject: rolebroker.Named(rolebroker.KindAccessRequest, string(id))}, err)
}

// myRequest is MyAccessRequest for an agent.
func (b *Broker) myRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, wait time.Duration,
) (*rolebroker.AccessRequest, error) {
	if err := b.lender.Prepare(ctx, who); err != nil {
		return nil, err
	}
	if wait <= 0 {
		return b.ownRequest(ctx, who, id)
	}
	end, err := b.asks.beginWait(who.Agent)
	if err != nil {
		return nil, err
	}
	defer end()
	changed, cancel := b.changesOf(who.Agent)
	defer cancel()
	waiting, stop := context.WithTimeout(ctx, min(wait, MaxRequestWait))
	defer stop()
	return b.awaitDecision(waiting, who, id, changed)
}

// MaxRequestWait is how long one question about a request waits for the decision.
const MaxRequestWait = time.Minute

// deafInterval is how often a request is read while other servers' changes do not arrive.
const deafInterval = time.Second

// awaitDecision reads the request after every change, until it is not pending or waiting ends.
func (b *Broker) awaitDecision(
	waiting context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, changed <-chan struct{},
) (*rolebroker.AccessRequest, error) {
	for {
		if err := b.lender.Prepare(context.WithoutCancel(waiting), who); err != nil {
			return nil, err // the token was revoked meanwhile
		}
		r, err := b.ownRequest(context.WithoutCancel(waiting), who, id)
		if err != nil || r.State(b.now()) != rolebroker.RequestPending || waiting.Err() != nil {
			return r, err
		}
		next := r.ExpiresAt.Sub(b.now())
		if !b.lender.HearsChanges() {
			next = min(next, deafInterval)
		}
		timer := time.NewTimer(next)
		select {
		case <-changed:
		case <-timer.C:
		case <-waiting.Done():
		}
		timer.Stop()
	}
}

// maxOwnRequests is how many of its requests an agent is shown: as many as can be open, at least.
const maxOwnRequests = rolebroker.MaxOpenRequests

// MyAccessRequests lists the newest requests of the agent that asks: those in a state, or all if it is empty. Codes:
// denied, invalid (a state that there is not).
func (b *Broker) MyAccessRequests(
	ctx context.Context, who rolebroker.Caller, state rolebroker.AccessRequestState,
) ([]rolebroker.AccessRequest, error) {
	if err := b.May(ctx, who, rolebroker.ActionAccessRequestCreate); err != nil {
		return nil, err
	}
	if err := b.lender.Prepare(ctx, who); err != nil {
		return nil, err
	}
	if err := checkRequestState(state); err != nil {
		return nil, err
	}
	if who.Agent == "" { // which would select the requests of all agents
		return nil, rolebroker.Errorf(rolebroker.CodeDenied, "the caller is no agent")
	}
	filter := rolebroker.AccessRequestFilter{Agent: string(who.Agent), State: state, At: b.now()}
	return b.store.AccessRequests(ctx, filter, rolebroker.Page{Limit: maxOwnRequests})
}

// ownRequest returns a request of the agent. Another agent's is not found.
func (b *Broker) ownRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID,
) (*rolebroker.AccessRequest, error) {
	r, err := b.store.AccessRequest(ctx, id)
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound || err == nil && r.Agent != who.Agent {
		return nil, rolebroker.NoAccessRequest(string(id))
	}
	return r, err
}

// AccessRequest finds an access request. Codes: denied, not_found.
func (b *Broker) AccessRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID,
) (*rolebroker.AccessRequest, error) {
	return b.requestFor(ctx, who, rolebroker.ActionAccessRequestGet, id)
}

// requestFor permits an action that concerns an access request, and finds it. Codes: denied, not_found.
func (b *Broker) requestFor(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, id rolebroker.AccessRequestID,
) (*rolebroker.AccessRequest, error) {
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindAccessRequest, string(id))); err != nil {
		return nil, err
	}
	r, err := b.store.AccessRequest(ctx, id)
	return r, withHint(err, "rolebroker request list shows what there is")
}

// AccessRequests lists access requests, the newest first unless the filter says otherwise. Codes: denied, invalid (a
// state that there is not).
func (b *Broker) AccessRequests(
	ctx context.Context, who rolebroker.Caller, filter rolebroker.AccessRequestFilter, page rolebroker.Page,
) ([]rolebroker.AccessRequest, error) {
	if err := b.May(ctx, who, rolebroker.ActionAccessRequestList); err != nil {
		return nil, err
	}
	if err := checkRequestState(filter.State); err != nil {
		return nil, err
	}
	filter.At = b.now()
	return b.store.AccessRequests(ctx, filter, page)
}

// checkRequestState refuses to filter by a state that there is not; the empty one is any. Codes: invalid.
func checkRequestState(state rolebroker.AccessRequestState) error {
	switch state {
	case "", rolebroker.RequestPending, rolebroker.RequestApproved, rolebroker.RequestDenied,
		rolebroker.RequestExpired, rolebroker.RequestEnded:
		return nil
	}
	return invalid("the filter", "state", "%s is not one of pending, approved, denied, expired, ended",
		rolebroker.Quote(string(state)))
}

// ApproveRequest grants what a request asks for, or less. The clock of the grant starts now. Codes: denied (the caller
// owns the agent, and does not break the glass), not_found, invalid, conflict (it is not pending).
func (b *Broker) ApproveRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, with rolebroker.ApprovalTerms,
) (*rolebroker.AccessRequest, error) {
	const action = rolebroker.ActionAccessRequestApprove
	with.Note = rolebroker.OneLine(with.Note)
	return b.decide(ctx, who, action, id, func(r *rolebroker.AccessRequest, now time.Time) (
		rolebroker.AccessRequest, error) {
		approved, err := r.Approve(with, now)
		if err != nil {
			return approved, err
		}
		if err := b.mayApprove(ctx, who, r, with.BreakGlass); err != nil {
			return approved, b.refused(ctx, who, action, err, r.Subjects()...)
		}
		return approved, b.stillMeans(ctx, r)
	})
}

// DenyRequest refuses a request, for a reason that the agent sees. Codes: denied, not_found, invalid, conflict (it is
// not pending).
func (b *Broker) DenyRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID, reason string,
) (*rolebroker.AccessRequest, error) {
	deny := func(r *rolebroker.AccessRequest, now time.Time) (rolebroker.AccessRequest, error) {
		return r.Deny(rolebroker.OneLine(reason), now)
	}
	return b.decide(ctx, who, rolebroker.ActionAccessRequestDeny, id, deny)
}

// decide stores a decision. If someone else decides at the same time, one of both wins, and the other gets a conflict.
func (b *Broker) decide(
	ctx context.Context, who rolebroker.Caller, action rolebroker.Action, id rolebroker.AccessRequestID,
	how func(*rolebroker.AccessRequest, time.Time) (rolebroker.AccessRequest, error),
) (*rolebroker.AccessRequest, error) {
	r, err := b.requestFor(ctx, who, action, id)
	if err != nil {
		return nil, err
	}
	decided, err := how(r, stored(b.now()))
	if err != nil {
		return nil, err
	}
	decided.Decider, decided.DecidedBy = who.Principal(), who.Name
	event := b.event(who, action, r.Facts(), decided.Facts(), decided.Subjects()...)
	if err := b.store.DecideAccessRequest(ctx, &decided, event); err != nil {
		return nil, err
	}
	b.logEvent(ctx, &event)
	return &decided, nil
}

// mayApprove returns nil unless the caller owns the agent. The owner may, by breaking the glass. Codes: denied, invalid
// (the glass need not be broken).
func (b *Broker) mayApprove(
	ctx context.Context, who rolebroker.Caller, r *rolebroker.AccessRequest, breakGlass bool,
) error {
	agent, err := b.store.Agent(ctx, string(r.Agent))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return rolebroker.Errorf(rolebroker.CodeConflict, "agent %s was deleted", r.AgentName)
	}
	if err != nil {
		return err
	}
	owner, err := b.answering(ctx, agent.Owner)
	if err != nil {
		return err
	}
	decider, err := b.answering(ctx, who.Principal())
	if err != nil {
		return err
	}
	owns := owner != "" && owner == decider
	switch {
	case breakGlass && !owns:
		return invalid("the approval", "break_glass", "is for the owner of the agent only; approve without it")
	case owns && !breakGlass:
		return rolebroker.Errorf(rolebroker.CodeDenied, "%s owns agent %s, and the owner does not approve "+
			"its requests", holder(who), agent.Name).WithSteps(
			rolebroker.Step{Text: "another approver decides; or make a key for another person:",
				Command: "rolebroker api-key create NAME --access approver"},
			rolebroker.Step{Text: "if nobody else can in time, break the glass; the record says so:",
				Command: "rolebroker request approve " + string(r.ID) + " --break-glass --note REASON"})
	}
	return nil
}

// maxOwners is how far the owners of API keys are followed.
const maxOwners = 100

// answering returns the person who answers for what a principal does: the owner of an API key, or of the key that owns
// it, and so on. If that is no person, the principal answers for itself. Codes: denied (there are too many owners).
func (b *Broker) answering(ctx context.Context, of rolebroker.PrincipalID) (rolebroker.PrincipalID, error) {
	at := of
	for range maxOwners {
		if at == "" {
			return of, nil
		}
		if at.IsUser() {
			return at, nil
		}
		key, err := b.store.APIKey(ctx, rolebroker.APIKeyID(at))
		if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
			return of, nil // it was deleted
		}
		if err != nil {
			return "", err
		}
		at = key.Owner
	}
	return "", rolebroker.Errorf(rolebroker.CodeDenied, "the API key has more than %d owners, one above the other",
		maxOwners).WithHint("use a key that a person made")
}

// holder names a person, or the API key that somebody uses.
func holder(who rolebroker.Caller) string {
	if who.User != "" {
		return who.Name
	}
	return "the API key " + who.Name
}

// stillMeans returns nil unless the role or the session policy that a request is about was changed since the agent asked.
// Codes: conflict.
func (b *Broker) stillMeans(ctx context.Context, r *rolebroker.AccessRequest) error {
	grants, err := b.store.Grants(ctx, r.Agent)
	if err != nil {
		return err
	}
	grant, err := grants.Resolve(string(r.Integration) + "/" + string(r.Role))
	if err != nil {
		return nil // the agent cannot borrow it now; whether it can later is not decided here
	}
	if open := r.Open(); open.Means(grant) {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeConflict, "the role %s, or the session policy of agent %s for it, is not the "+
		"one that the agent asked for: it was changed since", r.Reference(), r.AgentName).
		WithHint("the agent can ask again; its new request is about what the role and the policy are now")
}

// EndRequest ends a grant before its time: the next request of the agent is refused, on every server and runner.
// Ending it again changes nothing. Codes: denied, not_found, conflict (there is no grant that lasts).
func (b *Broker) EndRequest(
	ctx context.Context, who rolebroker.Caller, id rolebroker.AccessRequestID,
) (*rolebroker.AccessRequest, error) {
	const action = rolebroker.ActionAccessRequestEnd
	r, err := b.requestFor(ctx, who, action, id)
	if err != nil {
		return nil, err
	}
	now := stored(b.now())
	switch state := r.State(now); state {
	case rolebroker.RequestEnded:
		return r, nil
	case rolebroker.RequestPending:
		return nil, rolebroker.Errorf(rolebroker.CodeConflict, "access request %s is pending: there is no grant to end", id).
			WithHint("rolebroker request deny %s --reason REASON", id)
	case rolebroker.RequestApproved:
	default:
		return nil, rolebroker.Errorf(rolebroker.CodeConflict, "access request %s is %s: there is no grant to end", id,
			state)
	}
	after := *r
	after.EndedAt, after.EndedBy = now, who.Name
	event := b.event(who, action, r.Facts(), after.Facts(), r.Subjects()...)
	ended, err := b.store.EndAccessRequest(ctx, r, now, who.Name, event)
	if err != nil {
		return nil, err
	}
	if ended {
		b.logEvent(ctx, &event)
	}
	return b.store.AccessRequest(ctx, id)
}

// ForgetAccessRequests deletes the records of requests that were made before a time and are over since then.
func (b *Broker) ForgetAccessRequests(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		n, err := b.store.DeleteAccessRequests(ctx, before, sessionsPerDeletion)
		total += n
		if err != nil || n < sessionsPerDeletion {
			return total, err
		}
	}
}

// asks bounds what agents cost that ask for access. The zero value bounds.
type asks struct {
	mu       sync.Mutex
	limiters map[rolebroker.AgentID]*rate.Limiter
	waiting  map[rolebroker.AgentID]int
	total    int
}

// How many questions about requests wait at once.
const (
	maxWaitsPerAgent = 10
	maxWaits         = 5000
)

// limiter finds or makes the limiter of an agent.
func (a *asks) limiter(id rolebroker.AgentID) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	if found := a.limiters[id]; found != nil {
		return found
	}
	if a.limiters == nil || len(a.limiters) >= maxAskers {
		a.limiters = map[rolebroker.AgentID]*rate.Limiter{}
	}
	made := rate.NewLimiter(rate.Every(requestEvery), requestBurst)
	a.limiters[id] = made
	return made
}

// maxAskers bounds the agents whose pace is remembered. Each is known by its token.
const maxAskers = 100_000

// beginWait counts one more question that waits. Codes: throttled.
func (a *asks) beginWait(id rolebroker.AgentID) (end func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting[id] >= maxWaitsPerAgent || a.total >= maxWaits {
		return nil, rolebroker.Errorf(rolebroker.CodeThrottled, "too many questions about access requests wait").
			WithHint("wait for one decision at a time")
	}
	if a.waiting == nil {
		a.waiting = map[rolebroker.AgentID]int{}
	}
	a.waiting[id]++
	a.total++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.total--
		if a.waiting[id]--; a.waiting[id] == 0 {
			delete(a.waiting, id)
		}
	}, nil
}

// ownerOf finds the API key or the person that an administrator names as the owner of something: of. Codes:
// invalid.
func (b *Broker) ownerOf(ctx context.Context, of, nameOrID string) (rolebroker.PrincipalID, error) {
	isID := rolebroker.IsID(nameOrID) || nameOrID == string(auth.BootstrapKey)
	keys, err := findPrincipals(ctx, b.store.APIKeys, func(k *rolebroker.APIKey) (string, bool) {
		return string(k.ID), isID && string(k.ID) == nameOrID || !isID && k.Name == nameOrID
	})
	if err != nil {
		return "", err
	}
	if len(keys) == 1 {
		return rolebroker.PrincipalID(keys[0]), nil
	}
	users, err := findPrincipals(ctx, b.store.Users, func(u *rolebroker.User) (string, bool) {
		return string(u.ID), isID && string(u.ID) == nameOrID || !isID && u.Email == nameOrID
	})
	switch {
	case err != nil:
		return "", err
	case len(users) == 0:
		return "", noOwner(of, nameOrID)
	case len(users) > 1:
		e := invalid(of, "owner", "%d people have the address %s", len(users), rolebroker.Quote(nameOrID))
		e.Fields[0].Hint = rolebroker.Hintf("name one by ID: %s; rolebroker user list tells them apart",
			strings.Join(users[:min(len(users), maxChoices)], ", "))
		return "", e
	}
	return rolebroker.PrincipalID(users[0]), nil
}

// maxChoices is how many people of one address are listed.
const maxChoices = 10

// findPrincipals looks through a list that is ordered by ID for those that are meant.
func findPrincipals[T any](
	ctx context.Context, list func(context.Context, rolebroker.Page) ([]T, error), is func(*T) (string, bool),
) (ids []string, err error) {
	page := rolebroker.Page{Limit: rulesPerPage}
	for {
		some, err := list(ctx, page)
		if err != nil {
			return nil, err
		}
		for i := range some {
			id, found := is(&some[i])
			if found {
				ids = append(ids, id)
			}
			page.After = id
		}
		if len(some) < rulesPerPage {
			return ids, nil
		}
	}
}

func noOwner(of, nameOrID string) error {
	e := invalid(of, "owner", "there is no API key and no person %s", rolebroker.Quote(nameOrID))
	e.Fields[0].Hint = rolebroker.Hintf("rolebroker api-key list and rolebroker user list show those there are")
	return e
}
