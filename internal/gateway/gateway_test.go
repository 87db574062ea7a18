package gateway_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/gateway"
)

var now = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// world is a gateway for one agent, in front of a stand-in for AWS that keeps the last request.
type world struct {
	approve   func(context.Context, *rolebroker.AskedCall, time.Duration) (rolebroker.AccessRequestID, error)
	t         *testing.T
	keys      *gateway.Keys
	gateway   *gateway.Gateway
	aws       string // the URL of the stand-in
	denial    error
	over      atomic.Pointer[error] // what ends calls under way; nil: nothing
	asked     rolebroker.Request
	endpoint  func(endpoint.Service) string
	transport *http.Transport
	served    chan bool // gets one when a handler has ended

	mu   sync.Mutex
	last *http.Request // that AWS got
	body string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, transport: &http.Transport{DisableCompression: true}}
	stand := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.last, w.body = r, string(body)
		rw.Header().Set("X-Amzn-Requestid", "of AWS")
		io.WriteString(rw, "answer of AWS")
	}))
	t.Cleanup(stand.Close)
	w.aws = stand.URL
	w.endpoint = func(endpoint.Service) string { return stand.URL }
	keys, err := gateway.NewKeys([]byte(strings.Repeat("k", gateway.RootSize)))
	if err != nil {
		t.Fatal(err)
	}
	w.keys = keys
	w.gateway = gateway.New(gateway.Options{Keys: keys, Lender: w, Approver: w, Now: func() time.Time { return now },
		Transport: w.transport,
		Endpoint:  func(s endpoint.Service) string { return w.endpoint(s) }})
	return w
}

// Lend lends what AWS would.
func (w *world) Lend(_ context.Context, who rolebroker.Caller, req rolebroker.Request) (*rolebroker.Loan, error) {
	w.mu.Lock()
	w.asked = req
	w.mu.Unlock()
	if who.Agent != "agt_scout" || who.Token != "tok_scout" {
		w.t.Errorf("the gateway asks for %+v", who)
	}
	return &rolebroker.Loan{Credentials: rolebroker.Credentials{AccessKeyID: "ASIAREAL",
		SecretAccessKey: rolebroker.NewSecret("real secret"), SessionToken: rolebroker.NewSecret("real token")}}, w.denial
}

// May says what Lend would.
func (w *world) May(context.Context, rolebroker.Caller, rolebroker.Request) error { return w.denial }

// Holds says what ended the loan.
func (w *world) Holds(context.Context, rolebroker.Caller, rolebroker.Request, *rolebroker.Loan) error {
	if over := w.over.Load(); over != nil {
		return *over
	}
	return nil
}

// MayCall says what approve does; without that, nobody has to approve anything.
func (w *world) MayCall(ctx context.Context, _ rolebroker.Caller, _ rolebroker.Request, call *rolebroker.AskedCall,
	wait time.Duration) (rolebroker.AccessRequestID, error) {
	if w.approve == nil {
		return "", nil
	}
	return w.approve(ctx, call, wait)
}

// Grants has the role of the key.
func (w *world) Grants(context.Context, rolebroker.AgentID) (*rolebroker.Grants, error) {
	role := rolebroker.Role{ID: "rol_d", Name: "deployer", Enabled: true, ARN: rolebroker.RoleARN{Partition: "aws",
		Account: "444455556666", Path: "/", Name: "Deployer"}}
	in := rolebroker.Integration{ID: "int_p", Name: "production", Enabled: true, Roles: []rolebroker.Role{role}}
	connection := rolebroker.NewConnection(&in, now)
	connection.Keys = rolebroker.KeysWithheld
	if w.approve != nil {
		connection.Approval = rolebroker.ApprovalWrite
	}
	return &rolebroker.Grants{Agent: rolebroker.Agent{ID: "agt_scout", Name: "scout",
		Connections: []rolebroker.Connection{connection}}, Integrations: []rolebroker.Integration{in}}, nil
}

