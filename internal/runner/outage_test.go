package runner

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/forward"
	"github.com/rolebroker/rolebroker/internal/problem"
)

// SDKs give up after one or two seconds. A runner that holds a valid loan of
// the platform answers before that, from the first moment in which the server
// does not answer.
func TestAServerThatDoesNotAnswerIsNotWaitedForLong(t *testing.T) {
	inWorld(t, func(w *world) {
		lent := w.allow("readonly")
		w.network.set(silent)
		for _, later := range []time.Duration{0, 5 * time.Second, 9 * time.Second, 2 * time.Second, 5 * time.Second,
			9 * time.Minute} {
			time.Sleep(later)
			asked := time.Now()
			if again := w.allow("readonly"); again.AccessKeyID != lent.AccessKeyID {
				w.Error("it is something else")
			}
			if waited := time.Since(asked); waited > 1500*time.Millisecond {
				w.Errorf("%s later an SDK waits %s", later, waited)
			}
		}
	})
}

// A runner whose stream of events is broken asks the server each time. The request
// that finds out that the server cannot be reached gets the remembered answer, as
// the requests after it do.
func TestTheRequestThatFindsTheServerAway(t *testing.T) {
	for _, role := range []string{"readonly", "inner"} {
		t.Run(role, func(t *testing.T) {
			inWorld(t, func(w *world) {
				lent := w.allow(role)
				w.breakStream()
				w.allow(role)
				w.network.set(cut)
				if again := w.allow(role); again.AccessKeyID != lent.AccessKeyID {
					w.Error("it is something else")
				}
			})
		})
	}
}

// The list of roles is served like the roles themselves.
func TestTheListOfRolesOutlivesTheServer(t *testing.T) {
	inWorld(t, func(w *world) {
		list := func() int {
			w.Helper()
			return len(try(clientOf(w, w.runner.http.Handler, w.scout).Roles(context.Background()))(w))
		}
		if n := list(); n != 3 {
			w.Errorf("scout is offered %d roles", n)
		}
		w.breakStream()
		w.network.set(cut)
		if n := list(); n != 3 {
			w.Errorf("while the server is away scout is offered %d roles", n)
		}
	})
}

// A platform loan for a service account is asked for with the runner's own
// credential. When another replica has changed that, the new one is used; when
// the server does not know this runner any more, the loan that it gave before
// is forgotten.
func TestPlatformLoansNeedTheRunnersCredential(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good, down := "first", false
		answer := func(w http.ResponseWriter, r *http.Request) {
			if down {
				problem.Write(w, problem.Document(rolebroker.Errorf(rolebroker.CodeUnavailable,
					"the database cannot be used")))
				return
			}
			if r.Header.Get("Authorization") != "Bearer "+good {
				problem.Write(w, problem.Document(rolebroker.Errorf(rolebroker.CodeUnauthenticated,
					"the runner's credential is not known here")))
				return
			}
			answerJSON(w, api.LoanAnswer{AccessKeyID: "ASIA", SecretAccessKey: "secret", Token: "session",
				Expiration: time.Now().Add(time.Hour),
				RoleARN:    "arn:aws:iam::444455556666:role/ReadOnly"})
		}
		state := &shared{text: credential{Runner: "run_a", Credential: "first"}.encode()}
		l := linkTo(t, answer, state)
		lender := forward.New(forward.Options{Server: platform{link: l}})
		defer lender.Close()
		lends := func(code rolebroker.Code) {
			t.Helper()
			_, err := lender.Lend(t.Context(), "scout", rolebroker.Caller{Token: "bnd_a"}, rolebroker.Request{})
			if rolebroker.CodeOf(err) != code {
				t.Errorf("%v, want code %q", err, code)
			}
		}
		lends("")
		good = "next"
		state.text = credential{Runner: "run_a", Credential: "next"}.encode()
		lends("")
		down = true
		lends("")
		good, down = "another runner's", false
		lends(rolebroker.CodeUnauthenticated)
		down = true
		lends(rolebroker.CodeUnavailable)
	})
}

// A runner that another one has replaced lends nothing more of the platform to a
// pod, not even what it remembers, and says why.
func TestAReplacedRunnerForgetsThePlatform(t *testing.T) {
	const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
	account := rolebroker.ServiceAccount{Issuer: issuer, Namespace: "agents", Name: "scout"}
	pod := rolebroker.NewSecret("eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl")
	inWorld(t, func(w *world) {
		ctx := context.Background()
		try(w.admin.UpdateRunner(ctx, "eks", api.RunnerRequest{Name: "eks", Issuer: issuer}, ""))(w)
		try(w.admin.Bind(ctx, "scout", api.BindingRequest{Issuer: issuer, Namespace: "agents",
			ServiceAccount: "scout"}))(w)
		try(w.borrows(pod, "readonly"))(w)
		other := w.opts
		other.State, other.Spool, other.JoinToken = Folder(w.TempDir()), "", w.joinToken()
		replacing := try(open(ctx, other))(w)
		replacing.startWork(ctx)
		defer replacing.Close(ctx)
		synctest.Wait()
		for range 2 {
			_, err := w.borrows(pod, "readonly")
			if rolebroker.CodeOf(err) != rolebroker.CodeUnavailable ||
				!strings.Contains(err.Error(), "the server refuses this runner") {
				w.Errorf("the pod gets %v", err)
			}
		}
		w.network.set(cut)
		if _, err := w.borrows(pod, "readonly"); rolebroker.CodeOf(err) != rolebroker.CodeUnavailable {
			w.Errorf("during an outage the pod gets %v", err)
		}
	}, func(o *Options) { o.Verifier, o.Issuer = verifies{pod.Reveal(): account}, issuer })
}
