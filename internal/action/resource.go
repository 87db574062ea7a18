package action

import (
	"net/url"
	"strings"
)

// template is an ARN with places where parameters of the request go; or only one parameter that is an ARN.
type template struct {
	arn    bool
	must   bool // without it, the resources are not known
	other  bool // it makes no ARN: with its parameter, the resources are not known
	pieces []piece
}

// piece is text, the region, the account, or a parameter: in the path (l), the query (q), a header (h) or the body
// (b).
type piece struct {
	text string
	kind byte // t, R, A, l, q, h or b
}

// parseTemplates reads templates such as dynamodb:%R:%A:table/{b:TableName} and @b:ResourceArn. A ! before one says that
// there are more resources if the request does not have what the template needs, ?b:GroupName that there are more if it
// has this parameter, and a * that there are more anyway.
func parseTemplates(spec string) (list []template, open bool) {
	for _, s := range strings.Fields(spec) {
		s, must := strings.CutPrefix(s, "!")
		switch {
		case s == "*":
			open = true
		case s[0] == '@', s[0] == '?':
			list = append(list, template{arn: true, must: must, other: s[0] == '?', pieces: []piece{{s[3:], s[1]}}})
		default:
			list = append(list, template{must: must, pieces: parsePieces(s)})
		}
	}
	return list, open
}

func parsePieces(s string) []piece {
	var out []piece
	for s != "" {
		i := strings.IndexAny(s, "%{")
		switch {
		case i < 0:
			return append(out, piece{s, 't'})
		case i > 0:
			out = append(out, piece{s[:i], 't'})
			s = s[i:]
		case s[0] == '%':
			out = append(out, piece{"", s[1]})
			s = s[2:]
		default:
			end := strings.IndexByte(s, '}')
			out = append(out, piece{s[3:end], s[1]})
			s = s[end+1:]
		}
	}
	return out
}

// resources are the ARNs that the request names, and a "*" unless they are sure to be all.
func (r *Request) resources(op *operation, w where) ([]string, error) {
	var out []string
	open := op.any
	for i := range op.resources {
		t := &op.resources[i]
		if t.other {
			_, is := r.parameter(t.pieces[0], w)
			open = open || is != missing
			continue
		}
		arn, is := r.fill(op, t, w)
		if is == readable {
			out = append(out, arn)
		}
		open = open || is == unreadable || t.must && is == missing
	}
	if op.service.prefix == "lambda" {
		open = !r.qualify(out) || open
	}
	if op.service.prefix == "sqs" {
		queue, err := r.queue(w)
		if err != nil || len(out) == 0 {
			return queue, err
		}
	}
	if len(out) == 0 {
		return anything, nil
	}
	if open {
		out = append(out, "*")
	}
	return out, nil
}

// qualify appends the version or the alias that the query has to the ARNs of functions. Not ok: it cannot.
func (r *Request) qualify(arns []string) (ok bool) {
	qualifier, is := r.parameter(piece{"Qualifier", 'q'}, where{})
	for i, arn := range arns {
		if is == readable && strings.Count(arn, ":") == 6 && strings.Contains(arn, ":function:") {
			arns[i] += ":" + escape(qualifier)
		} else if is != missing && !strings.HasSuffix(arn, ":"+escape(qualifier)) {
			return false
		}
	}
	return true
}

// reading is what became of a parameter.
type reading int

const (
	missing    reading = iota // the request does not have it
	readable                  // it is in the request once
	unreadable                // it is there twice, in another form, or maybe
)

// fill is the ARN that a template makes, if the request has what it needs.
func (r *Request) fill(op *operation, t *template, w where) (arn string, is reading) {
	var b strings.Builder
	if !t.arn {
		b.WriteString(r.arnStart())
	}
	filled := false
	for _, p := range t.pieces {
		switch p.kind {
		case 't':
			b.WriteString(p.text)
		case 'R':
			b.WriteString(r.Region)
		case 'A':
			b.WriteString(r.Account)
		default:
			value, is := r.parameter(p, w)
			if is != readable {
				return "", is
			}
			isARN := strings.HasPrefix(value, "arn:")
			if t.arn && !isARN {
				return "", unreadable
			}
			if value = r.own(op.service, value); value == "" {
				return "", unreadable
			}
			if isARN || strings.HasPrefix(value, "arn:") {
				if filled {
					return "", unreadable // no name is the ARN of something else
				}
				b.Reset() // it has all that comes before
			}
			filled = true
			b.WriteString(value)
		}
	}
	return b.String(), readable
}

// queue is the queue that a request to SQS names by its URL, and older SDKs by the path.
func (r *Request) queue(w where) ([]string, error) {
	address, is := r.bodyParameter("QueueUrl", w)
	path, err := url.PathUnescape(r.Path)
	switch {
	case err != nil:
		return nil, ambiguous("the path cannot be decoded")
	case is == unreadable && !r.Truncated:
		return nil, ambiguous("the parameter QueueUrl is there twice, or cannot be read")
	case is == unreadable:
		return anything, nil
	case is == readable && strings.Trim(path, "/") != "" && r.queueARN(path) != r.queueARN(address):
		return nil, ambiguous("the path names another queue than the parameter QueueUrl")
	case is == missing:
		address = path
	}
	return []string{r.queueARN(address)}, nil
}

// queueARN is the ARN of the queue at an address; * if that is none.
func (r *Request) queueARN(address string) string {
	parts := strings.Split(address, "/")
	if len(parts) < 3 || !isQueue(parts[len(parts)-2], parts[len(parts)-1]) {
		return "*"
	}
	return r.arnStart() + "sqs:" + r.Region + ":" + parts[len(parts)-2] + ":" + parts[len(parts)-1]
}

