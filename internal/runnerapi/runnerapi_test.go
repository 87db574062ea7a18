package runnerapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

// world is a server with two runners: the integration cluster names ours, and no
// integration names theirs.
type world struct {
	*testing.T
	tb           *testbed.Testbed
	ours, theirs *client.Client
	credential   rolebroker.Secret // of ours
	token        rolebroker.Secret // a join token of a third one
	scout        api.Agent
	tested       rolebroker.Secret // a token of scout
	cluster      api.Integration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, tb: testbed.New(t, &testbed.Options{Empty: true})}
	ctx := context.Background()
	w.ours, w.credential = w.join("ours")
	w.theirs, _ = w.join("theirs")
	w.token = w.joinToken("third")
	cluster, err := w.tb.Admin.CreateIntegration(ctx, api.IntegrationRequest{Name: "cluster", AssumptionMode: "cluster",
		Runner: "ours", DefaultRole: "inner",
		Roles: []api.RoleRequest{w.tb.Role("inner", "Inner", "us-east-1"),
			{Name: "off", ARN: w.tb.Role("", "Off", "").ARN, Region: "us-east-1",
				Enabled: new(bool)}}}, api.ValidateSkip)
	if err != nil {
		t.Fatal(err)
	}
	w.cluster = cluster
	w.tb.Integration("platform", w.tb.Role("readonly", "ReadOnly", "us-east-1"))
	w.tested = w.tb.Agent("scout", "cluster", "platform")
	if w.scout, err = w.tb.Admin.Agent(ctx, "scout"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) joinToken(runner string) rolebroker.Secret {
	w.Helper()
	ctx := context.Background()
	if _, err := w.tb.Admin.CreateRunner(ctx, api.RunnerRequest{Name: runner}); err != nil {
		w.Fatal(err)
	}
	made, err := w.tb.Admin.CreateJoinToken(ctx, runner, api.JoinTokenRequest{})
	if err != nil {
		w.Fatal(err)
	}
	token := rolebroker.NewSecret(made.Token.Reveal())
	w.tb.HandedOut(token)
	return token
}

func (w *world) join(runner string) (*client.Client, rolebroker.Secret) {
	w.Helper()
	token := w.joinToken(runner)
	made, err := w.tb.Client(rolebroker.Secret{}).Join(context.Background(),
		api.JoinRequest{Token: api.Secret(token.Reveal()), Program: "test"})
	if err != nil {
		w.Fatal(err)
	}
	credential := rolebroker.NewSecret(made.Credential.Reveal())
	w.tb.HandedOut(credential)
	return w.tb.Client(credential), credential
}

// session is a session of scout for a role.
func (w *world) session(role int) api.RunnerSession {
	r := w.cluster.Roles[role]
	now := time.Now()
	return api.RunnerSession{ID: string(rolebroker.NewSessionID()), Agent: w.scout.ID, Integration: w.cluster.ID,
		Role: r.ID, ARN: r.ARN, Region: r.Region,
		SessionName: "scout", RequestedAt: now, ExpiresAt: now.Add(time.Hour), AgentName: "scout",
		IntegrationName: "cluster", RoleName: r.Name}
}

func (w *world) refused(what string, err error, code rolebroker.Code) {
	w.Helper()
	if rolebroker.CodeOf(err) != code {
		w.Errorf("%s: %v, not %s", what, err, code)
	}
}

