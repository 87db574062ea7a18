package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/awssim"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// The server is to put deny policies on two roles, and something goes wrong on the way: STS does not answer, IAM refuses
// one of the policies, or fails after it took one, or the server is killed in between. The command says which role has
// the policy and which may not have it, prints what is left to run for these, and fails. The same again completes it.
func TestADenyPolicyThatFailsIsNamedAndCompletedByTheNextTime(t *testing.T) {
	for name, database := range map[string]func(testing.TB) string{
		"SQLite": storetest.SQLite, "PostgreSQL": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFaultWorld(t, database(t))
			w.starts()
			w.lends()

			w.cutsOff("the roles are ended by the server", nil, "", "ReadOnly applied, Deployer applied")

			w.cutsOff("STS is down", func(call url.Values, in http.ResponseWriter) bool {
				if strings.Contains(call.Get("RoleArn"), "rolebroker-cut-off-") {
					http.Error(in, "down", http.StatusServiceUnavailable)
					return true
				}
				return false
			}, "ReadOnly Deployer", "ReadOnly failed, Deployer failed")

			w.cutsOff("IAM refuses one", on("PutRolePolicy", "Deployer", func(in http.ResponseWriter) {
				in.WriteHeader(http.StatusForbidden)
				io.WriteString(in, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>not this role</Message></Error>`+
					`</ErrorResponse>`)
			}), "Deployer", "ReadOnly applied, Deployer not-permitted")
			if !strings.Contains(w.said, "iam:PutRolePolicy: AccessDenied: not this role") {
				t.Errorf("it does not say why:\n%s", w.said)
			}
			w.cutsOff("the same again", nil, "", "ReadOnly applied, Deployer applied")

			w.cutsOff("IAM fails after it took one", on("GetRolePolicy", "ReadOnly", func(in http.ResponseWriter) {
				http.Error(in, "broken", http.StatusInternalServerError)
			}), "ReadOnly", "ReadOnly failed, Deployer applied")
			w.has("ReadOnly", true) // it is there; nobody could know
			w.cutsOff("the same again", nil, "", "ReadOnly applied, Deployer applied")

			w.spoils("ReadOnly")
			w.spoils("Deployer")
			w.killedMidway()
			w.has("ReadOnly", true)
			w.has("Deployer", false)
			w.starts()
			if states := w.states(); states != "ReadOnly applied, Deployer unknown" {
				t.Errorf("after the crash it says %s", states)
			}
			w.cutsOff("after the crash", nil, "", "ReadOnly applied, Deployer applied")
			w.has("Deployer", true)
		})
	}
}

// faultWorld is a server of its own process, which reaches the simulated AWS by way of what makes it fail.
type faultWorld struct {
	*testing.T
	tb       *testbed.Testbed // for its AWS
	database string
	key      rolebroker.Secret
	dir      string
	aws      *httptest.Server
	mu       sync.Mutex
	fault    func(call url.Values, in http.ResponseWriter) bool // whether it answered a call; nil: no fault

	server *exec.Cmd
	url    string
	admin  *client.Client
	said   string // by the last command, on stderr
}

func newFaultWorld(t *testing.T, database string) *faultWorld {
	t.Helper()
	key, err := exec.Command("rolebroker", "api-key", "generate").Output()
	w := &faultWorld{T: t, tb: testbed.New(t, nil), database: database, dir: t.TempDir(),
		key: rolebroker.NewSecret(strings.TrimSpace(string(key)))}
	w.must(key, err)
	target, err := url.Parse(w.tb.AWSURL)
	w.must(target, err)
	onward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host // the header Host is signed, and stays
	}}
	w.aws = httptest.NewServer(http.HandlerFunc(func(in http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		call, wrong := url.ParseQuery(string(body))
		w.mu.Lock()
		fault := w.fault
		w.mu.Unlock()
		if err == nil && wrong == nil && fault != nil && fault(call, in) {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		onward.ServeHTTP(in, r)
	}))
	t.Cleanup(w.aws.Close)
	w.tb.AWS.Account(testbed.CustomerAccount).CreateRole(awssim.Role{Name: "rolebroker-cut-off-production",
		TrustPolicy: testbed.Trust(testbed.PlatformAccount), Policies: map[string]string{"cut-off": `{"Version":"2012-10-17",
			"Statement":{"Effect":"Allow","Action":"iam:*RolePolicy","Resource":"*"}}`}})
	return w
}

func (w *faultWorld) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// on is a fault of an action on a role.
func on(action, role string, fail func(http.ResponseWriter)) func(url.Values, http.ResponseWriter) bool {
	return func(call url.Values, in http.ResponseWriter) bool {
		is := call.Get("Action") == action && call.Get("RoleName") == role
		if is {
			fail(in)
		}
		return is
	}
}

func (w *faultWorld) fails(fault func(url.Values, http.ResponseWriter) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

// starts starts the server, after it was killed too.
func (w *faultWorld) starts() {
	w.Helper()
	log, err := os.CreateTemp(w.dir, "server-*.log")
	w.must(log, err)
	w.server = exec.Command("rolebroker", "server", "--listen", "127.0.0.1:0", "--database", w.database)
	w.server.Env = append(withoutAWS(os.Environ()), "ROLEBROKER_ADMIN_KEY="+w.key.Reveal(), "AWS_ENDPOINT_URL="+w.aws.URL,
		"AWS_ACCESS_KEY_ID="+w.tb.Operator.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+w.tb.Operator.SecretAccessKey,
		"AWS_REGION=us-east-1")
	w.server.Stdout, w.server.Stderr = log, log
	w.must(nil, w.server.Start())
	server := w.server
	w.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		if text, err := os.ReadFile(log.Name()); w.Failed() && err == nil {
			w.Logf("the server says\n%s", text)
		}
		log.Close()
	})
	serves := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	w.until("the server serves", func() bool {
		text, err := os.ReadFile(log.Name())
		w.must(text, err)
		for _, w.url = range serves.FindAllString(string(text), -1) {
			if answer, err := http.Get(w.url + "/readyz"); err == nil {
				answer.Body.Close()
				return answer.StatusCode == http.StatusOK
			}
		}
		return false
	})
	w.admin = w.client(w.key)
}

func (w *faultWorld) client(token rolebroker.Secret) *client.Client {
	w.Helper()
	c, err := client.New(client.Options{URL: w.url, Token: token})
	w.must(c, err)
	return c
}

func (w *faultWorld) until(what string, is func() bool) {
	w.Helper()
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	w.Fatalf("it does not become true that %s", what)
}

// lends lends two roles to an agent.
func (w *faultWorld) lends() {
	w.Helper()
	ctx := w.Context()
	w.must(w.admin.CreateIntegration(ctx, api.IntegrationRequest{Name: "production", DefaultRole: "readonly",
		Roles: []api.RoleRequest{w.tb.Role("readonly", "ReadOnly", "us-east-1"),
			w.tb.Role("deployer", "Deployer", "us-east-1")}}, api.ValidateSkip))
	w.must(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "scout"}))
	w.must(w.admin.Connect(ctx, "scout", "production"))
	made, err := w.admin.CreateToken(ctx, "scout", api.TokenRequest{})
	w.must(made, err)
	agent := w.client(rolebroker.NewSecret(string(made.Token)))
	for _, role := range []string{"readonly", "deployer"} {
		w.must(agent.Credentials(ctx, role, ""))
	}
}

func (w *faultWorld) command() *exec.Cmd {
	cmd := exec.Command("rolebroker", "agent", "cut-off", "scout", "--apply", "--yes")
	cmd.Env = append(withoutAWS(os.Environ()), "ROLEBROKER_URL="+w.url, "ROLEBROKER_TOKEN="+w.key.Reveal())
	return cmd
}

// cutsOff cuts the agent off while something fails. left are the roles for which commands are left; states is what
// becomes of the policies.
func (w *faultWorld) cutsOff(when string, fault func(url.Values, http.ResponseWriter) bool, left, states string) {
	w.Helper()
	w.fails(fault)
	cmd := w.command()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	w.fails(nil)
	w.said = said.String()
	if (err == nil) != (left == "") {
		w.Errorf("%s: the command ends with %v:\n%s", when, err, w.said)
	}
	for _, role := range []string{"ReadOnly", "Deployer"} {
		if strings.Contains(out.String(), "\naws iam put-role-policy --role-name "+role) != strings.Contains(left, role) {
			w.Errorf("%s: commands are left for %q, but it prints\n%s", when, left, &out)
		}
	}
	if got := w.states(); got != states {
		w.Errorf("%s: the policies are %s, want %s", when, got, states)
	}
	for pair := range strings.SplitSeq(states, ", ") {
		role, state, _ := strings.Cut(pair, " ")
		if words := "/" + role + " " + rolebroker.PolicyState(state).InWords(); !strings.Contains(w.said, words) {
			w.Errorf("%s: it does not say %q:\n%s", when, words, w.said)
		}
	}
}

// states are what the server says of the policies.
func (w *faultWorld) states() string {
	w.Helper()
	cut, err := w.admin.LastCutOff(w.Context(), "scout", "")
	w.must(cut, err)
	found := map[string]string{}
	for _, account := range cut.Accounts {
		for _, role := range account.Roles {
			found[role.ARN] = role.State
		}
	}
	const arn = "arn:aws:iam::" + testbed.CustomerAccount + ":role/"
	return fmt.Sprintf("ReadOnly %s, Deployer %s", found[arn+"ReadOnly"], found[arn+"Deployer"])
}

const denyScout = "rolebroker-cut-off-scout"

// has checks whether a role has the policy in AWS.
func (w *faultWorld) has(role string, want bool) {
	w.Helper()
	r, _ := w.tb.AWS.Account(testbed.CustomerAccount).Role(role)
	if strings.Contains(r.Policies[denyScout], "aws:TokenIssueTime") != want {
		w.Errorf("role %s has the policies %v", role, r.Policies)
	}
}

// spoils puts another policy in the place of a deny policy, as an administrator of the account may.
func (w *faultWorld) spoils(role string) {
	w.tb.AWS.Account(testbed.CustomerAccount).SetRolePolicy(role, denyScout,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}}`)
}

// killedMidway kills the server when one role has its policy, and IAM has not answered for the other.
func (w *faultWorld) killedMidway() {
	w.Helper()
	held := make(chan struct{})
	w.fails(on("PutRolePolicy", "Deployer", func(http.ResponseWriter) { <-held }))
	cmd := w.command()
	w.must(nil, cmd.Start())
	w.until("one role has the policy", func() bool { return w.states() == "ReadOnly applied, Deployer unknown" })
	w.must(nil, w.server.Process.Kill())
	w.server.Wait()
	close(held)
	if err := cmd.Wait(); err == nil {
		w.Error("the command succeeds without its server")
	}
	w.fails(nil)
}
