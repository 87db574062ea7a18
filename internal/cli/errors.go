package cli

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/execenv"
)

// The exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in the command line or in a setting.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// codeError sets the exit code; its error may be nil.
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

// report writes an error to stderr, and returns the exit code.
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
	shown := shownError(err)
	fmt.Fprintf(a.errs(), "rolebroker: %s\n", oneLine(shown.Message))
	seen := map[string]bool{}
	for _, f := range shown.Fields {
		fmt.Fprintf(a.errs(), "  %s: %s\n", typed(cmd, f.Path), oneLine(f.Message))
		for _, line := range abridged(f.Hint, seen) {
			fmt.Fprintf(a.errs(), "    %s\n", line)
		}
	}
	hint := shown.Hint
	switch {
	case len(hint) > 0:
	case code == exitUsage:
		hint = rolebroker.Hint{{Command: cmd.CommandPath() + " --help"}}
	default:
		hint = hintFor(shown.Code)
	}
	if shown.Code == rolebroker.CodeNotFound {
		hint = slices.Concat(hint, a.pathHint())
	}
	for line := range strings.Lines(hint.String()) {
		fmt.Fprintf(a.errs(), "hint: %s\n", a.namingTokenFile(strings.TrimSpace(line)))
	}
	return code
}

// shownError returns the error to show. The reader owns this process, so it may
// show errors of the system, and the text around an error of ours.
func shownError(err error) *rolebroker.Error {
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

// namingTokenFile is a hint in which the variable that has the token is the one that is set here: who wrote the hint,
// as the server, may not know.
func (a *app) namingTokenFile(hint string) string {
	const set = "set ROLEBROKER_TOKEN to "
	if a.getenv("ROLEBROKER_TOKEN_FILE") == "" || a.getenv("ROLEBROKER_TOKEN") != "" {
		return hint
	}
	return strings.ReplaceAll(hint, set, "set ROLEBROKER_TOKEN_FILE to a file with ")
}

func oneLine(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

// hintFor is the hint for a code, for errors that have none.
func hintFor(code rolebroker.Code) rolebroker.Hint {
	switch code {
	case rolebroker.CodeUnauthenticated, rolebroker.CodeExpired:
		return rolebroker.Hintf(
			"set ROLEBROKER_TOKEN to a token or key of this server; rolebroker --help says which is for what")
	case rolebroker.CodeStale:
		return rolebroker.Hintf("run the command again to change what is there now")
	case rolebroker.CodeThrottled:
		return rolebroker.Hintf("try again in a few seconds")
	}
	return nil
}

// seeList adds a hint to an error with CodeNotFound: the command that lists what
// there is.
func seeList(err error, command string) error {
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound || len(rolebroker.AsError(err).Hint) > 0 {
		return err
	}
	return rolebroker.AsError(err).WithSteps(rolebroker.Step{Command: command})
}

// pathHint is a hint for a server URL with a path: only a proxy can make that work.
func (a *app) pathHint() rolebroker.Hint {
	u, err := url.Parse(a.getenv("ROLEBROKER_URL"))
	if err != nil || strings.Trim(u.Path, "/") == "" {
		return nil
	}
	return rolebroker.Hintf("ROLEBROKER_URL must be without the path %s, unless a proxy serves rolebroker below it",
		u.EscapedPath())
}

// notInExec refuses a management command with the token of a room of exec, which has
// no management API.
func (a *app) notInExec() error {
	if !strings.HasPrefix(a.getenv("ROLEBROKER_TOKEN"), execenv.TokenPrefix) {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeDenied,
		"this is the loopback port of rolebroker exec, which has no management API").
		WithHint("run the command outside of rolebroker exec, with an API key")
}
