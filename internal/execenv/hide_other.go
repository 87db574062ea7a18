//go:build !linux

package execenv

// hideFromChildren does nothing on systems where a process cannot read another
// one's environment, or cannot prevent it.
func hideFromChildren() {}
