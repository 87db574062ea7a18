package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rolebroker/rolebroker/internal/testbed"
)

// systemCommands are commands of this test binary that only this system has.
var systemCommands = map[string]func(){"escape": escape, "effective-user": effectiveUser}

// targets are what a contained command must not reach. The test opens all of them.
type targets struct {
	TCP, TCP6, UDP string   // on loopback of the host
	Sockets        []string // with a path, or abstract ones, which begin with @
	Room           int      // the process of exec, as the host counts; 0: none
	Setuid         string   // a program that prints its effective user
	Files          []string // that must not be read
	Write          []string // that must not be written
}

// escape plays a command that tries to get out. For each way it prints its name, and whether it is open.
func escape() {
	var t targets
	if err := json.Unmarshal([]byte(os.Args[1]), &t); err != nil {
		panic(err)
	}
	tell := func(way string, err error) {
		if err == nil {
			fmt.Printf("open: %s\n", way)
			return
		}
		fmt.Printf("closed: %s (%s)\n", way, err)
	}
	for way, address := range map[string]string{"loopback": t.TCP, "IPv6 loopback": t.TCP6,
		"metadata": "169.254.169.254:80", "ECS metadata": "169.254.170.2:80", "EKS metadata": "169.254.170.23:80",
		"a public address": "1.1.1.1:443", "a public IPv6 address": "[2606:4700:4700::1111]:443"} {
		if address != "" {
			tell(way, dialed("tcp", address))
		}
	}
	tell("UDP", asked(t.UDP))
	tell("another DNS server", asked("9.9.9.9:53"))
	for _, path := range t.Sockets {
		tell("socket "+path, dialed("unix", path))
	}
	for _, path := range t.Files {
		_, err := os.ReadFile(path)
		if _, dirErr := os.ReadDir(path); dirErr == nil {
			err = nil
		}
		tell("file "+path, err)
	}
	for _, path := range t.Write {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			file.Close()
		}
		tell("write "+path, err)
	}
	tell("vsock", made(unix.AF_VSOCK))
	_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(1), 0) // a bad address, if it is looked at
	tell("io_uring", not(errno, unix.EFAULT))
	_, _, errno = unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2), 0)
	tell("keyring", not(errno, 0))
	_, _, errno = unix.Syscall(unix.SYS_IOCTL, 0, unix.TIOCSTI, 0)
	tell("typing", not(errno, unix.ENOTTY))
	if t.Room != 0 {
		tell("signal", unix.Kill(t.Room, 0))
		tell("environment of the room", readable(fmt.Sprintf("/proc/%d/environ", t.Room)))
	}
	runtime.LockOSThread()
	tell("ptrace of the parent", unix.PtraceAttach(os.Getppid()))
	tell("memory of the parent", readable(fmt.Sprintf("/proc/%d/mem", os.Getppid())))
	if t.Setuid != "" {
		out, err := exec.Command(t.Setuid).Output()
		if err == nil && strings.TrimSpace(string(out)) != "0" {
			err = fmt.Errorf("it is user %s", bytes.TrimSpace(out))
		}
		tell("set-user-ID program", err)
	}
	if len(os.Args) == 2 { // once more in namespaces of its own
		status, _ := os.ReadFile("/proc/self/status")
		for _, set := range []string{"Inh", "Prm", "Eff", "Bnd", "Amb"} {
			if !bytes.Contains(status, []byte("Cap"+set+":\t0000000000000000\n")) {
				tell("capabilities "+set, nil)
			}
		}
		inner := exec.Command("/proc/self/exe", os.Args[1], "inner")
		inner.Args[0] = os.Args[0]
		inner.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
			AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN}}
		inner.Stdout, inner.Stderr = os.Stdout, os.Stderr
		if err := inner.Run(); err != nil {
			fmt.Println("closed: namespaces of its own:", err)
		}
		return
	}
	for _, dir := range []string{"/tmp", "/run", "/dev", "/proc"} {
		tell("inner: umount "+dir, unix.Unmount(dir, unix.MNT_DETACH))
	}
	tell("inner: mount a file system of the host", unix.Mount("sysfs", "/mnt", "sysfs", 0, ""))
}

func dialed(network, address string) error {
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err == nil {
		c.Close()
	}
	return err
}

// asked sends a packet, and waits for an answer.
func asked(address string) error {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("question")); err != nil {
		return err
	}
	c.SetDeadline(time.Now().Add(time.Second))
	_, err = c.Read(make([]byte, 100))
	return err
}

