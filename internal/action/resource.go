package action

import (
	"net/url"
	"strings"
)

// template is an ARN with places where parameters of the request go; or only one parameter that is an ARN.
type template struct {
	arn    bool
	pieces []piece
}

// piece is text, the region, the account, or a parameter: in the path (l), the query (q), a header (h) or the body
// (b).
type piece struct {
	text string
	kind byte // t, R, A, l, q, h or b
}

// parseTemplates reads templates such as dynamodb:%R:%A:table/{b:TableName} and @b:ResourceArn. A * says that there
// are more resources than the templates name.
func parseTemplates(spec string) (list []template, open bool) {
	for _, s := range strings.Fields(spec) {
		switch {
		case s == "*":
			open = true
		case s[0] == '@':
			list = append(list, template{arn: true, pieces: []piece{{s[3:], s[1]}}})
		default:
			list = append(list, template{pieces: parsePieces(s)})
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

// resources are the ARNs that the request names.
func (r *Request) resources(op *operation, w where) []string {
	var out []string
	for i := range op.resources {
		if arn := r.fill(op, &op.resources[i], w); arn != "" {
			out = append(out, arn)
		}
	}
	if len(out) == 0 && op.service.prefix == "sqs" {
		return r.queue(w)
	}
	if len(out) == 0 {
		return anything
	}
	if op.any {
		out = append(out, "*")
	}
	return out
}

// fill is the ARN that a template makes; empty if the request does not have what it needs, once and readable.
func (r *Request) fill(op *operation, t *template, w where) string {
	var b strings.Builder
	if !t.arn {
		b.WriteString(r.arnStart())
	}
	for _, p := range t.pieces {
		switch p.kind {
		case 't':
			b.WriteString(p.text)
		case 'R':
			b.WriteString(r.Region)
		case 'A':
			b.WriteString(r.Account)
		default:
			value := r.parameter(p, w)
			if value == "" || t.arn && !strings.HasPrefix(value, "arn:") {
				return ""
			}
			if strings.HasPrefix(value, "arn:") {
				return escape(value)
			}
			if value = r.own(op.service, value); value == "" {
				return ""
			}
			if strings.HasPrefix(value, "arn:") {
				return value
			}
			b.WriteString(escape(value))
		}
	}
	return b.String()
}

// queue is the queue that a request to SQS names by its URL.
func (r *Request) queue(w where) []string {
	address := r.bodyParameter("QueueUrl", w)
	if address == "" {
		address = r.Path // as older SDKs do
	}
	parts := strings.Split(address, "/")
	if len(parts) < 3 || len(parts[len(parts)-2]) != 12 {
		return anything
	}
	account, name := parts[len(parts)-2], parts[len(parts)-1]
	return []string{r.arnStart() + "sqs:" + r.Region + ":" + escape(account) + ":" + escape(name)}
}

func (r *Request) arnStart() string {
	if r.Partition == "" {
		return "arn:aws:"
	}
	return "arn:" + r.Partition + ":"
}

// own reads a name as the service does that has names in several forms. Empty: it names a resource that cannot be
// told.
func (r *Request) own(s *service, value string) string {
	switch s.prefix {
	case "kms":
		if strings.HasPrefix(value, "alias/") {
			return "" // an action on a key is authorised on the key
		}
	case "lambda":
		if account, name, ok := strings.Cut(value, ":function:"); ok {
			return r.arnStart() + "lambda:" + r.Region + ":" + escape(account) + ":function:" + escape(name)
		}
	case "secretsmanager":
		return r.arnStart() + "secretsmanager:" + r.Region + ":" + r.Account + ":secret:" + escape(value) + "-??????"
	}
	return value
}

// parameter is a parameter that is in the request once; else empty.
func (r *Request) parameter(p piece, w where) string {
	switch p.kind {
	case 'l':
		if w.route != nil {
			value, _ := w.route.value(w.path, p.text)
			return value
		}
	case 'q':
		if value, n, err := param(r.Query, p.text); err == nil && n == 1 {
			return value
		}
	case 'h':
		if values := r.Header.Values(p.text); len(values) == 1 {
			return values[0]
		}
	case 'b':
		return r.bodyParameter(p.text, w)
	}
	return ""
}

func (r *Request) bodyParameter(name string, w where) string {
	if w.form {
		value, err := one(r.Query, string(r.Body), name)
		if err != nil {
			return ""
		}
		return value
	}
	if r.Truncated {
		return ""
	}
	value, n, ok := jsonMember(r.Body, name)
	if !ok || n != 1 || value == "" || value[0] != '"' {
		return ""
	}
	s, ok := jsonString(value)
	if !ok {
		return ""
	}
	return s
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
	words := strings.Fields(r.bodyParameter("Statement", w))
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
