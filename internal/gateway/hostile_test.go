package gateway_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/gateway"
)

// TestWhatIsNotSupportedSaysSo has what SDKs send and the gateway cannot sign.
func TestWhatIsNotSupportedSaysSo(t *testing.T) {
	w := newWorld(t)
	form := func(service, body string) *http.Request {
		r := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		hash := sha256.Sum256([]byte(body))
		w.sign(r, w.key(), hex.EncodeToString(hash[:]), service, "eu-west-1")
		return r
	}
	inside := url.QueryEscape("https://ec2.us-east-1.amazonaws.com/?Action=CopySnapshot&X-Amz-Signature=00")
	w.refused(form("ec2", "Action=CopySnapshot&Version=2016-11-15&SourceRegion=us-east-1&SourceSnapshotId=snap-1&PresignedUrl="+inside),
		403, "does not sign the request in PresignedUrl")
	w.refused(form("rds", "Action=CopyDBSnapshot&Version=2014-10-31&SourceDBSnapshotIdentifier=a&TargetDBSnapshotIdentifier=b&"+
		"PreSignedUrl="+inside), 403, "does not sign the request in PresignedUrl")
	w.sent(form("ec2", "Action=CopySnapshot&Version=2016-11-15&SourceRegion=us-east-1&SourceSnapshotId=snap-1"))

	discovery := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader("{}"))
	discovery.Header.Set("X-Amz-Target", "Timestream_20181101.DescribeEndpoints")
	hash := sha256.Sum256([]byte("{}"))
	w.sign(discovery, w.key(), hex.EncodeToString(hash[:]), "timestream", "eu-west-1")
	w.refused(discovery, 403, "AWS_ENDPOINT_URL_TIMESTREAM_WRITE")

	session := httptest.NewRequest("GET", "http://127.0.0.1:7777/b--euw1-az1--x-s3?session", nil)
	w.signAs(session, "s3express")
	w.refused(session, 403, "directory buckets of S3 Express")

	several := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	several.Header.Set("Authorization", "AWS4-ECDSA-P256-SHA256 Credential=RBGW/20260314/s3/aws4_request, SignedHeaders=host, Signature=0")
	w.refused(several, 400, "Version 4A")

	events := httptest.NewRequest("POST", "http://127.0.0.1:7777/stream-transcription", nil)
	events.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS")
	w.sign(events, w.key(), "STREAMING-AWS4-HMAC-SHA256-EVENTS", "transcribe", "eu-west-1")
	w.refused(events, 403, "streams of events to AWS")

	old := httptest.NewRequest("GET", "http://127.0.0.1:7777/b/k?AWSAccessKeyId=RBGW&Signature=x&Expires=1", nil)
	w.refused(old, 400, "signed with Version 2")
}

// signAs signs a request without a body, in the form of S3.
func (w *world) signAs(r *http.Request, service string) {
	w.t.Helper()
	key := w.key()
	empty := sha256.Sum256(nil)
	hash := hex.EncodeToString(empty[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.Background(),
		aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey.Reveal(),
			SessionToken: key.SessionToken.Reveal()}, r, hash, service, "eu-west-1", now)
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestAnswersArriveAsAWSSendsThem compares what the gateway answers with what AWS does, byte for byte.
func TestAnswersArriveAsAWSSendsThem(t *testing.T) {
	w := newWorld(t)
	answers := map[string]func(http.ResponseWriter){
		"an error": func(rw http.ResponseWriter) {
			rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
			rw.Header().Set("X-Amz-Crc32", "396270901")
			rw.Header()["x-amzn-RequestId"] = []string{"R1"}
			rw.WriteHeader(400)
			io.WriteString(rw, `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`)
		},
		"compressed": func(rw http.ResponseWriter) {
			rw.Header().Set("Content-Encoding", "gzip")
			rw.Header().Set("Content-Length", "4")
			rw.Write([]byte{0x1f, 0x8b, 8, 0})
		},
		"odd headers": func(rw http.ResponseWriter) {
			rw.Header()["X-Amz-Meta-A"] = []string{"x", "y"}
			rw.Header().Set("Etag", `"d41d8cd98f00b204e9800998ecf8427e-2"`)
			rw.Header().Set("Content-Type", "")
			rw.Header().Set("Set-Cookie", "a=b")
			rw.WriteHeader(206)
			rw.Write([]byte{0, 1, 2, 255})
		},
		"nothing":      func(rw http.ResponseWriter) { rw.WriteHeader(204) },
		"not modified": func(rw http.ResponseWriter) { rw.Header().Set("Etag", `"e"`); rw.WriteHeader(304) },
		"elsewhere": func(rw http.ResponseWriter) {
			rw.Header().Set("Location", "https://b.s3.eu-west-2.amazonaws.com/k")
			rw.WriteHeader(307)
		},
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", "Sat, 14 Mar 2026 09:26:53 GMT")
		answers[r.Header.Get("X-Test")](rw)
	}))
	defer upstream.Close()
	w.endpoint = func(endpoint.Service) string { return upstream.URL }
	front := httptest.NewServer(w.gateway)
	defer front.Close()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	get := func(url, name string) (status int, header http.Header, body string) {
		r := w.object("GET", url, nil)
		r.Header.Set("X-Test", name)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header, string(text)
	}
	for name := range answers {
		status, header, body := get(upstream.URL, name)
		gotStatus, gotHeader, gotBody := get(front.URL, name)
		if gotStatus != status || fmt.Sprint(gotHeader) != fmt.Sprint(header) || gotBody != body {
			t.Errorf("%s: AWS answers %d %v %q, and the gateway %d %v %q", name, status, header, body, gotStatus, gotHeader, gotBody)
		}
	}
}

