package runner

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/endpoint"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// gateWorld is a real server and runners with gateways; scout's keys for the roles of eks are withheld.
type gateWorld struct {
	*testing.T
	tb     *testbed.Testbed
	scout  rolebroker.Secret
	away   atomic.Bool  // the server does not answer runners
	old    atomic.Bool  // it knows no gateways of runners
	opened atomic.Int64 // how many keys runners asked about

	upstream string // where the gateway sends requests; empty: to the simulated AWS
}

func newGateWorld(t *testing.T, database string) *gateWorld {
	key := filepath.Join(t.TempDir(), "gateway-key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &gateWorld{T: t, tb: testbed.New(t, &testbed.Options{Empty: true, Database: database,
		Config: func(c *config.Server) { c.GatewayKey, c.GatewayListen = key, "127.0.0.1:0" }})}
	w.tb.AWS.Account(customerAccount).CreateRole(awssim.Role{Name: "Inner", TrustPolicy: trusting(clusterAccount)})
	for _, name := range []string{"eks", "other"} {
		try(w.tb.Admin.CreateRunner(t.Context(), api.RunnerRequest{Name: name}))(t)
	}
	try(w.tb.Admin.CreateIntegration(t.Context(), api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster",
		Runner: "eks", DefaultRole: "inner", Roles: []api.RoleRequest{w.tb.Role("inner", "Inner", "us-east-1")}},
		api.ValidateSkip))(t)
	w.scout = w.tb.Agent("scout", "cluster")
	try(w.tb.Admin.Limit(t.Context(), "scout", "cluster", api.LimitsRequest{Keys: "withheld"}, ""))(t)
	return w
}

// RoundTrip is the way of runners to the server.
func (w *gateWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case w.away.Load():
		return nil, errors.New("connection refused")
	case strings.HasSuffix(r.URL.Path, "/gateway-keys/open"):
		w.opened.Add(1)
	}
	switch {
	case w.old.Load() && (strings.Contains(r.URL.Path, "/gateway-keys") || strings.HasSuffix(r.URL.Path, "/calls")):
		r = r.Clone(r.Context())
		r.URL.Path = "/runner/v1/nothing"
	}
	return http.DefaultTransport.RoundTrip(r)
}

