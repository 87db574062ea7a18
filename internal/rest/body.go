package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// maxBody bounds a request body, in bytes.
const maxBody = 8 << 20

// maxItems bounds an array, because its items are larger in memory than in JSON.
// The types in api have the same bound.
const maxItems = 10_000

// body is a request body of the type T, decoded strictly. huma does not validate
// it; Resolve returns the error of decode.
type body[T any] struct {
	value T
	err   error
}

// Schema describes T.
func (body[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}

// Resolve returns the error of decode to huma.
func (b *body[T]) Resolve(huma.Context) []error {
	if b.err != nil {
		return []error{b.err}
	}
	return nil
}

func (b *body[T]) decode(data []byte) { b.err = decode(data, reflect.ValueOf(&b.value).Elem()) }

// unmarshal decodes a body for huma.
func unmarshal(data []byte, v any) error {
	if optional := reflect.ValueOf(v).Elem(); optional.Kind() == reflect.Pointer {
		optional.Set(reflect.New(optional.Type().Elem()))
		v = optional.Interface()
	}
	b, ok := v.(interface{ decode([]byte) })
	if !ok {
		return fmt.Errorf("%T is not a request body", v)
	}
	b.decode(data)
	return nil
}

// decode decodes one JSON object into a struct, and reports every wrong field with
// its path. Unlike json.Unmarshal it refuses unknown fields, fields given twice,
// names in another case and text that is not UTF-8. null means the same as leaving
// a field out.
func decode(data []byte, into reflect.Value) error {
	if err := checkSyntax(data); err != nil {
		return err
	}
	d := decoder{json: json.NewDecoder(bytes.NewReader(data)), data: data}
	d.json.UseNumber()
	tok := d.token()
	if tok != json.Delim('{') {
		return rolebroker.Errorf(rolebroker.CodeInvalid,
			"the request body is %s; a JSON object is expected", kindOf(tok))
	}
	d.object("", into)
	if len(d.wrong) > 0 {
		return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the request body is not valid",
			Fields: d.wrong}
	}
	return nil
}

// checkSyntax reports where a body is not JSON.
func checkSyntax(data []byte) error {
	invalid := func(offset int, reason string) error {
		line := 1 + bytes.Count(data[:offset], []byte("\n"))
		column := 1 + offset - (bytes.LastIndexByte(data[:offset], '\n') + 1)
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the request body is not JSON: line %d, column %d: %s", line,
			column, reason)
	}
	var raw json.RawMessage
	var syntax *json.SyntaxError
	if err := json.Unmarshal(data, &raw); errors.As(err, &syntax) {
		return invalid(max(0, int(syntax.Offset)-1), syntax.Error())
	} else if err != nil {
		return rolebroker.Errorf(rolebroker.CodeInvalid, "the request body is not JSON")
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return invalid(i, "not UTF-8")
		}
		i += size
	}
	return nil
}

// decoder reads a body that is known to be JSON, side by side with the type that
// it should have.
type decoder struct {
	json  *json.Decoder
	data  []byte // all that json reads
	wrong []rolebroker.Field
}

// token reads the next token; nil means null.
func (d *decoder) token() json.Token {
	tok, err := d.json.Token()
	if err != nil {
		panic("rest: JSON that was valid is not: " + err.Error())
	}
	return tok
}

