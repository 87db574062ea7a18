package contain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// enter makes the world of this process, which is the first one of its namespaces.
func (w World) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &Failure{"mount /", err}
	}
	binds, err := w.open()
	if err != nil {
		return err
	}
	if err := mountProc(); err != nil {
		return err
	}
	if err := mountDev(); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := protectKernel(); err != nil {
			return err
		}
	}
	for _, dir := range w.Empty {
		if err := mountEmpty(dir, "mode=1777"); err != nil {
			return err
		}
	}
	for _, b := range binds {
		if err := w.bind(b); err != nil {
			return err
		}
	}
	for _, path := range w.Hidden {
		if err := w.hide(path); err != nil {
			return err
		}
	}
	if err := os.Chdir(w.Dir); err != nil { // the directory as it is seen now, not as it was inherited
		return &Failure{seeStep + w.Dir, errors.Unwrap(err)}
	}
	return nil
}

// seeStep begins the steps that fail because of the permissions of files.
const seeStep = "see "

// source is a Bind with what it shows open, because a later mount may cover its path.
type source struct {
	Bind
	fd    int
	isDir bool
}

func (w World) open() (all []source, _ error) {
	for _, b := range append(slices.Clone(w.Shown), Bind{From: w.Nobody}) {
		fd, err := unix.Open(b.From, unix.O_PATH|unix.O_CLOEXEC, 0)
		var stat unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &stat)
		}
		switch {
		case err == nil:
			all = append(all, source{b, fd, stat.Mode&unix.S_IFMT == unix.S_IFDIR})
		case !b.Optional:
			return nil, &Failure{seeStep + b.From, err}
		}
	}
	return all, nil
}

// nobody is where the empty file is inside.
const nobody = "/dev/.nothing"

// bind shows a source.
func (w World) bind(s source) error {
	defer unix.Close(s.fd)
	if s.To == "" {
		s.To, s.ReadOnly = nobody, true
	}
	step := "mount " + s.To
	if err := w.place(s.To, s.isDir); err != nil {
		return &Failure{step, err}
	}
	return readOnlyIf(s.ReadOnly, s.To, mountFile(s.fd, s.To))
}

func mountFile(fd int, to string) error {
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &Failure{"mount " + to, err}
	}
	return nil
}

func readOnlyIf(readOnly bool, path string, err error) error {
	if err != nil || !readOnly {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &attr); err != nil {
		return &Failure{"make " + path + " read-only", err}
	}
	return nil
}

// place makes a file or directory to mount at, in what is new inside. It makes nothing on the host.
func (w World) place(path string, isDir bool) error {
	if !slices.ContainsFunc(append(slices.Clone(w.Empty), "/dev"), func(dir string) bool { return isBelow(path, dir) }) {
		return nil
	}
	return place(path, isDir)
}

// place makes a file or directory to mount at, if there is none.
func place(path string, isDir bool) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if isDir {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

// hide has a file or directory be seen empty. One that is not there is left alone.
func (w World) hide(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return readOnlyIf(true, path, mountEmpty(path, "mode=0555"))
	case info.Mode()&os.ModeSymlink != 0:
		return nil // what it leads to is in the list, too
	}
	fd, err := unix.Open(nobody, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &Failure{"hide " + path, err}
	}
	defer unix.Close(fd)
	return mountFile(fd, path)
}

// mountEmpty mounts an empty directory, if there is a directory.
func mountEmpty(dir, options string) error {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() {
		return nil
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return &Failure{"mount " + dir, err}
	}
	return nil
}

// mountProc mounts /proc of the command's own processes.
func mountProc() error {
	err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil {
		return &Failure{"mount /proc", err}
	}
	return nil
}

// devices are those that every program may expect. No disk, no terminal of others and no virtual machine is among them.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// mountDev mounts a /dev with few devices, and terminals of the command's own. The terminal that the command is started
// at is /dev/console, so that its name can be found.
func mountDev() error {
	const dir = "/dev"
	fds := map[string]int{}
	for _, name := range devices {
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return &Failure{"open /dev/" + name, err}
		}
		fds[name] = fd
	}
	if fd, ok := terminal(); ok {
		fds["console"] = fd
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return &Failure{"mount /dev", err}
	}
	for name, fd := range fds {
		path := filepath.Join(dir, name)
		if err := place(path, false); err != nil {
			return &Failure{"mount " + path, err}
		}
		err := mountFile(fd, path)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	for _, link := range [][2]string{{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
		{"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			return &Failure{"link /dev/" + link[1], err}
		}
	}
	for _, m := range []struct{ name, kind, options string }{
		{"pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"}, {"shm", "tmpfs", "mode=1777"},
	} {
		path := filepath.Join(dir, m.name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return &Failure{"mount " + path, err}
		}
		if err := unix.Mount(m.kind, path, m.kind, unix.MS_NOSUID|unix.MS_NOEXEC, m.options); err != nil {
			return &Failure{"mount " + path, err}
		}
	}
	return nil
}

// terminal opens the terminal that one of the standard streams is.
func terminal() (fd int, ok bool) {
	for _, stream := range []int{0, 1, 2} {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", stream))
		if err != nil || !strings.HasPrefix(name, "/dev/pts/") && !strings.HasPrefix(name, "/dev/tty") {
			continue
		}
		if fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
			return fd, true
		}
	}
	return 0, false
}

// protectKernel keeps settings of the kernel as they are. Root of the system can write them by its number alone, and a
// setting such as the program that gets core dumps is a way out.
//
// Source: proc(5); sysctl(2) compares with the user 0 of the first namespace.
func protectKernel() error {
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "asound", "mtrr"} {
		path := filepath.Join("/proc", name)
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // this kernel has it not
		}
		err = readOnlyIf(true, path, mountFile(fd, path))
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return readOnlyIf(true, "/sys", nil)
}
