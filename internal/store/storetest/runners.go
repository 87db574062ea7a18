package storetest

import (
	"fmt"
	"strconv"
	"time"

	"github.com/rolebroker/rolebroker"
)

func runner(name string) *rolebroker.Runner {
	return &rolebroker.Runner{ID: rolebroker.NewRunnerID(), Name: name,
		Description: "The " + name + " cluster, ½ of it", Version: 1, CreatedAt: t0, UpdatedAt: t1}
}

func runnerName(r *rolebroker.Runner) string { return r.Name }

func (s *suite) createRunner(name string) *rolebroker.Runner {
	s.Helper()
	r := runner(name)
	s.must(s.store.CreateRunner(s.ctx, r, Event()))
	return r
}

func (s *suite) hasRunner(want *rolebroker.Runner) {
	s.Helper()
	got, err := s.store.Runner(s.ctx, string(want.ID))
	s.must(err)
	s.equal(got, want)
}

// runBy is an integration in cluster mode that names the runner, stored.
func (s *suite) runBy(r *rolebroker.Runner, name string) *rolebroker.Integration {
	s.Helper()
	in := s.integration(name, "readonly", "deployer")
	in.AssumptionMode, in.Runner, in.RunnerName = rolebroker.ModeCluster, r.ID, r.Name
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	return in
}

func testRunner(s *suite) {
	r := runner("eks")
	r.JoinedAt, r.SeenAt, r.Issuer = t1, t2, "https://oidc.example.com/id/B"
	r.Report = rolebroker.RunnerReport{Program: "1.0.0", Method: rolebroker.MethodAssumeRole,
		Issuer: "https://oidc.example.com/id/A", Pending: 3, IdentityError: "none",
		Identity: rolebroker.Identity{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/r/s",
			UserID: "AROA:s"}}
	s.must(s.store.CreateRunner(s.ctx, r, Event()))
	for _, ref := range []string{r.Name, string(r.ID)} {
		got, err := s.store.Runner(s.ctx, ref)
		s.must(err)
		s.equal(got, r)
	}
	s.hasRunner(s.createRunner("onprem"))
	for _, ref := range []string{"", "EKS", "nope"} {
		_, err := s.store.Runner(s.ctx, ref)
		s.code(err, rolebroker.CodeNotFound, `there is no runner "`+ref+`"`)
	}
	s.code(s.store.CreateRunner(s.ctx, runner("eks"), Event()), rolebroker.CodeConflict,
		`a runner named "eks" exists already`)
	same := runner("same")
	same.ID = r.ID
	s.code(s.store.CreateRunner(s.ctx, same, Event()), rolebroker.CodeConflict,
		"a runner with the ID "+string(r.ID)+" exists already")

	// An issuer belongs to at most one runner; any number of runners have none.
	rival := runner("rival")
	rival.Issuer = r.Issuer
	const taken = `runner "eks" has the issuer https://oidc.example.com/id/B already`
	s.code(s.store.CreateRunner(s.ctx, rival, Event()), rolebroker.CodeConflict, taken)
	rival.Issuer = ""
	s.must(s.store.CreateRunner(s.ctx, rival, Event()))
	rival.Issuer, rival.Version = r.Issuer, 2
	s.code(s.store.UpdateRunner(s.ctx, rival, 1, Event()), rolebroker.CodeConflict, taken)
	rival.Issuer, rival.Name = "https://oidc.example.com/id/C", "eks"
	s.code(s.store.UpdateRunner(s.ctx, rival, 1, Event()), rolebroker.CodeConflict,
		`a runner named "eks" exists already`)
	rival.Name = "rival"
	s.must(s.store.UpdateRunner(s.ctx, rival, 1, Event()))
	s.hasRunner(rival)
}

