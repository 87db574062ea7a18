package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
)

// The exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a command line or a setting that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError asks for an exit code of its own; its error may be nil.
type codeError struct {
	code  int
	error error
}

func (e codeError) Error() string {
	if e.error == nil {
		return ""
	}
	return e.error.Error()
}

func (e codeError) Unwrap() error { return e.error }

// report tells the person what went wrong, if anything did, and returns the
// exit code.
func (a *app) report(cmd *cobra.Command, err error) int {
	if err == nil {
		return 0
	}
	code := exitFailed
	var wrong usageError
	var own codeError
	switch {
	case errors.As(err, &own):
		if code = own.code; own.error == nil {
			return code
		}
		err = own.error
	case errors.As(err, &wrong):
		code = exitUsage
	}
	told := told(err)
	fmt.Fprintf(a.Stderr, "rolebroker: %s\n", oneLine(told.Message))
	for _, f := range told.Fields {
		fmt.Fprintf(a.Stderr, "  %s: %s\n", f.Path, oneLine(f.Message))
	}
	hint := told.Hint
	if hint == "" && code == exitUsage {
		hint = cmd.CommandPath() + " --help"
	}
	if hint == "" {
		hint = hintFor(cmd, told.Code)
	}
	if hint != "" {
		for line := range strings.Lines(hint) {
			fmt.Fprintf(a.Stderr, "hint: %s\n", strings.TrimSpace(line))
		}
	}
	return code
}

// told is what err says. Here the reader is its owner, so an error that is not
// one of ours is shown as it is, and what was said around one of ours too.
func told(err error) *rolebroker.Error {
	if wrong, ok := err.(usageError); ok {
		err = wrong.error
	}
	var e *rolebroker.Error
	switch {
	case !errors.As(err, &e):
		return &rolebroker.Error{Message: err.Error()}
	case error(e) == err:
		return e
	}
	return &rolebroker.Error{Code: e.Code, Message: err.Error(), Hint: e.Hint}
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

// hintFor is the command to run next when the server did not name one.
func hintFor(cmd *cobra.Command, code rolebroker.Code) string {
	noun := ""
	for c := cmd; c.HasParent(); c = c.Parent() {
		noun = c.Name()
	}
	switch code {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired:
		return "set ROLEBROKER_TOKEN to a token or key of this server; rolebroker --help says which is for what"
	case rolebroker.CodeNotFound:
		switch noun {
		case "integration", "agent", "api-key":
			return "rolebroker " + noun + " list"
		}
	case rolebroker.CodeStale:
		return "run the command again to change what is there now"
	case rolebroker.CodeThrottled:
		return "try again in a few seconds"
	}
	return ""
}
