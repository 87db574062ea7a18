package execenv

import "golang.org/x/sys/windows"

// plainOnThisSystem are the characters that are plain in paths here. Short paths
// have a tilde.
const plainOnThisSystem = `:\~`

// tempVariable is the variable that names the temporary directory.
const tempVariable = "TMP"

// plainTempDirs are directories for links, for when the path of the temporary
// directory is not plain.
var plainTempDirs []string

// shortPath is the path of a file in the old form without spaces, or the path itself
// if the volume has no such form.
//
// Source: Win32 API, GetShortPathNameW.
func shortPath(path string) string {
	long, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return path
	}
	short := make([]uint16, windows.MAX_LONG_PATH)
	n, err := windows.GetShortPathName(long, &short[0], uint32(len(short)))
	if err != nil || n == 0 || int(n) > len(short) {
		return path
	}
	return windows.UTF16ToString(short[:n])
}
