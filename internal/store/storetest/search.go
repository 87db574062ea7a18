package storetest

import (
	"time"

	"github.com/rolebroker/rolebroker"
)

// testSearchEverywhere searches more than names.
func testSearchEverywhere(s *suite) {
	prod := s.createIntegration("prod", "readonly", "Deployer")
	prod.Description, prod.Roles[1].ARN = "Everything that Earns", rolebroker.RoleARN{
		Partition: "aws", Account: "444455556666", Path: "/team/x_y/", Name: "Release"}
	prod.Version++
	s.must(s.store.UpdateIntegration(s.ctx, prod, 1, Event()))
	bare := s.createIntegration("bare")
	bare.Description, bare.Version = "", 2
	s.must(s.store.UpdateIntegration(s.ctx, bare, 1, Event()))
	s.createIntegration("test", "readonly")
	for search, want := range map[string][]string{
		"earns":        {"prod"}, // the description
		"DEPLOY":       {"prod"}, // the name of a role
		"444455556666": {"prod"}, // its account
		"4444":         {"prod"},
		"012345678901": {"prod", "test"}, // that of others
		"arn:aws:iam::444455556666:role/team/x_y/Release": {"prod"},
		"arn:aws:iam::444455556666:role/team/x_y/Relea":   {"prod"},
		"arn:aws:iam::444455556666:role":                  {"prod"},
		"arn:aws:iam::444455556666:":                      {"prod"},
		"444455556666:role/team":                          {"prod"},
		"role/team/x":                                     {"prod"},
		"/x_y/":                                           {"prod"},
		"/xay/":                                           {}, // no wildcard
		"readonly":                                        {"prod", "test"},
		"arn:aws:iam::999":                                {},
		"role":                                            {}, // every ARN has it
	} {
		found, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: 10, Search: search})
		s.must(err)
		s.equal(names(found, integrationName), want)
		found, _, err = s.store.SortedIntegrations(s.ctx, rolebroker.Page{Limit: 10, Search: search})
		s.must(err)
		s.equal(names(found, integrationName), want)
	}
	all, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: 10, Search: "arn:aws"})
	s.must(err)
	s.equal(len(all), 3) // until more of it is typed

	agent := s.createAgent("scout")
	agents, err := s.store.Agents(s.ctx, rolebroker.Page{Limit: 10, Search: "LOOKS ar"})
	s.must(err)
	s.equal(names(agents, agentName), []string{agent.Name})
	runner := s.createRunner("eks")
	runners, err := s.store.Runners(s.ctx, rolebroker.Page{Limit: 10, Search: runner.Description[2:8]})
	s.must(err)
	s.equal(len(runners), 1)
}

// testFind finds things of every kind by what they are called.
func testFind(s *suite) {
	prod := s.createIntegration("prod", "readonly", "deployer")
	s.createIntegration("test", "readonly")
	agent := s.createAgent("reader-of-prod", prod)
	runner := s.createRunner("prod-eks")
	find := func(text string, want ...rolebroker.Found) {
		s.Helper()
		found, err := s.store.Find(s.ctx, text, 2)
		s.must(err)
		s.equal(append([]rolebroker.Found{}, found...), append([]rolebroker.Found{}, want...))
	}
	in := rolebroker.Found{Kind: rolebroker.KindIntegration, ID: string(prod.ID), Name: "prod", Detail: prod.Description}
	role := func(i int) rolebroker.Found {
		r := prod.Roles[i]
		return rolebroker.Found{Kind: rolebroker.KindRole, ID: string(r.ID), Name: r.Name, Detail: r.ARN.String(),
			In: string(prod.ID), InName: "prod"}
	}
	find("PROD", in,
		rolebroker.Found{Kind: rolebroker.KindAgent, ID: string(agent.ID), Name: agent.Name, Detail: agent.Description},
		rolebroker.Found{Kind: rolebroker.KindRunner, ID: string(runner.ID), Name: runner.Name, Detail: runner.Description})
	find("deploy", role(1))
	find(prod.Roles[1].ARN.String(), role(1))
	find("012345678901", role(0), role(1)) // at most two
	find("")
	find("nothing")
	find("arn:aws:iam")
}

