package rolebroker

import (
	"fmt"
	"strings"
)

// Hint is what the reader can do next: steps, in order. An empty Hint has no advice. Each door shows the steps in its
// own way; no code parses the text of a hint.
type Hint []Step

// Step is one step of a [Hint]. Each part may be empty.
type Step struct {
	Text    string // in words, starting in lower case; it ends in a colon where a command or a policy follows
	Command string // for a shell, ready to be pasted; one command on each line
	Policy  string // JSON, ready to be pasted: a policy, or one statement of a policy
}

// Hintf makes a Hint of one step in words.
func Hintf(format string, args ...any) Hint { return TextHint(fmt.Sprintf(format, args...)) }

// TextHint makes a Hint from plain text, such as an earlier version stored or sent. Empty text makes an empty Hint.
func TextHint(text string) Hint {
	if text == "" {
		return nil
	}
	return Hint{{Text: text}}
}

// String returns the hint as plain text, with one or more lines for each step.
func (h Hint) String() string {
	texts := make([]string, len(h))
	for i, step := range h {
		texts[i] = step.String()
	}
	return strings.Join(texts, "\n")
}

// String returns the step as plain text: the words, the command, indented by two spaces if it follows words, and the
// policy.
func (s Step) String() string {
	var parts []string
	if s.Text != "" {
		parts = append(parts, s.Text)
	}
	switch {
	case s.Command != "" && s.Text != "":
		parts = append(parts, "  "+strings.ReplaceAll(s.Command, "\n", "\n  "))
	case s.Command != "":
		parts = append(parts, s.Command)
	}
	if s.Policy != "" {
		parts = append(parts, s.Policy)
	}
	return strings.Join(parts, "\n")
}
