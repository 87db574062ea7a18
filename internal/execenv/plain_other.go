//go:build !windows

package execenv

// plainOnThisSystem are the characters that are plain in paths here.
const plainOnThisSystem = ""

// tempVariable is the variable that names the temporary directory.
const tempVariable = "TMPDIR"

// plainTempDirs are directories for links, for when the path of the temporary
// directory is not plain.
var plainTempDirs = []string{"/tmp", "/var/tmp", "/dev/shm"}

// shortPath is the path itself: only Windows has another.
func shortPath(path string) string { return path }