// testFindByID finds things by their IDs, and the IDs that AWS gave.
func testFindByID(s *suite) {
	in := s.createIntegration("prod", "readonly")
	agent := s.createAgent("scout", in)
	token, key, runner := s.createToken(agent), s.apiKey("ci"), s.createRunner("eks")
	se := s.record(session(agent, in, in.Roles[0], t0))
	se.State, se.AccessKeyID, se.RequestID = rolebroker.SessionActive, "ASIAEXAMPLE12345", "sts-1"
	s.must(s.store.FinishSession(s.ctx, se, Event()))
	c := call(agent, in, t0)
	c.EndedAt, c.RequestID = t0, "4442587FB7D0A2F9"
	s.recordCalls(c)
	event := Event()
	s.must(s.store.RecordEvent(s.ctx, event))
	for kind, id := range map[rolebroker.Kind]string{
		rolebroker.KindIntegration: string(in.ID), rolebroker.KindRole: string(in.Roles[0].ID),
		rolebroker.KindAgent: string(agent.ID), rolebroker.KindToken: string(token.ID),
		rolebroker.KindAPIKey: string(key.ID), rolebroker.KindRunner: string(runner.ID),
		rolebroker.KindSession: string(se.ID), rolebroker.KindCall: string(c.ID), rolebroker.KindEvent: string(event.ID),
	} {
		for _, start := range []string{id, id[:10]} {
			ids, err := s.store.IDsLike(s.ctx, kind, start, 5)
			s.must(err)
			s.equal(ids, []string{id})
		}
		ids, err := s.store.IDsLike(s.ctx, kind, id+"a", 5)
		s.must(err)
		s.equal(len(ids), 0)
	}
	for _, start := range []string{"ASIAEXAMPLE12345", "ASIAEXAM"} {
		found, err := s.store.SessionsOfKey(s.ctx, start, 5)
		s.must(err)
		s.equal(found, []rolebroker.Session{*se})
	}
	calls, err := s.store.CallsOfRequest(s.ctx, c.RequestID, 5)
	s.must(err)
	s.equal(calls, []rolebroker.Call{c})
	calls, err = s.store.CallsOfRequest(s.ctx, "", 5)
	s.must(err)
	s.equal(len(calls), 0)
	record, err := s.store.AuditEvent(s.ctx, event.ID)
	s.must(err)
	s.equal(record.ID, event.ID)
	_, err = s.store.AuditEvent(s.ctx, "evt_nothing")
	s.code(err, rolebroker.CodeNotFound, "")
}

// sortedNames reads a whole sorted list, two items a page.
func sortedNames[T any](s *suite, page rolebroker.Page, name func(*T) string,
	read func(rolebroker.Page) ([]T, []string, error)) []string {
	s.Helper()
	all := []string{}
	for page.Limit = 2; len(all) < 100; {
		found, cursors, err := read(page)
		s.must(err)
		s.equal(len(cursors), len(found))
		all = append(all, names(found, name)...)
		if len(found) < page.Limit {
			return all
		}
		page.After = cursors[len(cursors)-1]
	}
	s.Fatal("the list does not end")
	return nil
}

