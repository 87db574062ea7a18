//go:build unix

package execenv

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rolebroker/rolebroker"
)

// account is the user that runs the command, if it is another than the one that
// runs this process.
type account struct {
	name     string // of --user
	uid, gid uint32
	groups   []uint32
	user     string // the login name; empty for a number without an entry in the list of users
	home     string
}

// findAccount finds the account that USER or USER:GROUP names, each by name or by
// number. With a group, the account has no others. Codes: denied, not_found,
// invalid.
func findAccount(name string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, rolebroker.Errorf(rolebroker.CodeDenied,
			"only root can run a command as another user, and this process is user %d", os.Geteuid()).
			WithHint("start exec as root, or leave --user out")
	}
	a := &account{name: name, home: "/"}
	who, group, _ := strings.Cut(name, ":")
	if err := a.findUser(who, group != ""); err != nil {
		return nil, err
	}
	if group == "" {
		return a, nil
	}
	gid, err := findGroup(group)
	a.gid, a.groups = gid, nil
	return a, err
}

func (a *account) findUser(who string, withGroup bool) error {
	found, err := user.Lookup(who)
	if err != nil {
		found, err = user.LookupId(who)
	}
	uid, isNumber := number(who)
	switch {
	case err == nil:
		return a.fill(found)
	case !isNumber:
		return rolebroker.Errorf(rolebroker.CodeNotFound, "there is no user %q", who).
			WithHint("name a user of this system, or a number with a group, as in --user 1000:1000")
	case !withGroup:
		return rolebroker.Errorf(rolebroker.CodeInvalid, "user %s has no entry on this system, and so no group", who).
			WithHint("name the group too, as in --user %s:%s", who, who)
	}
	a.uid = uid
	return nil
}

// fill takes the entry of a user, with all groups.
func (a *account) fill(u *user.User) error {
	ids, err := u.GroupIds()
	if err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the groups of user %s cannot be found: %s",
			u.Username, err)
	}
	a.uid, _ = number(u.Uid)
	a.gid, _ = number(u.Gid)
	for _, id := range ids {
		if gid, ok := number(id); ok {
			a.groups = append(a.groups, gid)
		}
	}
	a.user = u.Username
	if u.HomeDir != "" {
		a.home = u.HomeDir
	}
	return nil
}

func findGroup(name string) (uint32, error) {
	if found, err := user.LookupGroup(name); err == nil {
		name = found.Gid
	}
	gid, ok := number(name)
	if !ok {
		return 0, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no group %q", name).
			WithHint("name a group of this system, or a number, as in --user 1000:1000")
	}
	return gid, nil
}

// number reads the number of a user or group. The highest one is none: to system
// calls it means "do not change".
func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n != 1<<32-1
}

// apply makes the command run as the account.
func (a *account) apply(cmd *exec.Cmd) {
	if a == nil {
		return
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}}
	cmd.Env = slices.DeleteFunc(cmd.Env, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "HOME" || name == "USER" || name == "LOGNAME"
	})
	cmd.Env = append(cmd.Env, "HOME="+a.home)
	if a.user != "" {
		cmd.Env = append(cmd.Env, "USER="+a.user, "LOGNAME="+a.user)
	}
}

// handOver makes the files of a folder the account's. The directory stays root's:
// others can go through it, but not list it.
func (a *account) handOver(dir string) error {
	if a == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.Lchown(filepath.Join(dir, entry.Name()), int(a.uid), int(a.gid)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o711)
}

// check refuses a program that the account may not run.
func (a *account) check(program string) error {
	if a == nil || a.reaches(program) {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "user %s may not run %s, which the profiles of the command run",
		a.name, program).WithHint("install rolebroker where every user may run it, as in /usr/local/bin")
}

// reaches reports whether permission bits let the account search a directory, or
// run a program, and search the directories above.
func (a *account) reaches(path string) bool {
	path, err := filepath.EvalSymlinks(path)
	if err != nil || !filepath.IsAbs(path) {
		return false
	}
	for {
		info, err := os.Stat(path)
		if err != nil || !a.mayExecute(info) {
			return false
		}
		if path == filepath.Dir(path) {
			return true
		}
		path = filepath.Dir(path)
	}
}

func (a *account) mayExecute(info os.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	switch {
	case a.uid == 0:
		return true
	case stat.Uid == a.uid:
		return info.Mode()&0o100 != 0
	case stat.Gid == a.gid || slices.Contains(a.groups, stat.Gid):
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// explain explains that a command did not start, if the cause is the account.
func (a *account) explain(err error) error {
	if a == nil || !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return rolebroker.Errorf(rolebroker.CodeDenied, "this process cannot become user %s: %s", a.name,
		errors.Unwrap(err)).
		WithHint("it needs the capabilities SETUID and SETGID; in a user namespace the user has to be mapped")
}
