package contain_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/contain"
)

// TestMain lets the test binary be the first process of namespaces, and a process on a system that does not allow them.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == contain.InitCommand {
		os.Exit(contain.Init(os.Args[2]))
	}
	if how := os.Getenv("CONTAIN_TEST"); how != "" {
		os.Exit(restricted(how))
	}
	os.Exit(m.Run())
}

// restricted prints why a command cannot be contained.
func restricted(how string) int {
	os.Unsetenv("CONTAIN_TEST")
	switch how {
	case "filter":
		forbidUserNamespaces()
		os.Setenv("CONTAIN_TEST", "now")
		fmt.Println(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
		return 1
	case "no capabilities":
		for c := uintptr(0); unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) == nil; c++ {
		}
		os.Setenv("CONTAIN_TEST", "now")
		fmt.Println(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
		return 1
	}
	dir, err := os.MkdirTemp("", "contain-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	out, code, err := start(dir, contain.World{}, "id", "-u")
	var e *rolebroker.Error
	switch {
	case errors.As(err, &e):
		fmt.Printf("%s: %s\n%s\n", e.Code, e.Message, e.Hint)
	case err != nil:
		fmt.Println("no explanation:", err)
	default:
		fmt.Println("contained:", out, code)
	}
	return 0
}

// forbidUserNamespaces filters the system calls of this thread, and of what it executes, as container engines do.
func forbidUserNamespaces() {
	runtime.LockOSThread()
	unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_NEWUSER, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		uintptr(unsafe.Pointer(&program))); errno != 0 {
		panic(errno)
	}
}

// start runs a command contained, and returns what it prints and its exit code.
func start(dir string, w contain.World, command ...string) (string, int, error) {
	return startAnd(func(*contain.Process) error { return nil }, dir, w, command...)
}

// startAnd is start, and does something while the command runs.
func startAnd(do func(*contain.Process) error, dir string, w contain.World, command ...string) (string, int, error) {
	var out bytes.Buffer
	cmd := exec.Command("/proc/self/exe", contain.InitCommand)
	cmd.Env, cmd.Stdout, cmd.Stderr = []string{"GORACE=atexit_sleep_ms=0"}, &out, &out
	p, err := contain.New(cmd)
	if err != nil {
		return "", 0, err
	}
	if err := p.Start(cmd.Start); err != nil {
		return "", 0, err
	}
	defer cmd.Wait()
	defer p.Close()
	w.Dir, w.Nobody = "/", filepath.Join(dir, "nothing")
	if err := os.WriteFile(w.Nobody, nil, 0o644); err != nil {
		return "", 0, err
	}
	l, err := p.Enter(w)
	if err != nil {
		return "", 0, err
	}
	defer l.Close()
	program, err := exec.LookPath(command[0])
	if err != nil {
		return "", 0, err
	}
	if err := p.Run(program, command, os.Environ(), time.Second); err != nil {
		return "", 0, err
	}
	if err := do(p); err != nil {
		return "", 0, err
	}
	cmd.Wait()
	code, known := p.ExitCode()
	if !known {
		return "", 0, errors.New("the exit code is not known")
	}
	return strings.TrimSpace(out.String()), code, nil
}

func canContain(t *testing.T) {
	t.Helper()
	out, err := exec.Command("unshare", "--user", "--net", "--mount", "--pid", "--fork", "true").CombinedOutput()
	if err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("user namespaces cannot be made here: %s", out)
	}
	t.Skipf("NOT TESTED: user namespaces cannot be made here: %s", out)
}

func run(t *testing.T, w contain.World, command ...string) (string, int) {
	t.Helper()
	canContain(t)
	out, code, err := start(t.TempDir(), w, command...)
	if err != nil {
		t.Fatal(err)
	}
	return out, code
}

func TestWhatIsInside(t *testing.T) {
	out, code := run(t, contain.World{Empty: []string{"/run", "/tmp"}}, "sh", "-c",
		"id -u; echo /tmp/* /run/*; ls /sys/class/net /dev; ls -d /proc/[0-9]* | wc -l; echo x >/dev/null; exit 7")
	want := fmt.Sprintf("%d\n/tmp/* /run/*\n", os.Getuid())
	if code != 7 || !strings.HasPrefix(out, want) || strings.Contains(out, "vda") || !strings.Contains(out, "\nurandom\n") {
		t.Errorf("it ends with %d and prints\n%s\nwhich should begin with\n%s", code, out, want)
	}
	lines := strings.Split(out, "\n")
	if n := lines[len(lines)-1]; len(n) != 1 || n > "5" { // the first process, sh, ls and wc
		t.Errorf("there are %s processes inside", n)
	}
}

