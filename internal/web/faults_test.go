package web

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestFaultsAreInTheOrderOfTheFields(t *testing.T) {
	got := faultsOf(map[string]string{"b": "B is wrong.", "a": "A is wrong.", "other": "x"},
		formField{"a", "First", "the-a"}, formField{"b", "Second", "the-b"}, formField{"c", "Third", "the-c"})
	want := []fault{{"First", "the-a", "A is wrong."}, {"Second", "the-b", "B is wrong."}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// The error of a field names the field and says what to do.
func TestAnErrorNamesItsField(t *testing.T) {
	for message, want := range map[string]string{
		"is required":                  "Enter the name.",
		"is required, as in us-east-1": "Enter the name, as in us-east-1.",
		"is required; it has a form":   "Enter the name: it has a form.",
		"has 70 characters":            "Name has 70 characters.",
		`"a b" has a space`:            `Name "a b" has a space.`,
		"choose another":               "Choose another.",
		"":                             "",
	} {
		if got := atField("Name", message); got != want {
			t.Errorf("%q is shown as %q, not %q", message, got, want)
		}
	}
	if got := atField("ARN", "is required"); got != "Enter the ARN." {
		t.Error(got)
	}
}

// A pressed offer fills its field.
func TestTakingAnOffer(t *testing.T) {
	for body, want := range map[string]string{
		"name=Production+AWS&use=name%3Dproduction-aws": "production-aws",
		"name=Production+AWS":                           "Production AWS",
		"name=Production+AWS&use=other":                 "Production AWS",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if pressed := takeOffer(r); pressed != (want == "production-aws") || formValue(r, "name") != want {
			t.Errorf("%s: %t, %s", body, pressed, formValue(r, "name"))
		}
	}
}
