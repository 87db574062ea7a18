package runnerapi

import (
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// makeGatewayKey lends an agent a key for the runner's gateway.
func (s *server) makeGatewayKey(r *http.Request, who rolebroker.Caller, in api.GatewayKeyRequest) (
	api.LoanAnswer, error) {
	loan, err := s.keyThrough(r, who, in)
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.LoanAnswer{Refusal: refusal}, err
	}
	return loanAnswer(loan), nil
}

func (s *server) keyThrough(r *http.Request, who rolebroker.Caller, in api.GatewayKeyRequest) (
	*rolebroker.Loan, error) {
	agent, err := s.agentOf(r, who, in)
	if err != nil {
		return nil, err
	}
	return s.Broker.KeyThrough(r.Context(), who, agent, rolebroker.Request{Role: in.Role, Task: in.Task,
		Access: rolebroker.Access(in.Access)})
}

// agentOf finds the agent by the token that it showed to the runner, or by its service account.
func (s *server) agentOf(r *http.Request, who rolebroker.Caller, in api.GatewayKeyRequest) (rolebroker.Caller, error) {
	if in.AgentToken == "" {
		return s.Broker.AgentThrough(r.Context(), who, rolebroker.TokenID(in.Token), rolebroker.Workload(in.Workload),
			in.Address)
	}
	if err := rolebroker.CheckAddress(in.Address); err != nil {
		return rolebroker.Caller{}, err
	}
	agent, err := s.Auth.AgentThrough(r.Context(), in.AgentToken.Reveal())
	agent.Address, agent.Request = in.Address, who.Request
	return agent, err
}

// openGatewayKey finds for whom and what a key is, and gives its secret away, by which the runner can verify
// signatures: of no other keys than those for roles that it assumes.
func (s *server) openGatewayKey(r *http.Request, who rolebroker.Caller, in api.SignedKey) (api.OpenedKey, error) {
	opened, err := s.opened(r, who, in)
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.OpenedKey{Refusal: refusal}, err
	}
	return opened, nil
}

func (s *server) opened(r *http.Request, who rolebroker.Caller, in api.SignedKey) (api.OpenedKey, error) {
	key, secret, err := s.Gateway.Open(r.Context(), in.ID, rolebroker.NewSecret(in.Token.Reveal()))
	if err != nil {
		return api.OpenedKey{}, err
	}
	here, err := s.Broker.IsKeyOf(r.Context(), who, key)
	if err != nil || here {
		return convert.OpenedKey(key, secret), err
	}
	return api.OpenedKey{AtServer: true, Integration: string(key.Integration), Role: string(key.Role),
		Expiration: key.Expires.UTC()}, nil
}

// maxWait bounds how long an answer waits for people.
const maxWait = 30 * time.Second

// approveCall decides about a call, and asks people where they have to approve it.
func (s *server) approveCall(r *http.Request, who rolebroker.Caller, in api.CallQuestion) (api.CallApproval, error) {
	agent, req, asked, err := s.Broker.AgentOfCall(r.Context(), who, convert.FromRunnerCall(in.Call),
		rolebroker.Access(in.Access))
	var id rolebroker.AccessRequestID
	if err == nil {
		wait := min(max(time.Duration(in.WaitSeconds)*time.Second, 0), maxWait)
		id, err = s.Gateway.MayCall(r.Context(), agent, req, asked, wait)
	}
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.CallApproval{Refusal: refusal}, err
	}
	return api.CallApproval{Allowed: true, AccessRequest: string(id)}, nil
}

// recordCalls records calls through the runner's gateway.
func (s *server) recordCalls(r *http.Request, who rolebroker.Caller, in api.RunnerCalls) (api.RecordedCalls, error) {
	calls := make([]rolebroker.Call, len(in.Calls))
	for i, sent := range in.Calls {
		calls[i] = convert.FromRunnerCall(sent)
	}
	refused, err := s.Broker.RecordRunnerCalls(r.Context(), who, calls)
	answer := api.RecordedCalls{Recorded: len(calls) - len(refused)}
	for _, x := range refused {
		answer.Refused = append(answer.Refused, api.RefusedCall{ID: string(x.ID), Refusal: problem.Refusal(x.Why)})
	}
	return answer, err
}
