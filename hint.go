package rolebroker

import (
	"fmt"
	"strings"
)

// Hint is what the reader can do next: steps, in order. An empty Hint has no
// advice. Each door shows the steps in its own way; no door reads the text of a
// hint to find out what is in it.
type Hint []Step

// Step is one step of a [Hint]. Each part may be empty.
type Step struct {
	Text    string // in words, starting in lower case; it ends in a colon where a command or a policy follows
	Command string // for a shell, ready to be pasted; several commands are several lines
	Policy  string // JSON, ready to be pasted: a policy, or one statement of a policy
}

// Hintf makes a Hint of one step in words.
func Hintf(format string, args ...any) Hint { return TextHint(fmt.Sprintf(format, args...)) }

// TextHint is a Hint of which only the text is known, such as one that an
// earlier version stored or sent. No text makes an empty Hint.
func TextHint(text string) Hint {
	if text == "" {
		return nil
	}
	return Hint{{Text: text}}
}

// String is the hint as plain text, a line or several for each step.
func (h Hint) String() string {
	texts := make([]string, len(h))
	for i, step := range h {
		texts[i] = step.String()
	}
	return strings.Join(texts, "\n")
}

// String is the step as plain text: the words, then the command, two spaces in
// where it follows words, then the policy.
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
