package rolebroker

import (
	"time"
)

// Lending is what STS answered when the role was last lent: it gave credentials, or it refused.
type Lending struct {
	Refused   RefusalKind // why STS refused; empty: it gave credentials
	Message   string      // what the refusal means, one sentence without a full stop; else empty
	RequestID string      // AWS's, of the refusal; may be empty
	Agent     string      // the name of the agent that asked
	By        string      // the name of the runner that asked STS; empty: this server
	At        time.Time
	Since     time.Time // when STS began to answer so
}

// Works reports whether STS gave credentials.
func (l *Lending) Works() bool { return l.Refused == "" }

// Follow sets Since, of a lending that comes after another one of the same role; nil: it is the first.
func (l *Lending) Follow(before *Lending) {
	l.Since = l.At
	if before != nil && before.Works() == l.Works() {
		l.Since = earlierKnown(before.Since, l.At)
	}
}

// Follow sets Since, of a validation that comes after another one of the same role; nil: it is the first.
func (v *Validation) Follow(before *Validation) {
	v.Since = v.CheckedAt
	failed := func(v *Validation) bool { return v.Status == StatusFailed }
	if before != nil && before.Status.Works() == v.Status.Works() && failed(before) == failed(v) {
		v.Since = earlierKnown(before.Since, v.CheckedAt)
	}
}

// RoleState is the state of a role: what is known of it now. It is the same on every page, in the CLI and in the API.
// [Integration.StateOf] computes it from the validation and the lending of the role. The newer of the two decides
// whether the role works.
type RoleState struct {
	// Validation has CheckedAt of the newest evidence, and CheckedBy of the party that has it. Its status is
	// StatusUnknown if there is no evidence; CheckedAt is then zero.
	Validation
	From  Evidence
	Agent string    // the name of the agent that was lent the role, or refused; empty: From is a validation
	Since time.Time // since when the role works, or does not; zero: not known
}

// Evidence is what the state of a role was found out from.
type Evidence string

// The kinds of evidence.
const (
	FromNothing    Evidence = "" // nobody has asked STS for the role
	FromValidation Evidence = "validation"
	FromLoan       Evidence = "loan"    // an agent got credentials
	FromRefusal    Evidence = "refusal" // STS refused an agent
)

// The codes of states that no validation has.
const (
	StateLent     ValidationCode = "lent"      // the role was lent, and no validation says more
	StateNotTried ValidationCode = "not_tried" // nobody has asked STS for the role
)

// StateOf returns the state of a role of the integration. A validation or lending of the role as it was before its last
// change is no evidence; the store does not return it.
func (in *Integration) StateOf(r *Role) RoleState {
	v, l := r.Validation, r.Lending
	switch {
	case v == nil && l == nil:
		return RoleState{Validation: Validation{
			Status: StatusUnknown, Code: StateNotTried, Message: "nobody has tried to assume the role"}}
	case l == nil:
		return RoleState{Validation: *v, From: FromValidation, Since: v.Since}
	}
	known := v != nil && v.Status != StatusUnknown
	if known && !l.At.After(v.CheckedAt) {
		state := RoleState{Validation: *v, From: FromValidation, Since: v.Since}
		if l.agrees(v) {
			state.Since = earlierKnown(l.Since, v.Since)
		}
		return state
	}
	return in.lendingState(r, known)
}

// lendingState is the state of a role whose lending is newer than its validation. A validation that agrees says more
// than a lending does: the words are those of the validation.
func (in *Integration) lendingState(r *Role, known bool) RoleState {
	v, l := r.Validation, r.Lending
	state := RoleState{Agent: l.Agent, Since: l.Since}
	switch {
	case known && l.agrees(v):
		state.Validation, state.Since = *v, earlierKnown(l.Since, v.Since)
	case l.Works():
		state.Validation = Validation{
			Status: StatusAssumable, Code: StateLent, Message: "the role can be assumed: it was lent to " + l.Agent}
	default:
		state.Validation = Validation{Status: StatusFailed, Code: l.Refused.validationCode(), Message: l.Message,
			RequestID: l.RequestID, Hint: Hintf("find out what to change: rolebroker integration validate %s", in.Name)}
	}
	state.From = FromRefusal
	if l.Works() {
		state.From = FromLoan
	}
	state.CheckedAt, state.CheckedBy = l.At, l.By
	return state
}

// agrees reports whether the lending does not contradict a validation. That the role can be assumed without the
// external ID is no contradiction, even where that counts as a failure.
func (l *Lending) agrees(v *Validation) bool {
	works := v.Status.Works() || v.Code == ValidExternalIDOpen
	return l.Works() == works
}

// earlierKnown returns the earlier of two times, of which one may be zero.
func earlierKnown(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// validationCode is the code of a validation that ends with the refusal.
func (k RefusalKind) validationCode() ValidationCode {
	if k == RefusedDuration {
		return ValidDurationMaximum
	}
	return ValidationCode(k) // the other kinds are called as the codes
}

// IntegrationState sums up the states of the enabled roles of an integration.
type IntegrationState struct {
	Status    ValidationStatus // the worst of its roles; StatusUnknown for no enabled roles
	Roles     int              // that are enabled; the sum of the next four
	Failed    int
	Warned    int
	Unknown   int
	Assumable int
	// Newest is the state with the newest evidence; zero: there is none.
	Newest RoleState
}

// State sums up the states of the enabled roles. Disabled roles do not count: nobody is lent them.
func (in *Integration) State() IntegrationState {
	s := IntegrationState{Status: StatusUnknown}
	for i := range in.Roles {
		if !in.Roles[i].Enabled {
			continue
		}
		role := in.StateOf(&in.Roles[i])
		s.Roles++
		*s.counter(role.Status)++
		if role.CheckedAt.After(s.Newest.CheckedAt) {
			s.Newest = role
		}
	}
	for _, status := range []ValidationStatus{StatusFailed, StatusUnknown, StatusWarning, StatusAssumable} {
		if *s.counter(status) > 0 {
			s.Status = status
			break
		}
	}
	return s
}

// counter is the number of roles with a status.
func (s *IntegrationState) counter(status ValidationStatus) *int {
	switch status {
	case StatusFailed:
		return &s.Failed
	case StatusWarning:
		return &s.Warned
	case StatusAssumable:
		return &s.Assumable
	}
	return &s.Unknown
}