// runs starts a runner with a gateway.
func (w *gateWorld) runs(name string) *Runner {
	w.Helper()
	made := try(w.tb.Admin.CreateJoinToken(w.Context(), name, api.JoinTokenRequest{}))(w)
	join := rolebroker.NewSecret(made.Token.Reveal())
	w.tb.HandedOut(join)
	key := w.tb.AWS.Account(clusterAccount).CreateUser("runner-"+name, awssim.AllowAll).Key
	r := try(Start(context.Background(), Options{
		Server: client.Options{URL: w.tb.URL, HTTPClient: &http.Client{Transport: w}}, State: Folder(w.TempDir()),
		JoinToken: join, Grace: time.Hour, Listen: "127.0.0.1:0", GatewayListen: "127.0.0.1:0",
		Endpoint: func(endpoint.Service) string { return cmp.Or(w.upstream, w.tb.AWSURL) },
		Direct: sts.New(sts.Options{Endpoint: w.tb.AWSURL,
			Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")}),
	}))(w)
	w.Cleanup(func() {
		ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		r.Close(ending)
	})
	storetest.Eventually(w, "the runner is connected", func() bool { return r.record.streaming.Load() })
	return r
}

// key is a key of scout for the gateway of a runner.
func (w *gateWorld) key(r *Runner) (*client.Credentials, error) {
	agent := try(client.New(client.Options{URL: r.URL(), Token: w.scout}))(w)
	return agent.Credentials(w.Context(), "cluster/inner", "")
}

// reads and changes call AWS by a gateway with a key; empty: it worked.
func (w *gateWorld) reads(url string, k *client.Credentials) string {
	_, err := w.sdk(url, k).GetCallerIdentity(w.Context(), nil)
	return said(err)
}

func (w *gateWorld) changes(url string, k *client.Credentials) string {
	_, err := w.sdk(url, k).DecodeAuthorizationMessage(w.Context(), &awssts.DecodeAuthorizationMessageInput{
		EncodedMessage: aws.String("none")})
	return said(err)
}

func (w *gateWorld) sdk(url string, k *client.Credentials) *awssts.Client {
	return awssts.New(awssts.Options{Region: "us-east-1", BaseEndpoint: aws.String(url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey.Reveal(),
			k.Token.Reveal())})
}

func said(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode() + ": " + refused.ErrorMessage()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func (w *gateWorld) says(what, got, want string) {
	w.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		w.Errorf("%s: %q, want %q", what, got, want)
	}
}

// The server makes the keys and has the record; the runner alone can use the role. Keys work at that runner only, and
// end with what they are for.
func TestAnAgentWithoutKeysWorksByTheRunner(t *testing.T) {
	for name, database := range map[string]func(testing.TB) string{
		"SQLite": storetest.SQLite, "PostgreSQL": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			w := newGateWorld(t, database(t))
			eks, other := w.runs("eks"), w.runs("other")
			key := try(w.key(eks))(t)
			if key.Keys != rolebroker.KeysWithheld || !strings.HasPrefix(key.AccessKeyID, "RBGW") {
				t.Fatalf("scout is lent %s, %s", key.Keys, key.AccessKeyID)
			}
			w.says("at the runner", w.reads(eks.GatewayURL(), key), "")
			w.says("at AWS", w.reads(w.tb.AWSURL, key), "InvalidClientTokenId")
			w.says("at the server", w.reads(w.tb.GatewayURL(), key), "assumed by runner eks")
			w.says("at another runner", w.reads(other.GatewayURL(), key), "runner other does not assume")
			if _, err := w.key(other); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
				t.Errorf("another runner gives a key, or says %v", err)
			}
			forged := *key
			forged.SecretAccessKey = rolebroker.NewSecret("guessed")
			w.says("a guessed secret", w.reads(eks.GatewayURL(), &forged), "SignatureDoesNotMatch")
			forged = *key
			forged.Token = rolebroker.NewSecret(key.Token.Reveal()[:len(key.Token.Reveal())-4] + "AAAA")
			w.says("a forged token", w.reads(eks.GatewayURL(), &forged), "did not make these keys")

			w.recorded("sts", "GetCallerIdentity", "allowed")
			try(w.tb.Admin.UpdateAgent(t.Context(), "scout", api.AgentRequest{Name: "scout", Disabled: true}, ""))(t)
			storetest.Eventually(t, "the runner refuses", func() bool {
				return strings.Contains(w.reads(eks.GatewayURL(), key), "agent scout is disabled")
			})
			w.recorded("sts", "GetCallerIdentity", "refused")
		})
	}
}

// recorded waits until the server has a call of scout with the role of the runner.
func (w *gateWorld) recorded(service, operation, decision string) {
	w.Helper()
	storetest.Eventually(w, decision+" is on record", func() bool {
		for call, err := range w.tb.Admin.AllCalls(w.Context(), api.CallFilter{Agent: "scout", Role: "cluster/inner"}) {
			if err != nil {
				w.Fatal(err)
			}
			if call.Service == service && call.Operation == operation && call.Decision == decision &&
				call.Agent == "scout" && call.Integration == "cluster" &&
				(decision == "refused" || call.Session != "") {
				return true
			}
		}
		return false
	})
}

// While the server is away, what may change something is refused, and reads go on with keys that are known.
func TestWithoutTheServerTheGatewayOfARunnerOnlyReads(t *testing.T) {
	w := newGateWorld(t, storetest.SQLite(t))
	eks := w.runs("eks")
	key := try(w.key(eks))(t)
	w.says("before", w.reads(eks.GatewayURL(), key), "")
	w.says("a change before", w.changes(eks.GatewayURL(), key), "Could not find operation") // so says AWS
	w.away.Store(true)
	w.says("a read", w.reads(eks.GatewayURL(), key), "")
	w.says("a change", w.changes(eks.GatewayURL(), key), "rolebroker: ")
	w.away.Store(false)
	storetest.Eventually(t, "reads work again", func() bool { return w.reads(eks.GatewayURL(), key) == "" })
	w.recorded("sts", "GetCallerIdentity", "allowed")
}

// A server of an earlier version is named as such.
func TestAnOlderServerMakesNoKeysForRunners(t *testing.T) {
	w := newGateWorld(t, storetest.SQLite(t))
	eks := w.runs("eks")
	w.old.Store(true)
	_, err := w.key(eks)
	if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "earlier version") {
		t.Errorf("the runner says %v", err)
	}
}