// key is a key of scout's for a role.
func (w *world) key() rolebroker.Credentials {
	return w.keys.Make(rolebroker.GatewayKey{Agent: "agt_scout", Token: "tok_scout", Integration: "int_p", Role: "rol_d",
		Task: "deploy", Expires: now.Add(time.Hour)})
}

// request is a request of the agent, signed.
func (w *world) request(method, target, service, region, body string) *http.Request {
	w.t.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1:7777"+target, strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	hash := sha256.Sum256([]byte(body))
	w.sign(r, w.key(), hex.EncodeToString(hash[:]), service, region)
	return r
}

func (w *world) sign(r *http.Request, key rolebroker.Credentials, hash, service, region string) {
	w.t.Helper()
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key.AccessKeyID,
		SecretAccessKey: key.SecretAccessKey.Reveal(), SessionToken: key.SessionToken.Reveal()}, r, hash, service, region, now)
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) answer(r *http.Request) *http.Response {
	rec := httptest.NewRecorder()
	w.gateway.ServeHTTP(rec, r)
	return rec.Result()
}

// sent is the request that AWS got, with the last answer.
func (w *world) sent(r *http.Request) *http.Request {
	w.t.Helper()
	answer := w.answer(r)
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != 200 || string(body) != "answer of AWS" || answer.Header.Get("X-Amzn-Requestid") != "of AWS" {
		w.t.Fatalf("%s %s is answered with %d %s", r.Method, r.URL, answer.StatusCode, body)
	}
	return w.last
}

// refused checks that a request does not reach AWS.
func (w *world) refused(r *http.Request, status int, says string) {
	w.t.Helper()
	w.last = nil
	answer := w.answer(r)
	body, _ := io.ReadAll(answer.Body)
	if w.last != nil || answer.StatusCode != status || !strings.Contains(string(body), says) {
		w.t.Errorf("%s %s is answered with %d %s, want %d %q; AWS got %v", r.Method, r.URL, answer.StatusCode, body, status,
			says, w.last)
	}
}

const listTables = "{}"

func TestARequestGoesToAWSWithAnotherSignature(t *testing.T) {
	w := newWorld(t)
	r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	got := w.sent(r)
	authorization := got.Header.Get("Authorization")
	if !strings.Contains(authorization, "Credential=ASIAREAL/20260314/eu-west-1/dynamodb/aws4_request") ||
		got.Header.Get("X-Amz-Security-Token") != "real token" || w.body != listTables {
		t.Errorf("AWS gets %v %s", got.Header, w.body)
	}
	if w.asked != (rolebroker.Request{Role: "int_p/rol_d", Task: "deploy", Signing: true}) {
		t.Errorf("the gateway asks for %+v", w.asked)
	}
	for name, values := range got.Header {
		for _, v := range values {
			if strings.Contains(v, "RBGW") || strings.Contains(v, "rbg1.") {
				t.Errorf("AWS gets the agent's key in %s", name)
			}
		}
	}
}

// TestWhatIsNotAsItWasSigned changes one thing of a good request at a time.
func TestWhatIsNotAsItWasSigned(t *testing.T) {
	for name, spoil := range map[string]func(r *http.Request){
		"another method": func(r *http.Request) { r.Method = "PUT" },
		"another path":   func(r *http.Request) { r.URL.Path, r.RequestURI = "/x", "/x" },
		"a query":        func(r *http.Request) { r.URL.RawQuery, r.RequestURI = "a=b", "/?a=b" },
		"another host":   func(r *http.Request) { r.Host = "127.0.0.1:7778" },
		"another body":   func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("[]")) },
		"an AWS header":  func(r *http.Request) { r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable") },
		"another region": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "eu-west-1", "eu-west-2", 1))
		},
		"another service": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/dynamodb/", "/s3/", 1))
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
			spoil(r)
			w.refused(r, 403, "SignatureDoesNotMatch")
		})
	}
}