func testUpdateRunner(s *suite) {
	r := s.createRunner("eks")
	s.createRunner("other")
	s.must(s.store.SeeRunner(s.ctx, r.ID, t2))
	changed := *r
	changed.Name, changed.Description, changed.Version, changed.UpdatedAt, changed.CreatedAt = "gke", "", 2, t2, t2
	changed.Issuer = "https://oidc.example.com/id/A"
	s.must(s.store.UpdateRunner(s.ctx, &changed, 1, Event()))
	changed.CreatedAt, changed.SeenAt = r.CreatedAt, t2 // stay
	s.hasRunner(&changed)

	const stale = `runner "gke" was changed by someone else (it is at version 2)`
	s.code(s.store.UpdateRunner(s.ctx, r, 1, Event()), rolebroker.CodeStale, stale)
	s.code(s.store.DeleteRunner(s.ctx, r.ID, 1, Event()), rolebroker.CodeStale, stale)
	taken := changed
	taken.Name = "other"
	s.code(s.store.UpdateRunner(s.ctx, &taken, 2, Event()), rolebroker.CodeConflict,
		`a runner named "other" exists already`)
	unknown := changed
	unknown.ID = rolebroker.NewRunnerID()
	s.code(s.store.UpdateRunner(s.ctx, &unknown, 2, Event()), rolebroker.CodeNotFound,
		`there is no runner "`+string(unknown.ID)+`"`)
	s.hasRunner(&changed)
}

func testListRunners(s *suite) {
	for i := range 11 {
		s.createRunner(numbered("runner", 11)[(i*5)%11])
	}
	for _, limit := range []int{1, 4, 11, 100} {
		got := pages(s, limit, func(p rolebroker.Page) ([]rolebroker.Runner, error) {
			return s.store.Runners(s.ctx, p)
		}, runnerName)
		s.equal(names(got, runnerName), numbered("runner", 11))
	}
	found, err := s.store.Runners(s.ctx, rolebroker.Page{Limit: 10, Search: "R01"})
	s.must(err)
	s.equal(names(found, runnerName), []string{"runner010"})
	none, err := s.store.Runners(s.ctx, rolebroker.Page{Limit: -1})
	s.must(err)
	s.equal(len(none), 0)
}

func testRunnerOfIntegrations(s *suite) {
	r, other := s.createRunner("eks"), s.createRunner("other")
	second, first := s.runBy(r, "b"), s.runBy(r, "a")
	s.runBy(other, "c")
	s.createIntegration("platform", "readonly")
	for _, in := range []*rolebroker.Integration{first, second} {
		s.hasIntegration(in)
	}
	of := func(id rolebroker.RunnerID, want ...rolebroker.Integration) {
		s.Helper()
		got, err := s.store.IntegrationsOf(s.ctx, id)
		s.must(err)
		s.equal(got, want)
	}
	of(r.ID, *first, *second)
	of("")
	of("\xff")
	of(rolebroker.NewRunnerID())

	// Grants have it, with its current name.
	a := s.createAgent("scout", first)
	r.Name, r.Version = "gke", 2
	s.must(s.store.UpdateRunner(s.ctx, r, 1, Event()))
	first.RunnerName, second.RunnerName = "gke", "gke"
	g, err := s.store.Grants(s.ctx, a.ID)
	s.must(err)
	s.equal(g, grantsOf(a, first))

	s.code(s.store.DeleteRunner(s.ctx, r.ID, 0, Event()), rolebroker.CodeConflict,
		"the runner gke assumes the roles of integration a and of 1 more")
	first.Runner, first.RunnerName, first.Version = other.ID, other.Name, 2
	s.must(s.store.UpdateIntegration(s.ctx, first, 1, Event()))
	s.hasIntegration(first)
	of(r.ID, *second)
	s.code(s.store.DeleteRunner(s.ctx, r.ID, 0, Event()), rolebroker.CodeConflict,
		"the runner gke assumes the roles of integration b")
	second.Runner, second.RunnerName, second.Version = "", "", 2
	s.must(s.store.UpdateIntegration(s.ctx, second, 1, Event()))
	s.hasIntegration(second)
	s.code(s.store.DeleteRunner(s.ctx, r.ID, 9, Event()), rolebroker.CodeStale, "")
	s.must(s.store.DeleteRunner(s.ctx, r.ID, 2, Event()))
	s.code(s.store.DeleteRunner(s.ctx, r.ID, 0, Event()), rolebroker.CodeNotFound, `there is no runner "`+
		string(r.ID)+`"`)

	gone := `there is no runner "` + string(r.ID) + `"`
	second.Runner, second.Version = r.ID, 3
	s.code(s.store.UpdateIntegration(s.ctx, second, 2, Event()), rolebroker.CodeNotFound, gone)
	late := s.integration("late", "readonly")
	late.Runner = r.ID
	s.code(s.store.CreateIntegration(s.ctx, late, Event()), rolebroker.CodeNotFound, gone)
	late.Runner = ""
	s.must(s.store.CreateIntegration(s.ctx, late, Event()))
}

