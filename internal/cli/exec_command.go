package cli

import (
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// execution holds the flags of exec that say how the command runs.
type execution struct {
	keep   []int
	user   string
	listen string
	public bool
}

func (e *execution) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.user, "user", "", "run the command as `USER[:GROUP]`, by name or number; needs root")
	cmd.Flags().StringVar(&e.listen, "listen", "",
		"serve containers of the command at `IP[:PORT]`, which has to be private")
	cmd.Flags().BoolVar(&e.public, "listen-on-public-address", false, "let --listen take any address of this machine")
	cmd.Flags().IntSliceVar(&e.keep, "keep-fd", nil,
		"let the command have the open file descriptor `N`, from 3 up; can be repeated")
}

// checkUser refuses an empty user, and an empty group: a script whose variable is
// empty must not run the command as root, or with more groups than it meant.
func (e *execution) checkUser(cmd *cobra.Command) error {
	switch {
	case cmd.Flags().Changed("user") && e.user == "":
		return usage("--user is empty; leave it out for the user that runs exec")
	case strings.HasSuffix(e.user, ":"):
		return usage("--user has an empty group; leave the colon out for the groups of the user")
	}
	return nil
}

// stdin returns the command's stdin: none if stdin is the file with the agent's
// token, which the command could read again from its start.
func (a *app) stdin() io.Reader {
	if stdin, ok := a.Stdin.(*os.File); ok && a.isTokenFile(stdin.Stat()) {
		return nil
	}
	return a.Stdin
}

// checkKeep refuses to give the command the file with the agent's token.
func (a *app) checkKeep(fds []int) error {
	for _, fd := range fds {
		if fd < 3 {
			return usage("--keep-fd takes numbers from 3 up, not %d: the command always has the standard streams", fd)
		}
		if a.isTokenFile(os.Stat("/dev/fd/" + strconv.Itoa(fd))) {
			return usage("--keep-fd %d would give the command the agent's token", fd)
		}
	}
	return nil
}

// isTokenFile reports whether a file is the one that has the agent's token, if
// that is a regular file, which can be read again.
func (a *app) isTokenFile(info fs.FileInfo, err error) bool {
	path := a.getenv("ROLEBROKER_TOKEN_FILE")
	if err != nil || path == "" {
		return false
	}
	token, err := os.Stat(path)
	return err == nil && token.Mode().IsRegular() && os.SameFile(token, info)
}
