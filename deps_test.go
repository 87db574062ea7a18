package rolebroker_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the path of this module.
const module = "github.com/rolebroker/rolebroker"

// graph says which of our packages a package imports: nouns ← mechanisms ← verbs ←
// doors ← assembly. The test fails for an import that is missing here, and for
// one that is no longer needed.
var graph = map[string][]string{
	// The nouns import nothing of ours.
	".":   {},
	"api": {},

	// Mechanisms: each does one thing.
	"internal/seal":       {},
	"internal/prometheus": {},
	"internal/harden":     {},
	"internal/contain":    {".", "internal/harden"},
	"internal/privatedir": {},
	"internal/sigv4":      {},
	"internal/renewal":    {},
	"internal/expect":     {},
	"internal/awssim":     {"internal/sigv4"},
	"internal/tokenfile":  {"."},
	"internal/config":     {".", "internal/seal", "internal/tokenfile"},
	"internal/guard":      {".", "internal/prometheus"},
	"internal/sts":        {".", "internal/tokenfile"},
	"internal/endpoint":   {"."},
	"internal/egress":     {".", "internal/endpoint", "internal/expect", "internal/guard"},
	"internal/keyfile":    {},
	"internal/trail":      {".", "api", "internal/keyfile"},
	"internal/store":      {".", "internal/privatedir", "internal/trail"},
	"internal/auditsink":  {".", "api", "internal/trail"},
	"internal/setup":      {"."},
	"internal/action":     {"."},
	"internal/roleimport": {"."},
	"internal/openid":     {"."},

	// What a runner needs of its cluster.
	"internal/serviceaccount": {".", "internal/tokenfile"},
	"internal/clustersecret":  {".", "internal/tokenfile"},

	// The verbs.
	"internal/auth":     {".", "internal/guard", "internal/seal"},
	"internal/learn":    {".", "internal/action"},
	"internal/validate": {".", "internal/setup"},
	"internal/lend":     {".", "internal/guard", "internal/prometheus"},
	"internal/forward":  {"."},
	"internal/broker": {".", "internal/auth", "internal/guard", "internal/learn", "internal/lend", "internal/prometheus", "internal/seal",
		"internal/setup", "internal/trail", "internal/validate"},

	// How errors and nouns travel: the doors and the client share it.
	"internal/problem": {".", "api", "internal/convert"},
	"internal/convert": {".", "api"},
	"internal/hosts":   {".", "internal/problem"},

	"internal/requestid": {".", "api"},

	// Doors never import doors.
	"client": {".", "api", "internal/auth", "internal/convert", "internal/expect", "internal/problem",
		"internal/tokenfile"},
	"internal/gateway": {".", "api", "internal/action", "internal/auth", "internal/endpoint", "internal/expect",
		"internal/guard",
		"internal/keyfile", "internal/problem", "internal/prometheus", "internal/renewal", "internal/sigv4"},
	"internal/containercreds": {".", "api", "internal/convert", "internal/guard", "internal/problem"},
	"internal/rest": {".", "api", "internal/auth", "internal/broker", "internal/convert", "internal/learn",
		"internal/openid", "internal/problem",
		"internal/trail"},
	"internal/runnerapi": {".", "api", "internal/broker", "internal/convert", "internal/problem"},
	"internal/web": {".", "api", "internal/auth", "internal/broker", "internal/hosts", "internal/openid",
		"internal/problem", "internal/roleimport",
		"internal/trail"},

	// Assembly. Only server and bench see the store; only demo, testbed and bench, which
	// are not part of a server, see the simulator.
	"internal/execenv": {".", "api", "client", "internal/auth", "internal/contain", "internal/containercreds", "internal/egress",
		"internal/endpoint", "internal/forward", "internal/guard", "internal/harden", "internal/hosts", "internal/privatedir",
		"internal/renewal", "internal/requestid", "internal/seal", "internal/sigv4"},
	"internal/runner": {".", "api", "client", "internal/auth", "internal/containercreds", "internal/convert",
		"internal/endpoint", "internal/forward", "internal/gateway", "internal/guard", "internal/hosts",
		"internal/lend", "internal/problem", "internal/prometheus", "internal/requestid", "internal/sigv4",
		"internal/validate"},
	"internal/server": {".", "api", "internal/auditsink", "internal/auth", "internal/broker", "internal/config", "internal/containercreds",
		"internal/convert", "internal/endpoint", "internal/gateway", "internal/guard", "internal/hosts",
		"internal/lend", "internal/openid", "internal/prometheus", "internal/requestid", "internal/rest",
		"internal/runnerapi", "internal/store", "internal/sts", "internal/trail", "internal/validate", "internal/web"},
	"internal/demo": {".", "api", "client", "internal/awssim", "internal/config", "internal/privatedir",
		"internal/server", "internal/sts"},
	"internal/testbed": {".", "api", "client", "internal/awssim", "internal/config", "internal/server",
		"internal/store/storetest", "internal/sts"},
	"internal/bench": {".", "api", "client", "internal/awssim", "internal/config", "internal/server", "internal/store",
		"internal/store/storetest"},
	"internal/cli": {".", "api", "client", "internal/auth", "internal/clustersecret", "internal/config",
		"internal/contain", "internal/convert", "internal/demo", "internal/egress", "internal/execenv",
		"internal/gateway", "internal/harden", "internal/keyfile",
		"internal/openid", "internal/privatedir",
		"internal/roleimport", "internal/runner", "internal/server", "internal/serviceaccount",
		"internal/setup", "internal/sts",
		"internal/trail", "internal/validate"},
	"cmd/rolebroker": {"internal/cli"},

	// The Terraform provider, a module of its own, is a door that goes through
	// the client. Only tests use the stand-in.
	"terraform":                     {"terraform/provider"},
	"terraform/provider":            {".", "api", "client", "internal/convert", "internal/tokenfile"},
	"terraform/internal/awsstandin": {},

	// What only tests and benchmarks use.
	"internal/store/storetest": {".", "internal/store", "internal/trail"},
	"internal/kubetest":        {},
	"internal/dextest":         {},
	"internal/dextest/program": {},
	"internal/bench/plain":     {},
	"internal/action/generate": {},
	"examples/go":              {},
}

