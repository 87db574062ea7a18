package web

import (
	"net/http"
	"strings"
)

// fault is what is wrong with a field, with a link to the field. The part "faults" lists them above the buttons of a
// form; the part "problem" says each once more below its field.
type fault struct{ Label, ID, Message string }

// formField is a field of a form.
type formField struct {
	Path  string // of its errors, as in "expires_at"
	Label string // what people call it
	ID    string // of its element
}

// faultsOf are the errors of a form, in the order of its fields.
func faultsOf(errors map[string]string, fields ...formField) (all []fault) {
	for _, f := range fields {
		if message := errors[f.Path]; message != "" {
			all = append(all, fault{f.Label, f.ID, message})
		}
	}
	return all
}

// atField makes a sentence of the error of a field, which names the field and says what to do. The label is as in
// "Name".
func atField(label, message string) string {
	rest, required := strings.CutPrefix(message, "is required")
	verb, _, _ := strings.Cut(message, " ")
	switch {
	case message == "":
		return ""
	case label == "":
		return sentence(message)
	case required:
		return sentence("Enter the " + inSentence(label) + strings.Replace(rest, ";", ":", 1))
	case verb == "is" || verb == "has" || verb == "must" || strings.HasPrefix(message, `"`):
		return sentence(label + " " + message)
	}
	return sentence(message)
}

// inSentence is a label within a sentence: "Name" is "name", and "ARN" stays.
func inSentence(label string) string {
	if len(label) > 1 && label[1] >= 'A' && label[1] <= 'Z' {
		return label
	}
	return strings.ToLower(label[:min(1, len(label))]) + label[min(1, len(label)):]
}

// takeOffer puts the value of a pressed button of the part "offer" into its field, and reports whether one was pressed.
// The form is then shown again, and not saved. Scripts do it without asking the server.
func takeOffer(r *http.Request) bool {
	field, value, pressed := strings.Cut(formValue(r, "use"), "=")
	if pressed {
		r.PostForm.Set(field, value)
	}
	return pressed
}