// testDeletedRunner deletes runners while integrations come to name them:
// no integration is left with a runner that is not there.
func testDeletedRunner(s *suite) {
	for _, name := range numbered("round", 6) {
		r := s.createRunner(name)
		in := s.integration(name, "readonly")
		in.AssumptionMode, in.Runner, in.RunnerName = rolebroker.ModeCluster, r.ID, r.Name
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				return s.store.DeleteRunner(s.ctx, r.ID, 0, Event())
			}
			return s.store.CreateIntegration(s.ctx, in, Event())
		})
		if errs[0] == nil {
			s.code(errs[1], rolebroker.CodeNotFound, "")
			continue
		}
		s.code(errs[0], rolebroker.CodeConflict, "")
		s.must(errs[1])
		s.hasIntegration(in)
	}
}

// testRunnersChange has everything asked for anew when something about a runner
// changed: its name, whom it is believed about, that it is there.
func testRunnersChange(s *suite) {
	told := 0
	s.store.Subscribe(func(c rolebroker.Change) {
		if c == (rolebroker.Change{}) {
			told++
		}
	})
	tells := func(err error) {
		s.Helper()
		s.must(err)
		if told == 0 {
			s.Error("nothing is told")
		}
		told = 0
	}
	r := s.createRunner("eks")
	r.Version = 2
	tells(s.store.UpdateRunner(s.ctx, r, 1, Event()))
	tells(s.store.DeleteRunner(s.ctx, r.ID, 0, Event()))
}

func testRunnerReport(s *suite) {
	r := s.createRunner("eks")
	r.Report = rolebroker.RunnerReport{Program: "1.0.0", Method: rolebroker.MethodWebIdentity,
		Issuer: "https://oidc.example.com/id/A"}
	r.SeenAt = t1
	s.must(s.store.RecordRunnerReport(s.ctx, r.ID, r.Report, t1))
	s.hasRunner(r)
	s.must(s.store.SeeRunner(s.ctx, r.ID, t0)) // never backward
	s.hasRunner(r)
	r.SeenAt = t2
	s.must(s.store.SeeRunner(s.ctx, r.ID, t2))
	s.hasRunner(r)

	s.must(s.store.SeeReplica(s.ctx, r.ID, "", t2.Add(-time.Minute))) // too long ago
	s.must(s.store.SeeReplica(s.ctx, r.ID, "a", t2.Add(-59*time.Second)))
	s.must(s.store.SeeReplica(s.ctx, r.ID, "b", t2))
	s.must(s.store.SeeReplica(s.ctx, r.ID, "b", t2))
	s.must(s.store.SeeReplica(s.ctx, s.createRunner("other").ID, "c", t2))
	s.must(s.store.SeeReplica(s.ctx, "run_gone", "d", t2))
	r.Replicas = 2
	s.hasRunner(r)
	s.must(s.store.SeeReplica(s.ctx, r.ID, "c", t2.Add(time.Second)))
	r.Replicas = 2 // the oldest was forgotten, one is new
	s.hasRunner(r)
	for i := range 2100 {
		s.must(s.store.SeeReplica(s.ctx, r.ID, strconv.Itoa(i), t2))
	}
	r.Replicas = 2000 // the most that are counted
	s.hasRunner(r)

	// A report is stored with replacement characters rather than lost.
	s.must(s.store.RecordRunnerReport(s.ctx, r.ID, rolebroker.RunnerReport{Program: "a\x00b", IdentityError: "caf\xe9",
		Pending: 7}, t0))
	r.Report = rolebroker.RunnerReport{Program: "a\uFFFDb", IdentityError: "caf\uFFFD", Pending: 7}
	s.hasRunner(r)
	for _, id := range []rolebroker.RunnerID{"", "eks", "run_gone", "\xff"} {
		s.code(s.store.SeeRunner(s.ctx, id, t2), rolebroker.CodeNotFound, "")
		s.code(s.store.RecordRunnerReport(s.ctx, id, r.Report, t2), rolebroker.CodeNotFound, "")
	}
}

