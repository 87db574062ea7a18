package awssim

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/rolebroker/rolebroker/internal/sigv4"
)

// Error is an error response of AWS: an HTTP status, a code for programs and a
// message for people.
type Error struct {
	Status        int
	Code, Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// ofSignature returns the error of package sigv4 as one of AWS.
func ofSignature(err error) error {
	if refused, ok := errors.AsType[*sigv4.Error](err); ok {
		return &Error{Status: refused.Status, Code: refused.Code, Message: refused.Message}
	}
	return err
}

func invalid(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "ValidationError", format, args...)
}

func denied(format string, args ...any) *Error {
	return refuse(http.StatusForbidden, "AccessDenied", format, args...)
}

func malformed(format string, args ...any) *Error {
	return refuse(http.StatusBadRequest, "MalformedPolicyDocument", format, args...)
}

func noSuchEntity(format string, args ...any) *Error {
	return refuse(http.StatusNotFound, "NoSuchEntity", format, args...)
}

func alreadyExists(format string, args ...any) *Error {
	return refuse(http.StatusConflict, "EntityAlreadyExists", format, args...)
}

func overLimit(format string, args ...any) *Error {
	return refuse(http.StatusConflict, "LimitExceeded", format, args...)
}