// TestEventsArriveOneByOne has an AWS that sends the next event when the agent has the one before.
func TestEventsArriveOneByOne(t *testing.T) {
	w := newWorld(t)
	read := make(chan bool)
	front := w.front(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		for range 5 {
			io.WriteString(rw, "event\n")
			rw.(http.Flusher).Flush()
			select {
			case <-read:
			case <-time.After(30 * time.Second):
				return
			}
		}
	})
	answer, err := http.DefaultClient.Do(w.object("GET", front.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	for i := range 5 {
		if line, err := lines.ReadString('\n'); line != "event\n" {
			t.Fatalf("event %d is %q, %v", i, line, err)
		}
		read <- true
	}
}

// TestKeysThatProxiesBreakArriveAsTheyAre has keys whose path a cautious server would clean.
func TestKeysThatProxiesBreakArriveAsTheyAre(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/bucket/dd//e", "/bucket//", "/bucket/./dot/../x", "/bucket/%25%2B", "/bucket/x/",
		"/bucket/%C3%BC%E6%97%A5", "/bucket/%22%27"} {
		r := httptest.NewRequest("GET", "http://127.0.0.1:7777/", nil)
		r.URL.Opaque, r.RequestURI = "//127.0.0.1:7777"+path, path
		r.URL.Path, _ = url.PathUnescape(path)
		r.URL.RawPath = path
		r.URL.Opaque = ""
		w.signAs(r, "s3")
		if got := w.sent(r); got.RequestURI != path {
			t.Errorf("%s arrives as %s", path, got.RequestURI)
		}
	}
}

