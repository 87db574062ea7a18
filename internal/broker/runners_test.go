package broker_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/auth"
	"github.com/rolebroker/rolebroker/internal/broker"
	"github.com/rolebroker/rolebroker/internal/store/storetest"
)

var scoutAccount = rolebroker.ServiceAccount{
	Issuer: "https://oidc.example.com/id/A", Namespace: "agents", Name: "scout"}

func (w *world) runner(name string) *rolebroker.Runner {
	w.Helper()
	r, err := w.broker.CreateRunner(w.ctx, admin, broker.RunnerSpec{Name: name})
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// clustered makes an integration in cluster mode. runner may be empty.
func (w *world) clustered(name, runner string) (*rolebroker.Integration, error) {
	return w.broker.CreateIntegration(w.ctx, admin, rolebroker.Integration{
		Enabled: true, Name: name, AssumptionMode: rolebroker.ModeCluster, Runner: rolebroker.RunnerID(runner),
		DefaultRole: "readonly", Roles: []rolebroker.Role{role("readonly", "ReadOnly")},
	}, rolebroker.ValidateSkip.Saving())
}

// as returns the code and the message of an error.
func as(err error) string {
	e := rolebroker.AsError(err)
	return string(e.Code) + ": " + e.Error()
}

func TestAnIntegrationNamesItsRunner(t *testing.T) {
	w := newWorld(t)
	eks := w.runner("eks")
	for _, ref := range []string{"eks", string(eks.ID)} {
		in, err := w.clustered("by-"+ref[:3], ref)
		if err != nil || in.Runner != eks.ID || in.RunnerName != "eks" {
			t.Errorf("%+v, %v", in, err)
		}
	}
	_, err := w.clustered("nobody", "nope")
	if as(err) != `invalid: the integration is not valid: runner: there is no runner "nope"` {
		t.Errorf("%v", err)
	}
	in, err := w.clustered("moving", "eks")
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*rolebroker.Integration)) (*rolebroker.Integration, error) {
		changed := *in
		f(&changed)
		return w.broker.UpdateIntegration(w.ctx, admin, string(in.ID), changed, 0, rolebroker.ValidateSkip.Saving())
	}
	gke := rolebroker.RunnerID(w.runner("gke").Name)
	got, err := change(func(in *rolebroker.Integration) { in.Runner = gke })
	if err != nil || got.RunnerName != "gke" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = change(func(in *rolebroker.Integration) { in.Runner = "nope" })
	if rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
		t.Errorf("%v", err)
	}
	_, err = change(func(in *rolebroker.Integration) { in.AssumptionMode = rolebroker.ModePlatform })
	if as(err) != "invalid: the integration is not valid: runner: is for the assumption mode cluster only" {
		t.Errorf("%v", err)
	}
	got, err = change(func(in *rolebroker.Integration) { in.AssumptionMode, in.Runner = rolebroker.ModePlatform, "" })
	if err != nil || got.Runner != "" || got.RunnerName != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := w.broker.DeleteRunner(w.ctx, admin, "gke", 0); err != nil {
		t.Errorf("%v", err)
	}
	if err := w.broker.DeleteRunner(w.ctx, admin, "eks", 0); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
		t.Errorf("%v", err)
	}
}