func runnerKey(r *rolebroker.Runner, join bool) *rolebroker.RunnerKey {
	return &rolebroker.RunnerKey{ID: rolebroker.NewRunnerKeyID(), Runner: r.ID, RunnerName: r.Name, Join: join,
		Hash: []byte{0, 1, 0xff}, CreatedAt: t0, ExpiresAt: t2}
}

func (s *suite) createRunnerKey(r *rolebroker.Runner, join bool) *rolebroker.RunnerKey {
	s.Helper()
	k := runnerKey(r, join)
	s.must(s.store.CreateRunnerKey(s.ctx, k, Event()))
	return k
}

func (s *suite) hasRunnerKey(want *rolebroker.RunnerKey) {
	s.Helper()
	got, err := s.store.RunnerKey(s.ctx, want.ID)
	s.must(err)
	s.equal(got, want)
}

func (s *suite) noRunnerKey(all ...*rolebroker.RunnerKey) {
	s.Helper()
	for _, k := range all {
		_, err := s.store.RunnerKey(s.ctx, k.ID)
		s.code(err, rolebroker.CodeNotFound, `there is no runner key "`+string(k.ID)+`"`)
	}
}

func testRunnerKeys(s *suite) {
	r, other := s.createRunner("eks"), s.createRunner("other")
	join, credential, others := s.createRunnerKey(r, true), s.createRunnerKey(r, false), s.createRunnerKey(other, true)
	s.hasRunnerKey(join)
	s.hasRunnerKey(credential)
	again := runnerKey(r, false)
	again.ID = others.ID
	s.code(s.store.CreateRunnerKey(s.ctx, again, Event()), rolebroker.CodeConflict,
		"a runner key with the ID "+string(others.ID)+" exists already")
	s.hasRunnerKey(credential)

	// A new one replaces the unused one of its kind and runner, and no other.
	newer := s.createRunnerKey(r, true)
	s.noRunnerKey(join)
	s.hasRunnerKey(newer)
	s.hasRunnerKey(credential)
	s.hasRunnerKey(others)

	for _, id := range []rolebroker.RunnerID{"run_gone", "", "\xff"} {
		s.code(s.store.CreateRunnerKey(s.ctx, runnerKey(&rolebroker.Runner{ID: id}, true), Event()),
			rolebroker.CodeNotFound, "")
	}
	s.must(s.store.DeleteRunner(s.ctx, r.ID, 0, Event()))
	s.noRunnerKey(newer, credential)
	s.hasRunnerKey(others)
}

