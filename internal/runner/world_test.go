package runner

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/containercreds"
	"github.com/rolebroker/rolebroker/internal/lend"
	"github.com/rolebroker/rolebroker/internal/rest"
	"github.com/rolebroker/rolebroker/internal/runnerapi"
	"github.com/rolebroker/rolebroker/internal/store"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/sts"
)

// The accounts of the simulated AWS. The cluster has an identity of its own;
// the roles of the integration cluster trust that and not the platform's.
const (
	platformAccount = "111122223333"
	clusterAccount  = "777788889999"
	customerAccount = "444455556666"
)

// world is a server and a runner with AWS identities of their own, and the
// network between them, in one process and without sockets, so that it can live
// in a synctest bubble. The agent scout may borrow inner, its default role, and
// other from the integration cluster, and readonly from the integration platform.
type world struct {
	testing.TB
	aws     *awssim.AWS
	admin   *client.Client
	network network           // from the runner to the server
	scout   rolebroker.Secret // a token of the agent scout
	folder  string            // of the runner's state
	opts    Options
	runner  *Runner
}

// inWorld runs a test in a world of its own, on a simulated clock.
func inWorld(t *testing.T, test func(w *world), change ...func(*Options)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		defer w.close()
		test(w)
	})
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{TB: t, aws: awssim.New(awssim.Options{}), folder: t.TempDir()}
	w.startServer()
	w.arrange()
	w.opts = Options{
		Server: client.Options{URL: "http://127.0.0.1:8484", HTTPClient: w.network.client()},
		State:  Folder(w.folder), Spool: w.folder, JoinToken: w.joinToken(),
		Direct: w.sts(w.aws.Account(clusterAccount).CreateUser("runner", awssim.AllowAll).Key),
		Grace:  time.Hour, Program: "test",
		Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	}
	for _, c := range change {
		c(&w.opts)
	}
	w.start()
	return w
}

// sts asks the simulated STS with a key.
func (w *world) sts(key awssim.Credentials) *sts.Client {
	return sts.New(sts.Options{Endpoint: "http://sts.simulated", HTTPClient: w.aws.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")})
}

// startServer starts a server at the other end of the network.
func (w *world) startServer() {
	ctx := context.Background()
	db := try(store.Open(ctx, store.Options{Database: storetest.SQLite(w)}))(w)
	operator := w.sts(w.aws.Account(platformAccount).CreateUser("rolebroker", awssim.AllowAll).Key)
	lender := lend.New(lend.Options{Records: db, Assumer: operator})
	b := broker.New(broker.Options{Store: db, STS: operator, Lender: lender})
	key := try(b.BootstrapAdmin(ctx, rolebroker.Secret{}))(w)
	who := &auth.Authenticator{Records: b, Now: time.Now}
	closing := make(chan struct{})
	w.Cleanup(func() {
		close(closing)
		synctest.Wait()
		if err := errors.Join(lender.Close(ctx), db.Close()); err != nil {
			w.Error(err)
		}
	})
	doors := map[string]http.Handler{
		"/v1/": containercreds.New(containercreds.Options{Lender: lender, Identify: who.Agent,
			Requests: asked{b}}),
		"/runner/v1/": runnerapi.New(runnerapi.Options{Broker: b, Auth: who, Requests: asked{b}, Heartbeat: api.Heartbeat,
			Closing: closing}),
		"/api/v1/": rest.New(rest.Options{Broker: b, Auth: who}),
	}
	w.network.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for path, door := range doors {
			if strings.HasPrefix(r.URL.Path, path) {
				door.ServeHTTP(rw, r)
			}
		}
	})
	w.admin = clientOf(w, w.network.handler, key)
}

// clientOf asks a handler in the same process.
func clientOf(t testing.TB, handler http.Handler, token rolebroker.Secret) *client.Client {
	t.Helper()
	return try(client.New(client.Options{URL: "http://127.0.0.1:8484", Token: token,
		HTTPClient: (&network{handler: handler}).client()}))(t)
}

