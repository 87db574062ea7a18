package api

import "time"

// Validation is what AWS answered when a role was last tried, and why.
type Validation struct {
	Status    string     `json:"status" enum:"assumable,warning,failed,unknown" doc:"assumable: it can be assumed, and only with our external ID. warning: it can be, and something should be changed. failed: it cannot. unknown: that could not be found out." example:"assumable"`
	Code      string     `json:"code" doc:"What AWS's answers mean, for programs; stable." example:"assumable"`
	Message   string     `json:"message" doc:"The same in one sentence." example:"the role can be assumed, and only with the external ID of this integration"`
	Hint      string     `json:"hint" doc:"What to do, with the very statement, command or setting to change; several lines, or empty."`
	HintSteps []HintStep `json:"hint_steps,omitempty" nullable:"false" doc:"The steps of the hint, apart; left out where only its text is known."`
	RequestID string     `json:"request_id" doc:"AWS's, of the answer that decided; may be empty." example:"c6104cbe-af31-11e0-8154-cbc7ccf896c7"`
	CheckedAt time.Time  `json:"checked_at" example:"2026-03-14T09:26:53Z"`
	CheckedBy string     `json:"checked_by,omitempty" doc:"The name of the runner that tried; left out: this deployment did." example:"eks-production"`
}

// RoleValidation is the outcome for one role.
type RoleValidation struct {
	Name string `json:"name" doc:"The role's; of a draft it may be empty." example:"readonly"`
	Validation
}

// Validations is the outcome for every role of an integration.
type Validations struct {
	OK    bool             `json:"ok" doc:"Every role can be assumed, if some with a warning."`
	Roles []RoleValidation `json:"roles" nullable:"false" doc:"In the order of the integration's roles."`

	ExternalID string `json:"external_id,omitempty" doc:"Of a draft: the external ID that its roles were tried with, reserved for it if it had none."`
}

// ValidationsType is the media type in which a validation tells each role's
// outcome as soon as it is known: a [ValidationLine] on each line.
const ValidationsType = "application/x-ndjson"

// ValidationLine is one line of a validation that is told as it goes.
type ValidationLine struct {
	Index  int             `json:"index" doc:"Of the role among the integration's, from 0."`
	Role   *RoleValidation `json:"role,omitempty" doc:"Its outcome."`
	Result *Validations    `json:"result,omitempty" doc:"In the last line: all of it."`
	Error  *BrokenOff      `json:"error,omitempty" doc:"In the last line, instead, when it went wrong."`
}

// BrokenOff is why a validation that had begun did not come to its end.
type BrokenOff struct {
	Code   string `json:"code" doc:"As in a problem document." example:"unavailable"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// What creating and updating an integration do about its roles.
const (
	ValidateRequire = "require" // nothing is saved unless every role can be assumed
	ValidateWarn    = "warn"    // it is saved, and the answer says what is wrong; the default
	ValidateSkip    = "skip"    // nothing is tried
)

// RunnerValidations are the outcomes of trying the roles of an integration that
// names the runner.
type RunnerValidations struct {
	Version     int64               `json:"version"` // of the integration that was tried
	Validations []IdentifiedOutcome `json:"validations"`
}

// IdentifiedOutcome is the outcome for one role.
type IdentifiedOutcome struct {
	Role string `json:"role"` // ID
	Validation
}
