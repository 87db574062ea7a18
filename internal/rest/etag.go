package rest

import (
	"strconv"
	"strings"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// IfMatch makes a change conditional.
type IfMatch struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the version that the change was made from. If the current version is another one, or has another ID, the answer is 412. A version alone, as in \"7\", is compared without the ID. Left out or *: the change is made to any version."`
}

// expected is the ID and the version that a change expects; "" and 0 mean any. A
// weak ETag counts as the strong one: proxies that compress make it weak, and it
// stands for a version rather than for bytes.
//
// Source: RFC 9110, section 13.1.1.
func (m IfMatch) expected() (id string, version int64, err error) {
	given := strings.TrimSpace(m.IfMatch)
	if given == "" || given == "*" {
		return "", 0, nil
	}
	quoted, ok := strings.CutPrefix(strings.TrimPrefix(given, "W/"), `"`)
	tag, rest, closed := strings.Cut(quoted, `"`)
	if !ok || !closed || rest != "" {
		return "", 0, invalid(problem.Parameter("If-Match"),
			`expected one ETag as it came, as in "int_4zqk2m7vprb5xw3tdn6hjc8ysa.7", or *`)
	}
	id, digits, both := strings.Cut(tag, ".")
	if !both {
		id, digits = "", tag
	}
	digits, validated, has := strings.Cut(digits, ".") // the digest of validations is not part of the version
	if has && (validated == "" || strings.Trim(validated, "0123456789") != "") {
		digits = ""
	}
	version, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || version < 1 || both && id == "" {
		return "", 0, rolebroker.Errorf(rolebroker.CodeStale, "no version has the ETag %s", clip(given)).
			WithHint(sendCurrent)
	}
	return id, version, nil
}

const sendCurrent = "read it again, and send the ETag that comes with it"

// IfNoneMatch makes a read conditional.
type IfNoneMatch struct {
	IfNoneMatch string `header:"If-None-Match" doc:"ETags of known versions. If the current version has one of them, the answer is 304 without a body."`
}

// has says whether one of the ETags is etag.
//
// Source: RFC 9110, section 13.1.2.
func (m IfNoneMatch) has(etag string) bool {
	for known := range strings.SplitSeq(m.IfNoneMatch, ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == etag {
			return true
		}
	}
	return false
}

// found answers one thing, or status 304 and nothing.
type found[T any] struct {
	Status int
	ETag   string `header:"ETag" doc:"The ID and the version, in quotes; for If-Match."`
	Body   T
}

// changed answers a thing after a change.
type changed[T any] struct {
	ETag string `header:"ETag" doc:"The ID and the version, in quotes; for If-Match."`
	Body T
}

// created answers a new thing.
type created[T any] struct {
	ETag     string `header:"ETag" doc:"The ID and the version, in quotes; for If-Match."`
	Location string `header:"Location" doc:"The path of what was created."`
	Body     T
}

// made answers a new thing that has no versions.
type made[T any] struct {
	Location string `header:"Location" doc:"The path of what was created."`
	Body     T
}
