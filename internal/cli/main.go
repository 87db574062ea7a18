package cli

import (
	"context"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
)

// Process is what a command line is given: what main gets from the system, and
// a test makes up.
type Process struct {
	Args           []string // without the program's name
	Env            []string // as os.Environ gives it
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time // nil: time.Now
	Version        string           // empty: what the binary was built from
}

// OS is this process.
func OS() Process {
	return Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// Main runs the command line and returns the exit code.
func Main(p Process) int {
	a := newApp(p)
	first := ""
	if len(p.Args) > 0 {
		first = p.Args[0]
	}
	root := newRoot(a, first)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := root.ExecuteContextC(context.Background())
	if err == nil {
		err = a.unknown
	}
	return a.report(cmd, err)
}

// app is what the commands share.
type app struct {
	Process
	unknown error // help was asked for on a command that does not exist
}

func newApp(p Process) *app {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &app{Process: p}
}

// outside is where settings are read from.
func (a *app) outside() config.Outside {
	return config.Outside{Getenv: a.getenv, ReadFile: config.OS().ReadFile}
}

// getenv is the value of a variable; the last one wins, as for os/exec.
func (a *app) getenv(name string) string {
	value := ""
	for _, entry := range a.Env {
		if len(entry) > len(name) && entry[len(name)] == '=' && entry[:len(name)] == name {
			value = entry[len(name)+1:]
		}
	}
	return value
}

// client is a client of the server that the environment names.
func (a *app) client() (*client.Client, error) {
	cfg, err := config.LoadClient(a.outside())
	if err != nil {
		return nil, usageError{err}
	}
	return client.New(client.Options{
		URL: cfg.URL, Token: cfg.Token, AllowInsecure: cfg.AllowInsecure, UserAgent: "rolebroker-cli",
	})
}

// version is what this binary was built from.
func (a *app) version() string {
	if a.Version != "" {
		return a.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
