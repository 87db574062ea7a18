package problem

import (
	"strconv"
	"strings"
)

// parameter begins the path of a field that is not in the body.
const parameter = "\x00"

// Parameter is the path of a query parameter or a header, for
// [rolebroker.Field]. A problem document has no JSON pointer to it.
func Parameter(name string) string { return parameter + name }

// pointer is the path of a field in the body, as in roles[2].arn or
// ["odd name"], as a JSON pointer.
//
// Source: RFC 6901.
func pointer(path string) string {
	if strings.HasPrefix(path, parameter) {
		return ""
	}
	var b strings.Builder
	for path != "" {
		var step string
		step, path = nextStep(strings.TrimPrefix(path, "."))
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// nextStep splits a path into its first step and what follows.
func nextStep(path string) (step, rest string) {
	if inside, ok := strings.CutPrefix(path, "["); ok {
		if quoted, err := strconv.QuotedPrefix(inside); err == nil {
			step, _ = strconv.Unquote(quoted)
			return step, strings.TrimPrefix(inside[len(quoted):], "]")
		}
		step, rest, _ = strings.Cut(inside, "]")
		return step, rest
	}
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}