func TestWhatWouldNotReachAWSAsItIsIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, spoil := range map[string]func(r *http.Request){
		"a header that is dropped": func(r *http.Request) { r.Header.Set("Connection", "close, X-Amz-Target") },
		"another protocol": func(r *http.Request) {
			r.Header.Set("Connection", "upgrade")
			r.Header.Set("Upgrade", "websocket")
		},
		"a second signature": func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=00&X-Amz-Algorithm=AWS4-HMAC-SHA256" },
		"a second header":    func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) },
	} {
		r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
		spoil(r)
		t.Log(name)
		w.refused(r, 400, "InvalidRequest")
	}
}

func TestWhoseKeyIsNotGood(t *testing.T) {
	w := newWorld(t)
	other, err := gateway.NewKeys([]byte(strings.Repeat("o", gateway.RootSize)))
	if err != nil {
		t.Fatal(err)
	}
	good := w.key()
	claims := rolebroker.GatewayKey{Agent: "agt_scout", Token: "tok_scout", Integration: "int_p", Role: "rol_d",
		Expires: now.Add(time.Hour)}
	token := good.SessionToken.Reveal()
	for name, c := range map[string]struct {
		key  rolebroker.Credentials
		says string
	}{
		"of another root": {other.Make(claims), "InvalidClientTokenId"},
		"of AWS": {rolebroker.Credentials{AccessKeyID: "ASIASTOLEN", SecretAccessKey: rolebroker.NewSecret("s"),
			SessionToken: rolebroker.NewSecret("t")}, "InvalidClientTokenId"},
		"of no session": {rolebroker.Credentials{AccessKeyID: good.AccessKeyID, SecretAccessKey: good.SecretAccessKey},
			"InvalidClientTokenId"},
		"another ID": {rolebroker.Credentials{AccessKeyID: "RBGWAAAAAAAAAAAAAAAA", SecretAccessKey: good.SecretAccessKey,
			SessionToken: good.SessionToken}, "InvalidClientTokenId"},
		"another secret": {rolebroker.Credentials{AccessKeyID: good.AccessKeyID, SecretAccessKey: rolebroker.NewSecret("s"),
			SessionToken: good.SessionToken}, "SignatureDoesNotMatch"},
		"a token with another claim": {rolebroker.Credentials{AccessKeyID: good.AccessKeyID,
			SecretAccessKey: good.SecretAccessKey, SessionToken: rolebroker.NewSecret("rbg1.f" + token[6:])},
			"InvalidClientTokenId"},
		"expired": {w.keys.Make(rolebroker.GatewayKey{Agent: "agt_scout", Token: "tok_scout", Integration: "int_p",
			Role: "rol_d", Expires: now}), "ExpiredToken"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader(listTables))
			hash := sha256.Sum256([]byte(listTables))
			w.sign(r, c.key, hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1")
			w.refused(r, 403, c.says)
		})
	}
	late := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	late.Header.Set("X-Amz-Date", now.Add(-6*time.Minute).Format("20060102T150405Z"))
	w.refused(late, 403, "SignatureDoesNotMatch")
}

