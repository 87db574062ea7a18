package provider

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/rolebroker/rolebroker"
)

// report adds an error of the server to the diagnostics: one for each field that
// is wrong, at the attribute that where returns for the field's path, or one for
// the whole. The summary says what the provider was doing.
func report(diags *diag.Diagnostics, summary string, err error, where func(field string) path.Path) {
	e := rolebroker.AsError(err)
	if e.Code == rolebroker.CodeUnauthenticated && len(e.Hint) == 0 {
		e = e.WithHint("Is ROLEBROKER_TOKEN, or token in the provider block, an API key of the server that " +
			"ROLEBROKER_URL or url names? rolebroker api-key create makes one.")
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

// line is the path for which Terraform finds the line in the configuration. For
// an attribute inside an entry of a map it is the entry.
func line(at path.Path) path.Path {
	for len(at.Steps()) > 2 {
		at = at.ParentPath()
	}
	return at
}

// withHint formats a message as a sentence, followed by the hint.
func withHint(message string, hint rolebroker.Hint) string {
	if len(hint) == 0 {
		return sentence(plain(message))
	}
	return sentence(plain(message)) + "\n\n" + advice(hint)
}

// advice formats a hint as paragraphs, one for each step.
func advice(hint rolebroker.Hint) string {
	var paragraphs []string
	for _, step := range hint {
		step.Text = capital(step.Text)
		paragraphs = append(paragraphs, plain(step.String()))
	}
	return strings.Join(paragraphs, "\n\n")
}

// plain replaces the control characters in a text that the server, or a proxy
// before it, sent: a terminal would obey them.
func plain(text string) string {
	return rolebroker.Inert(text)
}

// quoted formats a string for a configuration, without templates.
func quoted(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}

// importIt says how Terraform takes over an object that the server has already.
// id is the ID that terraform import takes.
func importIt(resource, id string) rolebroker.Step {
	return rolebroker.Step{
		Text:    "To have Terraform manage it, where NAME is the name of the resource in the configuration:",
		Command: "terraform import " + resource + ".NAME " + id,
	}
}

// setting finds the command line's option for a setting of an integration, as in
// "--source-identity=false".
var setting = regexp.MustCompile(`--([a-z-]+)(?:=(\w+))?$`)

// inConfiguration writes a hint for a person who manages integrations with
// Terraform: in place of a command that changes one, which the next apply would
// undo, the line for the configuration.
func inConfiguration(hint rolebroker.Hint) rolebroker.Hint {
	var written rolebroker.Hint
	for _, step := range hint {
		changes := strings.HasPrefix(step.Command, "rolebroker integration update ")
		text := step.Text
		if changes {
			text = step.Command
		}
		found := setting.FindStringSubmatch(text)
		switch {
		case found != nil && (changes || step.Command == ""):
			step.Text = strings.TrimSpace(strings.TrimSuffix(step.Text, found[0]))
			step.Command = strings.ReplaceAll(found[1], "-", "_") + " = " + cmp.Or(found[2], "true")
		case changes:
			continue
		}
		written = append(written, step)
	}
	return written
}

// capital makes the first letter of a text a capital, unless the text begins
// with a command.
func capital(text string) string {
	if text == "" || strings.HasPrefix(text, "rolebroker ") {
		return text
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// sentence makes a message, which starts in lower case and has no full stop, a
// sentence.
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

// gone returns whether the server answered that the object does not exist.
func gone(err error) bool { return rolebroker.CodeOf(err) == rolebroker.CodeNotFound }
