package contain

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// securebits keep root of the namespaces from capabilities, for good.
//
// Source: capabilities(7), "The securebits flags".
const securebits = 1 | 1<<1 | // NOROOT
	1<<5 | // KEEP_CAPS is off
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE

// giveUp gives up, for this thread and what it starts, everything that could undo the containment: capabilities,
// gaining them by a program, the keyring of the caller's session, and system calls that lead out.
func giveUp() error {
	unix.KeyctlJoinSessionKeyring("") // where there are no keyrings it fails
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return &Failure{"no_new_privs", err}
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, securebits, 0, 0, 0); err != nil {
		return &Failure{"securebits", err}
	}
	for c := uintptr(0); ; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			break // there are no more
		}
		if err != nil {
			return &Failure{"drop capabilities", err}
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return &Failure{"drop capabilities", err}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return &Failure{"drop capabilities", err}
	}
	return filterCalls()
}

// arch is the system-call convention that programs may use. Those of 32 bits have other numbers, and are refused.
func arch() (convention uint32, ok bool) {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64, true
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64, true
	case "riscv64":
		return unix.AUDIT_ARCH_RISCV64, true
	}
	return 0, false
}

// families are those of sockets that belong to a network namespace. Sockets of a virtual machine to its host
// (AF_VSOCK), for one, do not.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET}

// filterCalls refuses system calls that lead out of the namespaces:
//
//   - sockets of families that do not belong to a network, and io_uring, which makes sockets past this filter;
//   - typing into the terminal (TIOCSTI, TIOCLINUX), which the caller's shell would read afterwards;
//   - the kernel's keyrings, which the caller's other processes share.
//
// Source: seccomp(2); ioctl_tty(2); vsock(7).
func filterCalls() error {
	convention, ok := arch()
	if !ok {
		return &Failure{"seccomp", fmt.Errorf("not known on %s", runtime.GOARCH)}
	}
	filter := newFilter(convention)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return &Failure{"seccomp", errno}
	}
	return nil
}

// Where struct seccomp_data has what a filter looks at, on a little-endian machine.
const (
	callAt     = 0
	archAt     = 4
	firstArgAt = 16
	nextArgAt  = 24
)

// x32 begins the numbers of calls that a 64-bit process makes by the x32 convention.
const x32 = 0x40000000

// newFilter returns the filter.
func newFilter(convention uint32) []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	answer := func(value uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value} }
	refuse := func(errno unix.Errno) unix.SockFilter { return answer(unix.SECCOMP_RET_ERRNO | uint32(errno)) }
	when := func(code uint16, k uint32, then ...unix.SockFilter) []unix.SockFilter { // runs then if the test holds
		return append([]unix.SockFilter{{Code: unix.BPF_JMP | code | unix.BPF_K, K: k, Jf: uint8(len(then))}}, then...)
	}
	filter := []unix.SockFilter{load(archAt)}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: convention, Jt: 1},
		refuse(unix.ENOSYS), load(callAt))
	filter = append(filter, when(unix.BPF_JGE, x32, refuse(unix.ENOSYS))...)
	for _, call := range []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER} {
		filter = append(filter, when(unix.BPF_JEQ, call, refuse(unix.ENOSYS))...)
	}
	for _, call := range []uint32{unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL} {
		filter = append(filter, when(unix.BPF_JEQ, call, refuse(unix.EPERM))...)
	}
	typing := []unix.SockFilter{load(nextArgAt)}
	for _, request := range []uint32{unix.TIOCSTI, unix.TIOCLINUX} {
		typing = append(typing, when(unix.BPF_JEQ, request, refuse(unix.EPERM))...)
	}
	typing = append(typing, answer(unix.SECCOMP_RET_ALLOW))
	filter = append(filter, when(unix.BPF_JEQ, unix.SYS_IOCTL, typing...)...)
	sockets := []unix.SockFilter{load(firstArgAt)}
	for _, family := range families {
		sockets = append(sockets, when(unix.BPF_JEQ, family, answer(unix.SECCOMP_RET_ALLOW))...)
	}
	sockets = append(sockets, refuse(unix.EAFNOSUPPORT))
	for _, call := range []uint32{unix.SYS_SOCKET, unix.SYS_SOCKETPAIR} {
		filter = append(filter, when(unix.BPF_JEQ, call, sockets...)...)
	}
	return append(filter, answer(unix.SECCOMP_RET_ALLOW))
}
