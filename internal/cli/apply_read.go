package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// document describes an integration, an agent or an approval rule; the others are nil.
type document struct {
	file        string
	number      int // in the file, from 1
	integration *api.IntegrationRequest
	agent       *api.AgentRequest
	rule        *api.ApprovalRuleRequest
}

// The kinds of documents.
const (
	kindIntegration = "integration"
	kindAgent       = "agent"
	kindRule        = "approval-rule"
)

func (d document) kind() string {
	switch {
	case d.integration != nil:
		return kindIntegration
	case d.rule != nil:
		return kindRule
	}
	return kindAgent
}

func (d document) name() string {
	switch {
	case d.integration != nil:
		return d.integration.Name
	case d.rule != nil:
		return d.rule.Name
	}
	return d.agent.Name
}

// where is the place of a document, for an error.
func where(file string, number int) string { return fmt.Sprintf("%s, document %d", file, number) }

// readDocuments reads and checks the documents in files and directories. Its error has every mistake. Codes: invalid.
func readDocuments(paths []string, stdin io.Reader) ([]document, error) {
	files, err := filesIn(paths)
	if err != nil {
		return nil, err
	}
	var all []document
	var wrong []rolebroker.Field
	for _, path := range files {
		name, text, err := readText(path, stdin)
		if err != nil {
			return nil, err
		}
		documents, mistakes := documentsIn(name, text)
		all, wrong = append(all, documents...), append(wrong, mistakes...)
	}
	wrong = append(wrong, checkDocuments(all)...)
	switch {
	case len(wrong) > 0:
		return nil, &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the files are not valid; nothing was changed",
			Fields: wrong}
	case len(all) == 0:
		return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "there is no document in %s", strings.Join(paths, ", "))
	}
	return all, nil
}

// filesIn replaces each directory by the YAML and JSON files in it and below it. It leaves out hidden ones.
func filesIn(paths []string) (files []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case path == "-":
			files = append(files, path)
			continue
		case err != nil:
			return nil, err
		case !info.IsDir():
			files = append(files, path)
			continue
		}
		root := filepath.Clean(path) + string(filepath.Separator) // also if it is a symbolic link
		err = filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
			switch hidden := at != root && strings.HasPrefix(entry.Name(), "."); {
			case err != nil:
				return err
			case hidden && entry.IsDir():
				return fs.SkipDir
			case !hidden && !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(at)):
				files = append(files, at)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// documentsIn reads the documents in the text of a file.
func documentsIn(file string, text []byte) (documents []document, wrong []rolebroker.Field) {
	parts, err := partsOf(text)
	if err != nil {
		return nil, []rolebroker.Field{{Path: file, Message: cutFile(file, badYAML(file, text, err))}}
	}
	number := 0
	for _, part := range parts {
		nodes, err := nodesIn(part)
		if err != nil {
			wrong = append(wrong, rolebroker.Field{Path: file, Message: cutFile(file, badYAML(file, part, err))})
			continue
		}
		for _, node := range nodes {
			number++
			d := document{file: file, number: number}
			if err := d.decode(node, part); err != nil {
				wrong = append(wrong, rolebroker.Field{Path: where(file, number), Message: cutFile(file, err)})
				continue
			}
			documents = append(documents, d)
		}
	}
	return documents, wrong
}

// cutFile is the message of an error without the name of the file at its start.
func cutFile(file string, err error) string {
	message := strings.TrimPrefix(rolebroker.AsError(err).Message, file)
	return strings.TrimPrefix(strings.TrimPrefix(message, ", "), ": ")
}

// partsOf splits JSON values that follow one another. YAML is one part. Each part has empty lines in place of what is
// before it, so that the lines in errors are those of the file.
func partsOf(text []byte) (parts [][]byte, err error) {
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) == 0 || start[0] != '{' && start[0] != '[' {
		return [][]byte{text}, nil
	}
	values := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		if err := values.Decode(&value); errors.Is(err, io.EOF) {
			return parts, nil
		} else if err != nil {
			return [][]byte{text}, nil // YAML in flow style, or a mistake that its parser names better
		}
		before := bytes.Count(text[:int(values.InputOffset())-len(value)], []byte("\n"))
		value = bytes.ReplaceAll(value, []byte("\t"), []byte(" ")) // YAML allows no tabs between values
		parts = append(parts, append(bytes.Repeat([]byte("\n"), before), value...))
	}
}

// nodesIn parses the documents of a part of a file: a list is several, and so is the list in items, as integration
// list -o yaml prints it.
func nodesIn(text []byte) (nodes []*ast.MappingNode, err error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	for _, doc := range file.Docs {
		found, err := mappings(doc.Body)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, found...)
	}
	return nodes, nil
}

