package convert

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Session is a session as the management API answers it.
func Session(s *rolebroker.Session, now time.Time) api.Session {
	return api.Session{
		ID:             string(s.ID),
		State:          string(s.State),
		Live:           s.Live(now),
		Agent:          s.AgentName,
		AgentID:        string(s.Agent),
		Integration:    s.IntegrationName,
		IntegrationID:  string(s.Integration),
		Role:           s.RoleName,
		RoleID:         string(s.Role),
		ARN:            s.ARN.String(),
		Region:         string(s.Region),
		Runner:         s.Runner,
		RunnerID:       string(s.RunnerID),
		Namespace:      s.Workload.Namespace,
		ServiceAccount: s.Workload.ServiceAccount,
		Pod:            s.Workload.Pod,
		Task:           s.Task,
		SessionName:    s.SessionName,
		TokenID:        string(s.Token),
		Address:        s.Address,
		AccessRequest:  string(s.AccessRequest),
		Access:         string(s.Access),
		Narrowed:       s.Narrowed,
		Keys:           string(s.Keys),
		RequestedAt:    s.RequestedAt.UTC(),
		ExpiresAt:      s.ExpiresAt.UTC(),
		AccessKeyID:    s.AccessKeyID,
		RequestID:      s.RequestID,
		Failure:        s.Failure,
		Fetches:        s.Fetches,
		FetchedAt:      Time(s.FetchedAt),
		EndedAt:        Time(s.EndedAt),
		EndedBy:        s.EndedBy,
	}
}

// EndedSessions is what ending sessions did, as the management API answers it.
func EndedSessions(e rolebroker.Ended) api.EndedSessions {
	return api.EndedSessions{Ended: e.Sessions, ExpiresAt: Time(e.Until)}
}

// RunnerSession is a session that a runner begins, as it tells the server.
func RunnerSession(s *rolebroker.Session) api.RunnerSession {
	return api.RunnerSession{
		ID:              string(s.ID),
		Agent:           string(s.Agent),
		Integration:     string(s.Integration),
		Role:            string(s.Role),
		ARN:             s.ARN.String(),
		Region:          string(s.Region),
		Task:            s.Task,
		Workload:        api.Workload(s.Workload),
		SessionName:     s.SessionName,
		Token:           string(s.Token),
		Address:         s.Address,
		AccessRequest:   string(s.AccessRequest),
		Access:          string(s.Access),
		PolicyHash:      s.PolicyHash,
		Narrowed:        s.Narrowed,
		Withheld:        s.Withheld(),
		RequestedAt:     s.RequestedAt,
		ExpiresAt:       s.ExpiresAt,
		AgentName:       s.AgentName,
		IntegrationName: s.IntegrationName,
		RoleName:        s.RoleName,
	}
}

// FromRunnerSession is the session that a runner begins. Codes: invalid.
func FromRunnerSession(sent api.RunnerSession) (rolebroker.Session, error) {
	arn, err := rolebroker.ParseRoleARN(sent.ARN)
	if err != nil {
		return rolebroker.Session{}, &rolebroker.Error{Code: rolebroker.CodeInvalid,
			Message: "the session is not valid",
			Fields:  []rolebroker.Field{{Path: "arn", Message: err.Error()}}}
	}
	keys := rolebroker.KeysLent // by a runner of an earlier version, too
	if sent.Withheld {
		keys = rolebroker.KeysWithheld
	}
	return rolebroker.Session{
		ID:              rolebroker.SessionID(sent.ID),
		Agent:           rolebroker.AgentID(sent.Agent),
		Integration:     rolebroker.IntegrationID(sent.Integration),
		Role:            rolebroker.RoleID(sent.Role),
		ARN:             arn,
		Region:          rolebroker.Region(sent.Region),
		Task:            sent.Task,
		Workload:        rolebroker.Workload(sent.Workload),
		SessionName:     sent.SessionName,
		Token:           rolebroker.TokenID(sent.Token),
		Address:         sent.Address,
		AccessRequest:   rolebroker.AccessRequestID(sent.AccessRequest),
		Access:          rolebroker.Access(sent.Access),
		PolicyHash:      sent.PolicyHash,
		Narrowed:        sent.Narrowed,
		Keys:            keys,
		RequestedAt:     sent.RequestedAt,
		ExpiresAt:       sent.ExpiresAt,
		AgentName:       sent.AgentName,
		IntegrationName: sent.IntegrationName,
		RoleName:        sent.RoleName,
	}, nil
}

// SessionOutcome is the outcome of a runner's session, as it tells the server.
func SessionOutcome(s *rolebroker.Session) api.SessionOutcome {
	return api.SessionOutcome{
		State:       string(s.State),
		ExpiresAt:   s.ExpiresAt,
		AccessKeyID: s.AccessKeyID,
		RequestID:   s.RequestID,
		Failure:     s.Failure,
		Refused:     string(s.Refused),
	}
}

// FromSessionOutcome is the session with this ID, as far as its outcome tells.
func FromSessionOutcome(id string, sent api.SessionOutcome) rolebroker.Session {
	return rolebroker.Session{
		ID:          rolebroker.SessionID(id),
		State:       rolebroker.SessionState(sent.State),
		ExpiresAt:   sent.ExpiresAt,
		AccessKeyID: sent.AccessKeyID,
		RequestID:   sent.RequestID,
		Failure:     sent.Failure,
		Refused:     rolebroker.RefusalKind(sent.Refused),
	}
}

// FromAgentRefusal is what a runner refused an agent, as the runner tells it.
func FromAgentRefusal(sent *api.AgentRefusal) rolebroker.AgentRefusal {
	r := rolebroker.AgentRefusal{
		Who: rolebroker.Caller{Agent: rolebroker.AgentID(sent.Agent), Token: rolebroker.TokenID(sent.Token),
			Workload: rolebroker.Workload(sent.Workload), Address: sent.Address,
			Request: rolebroker.RequestID(sent.Request)},
		Action: rolebroker.Action(sent.Action), Task: sent.Task, Times: sent.Times,
		Refusal: rolebroker.Errorf(rolebroker.Code(sent.Code), "%s", sent.Reason),
	}
	if sent.Role != "" {
		r.Subject = rolebroker.Named(rolebroker.KindRole, sent.Role)
	}
	return r
}
