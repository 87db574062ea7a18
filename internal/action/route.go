package action

import (
	"net/url"
	"slices"
	"strings"
)

// route is the method and path of an operation of a REST service, such as
// POST /2015-03-31/functions/{FunctionName}/invocations.
type route struct {
	op       *operation
	segments []segment
	query    []queryLiteral
	literal  int // the length of its literal segments
	labels   int
	greedy   int
}

// segment is a literal, or a label that stands for one segment, or for one and more if it is greedy.
type segment struct {
	literal, label string
	greedy         bool
}

type queryLiteral struct {
	name, value string
	valued      bool
}

func parseRoute(uri string, op *operation) *route {
	rt := &route{op: op}
	path, query, _ := strings.Cut(uri, "?")
	for _, s := range split(path) {
		if !strings.HasPrefix(s, "{") {
			rt.segments = append(rt.segments, segment{literal: s})
			rt.literal += len(s) + 1
			continue
		}
		name := strings.Trim(s, "{}")
		label := segment{label: strings.TrimSuffix(name, "+"), greedy: strings.HasSuffix(name, "+")}
		rt.segments = append(rt.segments, label)
		rt.labels++
		if label.greedy {
			rt.greedy++
		}
	}
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, valued := strings.Cut(pair, "="); name != "" {
			rt.query = append(rt.query, queryLiteral{name, value, valued})
		}
	}
	return rt
}

// split is the segments of a path. A slash at the end makes no segment.
func split(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// better says whether a route is to be preferred to another one that matches too, as services do: the more of it is
// literal the better.
func (rt *route) better(than *route) bool {
	if than == nil {
		return true
	}
	if a, b := len(rt.query), len(than.query); a != b {
		return a > b
	}
	if a, b := rt.greedy, than.greedy; a != b {
		return a < b
	}
	if a, b := rt.labels, than.labels; a != b {
		return a < b
	}
	return rt.literal > than.literal
}

// match says whether the segments are the route's, exactly or except for case.
func (rt *route) match(path []string) (exact, nearly bool) {
	if len(path) < len(rt.segments) || rt.greedy == 0 && len(path) != len(rt.segments) {
		return false, false
	}
	exact = true
	spare := len(path) - len(rt.segments)
	at := 0
	for _, s := range rt.segments {
		switch {
		case s.greedy:
			at += spare
			spare = 0
		case s.literal == "":
		case path[at] == s.literal:
		case strings.EqualFold(path[at], s.literal):
			exact = false
		default:
			return false, false
		}
		at++
	}
	return exact, true
}

// matchLoosely says whether the segments could be the route's for a server that decodes slashes in labels: each label
// stands for one segment and more, and case does not matter.
func (rt *route) matchLoosely(path []string) bool {
	at, label, resume := 0, -1, 0
	for i := 0; i < len(path); {
		switch {
		case at < len(rt.segments) && rt.segments[at].literal == "":
			label, resume = at, i+1
			at++
			i++
		case at < len(rt.segments) && strings.EqualFold(rt.segments[at].literal, path[i]):
			at++
			i++
		case label >= 0: // the last label takes one segment more
			at, i = label+1, resume
			resume++
		default:
			return false
		}
	}
	return at == len(rt.segments)
}

// value is the value of a label of a path that the route matches.
func (rt *route) value(path []string, label string) (string, bool) {
	spare, at := len(path)-len(rt.segments), 0
	for _, s := range rt.segments {
		n := 1
		if s.greedy {
			n += spare
			spare = 0
		}
		if s.label == label && s.literal == "" {
			return strings.Join(path[at:at+n], "/"), true
		}
		at += n
	}
	return "", false
}

// findRoute is the operation of a service that the method, the path and the query name.
func (r *Request) findRoute(s *service) (*route, []string, error) {
	raw := split(r.Path)
	path := make([]string, len(raw))
	decoded := false
	for i, seg := range raw {
		d, err := url.PathUnescape(seg)
		if err != nil || d == "" || d == "." || d == ".." {
			return nil, nil, ambiguous("the path has a segment %q", seg)
		}
		if strings.ContainsAny(seg, ";\\") {
			return nil, nil, ambiguous("the path has a %q that is not encoded", ";")
		}
		path[i] = d
		decoded = decoded || d != seg
	}
	best, err := r.bestRoute(s, path)
	if err != nil || !decoded {
		return best, path, err
	}
	return best, path, r.decodedAgain(s, best, path)
}

// bestRoute is the best of the routes that match. It is an error if one of a higher level differs by case only.
func (r *Request) bestRoute(s *service, path []string) (*route, error) {
	var best, near *route
	for _, rt := range s.routes[r.Method] {
		exact, nearly := rt.match(path)
		if !nearly {
			continue
		}
		ok, err := r.hasLiterals(rt)
		if err != nil {
			return nil, err
		}
		if ok && exact && rt.better(best) {
			best = rt
		}
		if ok && !exact && (near == nil || near.op.level < rt.op.level) {
			near = rt
		}
	}
	if best != nil && near.worse(best) {
		return nil, ambiguous("the path is that of %s except for case", near.op.name)
	}
	return best, nil
}

// worse says whether the operation of a route may do more than that of another one.
func (rt *route) worse(than *route) bool {
	return rt != nil && (rt.op.level > than.op.level || rt.op.credentials && !than.op.credentials)
}

// hasLiterals says whether the query has what the route requires, once.
func (r *Request) hasLiterals(rt *route) (bool, error) {
	for _, q := range rt.query {
		value, n, err := param(r.Query, q.name)
		if err != nil {
			return false, err
		}
		if n > 1 {
			return false, ambiguous("the query parameter %s is there twice", q.name)
		}
		if n == 0 || q.valued && value != q.value {
			return false, nil
		}
	}
	return true, nil
}

// decodedAgain refuses a path that names an operation of a higher level to a server that decodes it before it looks
// for slashes, or decodes it twice.
func (r *Request) decodedAgain(s *service, best *route, path []string) error {
	for range 3 {
		joined := strings.Join(path, "/")
		again, err := splitDecoded(path)
		if err != nil {
			return err
		}
		for _, rt := range s.routes[r.Method] {
			// A server that takes more than one segment for a label still prefers the route with more literals.
			if best == nil || rt.literal < best.literal || !rt.worse(best) || !rt.matchLoosely(again) {
				continue
			}
			if ok, err := r.hasLiterals(rt); err != nil || ok {
				return ambiguous("the path is that of %s once it is decoded", rt.op.name)
			}
		}
		next, err := url.PathUnescape(joined)
		if err != nil || next == joined {
			return nil
		}
		path = split(next)
	}
	return ambiguous("the path is encoded many times")
}

// splitDecoded splits segments at the slashes that they have after decoding. An ARN stays whole: most have a slash, so
// a service that takes one as a segment must be reading it right.
func splitDecoded(path []string) ([]string, error) {
	var out []string
	for _, whole := range path {
		parts := strings.FieldsFunc(whole, func(c rune) bool { return c == '/' || c == '\\' })
		if slices.Contains(parts, ".") || slices.Contains(parts, "..") {
			return nil, ambiguous("the path has an encoded segment of dots")
		}
		if strings.HasPrefix(whole, "arn:") {
			parts = []string{whole}
		}
		out = append(out, parts...)
	}
	return out, nil
}