func TestRolesInAClusterAreRefusedHere(t *testing.T) {
	w := newWorld(t)
	w.runner("eks")
	for name, runner := range map[string]string{"led": "eks", "lost": ""} {
		if _, err := w.clustered(name, runner); err != nil {
			t.Fatal(err)
		}
		if _, err := w.broker.Connect(w.ctx, admin, "scout", name, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	for reference, want := range map[string][2]string{
		"led/readonly": {"denied: the roles of integration led are assumed by runner eks in your cluster, not by " +
			"this server",
			"the agent has to ask that runner: set ROLEBROKER_URL to its address in the cluster"},
		"lost/readonly": {
			"denied: the roles of integration lost are assumed in your cluster, and no runner is named that does",
			"an administrator has to name one: rolebroker integration update lost --runner RUNNER"},
	} {
		_, err := w.lend(reference)
		if as(err) != want[0] || rolebroker.AsError(err).Hint.String() != want[1] {
			t.Errorf("%s (%s)", as(err), rolebroker.AsError(err).Hint)
		}
	}
	// A refusal has the runner's current name.
	if _, err := w.broker.UpdateRunner(w.ctx, admin, "eks", broker.RunnerSpec{Name: "gke"}, 0); err != nil {
		t.Fatal(err)
	}
	if said := w.refuses("led/readonly", rolebroker.CodeDenied); !strings.Contains(said, "runner gke") {
		t.Error(said)
	}
}

func TestAJoinTokenIsGoodForAWhile(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newWorld(t, func(o *broker.Options) { o.Now = func() time.Time { return now } })
	r := w.runner("eks")
	authenticator := &auth.Authenticator{Records: w.broker, Now: func() time.Time { return now }}
	for lifetime, want := range map[time.Duration]time.Duration{
		0: time.Hour, time.Minute: time.Minute, 24 * time.Hour: 24 * time.Hour,
	} {
		key, secret, err := w.broker.JoinToken(w.ctx, admin, "eks", lifetime)
		if err != nil || !key.ExpiresAt.Equal(now.Add(want)) || !strings.HasPrefix(secret.Reveal(), "rbj_") {
			t.Errorf("%+v, %v", key, err)
			continue
		}
		if known, err := authenticator.JoinToken(w.ctx, secret.Reveal(), ""); err != nil ||
			known.RunnerKey != key.ID || known.Joining != r.ID {
			t.Errorf("%+v, %v", known, err)
		}
	}
	for _, lifetime := range []time.Duration{-1, -time.Hour, 24*time.Hour + 1} {
		_, _, err := w.broker.JoinToken(w.ctx, admin, "eks", lifetime)
		if rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
			t.Errorf("%s: %v", lifetime, err)
		}
	}
	if _, _, err := w.broker.JoinToken(w.ctx, admin, "nope", 0); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("%v", err)
	}

	// A newer join token replaces it, and expires.
	_, first, _ := w.broker.JoinToken(w.ctx, admin, "eks", 0)
	_, second, _ := w.broker.JoinToken(w.ctx, admin, "eks", 0)
	_, err := authenticator.JoinToken(w.ctx, first.Reveal(), "")
	if rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("%v", err)
	}
	now = now.Add(time.Hour)
	_, err = authenticator.JoinToken(w.ctx, second.Reveal(), "")
	if rolebroker.CodeOf(err) != rolebroker.CodeExpired {
		t.Errorf("%v", err)
	}
}

// credential makes a new credential for a runner.
func (w *world) credential(r *rolebroker.Runner) string {
	w.Helper()
	key := rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: r.ID,
		CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	secret, hash := auth.NewRunnerCredential(key.ID)
	key.Hash = hash
	if err := w.store.CreateRunnerKey(w.ctx, &key, storetest.Event()); err != nil {
		w.Fatal(err)
	}
	return secret.Reveal()
}

// When two processes have the same credential, the next renewal ends one of them.
func TestACopiedCredentialIsDetected(t *testing.T) {
	w := newWorld(t)
	r := w.runner("eks")
	authenticator := &auth.Authenticator{Records: w.broker, Now: time.Now}
	opens := func(credential string, want rolebroker.Code) {
		t.Helper()
		who, err := authenticator.Runner(w.ctx, credential, "")
		if rolebroker.CodeOf(err) != want || err == nil && who.Runner != r.ID {
			t.Errorf("%+v, %v; want %q", who, err, want)
		}
	}
	shared := w.credential(r)
	opens(shared, "")
	lost := w.credential(r)
	opens(shared, "") // the answer with the new credential was lost
	next := w.credential(r)
	opens(shared, "")
	opens(next, "")
	opens(shared, rolebroker.CodeUnauthenticated)
	opens(lost, rolebroker.CodeUnauthenticated)
	opens(next, "")
	if err := w.broker.DeleteRunner(w.ctx, admin, "eks", 0); err != nil {
		t.Fatal(err)
	}
	opens(next, rolebroker.CodeUnauthenticated)
}

