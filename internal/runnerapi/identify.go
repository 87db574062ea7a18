package runnerapi

import (
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// identify finds the agent whose token a process showed, or to which its service
// account is bound. The runner has verified the service account.
func (s *server) identify(r *http.Request, who rolebroker.Caller, in api.Identification) (api.Identified, error) {
	token, err := s.identified(r, who, in)
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.Identified{Refusal: refusal}, err
	}
	record := convert.TokenRecord(token)
	return api.Identified{Token: &record}, nil
}

func (s *server) identified(r *http.Request, who rolebroker.Caller, in api.Identification) (*rolebroker.Token, error) {
	if in.ServiceAccount != nil {
		return s.Broker.AgentOfAccount(r.Context(), who, convert.FromServiceAccount(in.ServiceAccount),
			in.ServiceAccount.Labels)
	}
	agent, err := s.Auth.AgentThrough(r.Context(), in.Token.Reveal())
	if err != nil {
		return nil, err
	}
	return s.Broker.AgentOfToken(r.Context(), who, agent.Token)
}

// aboutTheAgent splits refusals, which the runner passes on to the agent, from
// errors of the server.
func aboutTheAgent(err error) (*api.Refusal, error) {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeUnavailable, rolebroker.CodeInternal:
		return nil, err
	}
	refusal := problem.Refusal(err)
	return &refusal, nil
}

func (s *server) token(r *http.Request, who rolebroker.Caller) (record api.TokenRecord, err error) {
	token, err := s.Broker.RunnerToken(r.Context(), who, rolebroker.TokenID(r.PathValue("token")))
	if err != nil {
		return record, err
	}
	return convert.TokenRecord(token), nil
}

func (s *server) grants(r *http.Request, who rolebroker.Caller) (answer api.Grants, err error) {
	grants, err := s.Broker.RunnerGrants(r.Context(), who, rolebroker.AgentID(r.PathValue("agent")))
	if err != nil {
		return answer, err
	}
	return convert.Grants(grants), nil
}
