package action

import (
	"mime"
	"net/url"
	"slices"
	"strings"
)

// where says where in the request the parameters of an operation are.
type where struct {
	why   string // if no operation was found
	route *route
	path  []string // decoded segments
	form  bool     // the parameters are in the query and the body, as a form
	s3    *s3Place
}

// find is the operation of the request, among those of some services; nil if it is not known.
func (r *Request) find(services []*service) (*operation, where, error) {
	if slices.ContainsFunc(services, func(s *service) bool { return s.s3 }) {
		return r.findS3(services)
	}
	target := r.Header.Get("X-Amz-Target")
	cbor := len(r.Header["Smithy-Protocol"]) > 0
	action, version, err := r.formAction(services)
	if err != nil {
		return nil, where{}, err
	}
	if target != "" && cbor || target != "" && action != "" || cbor && action != "" {
		return nil, where{}, ambiguous("it names an operation in two ways")
	}
	switch {
	case target != "":
		return r.findTarget(services, target)
	case cbor:
		op, why := only(services, func(s *service) *operation { return s.byPath[r.Path] })
		return op, where{why: why}, nil
	case action != "":
		return r.findAction(services, action, version)
	}
	return r.findREST(services)
}

// only is the operation that get finds in the services. If several find one, they must be alike.
func only(services []*service, get func(*service) *operation) (*operation, string) {
	var found *operation
	for _, s := range services {
		op := get(s)
		switch {
		case op == nil:
		case found == nil:
			found = op
		case op.name != found.name || !slices.Equal(op.actions, found.actions):
			return nil, found.service.name + " and " + s.name + " know the operation, and the host does not say which is meant"
		}
	}
	if found == nil {
		return nil, "the operation is not known"
	}
	return found, ""
}

func (r *Request) findTarget(services []*service, target string) (*operation, where, error) {
	if r.Method != "POST" || r.Path != "/" && r.Path != "" {
		return nil, where{}, ambiguous("it names an operation in X-Amz-Target and in the path")
	}
	op, why := only(services, func(s *service) *operation { return s.byTarget[target] })
	return op, where{why: why}, nil
}

func (r *Request) findAction(services []*service, action, version string) (*operation, where, error) {
	if !slices.ContainsFunc(services, (*service).takesForms) {
		return nil, where{}, ambiguous("it has a parameter Action, and the service takes no forms")
	}
	if r.Method != "POST" && r.Method != "GET" {
		return nil, where{}, ambiguous("a %s has a parameter Action", r.Method)
	}
	// A host can serve forms beside paths, as that of SES does. Only SQS has forms below paths: those of queues.
	if r.Path != "/" && r.Path != "" && !slices.ContainsFunc(services, func(s *service) bool { return s.name == "sqs" }) {
		return nil, where{}, ambiguous("it names an operation in the parameter Action and in the path")
	}
	var ofVersion []*service
	for _, s := range services {
		if s.version == version {
			ofVersion = append(ofVersion, s)
		}
	}
	if len(ofVersion) > 0 {
		services = ofVersion
	}
	op, why := only(services, func(s *service) *operation { return s.byAction[action] })
	return op, where{why: why, form: true}, nil
}

// formAction is the operation that a form names, in the query or in the body.
func (r *Request) formAction(services []*service) (action, version string, err error) {
	body := ""
	if kind := r.Header.Get("Content-Type"); isForm(kind) {
		body = string(r.Body)
	} else if len(r.Body) > 0 && slices.ContainsFunc(services, (*service).takesForms) && !isNoForm(kind, services) {
		return "", "", ambiguous("the body is not a form that can be read: its type is %q", kind)
	}
	if r.Truncated && body != "" {
		return "", "", ambiguous("the form is longer than what can be read of it")
	}
	if body != "" && len(r.Header["Content-Encoding"]) > 0 {
		return "", "", ambiguous("the form is compressed")
	}
	if body != "" && r.Method != "POST" {
		return "", "", ambiguous("a %s has a form in its body", r.Method)
	}
	if action, err = one(r.Query, body, "Action"); err != nil {
		return "", "", err
	}
	version, err = one(r.Query, body, "Version")
	return action, version, err
}

