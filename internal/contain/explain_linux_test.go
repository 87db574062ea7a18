package contain

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rolebroker/rolebroker"
)

// Settings that this machine does not have.
func TestExplanationsFromSettings(t *testing.T) {
	for _, c := range []struct {
		setting, value string
		failure        Failure
		says, remedy   string
	}{
		{"sys/kernel/unprivileged_userns_clone", "0\n", Failure{"clone", unix.EPERM}, "kernel.unprivileged_userns_clone is 0",
			"sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", Failure{"mount /", unix.EACCES}, "AppArmor restricts",
			"userns,"},
		{"sys/kernel/apparmor_restrict_unprivileged_userns", "0\n", Failure{"clone", unix.EPERM}, "", ""},
		{"sys/user/max_pid_namespaces", "0\n", Failure{"clone", unix.ENOSPC}, "user.max_pid_namespaces is 0",
			"sudo sysctl -w user.max_pid_namespaces=15000"},
		{"sys/user/max_user_namespaces", "9\n", Failure{"clone", unix.ENOSPC}, "as many namespaces as the system allows",
			"user.max_user_namespaces=60000"},
		{"self/status", "Name:\tx\nSeccomp:\t2\n", Failure{"clone", unix.EPERM}, "a seccomp filter forbids it",
			"seccomp=unconfined"},
		{"none", "", Failure{"clone", unix.EINVAL}, "this kernel does not have what that needs", "CONFIG_USER_NS"},
		{"none", "", Failure{"make /sys read-only", unix.ENOSYS}, "Linux 5.12", "use Linux 5.12 or newer"},
		{"none", "", Failure{"see /home/x", unix.EACCES}, "its user may not see /home/x", "start it where its user may be"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, c.setting)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(c.value), 0o644)); err != nil {
			t.Fatal(err)
		}
		err := system(dir).explain(&c.failure)
		var e *rolebroker.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, c.says) || !strings.Contains(e.Hint.String(), c.remedy) ||
			len(e.Hint) == 0 {
			t.Errorf("%s is %q: %v\n%s", c.setting, c.value, err, e.Hint)
		}
	}
}
