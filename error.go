package rolebroker

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Code is the kind of an [Error]. Doors map codes to HTTP statuses and exit codes. No code decides by a message.
type Code string

// The codes. A new one needs a row in the table of internal/problem.
const (
	CodeInvalid         Code = "invalid"           // the input is wrong; Fields says where
	CodeUnauthenticated Code = "unauthenticated"   // no token or key, or one that is not ours
	CodeExpired         Code = "expired"           // the token or key has expired or was revoked
	CodeDenied          Code = "denied"            // the caller is known and may not do this
	CodeApproval        Code = "approval_required" // the agent may do this once a person has approved it
	CodeNotFound        Code = "not_found"         // the thing does not exist, or the caller may not see it
	CodeConflict        Code = "conflict"          // the name is taken, or the thing is in use
	CodeStale           Code = "stale"             // someone else changed it since it was read
	CodeThrottled       Code = "throttled"         // too many requests; the same one may succeed later
	CodeUnavailable     Code = "unavailable"       // STS, the store or the server cannot answer now
	CodeInternal        Code = "internal"          // our mistake; the cause is in the log

	// The codes for the service-account token that a pod shows to a runner.
	CodeTokenIssuer    Code = "token_issuer"    // another cluster made it
	CodeTokenAudience  Code = "token_audience"  // it was made for another audience
	CodeTokenSignature Code = "token_signature" // it is forged, or its key is unknown
	CodeNotBound       Code = "not_bound"       // it is valid, but no agent is bound to its service account
)

// Error is an error for a person or an agent. Code, Message, Hint and Fields are safe to show to the caller. The cause
// is for the log only and is not part of Error().
type Error struct {
	Code    Code
	Message string  // one sentence without a full stop, starting in lower case or with a name
	Hint    Hint    // what to do next; may be empty
	Fields  []Field // for CodeInvalid: each wrong field of the input
	Cause   error   // for the log; may be nil

	// RetryAfter is how long the caller has to wait because too many requests from its address failed. HTTP then has
	// the status 429, and the code still says why this one failed, so that no client takes it for an outage.
	RetryAfter time.Duration
}

// Field is one wrong field of the input.
type Field struct {
	Path string // as in "roles[2].arn"
	// the rule that the input breaks, for a door with its own message; empty where Message suits every door
	Rule    Rule
	Message string // the mistake, and what is expected
	Hint    Hint   // what to do, where Message does not say it; may be empty
}

// Rule names a rule whose Message uses the field names of the JSON API. A form has other names for these fields, so it
// writes its own message for the rule.
type Rule string

const (
	RuleRoleNameUnique Rule = "role_name_unique" // two roles have the same name
	RuleDefaultChosen  Rule = "default_chosen"   // no role is the default
)

// Error returns the message, followed by the message of each field.
func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = f.Path + ": " + f.Message
	}
	return e.Message + ": " + strings.Join(parts, "; ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of the code. The error for a %w in the format becomes its Cause and is not part of the message.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	message := err.Error()
	if cause != nil {
		message = strings.TrimSuffix(message, ": "+cause.Error())
	}
	return &Error{Code: code, Message: message, Cause: cause}
}

// WithHint returns a copy of e whose hint is one step in words.
func (e *Error) WithHint(format string, args ...any) *Error {
	return e.WithSteps(Step{Text: fmt.Sprintf(format, args...)})
}

// WithSteps returns a copy of e with the steps as its hint.
func (e *Error) WithSteps(steps ...Step) *Error {
	copied := *e
	copied.Hint = steps
	return &copied
}

// AsError returns err as an *Error. Any other error becomes the cause of one with CodeInternal, whose message gives
// nothing away.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "something went wrong on our side", Cause: err,
		Hint: Hintf("the server's log has the cause")}
}

// CodeOf returns the code of err; "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}

// IsOutage reports whether err means that nobody could answer, as opposed to a refusal. A throttled request counts as
// an outage. It is false for nil.
func IsOutage(err error) bool {
	switch CodeOf(err) {
	case CodeUnavailable, CodeInternal, CodeThrottled:
		return true
	}
	var unknown interface{ IsOutage() bool } // the cause of an error with a code that this version does not know
	return errors.As(err, &unknown) && unknown.IsOutage()
}

// problems collects the wrong fields of an input, so that one error shows all of them.
type problems []Field

func (p *problems) add(path, format string, args ...any) { p.breaks("", path, format, args...) }

// breaks adds a field with the rule that the input breaks.
func (p *problems) breaks(rule Rule, path, format string, args ...any) {
	*p = append(*p, Field{Path: path, Rule: rule, Message: fmt.Sprintf(format, args...)})
}

// check adds err's message at path when err is not nil.
func (p *problems) check(path string, err error) {
	if err != nil {
		p.add(path, "%s", err)
	}
}

// err returns the fields as an Error; nil if there are none. what names the input, as in "the agent".
func (p problems) err(what string) error {
	if len(p) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: what + " is not valid", Fields: p}
}