func testJoin(s *suite) {
	r, other := s.createRunner("eks"), s.createRunner("other")
	join, others := s.createRunnerKey(r, true), s.createRunnerKey(other, true)
	credential := runnerKey(r, false)
	s.code(s.store.Join(s.ctx, others.ID, credential, t1, Event()), rolebroker.CodeNotFound, "") // another runner's
	s.code(s.store.Join(s.ctx, "rky_none", credential, t1, Event()), rolebroker.CodeNotFound, "")
	s.code(s.store.Join(s.ctx, "\xff", credential, t1, Event()), rolebroker.CodeNotFound, "")
	s.code(s.store.Join(s.ctx, join.ID, runnerKey(&rolebroker.Runner{ID: "run_gone"}, false), t1, Event()),
		rolebroker.CodeNotFound, "")
	s.noRunnerKey(credential)
	s.must(s.store.Join(s.ctx, join.ID, credential, t1, Event()))
	s.noRunnerKey(join)
	s.hasRunnerKey(credential)
	s.hasRunnerKey(others)
	r.JoinedAt = t1
	s.hasRunner(r)
	s.code(s.store.Join(s.ctx, join.ID, runnerKey(r, false), t2, Event()), rolebroker.CodeNotFound,
		`there is no runner key "`+string(join.ID)+`"`)
	// a credential is no join token
	s.code(s.store.Join(s.ctx, credential.ID, runnerKey(r, false), t2, Event()), rolebroker.CodeNotFound, "")

	// Joining again deletes all credentials, used or not, and keeps JoinedAt.
	s.must(s.store.UseRunnerKey(s.ctx, credential.ID, t1))
	unused := s.createRunnerKey(r, false)
	second := runnerKey(r, false)
	s.must(s.store.Join(s.ctx, s.createRunnerKey(r, true).ID, second, t2, Event()))
	s.noRunnerKey(credential, unused)
	s.hasRunnerKey(second)
	s.hasRunner(r)
	s.hasRunner(other)
}

func testJoinsAtOnce(s *suite) {
	r := s.createRunner("eks")
	join := s.createRunnerKey(r, true)
	credentials := make([]*rolebroker.RunnerKey, 8)
	won := 0
	for i, err := range atOnce(len(credentials), func(i int) error {
		credentials[i] = runnerKey(r, false)
		return s.store.Join(s.ctx, join.ID, credentials[i], t1.Add(time.Duration(i)*time.Second), Event())
	}) {
		if err != nil {
			s.code(err, rolebroker.CodeNotFound, "")
			s.noRunnerKey(credentials[i])
			continue
		}
		won++
		s.hasRunnerKey(credentials[i])
	}
	s.equal(won, 1)
}

func testUseRunnerKey(s *suite) {
	r, other := s.createRunner("eks"), s.createRunner("other")
	first, others := s.createRunnerKey(r, false), s.createRunnerKey(other, false)
	s.must(s.store.UseRunnerKey(s.ctx, first.ID, t1))
	first.UsedAt = t1
	s.hasRunnerKey(first)
	s.must(s.store.UseRunnerKey(s.ctx, first.ID, t2)) // the first time counts
	s.hasRunnerKey(first)

	// A credential is valid until its successor is used. An unused one is not: its response was lost.
	lost := s.createRunnerKey(r, false)
	second := s.createRunnerKey(r, false)
	join := s.createRunnerKey(r, true)
	s.noRunnerKey(lost)
	s.hasRunnerKey(first)
	s.must(s.store.UseRunnerKey(s.ctx, first.ID, t2))
	s.hasRunnerKey(second)
	s.must(s.store.UseRunnerKey(s.ctx, second.ID, t2))
	s.noRunnerKey(first)
	second.UsedAt = t2
	s.hasRunnerKey(second)
	s.hasRunnerKey(join)
	s.hasRunnerKey(others)

	s.code(s.store.UseRunnerKey(s.ctx, first.ID, t2), rolebroker.CodeNotFound,
		`there is no runner key "`+string(first.ID)+`"`)
	s.code(s.store.UseRunnerKey(s.ctx, join.ID, t2), rolebroker.CodeNotFound, "")
	s.code(s.store.UseRunnerKey(s.ctx, "\xff", t2), rolebroker.CodeNotFound, "")
	s.hasRunnerKey(join)
}