// testSortedIntegrations sorts integrations and filters them.
func testSortedIntegrations(s *suite) {
	create := func(name string, at time.Time, mode rolebroker.AssumptionMode, enabled bool) *rolebroker.Integration {
		in := s.integration(name, "readonly", "deployer")
		in.CreatedAt, in.AssumptionMode, in.Enabled = at, mode, enabled
		s.must(s.store.CreateIntegration(s.ctx, in, Event()))
		return in
	}
	a := create("a", t2, rolebroker.ModePlatform, true)
	b := create("b", t0, rolebroker.ModeCluster, true)
	c := create("c", t1, rolebroker.ModePlatform, true)
	d := create("d", t1, rolebroker.ModePlatform, false)
	create("e", t1, rolebroker.ModePlatform, true)
	s.createAgent("x", b, c)
	s.createAgent("y", c)

	works := func(in *rolebroker.Integration, status rolebroker.ValidationStatus) {
		var results []rolebroker.RoleValidation
		for i := range in.Roles {
			r := outcome(in, i, t1)
			r.Status, r.Code = status, rolebroker.ValidAssumable
			results = append(results, r)
		}
		s.must(s.store.RecordValidations(s.ctx, in, results, t1))
	}
	works(a, rolebroker.StatusAssumable)
	works(b, rolebroker.StatusWarning)
	s.validate(c, t1) // which fails
	works(d, rolebroker.StatusAssumable)
	list := func(page rolebroker.Page) []string {
		s.Helper()
		return sortedNames(s, page, integrationName, func(p rolebroker.Page) ([]rolebroker.Integration, []string, error) {
			return s.store.SortedIntegrations(s.ctx, p)
		})
	}
	for sort, want := range map[rolebroker.Sort][]string{
		"":         {"a", "b", "c", "d", "e"},
		"-":        {"e", "d", "c", "b", "a"},
		"state":    {"c", "e", "b", "a", "d"},
		"-state":   {"d", "a", "b", "e", "c"},
		"created":  {"b", "c", "d", "e", "a"},
		"-created": {"a", "c", "d", "e", "b"},
		"agents":   {"a", "d", "e", "b", "c"},
		"-agents":  {"c", "b", "a", "d", "e"},
		"nothing":  {},
	} {
		s.equal(list(rolebroker.Page{Sort: sort}), want)
	}
	s.equal(list(rolebroker.Page{State: "failed"}), []string{"c"})
	s.equal(list(rolebroker.Page{State: "assumable"}), []string{"a"})
	s.equal(list(rolebroker.Page{State: "disabled"}), []string{"d"})
	s.equal(list(rolebroker.Page{State: "unknown", Sort: "created"}), []string{"e"})
	s.equal(list(rolebroker.Page{Mode: rolebroker.ModeCluster}), []string{"b"})
	s.equal(list(rolebroker.Page{Mode: rolebroker.ModePlatform, State: "failed", Search: "C"}), []string{"c"})
	s.equal(list(rolebroker.Page{Sort: "state", After: "nonsense"}), []string{})

	// The state follows what happens: a refusal, a loan, a change of the role.
	lend := func(in *rolebroker.Integration, l *rolebroker.Lending) {
		s.must(s.store.RecordLending(s.ctx, in.ID, in.Roles[0].ID, in.Fingerprint(&in.Roles[0]), l))
	}
	lend(a, refusal(t2))
	s.equal(list(rolebroker.Page{State: "failed"}), []string{"a", "c"})
	lend(a, &rolebroker.Lending{Agent: "scout", At: t2.Add(time.Hour), Since: t2})
	s.equal(list(rolebroker.Page{State: "failed"}), []string{"c"})
	later := t2.Add(2 * time.Hour)
	s.must(s.store.RecordValidations(s.ctx, a, []rolebroker.RoleValidation{outcome(a, 0, later)}, later)) // it fails
	s.equal(list(rolebroker.Page{State: "failed"}), []string{"a", "c"})
	lend(a, &rolebroker.Lending{Agent: "scout", At: t2.Add(3 * time.Hour), Since: t2}) // as before the validation
	s.equal(list(rolebroker.Page{State: "failed"}), []string{"c"})
	c.Roles[0].Enabled, c.Roles[1].Region, c.DefaultRole, c.Version = false, "eu-west-3", "deployer", 2
	s.must(s.store.UpdateIntegration(s.ctx, c, 1, Event()))
	s.equal(list(rolebroker.Page{State: "unknown"}), []string{"c", "e"})
}

