package runnerapi

import (
	"net/http"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
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
				write(w, http.StatusOK, showCredential(runner, key, secret))
				return
			}
		}
		err = aboutTheRunner(err)
	}
	d.refuse(w, r, err)
}

func showCredential(runner *rolebroker.Runner, key *rolebroker.RunnerKey, secret rolebroker.Secret) api.RunnerCredential {
	return api.RunnerCredential{Runner: string(runner.ID), Name: runner.Name, Credential: api.Secret(secret.Reveal()), ExpiresAt: key.ExpiresAt.UTC()}
}

func (d *door) credential(r *http.Request, who rolebroker.Caller) (api.RunnerCredential, error) {
	runner, key, secret, err := d.Broker.RenewCredential(r.Context(), who)
	if err != nil {
		return api.RunnerCredential{}, err
	}
	return showCredential(runner, key, secret), nil
}

func (d *door) report(r *http.Request, who rolebroker.Caller, in api.RunnerReport) error {
	return d.Broker.RecordReport(r.Context(), who, rolebroker.RunnerReport{
		Program: in.Program, Method: rolebroker.AssumeMethod(in.Method), Issuer: in.Issuer, Pending: in.Pending, IdentityError: in.IdentityError,
		Identity: rolebroker.Identity{Account: in.Account, ARN: in.ARN, UserID: in.UserID},
	})
}

// identify says which agent shows a token, which the runner passes on, or a
// service account's, which it has verified.
func (d *door) identify(r *http.Request, who rolebroker.Caller, in api.Identification) (api.Identified, error) {
	var token *rolebroker.Token
	var err error
	if a := in.ServiceAccount; a != nil {
		token, err = d.Broker.AgentOfAccount(r.Context(), who, rolebroker.ServiceAccount{Issuer: a.Issuer, Namespace: a.Namespace, Name: a.Name})
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
	record := showToken(token)
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

func showToken(t *rolebroker.Token) api.TokenRecord {
	return api.TokenRecord{ID: string(t.ID), Agent: string(t.Agent), CreatedAt: t.CreatedAt.UTC(), ExpiresAt: orNull(t.ExpiresAt), RevokedAt: orNull(t.RevokedAt)}
}

// orNull is nil for a time that never comes or never was.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (d *door) token(r *http.Request, who rolebroker.Caller) (api.TokenRecord, error) {
	t, err := d.Broker.RunnerToken(r.Context(), who, rolebroker.TokenID(r.PathValue("token")))
	if err != nil {
		return api.TokenRecord{}, err
	}
	return showToken(t), nil
}

func (d *door) grants(r *http.Request, who rolebroker.Caller) (api.Grants, error) {
	g, err := d.Broker.RunnerGrants(r.Context(), who, rolebroker.AgentID(r.PathValue("agent")))
	if err != nil {
		return api.Grants{}, err
	}
	return showGrants(g), nil
}

func showGrants(g *rolebroker.Grants) api.Grants {
	shown := api.Grants{
		Agent: api.GrantedAgent{ID: string(g.Agent.ID), Name: g.Agent.Name, Disabled: g.Agent.Disabled,
			DefaultIntegration: string(g.Agent.DefaultIntegration), Connections: []string{}},
		Integrations: []api.GrantedIntegration{},
	}
	for _, c := range g.Agent.Connections {
		shown.Agent.Connections = append(shown.Agent.Connections, string(c.Integration))
	}
	for _, in := range g.Integrations {
		one := api.GrantedIntegration{ID: string(in.ID), Name: in.Name, AssumptionMode: string(in.AssumptionMode), Runner: string(in.Runner), ExternalID: in.ExternalID,
			SessionTags: in.SessionTags, SourceIdentity: in.SourceIdentity, DefaultRole: in.DefaultRole, Roles: []api.GrantedRole{}}
		for _, role := range in.Roles {
			one.Roles = append(one.Roles, api.GrantedRole{ID: string(role.ID), Name: role.Name, ARN: role.ARN.String(), Region: string(role.Region),
				Enabled: role.Enabled, SessionDuration: rolebroker.ShortDuration(role.Duration())})
		}
		shown.Integrations = append(shown.Integrations, one)
	}
	return shown
}

func (d *door) begin(r *http.Request, who rolebroker.Caller, in api.RunnerSession) (api.Recorded, error) {
	arn, err := rolebroker.ParseRoleARN(in.ARN)
	if err != nil {
		return api.Recorded{}, &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the session is not valid", Fields: []rolebroker.Field{{Path: "arn", Message: err.Error()}}}
	}
	return api.Recorded{Session: in.ID}, d.Broker.BeginRunnerSession(r.Context(), who, rolebroker.Session{
		ID: rolebroker.SessionID(in.ID), Agent: rolebroker.AgentID(in.Agent), Integration: rolebroker.IntegrationID(in.Integration), Role: rolebroker.RoleID(in.Role),
		ARN: arn, Region: rolebroker.Region(in.Region), Task: in.Task, SessionName: in.SessionName, RequestedAt: in.RequestedAt, ExpiresAt: in.ExpiresAt,
		AgentName: in.AgentName, IntegrationName: in.IntegrationName, RoleName: in.RoleName,
	}, in.Late)
}

func (d *door) finish(r *http.Request, who rolebroker.Caller, in api.SessionOutcome) (api.Recorded, error) {
	id := r.PathValue("session")
	return api.Recorded{Session: id}, d.Broker.FinishRunnerSession(r.Context(), who, rolebroker.Session{ID: rolebroker.SessionID(id),
		State: rolebroker.SessionState(in.State), ExpiresAt: in.ExpiresAt, AccessKeyID: in.AccessKeyID, RequestID: in.RequestID, Failure: in.Failure})
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
	shown := api.List[api.Integration]{Items: []api.Integration{}}
	for _, in := range all {
		shown.Items = append(shown.Items, showIntegration(in))
	}
	return shown, nil
}

// showIntegration is what of an integration its runner needs to try its roles.
func showIntegration(in rolebroker.Integration) api.Integration {
	shown := api.Integration{ID: string(in.ID), Name: in.Name, AssumptionMode: string(in.AssumptionMode), ExternalID: in.ExternalID, NextExternalID: in.NextExternalID,
		SessionTags: in.SessionTags, SourceIdentity: in.SourceIdentity, DefaultRole: in.DefaultRole, Version: in.Version}
	for _, role := range in.Roles {
		shown.Roles = append(shown.Roles, api.Role{ID: string(role.ID), Name: role.Name, ARN: role.ARN.String(), Region: string(role.Region),
			Enabled: role.Enabled, SessionDuration: rolebroker.ShortDuration(role.Duration())})
	}
	return shown
}

func (d *door) validations(r *http.Request, who rolebroker.Caller, in api.RunnerValidations) error {
	outcomes := map[rolebroker.RoleID]rolebroker.Validation{}
	for _, o := range in.Validations {
		outcomes[rolebroker.RoleID(o.Role)] = rolebroker.Validation{Status: rolebroker.ValidationStatus(o.Status), Code: rolebroker.ValidationCode(o.Code),
			Message: o.Message, Hint: o.Hint, RequestID: o.RequestID, CheckedAt: o.CheckedAt}
	}
	return d.Broker.RecordRunnerValidations(r.Context(), who, r.PathValue("integration"), in.Version, outcomes)
}
