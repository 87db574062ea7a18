package execenv

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// findProgram finds the file to run in the PATH of env. With an error comes the
// exit code that a shell has for it.
func findProgram(name string, env []string) (path string, exitCode int, err error) {
	path, err = lookPath(name, env)
	if err == nil {
		return path, 0, nil
	}
	code, err := startError(name, err)
	return "", code, err
}

// lookPath is exec.LookPath in the PATH of env. On Windows, which has rules of its
// own, it is exec.LookPath.
func lookPath(name string, env []string) (string, error) {
	if runtime.GOOS == "windows" || strings.ContainsRune(name, filepath.Separator) {
		return exec.LookPath(name)
	}
	err := exec.ErrNotFound
	for _, dir := range filepath.SplitList(lookup(env, "PATH")) {
		if dir == "" {
			dir = "." // as shells read it
		}
		path := filepath.Join(dir, name)
		if !strings.ContainsRune(path, filepath.Separator) {
			path = "." + string(filepath.Separator) + path
		}
		found, lookErr := exec.LookPath(path)
		if lookErr == nil {
			return found, nil
		}
		if errors.Is(lookErr, fs.ErrPermission) {
			err = fs.ErrPermission
		}
	}
	return "", err
}

// startError explains why a program cannot be run, with a shell's exit code for it.
func startError(name string, err error) (exitCode int, _ error) {
	var path *fs.PathError
	var lookup *exec.Error
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		e := rolebroker.Errorf(rolebroker.CodeNotFound, "command not found: %s", name)
		if _, statErr := os.Stat(name); statErr == nil && strings.ContainsRune(name, filepath.Separator) {
			return exitNotFound, e.WithHint("the file is there: the interpreter that its first line names is not")
		}
		if strings.ContainsRune(name, ' ') {
			return exitNotFound, e.WithHint("to run a line of shell: rolebroker exec -- sh -c %s",
				rolebroker.ShellQuote(name))
		}
		return exitNotFound, e.WithHint("check the spelling and PATH; the command follows --, as in rolebroker exec " +
			"-- aws sts get-caller-identity")
	case errors.Is(err, fs.ErrPermission):
		return exitNotExecutable, rolebroker.Errorf(rolebroker.CodeDenied, "permission denied: %s", name).
			WithHint("it must be a file that may be executed: chmod +x %s", name)
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &lookup):
		err = lookup.Err
	}
	return exitNotExecutable, rolebroker.Errorf(rolebroker.CodeInvalid, "%s cannot be run: %s", name, err)
}
