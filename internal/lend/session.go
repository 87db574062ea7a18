package lend

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rolebroker/rolebroker"
)

// jitter spreads renewals that would fall together: each starts at half of the
// lifetime or up to a twentieth of the lifetime later.
const jitter = 20

// ClockSlack is how much later credentials may expire by AWS's clock than by
// ours. Until STS answers, the record of a session says the latest possible time.
const ClockSlack = 5 * time.Minute

// newSession records a session, asks STS for its credentials and records what
// came of it. What is not in the record is not handed out.
func (l *Lender) newSession(ctx context.Context, key leaseKey, names leaseNames) (*held, error) {
	session := key.session(l.now(), names)
	if err := l.records.RecordSession(ctx, &session); err != nil {
		return nil, err
	}
	asked := l.now()
	assumed, err := l.assumer.Assume(ctx, key.assumption)
	l.metrics.asked(l.now().Sub(asked), err)
	if err != nil {
		return nil, l.sessionFailed(ctx, session, err)
	}
	if !l.now().Before(assumed.Credentials.Expires) {
		return nil, l.sessionFailed(ctx, session, &rolebroker.Refusal{Kind: rolebroker.RefusedOther, RequestID: assumed.RequestID,
			Message: "the credentials STS gave have expired by this server's clock; set the clock right"})
	}
	session.State = rolebroker.SessionActive
	session.ExpiresAt = assumed.Credentials.Expires
	session.AccessKeyID = assumed.Credentials.AccessKeyID
	session.RequestID = assumed.RequestID
	if err := l.records.FinishSession(ctx, &session); err != nil {
		return nil, err
	}
	l.log.InfoContext(ctx, "session started", "session", session.ID, "agent", key.agentName,
		"role", names.integration+"/"+names.role, "session_name", session.SessionName,
		"access_key_id", session.AccessKeyID, "expires_at", session.ExpiresAt, "aws_request_id", session.RequestID)
	return newHeld(session, key, assumed.Credentials, l.now()), nil
}

// sessionFailed records that STS refused, and returns why. That a refusal
// could not be recorded is for the log: the session gave nothing.
func (l *Lender) sessionFailed(ctx context.Context, session rolebroker.Session, err error) error {
	session.State, session.Failure = rolebroker.SessionFailed, err.Error()
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		session.RequestID = refusal.RequestID
	}
	l.log.WarnContext(ctx, "STS gave no credentials", "session", session.ID, "agent", session.AgentName,
		"role", session.IntegrationName+"/"+session.RoleName, "arn", session.ARN, "region", session.Region,
		"reason", err, "cause", errors.Unwrap(err))
	// The call may have failed because its time ran out; the record still has to be made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), assumeTimeout)
	defer cancel()
	if failed := l.records.FinishSession(ctx, &session); failed != nil {
		l.log.ErrorContext(ctx, "recording a failed session", "session", session.ID, "cause", failed)
	}
	return err
}

// session is the record made before STS is asked.
func (k leaseKey) session(now time.Time, names leaseNames) rolebroker.Session {
	return rolebroker.Session{
		ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested,
		Agent: k.agent, AgentName: k.agentName,
		Integration: k.integration, IntegrationName: names.integration,
		Role: k.role, RoleName: names.role, ARN: k.assumption.ARN, Region: k.assumption.Region,
		Task: k.task, SessionName: k.assumption.SessionName,
		RequestedAt: now, ExpiresAt: now.Add(k.assumption.Duration + ClockSlack),
	}
}

func newHeld(session rolebroker.Session, key leaseKey, credentials rolebroker.Credentials, now time.Time) *held {
	lifetime := credentials.Expires.Sub(now)
	late := time.Duration(rand.Int64N(int64(max(lifetime, 0))/jitter + 1))
	return &held{
		loan: &rolebroker.Loan{
			Session: session.ID, Credentials: credentials,
			Role: rolebroker.Role{ID: key.role, Name: session.RoleName, ARN: key.assumption.ARN, Region: key.assumption.Region, Enabled: true},
		},
		lifetime: lifetime,
		renewAt:  now.Add(lifetime/2 + late),
	}
}

// stillMay says whether the caller would get this very lease if it asked now,
// and what its role is called by now. While that cannot be found out it may.
func (l *Lender) stillMay(ctx context.Context, who rolebroker.Caller, key leaseKey) (leaseNames, bool) {
	now, grant, err := l.decide(ctx, who, rolebroker.Request{Role: string(key.integration) + "/" + string(key.role), Task: key.task})
	if err != nil {
		return leaseNames{}, isTemporary(err)
	}
	return leaseNames{grant.Integration.Name, grant.Role.Name}, now == key
}

// isTemporary says whether an error is one of trouble that passes: STS or the
// store cannot be reached.
func isTemporary(err error) bool {
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		return refusal.Kind.Temporary()
	}
	return err != nil && rolebroker.CodeOf(err) == rolebroker.CodeUnavailable
}
