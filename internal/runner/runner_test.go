package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

// The cluster assumes the role once for all who ask, the server has the session
// on record as it has its own, and it cannot assume the role itself.
func TestAnAgentBorrowsWhatTheClusterAssumes(t *testing.T) {
	inWorld(t, func(w *world) {
		var asking sync.WaitGroup
		for range 20 {
			asking.Go(func() { w.borrows(w.scout, "") })
		}
		asking.Wait()
		lent := w.allow("")
		if want := "arn:aws:iam::" + customerAccount + ":role/Inner"; lent.RoleARN != want {
			w.Errorf("lent is %s", lent.RoleARN)
		}
		assumed := w.assumed()
		if len(assumed) != 1 || !strings.Contains(fmt.Sprint(assumed[0]), clusterAccount) {
			w.Errorf("STS was asked %d times: %+v", len(assumed), assumed)
		}
		sessions := w.sessions()
		if len(sessions) != 1 || sessions[0].Runner != "eks" || sessions[0].State != "active" ||
			sessions[0].AccessKeyID != lent.AccessKeyID || sessions[0].SessionName != "scout" {
			w.Errorf("on record is %+v", sessions)
		}
		_, err := clientOf(w, w.network.handler, w.scout).Credentials(context.Background(), "", "")
		if rolebroker.CodeOf(err) != rolebroker.CodeDenied || !strings.Contains(err.Error(), "eks") {
			w.Errorf("the platform says %v", err)
		}
	})
}

// The runner also lends what the platform assumes, and goes on when the
// platform cannot be reached.
func TestOneEndpointIsEnough(t *testing.T) {
	inWorld(t, func(w *world) {
		lent := w.allow("readonly")
		if want := "arn:aws:iam::" + customerAccount + ":role/ReadOnly"; lent.RoleARN != want {
			w.Errorf("lent is %s", lent.RoleARN)
		}
		w.network.set(cut)
		if again := w.allow("readonly"); again.AccessKeyID != lent.AccessKeyID {
			w.Error("while the platform is away it is something else")
		}
		w.deny("nothing", rolebroker.CodeNotFound)
	})
}

// Loans of the platform are kept apart by agent, role and task, as sessions are.
func TestPlatformLoansAreKeptApart(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		const arn = "arn:aws:iam::" + customerAccount + ":role/ReadOnly"
		role := api.RoleRequest{Name: "readonly", ARN: arn, Region: "eu-west-1"}
		twin := api.IntegrationRequest{Name: "twin", DefaultRole: "readonly", Roles: []api.RoleRequest{role}}
		try(w.admin.CreateIntegration(ctx, twin, api.ValidateSkip))(w)
		try(w.admin.CreateAgent(ctx, api.AgentRequest{Name: "ranger"}))(w)
		try(w.admin.Connect(ctx, "ranger", "platform"))(w)
		try(w.admin.Connect(ctx, "scout", "twin"))(w)
		ranger := rolebroker.NewSecret(try(w.admin.CreateToken(ctx, "ranger", api.TokenRequest{}))(w).Token.Reveal())
		synctest.Wait()
		borrowing := func(token rolebroker.Secret, role, task string) func() (*client.Credentials, error) {
			c := clientOf(w, w.runner.http.Handler, token)
			return func() (*client.Credentials, error) { return c.Credentials(ctx, role, task) }
		}
		requests := map[string]func() (*client.Credentials, error){
			"scout":                   borrowing(w.scout, "platform/readonly", ""),
			"scout for a task":        borrowing(w.scout, "platform/readonly", "a"),
			"scout for another task":  borrowing(w.scout, "platform/readonly", "b"),
			"scout with another role": borrowing(w.scout, "twin/readonly", ""),
			"ranger":                  borrowing(ranger, "platform/readonly", ""),
		}
		loans := map[string]string{}
		for who, request := range requests {
			lent := try(request())(w)
			if other, ok := loans[lent.AccessKeyID]; ok {
				w.Errorf("%s gets the loan of %s", who, other)
			}
			loans[lent.AccessKeyID] = who
		}
		w.network.set(cut)
		synctest.Wait()
		for who, request := range requests {
			if lent := try(request())(w); loans[lent.AccessKeyID] != who {
				w.Errorf("during an outage, %s gets the loan of %s", who, loans[lent.AccessKeyID])
			}
		}
		_, err := borrowing(ranger, "platform/readonly", "a")()
		if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable ||
			!strings.Contains(err.Error(), "cannot reach its server since") {
			w.Errorf("during an outage ranger gets the loan of another: %v", err)
		}
	})
}

