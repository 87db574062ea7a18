package client

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker/api"
)

const (
	askPath            = "/v1/access-requests"
	accessRequestsPath = "/api/v1/access-requests"
	approvalRulesPath  = "/api/v1/approval-rules"
)

// RequestAccess asks, with an agent token, whether the agent may borrow a role. Asking again for the same role and task
// answers the same request while that is pending or approved. Codes: also throttled (too many are open).
func (c *Client) RequestAccess(ctx context.Context, r api.AccessRequestRequest) (api.MyAccessRequest, error) {
	return post[api.MyAccessRequest](ctx, c, at(askPath), r)
}

// MyAccessRequest reads a request of the agent with this token. While it is pending, the server waits at most so long
// for the decision before it answers; it may wait shorter, so callers ask again.
func (c *Client) MyAccessRequest(ctx context.Context, id string, wait time.Duration) (api.MyAccessRequest, error) {
	q := query{}
	if wait > 0 {
		q["wait"] = wait.String()
	}
	return send[api.MyAccessRequest](ctx, c, request{method: http.MethodGet, place: at(askPath).member("request", id),
		query: q.values(), patience: wait})
}

// MyAccessRequests lists the newest requests of the agent with this token that are in a state; empty: in any.
func (c *Client) MyAccessRequests(ctx context.Context, state string) ([]api.MyAccessRequest, error) {
	answer, err := send[api.List[api.MyAccessRequest]](ctx, c, request{method: http.MethodGet, place: at(askPath),
		query: query{"state": state}.values()})
	return answer.Items, err
}

func accessRequestAt(id string) place { return at(accessRequestsPath).member("request", id) }

// AccessRequests lists a page of access requests, the newest first.
func (c *Client) AccessRequests(ctx context.Context, filter api.AccessRequestFilter, l List) (
	api.List[api.AccessRequest], error) {
	q := l.query()
	maps.Copy(q, accessRequestQuery(filter).values())
	return send[api.List[api.AccessRequest]](ctx, c, request{method: http.MethodGet, place: at(accessRequestsPath),
		query: q})
}

// AllAccessRequests lists the access requests that the filter selects, the newest first.
func (c *Client) AllAccessRequests(ctx context.Context, filter api.AccessRequestFilter,
) iter.Seq2[api.AccessRequest, error] {
	r := request{method: http.MethodGet, place: at(accessRequestsPath), query: accessRequestQuery(filter).values()}
	return pages[api.AccessRequest](ctx, c, r, List{Limit: api.MaxLimit}, maxList)
}

func accessRequestQuery(filter api.AccessRequestFilter) query {
	q := query{"state": filter.State, "agent": filter.Agent}
	q.addTimes(filter.Since, time.Time{})
	return q
}

// AccessRequest reads an access request by its ID.
func (c *Client) AccessRequest(ctx context.Context, id string) (api.AccessRequest, error) {
	return get[api.AccessRequest](ctx, c, accessRequestAt(id))
}

// ApproveRequest approves an access request. Codes: also conflict (it is not pending).
func (c *Client) ApproveRequest(ctx context.Context, id string, with api.ApproveRequest) (api.AccessRequest, error) {
	return post[api.AccessRequest](ctx, c, accessRequestAt(id).under("approve"), with)
}

// DenyRequest denies an access request. Codes: also conflict (it is not pending).
func (c *Client) DenyRequest(ctx context.Context, id string, with api.DenyRequest) (api.AccessRequest, error) {
	return post[api.AccessRequest](ctx, c, accessRequestAt(id).under("deny"), with)
}

// EndRequest ends a grant before its time. Ending it again changes nothing. Codes: also conflict (there is no grant
// that lasts).
func (c *Client) EndRequest(ctx context.Context, id string) (api.AccessRequest, error) {
	return post[api.AccessRequest](ctx, c, accessRequestAt(id).under("end"), nil)
}

func approvalRuleAt(nameOrID string) place {
	return at(approvalRulesPath).member("approval rule", nameOrID)
}

// AllApprovalRules lists the approval rules, by name.
func (c *Client) AllApprovalRules(ctx context.Context) iter.Seq2[api.ApprovalRule, error] {
	return all[api.ApprovalRule](ctx, c, at(approvalRulesPath), List{})
}

// ApprovalRule reads an approval rule by name or ID; its ETag guards an update.
func (c *Client) ApprovalRule(ctx context.Context, nameOrID string) (api.ApprovalRule, error) {
	return get[api.ApprovalRule](ctx, c, approvalRuleAt(nameOrID))
}

// CreateApprovalRule makes an approval rule.
func (c *Client) CreateApprovalRule(ctx context.Context, r api.ApprovalRuleRequest) (api.ApprovalRule, error) {
	return post[api.ApprovalRule](ctx, c, at(approvalRulesPath), r)
}

// UpdateApprovalRule replaces an approval rule. ifMatch is as for UpdateIntegration.
func (c *Client) UpdateApprovalRule(ctx context.Context, nameOrID string, r api.ApprovalRuleRequest, ifMatch string) (
	api.ApprovalRule, error) {
	return put[api.ApprovalRule](ctx, c, approvalRuleAt(nameOrID), r, ifMatch)
}

// DeleteApprovalRule removes an approval rule. What it approved stays approved. ifMatch is as for UpdateIntegration.
func (c *Client) DeleteApprovalRule(ctx context.Context, nameOrID, ifMatch string) error {
	return c.remove(ctx, approvalRuleAt(nameOrID), ifMatch)
}
