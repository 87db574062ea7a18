package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/sts"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// clusterAccount is the one that the cluster's identity is in. The platform's
// identity is trusted by none of the cluster's roles.
const clusterAccount = "777788889999"

// world is a server and a runner with AWS identities of their own, and the way
// between them.
type world struct {
	*testing.T
	*testbed.Testbed
	runner *runner.Runner
	scout  rolebroker.Secret // a token of the agent scout, which may borrow inner (the default) and other from the integration cluster
	folder string
	way    *way

	database string
	opts     runner.Options
}

// newWorld starts all of it.
func newWorld(t *testing.T, change ...func(*runner.Options)) *world {
	t.Helper()
	database := filepath.Join(t.TempDir(), "rolebroker.db")
	w := &world{T: t, Testbed: testbed.New(t, &testbed.Options{Empty: true, Database: database}), folder: t.TempDir(), database: database}
	w.way = newWay(t, w.URL)
	ctx := context.Background()
	eks := try(w.Admin.CreateRunner(ctx, api.RunnerRequest{Name: "eks"}))(t)
	in := api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster", Runner: eks.Name, DefaultRole: "inner", ExternalID: try(w.Admin.ReserveExternalID(ctx))(t).ExternalID}
	for name, iam := range map[string]string{"inner": "Inner", "other": "Other"} {
		w.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: iam, TrustPolicy: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` +
			clusterAccount + `"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"` + in.ExternalID + `"}}}}`})
		in.Roles = append(in.Roles, w.Role(name, iam, "us-east-1"))
	}
	try(w.Admin.CreateIntegration(ctx, in, api.ValidateSkip))(t)
	w.Integration("platform", w.Role("readonly", "ReadOnly", "us-east-1"))
	w.scout = w.Agent("scout", "cluster", "platform")

	key := w.AWS.Account(clusterAccount).CreateUser("runner", awssim.AllowAll).Key
	w.opts = runner.Options{
		Server: client.Options{URL: w.way.url}, State: runner.Folder(w.folder), Spool: w.folder, JoinToken: w.joinToken(),
		Direct: sts.New(sts.Options{Endpoint: w.AWSURL, Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")}),
		Grace:  time.Hour, Listen: "127.0.0.1:0", Program: "test", Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&w.opts)
	}
	w.start()
	return w
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
	token := rolebroker.NewSecret(try(w.Admin.CreateJoinToken(context.Background(), "eks", api.JoinTokenRequest{}))(w.T).Token.Reveal())
	w.HandedOut(token)
	return token
}

// start starts the runner, and waits until it hears of changes.
func (w *world) start() {
	w.Helper()
	r, err := runner.Start(context.Background(), w.opts)
	if err != nil {
		w.Fatal(err)
	}
	w.runner = r
	w.Cleanup(func() { r.Close(context.Background()) })
	w.eventually("the runner is ready", func() bool { return w.get("/readyz") == `{"status":"ready"}` })
}

// get is what the runner answers at a path.
func (w *world) get(path string) string {
	answer, err := http.Get(w.runner.URL() + path)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text := make([]byte, 1000)
	n, _ := answer.Body.Read(text)
	for n > 0 && text[n-1] == '\n' {
		n--
	}
	return string(text[:n])
}

// borrows is what an agent that shows a token gets from the runner.
func (w *world) borrows(token rolebroker.Secret, role string) (*client.Credentials, error) {
	w.Helper()
	c, err := client.New(client.Options{URL: w.runner.URL(), Token: token})
	if err != nil {
		w.Fatal(err)
	}
	return c.Credentials(context.Background(), role, "")
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
		w.Fatalf("scout asking for %q is told %v, not %s", role, err, code)
	}
	return e
}

// eventually waits for what has to become so.
func (w *world) eventually(what string, is func() bool) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if is() {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	w.Fatalf("it did not become so: %s", what)
}

// sessions are those that the server has on record.
func (w *world) sessions() (all []api.Session) {
	w.Helper()
	for s, err := range w.Admin.AllSessions(context.Background(), api.SessionFilter{}) {
		if err != nil {
			w.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// assumed are the calls of STS that lending made, and not trying roles.
func (w *world) assumed() (all []awssim.AssumeRoleCall) {
	for _, a := range w.AWS.Assumed() {
		if a.SessionName != "rolebroker=validation" {
			all = append(all, a)
		}
	}
	return all
}

// way is between a runner and its server, and can be cut.
type way struct {
	url  string
	cuts atomic.Bool
	srv  *httptest.Server
}

func newWay(t *testing.T, to string) *way {
	target := try(url.Parse(to))(t)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.FlushInterval = -1
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	w := &way{}
	w.srv = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.cuts.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(rw, r)
	}))
	w.url = w.srv.URL
	t.Cleanup(w.srv.Close)
	return w
}

// cut ends every connection, and the next ones as they come.
func (w *way) cut() {
	w.cuts.Store(true)
	w.srv.CloseClientConnections()
}

func (w *way) heal() { w.cuts.Store(false) }

// has says whether a file has a text in it.
func has(t *testing.T, path, text string) bool {
	t.Helper()
	return len(text) > 0 && contains(try(os.ReadFile(path))(t), text)
}
