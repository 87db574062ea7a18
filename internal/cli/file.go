package cli

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// fromFile is the flag --file of a command that creates or updates a thing.
type fromFile struct{ path string }

// flag adds the flag. It cannot be combined with the flags in instead, which set
// what the file sets.
func (f *fromFile) flag(cmd *cobra.Command, instead ...string) {
	cmd.Flags().StringVarP(&f.path, "file", "f", "", "read it from the YAML or JSON `FILE`; - is stdin")
	for _, other := range instead {
		_ = cmd.Flags().SetAnnotation(other, notWithFile, []string{"true"}) // it fails for an unknown flag only
	}
}

// notWithFile marks the flags that cannot be combined with --file.
const notWithFile = "rolebroker_not_with_file"

func (f *fromFile) given() bool { return f.path != "" }

// read decodes the file, if it was given, into request.
func (f *fromFile) read(cmd *cobra.Command, stdin io.Reader, request any) error {
	if !f.given() {
		return nil
	}
	for _, name := range changed(cmd) {
		if cmd.Flags().Lookup(name).Annotations[notWithFile] != nil {
			return usage("--%s and --file cannot be combined: the file has all settings", name)
		}
	}
	return f.decode(stdin, request)
}

// readOrFlags decodes the file, or checks that a flag changes something.
func (f *fromFile) readOrFlags(cmd *cobra.Command, stdin io.Reader, request any) error {
	if !f.given() {
		return somethingToChange(cmd)
	}
	return f.read(cmd, stdin, request)
}

// somethingToChange checks that a flag was given which changes a thing.
func somethingToChange(cmd *cobra.Command) error {
	for _, name := range changed(cmd) {
		if name != "output" && name != "utc" && name != "validate" {
			return nil
		}
	}
	return usage("there is nothing to change; give at least one flag")
}

// changed returns the names of the flags that were given.
func changed(cmd *cobra.Command) (names []string) {
	cmd.Flags().Visit(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 8 << 20

// decode reads the file into one value. It refuses, with the line, a field that
// the value does not have and one that is there twice.
func (f *fromFile) decode(stdin io.Reader, into any) error {
	name, data, err := readText(f.path, stdin)
	if err != nil {
		return err
	}
	return decodeYAML(name, data, into)
}

// readText reads the text of a file, or of stdin for the path "-", as UTF-8. The name
// is for errors.
func readText(path string, stdin io.Reader) (name string, text []byte, err error) {
	in, name := stdin, "stdin"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return path, nil, err
		}
		defer file.Close()
		in, name = file, path
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return name, nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(data) > maxFile {
		return name, nil, fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	text, ok := utf8Text(data)
	if !ok {
		return name, nil, fmt.Errorf("%s is neither UTF-8 nor UTF-16", name)
	}
	return name, text, nil
}

// utf8Text returns text in UTF-8 or UTF-16 as UTF-8, without a byte order mark. It
// tells UTF-16 by its byte order mark, or by the zero byte of the first character.
// PowerShell redirects output as UTF-16.
func utf8Text(data []byte) (text []byte, ok bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), len(data) > 1 && data[0] != 0 && data[1] == 0:
		order = binary.LittleEndian
	case bytes.HasPrefix(data, []byte("\xfe\xff")), len(data) > 1 && data[0] == 0 && data[1] != 0:
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(data, []byte("\ufeff")), utf8.Valid(data)
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	runes := utf16.Decode(units)
	ok = len(data)%2 == 0 && slices.Equal(utf16.Encode(runes), units) // half a character is lost
	return bytes.TrimPrefix([]byte(string(runes)), []byte("\ufeff")), ok
}

// decodeYAML decodes YAML or JSON, which is a part of YAML.
func decodeYAML(name string, data []byte, into any) error {
	if json.Valid(data) { // YAML allows no tabs; valid JSON has them only between values
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
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s has more than one document; it may have one", name)
	}
	return nil
}

// badYAML says in one line what is wrong, and where.
func badYAML(name string, data []byte, err error) error {
	var e yaml.Error
	if path, want := badType(data, err); want != "" {
		line := err.(yaml.Error).GetToken().Position.Line
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s, line %d: %s must be %s", name, line, path, want)
	}
	if errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "%s, line %d: %s", name, e.GetToken().Position.Line,
			e.GetMessage())
	}
	return rolebroker.Errorf(rolebroker.CodeInvalid, "%s: %s", name, yaml.FormatError(err, false, false))
}

// badType returns the path of a value that has not the type of its field, as in
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

// pathOf returns the path in the file of the innermost value at a token.
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

// finder finds the path of the innermost value at an offset.
type finder struct {
	offset int
	path   string
}

// Visit implements [ast.Visitor].
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
