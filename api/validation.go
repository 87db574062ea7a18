package api

import (
	"encoding/json"
	"time"
)

// Validation is the outcome of trying to assume a role.
type Validation struct {
	Status    string     `json:"status" enum:"assumable,warning,failed,unknown" doc:"assumable: the role can be assumed, and only with the external ID of the integration. warning: it can be assumed, but something should be changed. failed: it cannot be assumed. unknown: the validation could not decide." example:"assumable"`
	Code      string     `json:"code" doc:"The outcome for programs; stable." example:"assumable"`
	Message   string     `json:"message" doc:"The outcome in one sentence." example:"the role can be assumed, and only with the external ID of this integration"`
	Hint      string     `json:"hint" doc:"What to do, with the statement, command or setting to change; several lines, or empty."`
	HintSteps []HintStep `json:"hint_steps,omitempty" nullable:"false" doc:"The hint as separate steps; left out if only its text is known."`
	RequestID string     `json:"request_id" doc:"The AWS request ID of the answer that decided; may be empty." example:"c6104cbe-af31-11e0-8154-cbc7ccf896c7"`
	CheckedAt time.Time  `json:"checked_at" example:"2026-03-14T09:26:53Z"`
	CheckedBy string     `json:"checked_by,omitempty" doc:"The name of the runner that validated; left out: the server did." example:"eks-production"`
}

// RoleValidation is the outcome for one role.
type RoleValidation struct {
	Name     string `json:"name" doc:"The name of the role; may be empty in a draft." example:"readonly"`
	Disabled bool   `json:"disabled,omitempty" doc:"The role is disabled: nobody can borrow it, and ok does not depend on it. Left out if it is enabled."`
	Validation
}

// Validations is the outcome for every role of an integration.
type Validations struct {
	OK    bool             `json:"ok" doc:"Every enabled role can be assumed, with or without a warning. False if no role is enabled."`
	Roles []RoleValidation `json:"roles" nullable:"false" doc:"The outcomes, in the order of the integration's roles."`

	ExternalID string `json:"external_id,omitempty" doc:"For a draft: the external ID that its roles were validated with, reserved for it if it had none."`
}

// ValidationsType is the media type of an answer with a [ValidationLine] on each
// line, as soon as the outcome is known.
const ValidationsType = "application/x-ndjson"

// ValidationLine is one line of such an answer. An empty line is a heartbeat.
type ValidationLine struct {
	Index  int             `json:"index" doc:"The index of the role in the integration, from 0."`
	Role   *RoleValidation `json:"role,omitempty" doc:"The outcome for the role."`
	Again  *RoleValidation `json:"again,omitempty" doc:"Instead of an outcome: AWS denies the role so far, and it is tried again, as a new role is. Its outcome follows."`
	Result *Validations    `json:"result,omitempty" doc:"In the last line: all outcomes."`
	Error  *BrokenOff      `json:"error,omitempty" doc:"In the last line, instead of a result: why the validation ended."`
}

// BrokenOff is the error that ended a validation after its first outcome.
type BrokenOff struct {
	Code   string `json:"code" doc:"The code, as in a problem document." example:"unavailable"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// How creating and updating an integration validate its roles.
const (
	ValidateRequire = "require" // save only if every enabled role can be assumed
	ValidateWarn    = "warn"    // save, and answer with the outcomes; the default
	ValidateSkip    = "skip"    // do not validate
)

// RunnerValidations are the outcomes of trying the roles of an integration that
// names the runner.
type RunnerValidations struct {
	Version     int64               `json:"version"` // of the integration that was tried
	Validations []IdentifiedOutcome `json:"validations"`
}

// ValidationRequest asks a runner to try the roles of an integration, which may be a
// draft.
type ValidationRequest struct {
	ID          string      `json:"id"`
	Integration Integration `json:"integration"`
	Tried
	Wait string `json:"wait"` // how long to try a denied role again, as in "30s"
}

// RunnerIntegration is an integration whose roles a runner tries.
type RunnerIntegration struct {
	Integration
	Tried
}

// UnmarshalJSON reads all fields: the integration alone has a method that reads its own.
func (in *RunnerIntegration) UnmarshalJSON(data []byte) error {
	if err := in.Integration.UnmarshalJSON(data); err != nil {
		return err
	}
	return json.Unmarshal(data, &in.Tried)
}

// Tried is what a runner tries beside the call that it makes for every role: a denied role in the names of agents, and
// the session policies of connections. An earlier version of the server tells nothing.
type Tried struct {
	Agents    []string      `json:"tried_agents,omitempty"`
	Connected bool          `json:"tried_agents_connected,omitempty"` // they can borrow from the integration
	Policies  []TriedPolicy `json:"tried_policies,omitempty"`
}

// TriedPolicy is a session policy that some connections of the integration have.
type TriedPolicy struct {
	Access        string   `json:"access"`
	SessionPolicy string   `json:"session_policy,omitempty"`
	Ends          bool     `json:"ends,omitempty"`  // the end of an approval is in it too
	Roles         []string `json:"roles,omitempty"` // IDs; left out: all
	Agents        []string `json:"agents"`
	Count         int      `json:"count"` // how many agents have it
}

// ValidationAnswer is what a runner found out of what it was asked to try. It may send
// several.
type ValidationAnswer struct {
	Validations []IdentifiedOutcome `json:"validations"`
	Finished    bool                `json:"finished,omitempty"` // this is the last one
}

// IdentifiedOutcome is the outcome for one role.
type IdentifiedOutcome struct {
	Role string `json:"role"` // ID
	// Validation has no hint: the server writes message and hint from Finding. An
	// earlier version of the runner sends both, and no Finding.
	Validation
	Finding *Finding `json:"finding,omitempty"`
}

// Finding is the facts from which a server writes the message and the hint of a
// validation by a runner.
type Finding struct {
	Method           string          `json:"method,omitempty"`
	Account          *ServiceAccount `json:"account,omitempty"`
	IdentityAccount  string          `json:"identity_account,omitempty"`
	IdentityARN      string          `json:"identity_arn,omitempty"`
	Probe            string          `json:"probe,omitempty"`
	Unclear          bool            `json:"unclear,omitempty"`
	NoTags           bool            `json:"no_tags,omitempty"`
	NoSourceIdentity bool            `json:"no_source_identity,omitempty"`
	Inherited        bool            `json:"inherited,omitempty"`
	OwnSide          string          `json:"own_side,omitempty"`
	SessionName      string          `json:"session_name,omitempty"`
	RefusedAgent     string          `json:"refused_agent,omitempty"`
	TooLarge         []string        `json:"too_large,omitempty"` // agents whose session policy is too large
	Refusal          *STSRefusal     `json:"refusal,omitempty"`
}

// STSRefusal is what AWS answered, and how the runner understood it.
type STSRefusal struct {
	Kind      string `json:"kind"`
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	DeniedBy  string `json:"denied_by,omitempty"`
	Chained   bool   `json:"chained,omitempty"`
	Action    string `json:"action,omitempty"`
	Lack      string `json:"lack,omitempty"`
}