// Every path answers 401 unless the caller shows a runner's credential, which works
// nowhere else.
func TestOnlyRunnersAreAnswered(t *testing.T) {
	w := newWorld(t)
	asked := 0
	ask := func(method, path, authorization string) int {
		t.Helper()
		asked++ // each time from another address, since one that fails often gets 429
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(asked))}}
		client := &http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
		req, err := http.NewRequest(method, w.tb.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if authorization != "" {
			req.Header.Set("Authorization", "Bearer "+authorization)
		}
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
		return answer.StatusCode
	}
	strangers := map[string]string{"nobody": "", "an agent": w.tested.Reveal(),
		"an administrator": w.tb.AdminKey.Reveal(),
		"a join token":     w.token.Reveal(),
		"a guess":          "rbr_" + strings.Repeat("a", 26) + "_" + strings.Repeat("b", 52)}
	for _, at := range []string{"POST credential", "GET events", "POST report", "POST identify", "GET tokens/tok_a",
		"GET agents/agt_a/grants", "POST sessions", "POST gateway-keys", "POST gateway-keys/open", "POST calls",
		"POST calls/approve",
		"PUT sessions/ses_a", "POST use", "POST loans", "GET integrations", "POST integrations/int_a/validations"} {
		method, path, _ := strings.Cut(at, " ")
		for who, shown := range strangers {
			if status := ask(method, "/runner/v1/"+path, shown); status != http.StatusUnauthorized {
				t.Errorf("%s gets %d at %s", who, status, at)
			}
		}
	}
	for who, shown := range map[string]string{"a runner": w.credential.Reveal(), "a join token": w.token.Reveal()} {
		for _, at := range []string{"GET /api/v1/integrations", "GET /api/v1/runners", "POST /api/v1/external-ids",
			"GET /v1/credentials", "GET /v1/roles"} {
			method, path, _ := strings.Cut(at, " ")
			if status := ask(method, path, shown); status != http.StatusForbidden && status != http.StatusUnauthorized {
				t.Errorf("%s gets %d at %s", who, status, at)
			}
		}
	}
	if status := ask(http.MethodGet, "/runner/v1/nothing", w.credential.Reveal()); status != http.StatusNotFound {
		t.Errorf("at no path there is %d", status)
	}
}

