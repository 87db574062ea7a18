package runnerapi

import (
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
	"github.com/rolebroker/rolebroker/internal/problem"
)

func (d *door) join(w http.ResponseWriter, r *http.Request) {
	in, err := read[api.Join](r)
	if err == nil {
		var who rolebroker.Caller
		if who, err = d.Auth.JoinToken(r.Context(), in.Token.Reveal(), r.RemoteAddr); err == nil {
			var runner *rolebroker.Runner
			var key *rolebroker.RunnerKey
			var secret rolebroker.Secret
			if runner, key, secret, err = d.Broker.Join(r.Context(), who, in.Program); err == nil {
				write(w, http.StatusOK, convert.RunnerCredential(runner, key, secret))
				return
			}
		}
		err = aboutTheRunner(err)
	}
	d.refuse(w, r, err)
}

func (d *door) credential(r *http.Request, who rolebroker.Caller) (api.RunnerCredential, error) {
	runner, key, secret, err := d.Broker.RenewCredential(r.Context(), who)
	if err != nil {
		return api.RunnerCredential{}, err
	}
	return convert.RunnerCredential(runner, key, secret), nil
}

func (d *door) report(r *http.Request, who rolebroker.Caller, in api.RunnerReport) error {
	return d.Broker.RecordReport(r.Context(), who, convert.FromRunnerReport(in))
}

// identify says which agent shows a token, which the runner passes on, or a
// service account's, which it has verified.
func (d *door) identify(r *http.Request, who rolebroker.Caller, in api.Identification) (api.Identified, error) {
	var token *rolebroker.Token
	var err error
	if a := in.ServiceAccount; a != nil {
		token, err = d.Broker.AgentOfAccount(r.Context(), who, convert.FromServiceAccount(a))
	} else {
		var agent rolebroker.Caller
		if agent, err = d.Auth.Agent(r.Context(), in.Token.Reveal()); err == nil {
			token, err = d.Broker.RunnerToken(r.Context(), who, agent.Token)
		}
	}
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.Identified{Refusal: refusal}, err
	}
	record := convert.TokenRecord(token)
	return api.Identified{Token: &record}, nil
}

// aboutTheAgent is a refusal that the runner passes on; trouble of ours is an error.
func aboutTheAgent(err error) (*api.Refusal, error) {
	switch rolebroker.CodeOf(err) {
	case rolebroker.CodeUnavailable, rolebroker.CodeInternal:
		return nil, err
	}
	refusal := problem.Refusal(err)
	return &refusal, nil
}

func (d *door) token(r *http.Request, who rolebroker.Caller) (api.TokenRecord, error) {
	t, err := d.Broker.RunnerToken(r.Context(), who, rolebroker.TokenID(r.PathValue("token")))
	if err != nil {
		return api.TokenRecord{}, err
	}
	return convert.TokenRecord(t), nil
}

func (d *door) grants(r *http.Request, who rolebroker.Caller) (api.Grants, error) {
	g, err := d.Broker.RunnerGrants(r.Context(), who, rolebroker.AgentID(r.PathValue("agent")))
	if err != nil {
		return api.Grants{}, err
	}
	return convert.Grants(g), nil
}

func (d *door) begin(r *http.Request, who rolebroker.Caller, in api.RunnerSession) (api.Recorded, error) {
	session, err := convert.FromRunnerSession(in)
	if err != nil {
		return api.Recorded{}, err
	}
	return api.Recorded{Session: in.ID}, d.Broker.BeginRunnerSession(r.Context(), who, session, in.Late)
}

func (d *door) finish(r *http.Request, who rolebroker.Caller, in api.SessionOutcome) (api.Recorded, error) {
	session := convert.FromSessionOutcome(r.PathValue("session"), in)
	return api.Recorded{Session: string(session.ID)}, d.Broker.FinishRunnerSession(r.Context(), who, session)
}

func (d *door) use(r *http.Request, who rolebroker.Caller, in api.Use) error {
	var fetches []rolebroker.Fetch
	for _, f := range in.Fetches {
		fetches = append(fetches, rolebroker.Fetch{Session: rolebroker.SessionID(f.Session), Count: f.Count, Last: f.Last})
	}
	usedAt := map[rolebroker.TokenID]time.Time{}
	for id, at := range in.Tokens {
		usedAt[rolebroker.TokenID(id)] = at
	}
	return d.Broker.RecordRunnerUse(r.Context(), who, fetches, usedAt)
}

func (d *door) lend(r *http.Request, who rolebroker.Caller, in api.Loan) (api.Lent, error) {
	loan, err := d.Broker.LendThrough(r.Context(), who, rolebroker.TokenID(in.Token), rolebroker.Request{Role: in.Role, Task: in.Task})
	if err != nil {
		refusal, err := aboutTheAgent(err)
		return api.Lent{Refusal: refusal}, err
	}
	c := loan.Credentials
	return api.Lent{AccessKeyID: c.AccessKeyID, SecretAccessKey: api.Secret(c.SecretAccessKey.Reveal()), Token: api.Secret(c.SessionToken.Reveal()),
		Expiration: c.Expires.UTC(), RoleARN: loan.Role.ARN.String()}, nil
}

func (d *door) integrations(r *http.Request, who rolebroker.Caller) (api.List[api.Integration], error) {
	all, err := d.Broker.RunnerIntegrations(r.Context(), who)
	if err != nil {
		return api.List[api.Integration]{}, err
	}
	return api.List[api.Integration]{Items: convert.All(all, convert.Granted)}, nil
}

func (d *door) validations(r *http.Request, who rolebroker.Caller, in api.RunnerValidations) error {
	return d.Broker.RecordRunnerValidations(r.Context(), who, r.PathValue("integration"), in.Version, convert.FromOutcomes(in.Validations))
}