// TestWhereRequestsGo has no endpoint of the operator's: what would be sent to AWS is caught by the transport.
func TestWhereRequestsGo(t *testing.T) {
	for _, c := range []struct{ host, target, service, region, goes, says string }{
		{"127.0.0.1:7777", "/", "dynamodb", "eu-west-1", "https://dynamodb.eu-west-1.amazonaws.com/", ""},
		{"127.0.0.1:7777", "/", "iam", "eu-west-1", "https://iam.amazonaws.com/", ""},
		{"127.0.0.1:7777", "/-/bedrock-runtime/model/m/invoke", "bedrock", "eu-west-1",
			"https://bedrock-runtime.eu-west-1.amazonaws.com/model/m/invoke", ""},
		{"127.0.0.1:7777", "/guardrails", "bedrock", "eu-west-1", "https://bedrock.eu-west-1.amazonaws.com/guardrails", ""},
		{"gateway.example", "/", "sqs", "cn-north-1", "https://sqs.cn-north-1.amazonaws.com.cn/", ""},
		{"queue.amazonaws.com", "/", "sqs", "us-east-1", "https://queue.amazonaws.com/", ""},
		{"states.eu-west-1.amazonaws.com", "/", "states", "eu-west-1", "https://states.eu-west-1.amazonaws.com/", ""},
		{"states.eu-west-2.amazonaws.com", "/", "states", "eu-west-1", "", "AccessDenied"},
		{"sync-states.eu-west-1.amazonaws.com", "/", "states", "eu-west-1", "https://sync-states.eu-west-1.amazonaws.com/", ""},
		{"ec2-192-0-2-1.compute-1.amazonaws.com", "/", "dynamodb", "us-east-1", "", "AccessDenied"},
		{"evil.elb.amazonaws.com", "/", "dynamodb", "us-east-1", "", "AccessDenied"},
		{"evil.us-east-1.elb.amazonaws.com", "/", "sqs", "us-east-1", "", "AccessDenied"},
		{"abcdefghij.execute-api.us-east-1.amazonaws.com", "/", "dynamodb", "us-east-1", "", "AccessDenied"},
		{"evil.dynamodb.us-east-1.amazonaws.com", "/", "dynamodb", "us-east-1", "", "AccessDenied"},
		{"evil.example", "/", "evil", "eu-west-1", "", "does not know a service"},
		{"evil.example", "/-/evil/x", "dynamodb", "eu-west-1", "", "SignatureDoesNotMatch"},
		{"127.0.0.1:7777", "/-/s3/x", "dynamodb", "eu-west-1", "", "SignatureDoesNotMatch"},
		{"127.0.0.1:7777", "/", "dynamodb", "evil.example/", "", "IncompleteSignature"},
		{"127.0.0.1:7777", "/", "dynamodb", "evil.example", "", "SignatureDoesNotMatch"},
	} {
		w := newWorld(t)
		caught := new(catcher)
		g := gateway.New(gateway.Options{Keys: w.keys, Lender: w, Approver: w, Transport: caught, Now: func() time.Time { return now }})
		body := listTables
		r := httptest.NewRequest("POST", "http://"+c.host+c.target, nil)
		switch c.service {
		case "dynamodb":
			r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
		case "sqs":
			r.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
			r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		case "states":
			r.Header.Set("X-Amz-Target", "AWSStepFunctions.ListStateMachines")
		case "iam":
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			body = "Action=ListUsers&Version=2010-05-08"
		}
		r.Body = io.NopCloser(strings.NewReader(body))
		hash := sha256.Sum256([]byte(body))
		w.sign(r, w.key(), hex.EncodeToString(hash[:]), c.service, c.region)
		rec := httptest.NewRecorder()
		g.ServeHTTP(rec, r)
		if caught.url != c.goes || !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%+v: it goes to %q, and is answered with %s", c, caught.url, rec.Body)
		}
	}
}

// catcher is a transport that sends nothing.
type catcher struct{ url string }

func (c *catcher) RoundTrip(r *http.Request) (*http.Response, error) {
	c.url = r.URL.String()
	if r.Host != r.URL.Host {
		return nil, errors.New("the host is " + r.Host)
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
}

// TestRefusalsAreInTheFormatOfTheService checks what SDKs of each protocol parse.
func TestRefusalsAreInTheFormatOfTheService(t *testing.T) {
	w := newWorld(t)
	w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "agent scout <is> disabled").WithHint("ask %s", "an administrator")
	const text = "rolebroker: agent scout &lt;is&gt; disabled; hint: ask an administrator"
	for _, c := range []struct{ service, target, header, value, kind, says string }{
		{"s3", "/b/k", "", "", "text/xml", "<Error><Code>AccessDenied</Code><Message>" + text + "</Message></Error>"},
		{"ec2", "/", "Content-Type", "application/x-www-form-urlencoded", "text/xml", "<Response><Errors><Error><Code>AccessDenied</Code>"},
		{"sts", "/", "Content-Type", "application/x-www-form-urlencoded", "text/xml", "<ErrorResponse><Error><Type>Sender</Type>"},
		{"route53", "/2013-04-01/hostedzone", "", "", "text/xml", "<ErrorResponse>"},
		{"dynamodb", "/", "X-Amz-Target", "DynamoDB_20120810.ListTables", "application/json", `"__type":"AccessDeniedException"`},
		{"lambda", "/2015-03-31/functions", "", "", "application/json", `"message":"rolebroker: agent scout \u003cis\u003e disabled`},
		{"monitoring", "/", "Smithy-Protocol", "rpc-v2-cbor", "application/cbor", "AccessDeniedException"},
	} {
		r := httptest.NewRequest("POST", "http://127.0.0.1:7777"+c.target, strings.NewReader(""))
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		empty := sha256.Sum256(nil)
		w.sign(r, w.key(), hex.EncodeToString(empty[:]), c.service, "us-east-1")
		answer := w.answer(r)
		body, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 403 || answer.Header.Get("Content-Type") != c.kind || !strings.Contains(string(body), c.says) {
			t.Errorf("%s is answered with %d %v %s", c.service, answer.StatusCode, answer.Header, body)
		}
	}
}

