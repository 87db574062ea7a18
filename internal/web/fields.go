package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

// formValue returns the value of a form field, without white space around it.
func formValue(r *http.Request, field string) string {
	return strings.TrimSpace(r.PostFormValue(field))
}

// parseDuration parses a duration as time.ParseDuration does, and as people write one: "1 hour 30 minutes".
func parseDuration(typed string) (time.Duration, error) {
	return time.ParseDuration(strings.NewReplacer(" ", "", "hours", "h", "hour", "h", "minutes", "m", "minute", "m",
		"mins", "m", "min", "m", "seconds", "s", "second", "s").Replace(strings.ToLower(typed)))
}

// formVersion returns the version that a form was made from; 0 if it has none.
func formVersion(r *http.Request) int64 {
	version, _ := strconv.ParseInt(formValue(r, "version"), 10, 64)
	return version
}

// fieldErrors are what is wrong with what was typed, by field. What is wrong with
// the form as a whole is the field "form". A conflict is about the name. The result
// is nil for errors that a form cannot show.
func fieldErrors(err error) map[string]string {
	e := rolebroker.AsError(err)
	switch {
	case err == nil:
		return nil
	case e.Code == rolebroker.CodeConflict:
		return map[string]string{"name": sentence(e.Message)}
	case e.Code != rolebroker.CodeInvalid:
		return nil
	case len(e.Fields) == 0:
		return map[string]string{"form": sentence(e.Message)}
	}
	found := map[string]string{}
	for _, f := range e.Fields {
		if found[f.Path] == "" {
			found[f.Path] = sentence(f.Message)
		}
	}
	return found
}
