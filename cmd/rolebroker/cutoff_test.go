package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// After a cut-off, no request that begins a second later is granted, wherever the agent asks: at the server, at another
// one, at a runner, in rooms of exec that run already, and at the gateways with the keys that it has. The figures are in
// the log of the test. A test that waited for that second would pass by waiting, so it asks all the time.
func TestACutOffIsInForceWithinASecond(t *testing.T) {
	for name, database := range map[string]func(testing.TB) string{
		"SQLite": storetest.SQLite, "PostgreSQL": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			w := newCutWorld(t, database(t))
			if name == "PostgreSQL" { // a SQLite file has one server
				w.addServer()
			}
			w.addRunner()
			w.addRooms()
			w.addGateways()
			w.cutsOff()
		})
	}
}

// cutWorld has an agent that borrows at many doors.
type cutWorld struct {
	*testing.T
	servers []*testbed.Testbed
	options testbed.Options
	doors   map[string]func() error // a request of the agent at each; nil: it is granted
	dir     string
}

func newCutWorld(t *testing.T, database string) *cutWorld {
	key := rolebroker.NewSecret("an admin key that all servers have")
	w := &cutWorld{T: t, doors: map[string]func() error{}, dir: t.TempDir()}
	gatewayKey := filepath.Join(w.dir, "gateway-key") // all servers have the same
	w.must(nil, os.WriteFile(gatewayKey, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600))
	w.options = testbed.Options{Database: database, Config: func(c *config.Server) {
		c.AdminKey, c.GatewayListen, c.GatewayKey = key, "127.0.0.1:0", gatewayKey
	}}
	first := testbed.New(t, &w.options)
	w.servers = append(w.servers, first)
	w.connects("staging", api.LimitsRequest{Keys: string(rolebroker.KeysWithheld)})
	w.doors["the server"] = w.asksServer(first)
	return w
}

func (w *cutWorld) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *cutWorld) first() *testbed.Testbed { return w.servers[0] }

func (w *cutWorld) connects(integration string, limits api.LimitsRequest) {
	w.Helper()
	w.must(w.first().Admin.Limit(w.Context(), "scout", integration, limits, ""))
}

func (w *cutWorld) asksServer(tb *testbed.Testbed) func() error {
	agent := tb.Client(w.first().Scout)
	return func() error {
		_, err := agent.Credentials(context.Background(), "production/readonly", "")
		return err
	}
}

func (w *cutWorld) addServer() {
	options := w.options
	options.Empty = true
	second := testbed.New(w.T, &options)
	w.servers = append(w.servers, second)
	w.doors["a second server"] = w.asksServer(second)
}

// starts starts a command that ends with the test. It may read from the pipe until then.
func (w *cutWorld) starts(env []string, args ...string) {
	w.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(withoutAWS(os.Environ()), append(env, "ROLEBROKER_URL="+w.first().URL)...)
	log, err := os.Create(filepath.Join(w.dir, fmt.Sprintf("log-%d", len(w.doors))))
	w.must(log, err)
	cmd.Stdout, cmd.Stderr = log, log
	open, err := cmd.StdinPipe()
	w.must(open, err)
	w.must(nil, cmd.Start())
	w.Cleanup(func() {
		open.Close()
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		log.Close()
		if text, err := os.ReadFile(log.Name()); w.Failed() && err == nil {
			w.Logf("%q says\n%s", args, text)
		}
	})
}

// awaits waits until a file has what a pattern matches, and returns that.
func (w *cutWorld) awaits(file, pattern string) string {
	w.Helper()
	wanted := regexp.MustCompile(pattern)
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil && wanted.Match(text) {
			return string(wanted.FindSubmatch(text)[1])
		}
	}
	w.Fatalf("%s has no %s", file, pattern)
	return ""
}

// addRunner starts a runner that assumes the roles of an integration which the agent has.
func (w *cutWorld) addRunner() {
	w.Helper()
	tb := w.first()
	w.must(tb.Admin.CreateRunner(w.Context(), api.RunnerRequest{Name: "eks"}))
	join, err := tb.Admin.CreateJoinToken(w.Context(), "eks", api.JoinTokenRequest{})
	w.must(join, err)
	w.must(tb.Admin.CreateIntegration(w.Context(), api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster",
		Runner: "eks", DefaultRole: "tester", Roles: []api.RoleRequest{tb.Role("tester", "Tester", "us-east-1")}},
		api.ValidateSkip))
	w.connects("cluster", api.LimitsRequest{})
	log := filepath.Join(w.dir, fmt.Sprintf("log-%d", len(w.doors)))
	w.starts([]string{"AWS_ACCESS_KEY_ID=" + tb.Operator.AccessKeyID, "AWS_ENDPOINT_URL=" + tb.AWSURL,
		"AWS_SECRET_ACCESS_KEY=" + tb.Operator.SecretAccessKey, "ROLEBROKER_RUNNER_JOIN_TOKEN=" + join.Token.Reveal()},
		"rolebroker", "runner", "--server", tb.URL, "--listen", "127.0.0.1:0", "--state", filepath.Join(w.dir, "state"),
		"--spool", filepath.Join(w.dir, "spool"), "--assume", "assume-role", "--grace", "1h")
	url := w.awaits(log, `msg=serving url=(\S+) `)
	w.doors["a runner"] = func() error {
		return fetch(url+"/v1/credentials/cluster/tester", tb.Scout.Reveal())
	}
}

