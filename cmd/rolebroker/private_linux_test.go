package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// nobody is the user for whom a test that runs as root runs processes: root may
// read everything.
const nobody = 65534

// TestOthersOfTheSameUserCannotReadSecrets reads /proc as a process of the same user
// would, while a server, a runner and an exec run that have secrets in their
// environment.
func TestOthersOfTheSameUserCannotReadSecrets(t *testing.T) {
	tb := testbed.New(t, nil)
	if _, err := tb.Admin.CreateRunner(t.Context(), api.RunnerRequest{Name: "eks"}); err != nil {
		t.Fatal(err)
	}
	join, err := tb.Admin.CreateJoinToken(t.Context(), "eks", api.JoinTokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	u := anotherUser(t)
	env := func(more ...string) []string {
		return append(withoutAWS(os.Environ()), append(more, "HOME="+u.home, "ROLEBROKER_URL="+tb.URL,
			"AWS_SECRET_ACCESS_KEY=the-secret")...)
	}
	t.Run("cat", func(t *testing.T) { // shows that the test finds what is not hidden
		pid := u.start(t, env(), "sh", "-c", "echo serving; exec sleep 1000")
		if text := u.read(t, pid, "environ"); !strings.Contains(text, "the-secret") {
			t.Errorf("nothing is hidden, and the environment is %q", text)
		}
	})
	t.Run("debuggable server", func(t *testing.T) {
		pid := u.start(t, env("ROLEBROKER_DEBUGGABLE=true"), u.rolebroker, "server", "--listen", "127.0.0.1:0",
			"--database", filepath.Join(u.home, "debuggable.db"))
		if text := u.read(t, pid, "environ"); !strings.Contains(text, "the-secret") {
			t.Errorf("it is not open to debuggers: %.80q", text)
		}
	})
	for name, start := range map[string]func(t *testing.T) int{
		"server": func(t *testing.T) int {
			return u.start(t, env("ROLEBROKER_ADMIN_KEY="+tb.AdminKey.Reveal()), u.rolebroker, "server", "--listen",
				"127.0.0.1:0", "--database", filepath.Join(u.home, "rb.db"))
		},
		"runner": func(t *testing.T) int {
			return u.start(t, env("ROLEBROKER_RUNNER_JOIN_TOKEN="+join.Token.Reveal()), u.rolebroker,
				"runner", "--server",
				tb.URL, "--listen", "127.0.0.1:0", "--state", filepath.Join(u.home, "state"), "--spool",
				filepath.Join(u.home, "spool"), "--assume", "assume-role")
		},
		"exec": func(t *testing.T) int {
			return u.start(t, env("ROLEBROKER_TOKEN="+tb.Scout.Reveal()), u.rolebroker, "exec", "--", "sh", "-c",
				"echo serving; exec sleep 1000")
		},
	} {
		t.Run(name, func(t *testing.T) {
			pid := start(t)
			for _, file := range []string{"environ", "mem", "maps", "fd/0"} {
				if text := u.read(t, pid, file); !strings.Contains(text, "Permission denied") {
					t.Errorf("/proc/PID/%s can be read: %.80q", file, text)
				}
			}
		})
	}
}

// user is who runs the processes of a test.
type user struct {
	home       string
	rolebroker string // the path of the program
	attr       *syscall.SysProcAttr
}

// anotherUser returns nobody if the test runs as root, or else the user who runs
// the test.
func anotherUser(t *testing.T) *user {
	t.Helper()
	home, err := os.MkdirTemp("", "rolebroker-user-") // the test's own directory is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	u := &user{home: home, rolebroker: filepath.Join(home, "rolebroker")}
	copyProgram(t, u.rolebroker)
	if os.Getuid() == 0 {
		u.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// copyProgram copies this program, which is rolebroker by that name.
func copyProgram(t *testing.T, path string) {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(file, self); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// start starts a program, waits until it says that it is serving, and returns its
// process ID. The program ends with the test.
func (u *user) start(t *testing.T, env []string, program string, args ...string) int {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = env, u.home, u.attr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		go io.Copy(io.Discard, r)
		cmd.Wait()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if strings.Contains(lines.Text(), "serving") {
			return cmd.Process.Pid
		}
		fmt.Fprintln(&said, lines.Text())
	}
	t.Fatalf("%s %v ended\n%s", program, args, said.String())
	return 0
}

// read returns what head prints of a file in /proc/PID, errors too.
func (u *user) read(t *testing.T, pid int, file string) string {
	t.Helper()
	cmd := exec.Command("head", "-c", "100000", fmt.Sprintf("/proc/%d/%s", pid, file))
	cmd.SysProcAttr, cmd.Env = u.attr, append(os.Environ(), "LC_ALL=C")
	text, _ := cmd.CombinedOutput() // its exit code is that of the error it prints
	return string(text)
}
