package client

import (
	"context"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// runnerAPI is where a server answers runners. Except for Join, the Token of the
// Options is a runner's credential.
const runnerAPI = "/runner/v1"

// Join exchanges a join token for a runner's credential. The token works once.
func (c *Client) Join(ctx context.Context, j api.JoinRequest) (api.RunnerCredential, error) {
	if c.readable { // the token is in the body, and a credential in the answer
		return api.RunnerCredential{}, c.exposed()
	}
	return c.credential(post[api.RunnerCredential](ctx, c, at(runnerAPI+"/join"), j))
}

// RenewCredential makes the runner's next credential. The present one works until
// the next one was used.
func (c *Client) RenewCredential(ctx context.Context) (api.RunnerCredential, error) {
	return c.credential(post[api.RunnerCredential](ctx, c, at(runnerAPI+"/credential"), nil))
}

// credential refuses an answer that has none.
func (c *Client) credential(made api.RunnerCredential, err error) (api.RunnerCredential, error) {
	if err == nil && (made.Credential == "" || made.Runner == "") {
		err = c.unexpected()
	}
	return made, err
}

// Report tells the server what the runner says of itself.
func (c *Client) Report(ctx context.Context, r api.RunnerReport) error {
	return c.record(ctx, at(runnerAPI+"/report"), r)
}

// record sends a report, which the server answers with an empty object.
func (c *Client) record(ctx context.Context, p place, body any) error {
	_, err := post[struct{}](ctx, c, p, body)
	return err
}

// Identify finds the agent that a process is. It is no error if the process is
// none: the answer has the refusal.
func (c *Client) Identify(ctx context.Context, shown api.Identification) (api.Identified, error) {
	return post[api.Identified](ctx, c, at(runnerAPI+"/identify"), shown)
}

// TokenRecord reads what a runner may know of the token by which an agent was
// identified.
func (c *Client) TokenRecord(ctx context.Context, id string) (api.TokenRecord, error) {
	record, err := get[api.TokenRecord](ctx, c, at(runnerAPI+"/tokens").member("token", id))
	if err == nil && record.ID != id {
		err = c.unexpected()
	}
	return record, err
}

// Grants reads what an agent, by its ID, may borrow now.
func (c *Client) Grants(ctx context.Context, agent string) (api.Grants, error) {
	grants, err := get[api.Grants](ctx, c, at(runnerAPI+"/agents").member("agent", agent).under("grants"))
	if err == nil && grants.Agent.ID != agent {
		err = c.unexpected()
	}
	return grants, err
}

// BeginSession has the server authorise and record a session. Sending the same
// session again changes nothing. It succeeds only if the server answers with the
// session's ID.
func (c *Client) BeginSession(ctx context.Context, s api.RunnerSession) error {
	return c.recorded(ctx, s.ID, request{method: http.MethodPost, place: at(runnerAPI + "/sessions"), body: s})
}

// FinishSession records the outcome of a session. It succeeds only if the server
// answers with the session's ID.
func (c *Client) FinishSession(ctx context.Context, id string, o api.SessionOutcome) error {
	return c.recorded(ctx, id, request{method: http.MethodPut,
		place: at(runnerAPI+"/sessions").member("session", id), body: o})
}

func (c *Client) recorded(ctx context.Context, id string, r request) error {
	answer, err := send[api.Recorded](ctx, c, r)
	if err == nil && answer.Session != id {
		err = c.unexpected()
	}
	return err
}

// RecordUse records how often sessions were handed out, and when tokens were
// last used.
func (c *Client) RecordUse(ctx context.Context, u api.Usage) error {
	return c.record(ctx, at(runnerAPI+"/use"), u)
}

// Lend borrows a role that the platform assumes, for an agent that the runner
// knows by its service account. It is no error if the agent may not have it: the
// answer has the refusal.
func (c *Client) Lend(ctx context.Context, l api.LoanRequest) (api.LoanAnswer, error) {
	return send[api.LoanAnswer](ctx, c, request{method: http.MethodPost, place: at(runnerAPI + "/loans"), body: l,
		most: maxLoan})
}

// AskAccess asks people for access, or what they decided, for an agent that the runner knows by its service account. It
// is no error if the agent may not ask: the answer has the refusal.
func (c *Client) AskAccess(ctx context.Context, q api.AccessQuestion) (api.AccessAnswer, error) {
	return send[api.AccessAnswer](ctx, c, request{method: http.MethodPost, place: at(runnerAPI + "/access-requests"),
		body: q, patience: time.Duration(q.WaitSeconds) * time.Second})
}

// MakeGatewayKey borrows a key with which an agent signs at the gateway of the runner. It is no error if the agent may
// not have it: the answer has the refusal. A server of an earlier version makes none. Codes: not_found (it is such a
// server).
func (c *Client) MakeGatewayKey(ctx context.Context, k api.GatewayKeyRequest) (api.LoanAnswer, error) {
	return send[api.LoanAnswer](ctx, c, request{method: http.MethodPost, place: at(runnerAPI + "/gateway-keys"),
		body: k, most: maxLoan})
}

// OpenGatewayKey asks for whom and what a key for the gateway is. It is no error if nobody made the key: the answer has
// the refusal. Codes: not_found (the server is of an earlier version).
func (c *Client) OpenGatewayKey(ctx context.Context, k api.SignedKey) (api.OpenedKey, error) {
	return post[api.OpenedKey](ctx, c, at(runnerAPI+"/gateway-keys/open"), k)
}

// ApproveCall asks whether an agent may make a call, and waits for people if they have to approve it. It is no error if
// the agent may not: the answer has the refusal.
func (c *Client) ApproveCall(ctx context.Context, q api.CallQuestion) (api.CallApproval, error) {
	answer, err := send[api.CallApproval](ctx, c, request{method: http.MethodPost,
		place: at(runnerAPI + "/calls/approve"), body: q, patience: time.Duration(q.WaitSeconds) * time.Second})
	if err == nil && !answer.Allowed && answer.Refusal == nil {
		err = c.unexpected()
	}
	return answer, err
}

// RecordCalls records calls, durably. Recording the same again changes nothing.
func (c *Client) RecordCalls(ctx context.Context, calls []api.RunnerCall) (api.RecordedCalls, error) {
	answer, err := post[api.RecordedCalls](ctx, c, at(runnerAPI+"/calls"), api.RunnerCalls{Calls: calls})
	if err == nil && answer.Recorded+len(answer.Refused) != len(calls) {
		err = c.unexpected()
	}
	return answer, err
}

// RunnerIntegrations lists the integrations that name the runner, for it to try
// their roles.
func (c *Client) RunnerIntegrations(ctx context.Context) ([]api.RunnerIntegration, error) {
	answer, err := get[api.List[api.RunnerIntegration]](ctx, c, at(runnerAPI+"/integrations"))
	return answer.Items, err
}

// RecordValidations records the outcomes of trying an integration's roles.
func (c *Client) RecordValidations(ctx context.Context, integration string, v api.RunnerValidations) error {
	return c.record(ctx, at(runnerAPI+"/integrations").member("integration", integration).under("validations"), v)
}

// ValidationRequests takes the requests to try roles now. Each is answered once, so
// that only one replica of a runner gets it. A server of an earlier version has none.
func (c *Client) ValidationRequests(ctx context.Context) ([]api.ValidationRequest, error) {
	answer, err := get[api.List[api.ValidationRequest]](ctx, c, at(runnerAPI+"/validations"))
	if rolebroker.CodeOf(err) == rolebroker.CodeNotFound {
		return nil, nil
	}
	return answer.Items, err
}

// AnswerValidationRequest sends what the runner found out of what it was asked to try.
func (c *Client) AnswerValidationRequest(ctx context.Context, id string, a api.ValidationAnswer) error {
	return c.record(ctx, at(runnerAPI+"/validations").member("validation request", id), a)
}
