package web_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

// The form keeps the runner of an integration as long as it is in cluster mode.
func TestTheFormKeepsTheRunner(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := b.create("production")
	ctx := context.Background()
	runner, err := s.broker.CreateRunner(ctx, root, broker.RunnerSpec{Name: "eks"})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.broker.Integration(ctx, root, "production")
	if err != nil {
		t.Fatal(err)
	}
	in.AssumptionMode, in.Runner = rolebroker.ModeCluster, runner.ID
	if _, err := s.broker.UpdateIntegration(ctx, root, "production", *in, 0, rolebroker.ValidateSkip.Saving()); err != nil {
		t.Fatal(err)
	}
	chosen := `<option value="` + string(runner.ID) + `" selected>eks</option>`
	if page := b.get(path + "/edit").Body.String(); !strings.Contains(page, chosen) {
		t.Fatal("the form has no runner")
	}
	save := func(version, mode, want string) {
		t.Helper()
		b.answers(b.saves(path+"/edit", "name", "production", "mode", mode, "runner",
			string(runner.ID), "version", version, "role.0.id", string(in.Roles[0].ID)), http.StatusSeeOther)
		if in, err := s.broker.Integration(ctx, root, "production"); err != nil || in.RunnerName != want {
			t.Errorf("its runner is %q: %v", in.RunnerName, err)
		}
	}
	save("2", "cluster", "eks")
	save("3", "platform", "")
	if page := b.get(path + "/edit").Body.String(); strings.Contains(page, chosen) {
		t.Error("the form has a runner that the integration does not have")
	}
}

// runner creates a runner with the form.
func (b *browser) runner(name, issuer string) *rolebroker.Runner {
	b.Helper()
	answer := b.post("/runners/new", "name", name, "issuer", issuer)
	if answer.Code != http.StatusSeeOther {
		b.Fatalf("making a runner answers %d: %s", answer.Code, answer.Body)
	}
	made, err := b.broker.Runner(context.Background(), root, name)
	if err != nil {
		b.Fatal(err)
	}
	return made
}

// seen makes a runner join and report now.
func (s *site) seen(r *rolebroker.Runner, report rolebroker.RunnerReport) {
	s.Helper()
	ctx := context.Background()
	key, _, err := s.broker.JoinToken(ctx, root, string(r.ID), 0)
	if err != nil {
		s.Fatal(err)
	}
	credential := rolebroker.RunnerKey{
		ID:        rolebroker.NewRunnerKeyID(),
		Runner:    r.ID,
		Hash:      []byte(r.ID),
		CreatedAt: s.now,
		ExpiresAt: s.now.Add(time.Hour),
	}
	if err := errors.Join(s.store.Join(ctx, key.ID, &credential, s.now, storetest.Event()),
		s.store.RecordRunnerReport(ctx, r.ID, report, s.now)); err != nil {
		s.Fatal(err)
	}
}

// shows fails unless a page has the texts.
func (b *browser) shows(path string, texts ...string) {
	b.Helper()
	b.answers(b.get(path), http.StatusOK, texts...)
}

// answers fails unless an answer has the status and the texts.
func (b *browser) answers(answer *httptest.ResponseRecorder, status int, texts ...string) {
	b.Helper()
	if answer.Code != status {
		b.Errorf("the answer is %d, not %d: %s", answer.Code, status, answer.Body)
	}
	for _, text := range texts {
		if !strings.Contains(answer.Body.String(), text) {
			b.Errorf("the answer (%d) has no %q:\n%s", answer.Code, text, answer.Body)
		}
	}
}

const (
	issuerA = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
	issuerB = "https://oidc.eks.us-east-1.amazonaws.com/id/B"
)

// A runner is waiting, connected or away, and its page shows its report.
func TestTheStatesOfRunners(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.shows("/runners", "The platform needs no runner for its roles")
	eks := b.runner("eks", "")
	path := "/runners/" + string(eks.ID)
	b.shows(path, "waiting", "Make a join token")
	b.shows("/runners", "waiting", "has not joined", `>Runners <span class="count">1</span>`)
	s.seen(
		eks,
		rolebroker.RunnerReport{Program: "1.4.0", Method: rolebroker.MethodWebIdentity, Issuer: issuerA, Pending: 3},
	)
	b.shows(
		path,
		"connected",
		"1.4.0",
		"as its service account",
		"3 sessions",
		"the server does not believe it about them yet",
		issuerA,
	)
	s.now = s.now.Add(12 * time.Second)
	b.shows("/runners", "connected", ">12 seconds ago<")
	s.now = s.now.Add(12 * time.Minute)
	b.shows("/runners", "away", ">12 minutes ago<")
	b.shows(path, "away", "It goes on with what was authorised")
	s.seen(eks, rolebroker.RunnerReport{Method: rolebroker.MethodAssumeRole, IdentityError: "no credentials"})
	b.shows(path, "No credentials.", "from its AWS identity")
	b.shows("/runners", "no identity")
}

