package problem

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/convert"
)

// foreignStatus is the cause of an error that another server answered with a code
// that this version does not know: the status of that answer.
type foreignStatus int

// IsOutage is for [rolebroker.IsOutage].
func (s foreignStatus) IsOutage() bool {
	return s >= http.StatusInternalServerError || s == http.StatusTooManyRequests
}

func (s foreignStatus) Error() string {
	return fmt.Sprintf("the server answered with status %d", int(s))
}

// Read is the error in an answer with this status: the body is a problem
// document, or the JSON of the credentials endpoint. It is nil if the body is
// neither. Its fields have no pointers, only paths.
func Read(status int, body []byte) *rolebroker.Error {
	var p struct {
		api.Problem
		Message string `json:"message"` // of the credentials endpoint
	}
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		return nil
	}
	e := coded(p.Code, status)
	e.Message, e.Hint = rolebroker.Clip(cmp.Or(p.Detail, p.Message), maxRead), convert.Hint(p.Hint, p.HintSteps)
	for _, f := range p.Errors[:min(len(p.Errors), MaxFields)] {
		e.Fields = append(e.Fields, rolebroker.Field{Path: f.Field, Message: rolebroker.Clip(f.Message, maxRead),
			Hint: convert.Hint(f.Hint, f.HintSteps)})
	}
	return e
}

// Refused is the error that a server describes in r. If this version does not know
// the code, the status is 403.
func Refused(r api.Refusal) *rolebroker.Error {
	e := coded(r.Code, http.StatusForbidden)
	e.Message, e.Hint = rolebroker.Clip(r.Message, maxRead), rolebroker.TextHint(r.Hint)
	return e
}

// coded is an error with a code, and the status as its cause if the code is not
// known here.
func coded(code string, status int) *rolebroker.Error {
	e := &rolebroker.Error{Code: rolebroker.Code(code)}
	if _, known := statuses[e.Code]; !known && status >= 400 && status <= 599 {
		e.Cause = foreignStatus(status)
	}
	return e
}