// arrange makes the runner eks, the integrations and the agent.
func (w *world) arrange() {
	ctx := context.Background()
	role := func(name, iam string) api.RoleRequest {
		return api.RoleRequest{Name: name, ARN: "arn:aws:iam::" + customerAccount + ":role/" + iam, Region: "us-east-1"}
	}
	try(w.admin.CreateRunner(ctx, api.RunnerRequest{Name: "eks"}))(w)
	cluster := api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster", Runner: "eks", DefaultRole: "inner",
		ExternalID: try(w.admin.ReserveExternalID(ctx))(w).ExternalID,
		Roles:      []api.RoleRequest{role("inner", "Inner"), role("other", "Other")}}
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + clusterAccount + `"},
		"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],
		"Condition":{"StringEquals":{"sts:ExternalId":"` + cluster.ExternalID + `"}}}}`
	for _, iam := range []string{"Inner", "Other"} {
		w.aws.Account(customerAccount).CreateRole(awssim.Role{Name: iam, TrustPolicy: trust})
	}
	w.aws.Account(customerAccount).CreateRole(awssim.Role{Name: "ReadOnly", TrustPolicy: trusting(platformAccount)})
	platform := api.IntegrationRequest{Name: "platform", DefaultRole: "readonly",
		Roles: []api.RoleRequest{role("readonly", "ReadOnly")}}
	for _, in := range []api.IntegrationRequest{cluster, platform} {
		try(w.admin.CreateIntegration(ctx, in, api.ValidateSkip))(w)
	}
	try(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "scout"}))(w)
	try(w.admin.Connect(ctx, "scout", "cluster"))(w)
	try(w.admin.Connect(ctx, "scout", "platform"))(w)
	w.scout = rolebroker.NewSecret(try(w.admin.CreateToken(ctx, "scout", api.TokenRequest{}))(w).Token.Reveal())
}

// trusting is a trust policy that lets an account assume the role.
func trusting(account string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + account +
		`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}`
}

// testWriter has what a runner logs shown when the test fails.
type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	if w.Context().Err() == nil {
		w.Logf("%s", p)
	}
	return len(p), nil
}

// try is a value that there has to be.
func try[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) joinToken() rolebroker.Secret {
	w.Helper()
	return rolebroker.NewSecret(try(w.admin.CreateJoinToken(context.Background(), "eks", api.JoinTokenRequest{}))(w).
		Token.Reveal())
}

// start starts the runner, and waits until it hears of changes.
func (w *world) start() {
	w.Helper()
	w.runner = try(open(context.Background(), w.opts))(w)
	w.runner.startWork(context.Background())
	w.eventually("the runner is ready", func() bool { return w.readiness() == "ready" })
}

// close stops the runner.
func (w *world) close() {
	w.Helper()
	w.runner.Close(context.Background())
}

// readiness is what the runner says of itself.
func (w *world) readiness() string {
	w.Helper()
	answer := try((&network{handler: w.runner.http.Handler}).client().Get("http://127.0.0.1/readyz"))(w)
	defer answer.Body.Close()
	var is struct{ Status string }
	if err := json.NewDecoder(answer.Body).Decode(&is); err != nil {
		w.Fatal(err)
	}
	return is.Status
}

// breakStream breaks the stream of events for good, and passes everything else.
func (w *world) breakStream() {
	w.Helper()
	w.network.refuse(streams)
	w.eventually("the runner asks each time", func() bool {
		return w.readiness() == "the stream of events is broken; the server is asked each time"
	})
}

// borrows is what an agent that shows a token gets from the runner.
func (w *world) borrows(token rolebroker.Secret, role string) (*client.Credentials, error) {
	w.Helper()
	return clientOf(w, w.runner.http.Handler, token).Credentials(context.Background(), role, "")
}

// allow has to get the role.
func (w *world) allow(role string) *client.Credentials {
	w.Helper()
	lent, err := w.borrows(w.scout, role)
	if err != nil {
		w.Fatalf("scout does not get %q: %v", role, err)
	}
	return lent
}

// deny has to be refused with the code.
func (w *world) deny(role string, code rolebroker.Code) *rolebroker.Error {
	w.Helper()
	_, err := w.borrows(w.scout, role)
	var e *rolebroker.Error
	if !errors.As(err, &e) || e.Code != code {
		w.Fatalf("scout asking for %q gets %v, not %s", role, err, code)
	}
	return e
}

// eventually advances the simulated clock until something is so.
func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.Fatalf("it did not become so: %s", what)
}

// sessions are those that the server has on record.
func (w *world) sessions() (all []api.Session) {
	w.Helper()
	for s, err := range w.admin.AllSessions(context.Background(), api.SessionFilter{}) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// assumed are the calls of STS that lending made, and not trying roles.
func (w *world) assumed() (all []awssim.AssumeRoleCall) {
	for _, a := range w.aws.Assumed() {
		if a.SessionName != "rolebroker=validation" {
			all = append(all, a)
		}
	}
	return all
}
