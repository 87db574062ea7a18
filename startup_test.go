package rolebroker_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// linked are the libraries of the binary, with what it costs to initialise each
// of them together with what it imports, in microseconds. Every `rolebroker
// exec` and `rolebroker credentials` pays that, whether it uses the library or
// not. Before adding one, measure it: GODEBUG=inittrace=1 rolebroker version.
var linked = map[string]int{
	"github.com/aws/aws-sdk-go-v2":    600, // mostly the tables of STS, SSO, OIDC and sign-in
	"github.com/aws/smithy-go":        30,
	"github.com/coreos/go-oidc":       10,
	"github.com/danielgtaylor/huma":   400,
	"github.com/go-jose/go-jose":      10,
	"github.com/goccy/go-yaml":        40,
	"github.com/jackc/pgx":            200, // with golang.org/x/text
	"github.com/pressly/goose":        60,
	"github.com/rogpeppe/go-internal": 0,
	"github.com/spf13/cobra":          10,
	"github.com/spf13/pflag":          10,
	"golang.org/x/mod":                0,
	"golang.org/x/net":                10,
	"golang.org/x/oauth2":             0,
	"golang.org/x/sync":               0,
	"golang.org/x/sys":                0,
	"golang.org/x/term":               0,
	"golang.org/x/text":               0, // but for what pgx has of it
	"golang.org/x/time":               0,
	"modernc.org/sqlite":              270,
}

// inBinary are the folders of the packages of ours that are in the binary.
func inBinary(found map[string]*source) map[string]bool {
	reached := map[string]bool{}
	var reach func(folder string)
	reach = func(folder string) {
		if reached[folder] {
			return
		}
		reached[folder] = true
		for importPath := range found[folder].imports {
			if imported, ok := ours(importPath); ok {
				reach(imported)
			}
		}
	}
	reach("cmd/rolebroker")
	return reached
}

func TestEveryLibraryOfTheBinaryHasAPrice(t *testing.T) {
	found := sources(t)
	used := map[string]bool{}
	for folder := range inBinary(found) {
		for importPath := range found[folder].imports {
			first, _, _ := strings.Cut(importPath, "/")
			if _, isOurs := ours(importPath); isOurs || !strings.Contains(first, ".") {
				continue
			}
			library := libraryOf(importPath)
			if library == "" {
				t.Errorf("%s imports %s, which every command would initialise: measure that and add it to linked",
					folder, importPath)
			}
			used[library] = true
		}
	}
	for library := range linked {
		if !used[library] {
			t.Errorf("%s is no longer in the binary; take it out of linked", library)
		}
	}
}

// libraryOf is the key in linked of an import path, "" if there is none.
func libraryOf(importPath string) string {
	for library := range linked {
		if importPath == library || strings.HasPrefix(importPath, library+"/") {
			return library
		}
	}
	return ""
}

// What a package compiles or parses when it is initialised, every command pays
// for. It belongs into a sync.OnceValue.
func TestPackagesInitialiseNothingThatIsExpensive(t *testing.T) {
	expensive := []string{"regexp.MustCompile", "regexp.Compile", "template.Must", "template.New", "json.Unmarshal"}
	for _, folder := range slices.Sorted(maps.Keys(inBinary(sources(t)))) {
		files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, call := range callsAtInit(t, file) {
				if slices.Contains(expensive, call) {
					t.Errorf("%s calls %s at init", file, call)
				}
			}
		}
	}
}

// callsAtInit are the functions, as the file calls them, that a file calls when
// its package is initialised. Functions of ours that these call are not seen.
func callsAtInit(t *testing.T, file string) (calls []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	note := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit: // runs later
			return false
		case *ast.CallExpr:
			if selector, ok := n.Fun.(*ast.SelectorExpr); ok {
				if pkg, ok := selector.X.(*ast.Ident); ok {
					calls = append(calls, pkg.Name+"."+selector.Sel.Name)
				}
			}
		}
		return true
	}
	for _, decl := range parsed.Decls {
		switch decl := decl.(type) {
		case *ast.GenDecl:
			if decl.Tok == token.VAR {
				ast.Inspect(decl, note)
			}
		case *ast.FuncDecl:
			if decl.Recv == nil && decl.Name.Name == "init" {
				t.Errorf("%s has a func init, which every command runs", file)
			}
		}
	}
	return calls
}