// A runner can begin sessions only for roles of integrations that name it, for agents
// that may borrow them, and with their current fields.
func TestTheServerAuthorisesSessionsOfRunners(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	good := w.session(0)
	w.refused("an agent that it has not met", w.ours.BeginSession(ctx, good), rolebroker.CodeDenied)
	w.identify(w.ours)
	w.identify(w.theirs)
	if err := w.ours.BeginSession(ctx, good); err != nil {
		t.Fatal(err)
	}
	if err := w.ours.BeginSession(ctx, good); err != nil {
		t.Errorf("the same again: %v", err)
	}
	tokenOf := func(agent string) string {
		page, err := w.tb.Admin.Tokens(ctx, agent, client.List{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return page.Items[0].ID
	}
	w.tb.Agent("other", "cluster")
	others := tokenOf("other")
	told := w.session(0)
	told.Token = tokenOf("scout")
	if err := w.ours.BeginSession(ctx, told); err != nil {
		t.Errorf("with its token: %v", err)
	}
	found, err := w.tb.Admin.Sessions(ctx, api.SessionFilter{Token: told.Token}, client.List{})
	if err != nil || len(found.Items) != 1 || found.Items[0].ID != told.ID || found.Items[0].TokenID != told.Token {
		t.Errorf("the sessions of the token are %+v, %v", found.Items, err)
	}
	w.refused("another runner", w.theirs.BeginSession(ctx, w.session(0)), rolebroker.CodeDenied)
	w.refused("a disabled role", w.ours.BeginSession(ctx, w.session(1)), rolebroker.CodeDenied)
	for what, c := range map[string]struct {
		change func(*api.RunnerSession)
		code   rolebroker.Code
	}{
		"another ARN": {func(s *api.RunnerSession) { s.ARN = "arn:aws:iam::444455556666:role/Admin" },
			rolebroker.CodeStale},
		"no ARN":       {func(s *api.RunnerSession) { s.ARN = "role" }, rolebroker.CodeInvalid},
		"another name": {func(s *api.RunnerSession) { s.SessionName = "root" }, rolebroker.CodeStale},
		"another agent": {func(s *api.RunnerSession) { s.Agent = string(rolebroker.NewAgentID()) },
			rolebroker.CodeDenied},
		"another integration": {func(s *api.RunnerSession) { s.Integration = string(rolebroker.NewIntegrationID()) },
			rolebroker.CodeNotFound},
		"another time": {func(s *api.RunnerSession) { s.RequestedAt = time.Now().Add(-time.Hour) },
			rolebroker.CodeInvalid},
		"another content": {func(s *api.RunnerSession) { s.ID, s.Task, s.SessionName = good.ID, "x", "scout@x" },
			rolebroker.CodeConflict},
		"a time that is late": {func(s *api.RunnerSession) { s.Late, s.RequestedAt = true, time.Now().Add(time.Hour) },
			rolebroker.CodeInvalid},
		"a late one for years": {func(s *api.RunnerSession) {
			s.Late, s.ExpiresAt = true, time.Now().Add(9999*time.Hour)
		},
			rolebroker.CodeInvalid},
		"another agent's token":         {func(s *api.RunnerSession) { s.Token = others }, rolebroker.CodeInvalid},
		"a late one, with another's":    {func(s *api.RunnerSession) { s.Token, s.Late = others, true }, rolebroker.CodeInvalid},
		"an unknown token":              {func(s *api.RunnerSession) { s.Token = string(rolebroker.NewTokenID()) }, rolebroker.CodeExpired},
		"what is not the ID of a token": {func(s *api.RunnerSession) { s.Token = string(rolebroker.NewRoleID()) }, rolebroker.CodeInvalid},
		"a late one, with a text":       {func(s *api.RunnerSession) { s.Token, s.Late = "x\n", true }, rolebroker.CodeInvalid},
		"a late one by a name": {func(s *api.RunnerSession) { s.Late, s.AgentName = true, "not a name\n" },
			rolebroker.CodeInvalid},
	} {
		s := w.session(0)
		c.change(&s)
		w.refused(what, w.ours.BeginSession(ctx, s), c.code)
	}
	active := api.SessionOutcome{State: "active", ExpiresAt: time.Now().Add(time.Hour),
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE"}
	w.refused("another's outcome", w.theirs.FinishSession(ctx, good.ID, active), rolebroker.CodeNotFound)
	w.refused("an outcome that is none", w.ours.FinishSession(ctx, good.ID, api.SessionOutcome{State: "requested"}),
		rolebroker.CodeInvalid)
	if err := w.ours.FinishSession(ctx, good.ID, active); err != nil {
		t.Error(err)
	}
	if _, err := w.tb.Admin.UpdateAgent(ctx, "scout", api.AgentRequest{Name: "scout", Disabled: true}, ""); err != nil {
		t.Fatal(err)
	}
	w.refused("a disabled agent", w.ours.BeginSession(ctx, w.session(0)), rolebroker.CodeDenied)
	late := w.session(0)
	late.Late = true
	if err := w.ours.BeginSession(ctx, late); err != nil {
		t.Errorf("what was begun before cannot be told: %v", err)
	}
}

// A runner can read the grants of agents, with the external IDs of the integrations
// that name it, and identify service accounts of its own cluster.
func TestARunnerSeesWhatItNeeds(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	known, err := w.ours.Identify(ctx, api.Identification{Token: api.Secret(w.tested.Reveal())})
	if err != nil || known.Token == nil || known.Token.Agent != w.scout.ID {
		t.Fatalf("scout is %+v, %v", known, err)
	}
	if nobody, err := w.ours.Identify(ctx, api.Identification{Token: "guess"}); err != nil || nobody.Refusal == nil ||
		nobody.Refusal.Code != "unauthenticated" {
		t.Errorf("a guess is %+v, %v", nobody, err)
	}
	if nobody, err := w.ours.Identify(ctx, api.Identification{Token: api.Secret(w.tb.AdminKey.Reveal())}); err != nil ||
		nobody.Token != nil {
		t.Errorf("an API key is %+v, %v", nobody, err)
	}
	_, err = w.theirs.Grants(ctx, w.scout.ID)
	w.refused("the grants of an agent that it has not met", err, rolebroker.CodeDenied)
	_, err = w.theirs.TokenRecord(ctx, known.Token.ID)
	w.refused("a token of an agent that it has not met", err, rolebroker.CodeNotFound)
	w.identify(w.theirs)
	for runner, sees := range map[*client.Client]string{w.ours: w.cluster.ExternalID, w.theirs: ""} {
		grants, err := runner.Grants(ctx, w.scout.ID)
		if err != nil || len(grants.Integrations) != 2 {
			t.Fatalf("%+v, %v", grants, err)
		}
		for _, in := range grants.Integrations {
			if want := map[string]string{"cluster": sees}[in.Name]; in.ExternalID != want {
				t.Errorf("of %s a runner sees the external ID %q", in.Name, in.ExternalID)
			}
		}
		answer, _ := json.Marshal(grants)
		if bytes.Contains(answer, []byte("hash")) {
			t.Error("there is a hash in what a runner sees")
		}
	}
	const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/A"
	if _, err := w.tb.Admin.UpdateRunner(ctx, "ours", api.RunnerRequest{Name: "ours", Issuer: issuer}, ""); err != nil {
		t.Fatal(err)
	}
	bound, err := w.tb.Admin.Bind(ctx, "scout", api.BindingRequest{Issuer: issuer, Namespace: "agents",
		ServiceAccount: "scout"})
	if err != nil {
		t.Fatal(err)
	}
	pod := api.Identification{ServiceAccount: &api.ServiceAccount{Issuer: issuer, Namespace: "agents", Name: "scout"}}
	if known, err := w.ours.Identify(ctx, pod); err != nil || known.Token == nil || known.Token.ID != bound.ID {
		t.Errorf("the pod is %+v, %v", known, err)
	}
	if err := w.theirs.Report(ctx, api.RunnerReport{Issuer: issuer,
		Program: "test"}); err != nil { // a report alone does not make the server trust it
		t.Fatal(err)
	}
	if known, err := w.theirs.Identify(ctx, pod); err != nil || known.Refusal == nil || known.Refusal.Code != "denied" {
		t.Errorf("to the other runner the pod is %+v, %v", known, err)
	}
	if lent, err := w.theirs.Lend(ctx, api.LoanRequest{Token: bound.ID, Role: "platform/readonly"}); err != nil ||
		lent.Refusal == nil {
		t.Errorf("the other runner borrows %v, %v", lent.RoleARN, err)
	}
	if lent, err := w.ours.Lend(ctx, api.LoanRequest{Token: known.Token.ID, Role: "platform/readonly"}); err != nil ||
		lent.Refusal == nil {
		t.Errorf("by the ID of a token that it did not show, an agent borrows %v, %v", lent.RoleARN, err)
	}
	if lent, err := w.ours.Lend(ctx, api.LoanRequest{Token: bound.ID, Role: "platform/readonly"}); err != nil ||
		lent.AccessKeyID == "" {
		t.Errorf("the pod does not borrow: %+v, %v", lent.Refusal, err)
	}
	if all, err := w.theirs.RunnerIntegrations(ctx); err != nil || len(all) != 0 {
		t.Errorf("the other runner has %d integrations, %v", len(all), err)
	}
	v := api.RunnerValidations{Version: w.cluster.Version,
		Validations: []api.IdentifiedOutcome{{Role: w.cluster.Roles[0].ID,
			Validation: api.Validation{Status: "assumable", Code: "assumable", Message: "fine",
				CheckedAt: time.Now()}}}}
	w.refused("another's validations", w.theirs.RecordValidations(ctx, w.cluster.ID, v), rolebroker.CodeDenied)
	if err := w.ours.RecordValidations(ctx, w.cluster.ID, v); err != nil {
		t.Error(err)
	}
	if in, err := w.tb.Admin.Integration(ctx, "cluster"); err != nil || in.Roles[0].Validation == nil ||
		in.Roles[0].Validation.CheckedBy != "ours" {
		t.Errorf("%+v, %v", in.Roles[0].Validation, err)
	}
	w.refused("a report that is none", w.ours.Report(ctx, api.RunnerReport{Method: "magic"}), rolebroker.CodeInvalid)
}

// While a runner changes its credential, one always works. The old one ends with the
// first use of the new one.
func TestACredentialIsChanged(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	next, err := w.ours.RenewCredential(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.tb.HandedOut(rolebroker.NewSecret(next.Credential.Reveal()))
	if left := time.Until(next.ExpiresAt).Round(time.Hour); left != 7*24*time.Hour {
		t.Errorf("it is valid for %s", left)
	}
	if _, err := w.ours.RunnerIntegrations(ctx); err != nil {
		t.Errorf("before the next one was used: %v", err)
	}
	if _, err := w.tb.Client(rolebroker.NewSecret(next.Credential.Reveal())).RunnerIntegrations(ctx); err != nil {
		t.Errorf("the next one: %v", err)
	}
	_, err = w.ours.RunnerIntegrations(ctx)
	w.refused("after that", err, rolebroker.CodeUnauthenticated)
	_, err = w.tb.Client(rolebroker.Secret{}).Join(ctx, api.JoinRequest{Token: api.Secret(w.tested.Reveal())})
	w.refused("joining with an agent's token", err, rolebroker.CodeUnauthenticated)
}

// A runner gets a change as soon as it is committed.
func TestChangesAreStreamed(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events := make(chan api.RunnerEvent, 100)
	go func() { _ = w.theirs.Events(ctx, "", func(e api.RunnerEvent) { events <- e }); close(events) }()
	if first := <-events; first.Hello == nil || first.Hello.Name != "theirs" {
		t.Fatalf("the first event is %+v", first)
	}
	if err := w.tb.Admin.Disconnect(ctx, "scout", "cluster"); err != nil {
		t.Fatal(err)
	}
	for e := range events {
		if e.Change != nil && e.Change.Agent == w.scout.ID {
			return
		}
	}
	t.Error("the change was not streamed")
}

// The server checks what runners report, since people of all clusters see the record.
func TestReportsOfRunnersAreChecked(t *testing.T) {
	w := newWorld(t)
	w.identify(w.ours)
	ctx := context.Background()
	good := w.session(0)
	if err := w.ours.BeginSession(ctx, good); err != nil {
		t.Fatal(err)
	}
	platform, err := w.tb.Admin.Integration(ctx, "platform")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		change func(*api.RunnerSession)
		code   rolebroker.Code
	}{
		"an ID that is none": {func(s *api.RunnerSession) { s.ID = "\x1b[2J" }, rolebroker.CodeInvalid},
		"an ID of another kind": {func(s *api.RunnerSession) { s.ID = string(rolebroker.NewAgentID()) },
			rolebroker.CodeInvalid},
		"an ID with other letters": {func(s *api.RunnerSession) { s.ID = "ses_" + strings.Repeat("\n", 26) },
			rolebroker.CodeInvalid},
		"names for IDs": {func(s *api.RunnerSession) { s.Integration, s.Role = "cluster", "inner" },
			rolebroker.CodeInvalid},
		"late, of the platform": {func(s *api.RunnerSession) {
			s.Late, s.Integration, s.Role, s.ARN = true, platform.ID, platform.Roles[0].ID, platform.Roles[0].ARN
		}, rolebroker.CodeDenied},
		"late, another agent": {func(s *api.RunnerSession) { s.Late, s.Agent = true, string(rolebroker.NewAgentID()) },
			rolebroker.CodeDenied},
		"late, another task": {func(s *api.RunnerSession) { s.Late, s.Task, s.SessionName = true, "x", "scout@x" },
			rolebroker.CodeDenied},
		"late, another region": {func(s *api.RunnerSession) {
			s.Late, s.Region = true, "\x1b[2J"
		}, rolebroker.CodeInvalid},
		"late, years ago": {func(s *api.RunnerSession) {
			s.Late, s.RequestedAt, s.ExpiresAt = true, time.Unix(0, 0), time.Unix(60, 0)
		}, rolebroker.CodeDenied},
	} {
		s := w.session(0)
		c.change(&s)
		w.refused(what, w.ours.BeginSession(ctx, s), c.code)
	}
	w.refused("another runner's, late", w.theirs.BeginSession(ctx,
		func() api.RunnerSession { s := w.session(0); s.Late = true; return s }()), rolebroker.CodeDenied)
	late := w.session(0)
	late.Late, late.RoleName, late.IntegrationName, late.AgentName = true, "admin", "platform", "somebody"
	for range 2 {
		if err := w.ours.BeginSession(ctx, late); err != nil {
			t.Fatal(err)
		}
	}

	outcome := api.SessionOutcome{State: "active", ExpiresAt: time.Now().Add(time.Hour),
		AccessKeyID: "ASIAIOSFODNN7EXAMPLE", RequestID: "a\x1b[2J", Failure: "no\u202e\n" +
			strings.Repeat("x", 50_000)}
	for what, change := range map[string]func(*api.SessionOutcome){
		"for years":          func(o *api.SessionOutcome) { o.ExpiresAt = time.Now().AddDate(100, 0, 0) },
		"before it began":    func(o *api.SessionOutcome) { o.ExpiresAt = time.Unix(0, 0) },
		"no access key":      func(o *api.SessionOutcome) { o.AccessKeyID = "" },
		"a strange key":      func(o *api.SessionOutcome) { o.AccessKeyID = "ASIA\x1b[2J0000000000" },
		"a strange state":    func(o *api.SessionOutcome) { o.State = "requested" },
		"a very long key ID": func(o *api.SessionOutcome) { o.AccessKeyID = strings.Repeat("A", 1000) },
	} {
		o := outcome
		change(&o)
		w.refused(what, w.ours.FinishSession(ctx, good.ID, o), rolebroker.CodeInvalid)
	}
	for range 2 {
		if err := w.ours.FinishSession(ctx, good.ID, outcome); err != nil {
			t.Error("what came of it: ", err)
		}
	}
	outcome.AccessKeyID = "ASIAIOSFODNN8EXAMPLE"
	w.refused("another outcome", w.ours.FinishSession(ctx, good.ID, outcome), rolebroker.CodeConflict)

	for range 3 {
		for _, c := range []*client.Client{w.ours, w.theirs} {
			if err := c.RecordUse(ctx, api.Usage{Fetches: []api.Fetch{{Session: good.ID, Count: 1 << 62,
				Last: time.Now().AddDate(100, 0, 0)}, {Session: good.ID, Count: -5}, {Session: good.ID, Count: 2,
				Last: time.Now().AddDate(100, 0, 0)}}}); err != nil {
				t.Error(err)
			}
		}
	}
	for s, err := range w.tb.Admin.AllSessions(ctx, api.SessionFilter{}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case s.ID == late.ID && (s.Agent != "scout" || s.Integration != "cluster" || s.Role != "inner"):
			t.Errorf("the late one is %+v", s)
		case s.ID == good.ID && (s.Fetches != 6 || s.FetchedAt.After(time.Now().Add(time.Hour)) ||
			strings.ContainsAny(s.Failure+s.RequestID, "\x1b\u202e\n") || len(s.Failure) > 5000):
			t.Errorf("on record is %.300s", strings.TrimSpace(string(must(json.Marshal(s)))))
		}
	}

	v := api.RunnerValidations{Version: w.cluster.Version,
		Validations: []api.IdentifiedOutcome{{Role: w.cluster.Roles[0].ID,
			Validation: api.Validation{Status: "assumable", Code: "a_new_one", Message: "fine\x1b[2J",
				CheckedAt: time.Now().AddDate(100, 0, 0)}}}}
	if err := w.ours.RecordValidations(ctx, w.cluster.ID, v); err != nil {
		t.Fatal(err)
	}
	in, err := w.tb.Admin.Integration(ctx, "cluster")
	if got := in.Roles[0].Validation; err != nil || got == nil || got.Code != "rejected" || got.Status != "failed" ||
		got.CheckedAt.After(time.Now().Add(time.Hour)) || strings.ContainsAny(got.Message+got.Hint, "\x1b\x07\r") {
		t.Errorf("the validation is %+v, %v", got, err)
	}
	if err := w.ours.Report(ctx, api.RunnerReport{Program: "\x1b[2J",
		IdentityError: strings.Repeat("é", 5000)}); err != nil {
		t.Error("a long report: ", err)
	}
	if r, err := w.tb.Admin.Runner(ctx, "ours"); err != nil || strings.Contains(r.Program, "\x1b") {
		t.Errorf("the report is %+v, %v", r, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
