package config

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"

	"github.com/rolebroker/rolebroker"
)

// Outside is where Load reads settings from, besides flags.
type Outside struct {
	Getenv   func(name string) string // "" for a variable that is not set
	ReadFile func(path string) ([]byte, error)
}

// OS returns the environment and the files of this process. It refuses a file of
// more than 64 KiB, because the time to parse grows with the square of the nesting.
func OS() Outside { return Outside{Getenv: os.Getenv, ReadFile: readFile} }

// maxFile is the largest file that is read, in bytes.
const maxFile = 64 << 10

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d KiB", path, maxFile>>10)
	}
	return data, err
}

const (
	configFlag = "config"
	adminKey   = "ROLEBROKER_ADMIN_KEY"

	databasePassword = "ROLEBROKER_DATABASE_PASSWORD"
)

// EnvName returns the environment variable of a flag: ROLEBROKER_TLS_CERT for
// tls-cert.
func EnvName(flag string) string {
	return "ROLEBROKER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// keyName returns the key of a flag in a file: tls_cert for tls-cert.
func keyName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// problems collects everything that is wrong, so that a person can correct it at
// once.
type problems []rolebroker.Field

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, rolebroker.Field{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the configuration is not valid", Fields: p}
}

// loader sets flags from the environment and the file, and collects problems.
type loader struct {
	flags    *pflag.FlagSet
	env      func(flag string) string // returns the environment variable of a flag
	set      map[string]bool          // by flag: a source that takes precedence has set it
	bad      map[string]bool          // by flag: its value could not be parsed
	sources  map[string]string        // by flag: the place in the file that its value is from
	problems problems
}

func newLoader(flags *pflag.FlagSet, env func(flag string) string) *loader {
	l := &loader{flags: flags, env: env, set: map[string]bool{}, bad: map[string]bool{}, sources: map[string]string{}}
	flags.VisitAll(func(f *pflag.Flag) { l.set[f.Name] = f.Changed })
	return l
}

// load sets what flags have not set from the environment, then from the file that
// --config names.
func (l *loader) load(outside Outside) {
	l.environment(outside.Getenv)
	if path := l.flags.Lookup(configFlag).Value.String(); path != "" {
		l.file(path, outside.ReadFile)
	}
}

// check adds a problem, unless it is empty or the value could not be parsed. It
// names the setting by its place in the file, or else by its flag and variable.
func (l *loader) check(flag, problem string) {
	switch {
	case problem == "" || l.bad[flag]:
	case l.sources[flag] != "":
		l.problems.add(l.sources[flag], "%s", problem)
	default:
		l.problems.add("--"+flag+" ("+l.env(flag)+")", "%s", problem)
	}
}

func (l *loader) environment(getenv func(string) string) {
	l.flags.VisitAll(func(f *pflag.Flag) {
		if value := getenv(l.env(f.Name)); value != "" {
			l.fill(f, value, l.env(f.Name))
		}
	})
}

// fill sets a flag unless a source that takes precedence has set it.
func (l *loader) fill(f *pflag.Flag, value, source string) {
	if l.set[f.Name] {
		return
	}
	l.set[f.Name] = true
	if err := f.Value.Set(value); err != nil {
		l.bad[f.Name] = true
		l.problems.add(source, "%s", unparsed(f, value, err))
	}
}

// unparsed says what a value that cannot be parsed should be.
func unparsed(f *pflag.Flag, value string, err error) string {
	switch f.Value.Type() {
	case "bool":
		return fmt.Sprintf("%q is neither true nor false", value)
	case "int":
		return fmt.Sprintf("%q is not a whole number", value)
	}
	return err.Error()
}

func (l *loader) file(path string, readFile func(string) ([]byte, error)) {
	data, err := readFile(path)
	if err != nil {
		l.problems.add("--"+configFlag+" ("+l.env(configFlag)+")", "%s", err)
		return
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		l.problems.add(path, "is not YAML: %s", yamlMessage(err))
		return
	}
	for _, doc := range parsed.Docs {
		l.document(path, doc.Body)
	}
}

func (l *loader) document(path string, body ast.Node) {
	switch node := body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.MappingValueNode:
		l.entry(path, node)
	case *ast.MappingNode:
		for _, value := range node.Values {
			l.entry(path, value)
		}
	default:
		l.problems.add(path, "is not a mapping of settings; write lines such as listen: 127.0.0.1:8484")
	}
}

// entry sets one flag from a key of the file and its value.
func (l *loader) entry(path string, entry *ast.MappingValueNode) {
	token := entry.Key.GetToken()
	where := fmt.Sprintf("%s, line %d", path, token.Position.Line)
	f := l.flags.Lookup(strings.ReplaceAll(token.Value, "_", "-"))
	switch {
	case token.Value == "admin_key":
		l.problems.add(where, "the admin key does not belong in a file; set %s", adminKey)
		return
	case token.Value == "database_password":
		l.problems.add(where, "the password does not belong in this file; set database_password_file or %s",
			databasePassword)
		return
	case token.Value == "oidc_client_secret":
		l.problems.add(where, "the secret does not belong in this file; set oidc_client_secret_file")
		return
	case f == nil || f.Name == configFlag || keyName(f.Name) != token.Value:
		l.problems.add(where, "unknown setting %q; known are %s", token.Value, l.known())
		return
	}
	switch value := entry.Value.(type) {
	case *ast.NullNode: // "listen:" without a value
	case ast.ScalarNode:
		if !l.set[f.Name] {
			l.sources[f.Name] = where + ", " + token.Value
		}
		l.fill(f, fmt.Sprint(value.GetValue()), where+", "+token.Value)
	case *ast.SequenceNode:
		l.list(f, value, where+", "+token.Value)
	default:
		l.problems.add(where+", "+token.Value, "is not a single value")
	}
}

// list sets a flag that takes several values from a list in the file.
func (l *loader) list(f *pflag.Flag, list *ast.SequenceNode, source string) {
	var values []string
	for _, node := range list.Values {
		value, ok := node.(ast.ScalarNode)
		if _, several := f.Value.(pflag.SliceValue); !ok || !several {
			l.problems.add(source, "is not a single value")
			return
		}
		values = append(values, fmt.Sprint(value.GetValue()))
	}
	if !l.set[f.Name] {
		l.sources[f.Name] = source
	}
	var line strings.Builder
	comma := csv.NewWriter(&line) // as the flag reads it: a value may have a comma
	if err := comma.Write(values); err != nil {
		l.problems.add(source, "cannot be read")
		return
	}
	comma.Flush()
	l.fill(f, strings.TrimSuffix(line.String(), "\n"), source)
}

func (l *loader) known() string {
	var names []string
	l.flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != configFlag {
			names = append(names, keyName(f.Name))
		}
	})
	return strings.Join(names, ", ")
}

// yamlMessage returns a YAML error on one line, without the excerpt of the file,
// which may have a password.
func yamlMessage(err error) string {
	if e, ok := err.(yaml.Error); ok && e.GetToken() != nil {
		return fmt.Sprintf("line %d: %s", e.GetToken().Position.Line, e.GetMessage())
	}
	return "it cannot be parsed"
}