func (d *decoder) add(path, format string, args ...any) {
	if len(d.wrong) < problem.MaxFields {
		d.wrong = append(d.wrong, rolebroker.Field{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

// full says whether the maximum of wrong fields was reached. The rest of the body
// is not read then.
func (d *decoder) full() bool { return len(d.wrong) >= problem.MaxFields }

// more says whether the object or array has more; at its end it reads the closing
// token.
func (d *decoder) more() bool {
	if d.full() {
		return false
	}
	if d.json.More() {
		return true
	}
	d.token() // the closing brace or bracket
	return false
}

// object reads the fields of a struct, after its brace.
func (d *decoder) object(path string, into reflect.Value) {
	known := fieldsOf(into.Type())
	seen := map[string]bool{}
	for d.more() {
		name := d.token().(string)
		field, ok := known.named[name]
		switch at := join(path, name); {
		case !ok:
			d.add(at, "unknown field %s; known are %s", rolebroker.Quote(name), known.names)
			d.skip(d.token())
		case seen[name]:
			d.add(at, "is given twice")
			d.skip(d.token())
		default:
			seen[name] = true
			d.value(at, into.FieldByIndex(field.Index), field.Tag.Get("example"))
		}
	}
}

// value reads a value of any type that requests have, or null. like is an example
// for the message.
func (d *decoder) value(path string, into reflect.Value, like string) {
	tok := d.token()
	if tok == nil {
		return
	}
	if into.Kind() == reflect.Pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch into.Interface().(type) {
	case time.Time:
		d.time(path, tok, into)
	case string, api.Secret:
		d.string(path, tok, into, like)
	case api.Policy:
		d.text(path, tok, into)
	case bool:
		d.bool(path, tok, into)
	case int64:
		d.number(path, tok, into)
	default:
		d.composite(path, tok, into)
	}
}

// text takes the text of an object with whatever is in it.
func (d *decoder) text(path string, tok json.Token, into reflect.Value) {
	if tok != json.Delim('{') {
		d.mismatch(path, tok, "an object", "")
		return
	}
	begin := d.json.InputOffset() - 1
	d.skip(tok)
	into.SetString(string(d.data[begin:d.json.InputOffset()]))
}

// composite reads an array of objects or of strings, an object, or strings by any names.
func (d *decoder) composite(path string, tok json.Token, into reflect.Value) {
	switch {
	case into.Kind() == reflect.Slice && tok == json.Delim('['):
		d.list(path, into)
	case into.Kind() == reflect.Slice:
		d.mismatch(path, tok, "an array", "")
	case tok == json.Delim('{') && into.Kind() == reflect.Map:
		d.strings(path, into)
	case tok == json.Delim('{'):
		d.object(path, into)
	default:
		d.mismatch(path, tok, "an object", "")
	}
}

// strings reads an object with strings of any names, after its brace.
func (d *decoder) strings(path string, into reflect.Value) {
	into.Set(reflect.MakeMap(into.Type()))
	for n := 0; d.more(); n++ {
		name := reflect.ValueOf(d.token())
		if n >= maxItems {
			d.tooMany(path, n)
			continue
		}
		value := reflect.New(into.Type().Elem()).Elem()
		at := join(path, name.String())
		if into.MapIndex(name).IsValid() {
			d.add(at, "is given twice")
		}
		d.string(at, d.token(), value, "")
		into.SetMapIndex(name, value)
	}
}

// string takes a string as it is, without NUL, which PostgreSQL refuses.
func (d *decoder) string(path string, tok json.Token, into reflect.Value, like string) {
	switch s, ok := tok.(string); {
	case !ok:
		d.mismatch(path, tok, "a string", like)
	case strings.ContainsRune(s, 0):
		d.add(path, "has a NUL character")
	default:
		into.SetString(s)
	}
}

func (d *decoder) bool(path string, tok json.Token, into reflect.Value) {
	b, ok := tok.(bool)
	if !ok {
		d.mismatch(path, tok, "true or false", "")
		return
	}
	into.SetBool(b)
}

func (d *decoder) number(path string, tok json.Token, into reflect.Value) {
	n, ok := tok.(json.Number)
	i, err := n.Int64()
	if !ok || err != nil {
		d.mismatch(path, tok, "a whole number", "")
		return
	}
	into.SetInt(i)
}

// list reads the items of an array, after its bracket. The slice for [] is not nil.
func (d *decoder) list(path string, into reflect.Value) {
	into.Set(reflect.MakeSlice(into.Type(), 0, 0))
	for i := 0; d.more(); i++ {
		if i >= maxItems {
			d.tooMany(path, i)
			continue
		}
		item := reflect.New(into.Type().Elem()).Elem()
		d.item(path+"["+strconv.Itoa(i)+"]", item)
		into.Set(reflect.Append(into, item))
	}
}

// tooMany skips item i, and reports the first that is too many.
func (d *decoder) tooMany(path string, i int) {
	if i == maxItems {
		d.add(path, "has more than %d items", maxItems)
	}
	d.skip(d.token())
}

// item reads one item, an object or a string, which unlike a field cannot be null.
func (d *decoder) item(path string, into reflect.Value) {
	tok := d.token()
	if into.Kind() == reflect.String {
		d.string(path, tok, into, "")
		return
	}
	if tok != json.Delim('{') {
		d.mismatch(path, tok, "an object", "")
		return
	}
	d.object(path, into)
}

func (d *decoder) time(path string, tok json.Token, into reflect.Value) {
	const like = "2026-03-14T09:26:53Z"
	s, ok := tok.(string)
	if !ok {
		d.mismatch(path, tok, "a time", like)
		return
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		d.add(path, "%s is not a time; RFC 3339 is expected, as in %s", rolebroker.Quote(s), like)
		return
	}
	into.Set(reflect.ValueOf(t))
}

// mismatch reports that the value beginning with tok has the wrong type, and skips
// it.
func (d *decoder) mismatch(path string, tok json.Token, expected, like string) {
	if like != "" {
		expected += ", as in " + strconv.Quote(like)
	}
	d.add(path, "is %s; expected %s", kindOf(tok), expected)
	d.skip(tok)
}

// skip skips the value that begins with tok.
func (d *decoder) skip(tok json.Token) {
	for depth := 0; !d.full(); tok = d.token() {
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return
		}
	}
}

func kindOf(tok json.Token) string {
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '[' {
			return "an array"
		}
		return "an object"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return strconv.FormatBool(tok)
	}
	return "null"
}

// join is the path of the field with this name. It quotes a name that could be
// mistaken for more than one step.
func join(path, name string) string {
	switch {
	case name == "" || strings.ContainsAny(name, ".[]\"\x00") || !utf8.ValidString(name):
		return path + "[" + rolebroker.Quote(name) + "]"
	case path == "":
		return clip(name)
	}
	return path + "." + clip(name)
}

// fields are the fields of a struct by their JSON names.
type fields struct {
	named map[string]reflect.StructField
	names string // all of them, for a message
}

// knownFields caches fieldsOf.
var knownFields sync.Map // reflect.Type → fields

func fieldsOf(t reflect.Type) fields {
	if found, ok := knownFields.Load(t); ok {
		return found.(fields)
	}
	of := fields{named: map[string]reflect.StructField{}}
	var names []string
	for f := range t.Fields() {
		of.named[jsonName(f)] = f
		names = append(names, jsonName(f))
	}
	of.names = strings.Join(names, ", ")
	knownFields.Store(t, of)
	return of
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