// testCredentialsAtOnce has two who hold one credential change it and go on with
// what they got: one of them is found out.
func testCredentialsAtOnce(s *suite) {
	for round := range 6 {
		r := s.createRunner(fmt.Sprint("runner", round))
		shared := s.createRunnerKey(r, false)
		s.must(s.store.UseRunnerKey(s.ctx, shared.ID, t1))
		newer := []*rolebroker.RunnerKey{runnerKey(r, false), runnerKey(r, false)}
		good := 0
		for _, err := range atOnce(2, func(i int) error {
			if err := s.store.CreateRunnerKey(s.ctx, newer[i], Event()); err != nil {
				return err
			}
			return s.store.UseRunnerKey(s.ctx, newer[i].ID, t2)
		}) {
			if err != nil {
				s.code(err, rolebroker.CodeNotFound, "")
			}
		}
		for _, k := range newer {
			if _, err := s.store.RunnerKey(s.ctx, k.ID); err == nil {
				good++
			}
		}
		s.noRunnerKey(shared)
		s.equal(good, 1)
	}
}

func account(name string) rolebroker.ServiceAccount {
	return rolebroker.ServiceAccount{Issuer: "https://oidc.example.com/id/A", Namespace: "agents", Name: name}
}

func (s *suite) createBinding(a *rolebroker.Agent, of rolebroker.ServiceAccount) *rolebroker.Token {
	s.Helper()
	b := &rolebroker.Token{ID: rolebroker.NewBindingID(), Agent: a.ID, Account: of, CreatedAt: t0}
	s.must(s.store.CreateBinding(s.ctx, b, Event()))
	return b
}

func testBinding(s *suite) {
	a, other := s.createAgent("scout"), s.createAgent("other")
	b := s.createBinding(a, account("scout"))
	token := s.createToken(a)
	s.hasToken(b)
	got, err := s.store.BindingsOf(s.ctx, b.Account)
	s.must(err)
	s.equal(got, []rolebroker.Token{*b})

	taken := &rolebroker.Token{ID: rolebroker.NewBindingID(), Agent: other.ID, Account: b.Account, CreatedAt: t0}
	s.code(s.store.CreateBinding(s.ctx, taken, Event()), rolebroker.CodeConflict,
		"the service account system:serviceaccount:agents:scout of https://oidc.example.com/id/A "+
			"is bound to an agent already")
	taken.Agent, taken.Account.Name = "agt_gone", "gone"
	s.code(s.store.CreateBinding(s.ctx, taken, Event()), rolebroker.CodeNotFound, `there is no agent "agt_gone"`)
	taken.Agent, taken.ID = other.ID, b.ID
	s.code(s.store.CreateBinding(s.ctx, taken, Event()), rolebroker.CodeConflict,
		"a binding with the ID "+string(b.ID)+" exists already")

	// Service accounts that differ in any field are different ones.
	for _, of := range []rolebroker.ServiceAccount{
		{}, account("Scout"), account("scout "), {Issuer: b.Account.Issuer, Namespace: "other", Name: "scout"},
		{Issuer: b.Account.Issuer + "/", Namespace: "agents", Name: "scout"}, {Namespace: "agents", Name: "scout"},
		{Issuer: b.Account.Issuer, Namespace: "agents", Name: "a\x00"},
	} {
		found, err := s.store.BindingsOf(s.ctx, of)
		s.must(err)
		s.equal(len(found), 0)
	}
	s.createBinding(other, rolebroker.ServiceAccount{Issuer: "https://oidc.example.com/id/B", Namespace: "agents",
		Name: "scout"})

	// A binding is no token, and a token no binding.
	s.code(s.store.RevokeToken(s.ctx, a.ID, b.ID, t1, Event()), rolebroker.CodeNotFound, "")
	s.code(s.store.DeleteBinding(s.ctx, a.ID, token.ID, Event()), rolebroker.CodeNotFound,
		`there is no binding "`+string(token.ID)+`"`)
	s.code(s.store.DeleteBinding(s.ctx, other.ID, b.ID, Event()), rolebroker.CodeNotFound, "")
	s.code(s.store.DeleteBinding(s.ctx, a.ID, "\xff", Event()), rolebroker.CodeNotFound, "")
	s.must(s.store.RecordTokenUse(s.ctx, map[rolebroker.TokenID]time.Time{b.ID: t1}))
	b.UsedAt = t1
	s.hasToken(b)
	tokens, err := s.store.Tokens(s.ctx, a.ID, rolebroker.Page{Limit: 10})
	s.must(err)
	s.equal(tokens, []rolebroker.Token{*token})

	s.must(s.store.DeleteBinding(s.ctx, a.ID, b.ID, Event()))
	s.code(s.store.DeleteBinding(s.ctx, a.ID, b.ID, Event()), rolebroker.CodeNotFound, "")
	moved := s.createBinding(other, b.Account)
	s.must(s.store.DeleteAgent(s.ctx, other.ID, 0, Event()))
	got, err = s.store.BindingsOf(s.ctx, moved.Account)
	s.must(err)
	s.equal(len(got), 0)
	s.hasToken(token)
}