// What an administrator takes away is refused at the next request.
func TestWhatIsTakenAwayIsGoneAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		cluster := "cluster"
		take := func(what string, err error, code rolebroker.Code) {
			w.Helper()
			if err != nil {
				w.Fatalf("taking away %s: %v", what, err)
			}
			synctest.Wait() // until the runner has the news; no time passes
			w.deny("", code)
		}
		give := func(err error) {
			w.Helper()
			if err != nil {
				w.Fatal(err)
			}
			synctest.Wait()
			w.allow("")
		}
		w.allow("")
		_, err := w.admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout", Disabled: true}, "")
		take("the agent", err, rolebroker.CodeDenied)
		_, err = w.admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout"}, "")
		give(err)
		take("the connection", w.admin.Disconnect(ctx, "scout", "cluster"), rolebroker.CodeDenied)
		try(w.admin.Connect(ctx, "scout", "cluster"))(w)
		_, err = w.admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout", DefaultIntegration: &cluster}, "")
		give(err)
		for token, err := range w.admin.AllTokens(ctx, "scout") {
			if err != nil || w.admin.RevokeToken(ctx, "scout", token.ID) != nil {
				w.Fatal("cannot revoke", err)
			}
		}
		synctest.Wait()
		if _, err := w.borrows(w.scout, ""); rolebroker.CodeOf(err) != rolebroker.CodeExpired {
			w.Errorf("the revoked token gets %v", err)
		}
	})
}

// Sessions that a person ends are not handed out again by a runner: neither those that
// it began, nor those of the platform that it remembers for an outage.
func TestEndedSessionsAreGoneAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		inner, platform := w.allow("inner"), w.allow("readonly")
		role := api.EndSessionsRequest{Role: "cluster/inner"}
		if ended := try(w.admin.EndSessions(ctx, role))(w); ended.Ended != 1 {
			w.Errorf("%d sessions were ended", ended.Ended)
		}
		synctest.Wait() // until the runner has the news; no time passes
		next := w.allow("inner")
		if next.AccessKeyID == inner.AccessKeyID {
			w.Error("the ended session was handed out")
		}
		if w.allow("readonly").AccessKeyID != platform.AccessKeyID {
			w.Error("another role's session was ended")
		}
		for _, s := range w.sessions() {
			if (s.EndedAt != nil) != (s.AccessKeyID == inner.AccessKeyID) {
				w.Errorf("session %s was ended at %v", s.ID, s.EndedAt)
			}
		}
		try(w.admin.EndSessions(ctx, api.EndSessionsRequest{Agent: "scout"}))(w)
		synctest.Wait()
		w.network.set(cut)
		w.deny("readonly", rolebroker.CodeUnavailable)
		w.deny("inner", rolebroker.CodeUnavailable)
		w.network.set(connected)
		w.eventually("new sessions begin", func() bool {
			_, err := w.borrows(w.scout, "inner")
			return err == nil
		})
		if w.allow("inner").AccessKeyID == next.AccessKeyID || w.allow("readonly").AccessKeyID == platform.AccessKeyID {
			w.Error("an ended session was handed out")
		}
	})
}

// What the runner learned by asking, while it heard no changes, it still knows in an
// outage: it does not go back to what it remembers from before.
func TestWhatTheRunnerLearnedWithoutTheStreamHolds(t *testing.T) {
	changes := map[string]func(*world){
		"a session that was ended": func(w *world) {
			try(w.admin.EndSessions(context.Background(), api.EndSessionsRequest{Agent: "scout"}))(w)
			w.allow("other")
		},
		"an agent that was disconnected": func(w *world) {
			ctx := context.Background()
			for _, in := range []string{"cluster", "platform"} {
				if err := w.admin.Disconnect(ctx, "scout", in); err != nil {
					w.Fatal(err)
				}
			}
			w.deny("inner", rolebroker.CodeNotFound)
		},
	}
	for name, change := range changes {
		for _, role := range []string{"inner", "readonly"} {
			t.Run(name+", "+role, func(t *testing.T) {
				inWorld(t, func(w *world) {
					before := w.allow(role)
					w.breakStream()
					change(w)
					w.network.set(cut)
					lent, err := w.borrows(w.scout, role)
					if err == nil && (lent.AccessKeyID == before.AccessKeyID || w.isDisconnected()) {
						w.Errorf("it gets %s, and had %s", lent.AccessKeyID, before.AccessKeyID)
					}
				})
			})
		}
	}
}