// A runner has a page to read, with tabs. People edit it on a page of its own, which keeps what they typed.
func TestThePagesOfARunner(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	eks := b.runner("eks", issuerA)
	path := "/runners/" + string(eks.ID)
	b.shows(path, `href="`+path+`" aria-current="page"`, `href="`+path+`/accounts"`, `href="`+path+`/activity"`,
		`href="`+path+`/edit"`, `href="`+path+`/delete"`)
	b.lacks(path, `action="`+path+`"`)
	b.shows(path+"/edit", `value="eks"`, `value="`+issuerA+`"`, `action="`+path+`"`)
	b.shows(path+"/activity", "runner.create", "/audit?subject="+string(eks.ID))
	wrong := b.post(path, "name", "not a name", "description", "The shop", "issuer", issuerA, "version", "1")
	b.answers(wrong, http.StatusUnprocessableEntity, `value="not a name"`, `value="The shop"`, `id="name-problem"`)
	saved := b.post(path, "name", "eks", "description", "The shop", "issuer", issuerA, "version", "1")
	b.answers(saved, http.StatusSeeOther)
	b.shows(path, ">The shop<")
	b.shows("/runners/"+string(b.runner("other", "").ID)+"/accounts", "It has no issuer")
}

// A runner has a list of the service accounts about which the server believes it, whichever agents they are.
func TestTheServiceAccountsOfARunner(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	path := "/runners/" + string(b.runner("eks", issuerA).ID) + "/accounts"
	b.shows(path, "No service account of its cluster is bound")
	bind := func(agent, issuer, account string) {
		t.Helper()
		b.answers(b.post("/agents/"+agent+"/bindings", "issuer", issuer, "namespace", "agents",
			"service_account", account), http.StatusSeeOther)
	}
	for _, agent := range []string{"scout", "other"} {
		b.post("/agents/new", "name", agent)
	}
	bind("scout", issuerA, "scout")
	bind("other", issuerB, "elsewhere")
	bind("other", issuerA, "*")
	b.shows(path, "agents/scout", "agents/*", `#accounts">scout</a>`, `#accounts">other</a>`)
	b.lacks(path, "elsewhere", "Next page")
	for i := range 50 {
		bind("scout", issuerA, fmt.Sprintf("more-%d", i))
	}
	next := nextLink.FindStringSubmatch(b.get(path).Body.String())
	if next == nil {
		t.Fatal("52 service accounts are on one page")
	}
	rows := strings.Count(b.get(path).Body.String(), `#accounts">`) +
		strings.Count(b.get(html.UnescapeString(next[1])).Body.String(), `#accounts">`)
	if rows != 52 {
		t.Errorf("the two pages have %d service accounts, not 52", rows)
	}
}

// People accept the issuer that a runner reports, unless somebody else changed the
// runner since, or another runner has the issuer.
func TestBelievingARunner(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	eks := b.runner("eks", issuerB)
	path := "/runners/" + string(eks.ID)
	s.seen(eks, rolebroker.RunnerReport{Issuer: issuerA})
	b.shows(path, "It verifies the service accounts of another issuer")
	other := b.runner("other", issuerA)
	believe := func() *httptest.ResponseRecorder { return b.post(path+"/believe", "issuer", issuerA, "version", "1") }
	b.answers(believe(), http.StatusConflict, "other")
	b.answers(b.post("/runners/"+string(other.ID)+"/delete", ""), http.StatusSeeOther)
	b.answers(believe(), http.StatusSeeOther)
	second := b.post(path, "name", "mine", "issuer", issuerB, "version", "1")
	b.answers(second, http.StatusConflict, "somebody else changed eks", `value="mine"`)
	b.answers(b.post(path, "name", "no name", "version", "2"), http.StatusUnprocessableEntity, `id="name-problem"`)
	if now, err := s.broker.Runner(context.Background(), root, "eks"); err != nil || now.Issuer != issuerA {
		t.Errorf("its issuer is %s: %v", now.Issuer, err)
	}
}

