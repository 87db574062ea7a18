package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/cli"
	"github.com/rolebroker/rolebroker/internal/config"
	"github.com/rolebroker/rolebroker/internal/dextest"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// employer is a server whose people sign in through Dex, and a home folder.
type employer struct {
	testing.TB
	tb   *testbed.Testbed
	dex  *dextest.Dex
	home string
	env  []string
}

func newEmployer(t *testing.T, change ...func(*config.Server)) *employer {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	dex := dextest.Start(t, dextest.Client{ID: "rolebroker", Public: true,
		RedirectURIs: []string{"http://" + address + "/sign-in/callback"}}, dextest.Client{ID: "cli", Public: true})
	dex.Put("ada", dextest.Person{Name: "Ada Lovelace", Email: "ada@example.com", Groups: []string{"admins"}})
	dex.Put("grace", dextest.Person{Name: "Grace Hopper", Email: "grace@example.com", Groups: []string{"all"}})
	tb := testbed.New(t, &testbed.Options{Config: func(c *config.Server) {
		c.Listen, c.PublicURL = address, "http://"+address
		c.OIDCIssuer, c.OIDCClientID, c.OIDCCLIClientID = dex.Issuer, "rolebroker", "cli"
		c.OIDCAdminGroups = []string{"admins"}
		for _, change := range change {
			change(c)
		}
	}})
	home := t.TempDir()
	return &employer{TB: t, tb: tb, dex: dex, home: home,
		env: []string{"HOME=" + home, "BROWSER=true", "PATH=" + os.Getenv("PATH"), "ROLEBROKER_DEBUGGABLE=true"}}
}

