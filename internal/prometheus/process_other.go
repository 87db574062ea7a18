//go:build !linux

package prometheus

import "strings"

// writeProcess writes nothing: only Linux is known well enough.
func writeProcess(*strings.Builder) {}