// isDisconnected reports whether scout may borrow nothing.
func (w *world) isDisconnected() bool {
	return len(try(w.admin.Agent(context.Background(), "scout"))(w).Connections) == 0
}

// A token that the runner found revoked stays so.
func TestATokenThatWasFoundRevokedStaysSo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.allow("inner")
		w.breakStream()
		ctx := context.Background()
		tokens := try(w.admin.Tokens(ctx, "scout", client.List{}))(w)
		for _, token := range tokens.Items {
			if err := w.admin.RevokeToken(ctx, "scout", token.ID); err != nil {
				w.Fatal(err)
			}
		}
		w.deny("inner", rolebroker.CodeExpired)
		w.network.set(cut)
		w.deny("inner", rolebroker.CodeExpired)
	})
}

// A session that is ended while the runner cannot reach the server goes on as long as
// what else was authorised, and no longer: the runner has the news before anything else.
func TestSessionsThatEndDuringAnOutage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.aws.SetLifetime(time.Minute)
		first := w.allow("inner")
		w.network.set(cut)
		var last string
		w.eventually("a session begins that the server does not know", func() bool {
			last = w.allow("inner").AccessKeyID
			return last != first.AccessKeyID
		})
		try(w.admin.EndSessions(context.Background(), api.EndSessionsRequest{Role: "cluster/inner"}))(w)
		w.network.set(connected)
		w.eventually("another session begins", func() bool { return w.allow("inner").AccessKeyID != last })
	})
}

// While the server is away the runner goes on with what the server authorised,
// renews it, and refuses new sessions. When the server is back it gets the record
// of every session, once.
func TestTheServerIsAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.aws.SetLifetime(time.Minute)
		first := w.allow("inner")
		w.network.set(cut)
		var last string
		w.eventually("the loan is renewed twice", func() bool {
			last = w.allow("inner").AccessKeyID
			return last != first.AccessKeyID && len(w.assumed()) >= 3
		})
		if e := w.deny("other", rolebroker.CodeUnavailable); !strings.Contains(e.Message,
			"only what was authorised before, and did not change since, goes on") {
			w.Errorf("a new session is refused with %q", e.Message)
		}
		if n := len(w.sessions()); n != 1 {
			w.Errorf("the server has %d sessions on record", n)
		}
		w.network.set(connected)
		w.eventually("the server has every session on record", func() bool {
			recorded := map[string]bool{}
			for _, s := range w.sessions() {
				if s.State == "active" {
					recorded[s.AccessKeyID] = true
				}
			}
			return recorded[first.AccessKeyID] && recorded[last] && len(recorded) == len(w.sessions()) &&
				len(recorded) == len(w.assumed())
		})
		w.eventually("new sessions begin again", func() bool {
			_, err := w.borrows(w.scout, "other")
			return err == nil
		})
		if pending, err := os.ReadFile(filepath.Join(w.folder, "sessions.jsonl")); err != nil ||
			len(bytes.TrimSpace(pending)) > 0 {
			w.Errorf("%q is still spooled, %v", pending, err)
		}
	})
}

// After the grace the runner hands out nothing, however valid.
func TestTheGraceEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		w.allow("inner")
		w.network.set(cut)
		time.Sleep(29 * time.Minute)
		w.allow("inner")
		time.Sleep(2 * time.Minute)
		if e := w.deny("inner", rolebroker.CodeUnavailable); !strings.Contains(e.Message, "the grace of 30m is over") {
			w.Errorf("after the grace it is refused with %q", e.Message)
		}
	}, func(o *Options) { o.Grace = 30 * time.Minute })
}

// A runner that was killed goes on with its credential, and sends the record
// that it could not send before.
func TestARunnerThatWasKilled(t *testing.T) {
	inWorld(t, func(w *world) {
		w.aws.SetLifetime(time.Minute)
		first := w.allow("inner")
		w.network.set(cut)
		w.eventually("a session begins that the server does not know", func() bool {
			return w.allow("inner").AccessKeyID != first.AccessKeyID
		})
		left := try(os.ReadFile(filepath.Join(w.folder, "sessions.jsonl")))(w)
		if !bytes.Contains(left, []byte(`"begin"`)) || bytes.Contains(left, []byte("secret")) {
			w.Errorf("written down is %s", left)
		}
		w.close()
		w.network.set(connected)
		w.opts.JoinToken = rolebroker.Secret{} // it is not needed
		w.start()
		w.eventually("the server has it on record", func() bool { return len(w.sessions()) >= 2 })
		w.allow("inner")
	})
}