func TestAPresignedRequestIsSignedAnew(t *testing.T) {
	w := newWorld(t)
	key := w.key()
	r := httptest.NewRequest("GET", "http://127.0.0.1:7777/bucket/a%20k%2B1?versionId=1", nil)
	uri, _, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(t.Context(),
		aws.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey.Reveal(),
			SessionToken: key.SessionToken.Reveal()}, r, "UNSIGNED-PAYLOAD", "s3", "eu-west-1", now)
	if err != nil {
		t.Fatal(err)
	}
	got := w.sent(httptest.NewRequest("GET", uri, nil))
	if got.URL.RawQuery != "versionId=1" || got.URL.EscapedPath() != "/bucket/a%20k%2B1" ||
		!strings.Contains(got.Header.Get("Authorization"), "Credential=ASIAREAL/") {
		t.Errorf("AWS gets %s %v", got.URL, got.Header)
	}
}

// TestWhatReturnsCredentialsIsRefused asks for credentials in the ways that there are.
func TestWhatReturnsCredentialsIsRefused(t *testing.T) {
	w := newWorld(t)
	form := func(body string) *http.Request {
		r := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		hash := sha256.Sum256([]byte(body))
		w.sign(r, w.key(), hex.EncodeToString(hash[:]), "sts", "eu-west-1")
		return r
	}
	w.refused(form("Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2FX&RoleSessionName=x"),
		403, "sts:AssumeRole returns credentials")
	w.refused(form("Action=GetSessionToken&Version=2011-06-15"), 403, "returns credentials")
	w.refused(form("Action=MakeMeRich&Version=2011-06-15"), 403, "does not know what this request asks")
	w.sent(form("Action=GetCallerIdentity&Version=2011-06-15"))
}

// FuzzOpen holds that no token is accepted that the keys did not make, and that none panics.
func FuzzOpen(f *testing.F) {
	keys, _ := gateway.NewKeys([]byte(strings.Repeat("k", gateway.RootSize)))
	good := keys.Make(rolebroker.GatewayKey{Agent: "agt_scout", Token: "tok_scout", Expires: now.Add(time.Hour)})
	f.Add(good.AccessKeyID, good.SessionToken.Reveal())
	f.Add("", "rbg1..")
	f.Add("RBGW", "rbg1.e30.")
	f.Fuzz(func(t *testing.T, id, token string) {
		key, _, err := keys.Open(t.Context(), id, token, now)
		if err == nil && (id != good.AccessKeyID || key.Token != "tok_scout") {
			t.Errorf("%q %q is accepted, as %+v", id, token, key)
		}
	})
}

