package convert

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Session is a session as the management API answers it.
func Session(s *rolebroker.Session, now time.Time) api.Session {
	return api.Session{
		ID:            string(s.ID),
		State:         string(s.State),
		Live:          s.Live(now),
		Agent:         s.AgentName,
		AgentID:       string(s.Agent),
		Integration:   s.IntegrationName,
		IntegrationID: string(s.Integration),
		Role:          s.RoleName,
		RoleID:        string(s.Role),
		ARN:           s.ARN.String(),
		Region:        string(s.Region),
		Runner:        s.Runner,
		Task:          s.Task,
		SessionName:   s.SessionName,
		RequestedAt:   s.RequestedAt.UTC(),
		ExpiresAt:     s.ExpiresAt.UTC(),
		AccessKeyID:   s.AccessKeyID,
		RequestID:     s.RequestID,
		Failure:       s.Failure,
		Fetches:       s.Fetches,
		FetchedAt:     Time(s.FetchedAt),
	}
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
		SessionName:     s.SessionName,
		RequestedAt:     s.RequestedAt,
		ExpiresAt:       s.ExpiresAt,
		AgentName:       s.AgentName,
		IntegrationName: s.IntegrationName,
		RoleName:        s.RoleName,
	}
}

// FromRunnerSession is the session that a runner begins. Codes: invalid.
func FromRunnerSession(told api.RunnerSession) (rolebroker.Session, error) {
	arn, err := rolebroker.ParseRoleARN(told.ARN)
	if err != nil {
		return rolebroker.Session{}, &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the session is not valid",
			Fields: []rolebroker.Field{{Path: "arn", Message: err.Error()}}}
	}
	return rolebroker.Session{
		ID:              rolebroker.SessionID(told.ID),
		Agent:           rolebroker.AgentID(told.Agent),
		Integration:     rolebroker.IntegrationID(told.Integration),
		Role:            rolebroker.RoleID(told.Role),
		ARN:             arn,
		Region:          rolebroker.Region(told.Region),
		Task:            told.Task,
		SessionName:     told.SessionName,
		RequestedAt:     told.RequestedAt,
		ExpiresAt:       told.ExpiresAt,
		AgentName:       told.AgentName,
		IntegrationName: told.IntegrationName,
		RoleName:        told.RoleName,
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
	}
}

// FromSessionOutcome is the session with this ID, as far as its outcome tells.
func FromSessionOutcome(id string, told api.SessionOutcome) rolebroker.Session {
	return rolebroker.Session{
		ID:          rolebroker.SessionID(id),
		State:       rolebroker.SessionState(told.State),
		ExpiresAt:   told.ExpiresAt,
		AccessKeyID: told.AccessKeyID,
		RequestID:   told.RequestID,
		Failure:     told.Failure,
	}
}