// testSortedAgents sorts agents and filters them.
func testSortedAgents(s *suite) {
	in, other := s.createIntegration("in", "readonly"), s.createIntegration("other", "readonly")
	a, b := s.createAgent("a", in, other), s.createAgent("b", in)
	s.createAgent("c")
	b.Disabled, b.Version = true, 2
	s.must(s.store.UpdateAgent(s.ctx, b, 1, Event()))
	d := s.createAgent("d", in)
	d.CutOff, d.Version = rolebroker.CutOffMark{At: t1, By: "ci"}, 2
	s.must(s.store.UpdateAgent(s.ctx, d, 1, Event()))
	list := func(page rolebroker.Page) []string {
		s.Helper()
		return sortedNames(s, page, agentName, func(p rolebroker.Page) ([]rolebroker.Agent, []string, error) {
			return s.store.SortedAgents(s.ctx, p)
		})
	}
	for sort, want := range map[rolebroker.Sort][]string{
		"": {"a", "b", "c", "d"}, "-": {"d", "c", "b", "a"}, "state": {"d", "b", "c", "a"},
		"-integrations": {"a", "b", "d", "c"}, "created": {"a", "b", "c", "d"},
	} {
		s.equal(list(rolebroker.Page{Sort: sort}), want)
	}
	for state, want := range map[rolebroker.ListState][]string{
		"enabled": {"a"}, "disabled": {"b"}, "not-connected": {"c"}, "cut-off": {"d"}, "other": {},
	} {
		s.equal(list(rolebroker.Page{State: state}), want)
	}
	s.equal(list(rolebroker.Page{Integration: "in", Sort: "-"}), []string{"d", "b", "a"})
	s.equal(list(rolebroker.Page{Integration: string(other.ID), Search: "a"}), []string{"a"})
	found, _, err := s.store.SortedAgents(s.ctx, rolebroker.Page{Limit: 1})
	s.must(err)
	s.equal(&found[0], a)
}

// testSortedRunners sorts runners.
func testSortedRunners(s *suite) {
	first, second := s.createRunner("a"), s.createRunner("b")
	s.must(s.store.SeeRunner(s.ctx, second.ID, t0))
	s.must(s.store.SeeRunner(s.ctx, first.ID, t1))
	for sort, want := range map[rolebroker.Sort][]string{"": {"a", "b"}, "seen": {"b", "a"}, "-seen": {"a", "b"}} {
		found, cursors, err := s.store.SortedRunners(s.ctx, rolebroker.Page{Limit: 5, Sort: sort}, t1)
		s.must(err)
		s.equal(names(found, func(r *rolebroker.Runner) string { return r.Name }), want)
		s.equal(len(cursors), 2)
	}
	for state, want := range map[rolebroker.ListState]int{rolebroker.ListedWaiting: 2, rolebroker.ListedAway: 0,
		rolebroker.ListedConnected: 0, "nonsense": 0} {
		found, _, err := s.store.SortedRunners(s.ctx, rolebroker.Page{Limit: 5, State: state}, t1)
		s.must(err)
		s.equal(len(found), want)
	}
}

// testUsualRegion offers the region that most roles have.
func testUsualRegion(s *suite) {
	is := func(want rolebroker.Region) {
		s.Helper()
		got, err := s.store.UsualRegion(s.ctx)
		s.must(err)
		s.equal(got, want)
	}
	is("")
	uses := func(name string, regions ...rolebroker.Region) {
		s.Helper()
		in := s.integration(name, []string{"a", "b", "c"}[:len(regions)]...)
		for i, region := range regions {
			in.Roles[i].Region = region
		}
		s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	}
	uses("one", "us-west-2", "eu-west-1", "eu-west-1")
	is("eu-west-1")
	uses("two", "us-west-2", "us-west-2")
	is("us-west-2")
}

