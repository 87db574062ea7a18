package server_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/sigv4"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// tokenCalls are the calls of the agent, the newest first, as "service:Operation outcome".
func (w *keyWorld) tokenCalls() (all []string) {
	w.Helper()
	for call, err := range w.Client(w.Scout).AllCalls(w.Context(), api.CallFilter{}) {
		w.must(call, err)
		all = append(all, call.Service+":"+call.Operation+" "+call.Outcome)
	}
	return all
}

// token asks for a token as the agent.
func (w *keyWorld) token(ask api.AWSTokenRequest) (api.AWSToken, error) {
	return w.Client(w.Scout).AWSToken(w.Context(), ask)
}

var (
	eksToken = api.AWSTokenRequest{Kind: "eks", Role: "deployer", ClusterName: "production"}
	getToken = api.AWSTokenRequest{Kind: "s3", Role: "deployer", Bucket: "reports", Key: "march.csv"}
	putToken = api.AWSTokenRequest{Kind: "s3", Role: "deployer", Bucket: "reports", Key: "march.csv", Method: "PUT",
		ExpiresIn: "5m"}
)

// sentBy sends what STS gets from EKS, for the token of a cluster, and returns the status and the answer.
func (w *keyWorld) sentBy(token api.AWSToken, cluster string) (int, string) {
	w.Helper()
	encoded, ok := strings.CutPrefix(token.Token.Reveal(), "k8s-aws-v1.")
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	w.must(text, err)
	at, err := url.Parse(string(text))
	if !ok || err != nil || at.Host != "sts.eu-west-1.amazonaws.com" {
		w.Fatalf("the token is %s, %v", text, err)
	}
	r, err := http.NewRequestWithContext(w.Context(), http.MethodGet, w.AWSURL+at.RequestURI(), nil)
	w.must(r, err)
	r.Host = at.Host
	r.Header.Set("X-K8s-Aws-Id", cluster)
	return w.send(r)
}

func (w *keyWorld) send(r *http.Request) (int, string) {
	w.Helper()
	answer, err := http.DefaultClient.Do(r)
	w.must(answer, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	w.must(body, err)
	return answer.StatusCode, string(body)
}

// follow sends a request to a URL.
func (w *keyWorld) follow(method, to, body string) (int, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, to, strings.NewReader(body))
	w.must(r, err)
	return w.send(r)
}

// TestTokensAreTheRoles has AWS say who signed them, with keys that are lent and with keys that are withheld, on both
// databases. The second server has no key for the gateway.
func TestTokensAreTheRoles(t *testing.T) {
	for name, database := range map[string]string{"SQLite": "", "PostgreSQL": storetest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			w := &keyWorld{t, testbed.New(t, &testbed.Options{Database: database})}
			for _, keys := range []string{"lent", "withheld"} {
				w.must(w.Admin.Limit(t.Context(), "scout", "production", api.LimitsRequest{Keys: keys}, ""))
				made, err := w.token(eksToken)
				w.must(made, err)
				status, who := w.sentBy(made, "production")
				if status != 200 || !strings.Contains(who, ":assumed-role/Deployer/scout<") {
					t.Errorf("with keys %s AWS answers %d: %s", keys, status, who)
				}
				if status, who := w.sentBy(made, "another"); status != 403 {
					t.Errorf("another cluster gets %d: %s", status, who)
				}
			}
			want := []string{"eks:GetToken handed_out", "eks:GetToken handed_out"}
			if got := w.tokenCalls(); !slices.Equal(got, want) {
				t.Errorf("the calls are %q", got)
			}
		})
	}
}

// makeBucket makes a bucket in the account of the role, which then may do everything.
func (w *keyWorld) makeBucket(name string) {
	w.Helper()
	account := w.AWS.Account(testbed.CustomerAccount)
	account.SetRolePolicy("Deployer", "all", awssim.AllowAll)
	key := account.CreateUser("maker", awssim.AllowAll).Key
	const location = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>" +
		"</CreateBucketConfiguration>"
	r, err := http.NewRequestWithContext(w.Context(), "PUT", w.AWSURL+"/"+name, strings.NewReader(location))
	w.must(r, err)
	hash := sigv4.Hash([]byte(location))
	r.Header.Set("X-Amz-Content-Sha256", hash)
	w.must(nil, v4.NewSigner().SignHTTP(w.Context(), aws.Credentials{AccessKeyID: key.AccessKeyID,
		SecretAccessKey: key.SecretAccessKey}, r, hash, "s3", "eu-west-1", time.Now()))
	if status, said := w.send(r); status != 200 {
		w.Fatalf("no bucket: %d %s", status, said)
	}
}

