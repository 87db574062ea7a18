package awssim

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	suiteKey    = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

// onWire is a request as a server reads it.
func onWire(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return readWire(t, b.String())
}

func readWire(t testing.TB, text string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verifyWire reports what is wrong with the signature of a request, but for
// its age.
func verifyWire(r *http.Request, body []byte, secret string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	c, err := readClaim(r, query)
	if err != nil {
		return err
	}
	return c.verify(r, plainForm(r, body), secret)
}

// TestKnownAnswers is taken from AWS's published Signature Version 4 test
// suite, and the IAM example of its documentation.
func TestKnownAnswers(t *testing.T) {
	const scope = "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
	for name, request := range map[string]string{
		"get-vanilla": "GET / HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:20150830T123600Z\nAuthorization: " +
			"AWS4-HMAC-SHA256 " + scope +
			", SignedHeaders=host;x-amz-date, " +
			"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\n\n",
		"get-vanilla-query-order-key-case": "GET /?Param2=value2&Param1=value1 " +
			"HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 " +
			scope +
			", SignedHeaders=host;x-amz-date, " +
			"Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500\n\n",
		"post-vanilla": "POST / HTTP/1.1\nHost:example.amazonaws.com\nX-Amz-Date:20150830T123600Z\nAuthorization: " +
			"AWS4-HMAC-SHA256 " + scope +
			", SignedHeaders=host;x-amz-date, " +
			"Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b\n\n",
		"iam list-users": "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\nHost: " +
			"iam.amazonaws.com\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\nX-Amz-Date: " +
			"20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 " +
			"Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request" +
			", SignedHeaders=content-type;host;x-amz-date, " +
			"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7\n\n",
	} {
		r := readWire(t, strings.ReplaceAll(request, "\n", "\r\n"))
		if err := verifyWire(r, nil, suiteSecret); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := verifyWire(r, nil, suiteSecret+"x"); !errors.Is(err, errBadSignature) {
			t.Errorf("%s with another secret: %v", name, err)
		}
	}
}

// shape is a request for the SDK's signer to sign.
type wireShape struct{ method, path, query, header, body, token string }

func (s wireShape) build() (*http.Request, error) {
	r, err := http.NewRequest(s.method, "http://sts.example:8080"+s.path, strings.NewReader(s.body))
	if err != nil {
		return nil, err
	}
	r.URL.RawQuery = s.query
	if s.header != "" {
		r.Header.Add("X-Extra", s.header)
		r.Header.Add("X-Extra", "second")
	}
	return r, nil
}

// sign is the request as the SDK signs it; nil if there is no such request,
// which only a fuzzer may come up with.
func (s wireShape) sign(t testing.TB, presign bool) *http.Request {
	t.Helper()
	r, err := s.build()
	if err != nil {
		return nil
	}
	hash := sha256.Sum256([]byte(s.body))
	keys := aws.Credentials{AccessKeyID: suiteKey, SecretAccessKey: suiteSecret, SessionToken: s.token}
	if !presign {
		if err := v4.NewSigner().SignHTTP(context.Background(), keys, r, hex.EncodeToString(hash[:]), "sts",
			"us-east-1", suiteTime); err != nil {
			t.Fatal(err)
		}
		return onWire(t, r)
	}
	uri, headers, err := v4.NewSigner().PresignHTTP(context.Background(), keys, r, hex.EncodeToString(hash[:]), "sts",
		"us-east-1", suiteTime)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil {
		return nil
	}
	signed := &http.Request{Method: s.method, URL: u, Host: u.Host, Header: headers,
		Body: io.NopCloser(strings.NewReader(s.body)), ContentLength: int64(len(s.body))}
	delete(signed.Header, "Host")
	return onWire(t, signed)
}

var wireShapes = []wireShape{
	{method: "POST", path: "/", body: "Action=GetCallerIdentity&Version=2011-06-15"},
	{method: "POST", path: "/", body: "a=b", token: "tok/en+=="},
	{method: "GET", path: "/", query: "Action=GetCallerIdentity&Version=2011-06-15"},
	{method: "GET", path: "", query: ""},
	{method: "GET", path: "/a/./b/../c", query: ""},
	{method: "GET", path: "//double//slash/", query: ""},
	{method: "GET", path: "/a%2Fb/c%20d/%25/~x", query: ""},
	{method: "GET", path: "/é/ü", query: "k=%C3%A9"},
	{method: "PUT", path: "/x", query: "b=2&a=1&a=0&a=&c", body: "x"},
	{method: "GET", path: "/", query: "k=a%20b&k=a%2Fb&k=a%7Eb&sp=a+b"},
	{method: "POST", path: "/", header: "  many   spaces  here ", body: "x=1"},
}

func TestSDKSignaturesVerify(t *testing.T) {
	for _, s := range wireShapes {
		for _, presign := range []bool{false, true} {
			r := s.sign(t, presign)
			if r == nil {
				t.Fatalf("%+v is no request", s)
			}
			if err := verifyWire(r, []byte(s.body), suiteSecret); err != nil {
				t.Errorf("%+v, presigned %v: %v", s, presign, err)
			}
			if err := verifyWire(r, []byte(s.body+" "), suiteSecret); !errors.Is(err, errBadSignature) {
				t.Errorf("%+v, presigned %v, with another body: %v", s, presign, err)
			}
		}
	}
}

// signed is an AssumeRole-like call to a simulator, which spoil changes after
// it was signed.
func answerTo(t *testing.T, spoil func(*http.Request)) (status int, code, message string) {
	t.Helper()
	sim := New(Options{Now: func() time.Time { return suiteTime }})
	acct := sim.Account("111122223333")
	user := acct.CreateUser("operator", AllowAll)
	body := "Action=GetCallerIdentity&Version=2011-06-15"
	r, _ := http.NewRequest("POST", "http://sts.example/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	hash := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: user.Key.AccessKeyID, SecretAccessKey: user.Key.SecretAccessKey}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, r, hex.EncodeToString(hash[:]), "sts", "us-east-1",
		suiteTime); err != nil {
		t.Fatal(err)
	}
	spoil(r)
	resp, err := sim.HTTPClient().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, between(string(text), "<Code>", "</Code>"), between(string(text), "<Message>", "</Message>")
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestBadSignaturesAreRefused(t *testing.T) {
	authorization := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
	}
	const noMatch = "The request signature we calculated does not match the signature you provided. Check your AWS " +
		"Secret Access Key and signing method. Consult the service documentation for details."
	for _, test := range []struct {
		name    string
		spoil   func(*http.Request)
		status  int
		code    string
		message string
	}{
		{"as signed", func(*http.Request) {}, 200, "", ""},
		{"no signature", func(r *http.Request) {
			r.Header.Del("Authorization")
		}, 403, "MissingAuthenticationToken", "Request is missing Authentication Token"},
		{"another algorithm", authorization("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), 400, "IncompleteSignature", ""},
		{"no credential", authorization("Credential=", "Credentials="), 400, "IncompleteSignature",
			"Authorization header requires &#39;Credential&#39; parameter."},
		{"a short credential", authorization("/aws4_request", ""), 400, "IncompleteSignature", ""},
		{"no signed headers", authorization("SignedHeaders=", "Signed="), 400, "IncompleteSignature", ""},
		{"no signature value", authorization("Signature=", "Sig="), 400, "IncompleteSignature", ""},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, 400, "IncompleteSignature", ""},
		{"a bad date", func(r *http.Request) {
			r.Header.Set("X-Amz-Date", "yesterday")
		}, 400, "IncompleteSignature", ""},
		{"an unknown key", authorization("AKIA", "AKIB"), 403, "InvalidClientTokenId",
			"The security token included in the request is invalid."},
		{"a token that belongs to no session", func(r *http.Request) {
			r.Header.Set("X-Amz-Security-Token", "x")
		}, 403, "InvalidClientTokenId", ""},
		{"another terminator", authorization("aws4_request", "aws5_request"), 403, "SignatureDoesNotMatch", ""},
		{"another service", authorization("/sts/", "/iam/"), 403, "SignatureDoesNotMatch",
			"Credential should be scoped to correct service: &#39;sts&#39;."},
		{"a region that is none", authorization("us-east-1", "moon"), 403, "SignatureDoesNotMatch",
			"Credential should be scoped to a valid region."},
		{"another region", authorization("us-east-1", "us-east-2"), 403, "SignatureDoesNotMatch", noMatch},
		{"another day", authorization("20150830", "20150831"), 403, "SignatureDoesNotMatch", ""},
		{"a digit changed", func(r *http.Request) {
			a := r.Header.Get("Authorization")
			last := "0"
			if strings.HasSuffix(a, "0") {
				last = "1"
			}
			r.Header.Set("Authorization", a[:len(a)-1]+last)
		}, 403, "SignatureDoesNotMatch", noMatch},
		{"another body", body("Action=GetCallerIdentity&Version=2011-06-15&X=1"), 403, "SignatureDoesNotMatch",
			noMatch},
		{"a query added", func(r *http.Request) { r.URL.RawQuery = "x=1" }, 403, "SignatureDoesNotMatch", noMatch},
		{"another host", func(r *http.Request) { r.Host = "iam.example" }, 403, "SignatureDoesNotMatch", noMatch},
		{"a signed header changed", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}, 403, "SignatureDoesNotMatch", noMatch},
		{"an AWS header not signed", func(r *http.Request) {
			r.Header.Set("X-Amz-Meta", "1")
		}, 403, "SignatureDoesNotMatch", ""},
		{"host not signed", authorization("host;", ""), 403, "SignatureDoesNotMatch", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, code, message := answerTo(t, test.spoil)
			if status != test.status || code != test.code || test.message != "" && message != test.message {
				t.Errorf("got %d %s %q, want %d %s %q", status, code, message, test.status, test.code, test.message)
			}
		})
	}
}

