package broker

import (
	"fmt"

	"github.com/rolebroker/rolebroker"
)

// invalid is the refusal of an input with one wrong field.
func invalid(what, path, format string, args ...any) *rolebroker.Error {
	return &rolebroker.Error{Code: rolebroker.CodeInvalid, Message: what + " is not valid",
		Fields: []rolebroker.Field{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}
