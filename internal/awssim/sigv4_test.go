package awssim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

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

func ExampleAWS_HTTPClient() {
	sim := New(Options{})
	resp, err := sim.HTTPClient().Get("https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15")
	if err != nil {
		panic(err)
	}
	fmt.Println(resp.Status)
	// Output: 403 Forbidden
}
