package api

// HintStep is one step of a hint. Each part may be left out.
type HintStep struct {
	Text    string `json:"text,omitempty" doc:"In words; it ends in a colon where a command or a policy follows." example:"validate again in a while:"`
	Command string `json:"command,omitempty" doc:"For a shell, ready to be pasted; several commands are several lines." example:"rolebroker integration validate production"`
	Policy  string `json:"policy,omitempty" doc:"JSON, ready to be pasted: a policy, or one statement of a policy."`
}
