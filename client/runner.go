package client

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// doorPath is where a server answers runners. Except for Join, the Token of the
// Options is a runner's credential.
const doorPath = "/runner/v1"

// Join exchanges a join token for a runner's credential. The token is good once.
func (c *Client) Join(ctx context.Context, j api.Join) (api.RunnerCredential, error) {
	if c.readable { // the token is in the body, and a credential in the answer
		return api.RunnerCredential{}, c.tooOpen()
	}
	return c.credential(ctx, request{method: http.MethodPost, path: doorPath + "/join", body: j})
}

// credential is an answer that has to have one.
func (c *Client) credential(ctx context.Context, r request) (api.RunnerCredential, error) {
	made, err := send[api.RunnerCredential](ctx, c, r)
	if err == nil && (made.Credential == "" || made.Runner == "") {
		err = c.strange()
	}
	return made, err
}

// RenewCredential makes the runner's next credential. The present one is good
// until the next one was used.
func (c *Client) RenewCredential(ctx context.Context) (api.RunnerCredential, error) {
	return c.credential(ctx, request{method: http.MethodPost, path: doorPath + "/credential"})
}

// Report says what the runner is.
func (c *Client) Report(ctx context.Context, r api.RunnerReport) error {
	return c.do(ctx, request{method: http.MethodPost, path: doorPath + "/report", body: r}, &struct{}{})
}

// Identify finds the agent that a process is. That it is none is no error.
func (c *Client) Identify(ctx context.Context, shown api.Identification) (api.Identified, error) {
	return send[api.Identified](ctx, c, request{method: http.MethodPost, path: doorPath + "/identify", body: shown})
}

// TokenRecord is what is known of the token by which an agent was identified.
func (c *Client) TokenRecord(ctx context.Context, id string) (api.TokenRecord, error) {
	record, err := get[api.TokenRecord](ctx, c, doorPath+"/tokens", "token", id)
	if err == nil && record.ID != id {
		err = c.strange()
	}
	return record, err
}

// Grants are what an agent may borrow from now.
func (c *Client) Grants(ctx context.Context, agent string) (api.Grants, error) {
	path, err := member(doorPath+"/agents", "agent", agent)
	if err != nil {
		return api.Grants{}, err
	}
	grants, err := send[api.Grants](ctx, c, request{method: http.MethodGet, path: path + "/grants"})
	if err == nil && grants.Agent.ID != agent {
		err = c.strange()
	}
	return grants, err
}

// BeginSession has a session authorised and recorded. The same again changes
// nothing. It is no success unless the server says which session is on record.
func (c *Client) BeginSession(ctx context.Context, s api.RunnerSession) error {
	return c.recorded(ctx, s.ID, request{method: http.MethodPost, path: doorPath + "/sessions", body: s})
}

func (c *Client) recorded(ctx context.Context, id string, r request) error {
	answer, err := send[api.Recorded](ctx, c, r)
	if err == nil && answer.Session != id {
		err = c.strange()
	}
	return err
}

// FinishSession says what came of it.
func (c *Client) FinishSession(ctx context.Context, id string, o api.SessionOutcome) error {
	path, err := member(doorPath+"/sessions", "session", id)
	if err != nil {
		return err
	}
	return c.recorded(ctx, id, request{method: http.MethodPut, path: path, body: o})
}

// RecordUse says how often sessions were handed out, and when tokens were used.
func (c *Client) RecordUse(ctx context.Context, u api.Use) error {
	return c.do(ctx, request{method: http.MethodPost, path: doorPath + "/use", body: u}, &struct{}{})
}

// Lend borrows a role that the platform assumes, for an agent that the runner
// knows by its service account. That the agent may not have it is no error.
func (c *Client) Lend(ctx context.Context, l api.Loan) (api.Lent, error) {
	return send[api.Lent](ctx, c, request{method: http.MethodPost, path: doorPath + "/loans", body: l})
}

// RunnerIntegrations are those that name the runner, for it to try their roles.
func (c *Client) RunnerIntegrations(ctx context.Context) ([]api.Integration, error) {
	answer, err := send[api.List[api.Integration]](ctx, c, request{method: http.MethodGet, path: doorPath + "/integrations"})
	return answer.Items, err
}

// RecordValidations says what came of trying an integration's roles.
func (c *Client) RecordValidations(ctx context.Context, integration string, v api.RunnerValidations) error {
	path, err := member(doorPath+"/integrations", "integration", integration)
	if err != nil {
		return err
	}
	return c.do(ctx, request{method: http.MethodPost, path: path + "/validations", body: v}, &struct{}{})
}

// Events tells what the server says, a heartbeat too, until ctx or the stream
// ends, which it does when the server says nothing for three heartbeats. The
// first event is a Hello: what begins otherwise is not a server's. It always
// returns an error.
func (c *Client) Events(ctx context.Context, tell func(api.RunnerEvent)) error {
	listening, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(3*api.Heartbeat, cancel)
	defer quiet.Stop()
	req, err := c.newRequest(listening, request{method: http.MethodGet, path: doorPath + "/events", accept: api.EventsType})
	if err != nil {
		return err
	}
	patient := *c.http
	patient.Timeout = 0
	resp, err := patient.Do(req)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c.refusal(resp)
	}
	if resp.Header.Get("Content-Type") != api.EventsType {
		return c.stranger(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	for greeted := false; lines.Scan(); greeted = true {
		quiet.Reset(3 * api.Heartbeat)
		var event api.RunnerEvent
		if json.Unmarshal(lines.Bytes(), &event) != nil || !greeted && (event.Hello == nil || event.Hello.Runner == "") {
			return c.stranger(resp)
		}
		tell(event)
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return c.unreachable(ctx, err)
	}
	return rolebroker.Errorf(rolebroker.CodeUnavailable, "the stream of events of rolebroker at %s ended", c.base)
}