// A join token works once, and a runner without one says what to do.
func TestJoining(t *testing.T) {
	inWorld(t, func(w *world) {
		again := w.opts
		again.State, again.Spool = Folder(w.TempDir()), ""
		if _, err := open(context.Background(), again); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
			w.Errorf("the token again: %v", err)
		}
		again.JoinToken = rolebroker.Secret{}
		if _, err := open(context.Background(), again); rolebroker.CodeOf(err) != rolebroker.CodeInvalid ||
			!strings.Contains(rolebroker.AsError(err).Hint.String(), "join-token") {
			w.Errorf("no token: %v", err)
		}
		w.eventually("the server shows that the runner is connected", func() bool {
			shown := try(w.admin.Runner(context.Background(), "eks"))(w)
			return shown.Status == api.RunnerConnected && shown.Program == "test"
		})
		again.JoinToken = w.joinToken() // another replica takes over: the first hears it at its next heartbeat
		other := try(open(context.Background(), again))(w)
		other.startWork(context.Background())
		defer other.Close(context.Background())
		w.eventually("the one that was replaced is not ready", func() bool {
			return strings.Contains(w.readiness(), "does not know this runner")
		})
		if e := w.deny("", rolebroker.CodeUnavailable); !strings.Contains(e.Message, "the server refuses this runner") {
			w.Errorf("agents get %q", e.Message)
		}
		w.close()
		w.opts.JoinToken = w.joinToken() // it joins again, with what it kept still there
		w.start()
		w.allow("")
	})
}

// A pod is known by its service account. The runner verifies its token, and the
// server believes the runner for its own cluster alone.
func TestPodsAreKnownByTheirServiceAccount(t *testing.T) {
	const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
	account := rolebroker.ServiceAccount{Issuer: issuer, Namespace: "agents", Name: "scout"}
	pod := rolebroker.NewSecret("eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl")
	inWorld(t, func(w *world) {
		ctx := context.Background()
		refused := func(says string, code rolebroker.Code) {
			w.Helper()
			_, err := w.borrows(pod, "")
			said := fmt.Sprint(err, rolebroker.AsError(err).Hint)
			if rolebroker.CodeOf(err) != code || !strings.Contains(said, says) {
				w.Errorf("the pod gets %v, %s", err, rolebroker.AsError(err).Hint)
			}
		}
		refused("service accounts of the issuer "+strconv.Quote(issuer), rolebroker.CodeDenied)
		try(w.admin.UpdateRunner(ctx, "eks", api.RunnerRequest{Name: "eks", Issuer: issuer}, ""))(w)
		refused("agent bind AGENT --issuer "+issuer+" --namespace agents --service-account scout",
			rolebroker.CodeNotBound)
		bound := try(w.admin.Bind(ctx, "scout", api.BindingRequest{Issuer: issuer, Namespace: "agents",
			ServiceAccount: "scout"}))(w)
		for _, role := range []string{"", "other", "readonly"} { // readonly is assumed by the platform
			if _, err := w.borrows(pod, role); err != nil {
				w.Errorf("the pod does not get %q: %v", role, err)
			}
		}
		for _, s := range w.sessions() {
			if s.Namespace != "agents" || s.ServiceAccount != "scout" || s.Pod != "scout-0" {
				w.Errorf("the session for %s is of %s/%s, pod %q", s.Role, s.Namespace, s.ServiceAccount, s.Pod)
			}
		}
		if n := len(w.sessions()); n != 3 {
			w.Errorf("%d sessions are on record", n)
		}
		alice := w.needApproval()
		through := clientOf(w, w.runner.http.Handler, pod)
		made := try(through.RequestAccess(ctx, api.AccessRequestRequest{Role: "readonly", Reason: "r"}))(w)
		try(alice.DenyRequest(ctx, made.ID, api.DenyRequest{Reason: "no"}))(w)
		if got := try(through.MyAccessRequest(ctx, made.ID, time.Minute))(w); got.State != "denied" || got.Note != "no" {
			w.Errorf("the pod is told %+v", got)
		}
		if got := try(through.MyAccessRequests(ctx, "denied"))(w); len(got) != 1 || got[0].ID != made.ID {
			w.Errorf("the pod lists %+v", got)
		}
		if got := try(through.MyAccessRequests(ctx, "pending"))(w); len(got) != 0 {
			w.Errorf("the pod lists %+v as pending", got)
		}
		for role, says := range map[string]string{"other": "the runner makes no AWS tokens",
			"readonly": "service account", "admin": "not connected"} {
			_, err := through.AWSToken(ctx, api.AWSTokenRequest{Kind: "eks", Role: role, ClusterName: "c"})
			if err == nil || !strings.Contains(err.Error(), says) || len(rolebroker.AsError(err).Hint) == 0 {
				w.Errorf("a token for role %s: %v", role, err)
			}
		}
		if _, err := through.MyAccessRequest(ctx, "req_none", 0); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
			w.Errorf("a request that is none: %v", err)
		}
		forged := rolebroker.NewSecret("eyJhbGciOiJSUzI1NiJ9.e30.Zm9yZ2Vk")
		if _, err := w.borrows(forged, ""); rolebroker.CodeOf(err) != rolebroker.CodeTokenSignature {
			w.Errorf("a forged token: %v", err)
		}
		if err := w.admin.Unbind(ctx, "scout", bound.ID); err != nil {
			w.Fatal(err)
		}
		synctest.Wait()
		refused("", rolebroker.CodeNotBound)
	}, func(o *Options) { o.Verifier, o.Issuer = verifies{pod.Reveal(): account}, issuer })
}

