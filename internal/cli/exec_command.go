package cli

import (
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/egress"
	"github.com/rolebroker/rolebroker/internal/execenv"
)

// execution holds the flags of exec that say how the command runs.
type execution struct {
	keep   []int
	user   string
	listen string
	public bool

	contained, proxy      bool
	hosts, private, paths []string
}

func (e *execution) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.user, "user", "", "run the command as `USER[:GROUP]`, by name or number; needs root")
	cmd.Flags().StringVar(&e.listen, "listen", "",
		"serve containers of the command at `IP[:PORT]`, which has to be private")
	cmd.Flags().BoolVar(&e.public, "listen-on-public-address", false, "let --listen take any address of this machine")
	cmd.Flags().IntSliceVar(&e.keep, "keep-fd", nil,
		"let the command have the open file descriptor `N`, from 3 up; can be repeated")
	cmd.Flags().BoolVar(&e.contained, "contained", false,
		"let the command reach AWS by the gateway and nothing else; needs Linux")
	cmd.Flags().BoolVar(&e.proxy, "proxy", false,
		"let programs reach AWS by a proxy that is set for them, not by an endpoint")
	cmd.Flags().StringArrayVar(&e.hosts, "allow-host", nil,
		"let a contained command or the proxy reach `HOST`, or *.DOMAIN; can be repeated")
	cmd.Flags().StringArrayVar(&e.private, "allow-private-host", nil,
		"the same for a `HOST` that has a private address")
	cmd.Flags().StringArrayVar(&e.paths, "allow-path", nil,
		"show a contained command `PATH`, below /tmp or /run; can be repeated")
}

// ways are how the command reaches AWS: contained, by a proxy, or neither, which is by an endpoint. A contained command
// sees neither file.
func (e *execution) ways(tokenFile, signInFile string) (*execenv.Containment, *execenv.Proxied, error) {
	if err := e.checkWays(); err != nil {
		return nil, nil, err
	}
	hosts, err := patterns("allow-host", e.hosts)
	if err != nil {
		return nil, nil, err
	}
	private, err := patterns("allow-private-host", e.private)
	switch {
	case err != nil:
		return nil, nil, err
	case e.contained:
		return &execenv.Containment{Hosts: hosts, Private: private, Paths: e.paths, TokenFile: tokenFile,
			SignInFile: signInFile}, nil, nil
	case e.proxy:
		return nil, &execenv.Proxied{Hosts: hosts, Private: private}, nil
	}
	return nil, nil, nil
}

// checkWays refuses flags that contradict each other.
func (e *execution) checkWays() error {
	switch {
	case e.contained && e.proxy:
		return usage("a contained command needs no proxy: leave --proxy or --contained out")
	case !e.contained && len(e.paths) > 0:
		return usage("--allow-path is for a contained command: add --contained")
	case e.contained || e.proxy:
		return nil
	case len(e.hosts) > 0:
		return usage("--allow-host" + needsWay)
	case len(e.private) > 0:
		return usage("--allow-private-host" + needsWay)
	}
	return nil
}

const needsWay = " is for a contained command: add --contained; or add --proxy, which confines nothing"

// patterns reads the values of a flag.
func patterns(flag string, values []string) (all []egress.Pattern, _ error) {
	for _, value := range values {
		p, err := egress.ParsePattern(value)
		if err != nil {
			return nil, usage("--%s: %w", flag, err)
		}
		all = append(all, p)
	}
	return all, nil
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

// warnOfSignIn warns the person who runs exec if the command could use their sign-in, and so act for them.
func (a *app) warnOfSignIn(how execution) {
	saved, err := config.LoadSignIn(a.outside())
	if err != nil || saved.Token.IsZero() || !a.Now().Before(saved.ExpiresAt) || how.contained || how.byAnother() {
		return
	}
	a.note("warning: the command can read your sign-in as %s, and act for you, as by approving its own requests; "+
		"sign out before (rolebroker logout), or run it with --contained, or as another user with --user",
		plain(saved.Name))
}

// byAnother reports whether the command runs as another user than exec.
func (e *execution) byAnother() bool {
	name, _, _ := strings.Cut(e.user, ":")
	self, err := user.Current()
	return name != "" && err == nil && name != self.Username && name != self.Uid
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
