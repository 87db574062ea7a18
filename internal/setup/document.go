package setup

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/rolebroker/rolebroker"
)

// maxPolicy bounds a trust policy in bytes, in any form. IAM takes 8,192 characters at
// most, but does not count white space, and the encoding for a URL makes three
// characters of some.
const maxPolicy = 64 << 10

// maxTable bounds a table, in which each line is as long as the longest one.
const maxTable = 8 * maxPolicy

// given is a trust policy that was read.
type given struct {
	*policy
	owner string // the ARN of the role that the answer to GetRole is about; empty for a document alone
	form  string // one of forms; empty for JSON and YAML
}

// read parses a trust policy: the document itself, the document encoded for a URL as
// the IAM API returns it, or the answer to GetRole with the document in it, in JSON,
// YAML, or one of forms. Codes: invalid.
func read(text string) (given, error) {
	raw, owner, err := document(text)
	if err != nil {
		return given{}, invalid(currentPolicy, "%s", err)
	}
	p, err := parse(raw)
	if err != nil {
		return given{}, invalid(currentPolicy, "is not a trust policy: %s", abridged(visible(err.Error())))
	}
	g := given{policy: p, owner: owner}
	if !json.Valid(plain(text)) {
		g.form = formOf(text)
	}
	return g, nil
}

// printPolicy is the step that prints the trust policy of a role in a form that read
// takes.
func printPolicy(role rolebroker.RoleARN) rolebroker.Step {
	return rolebroker.Step{Text: "print the trust policy as JSON:", Command: rolebroker.ShellCommand("aws", "iam",
		"get-role", "--role-name", role.Name, "--query", "Role.AssumeRolePolicyDocument", "--output", "json")}
}

// document finds the document in a text that a person pasted.
func document(text string) (raw json.RawMessage, owner string, err error) {
	if raw, err = asJSON(plain(text)); err != nil {
		return nil, "", err
	}
	for range 6 { // a list of one, Role, AssumeRolePolicyDocument, a string, the document
		if err := checkJSON(raw); err != nil {
			return nil, "", err
		}
		inner, found := unwrap(raw)
		if !found {
			return raw, owner, nil
		}
		owner = cmp.Or(owner, arnIn(raw))
		raw = inner
	}
	return nil, "", errors.New("has the policy in too many wrappings")
}

// arnIn is the element Arn of a role in the answer to GetRole; empty if raw has none.
func arnIn(raw json.RawMessage) string {
	fields, err := members(raw)
	if err != nil {
		return ""
	}
	value, _ := lookup(fields, "Arn")
	arn, _ := stringIn(value)
	return arn
}

// notes say what to check of a policy that was given for the role that is set up.
func (g given) notes(role rolebroker.RoleARN) (notes []string) {
	if g.owner != "" && g.owner != role.String() {
		notes = append(notes, fmt.Sprintf("The current policy belongs to %s, and not to %s: check that it is the right one "+
			"before you use this.", rolebroker.Quote(g.owner), role))
	}
	hasConditions := slices.ContainsFunc(g.statements, func(st statement) bool { return len(st.conditions) > 0 })
	if g.form == textForm || g.form == tableForm && hasConditions {
		notes = append(notes, fmt.Sprintf("The current policy is %s of the AWS CLI, which shows no empty lists, and no spaces "+
			"at the ends of values. If the policy may have some, print it as JSON and ask for the setup again: %s", g.form,
			printPolicy(role).Command))
	}
	return notes
}

// plain is text without a byte order mark, outer white space and URL encoding.
func plain(text string) json.RawMessage {
	text = strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	if strings.HasPrefix(text, "%") {
		if decoded, err := url.PathUnescape(text); err == nil {
			text = strings.TrimSpace(decoded)
		}
	}
	return json.RawMessage(text)
}

// asJSON is the JSON of a text that is JSON or YAML.
func asJSON(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) > maxPolicy && (len(raw) > maxTable || formOf(string(raw)) != tableForm) {
		return nil, fmt.Errorf("has %d bytes, more than any trust policy", len(raw))
	}
	err := checkJSON(raw)
	if err == nil || len(raw) == 0 || strings.ContainsRune(`{["`, rune(raw[0])) || !utf8.Valid(raw) {
		return raw, err
	}
	if read := forms[formOf(string(raw))]; read != nil {
		value, err := read(string(raw))
		if err != nil {
			return nil, err
		}
		return compact(value), nil
	}
	if isDeep(string(raw)) {
		return nil, errors.New("has YAML that is nested deeper, or has more lines, than any trust policy")
	}
	value, bad := fromYAML(raw)
	switch value.(type) {
	case object, []any:
		return compact(value), nil
	}
	if bad != nil {
		return nil, bad
	}
	return nil, err // a word is YAML too
}

// Output formats of the AWS CLI that are neither JSON nor YAML.
const tableForm, textForm = "a table", "text output"

// forms are what reads those formats.
var forms = map[string]func(string) (any, error){tableForm: fromTable, textForm: fromTextOutput}

