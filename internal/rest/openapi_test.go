package rest_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/internal/rest"
)

var update = flag.Bool("update", false, "write golden files anew")

const golden = "../../api/openapi.json"

// The OpenAPI document is committed, so that reviewers see a change of the API:
// go test ./internal/rest -run TestOpenAPI -update
func TestOpenAPI(t *testing.T) {
	served := openAPI(t)
	if *update {
		if err := os.WriteFile(golden, served, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(committed), string(served)); diff != "" {
		t.Errorf("api/openapi.json is not what is served (-committed +served); run with -update:\n%s", diff)
	}
}

// document is the part of the document that the tests below read.
type document struct {
	OpenAPI string
	Paths   map[string]map[string]struct {
		OperationID string
		Summary     string
		Description string
		Tags        []string
		Security    []map[string][]string
		Responses   map[string]struct {
			Ref         string `json:"$ref"`
			Description string
		}
	}
	Components struct {
		Schemas   map[string]any
		Responses map[string]any
	}
}

// Every operation has a name, a summary, a description, a tag and a security scheme,
// and all its refusals are defined.
func TestOpenAPIReadsWell(t *testing.T) {
	var d document
	if err := json.Unmarshal(openAPI(t), &d); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("the document is OpenAPI %s, want 3.1", d.OpenAPI)
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			if op.OperationID == "" || op.Summary == "" || op.Description == "" || len(op.Tags) != 1 ||
				len(op.Security) != 1 && !signsIn[op.OperationID] || len(op.Security) > 0 && signsIn[op.OperationID] {
				t.Errorf("%s %s lacks words: %+v", method, path, op)
			}
			for status, response := range op.Responses {
				name := strings.TrimPrefix(response.Ref, "#/components/responses/")
				if _, ok := d.Components.Responses[name]; status >= "400" && !ok {
					t.Errorf("%s %s: %s is not a problem that is defined: %+v", method, path, status, response)
				}
			}
		}
	}
	if len(d.Paths) == 0 {
		t.Error("there are no paths")
	}
}

func openAPI(t *testing.T) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	rest.New(rest.Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET /openapi.json answers %d", w.Code)
	}
	return w.Body.Bytes()
}