// one is the value of a parameter that is there once at most, in the query or in the body.
func one(query, body, name string) (string, error) {
	a, n, err := param(query, name)
	if err != nil {
		return "", err
	}
	b, m, err := param(body, name)
	if err != nil {
		return "", err
	}
	if n+m > 1 {
		return "", ambiguous("the parameter %s is there twice", name)
	}
	return a + b, nil
}

// isForm says whether a content type is that of a form in UTF-8.
func isForm(kind string) bool {
	if kind == "application/x-www-form-urlencoded; charset=utf-8" {
		return true
	}
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || media != "application/x-www-form-urlencoded" {
		return false
	}
	charset := params["charset"]
	return charset == "" || strings.EqualFold(charset, "utf-8")
}

// isNoForm says whether a content type is one of those that the services have beside forms. A server that does not know
// a type could read the body as a form.
func isNoForm(kind string, services []*service) bool {
	media, _, err := mime.ParseMediaType(kind)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(services, func(s *service) bool {
		return s.json && (media == "application/x-amz-json-1.0" || media == "application/x-amz-json-1.1") ||
			s.cbor && media == "application/cbor" || s.rest && media == "application/json"
	})
}

// takesForms says whether the service takes operations and their parameters as a form.
func (s *service) takesForms() bool { return s.query }

// param is the value of a parameter of a form or query, and how often it is there. It refuses what servers read in
// different ways: a semicolon, a name in another case, a name that cannot be decoded.
func param(form, name string) (value string, n int, err error) {
	for form != "" {
		var pair string
		pair, form, _ = strings.Cut(form, "&")
		if strings.IndexByte(pair, ';') >= 0 {
			return "", 0, ambiguous("a parameter has a semicolon that is not encoded")
		}
		key, v, _ := strings.Cut(pair, "=")
		if strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
			return "", 0, ambiguous("a parameter's name has a character that is not encoded")
		}
		if strings.ContainsAny(key, "%+") {
			if key, err = url.QueryUnescape(key); err != nil {
				return "", 0, ambiguous("a parameter's name cannot be decoded")
			}
			key = strings.TrimSpace(key)
		}
		if key == name {
			if n++; n > 1 {
				continue
			}
			if value, err = url.QueryUnescape(v); err != nil {
				return "", 0, ambiguous("the parameter %s cannot be decoded", name)
			}
		} else if len(key) == len(name) && (name == "Action" || name == "Version") && strings.EqualFold(key, name) &&
			key[0] == name[0] {
			return "", 0, ambiguous("there is a parameter %s beside %s", key, name)
		}
	}
	return value, n, nil
}

// findREST is the operation that method and path name.
func (r *Request) findREST(services []*service) (*operation, where, error) {
	w := where{why: "the request names no operation that is known"}
	var found []*service
	routes := map[*service]*route{}
	for _, s := range services {
		if !s.rest {
			continue
		}
		rt, path, err := r.findRoute(s)
		if err != nil {
			return nil, w, err
		}
		w.path = path
		if rt != nil {
			found = append(found, s)
			routes[s] = rt
		}
	}
	if len(found) == 0 {
		return nil, w, nil
	}
	op, why := only(found, func(s *service) *operation { return routes[s].op })
	if op == nil {
		return nil, where{why: why}, nil
	}
	w.route = routes[op.service]
	if name, ok := r.otherLiteral(w.route); ok {
		return nil, where{why: "the query parameter " + name + " names an operation that is not known"}, nil
	}
	return op, w, nil
}

// otherLiteral is a query parameter that tells operations of the service apart, but not this one.
func (r *Request) otherLiteral(rt *route) (string, bool) {
	literals := rt.op.service.literals
	if len(literals) == 0 || rt.op.takesLiteral {
		return "", false
	}
	for pair := range strings.SplitSeq(r.Query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if d, err := url.QueryUnescape(name); err == nil {
			name = d
		}
		if literals[name] && !slices.ContainsFunc(rt.query, func(q queryLiteral) bool { return q.name == name }) {
			return name, true
		}
	}
	return "", false
}