// verifies are tokens that are good, and whose they are.
type verifies map[string]rolebroker.ServiceAccount

func (verifies) Prepare(context.Context) error { return nil }

func (v verifies) Verify(_ context.Context, token string) (rolebroker.ServiceAccountToken, error) {
	account, ok := v[token]
	if !ok {
		return rolebroker.ServiceAccountToken{}, rolebroker.Errorf(rolebroker.CodeTokenSignature, "the token is forged")
	}
	return rolebroker.ServiceAccountToken{Account: account, Pod: account.Name + "-0",
		Expires: time.Now().Add(time.Hour)}, nil
}

// The runner tries the roles of an integration after it is saved, sends
// the server the outcome, and words it as the platform's validation does.
func TestTheRunnerTriesTheRoles(t *testing.T) {
	inWorld(t, func(w *world) {
		ctx := context.Background()
		outcome := func(role string) *api.Validation {
			for _, r := range try(w.admin.Integration(ctx, "cluster"))(w).Roles {
				if r.Name == role {
					return r.Validation
				}
			}
			return nil
		}
		w.eventually("the roles were tried", func() bool {
			v := outcome("inner")
			return v != nil && v.CheckedBy == "eks"
		})
		if v := outcome("inner"); v.Status != "assumable" {
			w.Errorf("inner is %+v", v)
		}
		tried := len(w.aws.Assumed())
		try(w.admin.UpdateRunner(ctx, "eks", api.RunnerRequest{Name: "eks", Description: "changed"}, ""))(w)
		time.Sleep(time.Minute)
		if n := len(w.aws.Assumed()); n != tried {
			w.Errorf("roles that did not change were tried again, in %d calls", n-tried)
		}
		w.eventually("the setup has roles trust the runner", func() bool {
			made := try(w.admin.Setup(ctx, "cluster", api.SetupRequest{}))(w)
			return strings.Contains(made.TrustPolicy, "arn:aws:iam::"+clusterAccount+":user/runner") &&
				strings.Contains(made.TrustPolicy, made.ExternalIDs[0])
		})
		in := try(w.admin.Integration(ctx, "cluster"))(w)
		const arn = "arn:aws:iam::" + customerAccount + ":role/"
		update := api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster", Runner: "eks",
			DefaultRole: "inner", Roles: []api.RoleRequest{
				{Name: "inner", ARN: arn + "Inner", Region: "us-east-1"},
				{Name: "locked", ARN: arn + "ReadOnly", Region: "us-east-1"}, // which trusts the platform alone
			}}
		try(w.admin.UpdateIntegration(ctx, in.ID, update, in.ETag(), api.ValidateRequire))(w)
		w.eventually("the new role was tried", func() bool { return outcome("locked") != nil })
		v := outcome("locked")
		if v.Status != "failed" || v.Code != "denied" || !strings.Contains(v.Message, "the runner") ||
			strings.Contains(v.Message+v.Hint, "server") || !strings.Contains(v.Hint, clusterAccount) {
			w.Errorf("locked is %+v", v)
		}
		w.aws.Account(customerAccount).SetTrustPolicy("ReadOnly", trusting(clusterAccount))
		update.Description = "saved again"
		try(w.admin.UpdateIntegration(ctx, in.ID, update, "", api.ValidateSkip))(w)
		w.eventually("it works", func() bool { v := outcome("locked"); return v != nil && v.Status == "warning" })
	})
}