func testBindingsByPage(s *suite) {
	a, other := s.createAgent("scout"), s.createAgent("other")
	for _, name := range numbered("account", 7) {
		s.createBinding(a, account(name))
		s.createBinding(other, account("other-"+name))
		s.createToken(a)
	}
	got := pages(s, 2, func(p rolebroker.Page) ([]rolebroker.Token, error) { return s.store.Bindings(s.ctx, a.ID, p) },
		func(t *rolebroker.Token) string { return string(t.ID) })
	s.equal(len(got), 7)
	for i := range got {
		if got[i].Agent != a.ID || got[i].Account.Issuer == "" || i > 0 && got[i].ID <= got[i-1].ID {
			s.Fatalf("not a list of the agent's by ID: %v", got)
		}
	}
}

func testBindingsOfIssuer(s *suite) {
	a, other := s.createAgent("scout"), s.createAgent("other")
	for _, name := range numbered("account", 5) {
		s.createBinding(a, account(name))
		s.createBinding(other, account("other-"+name))
		s.createBinding(a, rolebroker.ServiceAccount{Issuer: "https://oidc.example.com/id/B", Namespace: "agents",
			Name: name})
	}
	s.createToken(a)
	list := func(issuer string) []rolebroker.Token {
		return pages(s, 3, func(p rolebroker.Page) ([]rolebroker.Token, error) {
			return s.store.BindingsOfIssuer(s.ctx, issuer, p)
		}, func(t *rolebroker.Token) string { return string(t.ID) })
	}
	got := list(account("x").Issuer)
	s.equal(len(got), 10)
	for i := range got {
		if got[i].Account.Issuer != account("x").Issuer || i > 0 && got[i].ID <= got[i-1].ID {
			s.Fatalf("not a list of the issuer's by ID: %v", got)
		}
	}
	s.equal(len(list("")), 0)
}

func testOneOfManyBindingsWins(s *suite) {
	a, b := s.createAgent("scout"), s.createAgent("other")
	won := 0
	for _, err := range atOnce(8, func(i int) error {
		return s.store.CreateBinding(s.ctx, &rolebroker.Token{ID: rolebroker.NewBindingID(),
			Agent: []rolebroker.AgentID{a.ID, b.ID}[i%2], Account: account("scout"), CreatedAt: t0}, Event())
	}) {
		if err == nil {
			won++
			continue
		}
		s.code(err, rolebroker.CodeConflict, "")
	}
	s.equal(won, 1)
}