// formOf says which of forms a text is in; empty for none.
func formOf(text string) string {
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "|"):
			return tableForm
		case isTextOutput(line):
			return textForm
		}
	}
	return ""
}

// Bounds of YAML. The parser takes time that grows with the square of the depth, and of
// the empty lines of a text. An
// answer to GetRole has lines of some 30 columns and few markers.
const (
	maxIndent   = 200 // columns
	maxMarkers  = 100 // signs of a nested value in one line
	maxLines    = 4000
	maxBrackets = 1000 // signs of a nested value in flow style; variables such as ${aws:username} have them too
)

// isDeep reports whether YAML may be nested so deep, or have so many lines, that parsing it would take long.
func isDeep(text string) bool {
	if strings.Count(text, "[")+strings.Count(text, "{") > maxBrackets || strings.Count(text, "\n") > maxLines {
		return true
	}
	for line := range strings.Lines(text) {
		markers := strings.Count(line, "- ") + strings.Count(line, "? ") + strings.Count(line, ": ")
		if len(line)-len(strings.TrimLeft(line, " ")) > maxIndent || markers > maxMarkers {
			return true
		}
	}
	return false
}

// fromYAML is the value of a YAML document, with objects in the order they have. It is
// nil if there is an error.
func fromYAML(text []byte) (value any, err error) {
	file, err := parser.ParseBytes(text, 0)
	var syntax interface {
		GetMessage() string
		GetToken() *token.Token
	}
	switch {
	case errors.As(err, &syntax) && syntax.GetToken() != nil && syntax.GetToken().Position != nil:
		return nil, fmt.Errorf("is neither JSON nor YAML: %s, at line %d", abridged(visible(syntax.GetMessage())),
			syntax.GetToken().Position.Line)
	case err != nil:
		return nil, errors.New("is neither JSON nor YAML")
	case len(file.Docs) != 1:
		return nil, fmt.Errorf("has %d YAML documents, not one", len(file.Docs))
	case file.Docs[0].Body == nil || file.Docs[0].Body.Type() == ast.CommentType:
		return nil, errors.New("is empty")
	}
	return yamlValue(file.Docs[0].Body)
}

// yamlValue is the value of a node as JSON has it. It refuses what the AWS CLI does not
// write: tags, anchors, aliases and flow style.
func yamlValue(n ast.Node) (any, error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		if n.IsFlowStyle && len(n.Values) > 0 {
			break // the parser takes {a:b: c} for {a: "b: c"}
		}
		return yamlObject(n.Values)
	case *ast.MappingValueNode:
		return yamlObject([]*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		if n.IsFlowStyle && len(n.Values) > 0 {
			break
		}
		list := []any{}
		for _, one := range n.Values {
			value, err := yamlValue(one)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode:
		return n.Value, nil
	case *ast.NullNode:
		return nil, nil
	case *ast.IntegerNode, *ast.FloatNode:
		if number := n.GetToken().Value; json.Valid([]byte(number)) {
			return json.Number(number), nil
		}
	}
	return nil, unusual(n)
}

func unusual(n ast.Node) error {
	return fmt.Errorf("has YAML that the AWS CLI does not write, at line %d", n.GetToken().Position.Line)
}

func yamlObject(fields []*ast.MappingValueNode) (any, error) {
	o := object{}
	for _, f := range fields {
		key, ok := f.Key.(*ast.StringNode)
		if !ok {
			return nil, unusual(f.Key)
		}
		value, err := yamlValue(f.Value)
		if err != nil {
			return nil, err
		}
		o = append(o, member{key.Value, value})
	}
	return o, nil
}

// unwrap is the value inside raw if raw only wraps another value: a JSON string, a list
// of one, or an element of the answer to GetRole.
func unwrap(raw json.RawMessage) (inner json.RawMessage, found bool) {
	if s, ok := stringIn(raw); ok {
		return plain(s), true
	}
	if list := elements(raw); len(list) == 1 && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		return list[0], true
	}
	fields, err := members(raw)
	if err != nil {
		return nil, false
	}
	for _, name := range []string{"Role", "AssumeRolePolicyDocument"} {
		if value, ok := lookup(fields, name); ok {
			return value, true
		}
	}
	return nil, false
}

// checkJSON says where raw stops being JSON.
func checkJSON(raw []byte) error {
	var whole json.RawMessage
	err := json.Unmarshal(raw, &whole)
	var syntax *json.SyntaxError
	switch {
	case err == nil && !utf8.Valid(raw):
		return errors.New("is not UTF-8")
	case err == nil:
		return nil
	case len(raw) == 0:
		return errors.New("is empty")
	case errors.As(err, &syntax):
		before := raw[:min(max(int(syntax.Offset)-1, 0), len(raw))]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
		return fmt.Errorf("is not JSON: %s, at line %d, column %d", syntax, line, column)
	}
	return fmt.Errorf("is not JSON: %s", err)
}