// BenchmarkSignedCall is one call through the gateway, without the network.
func BenchmarkSignedCall(b *testing.B) {
	keys, _ := gateway.NewKeys([]byte(strings.Repeat("k", gateway.RootSize)))
	w := &world{t: new(testing.T), keys: keys}
	g := gateway.New(gateway.Options{Keys: keys, Lender: w, Approver: w, Transport: new(catcher), Now: func() time.Time { return now }})
	r := w.request("POST", "/", "dynamodb", "eu-west-1", listTables)
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(strings.NewReader(listTables))
		g.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// A request for the host of a bucket is about the same bucket at the operator's endpoint, whose host names none.
func TestTheBucketOfAHostGoesIntoThePath(t *testing.T) {
	for host, want := range map[string]string{
		"reports.s3.eu-west-1.amazonaws.com": "/reports/notes", "a.b.s3.dualstack.eu-west-1.amazonaws.com": "/a.b/notes",
		"s3.eu-west-1.amazonaws.com": "/notes", "127.0.0.1:7777": "/notes",
		"my-444455556666.s3-accesspoint.eu-west-1.amazonaws.com": "", "a.dualstack.b.s3.eu-west-1.amazonaws.com": "",
	} {
		w := newWorld(t)
		r := httptest.NewRequest("DELETE", "http://"+host+"/notes", nil)
		w.sign(r, w.key(), "UNSIGNED-PAYLOAD", "s3", "eu-west-1")
		if want == "" {
			w.refused(r, 403, "the endpoint that is set for S3 takes no requests for")
		} else if got := w.sent(r); got.URL.Path != want {
			t.Errorf("%s: the path is %s, want %s", host, got.URL.Path, want)
		}
	}
}

// One agent cannot make the gateway keep bodies without end: two of its large ones wait for AWS, and a third is refused
// until one of them is done. Small ones pass.
func TestTheBodiesThatAreKeptAreBounded(t *testing.T) {
	w := newWorld(t)
	arrived, end := make(chan struct{}, 3), make(chan struct{})
	stand := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		if n > 1<<20 {
			<-end
		}
	}))
	defer stand.Close()
	w.endpoint = func(endpoint.Service) string { return stand.URL }
	body := strings.Repeat(" ", 60<<20)
	hash := sha256.Sum256([]byte(body))
	large := func() *http.Request {
		r := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
		w.sign(r, w.key(), hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1")
		return r
	}
	done := make(chan int, 2)
	for range 2 {
		go func() { done <- w.answer(large()).StatusCode }()
	}
	<-arrived
	<-arrived
	w.refused(large(), 503, "ThrottlingException")
	if got := w.answer(w.request("POST", "/", "dynamodb", "eu-west-1", listTables)).StatusCode; got != 200 {
		t.Errorf("a small request is answered with %d", got)
	}
	close(end)
	if a, b := <-done, <-done; a != 200 || b != 200 {
		t.Errorf("the large requests are answered with %d and %d", a, b)
	}
	if got := w.answer(large()).StatusCode; got != 200 {
		t.Errorf("a large request is answered with %d afterwards", got)
	}
}

// writes counts what is written to connections.
type writes struct {
	net.Conn
	n *atomic.Int64
}

func (w writes) Write(p []byte) (int, error) {
	w.n.Add(1)
	return w.Conn.Write(p)
}

// TestASmallRequestIsOneWrite: its header does not go to AWS alone, before the body.
func TestASmallRequestIsOneWrite(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int64
	w.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return writes{conn, &n}, err
	}
	w.sent(w.request("POST", "/", "dynamodb", "eu-west-1", listTables))
	if n.Load() != 1 {
		t.Errorf("it was sent in %d writes", n.Load())
	}
}

// A call that waited is decided anew, also if it needs no approval any more: the loan from before the wait may allow more.
func TestACallThatWaitedIsDecidedAnew(t *testing.T) {
	w := newWorld(t)
	waited := false
	w.approve = func(context.Context, *rolebroker.AskedCall, time.Duration) (rolebroker.AccessRequestID, error) {
		waited = true
		w.denial = rolebroker.Errorf(rolebroker.CodeDenied, "the role was taken away")
		return "", nil // nothing has to be approved any more
	}
	const body = `{"TableName":"jobs"}`
	r := httptest.NewRequest("POST", "http://127.0.0.1:7777/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.DeleteTable")
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	hash := sha256.Sum256([]byte(body))
	w.sign(r, w.key(), hex.EncodeToString(hash[:]), "dynamodb", "eu-west-1")
	if w.refused(r, 403, "the role was taken away"); !waited {
		t.Error("nobody was asked")
	}
}
