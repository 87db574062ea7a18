package sigv4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	c, err := Read(r)
	if err != nil {
		return err
	}
	return c.Verify(r, Plain(r, Hash(body)), secret)
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
		if err := verifyWire(r, nil, suiteSecret+"x"); !errors.Is(err, ErrMismatch) {
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
			if err := verifyWire(r, []byte(s.body+" "), suiteSecret); !errors.Is(err, ErrMismatch) {
				t.Errorf("%+v, presigned %v, with another body: %v", s, presign, err)
			}
		}
	}
}

// Old versions of botocore sign Transfer-Encoding.
func TestATransferEncodingMayBeSigned(t *testing.T) {
	s := wireShape{method: "PUT", path: "/x", body: "x"}
	r := s.sign(t, false)
	r.Header.Set("Transfer-Encoding", "chunked") // the canonical request has it as a header
	c, err := Read(r)
	if err != nil {
		t.Fatal(err)
	}
	c.signedHeaders = append(c.signedHeaders, "transfer-encoding")
	canonical, err := c.canonical(r, "/x", Hash([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	c.value = c.sign(canonical, suiteSecret)
	r.Header.Del("Transfer-Encoding") // as net/http does
	r.TransferEncoding, r.ContentLength = []string{"chunked"}, -1
	if err := c.Verify(r, Form{[]string{"/x"}, Hash([]byte("x"))}, suiteSecret); err != nil {
		t.Error(err)
	}
	r.TransferEncoding, r.ContentLength = nil, 1
	if err := c.Verify(r, Form{[]string{"/x"}, Hash([]byte("x"))}, suiteSecret); !errors.Is(err, ErrMismatch) {
		t.Errorf("a body that is not chunked: %v", err)
	}
}

func TestSkew(t *testing.T) {
	at := func(s string) time.Time { v, _ := time.Parse(timeForm, s); return v }
	signed := at("20141106T010406Z")
	c := &Signature{At: signed, stamp: "20141106T010406Z"}
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
		if err := c.CheckTime(at(test.now)); err != nil {
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
			if strings.HasPrefix(key, "X-Amz-") || !plain(key) || slices.ContainsFunc(values, func(v string) bool { return !plain(v) }) {
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

func BenchmarkVerify(b *testing.B) {
	s := wireShapes[0]
	r := s.sign(b, false)
	for b.Loop() {
		if err := verifyWire(r, []byte(s.body), suiteSecret); err != nil {
			b.Fatal(err)
		}
	}
}