// TestAURLDoesWhatWasAskedForAndNothingElse has S3 verify it.
func TestAURLDoesWhatWasAskedForAndNothingElse(t *testing.T) {
	w := newKeyWorld(t)
	w.makeBucket("reports")
	uploading, err := w.token(putToken)
	w.must(uploading, err)
	if status, said := w.follow("PUT", uploading.Token.Reveal(), "sold 3"); status != 200 {
		t.Fatalf("S3 answers %d: %s", status, said)
	}
	made, err := w.token(getToken)
	w.must(made, err)
	get := made.Token.Reveal()
	if status, said := w.follow("GET", get, ""); status != 200 || said != "sold 3" {
		t.Errorf("S3 answers %d: %s", status, said)
	}
	for what, to := range map[string]string{"another key": strings.Replace(get, "march.csv", "april.csv", 1),
		"another bucket": strings.Replace(get, "reports", "others", 1),
		"longer":         strings.Replace(get, "Expires=900", "Expires=9000", 1), "a version": get + "&versionId=1"} {
		if status, said := w.follow("GET", to, ""); status != 403 {
			t.Errorf("%s: S3 answers %d: %s", what, status, said)
		}
	}
	for _, method := range []string{"PUT", "DELETE"} {
		if status, said := w.follow(method, get, ""); status != 403 {
			t.Errorf("%s: S3 answers %d: %s", method, status, said)
		}
	}
	want := []string{"s3:GetObject handed_out", "s3:PutObject handed_out"}
	if got := w.tokenCalls(); !slices.Equal(got, want) {
		t.Errorf("the calls are %q", got)
	}
	if made.ExpiresAt.After(time.Now().Add(15*time.Minute)) || made.ExpiresAt.Before(time.Now().Add(14*time.Minute)) {
		t.Errorf("the URL lasts until %s", made.ExpiresAt)
	}
}

// TestWhoGetsNoToken has the refusals at the door of agents. Each says what to do.
func TestWhoGetsNoToken(t *testing.T) {
	w := newKeyWorld(t)
	refuses := func(what string, ask api.AWSTokenRequest, want rolebroker.Code, says string) {
		t.Helper()
		made, err := w.token(ask)
		e := rolebroker.AsError(err)
		if err == nil || e.Code != want || !strings.Contains(e.Message+" "+e.Hint.String(), says) || made.Token != "" {
			t.Errorf("%s: %v, want %s with %q; hint %q", what, err, want, says, e.Hint)
		}
	}
	refuses("an unknown role", api.AWSTokenRequest{Kind: "eks", Role: "admin", ClusterName: "c"}, "not_found",
		"deployer")
	refuses("a role of another integration", api.AWSTokenRequest{Kind: "eks", Role: "staging/tester", ClusterName: "c"},
		"not_found", "deployer")
	refuses("no cluster", api.AWSTokenRequest{Kind: "eks", Role: "deployer"}, "invalid", "cluster_name")
	refuses("a huge lifetime", api.AWSTokenRequest{Kind: "s3", Role: "deployer", Bucket: "reports", Key: "k",
		ExpiresIn: "100h"}, "invalid", "expires_in")
	refuses("no duration", api.AWSTokenRequest{Kind: "s3", Role: "deployer", Bucket: "reports", Key: "k",
		ExpiresIn: "1 day"}, "invalid", "expires_in")

	limit := func(l api.LimitsRequest) {
		t.Helper()
		w.must(w.Admin.Limit(t.Context(), "scout", "production", l, ""))
	}
	limit(api.LimitsRequest{Keys: "withheld", Access: "read-only"})
	refuses("a URL to write with", putToken, "denied", "read-only")
	refuses("Kubernetes", eksToken, "denied", "eks:GetToken")
	w.must(w.token(getToken))
	limit(api.LimitsRequest{Keys: "withheld", Access: "read-only", AllowedActions: []string{"eks:GetToken"}})
	w.must(w.token(eksToken))

	limit(api.LimitsRequest{Keys: "withheld", Approval: "write"})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := w.Client(w.Scout).AWSToken(ctx, putToken)
		asked <- err
	}()
	var pending api.AccessRequest
	for pending.ID == "" {
		for r, err := range w.Admin.AllAccessRequests(t.Context(), api.AccessRequestFilter{State: "pending"}) {
			w.must(r, err)
			pending = r
		}
	}
	const summary = "s3:PutObject on arn:aws:s3:::reports/march.csv, by a URL that works for whoever has it"
	if pending.Call == nil || pending.Call.Summary != summary {
		t.Errorf("people are asked %+v", pending.Call)
	}
	deciding := approver(t, w.Testbed)
	w.must(deciding.ApproveRequest(t.Context(), pending.ID, api.ApproveRequest{Duration: "4m",
		Actions: pending.Call.Actions, Resources: pending.Call.Resources}))
	if err := <-asked; err != nil {
		t.Errorf("with the approval: %v", err)
	}
	cancel()
	made, err := w.token(putToken)
	w.must(made, err)
	if end := time.Until(made.ExpiresAt); end > 4*time.Minute {
		t.Errorf("the URL outlives the approval: it lasts %s", end)
	}
	call, err := w.Admin.Call(t.Context(), made.Call)
	w.must(call, err)
	if call.AccessRequest != pending.ID || call.Session == "" || call.ValidUntil == nil {
		t.Errorf("the record is %+v", call)
	}

	limit(api.LimitsRequest{Keys: "withheld"})
	w.must(w.token(eksToken))
	w.disables(true)
	refuses("an agent that is disabled", eksToken, "denied", "disabled")
	w.disables(false)
	w.must(w.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{}))
	refuses("an agent that is cut off", eksToken, "denied", "")
}