func mappings(node ast.Node) (all []*ast.MappingNode, err error) {
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil, nil
	case *ast.MappingValueNode: // a mapping with one field
		return mappings(ast.Mapping(n.GetToken(), false, n))
	case *ast.MappingNode:
		if len(n.Values) == 1 && keyOf(n.Values[0]) == "items" {
			return mappings(n.Values[0].Value)
		}
		return []*ast.MappingNode{n}, nil
	case *ast.SequenceNode:
		for _, item := range n.Values {
			found, err := mappings(item)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	return nil, rolebroker.Errorf(rolebroker.CodeInvalid, "line %d: a document must be fields with values",
		node.GetToken().Position.Line)
}

func keyOf(field *ast.MappingValueNode) string { return strings.Trim(field.Key.String(), `"'`) }

// decode decodes a document by its kind.
func (d *document) decode(node *ast.MappingNode, text []byte) error {
	kind, err := takeKind(node)
	if err != nil {
		return err
	}
	var into any
	switch kind {
	case kindIntegration:
		d.integration = &api.IntegrationRequest{}
		into = d.integration
	case kindRule:
		d.rule = &api.ApprovalRuleRequest{}
		into = d.rule
	default:
		d.agent = &api.AgentRequest{}
		into = d.agent
	}
	if err := yaml.NodeToValue(node, into, yaml.Strict()); err != nil {
		return badYAML(d.file, text, err)
	}
	if d.integration != nil { // what the server ignores could make the request too large
		for i := range d.integration.Roles {
			d.integration.Roles[i].Validation, d.integration.Roles[i].State = nil, nil
		}
	}
	return nil
}

// fieldsOfKind are the fields that only one kind of documents has.
func fieldsOfKind() map[string][]string {
	return map[string][]string{
		kindIntegration: {"roles", "default_role", "assumption_mode", "external_id"},
		kindAgent:       {"connections", "default_integration", "disabled", "owner"},
		kindRule:        {"max_duration", "until", "agent", "integration"},
	}
}

// takeKind removes the field kind of a document, and returns it. Without the field it returns the kind that has the
// other fields.
func takeKind(node *ast.MappingNode) (kind string, err error) {
	fields := map[string]bool{}
	for _, field := range node.Values {
		fields[keyOf(field)] = true
	}
	line := node.GetToken().Position.Line
	if i := slices.IndexFunc(node.Values, func(v *ast.MappingValueNode) bool { return keyOf(v) == "kind" }); i >= 0 {
		kind = strings.Trim(node.Values[i].Value.String(), `"'`)
		node.Values = slices.Delete(slices.Clone(node.Values), i, i+1)
		if fieldsOfKind()[kind] == nil {
			return "", rolebroker.Errorf(rolebroker.CodeInvalid, "line %d: kind is %s; it must be integration, agent or "+
				"approval-rule", line, rolebroker.Quote(kind))
		}
		return kind, nil
	}
	for of, own := range fieldsOfKind() {
		if slices.ContainsFunc(own, func(name string) bool { return fields[name] }) {
			if kind != "" {
				return "", rolebroker.Errorf(rolebroker.CodeInvalid, "line %d: it has fields of several kinds; write kind: "+
					"integration, kind: agent or kind: approval-rule", line)
			}
			kind = of
		}
	}
	if kind == "" {
		return "", rolebroker.Errorf(rolebroker.CodeInvalid, "line %d: it has no kind; write kind: integration, "+
			"kind: agent or kind: approval-rule", line)
	}
	return kind, nil
}

// checkDocuments checks what can be checked without a server, and that no two documents describe the same thing. A
// single role is the default role.
func checkDocuments(documents []document) (wrong []rolebroker.Field) {
	first := map[string]string{}
	for _, d := range documents {
		at := where(d.file, d.number)
		for _, f := range d.check() {
			f.Path = at + ", " + f.Path
			wrong = append(wrong, f)
		}
		key := d.kind() + " " + d.name()
		if before, twice := first[key]; twice && d.name() != "" {
			wrong = append(wrong, rolebroker.Field{Path: at, Message: key + " is described in " + before + " already"})
			continue
		}
		first[key] = at
	}
	return wrong
}

func (d *document) check() (wrong []rolebroker.Field) {
	var e *rolebroker.Error
	if d.agent != nil {
		agent := rolebroker.Agent{Name: d.agent.Name, Description: d.agent.Description}
		if d.agent.Connections != nil {
			for _, c := range *d.agent.Connections {
				agent.Connections = append(agent.Connections, convert.FromConnectionRequest(c))
			}
		}
		if errors.As(agent.Check(), &e) {
			wrong = e.Fields
		}
		return wrong
	}
	if d.rule != nil {
		rule, wrong := convert.FromApprovalRuleRequest(*d.rule)
		if errors.As(rule.Check(), &e) && wrong == nil {
			wrong = e.Fields
		}
		return wrong
	}
	if d.integration.DefaultRole == "" && len(d.integration.Roles) == 1 {
		d.integration.DefaultRole = d.integration.Roles[0].Name
	}
	in, wrong := convert.FromRequest(*d.integration)
	said := map[string]bool{}
	for _, f := range wrong {
		said[f.Path] = true
	}
	if errors.As(in.Check(), &e) {
		for _, f := range e.Fields {
			if !said[f.Path] {
				wrong = append(wrong, f)
			}
		}
	}
	return wrong
}
