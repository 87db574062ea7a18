package problem_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// codes are those that the nouns declare.
func codes(t *testing.T) []rolebroker.Code {
	t.Helper()
	source, err := os.ReadFile("../../error.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []rolebroker.Code
	for _, match := range regexp.MustCompile(`\bCode\w+ +Code += "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		all = append(all, rolebroker.Code(match[1]))
	}
	if len(all) < 14 {
		t.Fatalf("error.go declares %v", all)
	}
	return all
}

func TestEveryCodeHasAStatusOfItsOwnChoosing(t *testing.T) {
	published, _ := os.ReadFile("../../api/problem.go")
	for _, code := range codes(t) {
		if status := problem.Status(&rolebroker.Error{Code: code}); status == http.StatusInternalServerError &&
			code != rolebroker.CodeInternal {
			t.Errorf("%s has no row in the table", code)
		}
		if !regexp.MustCompile(`enum:"[^"]*\b` + string(code) + `\b`).Match(published) {
			t.Errorf("the API does not publish %s", code)
		}
	}
	if status := problem.Status(errors.New("the disk is full")); status != http.StatusInternalServerError {
		t.Errorf("an error that is not one of ours has status %d", status)
	}
}

// What one end writes the other reads.
func TestAnErrorArrivesAsItWasSent(t *testing.T) {
	sent := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: "the integration is not valid",
		Hint: rolebroker.TextHint("look again"),
		Fields: []rolebroker.Field{{Path: "roles[2].arn", Message: "is required",
			Hint: rolebroker.Hint{{Text: "see", Command: "aws console"},
				{Text: "add:", Policy: "{}"}}}, {Path: "name", Message: "is taken"}}}
	document, _ := json.Marshal(problem.Document(sent))
	if diff := cmp.Diff(sent, problem.Read(http.StatusBadRequest, document)); diff != "" {
		t.Error(diff)
	}
	refusal := problem.Refusal(sent)
	if want := (api.Refusal{Code: "invalid", Message: sent.Error(), Hint: "look again"}); refusal != want {
		t.Errorf("the credentials endpoint answers %+v, want %+v", refusal, want)
	}
	body, _ := json.Marshal(refusal)
	arrived := &rolebroker.Error{Code: "invalid", Message: sent.Error(), Hint: rolebroker.TextHint("look again")}
	if diff := cmp.Diff(arrived, problem.Read(http.StatusBadRequest, body)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(arrived, problem.Refused(refusal)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatOthersAnswerIsNoError(t *testing.T) {
	for _, body := range []string{"", "null", "[]", `"no"`, "<html>", `{"message": "no"}`, `{"code": 7}`,
		`{"code": ""}`} {
		if e := problem.Read(http.StatusBadGateway, []byte(body)); e != nil {
			t.Errorf("%q is %+v", body, e)
		}
	}
}

// A newer server may send a code that this version does not know.
func TestAnUnknownCodeKeepsItsStatus(t *testing.T) {
	for answered, want := range map[int]int{
		http.StatusForbidden: http.StatusForbidden, http.StatusBadGateway: http.StatusBadGateway,
		http.StatusOK: http.StatusInternalServerError, 42: http.StatusInternalServerError,
		1000: http.StatusInternalServerError,
	} {
		e := problem.Read(answered, []byte(`{"code": "brand_new"}`))
		if rolebroker.IsOutage(e) != (answered == http.StatusBadGateway) {
			t.Errorf("an answer with status %d is an outage: %t", answered, rolebroker.IsOutage(e))
		}
		if status := problem.Status(e); status != want {
			t.Errorf("an answer with status %d has %d later, want %d", answered, status, want)
		}
	}
	if status := problem.Status(problem.Refused(api.Refusal{Code: "brand_new"})); status != http.StatusForbidden {
		t.Errorf("a refusal has status %d", status)
	}
	if status := problem.Status(problem.Read(http.StatusTeapot,
		[]byte(`{"code": "denied"}`))); status != http.StatusForbidden {
		t.Errorf("a known code has status %d", status)
	}
}

func TestADocumentIsBoundedAndPointsIntoTheBody(t *testing.T) {
	e := &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: strings.Repeat("é", 5000)}
	for _, path := range []string{`roles[2].arn`, `["odd.na/me"].x~y`, problem.Parameter("limit")} {
		e.Fields = append(e.Fields, rolebroker.Field{Path: path, Message: "is wrong"})
	}
	p := problem.Document(e)
	want := []api.FieldError{
		{Pointer: "/roles/2/arn", Field: "roles[2].arn", Message: "is wrong"},
		{Pointer: "/odd.na~1me/x~0y", Field: `["odd.na/me"].x~y`, Message: "is wrong"},
		{Field: "limit", Message: "is wrong"},
	}
	if diff := cmp.Diff(want, p.Errors); diff != "" {
		t.Error(diff)
	}
	if len(p.Detail) > 2010 || !strings.HasSuffix(p.Detail, "é…") {
		t.Errorf("the message has %d bytes and ends in %q", len(p.Detail), p.Detail[len(p.Detail)-8:])
	}
	e.Fields = make([]rolebroker.Field, 1000)
	if n := len(problem.Document(e).Errors); n != problem.MaxFields {
		t.Errorf("%d fields are listed", n)
	}
}

func TestStatusesComeWithTheirHeaders(t *testing.T) {
	for code, header := range map[rolebroker.Code]string{"unauthenticated": "WWW-Authenticate",
		"throttled":   "Retry-After",
		"unavailable": "Retry-After"} {
		answer := httptest.NewRecorder()
		problem.Write(answer, problem.Document(&rolebroker.Error{Code: code, Message: "no"}))
		if answer.Header().Get(header) == "" || answer.Header().Get("Content-Type") != api.ProblemType ||
			answer.Code != problem.Status(&rolebroker.Error{Code: code}) {
			t.Errorf("%s is answered with %d %v", code, answer.Code, answer.Header())
		}
	}
}
