package api

import "time"

// RoleState is the state of a role: what is known of it now. The newest of its validation, the last loan and the last
// refusal decides. It changes without a new version of the integration.
type RoleState struct {
	Status    string     `json:"status" enum:"assumable,warning,failed,unknown" doc:"As in a validation. assumable and warning: the role can be borrowed. failed: it cannot. unknown: nobody has tried, or AWS gave no answer." example:"assumable"`
	Code      string     `json:"code" doc:"The outcome for programs; stable. The codes of validations, and also lent (an agent got credentials, and no validation says more) and not_tried." example:"assumable"`
	Message   string     `json:"message" doc:"The outcome in one sentence." example:"the role can be assumed, and only with the external ID of this integration"`
	Hint      string     `json:"hint" doc:"What to do; several lines, or empty."`
	HintSteps []HintStep `json:"hint_steps,omitempty" nullable:"false" doc:"The hint as separate steps; left out if only its text is known."`
	RequestID string     `json:"request_id" doc:"The AWS request ID of the answer that decided; may be empty." example:"c6104cbe-af31-11e0-8154-cbc7ccf896c7"`
	From      string     `json:"from,omitempty" enum:"validation,loan,refusal" doc:"What is newest: a validation, a loan to an agent, or the refusal of one. Left out if nobody has tried." example:"loan"`
	Agent     string     `json:"agent,omitempty" doc:"The name of the agent that got credentials or was refused; left out for a validation." example:"scout"`
	CheckedAt *time.Time `json:"checked_at,omitempty" doc:"When AWS answered that; left out if nobody has tried. It is exact to some seconds." example:"2026-03-14T09:26:53Z"`
	CheckedBy string     `json:"checked_by,omitempty" doc:"The name of the runner that asked AWS; left out: the server did." example:"eks-production"`
	Since     *time.Time `json:"since,omitempty" doc:"Since when the role can be assumed, or cannot; left out if that is not known." example:"2026-03-14T08:00:00Z"`
}

// IntegrationState sums up the states of the enabled roles of an integration.
type IntegrationState struct {
	Status    string     `json:"status" enum:"assumable,warning,failed,unknown" doc:"The worst state of the enabled roles; unknown if none is enabled." example:"failed"`
	Enabled   int64      `json:"enabled" doc:"How many roles are enabled: the sum of the next four." example:"3"`
	Assumable int64      `json:"assumable" example:"2"`
	Warning   int64      `json:"warning" example:"0"`
	Failed    int64      `json:"failed" example:"1"`
	Unknown   int64      `json:"unknown" example:"0"`
	CheckedAt *time.Time `json:"checked_at,omitempty" doc:"The newest time of the states; left out if nobody has tried a role." example:"2026-03-14T09:26:53Z"`
	CheckedBy string     `json:"checked_by,omitempty" doc:"The name of the runner that has the newest answer; left out: the server has it." example:"eks-production"`
}
