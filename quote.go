package rolebroker

import (
	"strconv"
	"strings"
)

// maxQuoted bounds the input that a message repeats, in bytes.
const maxQuoted = 200

// Quote quotes input for a message, shortened.
func Quote(s string) string { return strconv.Quote(Clip(s, maxQuoted)) }

// Clip shortens s to about most bytes, and ends it with an ellipsis then.
func Clip(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
