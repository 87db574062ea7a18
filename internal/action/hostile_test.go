package action_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker/internal/action"
)

// disguises are changes of a request after which a lenient server may still do what the request did before.
var disguises = map[string]func(*action.Request){
	"an encoded letter":      func(r *action.Request) { r.Path = encodeLast(r.Path, "%") },
	"a letter encoded twice": func(r *action.Request) { r.Path = encodeLast(r.Path, "%25") },
	"encoded slashes":        func(r *action.Request) { r.Path = "/" + strings.ReplaceAll(r.Path[1:], "/", "%2F") },
	"slashes encoded twice":  func(r *action.Request) { r.Path = "/" + strings.ReplaceAll(r.Path[1:], "/", "%252f") },
	"backslashes":            func(r *action.Request) { r.Path = "/" + strings.ReplaceAll(r.Path[1:], "/", "%5C") },
	"one slash encoded":      func(r *action.Request) { r.Path = encodeSlash(r.Path) },
	"upper case":             func(r *action.Request) { r.Path = strings.ToUpper(r.Path) },
	"another case":           func(r *action.Request) { r.Path = strings.ToLower(r.Path) },
	"a dot":                  func(r *action.Request) { r.Path = "/." + r.Path },
	"two dots":               func(r *action.Request) { r.Path = "/x/.." + r.Path },
	"encoded dots":           func(r *action.Request) { r.Path = "/x/%2e%2E" + r.Path },
	"two slashes":            func(r *action.Request) { r.Path = "/" + r.Path },
	"a slash at the end":     func(r *action.Request) { r.Path += "/" },
	"a path parameter":       func(r *action.Request) { r.Path += ";x=y" },
	"an action in the query": func(r *action.Request) { r.Query = join("Action=ListUsers", r.Query) },
	"an action after the query": func(r *action.Request) {
		r.Query = join(r.Query, "Action=DescribeInstances")
	},
	"an action before the form": func(r *action.Request) { r.Body = []byte("Action=ListQueues&" + string(r.Body)) },
	"a second version":          func(r *action.Request) { r.Query = join(r.Query, "Version=2010-05-08") },
	"a target in the query": func(r *action.Request) {
		r.Query = join("X-Amz-Target=AmazonSQS.ListQueues", r.Query)
	},
	"a parameter":       func(r *action.Request) { r.Query = join("x=y", r.Query) },
	"a GET":             func(r *action.Request) { r.Header.Set("X-HTTP-Method-Override", r.Method); r.Method = "GET" },
	"a target":          func(r *action.Request) { r.Header.Add("X-Amz-Target", "AmazonSQS.ListQueues") },
	"CBOR":              func(r *action.Request) { r.Header.Set("Smithy-Protocol", "rpc-v2-cbor") },
	"another type":      func(r *action.Request) { r.Header.Set("Content-Type", "text/plain") },
	"a compressed body": func(r *action.Request) { r.Header.Set("Content-Encoding", "gzip") },
	"no host": func(r *action.Request) {
		if !strings.HasPrefix(r.Service, "s3") { // there the bucket would be gone
			r.Host = ""
		}
	},
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// encodeLast encodes the last letter of a path.
func encodeLast(path, percent string) string {
	for i := len(path) - 1; i > 0; i-- {
		if c := path[i]; 'a' <= c && c <= 'z' {
			return path[:i] + percent + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]) + path[i+1:]
		}
	}
	return path
}

func encodeSlash(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i] + "%2f" + path[i+1:]
	}
	return path
}

// A request in disguise is refused, or it has at least the level that it had without.
func TestADisguiseLowersNoLevel(t *testing.T) {
	all, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	tried, refused := 0, 0
	for i, s := range all {
		if i%24 != 0 && s.model != "s3" && s.model != "sqs" || s.request.Service == "-" {
			continue
		}
		plain, err := action.Classify(&s.request)
		if err != nil {
			t.Errorf("%s.%s: %v", s.model, s.operation, err)
		}
		for name, change := range disguises {
			r := s.request
			r.Header = s.request.Header.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			change(&r)
			tried++
			c, err := action.Classify(&r)
			if err != nil {
				refused++
			} else if c.Level < plain.Level || plain.Credentials && !c.Credentials {
				t.Errorf("%s.%s with %s is %s %s, %s instead of %s; %s %s?%s", s.model, s.operation, name, c.Service, c.Operation,
					c.Level, plain.Level, r.Method, r.Path, r.Query)
			}
		}
	}
	t.Logf("%d requests in disguise, %d refused", tried, refused)
}

// Requests of which one server reads the operation here, and another one there.
func TestTwoReadingsAreRefused(t *testing.T) {
	const form, amzJSON = "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/x-amz-json-1.0"
	refused := func(why, line, body string, headers ...string) {
		t.Helper()
		r := request(line, headers...)
		r.Body = []byte(body)
		if c, err := action.Classify(r); err == nil && !c.Credentials {
			t.Errorf("%s: taken for %s.%s, %s", why, c.Service, c.Operation, c.Level)
		}
	}
	refused("a form in the query, and a path of another protocol on the same host",
		"ses POST email.us-east-1.amazonaws.com /v2/email/outbound-emails?Action=ListIdentities", "")
	refused("a form in the query, with a method that servers may echo",
		"iam TRACE iam.amazonaws.com /?Action=ListUsers&Version=2010-05-08", "")
	refused("an action in the query, and a form of another type in the body",
		"sqs POST sqs.us-east-1.amazonaws.com /?Action=ListQueues", "Action=DeleteQueue", "Content-Type: text/plain")
	refused("an action in the query, and a form without a type in the body",
		"sqs POST sqs.us-east-1.amazonaws.com /?Action=ListQueues", "Action=DeleteQueue")
	refused("a target, and a body that is a form too", "sqs POST sqs.us-east-1.amazonaws.com /",
		`{"a":"&Action=DeleteQueue&b="}`, "X-Amz-Target: AmazonSQS.ListQueues", "Content-Type: text/plain")
	refused("two types", "sqs POST sqs.us-east-1.amazonaws.com /", `{"a":"&Action=DeleteQueue&b="}`,
		"X-Amz-Target: AmazonSQS.ListQueues", amzJSON, form)
	refused("an action after a mark of the order of bytes", "iam POST iam.amazonaws.com /",
		"\ufeffAction=DeleteUser&Action=ListUsers", form)
	refused("an action after a line end", "iam POST iam.amazonaws.com /", "\nAction=DeleteUser&Action=ListUsers", form)
	refused("decryption in another spelling", "ssm POST ssm.us-east-1.amazonaws.com /",
		`{"Name":"a","withDecryption":true}`, "X-Amz-Target: AmazonSSM.GetParameter", amzJSON)
}
