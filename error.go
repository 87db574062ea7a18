package rolebroker

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure an [Error] is. Doors map codes to statuses
// and exit codes; nothing else decides by message.
type Code string

// The codes. A new one needs a row in the table of internal/problem.
const (
	CodeInvalid         Code = "invalid"         // the input is wrong; Fields says where
	CodeUnauthenticated Code = "unauthenticated" // no token or key, or one that is not ours
	CodeExpired         Code = "expired"         // a token or key that was good once: expired or revoked
	CodeDenied          Code = "denied"          // we know who asks, and the answer is no
	CodeNotFound        Code = "not_found"       // there is no such thing, or it is not for the caller to see
	CodeConflict        Code = "conflict"        // the name is taken, or the thing is in use
	CodeStale           Code = "stale"           // someone else changed it since it was read
	CodeThrottled       Code = "throttled"       // too much at once; later it may go through
	CodeUnavailable     Code = "unavailable"     // STS, the store or the server cannot answer now
	CodeInternal        Code = "internal"        // our mistake; the cause is in the log

	// Of the service-account token that a pod shows to a runner.
	CodeTokenIssuer    Code = "token_issuer"    // it is of another cluster
	CodeTokenAudience  Code = "token_audience"  // it was made to be shown to someone else
	CodeTokenSignature Code = "token_signature" // it is forged, or its key is not known
	CodeNotBound       Code = "not_bound"       // it is good, and no agent is bound to its service account
)

// Error is what a person or an agent is told. Code, Message, Hint and Fields
// are safe to show to whoever asked; the wrapped cause is for the log only
// and is not part of Error().
type Error struct {
	Code    Code
	Message string  // one sentence without a full stop, starting in lower case or with a name
	Hint    Hint    // what to do next; may be empty
	Fields  []Field // for CodeInvalid: each place in the input that is wrong
	Cause   error   // for the log; may be nil
}

// Field is one thing that is wrong with the input.
type Field struct {
	Path    string // where, as in "roles[2].arn"
	Rule    Rule   // which rule the input breaks, for a door with words of its own; empty where Message suits every door
	Message string // what is wrong and what is expected
	Hint    Hint   // what to do about it, where that is more than Message says; may be empty
}

// Rule names a rule whose message speaks of the JSON of the API. A form shows
// other names for the same things, and words the message itself.
type Rule string

const (
	RuleRoleNameUnique Rule = "role_name_unique" // two roles have the same name
	RuleDefaultChosen  Rule = "default_chosen"   // no role is the default
	RuleDefaultEnabled Rule = "default_enabled"  // the default role is disabled
)

// Error is the message alone, followed by what is wrong with each field.
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

// Unwrap gives the log its cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error of the code. A %w in the format becomes its Cause and
// stays out of the message.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	cause := errors.Unwrap(err)
	message := err.Error()
	if cause != nil {
		message = strings.TrimSuffix(message, ": "+cause.Error())
	}
	return &Error{Code: code, Message: message, Cause: cause}
}

// WithHint returns a copy of e that says in words what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	return e.WithSteps(Step{Text: fmt.Sprintf(format, args...)})
}

// WithSteps returns a copy of e with the steps as its hint.
func (e *Error) WithSteps(steps ...Step) *Error {
	copied := *e
	copied.Hint = steps
	return &copied
}

// AsError is err as an *Error. Anything that is not one becomes CodeInternal
// with a message that gives nothing away and err as its cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "something went wrong on our side", Cause: err,
		Hint: Hintf("the server's log has the cause")}
}

// CodeOf is the code of err, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}

// IsOutage says whether err means that nobody could answer, as opposed to a
// refusal. A caller that was throttled was not refused either. It is false for
// nil.
func IsOutage(err error) bool {
	switch CodeOf(err) {
	case CodeUnavailable, CodeInternal, CodeThrottled:
		return true
	}
	var unknown interface{ IsOutage() bool } // the cause of an error with a code that this version does not know
	return errors.As(err, &unknown) && unknown.IsOutage()
}

// problems collects what is wrong with an input, so that a person hears of
// all of it at once.
type problems []Field

func (p *problems) add(path, format string, args ...any) { p.breaks("", path, format, args...) }

// breaks adds a problem with the rule that the input breaks.
func (p *problems) breaks(rule Rule, path, format string, args ...any) {
	*p = append(*p, Field{Path: path, Rule: rule, Message: fmt.Sprintf(format, args...)})
}

// check adds err's message at path when err is not nil.
func (p *problems) check(path string, err error) {
	if err != nil {
		p.add(path, "%s", err)
	}
}

// err is nil when nothing is wrong.
func (p problems) err(what string) error {
	if len(p) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: what + " is not valid", Fields: p}
}
