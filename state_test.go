package rolebroker_test

import (
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// at is a time of the tests of states, in minutes.
func at(minute int) time.Time { return time.Date(2026, 3, 14, 9, minute, 0, 0, time.UTC) }

func TestTheNewestEvidenceIsTheStateOfARole(t *testing.T) {
	type status = rolebroker.ValidationStatus
	validated := func(minute int, is status, code rolebroker.ValidationCode) *rolebroker.Validation {
		return &rolebroker.Validation{Status: is, Code: code, Message: "as validated", CheckedAt: at(minute),
			Since: at(minute)}
	}
	works := func(minute int) *rolebroker.Validation {
		return validated(minute, rolebroker.StatusAssumable, rolebroker.ValidAssumable)
	}
	fails := func(minute int) *rolebroker.Validation {
		return validated(minute, rolebroker.StatusFailed, rolebroker.ValidTrustDenied)
	}
	lent := func(minute int) *rolebroker.Lending {
		return &rolebroker.Lending{Agent: "scout", At: at(minute), Since: at(minute)}
	}
	refused := func(minute int) *rolebroker.Lending {
		return &rolebroker.Lending{Refused: rolebroker.RefusedDenied, Message: "as refused", Agent: "scout",
			At: at(minute), Since: at(minute)}
	}
	const nothing = -1
	for name, c := range map[string]struct {
		validation *rolebroker.Validation
		lending    *rolebroker.Lending
		status     status
		code       rolebroker.ValidationCode
		from       rolebroker.Evidence
		at, since  int
	}{
		"nobody tried": {nil, nil, rolebroker.StatusUnknown, rolebroker.StateNotTried, rolebroker.FromNothing,
			nothing, nothing},
		"validated only": {works(1), nil, rolebroker.StatusAssumable, rolebroker.ValidAssumable,
			rolebroker.FromValidation, 1, 1},
		"lent only": {nil, lent(2), rolebroker.StatusAssumable, rolebroker.StateLent, rolebroker.FromLoan, 2, 2},
		"refused after it worked": {works(1), refused(2), rolebroker.StatusFailed, rolebroker.ValidDenied,
			rolebroker.FromRefusal, 2, 2},
		"repaired after a refusal": {works(3), refused(2), rolebroker.StatusAssumable, rolebroker.ValidAssumable,
			rolebroker.FromValidation, 3, 3},
		"lent after it failed": {fails(1), lent(2), rolebroker.StatusAssumable, rolebroker.StateLent,
			rolebroker.FromLoan, 2, 2},
		"failed after it was lent": {fails(3), lent(2), rolebroker.StatusFailed, rolebroker.ValidTrustDenied,
			rolebroker.FromValidation, 3, 3},
		"refused again: the validation knows why": {fails(3), refused(4), rolebroker.StatusFailed,
			rolebroker.ValidTrustDenied, rolebroker.FromRefusal, 4, 3},
		"validated because it was refused": {fails(3), refused(2), rolebroker.StatusFailed,
			rolebroker.ValidTrustDenied, rolebroker.FromValidation, 3, 2},
		"lent with a warning": {validated(1, rolebroker.StatusWarning, rolebroker.ValidExternalIDOpen), lent(2),
			rolebroker.StatusWarning, rolebroker.ValidExternalIDOpen, rolebroker.FromLoan, 2, 1},
		"lent although the server requires an external ID": {
			validated(1, rolebroker.StatusFailed, rolebroker.ValidExternalIDOpen), lent(2),
			rolebroker.StatusFailed, rolebroker.ValidExternalIDOpen, rolebroker.FromLoan, 2, 1},
		"refused, and open before": {validated(1, rolebroker.StatusFailed, rolebroker.ValidExternalIDOpen), refused(2),
			rolebroker.StatusFailed, rolebroker.ValidDenied, rolebroker.FromRefusal, 2, 2},
		"lent while a validation got no answer": {
			validated(3, rolebroker.StatusUnknown, rolebroker.ValidUnreachable), lent(2),
			rolebroker.StatusAssumable, rolebroker.StateLent, rolebroker.FromLoan, 2, 2},
	} {
		role := rolebroker.Role{Name: "readonly", Enabled: true, Validation: c.validation, Lending: c.lending}
		in := &rolebroker.Integration{Name: "production", Roles: []rolebroker.Role{role}}
		got := in.StateOf(&in.Roles[0])
		if got.Status != c.status || got.Code != c.code || got.From != c.from {
			t.Errorf("%s: the state is %s (%s) from %q", name, got.Status, got.Code, got.From)
		}
		if c.at == nothing {
			if !got.CheckedAt.IsZero() || !got.Since.IsZero() {
				t.Errorf("%s: it has a time: %s", name, got.CheckedAt)
			}
			continue
		}
		if !got.CheckedAt.Equal(at(c.at)) || !got.Since.Equal(at(c.since)) {
			t.Errorf("%s: it is of %s, since %s", name, got.CheckedAt, got.Since)
		}
		if got.Message == "" {
			t.Errorf("%s: it has no message", name)
		}
	}
}

func TestOnlyEnabledRolesCountInTheStateOfAnIntegration(t *testing.T) {
	role := func(status rolebroker.ValidationStatus, minute int, enabled bool) rolebroker.Role {
		return rolebroker.Role{Enabled: enabled,
			Validation: &rolebroker.Validation{Status: status, CheckedAt: at(minute)}}
	}
	in := &rolebroker.Integration{Roles: []rolebroker.Role{
		role(rolebroker.StatusAssumable, 1, true), role(rolebroker.StatusFailed, 5, false),
		role(rolebroker.StatusWarning, 2, true)}}
	got := in.State()
	if got.Status != rolebroker.StatusWarning || got.Roles != 2 || got.Failed != 0 || got.Assumable != 1 ||
		got.Warned != 1 || !got.Newest.CheckedAt.Equal(at(2)) {
		t.Errorf("a disabled role that failed counts: %+v", got)
	}
	in.Roles[1].Enabled = true
	if got := in.State(); got.Status != rolebroker.StatusFailed || got.Failed != 1 || got.Roles != 3 {
		t.Errorf("an enabled role that failed does not count: %+v", got)
	}
	in.Roles = append(in.Roles[:1], rolebroker.Role{Enabled: true})
	if got := in.State(); got.Status != rolebroker.StatusUnknown || got.Unknown != 1 {
		t.Errorf("a role that nobody tried does not count: %+v", got)
	}
	if got := (&rolebroker.Integration{}).State(); got.Status != rolebroker.StatusUnknown || got.Roles != 0 {
		t.Errorf("no roles have the state %+v", got)
	}
}