func made(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// not is nil for the error that shows that a call was let through.
func not(errno, through syscall.Errno) error {
	if errno == through {
		return nil
	}
	return errno
}

func readable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Read(make([]byte, 1))
	if errors.Is(err, syscall.EIO) { // nothing is at the beginning of its memory
		return nil
	}
	return err
}

// effectiveUser prints the effective user.
func effectiveUser() { fmt.Println(os.Geteuid()) }

// open opens the targets. They end with the test.
func open(t *testing.T, u *user) (o targets) {
	t.Helper()
	listen := func(network, address string) net.Addr {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		if strings.HasPrefix(address, "/") {
			if err := os.Chmod(address, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		return l.Addr()
	}
	o.TCP = listen("tcp", "127.0.0.1:0").String()
	if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
		l.Close()
		o.TCP6 = listen("tcp", "[::1]:0").String()
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packets.Close() })
	go func() {
		for b := make([]byte, 100); ; {
			n, from, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			packets.WriteTo(b[:n], from)
		}
	}()
	o.UDP = packets.LocalAddr().String()
	other, err := os.MkdirTemp("", "rolebroker-other-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(other) })
	if err := os.Chmod(other, 0o755); err != nil {
		t.Fatal(err)
	}
	o.Sockets = []string{filepath.Join(other, "s"), filepath.Join(u.home, "socket"), "@rolebroker-" + filepath.Base(other)}
	if os.Getuid() == 0 {
		o.Sockets = append(o.Sockets, "/run/"+filepath.Base(other)+".sock", "/var/tmp/"+filepath.Base(other)+".sock")
	}
	for _, path := range o.Sockets {
		listen("unix", path)
	}
	return o
}

// TestNothingLeadsOut runs a command that tries every way out, contained and as a witness not contained, as the user who
// runs exec, and as another one.
func TestNothingLeadsOut(t *testing.T) {
	needs(t, canContain)
	tb := testbed.New(t, nil)
	if out, err := admin0(t, tb, "agent", "connect", "scout", "production", "--keys", "withheld"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	u := anotherUser(t)
	copyProgram(t, filepath.Join(u.home, "escape"))
	if err := os.Chmod(u.home, 0o755); err != nil { // root inside may not go where only others may
		t.Fatal(err)
	}
	o := open(t, u)
	secret := filepath.Join(u.home, "secret")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(secret, "token"), tb.Scout.Reveal())
	write(filepath.Join(u.home, ".aws/credentials"), "[default]\naws_access_key_id = AKIAPOISON\n")
	signIn := filepath.Join(u.home, ".config/rolebroker/sign-in.json")
	write(signIn, "the sign-in of a person")
	o.Files = []string{filepath.Join(secret, "token"), filepath.Join(u.home, ".aws/credentials"), signIn, "/dev/vda",
		"/dev/kmsg"}
	if os.Getuid() == 0 {
		o.Setuid = filepath.Join(u.home, "effective-user")
		copyProgram(t, o.Setuid)
		if err := os.Chmod(o.Setuid, os.ModeSetuid|0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(t *testing.T, attr *syscall.SysProcAttr, room bool, program string, args ...string) []string {
		t.Helper()
		ways := o
		if room {
			ways.Room = os.Getpid()
		}
		text, err := json.Marshal(ways)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, append(args, string(text))...)
		cmd.Dir, cmd.SysProcAttr = u.home, attr
		cmd.Env = append(withoutAWS(os.Environ()), "HOME="+u.home, "ROLEBROKER_URL="+tb.URL, "GORACE="+noRaceDelay,
			"ROLEBROKER_TOKEN_FILE="+filepath.Join(secret, "token"))
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, out, errs.Bytes())
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	escape := filepath.Join(u.home, "escape")
	open := func(lines []string) (found []string) {
		for _, line := range lines {
			if way, ok := strings.CutPrefix(line, "open: "); ok {
				found = append(found, way)
			}
		}
		return found
	}
	t.Run("a witness that is not contained", func(t *testing.T) {
		found := open(run(t, u.attr, false, escape))
		want := []string{"loopback", "UDP", "file " + o.Files[0], "file " + o.Files[1], "keyring", "typing"}
		for _, s := range o.Sockets {
			want = append(want, "socket "+s)
		}
		if o.Setuid != "" {
			want = append(want, "set-user-ID program")
		}
		for _, way := range want {
			if !slices.Contains(found, way) {
				t.Errorf("%s is closed without containment, so the test shows nothing", way)
			}
		}
	})
	callers := map[string]struct {
		attr *syscall.SysProcAttr
		args []string
	}{"its own user": {u.attr, nil}}
	if os.Getuid() == 0 {
		callers["another user"] = struct {
			attr *syscall.SysProcAttr
			args []string
		}{nil, []string{"--user", strconv.Itoa(nobody)}}
		callers["root"] = struct {
			attr *syscall.SysProcAttr
			args []string
		}{nil, []string{"--user", "root"}}
	}
	for name, caller := range callers {
		t.Run(name, func(t *testing.T) {
			setuid := o.Setuid
			defer func() { o.Setuid, o.Write = setuid, nil }()
			if name == "root" {
				o.Setuid = "" // it is root already
				o.Write = []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper",
					"/sys/kernel/mm/ksm/run"}
			}
			lines := run(t, caller.attr, true, u.rolebroker, append(append([]string{"exec", "--contained", "--role", "deployer"},
				caller.args...), "--", escape)...)
			if found := open(lines); len(found) > 0 || len(lines) < 20 {
				t.Errorf("open are %q of\n%s", found, strings.Join(lines, "\n"))
			}
		})
	}
}

// admin0 runs rolebroker with the admin key.
func admin0(t *testing.T, tb *testbed.Testbed, args ...string) ([]byte, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "rolebroker"
	cmd.Env = append(withoutAWS(os.Environ()), "ROLEBROKER_URL="+tb.URL, "ROLEBROKER_TOKEN="+tb.AdminKey.Reveal())
	return cmd.CombinedOutput()
}

// contained are the flags that contain a command of the test's own user.
func contained(more ...string) []string {
	flags := []string{"exec", "--contained"}
	if os.Getuid() == 0 {
		flags = append(flags, "--user", "root")
	}
	return append(flags, more...)
}

// TestEverySDKIsContained runs all SDKs contained, also those that read no endpoint from their environment.
func TestEverySDKIsContained(t *testing.T) {
	needs(t, canContain)
	here := theTools(t)
	for _, c := range here.clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &sdkWorld{t: t, client: c, here: here, tb: testbed.New(t, nil), dir: t.TempDir()}
			w.admin("agent connect scout production --keys withheld")
			tools := contained("--allow-path", filepath.Dir(here.examples), "--allow-path", here.bin)
			client := append(append([]string{"--", "env"}, c.env...), "CLIENT", "") // its own variables begin with AWS_
			w.gets(readonlyRole+w.named(), slices.Concat(tools, client, []string{"deployer"})...)
			w.gets(deployerRole, slices.Concat(tools, []string{"--role", "deployer"}, client)...)
		})
	}
}

