package contain

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/rolebroker/rolebroker"
)

// explain returns an error that names the cause of a failure of the preparations, and the remedy.
func explain(err error) error {
	var failed *Failure
	if !errors.As(err, &failed) {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the command cannot be contained: the process that "+
			"prepares it ended: %w", err)
	}
	return system("/proc").explain(failed)
}

// system is where the settings of the kernel are: /proc.
type system string

// explain finds the cause of a failure in the settings of the system. They are asked in the order in which the kernel
// looks at them.
func (s system) explain(f *Failure) error {
	refused := errors.Is(f.Err, unix.EPERM) || errors.Is(f.Err, unix.EACCES)
	switch {
	case strings.HasPrefix(f.Step, seeStep):
		path := strings.TrimPrefix(f.Step, seeStep)
		return rolebroker.Errorf(rolebroker.CodeDenied,
			"the command cannot be contained, so it was not started: its user may not see %s: %s", path, f.Err).
			WithHint("start it where its user may be; root has no power over the files of others in there")
	case errors.Is(f.Err, unix.ENOSPC), errors.Is(f.Err, unix.EUSERS):
		return s.limit(f)
	case errors.Is(f.Err, unix.ENOSYS) && strings.HasSuffix(f.Step, "read-only"):
		return cause(f, "this kernel is too old: read-only mounts need Linux 5.12").
			WithHint("use Linux 5.12 or newer")
	case errors.Is(f.Err, unix.EINVAL), errors.Is(f.Err, unix.ENOSYS):
		return cause(f, "this kernel does not have what that needs").
			WithHint("use a kernel with CONFIG_USER_NS, CONFIG_NET_NS, CONFIG_PID_NS, CONFIG_IPC_NS and CONFIG_SECCOMP_FILTER")
	case refused && s.read("sys/kernel/unprivileged_userns_clone") == "0":
		return cause(f, "kernel.unprivileged_userns_clone is 0: only root may make user namespaces").WithSteps(
			settingStep("kernel.unprivileged_userns_clone=1"))
	case refused && s.read("sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		return cause(f, "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)").
			WithSteps(rolebroker.Step{Text: "give rolebroker a profile that permits them, in /etc/apparmor.d/rolebroker, " +
				"and load it", Command: appArmorProfile(s.program())})
	case refused && f.Step == "mount /proc":
		return cause(f, "parts of /proc are covered, as container engines do").
			WithHint("start the container with --security-opt systempaths=unconfined (Docker) or procMount: Unmasked " +
				"(Kubernetes)")
	case refused && s.isFiltered():
		return cause(f, "a seccomp filter forbids it, as in containers").
			WithHint("start the container with --security-opt seccomp=unconfined --security-opt systempaths=unconfined " +
				"(Docker), or with seccompProfile: Unconfined and procMount: Unmasked (Kubernetes)")
	case refused && os.Geteuid() == 0:
		return cause(f, "root needs the capabilities SETFCAP, SETUID and SETGID, and no security module that forbids it, "+
			"and must not be in a chroot").
			WithHint("start exec with these capabilities, or as another user than root")
	case refused:
		return cause(f, "a security module forbids it, or this process is in a chroot").
			WithHint("see the kernel's log for what forbids user namespaces (dmesg | grep -i -e denied -e userns)")
	}
	return cause(f, "that failed").WithHint("rolebroker exec without --contained does not need it, but contains nothing")
}

// cause says why the command cannot be contained.
func cause(f *Failure, why string) *rolebroker.Error {
	return rolebroker.Errorf(rolebroker.CodeDenied, "the command cannot be contained, so it was not started: %s (%s: %s)",
		why, f.Step, f.Err)
}

// limit explains that there are too many namespaces.
func (s system) limit(f *Failure) error {
	for _, kind := range []string{"user", "net", "mnt", "pid", "ipc"} {
		if name := "max_" + kind + "_namespaces"; s.read("sys/user/"+name) == "0" {
			return cause(f, "user."+name+" is 0").WithSteps(settingStep("user." + name + "=15000"))
		}
	}
	return cause(f, "there are as many namespaces as the system allows, or they are nested too deep").
		WithSteps(settingStep("user.max_user_namespaces=60000"))
}

func settingStep(setting string) rolebroker.Step {
	return rolebroker.Step{Text: "set it, also in a file in /etc/sysctl.d",
		Command: "sudo sysctl -w " + setting}
}

// appArmorProfile writes a profile that permits user namespaces, and nothing else that was not permitted before.
//
// Source: Ubuntu security documentation, "Unprivileged user namespace restrictions".
func appArmorProfile(program string) string {
	return "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile rolebroker " + program +
		" flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/rolebroker && " +
		"sudo apparmor_parser -r /etc/apparmor.d/rolebroker"
}

func (s system) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(string(s), name))
	return strings.TrimSpace(string(text))
}

// isFiltered reports whether this process has a filter of system calls.
func (s system) isFiltered() bool {
	text, _ := os.ReadFile(filepath.Join(string(s), "self/status"))
	return bytes.Contains(text, []byte("\nSeccomp:\t2\n"))
}

// program is the path of this program.
func (s system) program() string {
	path, err := os.Executable()
	if err != nil || strings.ContainsAny(path, " '\"\\") {
		return "/usr/local/bin/rolebroker"
	}
	return path
}
