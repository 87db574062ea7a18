package provider_test

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/terraform/provider"
)

var update = flag.Bool("update", false, "write the docs anew, from the schemas, the templates and the examples")

const tfplugindocs = "github.com/hashicorp/terraform-plugin-docs/cmd/tfplugindocs@v0.25.0"

// The folder docs is what tfplugindocs generates from the provider's schemas. The
// test generates it in a copy.
func TestTheDocsAreThoseOfTheSchemas(t *testing.T) {
	t.Parallel()
	ws := newWorkspace(t)
	for _, folder := range []string{"examples", "templates"} {
		ws.must(os.CopyFS(filepath.Join(ws.dir, folder), os.DirFS(filepath.Join("..", folder))))
	}
	ws.must(os.CopyFS(ws.dir, os.DirFS("../examples/provider")))
	schema := filepath.Join(ws.dir, "schema.json")
	text := ws.terraform("providers", "schema", "-json")
	ws.must(os.WriteFile(schema, []byte(strings.Replace(text, `"`+ofRegistry(provider.Address)+`"`, `"rolebroker"`, 1)), 0o600))

	generate := exec.Command(
		"go",
		"run",
		tfplugindocs,
		"generate",
		"--provider-dir",
		ws.dir,
		"--provider-name",
		"rolebroker",
		"--providers-schema",
		schema,
	)
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made := filepath.Join(ws.dir, "docs")
	if *update {
		ws.must(os.RemoveAll("../docs"))
		ws.must(os.CopyFS("../docs", os.DirFS(made)))
	}
	want, got := files(t, made), files(t, "../docs")
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("docs/%s is not what is generated now; make terraform-docs writes it", name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("docs/%s is of something that is no more; make terraform-docs removes it", name)
		}
	}
}

// files reads the files below a folder, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		found[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
