package runner_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/runner"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

func contains(data []byte, text string) bool { return bytes.Contains(data, []byte(text)) }

// TestAnAgentBorrowsWhatTheClusterAssumes, once for all who ask, recorded as
// the platform's sessions are; and the platform cannot.
func TestAnAgentBorrowsWhatTheClusterAssumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() { w.borrows(w.scout, "") })
	}
	asking.Wait()
	lent := w.allow("")
	if want := "arn:aws:iam::" + testbed.CustomerAccount + ":role/Inner"; lent.RoleARN != want {
		t.Errorf("lent is %s", lent.RoleARN)
	}
	assumed := w.assumed()
	if len(assumed) != 1 || !strings.Contains(fmt.Sprint(assumed[0]), clusterAccount) {
		t.Errorf("STS was asked %d times: %+v", len(assumed), assumed)
	}
	sessions := w.sessions()
	if len(sessions) != 1 || sessions[0].Runner != "eks" || sessions[0].State != "active" || sessions[0].AccessKeyID != lent.AccessKeyID || sessions[0].SessionName != "scout" {
		t.Errorf("on record is %+v", sessions)
	}
	if _, err := w.Client(w.scout).Credentials(context.Background(), "", ""); rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "eks") {
		t.Errorf("the platform says %v", err)
	}
}

// TestTheServerHoldsNoCredential: what the runner lent is nowhere at the server.
func TestTheServerHoldsNoCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lent := w.allow("")
	w.Stop()
	files, err := filepath.Glob(w.database + "*")
	if err != nil || len(files) == 0 {
		t.Fatal("the database is not found", err)
	}
	found := false
	for _, file := range files {
		found = found || has(t, file, lent.AccessKeyID)
		for _, secret := range []string{lent.SecretAccessKey.Reveal(), lent.Token.Reveal()} {
			if has(t, file, secret) {
				t.Errorf("%s has a credential in it", filepath.Base(file))
			}
		}
	}
	if !found {
		t.Error("the access key ID is not on record, so this test finds nothing")
	}
	for _, secret := range []string{lent.SecretAccessKey.Reveal(), lent.Token.Reveal()} {
		if strings.Contains(w.Log(), secret) {
			t.Error("the server's log has a credential in it")
		}
	}
}

// TestOneEndpointIsEnough: what the platform assumes is lent through the runner.
func TestOneEndpointIsEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lent := w.allow("readonly")
	if want := "arn:aws:iam::" + testbed.CustomerAccount + ":role/ReadOnly"; lent.RoleARN != want {
		t.Errorf("lent is %s", lent.RoleARN)
	}
	w.way.cut()
	if again := w.allow("readonly"); again.AccessKeyID != lent.AccessKeyID {
		t.Error("while the platform is away it is something else")
	}
	w.deny("nothing", rolebroker.CodeNotFound)
}

// TestWhatIsTakenAwayIsGoneAtOnce, at the runner too.
func TestWhatIsTakenAwayIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	for what, c := range map[string]struct {
		take, give func() error
		code       rolebroker.Code
	}{
		"the agent": {
			func() error {
				_, err := w.Admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout", Disabled: true}, "")
				return err
			},
			func() error {
				_, err := w.Admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout"}, "")
				return err
			}, rolebroker.CodeDenied},
		"the connection": {
			func() error { return w.Admin.Disconnect(ctx, "scout", "cluster") },
			func() error {
				name := "cluster"
				if _, err := w.Admin.Connect(ctx, "scout", "cluster"); err != nil {
					return err
				}
				_, err := w.Admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout", DefaultIntegration: &name}, "")
				return err
			}, rolebroker.CodeDenied},
	} {
		w.eventually("scout has it", func() bool { _, err := w.borrows(w.scout, ""); return err == nil })
		if err := c.take(); err != nil {
			t.Fatal(err)
		}
		taken := time.Now()
		for {
			_, err := w.borrows(w.scout, "")
			if rolebroker.CodeOf(err) == c.code {
				break
			}
			if time.Since(taken) > time.Second {
				t.Fatalf("%s was taken away, and a second later the answer is %v", what, err)
			}
		}
		if err := c.give(); err != nil {
			t.Fatal(err)
		}
	}
	w.eventually("scout has it", func() bool { _, err := w.borrows(w.scout, ""); return err == nil })
	for token, err := range w.Admin.AllTokens(ctx, "scout") {
		if err != nil || w.Admin.RevokeToken(ctx, "scout", token.ID) != nil {
			t.Fatal("cannot revoke", err)
		}
	}
	w.eventually("the token is refused", func() bool {
		_, err := w.borrows(w.scout, "")
		code := rolebroker.CodeOf(err)
		return code == rolebroker.CodeExpired || code == rolebroker.CodeUnauthenticated
	})
}

