package execenv

import (
	"os"
	"slices"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/privatedir"
)

// folderPrefix begins the names of private folders. It is not rolebroker-exec-: the
// folders of earlier versions have no lock, and may be in use.
const folderPrefix = "rolebroker-room-"

// makeFolder makes the private folder of a room.
func (o Options) makeFolder() (*privatedir.Dir, error) {
	dir, err := privatedir.Make(folderPrefix, o.parents()...)
	if err == nil {
		return dir, nil
	}
	return nil, rolebroker.Errorf(rolebroker.CodeUnavailable, "a private directory cannot be made: %s", err).
		WithHint("set %s to a directory that this user may write to; in a container, mount one: docker run --tmpfs /tmp",
			tempVariable)
}

// parents are the directories where a folder may be made, the best first. If AWS
// config files cannot have the path of the program, the folder needs a link to it,
// and a path that they can have. The last ones are for systems without a /tmp that
// can be written, as in containers with a read-only root. The account that runs the
// command can reach them.
func (o Options) parents() (found []string) {
	if !isPlain(o.Self) && !isPlain(os.TempDir()) && !isPlain(shortPath(o.Self)) {
		found = slices.Clone(plainTempDirs)
	}
	found = append(found, privatedir.Temporary()...)
	if o.account != nil {
		found = slices.DeleteFunc(found, func(dir string) bool { return !o.account.reaches(dir) })
	}
	return append(found, os.TempDir()) // again, because the last error is shown
}
