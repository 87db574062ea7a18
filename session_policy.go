package rolebroker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxSessionPolicy is the longest session policy that STS takes, in characters.
//
// Source: STS API Reference, AssumeRole, Policy and PolicyArns.
const MaxSessionPolicy = 2048

// maxPolicyInput bounds a policy document before it is made compact, in bytes.
const maxPolicyInput = 64 << 10

// ParseSessionPolicy checks an IAM policy document and returns it as it is stored and sent: without white space between
// its parts, and in ASCII. wrong has each wrong element; its path begins with a dot, and is empty for the document
// itself.
//
// Source: IAM User Guide, "Grammar of the IAM JSON policy language"; a session policy has no principals.
func ParseSessionPolicy(text string) (policy string, wrong []Field) {
	return parsePolicy(text, policyWalk{most: MaxSessionPolicy, taker: "STS takes"})
}

// parsePolicy checks a document of at most walk.most characters, which the taker takes.
func parsePolicy(text string, walk policyWalk) (policy string, wrong []Field) {
	if len(text) > maxPolicyInput {
		return "", []Field{{Message: fmt.Sprintf("has %d bytes; %s at most %d characters", len(text), walk.taker,
			walk.most)}}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(text)); err != nil || !utf8.ValidString(text) {
		return "", []Field{{Message: "is not JSON: " + jsonProblem(err)}}
	}
	walk.json = json.NewDecoder(bytes.NewReader(compact.Bytes()))
	walk.json.UseNumber()
	walk.document()
	policy = string(escapeJSON(compact.Bytes(), func(r rune) bool { return r < utf8.RuneSelf })) // STS takes little else
	if len(policy) > walk.most {
		walk.add("", "has %d characters without white space; %s at most %d", len(policy), walk.taker, walk.most)
	}
	return policy, walk.wrong
}

func jsonProblem(err error) string {
	if err == nil {
		return "it is not UTF-8"
	}
	return err.Error()
}

// policyWalk reads a policy document that is known to be JSON, and notes what is wrong in it.
type policyWalk struct {
	most  int    // characters of the document
	taker string // of at most so many, as in "STS takes"
	plain bool   // it has no conditions and no policy variables, for which only AWS knows the values
	json  *json.Decoder
	wrong []Field
}

// maxPolicyProblems bounds what is noted of one document.
const maxPolicyProblems = 20