// run runs a command.
func (e *employer) run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Main(cli.Process{Args: args, Env: e.env, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

// screen is what a command that runs has written so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

var address = regexp.MustCompile(`(?m)^https?://\S+$`)

// login runs login, and calls meet with the address that it shows. It returns the exit code and what login wrote.
func (e *employer) login(meet func(at string), args ...string) (int, string) {
	e.Helper()
	var errs screen
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(cli.Process{Args: append([]string{"login", "--url", e.tb.URL}, args...), Env: e.env,
			Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &errs})
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if at := address.FindString(errs.String()); at != "" {
			meet(at)
			break
		}
		select {
		case code := <-done:
			return code, errs.String()
		default:
		}
		if time.Now().After(deadline) {
			e.Fatalf("login shows no address: %s", errs.String())
		}
	}
	select {
	case code := <-done:
		return code, errs.String()
	case <-time.After(time.Minute):
		e.Fatalf("login does not end: %s", errs.String())
	}
	return 0, ""
}

// opens opens an address as a browser does.
func (e *employer) opens(at string) (int, string) {
	e.Helper()
	answer, err := http.Get(at)
	if err != nil {
		e.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		e.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// saved returns the sign-in that is saved.
func (e *employer) saved() (path string, in config.SignIn) {
	e.Helper()
	outside := config.OS()
	outside.Getenv = func(name string) string { return map[string]string{"HOME": e.home}[name] }
	in, err := config.LoadSignIn(outside)
	if err != nil {
		e.Fatal(err)
	}
	return config.SignInFile(outside.Getenv), in
}

func TestLoginInABrowser(t *testing.T) {
	t.Parallel()
	e := newEmployer(t)
	code, says := e.login(func(at string) {
		back := e.dex.SignIn(at, "ada")
		forged := *back
		query := forged.Query()
		query.Set("state", "forged")
		forged.RawQuery = query.Encode()
		if status, _ := e.opens(forged.String()); status != http.StatusNotFound { // it goes on waiting
			t.Errorf("a forged answer gets %d", status)
		}
		if status, page := e.opens(back.String()); status != http.StatusOK || !strings.Contains(page, "acts as you") {
			t.Errorf("the browser sees %d %s", status, page)
		}
	})
	if code != 0 || !strings.Contains(says, "as ada@example.com (admin)") ||
		!strings.Contains(says, "permits this command line to act as them at "+e.tb.URL) {
		t.Fatalf("login exits %d: %s", code, says)
	}
	path, in := e.saved()
	e.tb.HandedOut(in.Token)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || strings.Contains(says, in.Token.Reveal()) {
		t.Errorf("the file is %v, %v; login says %s", info, err, says)
	}
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || folder.Mode().Perm() != 0o700 {
		t.Errorf("its folder is %v, %v", folder, err)
	}

	// Commands act for the person, at the server of the sign-in.
	if code, out, errs := e.run("user", "list", "-o", "json"); code != 0 || !strings.Contains(out,
		`"ada@example.com"`) {
		t.Errorf("user list exits %d: %s%s", code, out, errs)
	}
	if code, _, errs := e.run("agent", "create", "helper"); code != 0 {
		t.Errorf("agent create exits %d: %s", code, errs)
	}
	if _, out, _ := e.run("agent", "show", "helper"); !strings.Contains(out, "ada@example.com") {
		t.Errorf("the agent is %s", out)
	}
	_, out, _ := e.run("audit", "list", "-o", "json")
	var events struct {
		Items []struct {
			Action string
			Actor  struct{ Kind, Name string }
		}
	}
	if err := json.Unmarshal([]byte(out), &events); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, event := range events.Items {
		if event.Actor.Kind == "user" {
			seen[event.Action] = event.Actor.Name
		}
	}
	if seen["agent.create"] != "ada@example.com" || seen["sign-in.create"] != "ada@example.com" {
		t.Errorf("the trail has %v", seen)
	}
	if strings.Contains(out, in.Token.Reveal()) {
		t.Error("the trail has the token")
	}
	if code, _, errs := e.run("credentials"); code == 0 || !strings.Contains(errs, "sign-in of a command line") {
		t.Errorf("a person borrows: %d %s", code, errs)
	}

	// Signing out ends it at the server too.
	if code, _, errs := e.run("logout"); code != 0 || !strings.Contains(errs, "Signed out") {
		t.Errorf("logout exits %d: %s", code, errs)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	if _, err := e.tb.Client(in.Token).Platform(t.Context()); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("the token still works: %v", err)
	}
	if code, _, errs := e.run("logout"); code != 0 || !strings.Contains(errs, "Nobody is signed in") {
		t.Errorf("logout again exits %d: %s", code, errs)
	}
}

func TestLoginOfWhoIsInNoGroup(t *testing.T) {
	t.Parallel()
	e := newEmployer(t)
	code, says := e.login(func(at string) { e.opens(e.dex.SignIn(at, "grace").String()) })
	if _, in := e.saved(); code != 1 || !strings.Contains(says, "is in no group that gives access") ||
		!in.Token.IsZero() {
		t.Errorf("login exits %d: %s", code, says)
	}
	code, says = e.login(func(at string) { // with an answer that is not a code
		u := regexp.MustCompile(`state=([^&]+)`).FindStringSubmatch(at)
		to := regexp.MustCompile(`redirect_uri=([^&]+)`).FindStringSubmatch(at)
		back := strings.NewReplacer("%3A", ":", "%2F", "/").Replace(to[1])
		e.opens(back + "?error=access_denied&state=" + u[1])
	})
	if code != 1 || !strings.Contains(says, "did not let you in (access_denied)") {
		t.Errorf("login exits %d: %s", code, says)
	}
}

func TestLoginWithADeviceCode(t *testing.T) {
	t.Parallel()
	e := newEmployer(t)
	code, says := e.login(func(at string) { e.dex.SignInDevice(at, "ada") }, "--device")
	if code != 0 || !strings.Contains(says, "as ada@example.com (admin)") {
		t.Fatalf("login exits %d: %s", code, says)
	}
	_, in := e.saved()
	e.tb.HandedOut(in.Token)
	if code, _, errs := e.run("agent", "list"); code != 0 {
		t.Errorf("agent list exits %d: %s", code, errs)
	}
}

// Without a client for them, command lines do not sign in, and the error names the setting.
func TestLoginWhereCommandLinesDoNotSignIn(t *testing.T) {
	t.Parallel()
	e := newEmployer(t, func(c *config.Server) { c.OIDCCLIClientID = "" })
	for _, args := range [][]string{{}, {"--device"}} {
		code, says := e.login(func(at string) { t.Errorf("it shows %s", at) }, args...)
		if code == 0 || !strings.Contains(says, "--oidc-cli-client-id") ||
			!strings.Contains(says, "command lines do not sign in at this server") {
			t.Errorf("login %s exits %d: %s", args, code, says)
		}
	}
}

func TestLoginAtAServerWithoutAProvider(t *testing.T) {
	t.Parallel()
	tb := testbed.New(t, nil)
	e := &employer{TB: t, tb: tb, home: t.TempDir()}
	e.env = []string{"HOME=" + e.home, "BROWSER=true", "ROLEBROKER_DEBUGGABLE=true"}
	for _, args := range [][]string{{}, {"--device"}} {
		code, says := e.login(func(string) { t.Error("it shows an address") }, args...)
		if code != 1 || !strings.Contains(says, "has no identity provider") {
			t.Errorf("login %s exits %d: %s", args, code, says)
		}
	}
	if code, _, errs := e.run("login", "--url", "http://rolebroker.example.com"); code != 2 ||
		!strings.Contains(errs, "plain HTTP to another machine") {
		t.Errorf("in the open it exits %d: %s", code, errs)
	}
}