// testTroubles finds the roles that fail.
func testTroubles(s *suite) {
	in := s.createIntegration("prod", "readonly", "deployer", "admin")
	off := s.createIntegration("off", "readonly")
	s.validate(in, t1)
	s.validate(off, t1)
	off.Enabled, off.Version = false, 2
	s.must(s.store.UpdateIntegration(s.ctx, off, 1, Event()))
	s.must(s.store.RecordLending(s.ctx, in.ID, in.Roles[1].ID, in.Fingerprint(&in.Roles[1]), refusal(t2)))
	n, err := s.store.CountTroubled(s.ctx)
	s.must(err)
	s.equal(n, 1)
	found, err := s.store.TroubledRoles(s.ctx, 10, 2)
	s.must(err)
	s.equal(len(found), 1)
	s.equal([]string{found[0].Roles[0].Name, found[0].Roles[1].Name}, []string{"readonly", "deployer"})
	s.equal(found[0].Roles[1].Lending, refusal(t2))
}

// testNewestTroubles lists the failing integrations by when their newest trouble began, not by name.
func testNewestTroubles(s *suite) {
	first, last := s.createIntegration("a", "one", "two"), s.createIntegration("z", "one")
	middle, fine := s.createIntegration("m", "one", "two"), s.createIntegration("fine", "one")
	fails := func(in *rolebroker.Integration, role int, code rolebroker.ValidationCode, since time.Time) {
		s.Helper()
		result := outcome(in, role, t2)
		result.Code, result.Since = code, since
		s.must(s.store.RecordValidations(s.ctx, in, []rolebroker.RoleValidation{result}, t2))
	}
	newest := func(limit int, want ...string) {
		s.Helper()
		found, err := s.store.TroubledRoles(s.ctx, limit, 10)
		s.must(err)
		s.equal(names(found, func(in *rolebroker.Integration) string { return in.Name }), want)
	}
	fails(first, 0, rolebroker.ValidTrustDenied, t0)
	fails(middle, 0, rolebroker.ValidTrustDenied, t0.Add(time.Second))
	fails(last, 0, rolebroker.ValidTrustDenied, t1)
	newest(10, "z", "m", "a")
	newest(1, "z")
	fails(middle, 1, rolebroker.ValidTrustDenied, t2) // the same trouble as before
	newest(10, "z", "m", "a")
	fails(middle, 1, rolebroker.ValidDenied, t2) // another one
	newest(2, "m", "z")
	s.must(s.store.RecordLending(s.ctx, first.ID, first.Roles[1].ID, first.Fingerprint(&first.Roles[1]),
		&rolebroker.Lending{Refused: rolebroker.RefusedDenied, At: t2, Since: t2.Add(time.Second)}))
	newest(1, "a")
	works := outcome(last, 0, t2)
	works.Status, works.Code = rolebroker.StatusAssumable, rolebroker.ValidAssumable
	s.must(s.store.RecordValidations(s.ctx, last, []rolebroker.RoleValidation{works}, t2))
	s.validate(fine, t2)
	newest(10, "a", "m", "fine")
}

// testActivity counts what happened, by hours.
func testActivity(s *suite) {
	in := s.createIntegration("prod", "readonly")
	agent := s.createAgent("scout", in)
	hour := t0.Truncate(time.Hour)
	for _, after := range []time.Duration{-1, 0, time.Minute, time.Hour, 2*time.Hour - time.Millisecond, 2 * time.Hour} {
		s.record(session(agent, in, in.Roles[0], hour.Add(after)))
		c := call(agent, in, hour.Add(after))
		if after >= time.Hour {
			c.Decision = rolebroker.CallRefused
		}
		if after == time.Hour {
			c.Code = rolebroker.CodeApproval
		}
		s.recordCalls(c)
	}
	counted, err := s.store.Activity(s.ctx, hour, 2, 5)
	s.must(err)
	s.equal(counted, []rolebroker.Activity{
		{From: hour, Sessions: 2, Calls: 2}, {From: hour.Add(time.Hour), Sessions: 2, Calls: 2, Refused: 1, Waited: 1}})
	counted, err = s.store.Activity(s.ctx, hour, 1, 1)
	s.must(err)
	s.equal(counted, []rolebroker.Activity{{From: hour, Sessions: 1, Calls: 1}})
	s.must(s.store.RecordCallDigest(s.ctx, rolebroker.CallDigest{Hour: hour, Calls: 70_000}, Event()))
	counted, err = s.store.Activity(s.ctx, hour, 1, 1)
	s.must(err)
	s.equal(counted[0].Calls, 70_000)
}