// testSessionReportedTwice has a runner tell a session again, whose outcome is
// known already.
func testSessionReportedTwice(s *suite) {
	in := s.createIntegration("production", "readonly")
	a := s.createAgent("scout", in)
	se := session(a, in, in.Roles[0], t0)
	se.Runner, se.RunnerID, se.Task = "eks", "run_a", "a\x00b"
	s.must(s.store.RecordSession(s.ctx, se, se.BeginEvent(t0)))
	s.must(s.store.RecordSession(s.ctx, se, se.BeginEvent(t1)))
	s.events(rolebroker.AuditFilter{Subject: string(se.ID)}, "session.begin ")
	stored := *se
	stored.Task = "a\uFFFDb"
	s.hasSessions(rolebroker.SessionFilter{}, &stored)
	got, err := s.store.Session(s.ctx, se.ID)
	s.must(err)
	s.equal(got, &stored)
	_, err = s.store.Session(s.ctx, "ses_none")
	s.code(err, rolebroker.CodeNotFound, `there is no session "ses_none"`)

	stored.State, stored.AccessKeyID, stored.ExpiresAt = rolebroker.SessionActive, "ASIAEXAMPLE", t2
	s.must(s.store.FinishSession(s.ctx, &stored, stored.OutcomeEvent(t1)))
	s.must(s.store.FinishSession(s.ctx, &stored, stored.OutcomeEvent(t2)))
	late := stored
	late.AccessKeyID = "ASIAANOTHER"
	s.code(s.store.FinishSession(s.ctx, &late, late.OutcomeEvent(t2)), rolebroker.CodeConflict,
		"the session "+string(se.ID)+" has another outcome already")
	late = stored
	late.RunnerID = "run_b"
	s.code(s.store.FinishSession(s.ctx, &late, late.OutcomeEvent(t2)), rolebroker.CodeNotFound, "")
	again := *se
	// is stored as the same time
	again.RequestedAt = again.RequestedAt.Add(time.Microsecond).In(time.FixedZone("", 3600))
	s.must(s.store.RecordSession(s.ctx, &again, Event()))
	s.hasSessions(rolebroker.SessionFilter{}, &stored)

	for what, change := range map[string]func(*rolebroker.Session){
		"agent":       func(x *rolebroker.Session) { x.Agent = rolebroker.NewAgentID() },
		"token":       func(x *rolebroker.Session) { x.Token = rolebroker.NewTokenID() },
		"integration": func(x *rolebroker.Session) { x.Integration = rolebroker.NewIntegrationID() },
		"role":        func(x *rolebroker.Session) { x.Role = rolebroker.NewRoleID() },
		"ARN":         func(x *rolebroker.Session) { x.ARN.Account = "999988887777" },
		"names":       func(x *rolebroker.Session) { x.AgentName = "other" },
		"region":      func(x *rolebroker.Session) { x.Region = "us-east-1" },
		"runner":      func(x *rolebroker.Session) { x.RunnerID = "run_b" },
		"task":        func(x *rolebroker.Session) { x.Task = "" },
		"name":        func(x *rolebroker.Session) { x.SessionName = "other" },
		"time":        func(x *rolebroker.Session) { x.RequestedAt = t1 },
	} {
		another := *se
		change(&another)
		if err := s.store.RecordSession(s.ctx, &another, another.BeginEvent(t2)); rolebroker.CodeOf(err) != rolebroker.CodeConflict {
			s.Errorf("another %s: %v", what, err)
		}
	}
	s.hasSessions(rolebroker.SessionFilter{}, &stored)
	s.events(rolebroker.AuditFilter{Action: "session"}, "session.assume ", "session.begin ")
}

// testValidationsByRunner has an outcome say who tried, until another runner is
// to assume the role.
func testValidationsByRunner(s *suite) {
	r, other := s.createRunner("eks"), s.createRunner("other")
	in := s.runBy(r, "production")
	result := outcome(in, 0, t1)
	result.CheckedBy = r.Name
	s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{result}, t1))
	in.Roles[0].Validation = &result.Validation
	s.hasIntegration(in)

	changed := *in
	changed.Roles = append([]rolebroker.Role{}, in.Roles...)
	changed.Roles[0].Validation = nil
	changed.Runner, changed.RunnerName, changed.Version = other.ID, other.Name, 2
	s.must(s.store.UpdateIntegration(s.ctx, &changed, 1, Event()))
	s.hasIntegration(&changed)
	// a late one, by the earlier runner
	s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{result}, t2))
	s.hasIntegration(&changed)
	due, err := s.store.ClaimIntegrations(s.ctx, t2, t2, 10)
	s.must(err)
	s.equal(len(due), 0) // servers do not validate integrations in cluster mode
}
