package rolebroker

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// OpenRequest is what lending has to know of an access request that is pending or approved.
type OpenRequest struct {
	ID          AccessRequestID
	Integration IntegrationID
	Role        RoleID
	Task        string
	ARN         RoleARN    // of the role when the agent asked; zero: nobody noted it
	PolicyHash  string     // of the session policy when the agent asked; empty: there was none, or nobody noted it
	Access      Access     // granted; of a pending one, asked for
	Approved    bool       // else it is pending
	Until       time.Time  // the end of the grant, or of the question
	About       Approval   // what the agent asked about: borrowing, writes or calls
	Call        *AskedCall // that a pending one is about; nil: it is about all that the agent asks for the task
	Narrowed    Narrowed   // of an approval of writes or calls, what it is for
}

// Open returns what lending has to know of the request, if it is pending or approved unless its time is over.
func (r *AccessRequest) Open() OpenRequest {
	open := OpenRequest{ID: r.ID, Integration: r.Integration, Role: r.Role, Task: r.Task, ARN: r.ARN,
		PolicyHash: r.PolicyHash, Access: r.Access, Until: r.OpenUntil(), About: r.About}
	if open.Call = r.Call; r.Decision == DecisionApproved {
		open.Access, open.Approved, open.Narrowed = r.GrantedAccess, true, r.Narrowed
	}
	return open
}

// covers reports whether the request is about a grant and a task, and not over at a time. A request without a task is
// about what the agent does without naming one, and about no task.
func (r *OpenRequest) covers(grant Grant, task string, now time.Time) bool {
	return r.Integration == grant.Integration.ID && r.Role == grant.Role.ID && r.Task == task && now.Before(r.Until) &&
		r.Means(grant)
}

// Means reports whether the role and the session policy of the grant are still those that the agent asked for. If
// somebody changed them since, nobody approved what they are now.
func (r *OpenRequest) Means(grant Grant) bool {
	if r.ARN != (RoleARN{}) && r.ARN != grant.Role.ARN {
		return false
	}
	c := grant.Connection
	return r.PolicyHash == "" || c.Access != AccessPolicy || r.PolicyHash == HashPolicy(c.SessionPolicy)
}

// Approved returns the grant as people approved it for a task at a time, with the approval: with a narrower access, if
// they approved no more. A grant that needs no approval is returned as it is, with the zero OpenRequest. Of several
// approvals that overlap it is the one that lasts longest, so that none ends another. Codes: approval_required.
func (g *Grants) Approved(grant Grant, task string, now time.Time) (Grant, OpenRequest, error) {
	if !grant.NeedsApproval() {
		return grant, OpenRequest{}, nil
	}
	var best, pending OpenRequest
	for i := range g.Requests {
		r := &g.Requests[i]
		switch {
		case r.About != ApprovalBorrow || !r.covers(grant, task, now) || grant.Connection.under(r) == nil:
		case !r.Approved:
			pending = *r
		case best.ID == "" || r.Until.After(best.Until) || r.Until.Equal(best.Until) && r.ID < best.ID:
			best = *r
		}
	}
	if best.ID == "" {
		return grant, best, g.unapproved(grant, task, pending)
	}
	grant.Connection = grant.Connection.under(&best)
	return grant, best, nil
}

// under returns the connection with no more access than the request has; nil if these cannot be compared: a connection
// that has changed since may have another policy, or none.
func (c *Connection) under(r *OpenRequest) *Connection {
	switch {
	case r.Access == c.Access, c.Access.narrows(r.Access):
		return c
	case r.Access != AccessPolicy && r.Access.narrows(c.Access):
		narrowed := *c
		narrowed.Access, narrowed.SessionPolicy = r.Access, ""
		return &narrowed
	}
	return nil
}

// narrows reports whether an access permits no more than another one. What a policy permits is not known, but it is no
// more than everything.
func (a Access) narrows(than Access) bool {
	rank := map[Access]int{AccessViewOnly: 1, AccessReadOnly: 2, AccessFull: 3}
	return a == than || than == AccessFull && a.IsKnown() || rank[a] > 0 && rank[a] < rank[than]
}