func TestSkew(t *testing.T) {
	at := func(s string) time.Time { v, _ := time.Parse(sigTime, s); return v }
	signed := at("20141106T010406Z")
	c := &claim{at: signed, stamp: "20141106T010406Z"}
	for _, test := range []struct{ now, want string }{
		{"20141106T010406Z", ""},
		{"20141106T010906Z", ""},
		{"20141106T005906Z", ""},
		{"20141106T011752Z",
			"Signature expired: 20141106T010406Z is now earlier than 20141106T011252Z (20141106T011752Z - 5 min.)"},
		{"20141106T005905Z",
			"Signature not yet current: 20141106T010406Z is still later than 20141106T010405Z (20141106T005905Z + 5 " +
				"min.)"},
	} {
		got := ""
		if err := c.checkTime(at(test.now)); err != nil {
			got = err.(*Error).Message
		}
		if got != test.want {
			t.Errorf("at %s: %q, want %q", test.now, got, test.want)
		}
	}
}

// FuzzSigV4 holds that the SDK's signatures always verify, that those of a
// changed request never do, and that nothing panics.
func FuzzSigV4(f *testing.F) {
	for _, s := range wireShapes {
		f.Add(s.method, s.path, s.query, s.header, s.body, s.token, uint8(0))
	}
	f.Add("GET", "/%2e%2e/a;b", "x=%41&x=%2541", "a\tb", "{}", "t", uint8(3))
	f.Fuzz(func(t *testing.T, method, path, query, header, body, token string, change uint8) {
		q, err := url.ParseQuery(query)
		if err != nil || !slices.Contains([]string{"GET", "POST", "PUT"}, method) || path != "" && path[0] != '/' ||
			strings.ContainsAny(path, "?#") {
			return
		}
		for _, c := range header + token {
			if c < ' ' || c > '~' {
				return // not a header's text
			}
		}
		for key, values := range q {
			if strings.HasPrefix(key, "X-Amz-") || !plain(key) || !all(values, plain) {
				return // where the SDK sorts before encoding and the specification after
			}
		}
		s := wireShape{method, path, q.Encode(), header, body, strings.TrimSpace(token)}
		r := s.sign(t, change&1 == 1)
		if r == nil {
			return
		}
		if err := verifyWire(r, []byte(body), suiteSecret); err != nil {
			t.Fatalf("%+v: %v\n%s", s, err, r.RequestURI)
		}
		if verifyWire(r, []byte(body+"!"), suiteSecret) == nil || verifyWire(r, []byte(body), suiteSecret+"!") == nil {
			t.Fatal("a changed body or another secret went through")
		}
		r.Host += "x"
		if verifyWire(r, []byte(body), suiteSecret) == nil {
			t.Fatal("another host went through")
		}
	})
}

func plain(s string) bool {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// FuzzAuthorization throws arbitrary headers and queries at a simulator: it
// must refuse them without falling over.
func FuzzAuthorization(f *testing.F) {
	f.Add(
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=00",
		"20150830T123600Z", "")
	f.Add("AWS4-HMAC-SHA256", "",
		"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/e&X-Amz-Date=20150830T123600Z&"+
			"X-Amz-SignedHeaders=host&X-Amz-Signature=0&X-Amz-Expires=-1")
	f.Add("", "", "%zz&=&&a;b")
	sim := New(Options{Now: func() time.Time { return suiteTime }})
	f.Fuzz(func(t *testing.T, authorization, date, query string) {
		r, err := http.NewRequest("POST", "http://sts.example/",
			strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-Date", date)
		resp, err := sim.HTTPClient().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode < 300 {
			t.Fatalf("let in with %q", authorization)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := wireShapes[0]
	r := s.sign(b, false)
	for b.Loop() {
		if err := verifyWire(r, []byte(s.body), suiteSecret); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleAWS_HTTPClient() {
	sim := New(Options{})
	resp, err := sim.HTTPClient().Get("https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15")
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.Status)
	// Output: 403 Forbidden
}
