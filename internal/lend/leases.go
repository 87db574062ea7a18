package lend

import (
	"context"
	"time"

	"github.com/rolebroker/rolebroker"
)

// leaseKey holds everything that shapes credentials. Requests with the same key
// get the same credentials.
type leaseKey struct {
	agent       rolebroker.AgentID
	agentName   string
	integration rolebroker.IntegrationID
	role        rolebroker.RoleID
	generation  int64 // of the role for this agent
	task        string
	access      rolebroker.Access
	narrowed    bool                       // the process asked for less than the connection permits
	keys        rolebroker.Keys            // whether the agent is handed them
	request     rolebroker.AccessRequestID // the approval that it is under; empty: it needs none
	ends        int64                      // when that ends, in Unix seconds; 0: never
	assumption  rolebroker.Assumption      // with the session policies of the connection
}

// newLeaseKey returns the key of what the agent borrows. Codes: invalid (the task or the access),
// denied.
func newLeaseKey(agent rolebroker.Agent, grant rolebroker.Grant, req rolebroker.Request) (leaseKey, error) {
	assumption, err := grant.Integration.Assumption(grant.Role, agent.Name, req.Task)
	if err != nil {
		return leaseKey{}, err
	}
	connection, narrowed, err := grant.Connection.Narrow(req.Access)
	if err != nil {
		return leaseKey{}, err
	}
	if err := connection.Restrict(&assumption); err != nil {
		return leaseKey{}, err
	}
	return leaseKey{
		agent: agent.ID, agentName: agent.Name, integration: grant.Integration.ID, role: grant.Role.ID,
		generation: grant.Role.Generation, task: req.Task,
		access: connection.Access, narrowed: narrowed, keys: connection.Keys, assumption: assumption,
	}, nil
}

// policyHash is the hash of the session policy that a person wrote; empty if the access is another.
func (k leaseKey) policyHash() string {
	if k.access != rolebroker.AccessPolicy {
		return ""
	}
	return rolebroker.HashPolicy(k.assumption.Policy)
}

// under puts the lease under an approval; the zero value is none.
func (k leaseKey) under(approval rolebroker.OpenRequest) leaseKey {
	if approval.ID != "" {
		k.request, k.ends = approval.ID, approval.Until.Unix()
	}
	return k
}

// until is when the approval ends; the zero time if there is none.
func (k leaseKey) until() time.Time {
	if k.ends == 0 {
		return time.Time{}
	}
	return time.Unix(k.ends, 0).UTC()
}

// earlier is the end of the approval if that is earlier.
func (k leaseKey) earlier(t time.Time) time.Time {
	if until := k.until(); !until.IsZero() && until.Before(t) {
		return until
	}
	return t
}

// assumptionAt is the call to STS for a session that begins at a time. Under an approval AWS refuses everything once that
// ends, and the session lasts not much longer, though STS makes none that is shorter than the least. Codes:
// approval_required (the approval is over), denied.
func (k leaseKey) assumptionAt(now time.Time) (rolebroker.Assumption, error) {
	a, until := k.assumption, k.until()
	if until.IsZero() {
		return a, nil
	}
	if !now.Before(until) {
		return a, rolebroker.Errorf(rolebroker.CodeApproval, "access request %s ended at %s", k.request,
			until.Format(time.RFC3339))
	}
	left := until.Sub(now).Truncate(time.Second) + time.Second
	a.Duration = min(a.Duration, max(left, rolebroker.MinSessionDuration))
	return a, a.EndAt(until)
}

// asking is what an agent asks for to get the lease.
func (k leaseKey) asking() rolebroker.Request {
	req := rolebroker.Request{Role: string(k.integration) + "/" + string(k.role), Task: k.task}
	if k.narrowed {
		req.Access = k.access
	}
	return req
}

// roleNames are the names of a role and its integration, for the record. They
// do not shape the credentials, so a lease outlives a change of name.
type roleNames struct{ integration, role string }

