package rolebroker

import (
	"cmp"
	"net/netip"
	"time"
)

// Borrower is the agent as the caller that began the session.
func (s *Session) Borrower() Caller {
	return Caller{Agent: s.Agent, Token: s.Token, Name: s.AgentName, Workload: s.Workload, Address: s.Address,
		Request: s.Request}
}

// BeginEvent returns the audit event of a session that begins.
func (s *Session) BeginEvent(at time.Time) AuditEvent {
	facts := Facts{"arn": s.ARN.String(), "task": s.Task, "access": string(s.Access),
		"expires_at": expiry(s.ExpiresAt)}
	if s.Narrowed {
		facts["narrowed"] = "true"
	}
	if s.Withheld() {
		facts["keys"] = string(s.Keys)
	}
	return s.event(ActionSessionBegin, at, facts)
}

// OutcomeEvent returns the audit event of what STS answered to a session. If STS gave no credentials it is a refusal.
func (s *Session) OutcomeEvent(at time.Time) AuditEvent {
	event := s.event(ActionSessionAssume, at, Facts{"access_key_id": s.AccessKeyID, "aws_request_id": s.RequestID})
	if s.State == SessionFailed {
		event.Refusal = Errorf(s.Refused.Code(), "%s", cmp.Or(s.Failure, "STS gave no credentials"))
		return event
	}
	event.After["expires_at"] = expiry(s.ExpiresAt)
	return event
}

// event returns an audit event of the agent that concerns the session.
func (s *Session) event(action Action, at time.Time, facts Facts) AuditEvent {
	subjects := []Subject{s.Subject(), {KindRole, string(s.Role), s.IntegrationName + "/" + s.RoleName}}
	if s.AccessRequest != "" {
		subjects = append(subjects, Subject{Kind: KindAccessRequest, ID: string(s.AccessRequest)})
	}
	if s.RunnerID != "" {
		subjects = append(subjects, Subject{KindRunner, string(s.RunnerID), s.Runner})
	}
	return AuditEvent{ID: NewAuditEventID(), At: at.UTC().Truncate(time.Millisecond), Actor: s.Borrower(), Action: action, Subjects: subjects,
		After: facts.Without(nil)}
}

// CheckAddress checks an IP address that a runner sends, because people see it. Empty is allowed.
func CheckAddress(address string) error {
	if address == "" {
		return nil
	}
	if parsed, err := netip.ParseAddr(address); err != nil || parsed.Zone() != "" {
		return Errorf(CodeInvalid, "%s is not an IP address", Quote(ShowReference(address)))
	}
	return nil
}