func TestHowACommandEnds(t *testing.T) {
	if _, code := run(t, contain.World{}, "sh", "-c", "kill -TERM $$"); code != 128+15 {
		t.Errorf("a command that was killed ends with %d", code)
	}
	started := time.Now()
	if _, code := run(t, contain.World{}, "sh", "-c", "trap '' TERM; sleep 300 & exit 3"); code != 3 ||
		time.Since(started) > time.Minute {
		t.Errorf("it ends with %d after %s", code, time.Since(started))
	}
	if out, _ := run(t, contain.World{}, "sh", "-c", "kill -KILL 1; kill -TERM 1; kill -SEGV 1; sleep 0.1; echo alive"); out !=
		"alive" {
		t.Errorf("the command ends the first process: %q", out)
	}
}

// TestALateSignal signals a command after the garbage collector has closed the files that nothing refers to any more.
func TestALateSignal(t *testing.T) {
	canContain(t)
	_, code, err := startAnd(func(p *contain.Process) error {
		for range 3 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond) // files are closed beside the collection
		}
		return p.Signal(syscall.SIGTERM)
	}, t.TempDir(), contain.World{}, "sleep", "300")
	if err != nil || code != 128+15 {
		t.Errorf("the command ends with %d, %v", code, err)
	}
}

func TestHiddenAndShown(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"secret/token": "hidden-1", "file": "hidden-2", "shown/file": "shown-1"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	shown := filepath.Join(dir, "shown")
	w := contain.World{Empty: []string{"/tmp"}, Hidden: []string{filepath.Join(dir, "secret"), filepath.Join(dir, "file"),
		filepath.Join(dir, "nothing-there")}, Shown: []contain.Bind{{From: dir, To: dir}, {From: shown, To: shown, ReadOnly: true},
		{From: shown, To: "/tmp/elsewhere"}, {From: dir + "/none", To: "/tmp/none", Optional: true}}}
	out, _ := run(t, w, "sh", "-c", "cd "+dir+"; cat secret/token file shown/file /tmp/elsewhere/file; echo x >shown/new; "+
		"echo y >made; ls secret")
	if strings.Contains(out, "hidden") || strings.Count(out, "shown-1") != 2 || !strings.Contains(out, "Read-only") {
		t.Errorf("it sees\n%s", out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "made")); err != nil || string(text) != "y\n" {
		t.Errorf("what it writes is %q, %v", text, err)
	}
}

// Where the system allows no namespaces, the error says why and what to do, and nothing starts.
func TestWhySystemsRefuse(t *testing.T) {
	canContain(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, how string
		root      bool
		wrap      []string // the command that runs the test again; its last argument is followed by the program
		want      string
	}{
		{"no limit", "now", false, []string{"sh", "-c", `exec "$0"`}, fmt.Sprintf("contained: %d 0", os.Getuid())},
		{"a limit of none", "now", false, []string{"unshare", "--user", "--map-root-user", "sh", "-c",
			`echo 0 >/proc/sys/user/max_user_namespaces && exec "$0"`}, "user.max_user_namespaces is 0"},
		{"a limit of none of a kind", "now", false, []string{"unshare", "--user", "--map-root-user", "sh", "-c",
			`echo 0 >/proc/sys/user/max_net_namespaces && exec "$0"`}, "sudo sysctl -w user.max_net_namespaces=15000"},
		{"a filter", "filter", false, []string{"sh", "-c", `exec "$0"`}, "a seccomp filter forbids it"},
		{"covered parts of /proc", "now", true, []string{"unshare", "--mount", "sh", "-c",
			`mount --bind /dev/null /proc/version && exec "$0"`}, "parts of /proc are covered"},
		{"root without capabilities", "no capabilities", true, []string{"sh", "-c", `exec "$0"`},
			"root needs the capabilities SETFCAP, SETUID and SETGID"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.root && os.Getuid() != 0 {
				if os.Getenv("CI") != "" {
					t.Fatal("root is needed")
				}
				t.Skip("NOT TESTED: root is needed")
			}
			cmd := exec.Command(c.wrap[0], append(c.wrap[1:], self)...)
			cmd.Env = append(os.Environ(), "CONTAIN_TEST="+c.how, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v\n%s\ndoes not say %s", err, out, c.want)
			}
			if !strings.Contains(c.want, "contained:") && (!strings.HasPrefix(string(out), "denied: the command cannot be contained, "+
				"so it was not started: ") || strings.Count(string(out), "\n") < 2) {
				t.Errorf("there is no remedy:\n%s", out)
			}
		})
	}
}