func TestARunnersCredentialDoesNotBorrow(t *testing.T) {
	w := newWorld(t)
	runner := rolebroker.Caller{Runner: w.runner("eks").ID, RunnerKey: "rky_x"}
	if _, err := w.lender.Lend(w.ctx, runner, rolebroker.Request{}); rolebroker.CodeOf(err) != rolebroker.CodeDenied {
		t.Errorf("%v", err)
	}
}

func TestAServiceAccountIsOneAgent(t *testing.T) {
	w := newWorld(t)
	w.agent("builder", "staging")
	binding, err := w.broker.Bind(w.ctx, admin, "scout", scoutAccount, nil)
	if err != nil || binding.Account != scoutAccount || !rolebroker.IsID(string(binding.ID)) {
		t.Fatalf("%+v, %v", binding, err)
	}
	for _, agent := range []string{"scout", "builder"} {
		_, err := w.broker.Bind(w.ctx, admin, agent, scoutAccount, nil)
		if as(err) != "conflict: the service account system:serviceaccount:agents:scout is agent scout already" ||
			rolebroker.AsError(err).Hint.String() != "unbind it first: rolebroker agent unbind scout "+
				string(binding.ID) {
			t.Errorf("%s (%s)", as(err), rolebroker.AsError(err).Hint)
		}
	}
	wrong := rolebroker.ServiceAccount{Issuer: "http://x", Namespace: "A"}
	_, err = w.broker.Bind(w.ctx, admin, "scout", wrong, nil)
	if e := rolebroker.AsError(err); e.Code != rolebroker.CodeInvalid || len(e.Fields) != 3 {
		t.Errorf("%v", err)
	}
	if _, err := w.broker.Bind(w.ctx, admin, "nobody",
		scoutAccount, nil); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("%v", err)
	}

	// A process that runs as it borrows as the agent until it is unbound. The binding is not a token that anybody can
	// use, list or revoke.
	bound := rolebroker.Caller{Agent: w.scout.Agent, Token: binding.ID}
	if _, err := w.lender.Lend(w.ctx, bound, rolebroker.Request{}); err != nil {
		t.Errorf("%v", err)
	}
	_, err = w.broker.AgentToken(w.ctx, admin, "scout", binding.ID)
	if rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("%v", err)
	}
	if err := w.broker.RevokeToken(w.ctx, admin, "scout",
		binding.ID); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("%v", err)
	}
	shown := "rbt_" + strings.TrimPrefix(string(binding.ID), "bnd_") + "_" + strings.Repeat("a", 52)
	authenticator := &auth.Authenticator{Records: w.broker, Now: time.Now}
	if _, err := authenticator.Agent(w.ctx, shown,
		"192.0.2.7:1"); rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated {
		t.Errorf("%v", err)
	}
	if err := w.broker.Unbind(w.ctx, admin, "builder", binding.ID); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("%v", err)
	}
	if err := w.broker.Unbind(w.ctx, admin, "scout", w.scout.Token); rolebroker.CodeOf(err) != rolebroker.CodeNotFound {
		t.Errorf("a token is not unbound: %v", err)
	}
	if err := w.broker.Unbind(w.ctx, admin, "scout", binding.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.lender.Lend(w.ctx, bound, rolebroker.Request{}); rolebroker.CodeOf(err) != rolebroker.CodeExpired {
		t.Errorf("%v", err)
	}
}

