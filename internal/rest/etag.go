package rest

import (
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
)

// IfMatch guards a change.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"The ETag of what the change was made from, as in \"7\"; if it was changed since, the answer is 412. Left out or *: the change wins over whatever is there."`
}

// version is the version that a change expects; 0 means any. A weak ETag is
// taken for the strong one, which a proxy that compresses made it from: it
// stands for a version, not for bytes.
//
// Source: RFC 9110, section 13.1.1.
func (m IfMatch) version() (int64, error) {
	given := strings.TrimSpace(m.IfMatch)
	if given == "" || given == "*" {
		return 0, nil
	}
	quoted, ok := strings.CutPrefix(strings.TrimPrefix(given, "W/"), `"`)
	tag, rest, closed := strings.Cut(quoted, `"`)
	if !ok || !closed || rest != "" {
		return 0, invalid(outside+"If-Match", `expected one ETag as it came, as in "7", or *`)
	}
	version, err := strconv.ParseInt(tag, 10, 64)
	if err != nil || version < 1 {
		return 0, rolebroker.Errorf(rolebroker.CodeStale, "no version has the ETag %s", clip(given, maxQuoted)).
			WithHint("read it again, and send the ETag that comes with it")
	}
	return version, nil
}

// IfNoneMatch saves reading what has not changed.
type IfNoneMatch struct {
	IfNoneMatch string `header:"If-None-Match" doc:"ETags that are known; if it still has one of them the answer is 304 and empty."`
}

// knows says whether one of the ETags is etag.
//
// Source: RFC 9110, section 13.1.2.
func (m IfNoneMatch) knows(etag string) bool {
	for known := range strings.SplitSeq(m.IfNoneMatch, ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == etag {
			return true
		}
	}
	return false
}

// found answers with one thing, or with 304 to those who know it.
type found[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"The version, in quotes; for If-Match."`
	Body   T
}

// changed answers with what a change made of a thing.
type changed[T any] struct {
	ETag string `header:"ETag" doc:"The version, in quotes; for If-Match."`
	Body T
}

// created answers with a new thing.
type created[T any] struct {
	ETag     string `header:"ETag" doc:"The version, in quotes; for If-Match."`
	Location string `header:"Location" doc:"The path of what was created."`
	Body     T
}

// made answers with a new thing that has no versions.
type made[T any] struct {
	Location string `header:"Location" doc:"The path of what was created."`
	Body     T
}