// TestTheServerIsAway: what it authorised goes on and is renewed, what is new is
// refused, and when it is back it hears of all of it, once.
func TestTheServerIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.AWS.SetLifetime(3 * time.Second)
	first := w.allow("inner")
	w.way.cut()
	var last string
	w.eventually("what is lent is renewed twice", func() bool {
		lent := w.allow("inner")
		last = lent.AccessKeyID
		return last != first.AccessKeyID && len(w.assumed()) >= 3
	})
	if e := w.deny("other", rolebroker.CodeUnavailable); !strings.Contains(e.Message, "only what was authorised before goes on") {
		t.Errorf("what is new is refused with %q", e.Message)
	}
	if n := len(w.sessions()); n != 1 {
		t.Errorf("the server has heard of %d sessions", n)
	}
	w.way.heal()
	w.eventually("the server hears of every session", func() bool {
		told := map[string]bool{}
		for _, s := range w.sessions() {
			if s.State == "active" {
				told[s.AccessKeyID] = true
			}
		}
		return told[first.AccessKeyID] && told[last] && len(told) == len(w.sessions()) && len(told) == len(w.assumed())
	})
	w.eventually("what is new is lent again", func() bool { _, err := w.borrows(w.scout, "other"); return err == nil }) // STS is left alone for a moment
	if pending, err := os.ReadFile(filepath.Join(w.folder, "sessions.jsonl")); err != nil || len(bytes.TrimSpace(pending)) > 0 {
		t.Errorf("still to be told is %q, %v", pending, err)
	}
}

// TestTheGraceEnds, and then nothing is handed out, however valid.
func TestTheGraceEnds(t *testing.T) {
	t.Parallel()
	var now clock
	now.set(time.Now())
	w := newWorld(t, func(o *runner.Options) { o.Now, o.Grace = now.now, 30*time.Minute })
	w.allow("inner")
	w.way.cut()
	w.eventually("it knows that it is alone", func() bool { return w.get("/readyz") != `{"status":"ready"}` })
	now.set(time.Now().Add(20 * time.Minute))
	w.eventually("it goes on", func() bool { _, err := w.borrows(w.scout, "inner"); return err == nil })
	now.set(time.Now().Add(31 * time.Minute))
	w.eventually("it is refused", func() bool { _, err := w.borrows(w.scout, "inner"); return err != nil })
	if e := w.deny("inner", rolebroker.CodeUnavailable); !strings.Contains(e.Message, "the grace of 30m is over") {
		t.Errorf("after the grace it is refused with %q", e.Message)
	}
}

// clock is a time that the test sets.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time  { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) set(t time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.t = t }

// TestARunnerThatWasKilled goes on with its credential, and tells what it could
// not tell before.
func TestARunnerThatWasKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.AWS.SetLifetime(3 * time.Second)
	first := w.allow("inner")
	w.way.cut()
	w.eventually("a session is begun that nobody heard of", func() bool { return w.allow("inner").AccessKeyID != first.AccessKeyID })
	left := try(os.ReadFile(filepath.Join(w.folder, "sessions.jsonl")))(t)
	if !bytes.Contains(left, []byte(`"begin"`)) || bytes.Contains(left, []byte("secret")) {
		t.Errorf("written down is %s", left)
	}
	w.runner.Close(context.Background())
	w.way.heal()
	w.opts.JoinToken = rolebroker.Secret{} // it is not needed
	w.start()
	w.eventually("the server hears of it", func() bool { return len(w.sessions()) >= 2 })
	w.allow("inner")
}

// TestJoining: a token is good once, and a runner without one says what to do.
func TestJoining(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	again := w.opts
	again.State, again.Spool = runner.Folder(t.TempDir()), ""
	if _, err := runner.Start(context.Background(), again); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("the token again: %v", err)
	}
	again.JoinToken = rolebroker.Secret{}
	if _, err := runner.Start(context.Background(), again); rolebroker.CodeOf(err) != rolebroker.CodeInvalid || !strings.Contains(rolebroker.AsError(err).Hint, "join-token") {
		t.Errorf("no token: %v", err)
	}
	shown := try(w.Admin.Runner(context.Background(), "eks"))(t)
	if shown.Status != api.RunnerConnected {
		w.eventually("it is connected", func() bool {
			shown = try(w.Admin.Runner(context.Background(), "eks"))(t)
			return shown.Status == api.RunnerConnected && shown.Program == "test"
		})
	}
	again.JoinToken = w.joinToken() // another replica takes over: the first is told at its next heartbeat
	r, err := runner.Start(context.Background(), again)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(context.Background())
	w.eventually("the one that was replaced is not ready", func() bool { return strings.Contains(w.get("/readyz"), "does not know this runner") })
	if e := w.deny("", rolebroker.CodeUnavailable); !strings.Contains(e.Message, "the server refuses this runner") {
		t.Errorf("agents are told %q", e.Message)
	}
	w.runner.Close(context.Background())
	w.opts.JoinToken = w.joinToken() // it joins again, with what it kept still there
	w.start()
	w.allow("")
}

