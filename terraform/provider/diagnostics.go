package provider

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/rolebroker/rolebroker"
)

// report adds what the server said to the diagnostics: one for each field that
// it found wrong, at the attribute that where gives for the field's path, or one
// for the whole. The summary says what was being done.
func report(diags *diag.Diagnostics, summary string, err error, where func(field string) path.Path) {
	e := rolebroker.AsError(err)
	if e.Code == rolebroker.CodeUnauthenticated && len(e.Hint) == 0 {
		e = e.WithHint("Is ROLEBROKER_TOKEN, or token in the provider block, an API key of the server that ROLEBROKER_URL or url names? rolebroker api-key create makes one.")
	}
	if len(e.Fields) == 0 {
		diags.AddError(summary, withHint(e.Message, e.Hint))
		return
	}
	for i, f := range e.Fields {
		detail := withHint(f.Message, f.Hint)
		if i == len(e.Fields)-1 && len(e.Hint) > 0 {
			detail += "\n\n" + advice(e.Hint)
		}
		at := path.Empty()
		if where != nil && f.Path != "" {
			at = where(f.Path)
		}
		if at.Equal(path.Empty()) {
			diags.AddError(summary, strings.TrimPrefix(plain(f.Path)+": ", ": ")+detail)
		} else {
			diags.AddAttributeError(line(at), summary, sentence(plain(e.Message))+"\n\n"+plain(at.String())+": "+detail)
		}
	}
}

// line is where Terraform finds the line in a configuration for an attribute: of
// what is inside a map's entry, the entry.
func line(at path.Path) path.Path {
	for len(at.Steps()) > 2 {
		at = at.ParentPath()
	}
	return at
}

// withHint is a message as a sentence, and what to do next.
func withHint(message string, hint rolebroker.Hint) string {
	if len(hint) == 0 {
		return sentence(plain(message))
	}
	return sentence(plain(message)) + "\n\n" + advice(hint)
}

// advice is a hint as paragraphs, one for each step.
func advice(hint rolebroker.Hint) string {
	var paragraphs []string
	for _, step := range hint {
		step.Text = capital(step.Text)
		paragraphs = append(paragraphs, plain(step.String()))
	}
	return strings.Join(paragraphs, "\n\n")
}

// plain is a text of the server's, or of something between, without what a
// terminal obeys.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// quoted is a text as a configuration has it, in which nothing is a template.
func quoted(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}

// importIt is the hint for a resource that the server has already: how Terraform
// takes it over, by the ID that terraform import takes.
func importIt(resource, id string) rolebroker.Step {
	return rolebroker.Step{Text: "If it is to be kept by Terraform, with the name that the resource has in the configuration:",
		Command: "terraform import " + resource + ".NAME " + id}
}

// capital is text with a capital at its beginning, unless that is the name of
// this program.
func capital(text string) string {
	if text == "" || strings.HasPrefix(text, "rolebroker ") {
		return text
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// sentence is a message of ours, which starts in lower case and has no full
// stop, as Terraform shows it.
func sentence(message string) string {
	if message == "" {
		return "The server does not say why."
	}
	first, size := utf8.DecodeRuneInString(message)
	message = string(unicode.ToUpper(first)) + message[size:]
	if strings.HasSuffix(message, ".") || strings.HasSuffix(message, "?") || strings.Contains(message, "\n") {
		return message
	}
	return message + "."
}

// gone says whether the server answered that there is no such thing.
func gone(err error) bool { return rolebroker.CodeOf(err) == rolebroker.CodeNotFound }
