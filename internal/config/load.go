package config

import (
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

// Outside is what settings are read from besides flags.
type Outside struct {
	Getenv   func(name string) string // "" when it is not set
	ReadFile func(path string) ([]byte, error)
}

// OS is the environment and the files of this process. A file of more than
// 64 KiB is no file of settings, and is not read: the parser takes a time that
// grows with the square of the nesting.
func OS() Outside { return Outside{Getenv: os.Getenv, ReadFile: readFile} }

// maxFile bounds what is read, in bytes.
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
)

// EnvName is the spelling of a flag in the environment: ROLEBROKER_TLS_CERT
// for tls-cert.
func EnvName(flag string) string {
	return "ROLEBROKER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func keyName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// spellings is how a problem names the setting: by its flag and its
// environment variable.
func spellings(flag string) string { return "--" + flag + " (" + EnvName(flag) + ")" }

// Load completes what the flags said, which come from c.Flags and have been
// parsed: first from the environment, then from the file, and checks the
// whole. The error has a field for each problem.
func (c *Server) Load(flags *pflag.FlagSet, outside Outside) error {
	l := loader{flags: flags, env: EnvName, set: map[string]bool{}, sources: map[string]string{}}
	flags.VisitAll(func(f *pflag.Flag) { l.set[f.Name] = f.Changed }) // by whichever set parsed it
	l.environment(outside.Getenv)
	c.AdminKey = rolebroker.NewSecret(outside.Getenv(adminKey))
	if path := flags.Lookup(configFlag).Value.String(); path != "" {
		l.file(path, outside.ReadFile)
	}
	l.problems = append(l.problems, c.problems(l.bad, l.sources)...)
	return l.problems.err()
}

// Check says everything that is wrong with the settings.
func (c *Server) Check() error { return c.problems(nil, nil).err() }

// loader fills flags from the environment and the file.
type loader struct {
	flags    *pflag.FlagSet
	env      func(flag string) string // its spelling in the environment
	set      map[string]bool          // by flag: a source that wins has set it
	bad      map[string]bool          // by flag: its value did not parse
	sources  map[string]string        // by flag: the place in the file that its value is from
	problems problems
}

func (l *loader) environment(getenv func(string) string) {
	l.flags.VisitAll(func(f *pflag.Flag) {
		if value := getenv(l.env(f.Name)); value != "" {
			l.fill(f, value, l.env(f.Name))
		}
	})
}

// fill sets a flag unless a source that wins has.
func (l *loader) fill(f *pflag.Flag, value, source string) {
	if l.set[f.Name] {
		return
	}
	l.set[f.Name] = true
	if err := f.Value.Set(value); err != nil {
		if l.bad == nil {
			l.bad = map[string]bool{}
		}
		l.bad[f.Name] = true
		l.problems.add(source, "%s", unparsed(f, value, err))
	}
}

// unparsed says what a value should have been.
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

// entry is one line of the file: a setting and its value.
func (l *loader) entry(path string, entry *ast.MappingValueNode) {
	token := entry.Key.GetToken()
	where := fmt.Sprintf("%s, line %d", path, token.Position.Line)
	f := l.flags.Lookup(strings.ReplaceAll(token.Value, "_", "-"))
	switch {
	case token.Value == "admin_key":
		l.problems.add(where, "the admin key does not belong in a file; set %s", adminKey)
		return
	case f == nil || f.Name == configFlag || keyName(f.Name) != token.Value:
		l.problems.add(where, "unknown setting %q; known are %s", token.Value, l.known())
		return
	}
	switch value := entry.Value.(type) {
	case *ast.NullNode: // "listen:" with nothing behind it
	case ast.ScalarNode:
		if !l.set[f.Name] {
			l.sources[f.Name] = where + ", " + token.Value
		}
		l.fill(f, fmt.Sprint(value.GetValue()), where+", "+token.Value)
	default:
		l.problems.add(where+", "+token.Value, "is not a single value")
	}
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

// yamlMessage is a YAML error on one line, without the excerpt of the file,
// which may hold a password.
func yamlMessage(err error) string {
	if e, ok := err.(yaml.Error); ok && e.GetToken() != nil {
		return fmt.Sprintf("line %d: %s", e.GetToken().Position.Line, e.GetMessage())
	}
	return "it cannot be parsed"
}
