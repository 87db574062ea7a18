//go:build !linux

package execenv

// hideFromChildren does nothing where processes cannot read each other's
// environment, or cannot be kept from it.
func hideFromChildren() {}