// TestSmuggling sends, to a server, requests that two servers could cut in different places. Each is refused, or is one
// request for AWS.
func TestSmuggling(t *testing.T) {
	w := newWorld(t)
	var got []string
	front := w.front(t, func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		got = append(got, r.Method+" "+r.RequestURI+" "+string(body))
	})
	for name, lines := range map[string][2]string{
		"two lengths":             {"Content-Length: 5\r\nContent-Length: 40\r\n", "helloGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
		"a length and chunks":     {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"},
		"chunks, oddly written":   {"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"},
		"chunks twice":            {"Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"},
		"a space before a colon":  {"Content-Length : 5\r\n", "hello"},
		"a negative length":       {"Content-Length: -5\r\n", "hello"},
		"a length with a plus":    {"Content-Length: +5\r\n", "hello"},
		"a line that is folded":   {"X-A: b\r\n Content-Length: 5\r\n", ""},
		"two hosts":               {"Host: s3.eu-west-1.amazonaws.com\r\n", ""},
		"a header without a name": {": x\r\n", ""},
		"a bare line feed":        {"X-A: b\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"},
	} {
		conn, err := net.Dial("tcp", front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r := w.object("PUT", front.URL, nil)
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s", r.URL.RequestURI(), r.Host, lines[0])
		r.Header.Write(conn)
		fmt.Fprintf(conn, "\r\n%s", lines[1])
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		io.Copy(io.Discard, conn)
		conn.Close()
		if slices.ContainsFunc(got, func(s string) bool {
			return strings.Contains(s, "smuggled") || !strings.HasPrefix(s, "PUT /bucket/key")
		}) || len(got) > 1 {
			t.Errorf("%s: AWS gets %q", name, got)
		}
		got = nil
	}
}

// TestOversizedInputIsRefused has more than any SDK sends.
func TestOversizedInputIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.request("POST", "/", "dynamodb", "eu-west-1", strings.Repeat(" ", 64<<20+1))
	w.refused(r, 413, "64 MiB")
	long := httptest.NewRequest("GET", "http://127.0.0.1:7777/", nil)
	long.Header.Set("Authorization", "AWS4-HMAC-SHA256 "+strings.Repeat("Credential=a/b/c/d/e,", 1<<16))
	w.refused(long, 400, "IncompleteSignature")
}

// TestAReplayIsWhatAWSTakes documents the policy: as at AWS, a signed request is good for five minutes, and the same one
// may come twice. Who has it needs the connection to the room or the server, and can do nothing else with it.
func TestAReplayIsWhatAWSTakes(t *testing.T) {
	w := newWorld(t)
	r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	for range 2 {
		r.Body = io.NopCloser(strings.NewReader(listTables))
		w.sent(r)
	}
	r.Body = io.NopCloser(strings.NewReader(listTables))
	later := gateway.New(gateway.Options{Keys: w.keys, Lender: w, Now: func() time.Time { return now.Add(6 * time.Minute) }})
	rec := httptest.NewRecorder()
	later.ServeHTTP(rec, r)
	if rec.Code != 403 || !strings.Contains(rec.Body.String(), "Signature expired") {
		t.Errorf("after six minutes the request is answered with %d %s", rec.Code, rec.Body)
	}
}

// FuzzGateway sends anything, with the right key in the right place but no signature by it. Nothing goes to AWS.
func FuzzGateway(f *testing.F) {
	keys, err := gateway.NewKeys([]byte(strings.Repeat("k", gateway.RootSize)))
	if err != nil {
		f.Fatal(err)
	}
	w := &world{t: new(testing.T), keys: keys}
	good := w.key()
	f.Add("GET", "/bucket/key?list-type=2", "s3", "host", "UNSIGNED-PAYLOAD", "X-Amz-Target", "x", "", uint8(0))
	f.Add("POST", "/-/bedrock-runtime/model/m/invoke", "bedrock", "host;x-amz-date", "", "Content-Type", "application/json", "{}", uint8(1))
	f.Add("PUT", "//%2e%2e/x", "s3express", "host;host", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "Transfer-Encoding", "chunked",
		"5;chunk-signature=0\r\nhello\r\n0\r\n\r\n", uint8(2))
	f.Fuzz(func(t *testing.T, method, target, service, signed, payload, name, value, body string, shape uint8) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" || method == "" || strings.ContainsAny(method+name+value+service+signed+payload, "\r\n ") {
			return
		}
		caught := new(catcher)
		g := gateway.New(gateway.Options{Keys: keys, Lender: w, Transport: caught, Now: func() time.Time { return now }})
		r := &http.Request{Method: method, URL: u, RequestURI: target, Host: "127.0.0.1:7777", Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "192.0.2.7:1"}
		r.Header.Set(name, value)
		scope := good.AccessKeyID + "/20260314/eu-west-1/" + service + "/aws4_request"
		if shape&1 == 0 {
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders="+signed+", Signature="+
				strings.Repeat("0", 64))
			r.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
			r.Header.Set("X-Amz-Security-Token", good.SessionToken.Reveal())
		} else {
			q := u.Query()
			for k, v := range map[string]string{"Algorithm": "AWS4-HMAC-SHA256", "Credential": scope, "SignedHeaders": signed,
				"Signature": strings.Repeat("0", 64), "Date": now.Format("20060102T150405Z"),
				"Security-Token": good.SessionToken.Reveal(), "Expires": "60"} {
				q.Set("X-Amz-"+k, v)
			}
			u.RawQuery = q.Encode()
		}
		if payload != "" {
			r.Header.Set("X-Amz-Content-Sha256", payload)
		}
		rec := httptest.NewRecorder()
		g.ServeHTTP(rec, r)
		if caught.url != "" || rec.Code < 400 {
			t.Errorf("%s %s goes to %q and is answered with %d", method, target, caught.url, rec.Code)
		}
		if text := rec.Body.String(); strings.Contains(text, good.SessionToken.Reveal()) ||
			strings.Contains(text, good.SecretAccessKey.Reveal()) {
			t.Errorf("the answer has the key: %s", text)
		}
	})
}