func TestChangesOfRunnersAreAudited(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *broker.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.runner("eks")
	_, err := w.broker.UpdateRunner(w.ctx, admin, "eks", broker.RunnerSpec{Name: "gke"}, 0)
	key, secret, joinErr := w.broker.JoinToken(w.ctx, admin, "gke", 0)
	binding, bindErr := w.broker.Bind(w.ctx, admin, "scout", scoutAccount, nil)
	if err := errors.Join(err, joinErr, bindErr); err != nil {
		t.Fatal(err)
	}
	unbindErr := w.broker.Unbind(w.ctx, admin, "scout", binding.ID)
	if err := errors.Join(unbindErr, w.broker.DeleteRunner(w.ctx, admin, "gke", 0)); err != nil {
		t.Fatal(err)
	}
	const by = " outcome=done by=test by_id=key_test "
	for _, want := range []string{
		"action=runner.create" + by + "runner=eks", "action=runner.update" + by + "runner=gke",
		"before.name=eks after.name=gke", "action=runner.create-join-token" + by + "runner=gke",
		"runner_key_id=" + string(key.ID), "action=binding.create" + by + "agent=scout",
		"binding_id=" + string(binding.ID), "after.service_account=system:serviceaccount:agents:scout",
		"action=binding.delete" + by, "action=runner.delete" + by + "runner=gke",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), secret.Reveal()) {
		t.Error("the log has the join token")
	}
}

// An invented name of an agent would be remembered with the allowance that it uses.
func TestARunnerNamesAgentsByTheirIDs(t *testing.T) {
	w := newWorld(t)
	runner := rolebroker.Caller{Runner: w.runner("eks").ID, Name: "eks"}
	session := rolebroker.Session{ID: rolebroker.NewSessionID(), RequestedAt: time.Now()}
	for _, agent := range []string{"", "scout", "agt_" + strings.Repeat("a", 60_000), string(rolebroker.NewRoleID())} {
		session.Agent = rolebroker.AgentID(agent)
		for _, late := range []bool{false, true} {
			err := w.broker.BeginRunnerSession(w.ctx, runner, session, late)
			if rolebroker.CodeOf(err) != rolebroker.CodeInvalid {
				t.Errorf("with the agent %.20q, late %t: %v", agent, late, err)
			}
		}
	}
}

// A whole namespace, or the service accounts with a label, are one agent. A binding by name takes a service account
// from it, and the binding says whether a runner is believed about it at all.
func TestANamespaceIsOneAgent(t *testing.T) {
	w := newWorld(t)
	w.agent("builder", "staging")
	whole := scoutAccount
	whole.Name = rolebroker.AnyAccount
	all, err := w.broker.Bind(w.ctx, admin, "scout", whole, nil)
	if err != nil || all.Runner != "" {
		t.Fatalf("%+v, %v", all, err)
	}
	labelled, err := w.broker.Bind(w.ctx, admin, "builder", whole, rolebroker.Labels{"team": "ml"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.broker.Bind(w.ctx, admin, "scout", whole, rolebroker.Labels{"team": "ml"})
	if as(err) != "conflict: every service account of the namespace agents with the labels team=ml is agent builder "+
		"already" {
		t.Error(as(err))
	}
	eks := w.runner("eks")
	if _, err := w.broker.UpdateRunner(w.ctx, admin, "eks", broker.RunnerSpec{Name: "eks", Issuer: scoutAccount.Issuer},
		0); err != nil {
		t.Fatal(err)
	}
	runner := rolebroker.Caller{Runner: eks.ID, Name: "eks"}
	is := func(account rolebroker.ServiceAccount, labels rolebroker.Labels, want *rolebroker.Token) {
		t.Helper()
		if got, err := w.broker.AgentOfAccount(w.ctx, runner, account, labels); err != nil || got.ID != want.ID {
			t.Errorf("%s with %s is %+v, %v", account, labels, got, err)
		}
	}
	is(scoutAccount, rolebroker.Labels{}, all)
	if got, err := w.broker.AgentOfAccount(w.ctx, runner, scoutAccount, nil); rolebroker.CodeOf(err) !=
		rolebroker.CodeNotBound || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("with labels that cannot be read it is %+v, %v", got, err)
	}
	is(scoutAccount, rolebroker.Labels{"team": "ml", "app": "x"}, labelled)
	exact, err := w.broker.Bind(w.ctx, admin, "builder", scoutAccount, nil)
	if err != nil || exact.Runner != "eks" {
		t.Fatalf("%+v, %v", exact, err)
	}
	is(scoutAccount, rolebroker.Labels{"team": "ml"}, exact)
}