// What may change something is on record at the server before AWS has it. A cut-off ends it while it is under way, and
// no other follows.
func TestACallByARunnerIsOnRecordFirstAndEndsWithACutOff(t *testing.T) {
	w := newGateWorld(t, storetest.SQLite(t))
	outcome, released := make(chan string, 1), make(chan bool)
	aws := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		found := "nothing"
		for call, err := range w.tb.Admin.AllCalls(context.Background(), api.CallFilter{Agent: "scout"}) {
			if err == nil && call.Operation == "DecodeAuthorizationMessage" {
				found = call.Outcome
			}
		}
		outcome <- found
		select {
		case <-r.Context().Done():
		case <-released:
		}
	}))
	defer aws.Close()
	defer close(released)
	w.upstream = aws.URL
	eks := w.runs("eks")
	key := try(w.key(eks))(t)
	said := make(chan string, 1)
	go func() { said <- w.changes(eks.GatewayURL(), key) }()
	if found := <-outcome; found != "unknown" {
		t.Errorf("when AWS gets the call, there is %s on record", found)
	}
	try(w.tb.Admin.CutOff(t.Context(), "scout", api.CutOffRequest{Reason: "a drill"}))(t)
	cut := time.Now()
	w.says("the call under way", <-said, "agent scout is disabled")
	if took := time.Since(cut); took > 2*time.Second {
		t.Errorf("the call under way ended %s after the cut-off", took)
	}
	w.says("the next one", w.changes(eks.GatewayURL(), key), "agent scout is disabled")
	if len(outcome) > 0 {
		t.Error("AWS got the next one")
	}
}

// No agent can make the records of calls too long to send, and those of a session that the server does not know yet
// wait for it.
func TestRecordsOfCallsArrive(t *testing.T) {
	w := newGateWorld(t, storetest.SQLite(t))
	eks := w.runs("eks")
	w.says("a read", w.reads(eks.GatewayURL(), try(w.key(eks))(t)), "")
	w.recorded("sts", "GetCallerIdentity", "allowed")
	began := try(w.tb.Admin.Sessions(t.Context(), api.SessionFilter{}, client.List{}))(t).Items[0]
	first := try(w.tb.Admin.Calls(t.Context(), api.CallFilter{Agent: "scout"}, client.List{}))(t).Items[0]
	session := api.RunnerSession{ID: string(rolebroker.NewSessionID()), Agent: first.AgentID,
		Integration: first.IntegrationID, Role: first.RoleID, Token: first.TokenID, ARN: first.ARN, Region: "us-east-1",
		SessionName: "scout", Access: "full", Withheld: true, RequestedAt: time.Now(),
		ExpiresAt: time.Now().Add(time.Hour), AgentName: "scout", IntegrationName: "cluster", RoleName: "inner"}
	if err := eks.record.spool.add(entry{Begin: &session}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	calls := make([]rolebroker.Call, 500)
	for i := range calls {
		calls[i] = rolebroker.Call{ID: rolebroker.NewCallID(now), EndedAt: now,
			Agent: rolebroker.AgentID(first.AgentID), Token: rolebroker.TokenID(first.TokenID),
			Integration: rolebroker.IntegrationID(first.IntegrationID),
			Role:        rolebroker.RoleID(first.RoleID), Session: rolebroker.SessionID(began.ID), Service: "lambda",
			Operation: "GetFunction", Resources: []string{strings.Repeat("<", 4<<10)}, Level: rolebroker.CallRead,
			Decision: rolebroker.CallAllowed, Times: 1, Status: 404}
	}
	calls[0].Session = rolebroker.SessionID(session.ID)
	if err := eks.gate.signs.Records.RecordCalls(t.Context(), calls); err != nil {
		t.Fatal(err)
	}
	for _, call := range []rolebroker.Call{calls[0], calls[499]} {
		if _, err := w.tb.Admin.Call(t.Context(), string(call.ID)); err != nil {
			t.Error(err)
		}
	}
}

// A key that nobody made costs the server one question, however often it comes.
func TestAMadeUpKeyIsOneQuestion(t *testing.T) {
	w := newGateWorld(t, storetest.SQLite(t))
	eks := w.runs("eks")
	key := try(w.key(eks))(t)
	made, said := *key, key.Token.Reveal()
	made.Token = rolebroker.NewSecret(said[:strings.LastIndexByte(said, '.')+1] + strings.Repeat("a", 43))
	for range 20 {
		w.says("a key that nobody made", w.reads(eks.GatewayURL(), &made), "the gateway")
	}
	if asked := w.opened.Load(); asked != 1 {
		t.Errorf("the server was asked %d times", asked)
	}
	w.says("a good key", w.reads(eks.GatewayURL(), key), "")
}