// unapproved refuses a role that a person has to approve, and says how to ask, or which question is pending.
func (g *Grants) unapproved(grant Grant, task string, pending OpenRequest) error {
	what := "role " + grant.Reference()
	if task != "" {
		what += " for task " + task
	}
	if pending.ID != "" {
		return Errorf(CodeApproval, "a person has to approve that agent %s borrows %s; access request %s waits for that "+
			"until %s", g.Agent.Name, what, pending.ID, pending.Until.UTC().Format(time.RFC3339)).
			WithSteps(Step{Text: "people with an admin or approver key decide it; to follow it, also with the agent's token:",
				Command: "rolebroker request show " + string(pending.ID)})
	}
	ask := []string{"rolebroker", "request", grant.Reference()}
	if task != "" {
		ask = append(ask, "--task", task)
	}
	return Errorf(CodeApproval, "a person has to approve that agent %s borrows %s", g.Agent.Name, what).
		WithSteps(Step{Text: "ask for it, and say what it is for:",
			Command: ShellCommand(append(ask, "--reason", "REASON", "--wait", "10m")...)})
}

// EndAt makes AWS refuse every request of the session from a time on, whatever its credentials say: STS makes none that
// last less than 15 minutes. It keeps the session policies that the call has; a call without one allows everything until
// then. The time is cut to whole seconds. Codes: denied (the policy would be longer than STS takes).
//
// Source: IAM User Guide, "AWS global condition context keys", aws:CurrentTime.
func (a *Assumption) EndAt(end time.Time) error {
	var policy struct {
		Version   string `json:",omitempty"`
		ID        string `json:"Id,omitempty"`
		Statement []json.RawMessage
	}
	policy.Version = "2012-10-17"
	switch {
	case a.Policy != "":
		var have struct {
			Version   string
			ID        string `json:"Id"`
			Statement json.RawMessage
		}
		if err := json.Unmarshal([]byte(a.Policy), &have); err != nil {
			return Errorf(CodeDenied, "the session policy of the connection cannot be read: %w", err)
		}
		policy.Version, policy.ID = have.Version, have.ID
		if json.Unmarshal(have.Statement, &policy.Statement) != nil { // a single one stands without an array
			policy.Statement = []json.RawMessage{have.Statement}
		}
	case !a.isLimited():
		policy.Statement = append(policy.Statement, json.RawMessage(`{"Effect":"Allow","Action":"*","Resource":"*"}`))
	}
	policy.Statement = append(policy.Statement, json.RawMessage(fmt.Sprintf(`{"Effect":"Deny","Action":"*",`+
		`"Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":%q}}}`,
		end.UTC().Truncate(time.Second).Format(time.RFC3339))))
	text, err := json.Marshal(policy)
	if err != nil {
		return Errorf(CodeDenied, "the session policy of the connection cannot be written: %w", err)
	}
	if a.Policy = string(text); len(a.Policy) > MaxSessionPolicy {
		return Errorf(CodeDenied, "the session policy of the connection, with the end of the approval in it, has %d "+
			"characters; STS takes at most %d", len(a.Policy), MaxSessionPolicy)
	}
	return nil
}

// isLimited reports whether a managed policy limits the session.
func (a *Assumption) isLimited() bool { return a.PolicyARN != "" }

// NeedsApproval reports whether a person has to approve that the agent borrows the role.
func (g Grant) NeedsApproval() bool {
	return g.Connection.Approval != ApprovalNone && !g.Connection.Approval.IsOfCalls()
}

// NeedApproval reports whether a person has to approve any of what the agent may borrow, or call.
func (g *Grants) NeedApproval() bool {
	return slices.ContainsFunc(g.Agent.Connections, func(c Connection) bool { return c.Approval != ApprovalNone })
}
