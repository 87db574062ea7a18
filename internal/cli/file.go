package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// fromFile is the flag -f of a command that creates or updates.
type fromFile struct{ path string }

func (f *fromFile) flag(cmd *cobra.Command, instead []string) {
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "read everything from a YAML or JSON `file`; - is stdin")
	for _, other := range instead {
		_ = cmd.Flags().SetAnnotation(other, notWithFile, []string{"true"})
	}
}

// notWithFile marks the flags that say what the file says.
const notWithFile = "rolebroker_not_with_file"

// alone checks that no flag says what the file says.
func (f *fromFile) alone(cmd *cobra.Command) error {
	if f.path == "" {
		return nil
	}
	for _, name := range changed(cmd) {
		if cmd.Flags().Lookup(name).Annotations[notWithFile] != nil {
			return usage("--%s and --file cannot both be given: the file says everything", name)
		}
	}
	return nil
}

// changed are the names of the flags that were given.
func changed(cmd *cobra.Command) (names []string) {
	cmd.Flags().Visit(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// maxFile bounds what is read, in bytes.
const maxFile = 8 << 20

// decode reads the file into one value. A field that it does not have, or has
// twice, is refused with its line.
func (f *fromFile) decode(stdin io.Reader, into any) error {
	in, name := stdin, "stdin"
	if f.path != "-" {
		file, err := os.Open(f.path)
		if err != nil {
			return err
		}
		defer file.Close()
		in, name = file, f.path
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > maxFile {
		return fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	return decodeYAML(name, data, into)
}

// decodeYAML decodes YAML, of which JSON is a part.
func decodeYAML(name string, data []byte, into any) error {
	if json.Valid(data) { // YAML has no tabs; in JSON they are only ever between values
		data = bytes.ReplaceAll(data, []byte("\t"), []byte(" "))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	switch err := decoder.Decode(into); {
	case errors.Is(err, io.EOF):
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s is empty", name)
	case err != nil:
		return badYAML(name, data, err)
	}
	var more any
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s has more than one document; write one thing per file", name)
	}
	return nil
}

// badYAML says where and what is wrong, in one line.
func badYAML(name string, data []byte, err error) error {
	var e yaml.Error
	if path, want := badType(data, err); want != "" {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s, line %d: %s must be %s", name, err.(yaml.Error).GetToken().Position.Line, path, want)
	}
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s, line %d: %s", name, e.GetToken().Position.Line, e.GetMessage())
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "%s: %s", name, yaml.FormatError(err, false, false))
}

// badType is where a value has another type than the field it is for, as in
// roles[0].enabled, and what the field takes; "" for any other error.
func badType(data []byte, err error) (path, want string) {
	switch e := err.(type) {
	case *yaml.TypeError:
		return pathOf(data, e.Token), typeInWords(e.DstType)
	case *yaml.OverflowError:
		return pathOf(data, e.Token), typeInWords(e.DstType)
	case *yaml.UnexpectedNodeTypeError:
		return pathOf(data, e.Token), nodeInWords(e.Expected)
	}
	return "", ""
}

// pathOf is the place in the file of the innermost value that has the token.
func pathOf(data []byte, at *token.Token) string {
	file, err := parser.ParseBytes(data, 0)
	if err != nil || at == nil || at.Position == nil {
		return "it"
	}
	found := &finder{offset: at.Position.Offset, path: "it"}
	for _, doc := range file.Docs {
		ast.Walk(found, doc.Body)
	}
	return found.path
}

// finder looks for the value at an offset in a file.
type finder struct {
	offset int
	path   string
}

// Visit is for [ast.Walk].
func (f *finder) Visit(node ast.Node) ast.Visitor {
	path := strings.TrimPrefix(strings.TrimPrefix(node.GetPath(), "$"), ".")
	if t := node.GetToken(); t != nil && t.Position.Offset == f.offset && path != "" {
		f.path = path
	}
	return f
}

func typeInWords(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "a time, as in 2026-03-14T09:26:53Z"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "fields with values"
	case t.ConvertibleTo(reflect.TypeFor[float64]()):
		return "a number"
	}
	return "something else"
}

func nodeInWords(t ast.NodeType) string {
	switch t {
	case ast.BoolType:
		return "true or false"
	case ast.StringType:
		return "text"
	case ast.SequenceType:
		return "a list"
	case ast.MappingType:
		return "fields with values"
	case ast.IntegerType, ast.FloatType:
		return "a number"
	}
	return "something else"
}
