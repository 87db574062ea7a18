package cli

import (
	"cmp"
	"context"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/contain"
	"github.com/rolebroker/rolebroker/internal/harden"
)

// Process is the surroundings of a command: those of the operating system, or
// those of a test.
type Process struct {
	Args           []string // without the program's name
	Env            []string // as os.Environ gives it
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Now            func() time.Time // nil: time.Now
	Version        string           // empty: the version in the build information
}

// OS is this process.
func OS() Process {
	return Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
}

// debuggableEnv leaves this process open to debuggers if it is true.
const debuggableEnv = "ROLEBROKER_DEBUGGABLE"

// Main runs the command line and returns the exit code.
func Main(p Process) int {
	a := newApp(p)
	if a.getenv(debuggableEnv) != "true" {
		harden.Process() // the environment has tokens and keys
	}
	if len(p.Args) == 2 && p.Args[0] == contain.InitCommand { // exec starts it, and nobody else
		return contain.Init(p.Args[1])
	}
	first := ""
	if len(p.Args) > 0 {
		first = p.Args[0]
	}
	root := newRoot(a, first)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(a.out())
	root.SetErr(a.errs())
	cmd, err := root.ExecuteContextC(context.Background())
	if err == nil {
		err = a.unknown
	}
	return a.report(cmd, err)
}

// app is shared by all commands.
type app struct {
	Process
	wide    bool  // lists have all columns
	unknown error // --help was given with a command that does not exist
	utc     bool  // tables have absolute times
}

func newApp(p Process) *app {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &app{Process: p}
}

// outside returns where package config reads settings.
func (a *app) outside() config.Outside {
	return config.Outside{Getenv: a.getenv, ReadFile: config.OS().ReadFile}
}

// getenv returns the value of a variable. Of several, the last one wins, as in
// os/exec.
func (a *app) getenv(name string) string {
	value := ""
	for _, entry := range a.Env {
		if len(entry) > len(name) && entry[len(name)] == '=' && entry[:len(name)] == name {
			value = entry[len(name)+1:]
		}
	}
	return value
}

// client makes a client of the server that the environment names.
func (a *app) client() (*client.Client, error) { return a.clientOf(config.LoadClient) }

// agentClient makes a client for an agent: one that does not act for the person who signed in.
func (a *app) agentClient() (*client.Client, error) { return a.clientOf(config.LoadAgentClient) }

func (a *app) clientOf(load func(config.Outside) (config.Client, error)) (*client.Client, error) {
	cfg, err := load(a.outside())
	if err != nil {
		return nil, usageError{err}
	}
	return client.New(client.Options{
		URL: cfg.URL, Token: cfg.Token, TokenFile: cfg.TokenFile, AllowInsecure: cfg.AllowInsecure,
		UserAgent: "rolebroker-cli", Now: a.Now,
	})
}

// release is the version of a binary that is built without its repository, as in an image: the linker sets it.
var release string

// version returns the version of this binary.
func (a *app) version() string {
	if given := cmp.Or(a.Version, release); given != "" {
		return given
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
