package execenv

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"

	"github.com/rolebroker/rolebroker"
)

// folderPrefix begins the names of private folders. It is not rolebroker-exec-: the
// folders of earlier versions have no lock, and may be in use.
const folderPrefix = "rolebroker-room-"

// folder is a private directory. Its owner holds a lock on it, which the system
// releases when the process ends, however that happens. So the next exec can tell
// which folders nobody uses any more, and removes them.
type folder struct {
	path string
	lock *os.File // nil where directories have no locks
}

// makeFolder makes a folder in the first of the parents where that is possible. It
// removes the folders there that an exec of this user has left.
func makeFolder(parents []string) (*folder, error) {
	var failed []error
	for _, parent := range parents {
		removeLeft(parent)
		f, err := makeFolderIn(parent)
		if err == nil {
			return f, nil
		}
		failed = append(failed, err)
	}
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "a private directory cannot be made: %s",
		failed[0]).
		WithHint("set %s to a directory that this user may write to; in a container, mount one: docker run --tmpfs /tmp",
			tempVariable)
}

// makeFolderIn makes a folder and locks it. Between the two another exec may take
// the folder for one that was left, and remove it; then there is another try.
func makeFolderIn(parent string) (*folder, error) {
	for {
		path, err := os.MkdirTemp(parent, folderPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockFolder(path)
		if err == nil {
			return &folder{path, lock}, nil
		}
		var opening *fs.PathError
		switch {
		case errors.Is(err, errInUse), errors.Is(err, fs.ErrNotExist):
		case errors.As(err, &opening):
			return nil, err
		default:
			return &folder{path: path}, nil // this file system has no locks, so nobody removes it
		}
	}
}

// remove removes the folder with everything in it.
func (f *folder) remove() {
	os.RemoveAll(f.path)
	if f.lock != nil {
		f.lock.Close()
	}
}

// errInUse means that a process has the lock of a folder.
var errInUse = errors.New("the folder is in use")

// parents are the directories where a folder may be made, the best first. If AWS
// config files cannot have the path of the program, the folder needs a link to it,
// and a path that they can have. The last ones are for systems without a /tmp that
// can be written, as in containers with a read-only root. The account that runs the
// command can reach them.
func (o Options) parents() (found []string) {
	if !isPlain(o.Self) && !isPlain(os.TempDir()) && !isPlain(shortPath(o.Self)) {
		found = slices.Clone(plainTempDirs)
	}
	found = append(found, os.TempDir())
	if runtime.GOOS == "windows" {
		return found
	}
	if private := os.Getenv("XDG_RUNTIME_DIR"); private != "" {
		found = append(found, private)
	}
	found = append(found, "/dev/shm")
	if o.account == nil {
		return found
	}
	found = slices.DeleteFunc(found, func(dir string) bool { return !o.account.reaches(dir) })
	return append(found, os.TempDir()) // its error is shown
}
