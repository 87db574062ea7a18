package convert

import (
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// Validation is the outcome for one role as the management API answers it, with
// the time in whole seconds.
func Validation(v *rolebroker.Validation) api.Validation {
	shown := exactly(v)
	shown.CheckedAt = shown.CheckedAt.Truncate(time.Second)
	return shown
}

func exactly(v *rolebroker.Validation) api.Validation {
	return api.Validation{
		Status:    string(v.Status),
		Code:      string(v.Code),
		Message:   v.Message,
		Hint:      v.Hint.String(),
		HintSteps: HintSteps(v.Hint),
		RequestID: v.RequestID,
		CheckedAt: v.CheckedAt.UTC(),
		CheckedBy: v.CheckedBy,
	}
}

func validationOrNull(v *rolebroker.Validation) *api.Validation {
	if v == nil {
		return nil
	}
	shown := Validation(v)
	return &shown
}

// RoleValidation is the outcome for one role, with the role's name.
func RoleValidation(r *rolebroker.RoleValidation) api.RoleValidation {
	return api.RoleValidation{Name: r.Role.Name, Validation: Validation(&r.Validation)}
}

// Validations are the outcomes for the roles of an integration. externalID is
// that of a draft, else empty.
func Validations(results []rolebroker.RoleValidation, externalID string) api.Validations {
	return api.Validations{OK: rolebroker.AllWork(results), Roles: All(results, RoleValidation), ExternalID: externalID}
}

// Outcome is the outcome for one role, as a runner tells the server: with the
// exact time and the role's ID, and without the name of the runner.
func Outcome(r *rolebroker.RoleValidation) api.IdentifiedOutcome {
	sent := api.IdentifiedOutcome{Role: string(r.Role.ID), Validation: exactly(&r.Validation)}
	sent.CheckedBy = ""
	return sent
}

// FromOutcomes are the outcomes that a runner tells, by role.
func FromOutcomes(sent []api.IdentifiedOutcome) map[rolebroker.RoleID]rolebroker.Validation {
	outcomes := map[rolebroker.RoleID]rolebroker.Validation{}
	for _, o := range sent {
		outcomes[rolebroker.RoleID(o.Role)] = rolebroker.Validation{
			Status:    rolebroker.ValidationStatus(o.Status),
			Code:      rolebroker.ValidationCode(o.Code),
			Message:   o.Message,
			Hint:      Hint(o.Hint, o.HintSteps),
			RequestID: o.RequestID,
			CheckedAt: o.CheckedAt,
		}
	}
	return outcomes
}
