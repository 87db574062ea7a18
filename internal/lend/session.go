package lend

import (
	"context"
	"errors"
	"time"

	"github.com/rolebroker/rolebroker"
)

// ClockSlack is how much later credentials may expire by AWS's clock than by
// ours. Until STS has answered, a session's record says the latest possible time.
const ClockSlack = 5 * time.Minute

// startSession records a session that a caller begins, asks STS for its credentials
// and records the outcome. Without a record nothing is handed out.
func (l *Lender) startSession(
	ctx context.Context, key leaseKey, names roleNames, by rolebroker.Caller,
) (*cachedLoan, error) {
	now := l.now()
	assumption, err := key.assumptionAt(now)
	if err != nil {
		return nil, err
	}
	session := newSession(key, names, by, now, assumption.Duration)
	if err := l.records.RecordSession(ctx, &session, session.BeginEvent(now)); err != nil {
		return nil, err
	}
	began := l.now()
	assumed, err := l.assumer.Assume(ctx, assumption)
	l.metrics.observeCall(l.now().Sub(began), err)
	if err != nil {
		return nil, l.sessionFailed(ctx, session, err)
	}
	if err := rolebroker.CheckExpiry(assumed.Credentials.Expires, l.now()); err != nil {
		message := "the credentials that STS gave have expired already by the local clock; set the clock right"
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			message = "the credentials that STS gave end later than AWS lets a session last; set the clock right"
		}
		return nil, l.sessionFailed(ctx, session, &rolebroker.Refusal{
			Kind: rolebroker.RefusedOther, RequestID: assumed.RequestID, Message: message,
		})
	}
	session.State = rolebroker.SessionActive
	session.ExpiresAt = key.earlier(assumed.Credentials.Expires)
	session.AccessKeyID = assumed.Credentials.AccessKeyID
	session.RequestID = assumed.RequestID
	if err := l.records.FinishSession(ctx, &session, session.OutcomeEvent(l.now())); err != nil {
		return nil, err
	}
	l.log.InfoContext(ctx, "session started", "session", session.ID, "agent", key.agentName,
		"role", names.integration+"/"+names.role, "session_name", session.SessionName, "token", by.Token,
		"access_key_id", session.AccessKeyID, "expires_at", session.ExpiresAt, "aws_request_id", session.RequestID)
	role := rolebroker.Role{
		ID: session.Role, Name: session.RoleName, ARN: session.ARN, Region: session.Region, Enabled: true,
		Generation: key.generation,
	}
	loan := &rolebroker.Loan{Session: session.ID, Role: role, Credentials: assumed.Credentials,
		Access: session.Access, AccessRequest: session.AccessRequest}
	return newCachedLoan(loan, l.now(), key.until()), nil
}

// sessionFailed records that STS gave no credentials, and returns why. If it
// cannot be recorded, only the log says so.
func (l *Lender) sessionFailed(ctx context.Context, session rolebroker.Session, err error) error {
	session.State, session.Failure = rolebroker.SessionFailed, err.Error()
	var refusal *rolebroker.Refusal
	if errors.As(err, &refusal) {
		session.RequestID, session.Refused = refusal.RequestID, refusal.Kind
	}
	l.log.WarnContext(ctx, "STS gave no credentials", "session", session.ID, "agent", session.AgentName,
		"role", session.IntegrationName+"/"+session.RoleName, "arn", session.ARN, "region", session.Region,
		"reason", err, "cause", errors.Unwrap(err))
	// The call may have failed because ctx ended; the outcome is recorded all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), assumeTimeout)
	defer cancel()
	if failed := l.records.FinishSession(ctx, &session, session.OutcomeEvent(l.now())); failed != nil {
		l.log.ErrorContext(ctx, "recording a failed session", "session", session.ID, "cause", failed)
	}
	return err
}

// newSession makes the record of a session that is about to start.
func newSession(
	key leaseKey, names roleNames, by rolebroker.Caller, now time.Time, duration time.Duration,
) rolebroker.Session {
	return rolebroker.Session{
		ID: rolebroker.NewSessionID(), State: rolebroker.SessionRequested,
		Agent: key.agent, AgentName: key.agentName,
		Integration: key.integration, IntegrationName: names.integration,
		Role: key.role, RoleName: names.role, ARN: key.assumption.ARN, Region: key.assumption.Region,
		Task: key.task, SessionName: key.assumption.SessionName, Token: by.Token, Workload: by.Workload,
		Address: by.Address, Request: by.Request,
		Access: key.access, PolicyHash: key.policyHash(), Narrowed: key.narrowed, Keys: key.keys,
		AccessRequest: key.request,
		RequestedAt:   now, ExpiresAt: key.earlier(now.Add(duration + ClockSlack)),
	}
}