// testEnding finds the tokens and keys that end soon.
func testEnding(s *suite) {
	agent := s.createAgent("scout")
	has, err := s.store.HasToken(s.ctx)
	s.must(err)
	s.equal(has, false)
	token := func(label string, expires, revoked time.Time) rolebroker.TokenID {
		t := &rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: agent.ID, Label: label, Hash: []byte{1}, CreatedAt: t0,
			ExpiresAt: expires, RevokedAt: revoked}
		s.must(s.store.CreateToken(s.ctx, t, Event()))
		return t.ID
	}
	token("never", time.Time{}, time.Time{})
	token("revoked", t1, t0)
	token("over", t0, time.Time{})
	token("late", t2.Add(time.Millisecond), time.Time{})
	second, first := token("second", t2, time.Time{}), token("first", t1, time.Time{})
	ending, err := s.store.EndingTokens(s.ctx, t0, t2, 5)
	s.must(err)
	of := func(id rolebroker.TokenID, label string, at time.Time) rolebroker.EndingKey {
		return rolebroker.EndingKey{Token: id, Agent: agent.ID, AgentName: "scout", Name: label, At: at}
	}
	s.equal(ending, []rolebroker.EndingKey{of(first, "first", t1), of(second, "second", t2)})
	has, err = s.store.HasToken(s.ctx)
	s.must(err)
	s.equal(has, true)

	key := changedKey(s.apiKey("forever"), "ci", t1)
	s.must(s.store.CreateAPIKey(s.ctx, key, Event()))
	keys, err := s.store.EndingAPIKeys(s.ctx, t0, t2, 5)
	s.must(err)
	s.equal(keys, []rolebroker.APIKey{*key})
	keys, err = s.store.EndingAPIKeys(s.ctx, t1, t2, 5)
	s.must(err)
	s.equal(len(keys), 0)

	off := func(at time.Time, roles ...rolebroker.EndedRole) {
		s.Helper()
		agent.Version++
		_, err := s.store.CutOff(s.ctx, agent, agent.Version-1,
			rolebroker.Ending{Agent: agent.ID, Roles: roles, At: at, By: "ci"}, "", Event())
		s.must(err)
	}
	deployer := rolebroker.EndedRole{Integration: "int_1", Role: "rol_1", Reference: "production/deployer"}
	off(t0, deployer)
	off(t1, deployer)
	off(t2) // from everything
	for since, want := range map[time.Time][]time.Time{t0: {t1, t0}, t1: {t1}, t2: nil} {
		cuts, err := s.store.RoleCutOffs(s.ctx, since, 5)
		s.must(err)
		var at []time.Time
		for _, c := range cuts {
			at = append(at, c.At)
			s.equal(c.Roles, []rolebroker.EndedRole{deployer})
		}
		s.equal(at, want)
	}
	one, err := s.store.RoleCutOffs(s.ctx, t0, 1)
	s.must(err)
	s.equal(len(one), 1)

	agent.CutOff, agent.Version = rolebroker.CutOffMark{At: t1, By: "ci"}, agent.Version+1
	s.must(s.store.UpdateAgent(s.ctx, agent, agent.Version-1, Event()))
	s.createAgent("other")
	cut, err := s.store.CutOffAgents(s.ctx, 5)
	s.must(err)
	s.equal(names(cut, agentName), []string{"scout"})
}

func changedKey(k *rolebroker.APIKey, name string, expires time.Time) *rolebroker.APIKey {
	c := *k
	c.ID, c.Name, c.ExpiresAt = rolebroker.NewAPIKeyID(), name, expires
	return &c
}