// lease finds or makes the lease of a key. It bounds how many an agent has, and
// how fast it gets new ones. Codes: throttled, unavailable.
func (l *Lender) lease(who rolebroker.Caller, key leaseKey, grant rolebroker.Grant) (*lease, error) {
	if found := l.find(key); found != nil {
		return found, nil
	}
	for {
		found, spare, err := l.findOrMake(who, key, grant)
		if spare == nil {
			return found, err
		}
		spare.drop() // which needs its lock before the lender's
	}
}

// find returns the lease of a key; nil if there is none. Requests for warm roles do not wait for each other here.
func (l *Lender) find(key leaseKey) *lease {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.leases[key]
}

// findOrMake finds or makes the lease of a key. If the agent has as many as it may
// have, it returns the one to drop first.
func (l *Lender) findOrMake(
	who rolebroker.Caller, key leaseKey, grant rolebroker.Grant,
) (found, spare *lease, _ error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.leases[key]; found != nil {
		return found, nil, nil
	}
	if l.closed {
		return nil, nil, errShuttingDown()
	}
	agent, now := l.allowanceOf(key.agent), l.now()
	full := len(agent.leases) >= l.perAgent
	if full {
		spare = agent.spare(who.Token, now)
	}
	switch {
	case full && spare == nil:
		return nil, nil, rolebroker.Errorf(rolebroker.CodeThrottled,
			"agent %s has %d live sessions, the most that are allowed", key.agentName, len(agent.leases)).
			WithHint("use fewer roles and tasks at a time, or try again: a session that nothing asked for during " +
				"a minute makes room")
	case !agent.mayStart(who.Token, now):
		return nil, nil, tooFast(key.agentName)
	case full:
		return nil, spare, nil
	}
	agent.start(who.Token, now)
	made := &lease{lender: l, key: key, owner: who.Token, shape: grant.Integration.Fingerprint(grant.Role),
		names: roleNames{grant.Integration.Name, grant.Role.Name}}
	made.seen.Store(now.UnixMilli())
	l.leases[key] = made
	agent.leases = append(agent.leases, made)
	return made, nil, nil
}

// chargeRetry says whether a caller may try once more to start a session that
// failed, and counts the try if so.
func (l *Lender) chargeRetry(who rolebroker.Caller) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	agent := l.agents[who.Agent]
	if agent == nil || !agent.mayStart(who.Token, l.now()) {
		return false
	}
	agent.start(who.Token, l.now())
	return true
}

// drop removes a lease.
func (l *Lender) drop(dropped *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.leases, dropped.key)
	if loan := dropped.loan.Load(); loan != nil {
		l.retired = append(l.retired, loan)
	}
	agent := l.agents[dropped.key.agent]
	agent.remove(dropped)
	if len(agent.leases) == 0 && agent.isRested(l.now()) {
		delete(l.agents, dropped.key.agent)
	}
}

// retire keeps a loan that was replaced until its use is recorded.
func (l *Lender) retire(loan *cachedLoan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = append(l.retired, loan)
}

// beginWork says whether new work may begin, and adds it to l.work if so.
func (l *Lender) beginWork() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Add(1)
	return true
}

// mayKeep says whether the caller would get the same lease if it asked now, and
// what its role is called now. While the records cannot be read it may, and the
// names are empty.
func (l *Lender) mayKeep(ctx context.Context, who rolebroker.Caller, key leaseKey) (roleNames, bool) {
	keyNow, grant, err := l.decide(ctx, who, key.asking())
	if err != nil {
		return roleNames{}, isTemporary(err)
	}
	return roleNames{grant.Integration.Name, grant.Role.Name}, keyNow == key
}

// isOutdated says whether the agent would not get the lease, whichever of its
// tokens it showed. While the records cannot be read it is false.
func (l *Lender) isOutdated(ctx context.Context, key leaseKey) bool {
	grants, err := l.cache.Grants(ctx, key.agent)
	if err != nil {
		return !isTemporary(err)
	}
	keyNow, _, err := l.choose(grants, key.asking())
	return err != nil || keyNow != key
}

func (l *Lender) leaseCount() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(len(l.leases))
}

func tooFast(agentName string) error {
	return rolebroker.Errorf(rolebroker.CodeThrottled, "agent %s starts new sessions too fast", agentName).
		WithHint("try again in a second; sessions that exist are not limited")
}

func errShuttingDown() error {
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the server is shutting down")
}