// foreign says which rooms may import a library.
var foreign = map[string][]string{
	"github.com/danielgtaylor/huma": {"internal/rest"},
	"github.com/jackc/pgx":          {"internal/store", "internal/store/storetest"},
	"modernc.org/sqlite":            {"internal/store"},
	"github.com/pressly/goose":      {"internal/store"},
	"golang.org/x/mod":              {"internal/trail"},
	"database/sql":                  {"internal/store", "internal/store/storetest"},
	"github.com/spf13/cobra":        {"internal/cli"},
	"github.com/coreos/go-oidc":     {"internal/openid"},
	"golang.org/x/oauth2":           {"internal/openid"},
	"github.com/go-jose":            {"internal/serviceaccount", "internal/awssim"},
	"github.com/aws": {"internal/sts", "internal/gateway", "internal/cli", "internal/demo", "internal/testbed",
		"internal/bench", "examples/go", "terraform/internal/awsstandin"},
	"github.com/hashicorp": {"terraform", "terraform/provider", "terraform/internal/awsstandin"},
}

// source is one package, without its tests.
type source struct {
	name    string
	doc     string
	imports map[string]bool
}

// sources parses every package below the current directory. The result of a test
// that runs go list instead is cached, so that it passes a broken graph.
func sources(t *testing.T) map[string]*source {
	t.Helper()
	found := map[string]*source{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && isForeign(file, entry.Name()) {
			return fs.SkipDir
		}
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			read(t, found, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// isForeign says whether a folder has no packages of ours in it.
func isForeign(folder, name string) bool {
	return name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") && folder != "."
}

func read(t *testing.T, found map[string]*source, file string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.ToSlash(filepath.Dir(file))
	s := found[folder]
	if s == nil {
		s = &source{imports: map[string]bool{}}
		found[folder] = s
	}
	s.name = parsed.Name.Name
	s.doc += docOf(parsed)
	for _, spec := range parsed.Imports {
		s.imports[strings.Trim(spec.Path.Value, `"`)] = true
	}
}

func docOf(file *ast.File) string {
	if file.Doc == nil {
		return ""
	}
	return file.Doc.Text()
}

// ours returns the folder of an import path of this module.
func ours(importPath string) (folder string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func TestTheImportGraphIsTheOneThatWasDrawn(t *testing.T) {
	for folder, s := range sources(t) {
		allowed, known := graph[folder]
		if !known {
			t.Errorf("%s is not in the graph", folder)
		}
		for importPath := range s.imports {
			if imported, ok := ours(importPath); ok && !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s", folder, imported)
			}
		}
		for _, imported := range allowed {
			if importPath := path.Join(module, imported); !s.imports[importPath] {
				t.Errorf("%s no longer imports %s; take it out of the graph", folder, imported)
			}
		}
	}
}

func TestLibrariesStayInTheirRooms(t *testing.T) {
	for folder, s := range sources(t) {
		for importPath := range s.imports {
			for library, rooms := range foreign {
				if strings.HasPrefix(importPath+"/", library+"/") && !slices.Contains(rooms, folder) {
					t.Errorf("%s imports %s", folder, importPath)
				}
			}
			host, _, _ := strings.Cut(importPath, "/")
			if slices.Contains([]string{".", "api", "internal/seal"}, folder) && strings.Contains(host, ".") {
				t.Errorf("%s imports %s; it is for the standard library only", folder, importPath)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for folder, s := range sources(t) {
		if slices.Contains([]string{"util", "common", "helpers", "types", "models", "pkg", "core"}, s.name) {
			t.Errorf("%s is called %s, which says nothing", folder, s.name)
		}
		if s.name != "main" && len(s.doc) < 200 {
			t.Errorf("%s has no package doc that says what it is for, what it refuses, and an example", folder)
		}
		if s.name == "main" && len(s.doc) < 40 {
			t.Errorf("the command %s does not say what it does", folder)
		}
	}
}

func TestDocumentsThatAReaderExpectsAreThere(t *testing.T) {
	for _, file := range []string{
		"README.md", "DESIGN.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE",
	} {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing", file)
		}
	}
}