// TestNoKeyIsInTheCommandOrItsRoom searches the memory of a contained command and of its exec for the keys that AWS made,
// and what the command can read for those and the agent's token.
func TestNoKeyIsInTheCommandOrItsRoom(t *testing.T) {
	needs(t, canContain)
	here := theTools(t)
	w := &sdkWorld{t: t, client: sdkClient{command: []string{"python3", "agent.py"}}, here: here, tb: testbed.New(t, nil),
		dir: t.TempDir()}
	w.admin("agent connect scout production --keys withheld")
	if err := os.WriteFile(filepath.Join(w.dir, "agent.py"), []byte(`import boto3, os, subprocess, time
print(boto3.client("sts").get_caller_identity()["Arn"])
print(boto3.Session().get_credentials().get_frozen_credentials())
subprocess.run("env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; cat $AWS_CONFIG_FILE $(dirname $AWS_CONFIG_FILE)/* 2>/dev/null; "
               "grep -r . /tmp/ /run/ /dev/shm/ 2>/dev/null | grep -v ca.pem", shell=True)
print("ready", flush=True)
time.sleep(1000)
`), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := w.command(contained("--role", "deployer", "--allow-path", here.bin, "--", "CLIENT")...)
	cmd.Env = append(cmd.Env, "ROLEBROKER_DEBUGGABLE=true")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(syscall.SIGTERM); cmd.Wait() })
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		fmt.Fprintln(&said, lines.Text())
	}
	if !strings.Contains(said.String(), "assumed-role/Deployer/scout") || !strings.Contains(said.String(), "RBGW") {
		t.Fatalf("it says\n%s", said.String())
	}
	keyID := accessKey(t, w.tb, "deployer")
	if !strings.HasPrefix(keyID, "ASIA") {
		t.Fatalf("the session's key is %q", keyID)
	}
	token, keys := w.tb.Scout.Reveal(), append(w.tb.AWS.Secrets(), keyID)
	if len(keys) < 3 {
		t.Fatalf("AWS made %d secrets; a session has two", len(keys)-1)
	}
	for _, text := range append(keys, token) {
		if strings.Contains(said.String(), text) {
			t.Errorf("the command can find %.8s…", text)
		}
	}
	for _, pid := range append(childrenOf(t, cmd.Process.Pid), cmd.Process.Pid) {
		found, err := inMemory(strconv.Itoa(pid), append(keys, token)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if found[key] {
				t.Errorf("process %d has the key %.8s… in its memory", pid, key)
			}
		}
		if isRoom := pid == cmd.Process.Pid; found[token] != isRoom {
			t.Errorf("process %d has the agent's token in its memory: %v", pid, found[token])
		}
	}
}

