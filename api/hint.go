package api

// HintStep is one step of a hint. Each part may be left out.
type HintStep struct {
	Text    string `json:"text,omitempty" doc:"The step in words; it ends in a colon if a command or a policy follows." example:"validate again in a while:"`
	Command string `json:"command,omitempty" doc:"Commands to paste into a shell, one on each line." example:"rolebroker integration validate production"`
	Policy  string `json:"policy,omitempty" doc:"JSON to paste: a policy, or one statement of a policy."`
}