func (w *policyWalk) add(path, format string, args ...any) {
	if len(w.wrong) < maxPolicyProblems {
		w.wrong = append(w.wrong, Field{Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

// token reads the next token. There is one: json.Compact accepted the document.
func (w *policyWalk) token() json.Token {
	tok, err := w.json.Token()
	if err != nil {
		return nil
	}
	return tok
}

// element is what an object of a policy may have.
type element struct {
	name string
	read func(path string, tok json.Token)
}

// object reads an object and reports elements that are unknown or given twice. It returns the names of those it has.
func (w *policyWalk) object(path string, tok json.Token, of string, known []element) (has map[string]bool) {
	has = map[string]bool{}
	if !w.is(path, tok, '{', of+", an object") {
		return nil
	}
	for w.json.More() {
		name, _ := w.token().(string)
		at, value := path+"."+name, w.token()
		i := slices.IndexFunc(known, func(e element) bool { return e.name == name })
		switch {
		case i < 0:
			w.add(path+unknownElement(name), "is not an element of %s; it may have %s%s", of, elementNames(known),
				noPrincipal(name))
			w.skip(value)
		case has[name]:
			w.add(at, "is given twice")
			w.skip(value)
		default:
			known[i].read(at, value)
		}
		has[name] = true
	}
	w.token() // the closing brace
	return has
}

// is reports whether a value begins as it must; if not, it notes that and skips the value.
func (w *policyWalk) is(path string, tok json.Token, begin json.Delim, expected string) bool {
	if tok == begin {
		return true
	}
	w.add(path, "must be %s", expected)
	w.skip(tok)
	return false
}

// unknownElement is the last step of a path, quoted if it could be mistaken for several.
func unknownElement(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf || !isNameByte(byte(r)) }) ||
		strings.Contains(name, ".") {
		return "[" + Quote(name) + "]"
	}
	return "." + Clip(name, maxName)
}

func noPrincipal(name string) string {
	if name == "Principal" || name == "NotPrincipal" {
		return "; the policy is always about the session itself"
	}
	return ""
}

func elementNames(known []element) string {
	names := make([]string, len(known))
	for i, e := range known {
		names[i] = e.name
	}
	return strings.Join(names, ", ")
}

// skip skips the value that begins with tok.
func (w *policyWalk) skip(tok json.Token) {
	for depth := 0; ; tok = w.token() {
		switch tok {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return
		}
	}
}

func (w *policyWalk) document() {
	tok := w.token()
	has := w.object("", tok, "a policy", []element{
		{"Version", w.version}, {"Id", w.text}, {"Statement", w.statements},
	})
	for _, name := range []string{"Version", "Statement"} {
		if has != nil && !has[name] {
			w.add("."+name, "is required")
		}
	}
}

func (w *policyWalk) version(path string, tok json.Token) {
	if tok != "2012-10-17" {
		w.add(path, `must be "2012-10-17"`)
		w.skip(tok)
	}
}

func (w *policyWalk) text(path string, tok json.Token) {
	if _, ok := tok.(string); !ok {
		w.add(path, "must be a string")
		w.skip(tok)
	}
}

// statements reads one statement or a list of them.
func (w *policyWalk) statements(path string, tok json.Token) {
	if tok == json.Delim('{') {
		w.statement(path, tok)
		return
	}
	if !w.is(path, tok, '[', "a list of statements") {
		return
	}
	n := 0
	for ; w.json.More(); n++ {
		w.statement(path+"["+strconv.Itoa(n)+"]", w.token())
	}
	w.token() // the closing bracket
	if n == 0 {
		w.add(path, "must have a statement; without one the session may do nothing")
	}
}

func (w *policyWalk) statement(path string, tok json.Token) {
	has := w.object(path, tok, "a statement", []element{
		{"Sid", w.text}, {"Effect", w.effect}, {"Action", w.list(checkPolicyAction)}, {"NotAction", w.list(checkPolicyAction)},
		{"Resource", w.list(w.checkResource)}, {"NotResource", w.list(w.checkResource)},
		{"Condition", w.condition},
	})
	if has == nil {
		return
	}
	if !has["Effect"] {
		w.add(path+".Effect", "is required: Allow or Deny")
	}
	for _, name := range []string{"Action", "Resource"} {
		switch {
		case !has[name] && !has["Not"+name]:
			w.add(path+"."+name, "is required, or Not%s", name)
		case has[name] && has["Not"+name]:
			w.add(path+".Not"+name, "cannot be given besides %s", name)
		}
	}
}

func (w *policyWalk) effect(path string, tok json.Token) {
	if tok != "Allow" && tok != "Deny" {
		w.add(path, "must be Allow or Deny")
		w.skip(tok)
	}
}

// list returns a reader of one string or a list of them, each checked.
func (w *policyWalk) list(check func(string) error) func(string, json.Token) {
	return func(path string, tok json.Token) {
		if tok != json.Delim('[') {
			w.item(path, tok, check)
			return
		}
		n := 0
		for ; w.json.More(); n++ {
			w.item(path+"["+strconv.Itoa(n)+"]", w.token(), check)
		}
		w.token() // the closing bracket
		if n == 0 {
			w.add(path, "must not be empty")
		}
	}
}

func (w *policyWalk) item(path string, tok json.Token, check func(string) error) {
	s, ok := tok.(string)
	if !ok {
		w.add(path, "must be a string")
		w.skip(tok)
		return
	}
	if err := check(s); err != nil {
		w.add(path, "%s", err)
	}
}

// checkPolicyAction checks an action, as in s3:Get*.
func checkPolicyAction(action string) error {
	isOther := func(c byte) bool { return !isNameStart(c) && c != '-' }
	isOtherOrWild := func(c byte) bool { return isOther(c) && strings.IndexByte("*?_.:/", c) < 0 }
	service, name, found := strings.Cut(action, ":")
	if action == "*" || found && service != "" && name != "" && only(service, func(c byte) bool { return !isOther(c) }) &&
		only(name, func(c byte) bool { return !isOtherOrWild(c) }) {
		return nil
	}
	return fmt.Errorf("%s is not an action; expected one as in s3:GetObject, s3:Get* or *", Quote(action))
}

// checkResource checks the pattern of a resource.
func (w *policyWalk) checkResource(resource string) error {
	if _, variable := readPattern(resource); w.plain && variable {
		return fmt.Errorf("%s has a policy variable, and the gateway does not know its value; write the resource out",
			Quote(resource))
	}
	if resource == "*" || strings.HasPrefix(resource, "arn:") && strings.Count(resource, ":") >= 5 {
		return nil
	}
	return fmt.Errorf("%s is not a resource; expected an ARN as in arn:aws:s3:::bucket/*, or *", Quote(resource))
}

// condition reads operators with keys with values.
func (w *policyWalk) condition(path string, tok json.Token) {
	if w.plain {
		w.add(path, "cannot be judged by the gateway; leave the statement out: what it would allow waits for a person")
		w.skip(tok)
		return
	}
	w.members(path, tok, "operators, as in StringEquals", func(name, at string, tok json.Token) {
		if !isConditionOperator(name) {
			w.add(path+unknownElement(name), "is not a condition operator")
			w.skip(tok)
			return
		}
		w.members(at, tok, "condition keys, as in aws:RequestedRegion", func(_, at string, tok json.Token) {
			w.values(at, tok)
		})
	})
}

// members reads an object with any names.
func (w *policyWalk) members(path string, tok json.Token, of string, read func(name, at string, tok json.Token)) {
	if !w.is(path, tok, '{', "an object of "+of) {
		return
	}
	seen := map[string]bool{}
	for w.json.More() {
		name, _ := w.token().(string)
		at, value := path+unknownElement(name), w.token()
		if seen[name] {
			w.add(at, "is given twice")
			w.skip(value)
			continue
		}
		seen[name] = true
		read(name, at, value)
	}
	w.token() // the closing brace
}

// values reads one value of a condition, or a list of them.
func (w *policyWalk) values(path string, tok json.Token) {
	if tok == json.Delim('[') {
		for n := 0; w.json.More(); n++ {
			w.scalar(path+"["+strconv.Itoa(n)+"]", w.token())
		}
		w.token() // the closing bracket
		return
	}
	w.scalar(path, tok)
}

func (w *policyWalk) scalar(path string, tok json.Token) {
	switch tok.(type) {
	case string, bool, json.Number:
	default:
		w.add(path, "must be a string, a number, true or false")
		w.skip(tok)
	}
}

// isConditionOperator reports whether IAM has a condition operator of that name.
//
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
func isConditionOperator(name string) bool {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "ForAllValues:"), "ForAnyValue:")
	if name == "Null" {
		return true
	}
	switch strings.TrimSuffix(name, "IfExists") {
	case "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
		"StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
		"NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan",
		"DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress",
		"NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		return true
	}
	return false
}