// childrenOf are the descendants of a process, of which there are two at least.
func childrenOf(t *testing.T, pid int) (all []int) {
	t.Helper()
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		text, err := exec.Command("ps", "-o", "pid=", "--ppid", strconv.Itoa(next[0])).Output()
		if err != nil {
			continue // it has none
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				all, next = append(all, child), append(next, child)
			}
		}
	}
	if len(all) < 2 {
		t.Fatalf("below the room are the processes %v", all)
	}
	return all
}

// outsideHost is the network of a machine with a host outside, and names for it and for others.
const outsideHost = `set -eu
ip link set lo up
ip address add 203.0.114.7/32 dev lo
printf '127.0.0.1 localhost inside.example\n203.0.114.7 allowed.example refused.example\n169.254.169.254 meta.example\n' >"$1"
mount --bind "$1" /etc/hosts
exec "$0" -test.run '^TestOnlyListedHostsAreReached$' -test.count 1 -test.v
`

// TestOnlyListedHostsAreReached has a contained command reach hosts, on a machine whose network is of the test's own.
func TestOnlyListedHostsAreReached(t *testing.T) {
	if os.Getenv(inHost) != "" {
		reachHosts(t)
		return
	}
	needs(t, canContain)
	needs(t, isRoot)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command("unshare", "--net", "--mount", "bash", "-c", outsideHost, self, filepath.Join(t.TempDir(), "hosts"))
	host.Env = append(os.Environ(), inHost+"=yes")
	if out, err := host.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestOnlyListed") {
		t.Errorf("%v\n%s", err, out)
	}
}

// reachHosts is the test on that machine.
func reachHosts(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from", r.Host)
	}))
	var err error
	server.Listener.Close()
	if server.Listener, err = net.Listen("tcp", ":443"); err != nil {
		t.Fatal(err)
	}
	server.StartTLS()
	defer server.Close()
	w := &sdkWorld{t: t, here: theTools(t), tb: testbed.New(t, nil), dir: t.TempDir()}
	w.admin("agent connect scout production --keys withheld")
	for _, c := range []struct{ flags, url, want, log string }{
		{"--allow-host allowed.example", "https://allowed.example/", "hello from allowed.example\n", ""},
		{"--allow-host *.example.org --allow-host allowed.example", "https://allowed.example/", "hello from allowed.example\n", ""},
		{"--allow-host allowed.example", "https://refused.example/", "", `host=refused.example hint="--allow-host refused.example`},
		{"", "https://allowed.example/", "", `hint="--allow-host allowed.example permits it"`},
		{"--allow-host allowed.example", "https://203.0.114.7/", "", ""},
		{"--allow-host allowed.example", "https://127.0.0.1/", "", "it names no host (SNI)"},
		{"--allow-host inside.example", "https://inside.example/", "", "--allow-private-host inside.example permits it"},
		{"--allow-private-host inside.example", "https://inside.example/", "hello from inside.example\n", ""},
		{"--allow-private-host meta.example", "https://meta.example/", "", "its address 169.254.169.254 is one that no command may reach"},
		{"--allow-host allowed.example", "http://allowed.example/",
			"rolebroker: nothing leaves a contained command without TLS\n", "it is HTTP without TLS"},
	} {
		args := append(contained("--role", "deployer"), strings.Fields(c.flags)...)
		cmd := w.command(append(args, "--", "curl", "-sk", "--max-time", "20", c.url)...)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if string(out) != c.want || (err == nil) != (c.want != "") || !strings.Contains(errs.String(), c.log) {
			t.Errorf("with %s, %s gives %q, %v\n%s", c.flags, c.url, out, err, errs.String())
		}
	}
}