// A runner that an integration names cannot be deleted, and the page says why.
func TestDeletingARunner(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	eks := b.runner("eks", "")
	path := "/runners/" + string(eks.ID)
	b.shows(path+"/delete", "Delete eks?")
	b.answers(b.saves("/integrations/new/aws", "name", "edge", "mode", "cluster", "runner", string(eks.ID),
		"external_id", b.begin()), http.StatusSeeOther)
	b.shows(path+"/delete", "eks cannot be deleted", "edge")
	b.shows("/integrations", "not checked yet", "runner eks has not joined", `href="/runners/`+string(eks.ID))
	b.shows("/integrations/edge", "Not checked yet: runner eks has not joined.")
	s.seen(eks, rolebroker.RunnerReport{})
	b.shows("/integrations/edge", "Runner eks is trying it.", "data-trying")
	s.now = s.now.Add(2 * time.Hour)
	b.shows("/integrations/edge", "Not checked yet: runner eks is away, last seen 2 hours ago.")
	b.answers(b.post(path+"/delete", ""), http.StatusConflict, "eks cannot be deleted")
}

// The setup has the issuer of the chosen runner, unless IAM does not accept it.
func TestTheSetupIsOfTheRunnersCluster(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	a, odd := b.runner("a", issuerA), b.runner("odd", "https://cluster.internal:6443")
	setup := func(r *rolebroker.Runner) *httptest.ResponseRecorder {
		return b.saves("/integrations/setup", "mode", "cluster", "runner", string(r.ID), "external_id", b.begin())
	}
	b.answers(setup(a), http.StatusOK, "oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/A", `hx-swap-oob="true"`)
	b.answers(setup(odd), http.StatusOK, "CLUSTER_ID")
	identity := rolebroker.Identity{Account: "777788889999", ARN: "arn:aws:sts::777788889999:assumed-role/runner/i-1"}
	s.seen(a, rolebroker.RunnerReport{Method: rolebroker.MethodAssumeRole, Identity: identity})
	b.answers(setup(a), http.StatusOK, "arn:aws:iam::777788889999:role/runner",
		"AWS does not say the path of the runner’s role.")
}

// A service account is bound to one agent, and the page says by which runner.
func TestBindingServiceAccounts(t *testing.T) {
	s := newSite(t, true)
	b := s.as(s.admin)
	b.post("/agents/new", "name", "scout")
	b.post("/agents/new", "name", "other")
	b.shows("/agents/scout/tokens", "has an issuer yet")
	bind := func(agent, namespace string) *httptest.ResponseRecorder {
		return b.post("/agents/"+agent+"/bindings", "issuer", issuerA, "namespace", namespace,
			"service_account", "scout")
	}
	b.answers(bind("scout", "Not A Name"), http.StatusUnprocessableEntity, `id="namespace-problem"`)
	b.answers(bind("scout", "agents"), http.StatusSeeOther)
	b.answers(bind("other", "agents"), http.StatusConflict, "is agent scout already")
	b.shows("/agents/scout/tokens", "no runner has this issuer", "audience: rolebroker", "expirationSeconds: 600")
	b.runner("eks", issuerA)
	b.shows("/agents/scout/tokens", ">eks</a>", `value="`+issuerA+`"`)
	b.shows("/agents/scout/delete", "1 service account loses its roles")
	b.answers(b.post("/agents/other/bindings", "issuer", issuerA, "namespace", "agents", "service_account", "*",
		"labels", "team"), http.StatusUnprocessableEntity, `id="labels-problem"`, `value="team"`)
	b.answers(b.post("/agents/other/bindings", "issuer", issuerA, "namespace", "agents", "service_account", "scout",
		"labels", "team=ml"), http.StatusUnprocessableEntity, `id="labels-problem"`)
	b.answers(b.post("/agents/other/bindings", "issuer", issuerA, "namespace", "agents", "service_account", "*",
		"labels", "team=ml"), http.StatusSeeOther)
	b.shows("/agents/other/tokens", "agents/team=ml", "serviceAccountName: default")
}

// People who may only read see no forms, and cannot send any.
func TestReadersSeeRunners(t *testing.T) {
	s := newSite(t, true)
	eks := s.as(s.admin).runner("eks", "")
	path := "/runners/" + string(eks.ID)
	reader := s.as(s.reader)
	for _, target := range []string{"/runners", path, path + "/accounts", path + "/activity", path + "/edit",
		"/runners/new", path + "/delete"} {
		answer := reader.get(target)
		if answer.Code != http.StatusOK || strings.Contains(answer.Body.String(), `method="post" action="/runners`) ||
			strings.Contains(answer.Body.String(), `href="`+path+`/edit"`) {
			t.Errorf("GET %s answers %d: %s", target, answer.Code, answer.Body)
		}
	}
	for _, target := range []string{"/runners/new", path, path + "/believe", path + "/join-token", path + "/delete",
		"/agents/x/bindings", "/agents/x/bindings/y/delete"} {
		if answer := reader.post(target, "name", "x"); answer.Code != http.StatusForbidden &&
			!(strings.HasPrefix(target, "/agents") && answer.Code == http.StatusUnprocessableEntity) {
			t.Errorf("POST %s answers %d", target, answer.Code)
		}
	}
}