// isQueue says whether an account and a name are those of a queue.
//
// Source: Amazon SQS API Reference, CreateQueue.
func isQueue(account, name string) bool {
	other := func(c rune) bool { return !isWord(c) && !strings.ContainsRune("-_.", c) }
	return len(account) == 12 && strings.Trim(account, "0123456789") == "" && name != "" &&
		strings.IndexFunc(name, other) < 0
}

func (r *Request) arnStart() string {
	if r.Partition == "" {
		return "arn:aws:"
	}
	return "arn:" + r.Partition + ":"
}

// own reads a name or an ARN as the service does that has names in several forms, and escapes it. Empty: it names a
// resource that cannot be told.
func (r *Request) own(s *service, value string) string {
	switch s.prefix {
	case "kms":
		if strings.HasPrefix(value, "alias/") || strings.Contains(value, ":alias/") {
			return "" // an action on a key is authorised on the key
		}
	case "rds", "redshift", "redshift-serverless", "elasticache", "memorydb", "dms":
		if value != strings.ToLower(value) {
			return "" // AWS may write the name in lower case
		}
	case "lambda":
		if account, name, ok := strings.Cut(value, ":function:"); ok && !strings.HasPrefix(value, "arn:") {
			return r.arnStart() + "lambda:" + r.Region + ":" + escape(account) + ":function:" + escape(name)
		}
	case "secretsmanager":
		if !strings.HasPrefix(value, "arn:") {
			return r.arnStart() + "secretsmanager:" + r.Region + ":" + r.Account + ":secret:" + escape(value) + "-??????"
		}
		if !endsLikeSecret(value) {
			return escape(value) + "-??????" // AWS takes the ARN without its end too
		}
	}
	return escape(value)
}

// endsLikeSecret says whether an ARN ends like that of a secret: with a hyphen and six letters or digits.
//
// Source: AWS Secrets Manager User Guide, "Finding secrets from a partial ARN".
func endsLikeSecret(arn string) bool {
	end := arn[strings.LastIndexByte(arn, '-')+1:]
	return len(end) == 6 && len(end) < len(arn) && strings.IndexFunc(end, func(c rune) bool { return !isWord(c) }) < 0
}

// isWord says whether a character is an ASCII letter or digit.
func isWord(c rune) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// parameter is a parameter that is in the request once.
func (r *Request) parameter(p piece, w where) (string, reading) {
	switch p.kind {
	case 'l':
		if w.route == nil {
			return "", unreadable // another protocol has it elsewhere
		}
		value, _ := w.route.value(w.path, p.text)
		return read(value, 1, value != "")
	case 'q':
		value, n, err := param(r.Query, p.text)
		return read(value, n, err == nil)
	case 'h':
		values := r.Header.Values(p.text)
		return read(strings.Join(values, ""), len(values), true)
	}
	return r.bodyParameter(p.text, w)
}

// read says what became of a value that is in the request n times.
func read(value string, n int, ok bool) (string, reading) {
	switch {
	case ok && n == 0:
		return "", missing
	case ok && n == 1 && value != "":
		return value, readable
	}
	return "", unreadable
}

func (r *Request) bodyParameter(name string, w where) (string, reading) {
	if w.form {
		a, n, err := param(r.Query, name)
		b, m, err2 := param(string(r.Body), name)
		return read(a+b, n+m, err == nil && err2 == nil && !r.Truncated)
	}
	if r.Truncated {
		return "", unreadable
	}
	if len(r.Body) == 0 {
		return "", missing
	}
	value, n, ok := jsonMember(r.Body, name)
	switch {
	case !ok || n == 1 && value[0] != '"' && value != "null":
		return "", unreadable
	case n == 1 && value == "null":
		return "", missing
	case n != 1:
		return read(value, n, ok)
	}
	value, ok = jsonString(value)
	return read(value, n, ok)
}

// escape writes what IAM reads as a wildcard or variable so that it stands for itself.
//
// Source: IAM User Guide, "Policy variables: special characters".
func escape(s string) string {
	if !strings.ContainsAny(s, "*?$") {
		return s
	}
	return escaper.Replace(s)
}

var escaper = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")

// mayName says whether the request may have a parameter whose name has one of some words in it, in any place and
// spelling. It says so too if the body cannot be searched.
func (r *Request) mayName(words ...string) bool {
	if r.Truncated || len(r.Header["Content-Encoding"]) > 0 {
		return true
	}
	text := string(r.Body)
	if strings.Contains(text, `\u`) {
		return true
	}
	if strings.Contains(text, "%") {
		if d, err := url.QueryUnescape(text); err == nil {
			text = d
		} else {
			return true
		}
	}
	text = strings.ToLower(text + r.Query)
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// selects says whether a statement begins with SELECT, which cannot change anything then.
//
// Source: Amazon DynamoDB Developer Guide, "PartiQL select statements".
func (r *Request) selects(w where) bool {
	statement, _ := r.bodyParameter("Statement", w)
	words := strings.Fields(statement)
	return len(words) > 1 && strings.EqualFold(words[0], "SELECT")
}

// decrypts says whether a call of Systems Manager may return secret parameters in plain text.
func (r *Request) decrypts() bool {
	if r.Truncated {
		return true
	}
	value, n, ok := jsonMember(r.Body, "WithDecryption")
	if ok && n == 0 {
		return r.mayName("withdecryption") // in another spelling
	}
	return !ok || n > 1 || value != "false"
}
