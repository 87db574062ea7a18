package broker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// EndSession ends a session: nobody is given its credentials again, and the next request starts a new session if it
// is still permitted. The credentials stay valid in AWS until they expire. Ending it again changes nothing. The CutOff
// has the policy that ends them there too; with apply, the server puts it on the role, where AWS lets it. Codes: denied,
// not_found, conflict (its credentials have expired, or it never had any).
func (b *Broker) EndSession(
	ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID, apply bool,
) (*rolebroker.Session, *rolebroker.CutOff, error) {
	const action = rolebroker.ActionSessionEnd
	subject := rolebroker.Named(rolebroker.KindSession, string(id))
	if err := b.May(ctx, who, action, subject); err != nil {
		return nil, nil, err
	}
	session, err := b.store.Session(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if session.EndedAt.IsZero() {
		if session, err = b.endSession(ctx, who, session); err != nil {
			return nil, nil, err
		}
	}
	cut, err := b.sessionCutOff(ctx, session)
	if err != nil {
		return nil, nil, err
	}
	if apply {
		b.apply(ctx, who, cut)
	}
	b.tell(cut)
	return session, cut, nil
}

// EndedSession returns a session that was ended, with what is still open now. It changes nothing. Codes: denied,
// not_found, conflict (nobody ended it).
func (b *Broker) EndedSession(
	ctx context.Context, who rolebroker.Caller, id rolebroker.SessionID,
) (*rolebroker.Session, *rolebroker.CutOff, error) {
	const action = rolebroker.ActionSessionGetCutOff
	if err := b.May(ctx, who, action, rolebroker.Named(rolebroker.KindSession, string(id))); err != nil {
		return nil, nil, err
	}
	session, err := b.store.Session(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if session.EndedAt.IsZero() {
		return nil, nil, rolebroker.Errorf(rolebroker.CodeConflict, "session %s was not ended", id).
			WithHint("end it: rolebroker session end %s", id)
	}
	cut, err := b.sessionCutOff(ctx, session)
	if err != nil {
		return nil, nil, err
	}
	b.tell(cut)
	return session, cut, nil
}

// endSession ends a session that nobody has ended yet.
func (b *Broker) endSession(
	ctx context.Context, who rolebroker.Caller, session *rolebroker.Session,
) (*rolebroker.Session, error) {
	if err := canEnd(session, b.now()); err != nil {
		return nil, err
	}
	agent := rolebroker.Subject{Kind: rolebroker.KindAgent, ID: string(session.Agent), Name: session.AgentName}
	event := b.event(who, rolebroker.ActionSessionEnd, nil, nil, session.Subject(), agent)
	ending := rolebroker.Ending{Session: session.ID, At: b.now(), By: who.Name}
	ended, err := b.store.EndSessions(ctx, ending, event)
	if err != nil {
		return nil, err
	}
	event.After = ended.Facts()
	b.logEvent(ctx, &event)
	return b.store.Session(ctx, session.ID)
}

// canEnd returns nil if a session has credentials that may work. Codes: conflict.
func canEnd(s *rolebroker.Session, now time.Time) error {
	const see = "rolebroker session list --live --agent %s"
	switch {
	case s.State == rolebroker.SessionFailed:
		return rolebroker.Errorf(rolebroker.CodeConflict, "session %s has no credentials: AWS refused them", s.ID).
			WithHint(see, s.Agent)
	case !s.Live(now):
		return rolebroker.Errorf(rolebroker.CodeConflict, "the credentials of session %s expired at %s", s.ID,
			s.ExpiresAt.UTC().Format(time.RFC3339)).WithHint(see, s.Agent)
	}
	return nil
}

// EndSessions ends all sessions of an agent, all sessions for a role, or, if both are given, those of the agent for the
// role. agent is a name or an ID. role is a role reference or an ID; an ARN means the role in every integration that
// has it. Codes: denied, not_found, invalid (both are empty, or the role is ambiguous).
func (b *Broker) EndSessions(
	ctx context.Context, who rolebroker.Caller, agent, role string,
) (rolebroker.Ended, error) {
	const action = rolebroker.ActionSessionEnd
	var subjects []rolebroker.Subject
	if agent != "" {
		subjects = append(subjects, rolebroker.Named(rolebroker.KindAgent, agent))
	}
	if role != "" {
		subjects = append(subjects, rolebroker.Named(rolebroker.KindRole, role))
	}
	if err := b.May(ctx, who, action, subjects...); err != nil {
		return rolebroker.Ended{}, err
	}
	ending, subjects, err := b.selected(ctx, agent, role)
	if err != nil {
		return rolebroker.Ended{}, err
	}
	ending.At, ending.By = b.now(), who.Name
	event := b.event(who, action, nil, nil, subjects...)
	ended, err := b.store.EndSessions(ctx, ending, event)
	if err != nil {
		return rolebroker.Ended{}, err
	}
	event.After = ended.Facts()
	b.logEvent(ctx, &event)
	return ended, nil
}

// selected returns the ending of an agent's sessions for a role, without its time, and what it concerns.
func (b *Broker) selected(ctx context.Context, agent, role string) (
	ending rolebroker.Ending, subjects []rolebroker.Subject, err error) {
	if agent == "" && role == "" {
		return ending, nil, invalid("the request", "agent", "or role is required: whose sessions to end")
	}
	var borrower *rolebroker.Agent // nil: every agent
	if agent != "" {
		if borrower, err = b.store.Agent(ctx, agent); err != nil {
			return ending, nil, withList(err, "agent")
		}
		ending.Agent, subjects = borrower.ID, append(subjects, borrower.Subject())
	}
	if role != "" {
		if ending.Roles, err = b.rolesToEnd(ctx, borrower, role); err != nil {
			return ending, nil, err
		}
	}
	for _, r := range ending.Roles {
		subjects = append(subjects, r.Subject())
	}
	return ending, subjects, nil
}

// rolesToEnd returns the roles that a reference names. If several integrations have a role of that name, and the agent
// is connected to only one of them, the name means the role there. borrower is nil for every agent. Codes: not_found,
// invalid (ambiguous).
func (b *Broker) rolesToEnd(
	ctx context.Context, borrower *rolebroker.Agent, reference string,
) ([]rolebroker.EndedRole, error) {
	found, err := b.rolesCalled(ctx, reference)
	if err != nil || len(found) == 1 || isRoleARN(reference) {
		return found, err
	}
	if borrower != nil {
		connected := slices.DeleteFunc(slices.Clone(found), func(r rolebroker.EndedRole) bool {
			return !borrower.Connected(r.Integration)
		})
		if len(connected) == 1 {
			return connected, nil
		}
	}
	return nil, ambiguousRole(reference, found)
}

// rolesCalled returns every role that a reference can mean: an ID, an ARN, a name, or integration/role, as messages
// and tables show it. It returns at least one. Codes: not_found.
func (b *Broker) rolesCalled(ctx context.Context, reference string) ([]rolebroker.EndedRole, error) {
	if integration, role, qualified := strings.Cut(reference, "/"); qualified && !isRoleARN(reference) {
		in, err := b.store.Integration(ctx, integration)
		if err != nil {
			return nil, withList(err, "integration")
		}
		if r := in.Role(role); r != nil {
			return []rolebroker.EndedRole{{Integration: in.ID, Role: r.ID, Reference: in.Name + "/" + r.Name}}, nil
		}
		return nil, noSuchRole(reference)
	}
	found, err := b.store.RolesNamed(ctx, reference)
	if err == nil && len(found) == 0 {
		err = noSuchRole(reference)
	}
	return found, err
}

func isRoleARN(reference string) bool {
	_, err := rolebroker.ParseRoleARN(reference)
	return err == nil
}

// withList adds a hint to an error with CodeNotFound: the command that lists what there is.
func withList(err error, kind string) error {
	return withHint(err, "rolebroker "+kind+" list shows what there is")
}

// withHint adds a hint to an error with CodeNotFound.
func withHint(err error, hint string) error {
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		return err
	}
	return rolebroker.AsError(err).WithHint("%s", hint)
}

func noSuchRole(reference string) error {
	return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no role %s", rolebroker.Quote(reference)).
		WithHint("name it as in production/deployer, or by its ARN; rolebroker integration list shows the integrations")
}

// maxCandidates bounds the roles in a message.
const maxCandidates = 20

func ambiguousRole(reference string, found []rolebroker.EndedRole) error {
	var candidates []string
	for _, r := range found[:min(len(found), maxCandidates)] {
		candidates = append(candidates, r.Reference)
	}
	if len(found) > maxCandidates {
		candidates = append(candidates, "…")
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "role %s is ambiguous; it could be %s",
		rolebroker.Quote(reference), strings.Join(candidates, ", ")).WithHint("name one of them")
}