// fetch asks an endpoint of credentials, as SDKs do.
func fetch(url, token string) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return err
}

// addRooms starts two rooms of exec: one with an endpoint on loopback, the other with profiles. What runs in them asks
// with what it finds there.
func (w *cutWorld) addRooms() {
	w.Helper()
	token := "ROLEBROKER_TOKEN=" + w.first().Scout.Reveal()
	one, several := filepath.Join(w.dir, "one"), filepath.Join(w.dir, "several")
	inside := func(file string) []string {
		return []string{"sh", "-c", `env >"$1.new"; mv "$1.new" "$1"; exec cat`, "sh", file}
	}
	w.starts([]string{token}, append([]string{"rolebroker", "exec", "--role", "production/readonly", "--"},
		inside(one)...)...)
	url, key := w.awaits(one, `(?m)^AWS_CONTAINER_CREDENTIALS_FULL_URI=(.*)$`),
		w.awaits(one, `(?m)^AWS_CONTAINER_AUTHORIZATION_TOKEN=(.*)$`)
	w.doors["the endpoint below exec"] = func() error { return fetch(url, key) }

	w.starts([]string{token}, append([]string{"rolebroker", "exec", "--"}, inside(several)...)...)
	file := w.awaits(several, `(?m)^AWS_CONFIG_FILE=(.*)$`)
	process := w.awaits(file, `(?m)^\[profile deployer\](?:\n.+)*\ncredential_process = (.*)$`)
	env, err := os.ReadFile(several)
	w.must(env, err)
	w.doors["a profile below exec"] = func() error {
		cmd := exec.Command("sh", "-c", process)
		cmd.Env = strings.Split(strings.TrimSpace(string(env)), "\n")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%w: %s", err, said.Bytes())
		}
		return nil
	}
}

// addGateways has the agent fetch gateway keys once, and call AWS with them by the gateway of each server.
func (w *cutWorld) addGateways() {
	w.Helper()
	lent, err := w.first().Client(w.first().Scout).Credentials(w.Context(), "staging/tester", "")
	w.must(lent, err)
	if lent.Keys != rolebroker.KeysWithheld {
		w.Fatalf("its keys are %s", lent.Keys)
	}
	for i, tb := range w.servers {
		sdk := sts.New(sts.Options{Region: "us-west-2", BaseEndpoint: aws.String(tb.GatewayURL()), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(lent.AccessKeyID, lent.SecretAccessKey.Reveal(),
				lent.Token.Reveal())})
		w.doors[fmt.Sprintf("the gateway of server %d", i+1)] = func() error {
			_, err := sdk.GetCallerIdentity(context.Background(), nil)
			return err
		}
	}
}

// cutsOff cuts the agent off, and asks at all doors until each refuses.
func (w *cutWorld) cutsOff() {
	w.Helper()
	for name, ask := range w.doors {
		var err error
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
			if err = ask(); err == nil {
				break
			}
		}
		if err != nil {
			w.Fatalf("%s refuses before the cut-off: %v", name, err)
		}
	}
	began := time.Now()
	w.must(w.first().Admin.CutOff(w.Context(), "scout", api.CutOffRequest{Reason: "a drill"}))
	cut := time.Now()
	w.Logf("the cut-off took %s", cut.Sub(began).Round(time.Millisecond))
	var all sync.WaitGroup
	for name, ask := range w.doors {
		all.Go(func() {
			since, took, err := untilRefused(cut, ask)
			switch {
			case err == nil:
				w.Errorf("%s grants a request that began %s after the cut-off", name, since)
			case !strings.Contains(err.Error(), "disabled") && !strings.Contains(err.Error(), "cut off"):
				w.Errorf("%s refuses for another reason: %v", name, err)
			default:
				w.Logf("%s refused a request that began %s after the cut-off, within %s", name,
					since.Round(time.Microsecond), took.Round(time.Microsecond))
			}
		})
	}
	all.Wait()
}

// untilRefused asks until it is refused, or a request is granted that began more than a second after a time. It returns
// when the last request began after that time, how long it took, and why it was refused; nil: it was granted.
func untilRefused(cut time.Time, ask func() error) (since, took time.Duration, refusal error) {
	for {
		began := time.Now()
		refusal = ask()
		if since, took = began.Sub(cut), time.Since(began); refusal != nil || since > time.Second {
			return since, took, refusal
		}
	}
}

// A door that never refuses is found.
func TestADoorThatStaysOpenIsFound(t *testing.T) {
	cut := time.Now().Add(-time.Minute)
	if _, _, err := untilRefused(cut, func() error { return nil }); err != nil {
		t.Error(err)
	}
	if _, _, err := untilRefused(cut, func() error { return errors.New("refused") }); err == nil {
		t.Error("the refusal is not seen")
	}
}
