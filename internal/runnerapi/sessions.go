package runnerapi

import (
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

func (s *server) beginSession(r *http.Request, who rolebroker.Caller, in api.RunnerSession) (api.Recorded, error) {
	session, err := convert.FromRunnerSession(in)
	if err != nil {
		return api.Recorded{}, err
	}
	return api.Recorded{Session: in.ID}, s.Broker.BeginRunnerSession(r.Context(), who, session, in.Late)
}

func (s *server) finishSession(r *http.Request, who rolebroker.Caller, in api.SessionOutcome) (api.Recorded, error) {
	session := convert.FromSessionOutcome(r.PathValue("session"), in)
	return api.Recorded{Session: string(session.ID)}, s.Broker.FinishRunnerSession(r.Context(), who, session)
}

func (s *server) recordUsage(r *http.Request, who rolebroker.Caller, in api.Usage) error {
	var fetches []rolebroker.Fetch
	for _, f := range in.Fetches {
		fetches = append(fetches, rolebroker.Fetch{Session: rolebroker.SessionID(f.Session),
			Count: f.Count, Last: f.Last})
	}
	usedAt := map[rolebroker.TokenID]time.Time{}
	for id, at := range in.Tokens {
		usedAt[rolebroker.TokenID(id)] = at
	}
	if err := s.Broker.RecordRunnerUse(r.Context(), who, fetches, usedAt); err != nil || len(in.Refusals) == 0 {
		return err
	}
	return s.Broker.RecordRunnerRefusals(r.Context(), who, convert.All(in.Refusals, convert.FromAgentRefusal))
}

func (s *server) lend(r *http.Request, who rolebroker.Caller, in api.LoanRequest) (api.LoanAnswer, error) {
	loan, err := s.Broker.LendThrough(r.Context(), who, rolebroker.TokenID(in.Token), rolebroker.Workload(in.Workload),
		in.Address, rolebroker.Request{Role: in.Role, Task: in.Task, Access: rolebroker.Access(in.Access)})
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.LoanAnswer{Refusal: refusal}, err
	}
	return loanAnswer(loan), nil
}

func loanAnswer(loan *rolebroker.Loan) api.LoanAnswer {
	c := loan.Credentials
	return api.LoanAnswer{
		Keys:            string(loan.Keys),
		AccessKeyID:     c.AccessKeyID,
		SecretAccessKey: api.Secret(c.SecretAccessKey.Reveal()),
		Token:           api.Secret(c.SessionToken.Reveal()),
		Expiration:      c.Expires.UTC(),
		RoleARN:         loan.Role.ARN.String(),
		Access:          string(loan.Access),
	}
}

// accessRequest asks for the agent of a pod, or finds what became of questions of it.
func (s *server) accessRequest(r *http.Request, who rolebroker.Caller, in api.AccessQuestion) (
	api.AccessAnswer, error) {
	agent, err := s.Broker.AgentThrough(r.Context(), who, rolebroker.TokenID(in.Token), rolebroker.Workload(in.Workload),
		in.Address)
	var found api.MyAccessRequest
	answer := api.AccessAnswer{Request: &found}
	switch {
	case err != nil:
	case in.List:
		answer.Request = nil
		answer.Requests, err = s.Requests.MyAccessRequests(r.Context(), agent, in.State)
	case in.ID != "":
		wait := time.Duration(in.WaitSeconds) * time.Second
		found, err = s.Requests.MyAccessRequest(r.Context(), agent, in.ID, wait)
	default:
		found, err = s.Requests.RequestAccess(r.Context(), agent, in.AccessRequestRequest)
	}
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.AccessAnswer{Refusal: refusal}, err
	}
	return answer, nil
}

func (s *server) integrations(r *http.Request, who rolebroker.Caller) (
	answer api.List[api.RunnerIntegration], err error) {
	all, tried, err := s.Broker.RunnerIntegrations(r.Context(), who)
	if err != nil {
		return answer, err
	}
	answer.Items = []api.RunnerIntegration{}
	for i := range all {
		answer.Items = append(answer.Items, api.RunnerIntegration{Integration: convert.Granted(&all[i]),
			Tried: convert.Tried(tried[i])})
	}
	return answer, nil
}

func (s *server) recordValidations(r *http.Request, who rolebroker.Caller, in api.RunnerValidations) error {
	return s.Broker.RecordRunnerValidations(r.Context(), who, r.PathValue("integration"), in.Version,
		convert.FromOutcomes(in.Validations))
}

func (s *server) validationRequests(r *http.Request, who rolebroker.Caller) (
	answer api.List[api.ValidationRequest], err error) {
	all, err := s.Broker.RunnerValidationRequests(r.Context(), who)
	if err != nil {
		return answer, err
	}
	return api.List[api.ValidationRequest]{Items: convert.All(all, convert.ValidationRequest)}, nil
}

func (s *server) answerValidationRequest(r *http.Request, who rolebroker.Caller, in api.ValidationAnswer) error {
	id := rolebroker.ValidationRequestID(r.PathValue("request"))
	return s.Broker.AnswerValidationRequest(r.Context(), who, id, convert.FromOutcomes(in.Validations), in.Finished)
}