// TestPodsAreKnownByTheirServiceAccount, which the runner has verified, and about
// which it is believed for its own cluster alone.
func TestPodsAreKnownByTheirServiceAccount(t *testing.T) {
	t.Parallel()
	const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
	account := rolebroker.ServiceAccount{Issuer: issuer, Namespace: "agents", Name: "scout"}
	pod := rolebroker.NewSecret("eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl")
	w := newWorld(t, func(o *runner.Options) { o.Verifier, o.Issuer = verifies{pod.Reveal(): account}, issuer })
	ctx := context.Background()
	refused := func(says string, code rolebroker.Code) {
		t.Helper()
		_, err := w.borrows(pod, "")
		if rolebroker.CodeOf(err) != code || !strings.Contains(fmt.Sprint(err, rolebroker.AsError(err).Hint), says) {
			t.Errorf("the pod is told %v, %s", err, rolebroker.AsError(err).Hint)
		}
	}
	refused("runner update eks --issuer "+issuer, rolebroker.CodeDenied)
	try(w.Admin.UpdateRunner(ctx, "eks", api.RunnerRequest{Name: "eks", Issuer: issuer}, ""))(t)
	refused("agent bind AGENT --issuer "+issuer+" --namespace agents --service-account scout", rolebroker.CodeNotBound)
	bound := try(w.Admin.Bind(ctx, "scout", api.BindingRequest{Issuer: issuer, Namespace: "agents", ServiceAccount: "scout"}))(t)
	for _, role := range []string{"", "other", "readonly"} { // readonly is assumed by the platform
		if _, err := w.borrows(pod, role); err != nil {
			t.Errorf("the pod does not get %q: %v", role, err)
		}
	}
	if _, err := w.borrows(rolebroker.NewSecret("eyJhbGciOiJSUzI1NiJ9.e30.Zm9yZ2Vk"), ""); rolebroker.CodeOf(err) != rolebroker.CodeTokenSignature {
		t.Errorf("a forged token: %v", err)
	}
	if err := w.Admin.Unbind(ctx, "scout", bound.ID); err != nil {
		t.Fatal(err)
	}
	w.eventually("the pod is nobody", func() bool { _, err := w.borrows(pod, ""); return err != nil })
}

// verifies are tokens that are good, and whose they are.
type verifies map[string]rolebroker.ServiceAccount

func (v verifies) Verify(_ context.Context, token string) (rolebroker.ServiceAccount, time.Time, error) {
	account, ok := v[token]
	if !ok {
		return account, time.Time{}, rolebroker.Errorf(rolebroker.CodeTokenSignature, "the token is forged")
	}
	return account, time.Now().Add(time.Hour), nil
}

// TestTheRunnerTriesTheRoles, tells what came of it when an integration is saved,
// and says in the words of the platform's validation what to change.
func TestTheRunnerTriesTheRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	outcome := func(role string) *api.Validation {
		for _, r := range try(w.Admin.Integration(ctx, "cluster"))(t).Roles {
			if r.Name == role {
				return r.Validation
			}
		}
		return nil
	}
	w.eventually("the roles were tried", func() bool { v := outcome("inner"); return v != nil && v.CheckedBy == "eks" })
	if v := outcome("inner"); v.Status != "assumable" {
		t.Errorf("inner is %+v", v)
	}
	w.eventually("the setup has roles trust the runner", func() bool {
		made := try(w.Admin.Setup(ctx, "cluster", api.SetupRequest{}))(t)
		return strings.Contains(made.TrustPolicy, "arn:aws:iam::"+clusterAccount+":user/runner") && strings.Contains(made.TrustPolicy, made.ExternalIDs[0])
	})
	in := try(w.Admin.Integration(ctx, "cluster"))(t)
	update := api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster", Runner: "eks", DefaultRole: "inner",
		Roles: []api.RoleRequest{w.Role("inner", "Inner", "us-east-1"), w.Role("locked", "ReadOnly", "us-east-1")}} // which trusts the platform alone
	try(w.Admin.UpdateIntegration(ctx, in.ID, update, in.ETag(), api.ValidateRequire))(t)
	w.eventually("the new role was tried", func() bool { v := outcome("locked"); return v != nil })
	v := outcome("locked")
	if v.Status != "failed" || v.Code != "denied" || !strings.Contains(v.Message, "the runner") || strings.Contains(v.Message+v.Hint, "server") || !strings.Contains(v.Hint, clusterAccount) {
		t.Errorf("locked is %+v", v)
	}
	w.AWS.Account(testbed.CustomerAccount).SetTrustPolicy("ReadOnly", testbed.Trust(clusterAccount))
	update.Description = "saved again"
	try(w.Admin.UpdateIntegration(ctx, in.ID, update, "", api.ValidateSkip))(t)
	w.eventually("it works", func() bool { v := outcome("locked"); return v != nil && v.Status == "warning" })
}
