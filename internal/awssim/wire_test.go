package awssim_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker/internal/awssim"
)

// send signs a form, if there is a key, and returns the answer.
func send(t testing.TB, sim *awssim.AWS, k awssim.Credentials, form string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("POST", "https://sts.eu-west-1.amazonaws.com/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return exchange(t, sim, k, r, form)
}

func exchange(t testing.TB, sim *awssim.AWS, k awssim.Credentials, r *http.Request,
	body string) (*http.Response, string) {
	t.Helper()
	if k.AccessKeyID != "" {
		hash := sha256.Sum256([]byte(body))
		keys := aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey,
			SessionToken: k.SessionToken}
		if err := v4.NewSigner().SignHTTP(context.Background(), keys, r, hex.EncodeToString(hash[:]), "sts",
			"eu-west-1", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := sim.HTTPClient().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

var (
	variable = regexp.MustCompile(`(<(RequestId|AccessKeyId|SecretAccessKey|SessionToken|Expiration)>)[^<]+`)
	uniqueID = regexp.MustCompile(`A(IDA|ROA)[A-Z2-7]{17}`)
)

// masked replaces what differs from call to call by dots.
func masked(s string) string {
	return uniqueID.ReplaceAllString(variable.ReplaceAllString(s, "$1…"), "A${1}…")
}

func TestWireFormat(t *testing.T) {
	w := newWorld(t)
	role := w.role("readonly", trusting(`"*"`))
	const v = "&Version=2011-06-15"
	assume := "Action=AssumeRole" + v + "&RoleArn=" + url.QueryEscape(role.ARN)
	for _, test := range []struct {
		name, form string
		status     int
		want       string
	}{
		{"success", assume + "&RoleSessionName=run-1&Unknown=ignored&RoleSessionName=second", 200,
			`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser>
      <AssumedRoleId>AROA…:run-1</AssumedRoleId>
      <Arn>arn:aws:sts::444455556666:assumed-role/readonly/run-1</Arn>
    </AssumedRoleUser>
    <Credentials>
      <AccessKeyId>…</AccessKeyId>
      <SecretAccessKey>…</SecretAccessKey>
      <SessionToken>…</SessionToken>
      <Expiration>…</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata>
    <RequestId>…</RequestId>
  </ResponseMetadata>
</AssumeRoleResponse>
`},
		{"caller", "Action=GetCallerIdentity" + v, 200,
			`<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::111122223333:user/operator</Arn>
    <UserId>AIDA…</UserId>
    <Account>111122223333</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>…</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
`},
		{"several violations", "Action=AssumeRole" + v + "&RoleSessionName=", 400,
			stsError("ValidationError",
				"2 validation errors detected: Value null at &#39;roleArn&#39; failed to satisfy constraint: Member "+
					"must not be null; Value &#39;&#39; at &#39;roleSessionName&#39; failed to satisfy constraint: "+
					"Member must have length greater than or equal to 2")},
		{"an action that is none", "Action=Nothing" + v, 400,
			strings.Replace(stsError("InvalidAction", "Could not find operation Nothing for version 2011-06-15"),
				"https://sts.amazonaws.com/doc/2011-06-15/", "http://webservices.amazon.com/AWSFault/2005-15-09", 1)},
		{"no version", "Action=GetCallerIdentity", 400,
			strings.Replace(
				stsError("InvalidAction",
					"Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"),
				"https://sts.amazonaws.com/doc/2011-06-15/", "http://webservices.amazon.com/AWSFault/2005-15-09", 1)},
		{"a duration that is no number", assume + "&RoleSessionName=run-1&DurationSeconds=", 400,
			stsError("MalformedInput", "missing value for decimal type")},
		{"a duration that is too big a number", assume + "&RoleSessionName=run-1&DurationSeconds=2147483648", 400,
			stsError("MalformedInput", "invalid value for decimal type: 2147483648")},
		{"a broken form", "Action=GetCallerIdentity" + v + "&x=%zz", 400,
			stsError("MalformedInput", "The request body could not be read as a form.")},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := send(t, w.aws, w.operator.Key, test.form)
			if resp.StatusCode != test.status || masked(body) != test.want {
				t.Errorf("got %d\n%s\nwant %d\n%s", resp.StatusCode, masked(body), test.status, test.want)
			}
			if id := resp.Header.Get("x-amzn-RequestId"); len(id) != 36 ||
				!strings.Contains(body, "<RequestId>"+id+"</RequestId>") {
				t.Errorf("request id %q is not the body's", id)
			}
			if got := resp.Header.Get("Content-Type"); got != "text/xml" {
				t.Errorf("content type %q", got)
			}
		})
	}
	for _, number := range []string{"%2B900", "0900"} {
		if resp, body := send(t, w.aws, w.operator.Key,
			assume+"&RoleSessionName=run-1&DurationSeconds="+number); resp.StatusCode != 200 {
			t.Errorf("duration %s: %s", number, body)
		}
	}
}

func stsError(code, message string) string {
	return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>` + code + `</Code>
    <Message>` + message + `</Message>
  </Error>
  <RequestId>…</RequestId>
</ErrorResponse>
`
}

func TestGetAndRedirect(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		name, method, path, kind, body string
		status                         int
	}{
		{"a query", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "", "", 200},
		{"nothing asked", "GET", "/", "", "", 302},
		{"a form of another type", "POST", "/", "application/json", "Action=GetCallerIdentity&Version=2011-06-15", 302},
		{"no action", "POST", "/", "application/x-www-form-urlencoded", "Version=2011-06-15", 302},
		{"too much", "POST", "/", "application/x-www-form-urlencoded", strings.Repeat("a", 2<<20), 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequest(test.method, "https://sts.amazonaws.com"+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.kind != "" {
				r.Header.Set("Content-Type", test.kind)
			}
			resp, body := exchange(t, w.aws, w.operator.Key, r, test.body)
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, test.status, body)
			}
			if test.status == 302 && (body != "" || resp.Header.Get("Location") != "https://aws.amazon.com/iam") {
				t.Errorf("redirected to %q with %q", resp.Header.Get("Location"), body)
			}
		})
	}
}

// The Date header follows the simulator's clock, and with it a client can
// correct its own.
func TestDateHeader(t *testing.T) {
	then := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newWorld(t, awssim.Options{Now: func() time.Time { return then }})
	resp, body := send(t, w.aws, w.operator.Key, "Action=GetCallerIdentity&Version=2011-06-15")
	if got, want := resp.Header.Get("Date"), "Wed, 02 Jan 2030 03:04:05 GMT"; got != want {
		t.Errorf("Date %q, want %q", got, want)
	}
	if !strings.Contains(body, "Signature expired") {
		t.Errorf("a clock years behind was taken: %s", body)
	}
	srv, err := awssim.Start(w.aws)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	resp, err = http.Get(srv.URL + "/?Action=Nothing")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Values("Date"); len(got) != 1 || got[0] != "Wed, 02 Jan 2030 03:04:05 GMT" {
		t.Errorf("over a socket, Date %q", got)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1"} {
		if srv, err := awssim.StartOn(awssim.New(awssim.Options{}), addr); err == nil {
			srv.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}

// FuzzForm holds that no form makes the simulator fall over or answer
// anything but XML, and that nothing is issued to one it does not know.
func FuzzForm(f *testing.F) {
	f.Add(
		"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::444455556666:role/readonly&RoleSessionName=run-1&" +
			"Tags.member.1.Key=a&Tags.member.1.Value=b&DurationSeconds=900")
	f.Add(
		"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::444455556666:role/readonly&" +
			"RoleSessionName=run-1&WebIdentityToken=e30.e30.e30")
	f.Add("Action=CreateRole&Version=2010-05-08&RoleName=x&AssumeRolePolicyDocument=%7B%7D")
	f.Add("Action=GetSessionToken&Version=2011-06-15&DurationSeconds=-1")
	f.Add("Action=&Action=&Version=;&=&%00=%ff")
	w := newWorld(f)
	w.role("readonly", trusting(`"*"`))
	f.Fuzz(func(t *testing.T, form string) {
		for _, k := range []awssim.Credentials{{}, w.operator.Key} {
			resp, body := send(t, w.aws, k, form)
			if resp.StatusCode != 302 && (resp.StatusCode >= 500 || !strings.HasPrefix(body, "<")) {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			if k.AccessKeyID == "" && resp.StatusCode == 200 {
				t.Fatalf("answered without a signature: %s", body)
			}
		}
	})
}

// Requests cut off on the wire are refused, not guessed at.
func TestCutOffBody(t *testing.T) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nAction=")))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", "x", ""
	if resp, err := awssim.New(awssim.Options{}).HTTPClient().Do(r); err == nil {
		t.Errorf("answered %s", resp.Status)
	}
}
