package convert

import (
	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// HintSteps is a hint as the API has it beside its text; nil for a hint of one
// step in words, whose text is the whole hint.
func HintSteps(h rolebroker.Hint) []api.HintStep {
	if len(h) == 1 && h[0].String() == h[0].Text {
		return nil
	}
	var steps []api.HintStep
	for _, step := range h {
		steps = append(steps, api.HintStep(step))
	}
	return steps
}

// Hint is a hint as the API has it. An earlier version sends its text only.
func Hint(text string, steps []api.HintStep) rolebroker.Hint {
	if len(steps) == 0 {
		return rolebroker.TextHint(text)
	}
	var h rolebroker.Hint
	for _, step := range steps {
		h = append(h, rolebroker.Step(step))
	}
	return h
}
