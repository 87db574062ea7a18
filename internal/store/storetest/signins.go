package storetest

import (
	"time"

	"github.com/rolebroker/rolebroker"
)

func (s *suite) apiKey(name string) *rolebroker.APIKey {
	s.Helper()
	k := &rolebroker.APIKey{ID: rolebroker.NewAPIKeyID(), Name: name, Access: rolebroker.KeyAdmin, Hash: []byte{1},
		CreatedAt: t0}
	s.must(s.store.CreateAPIKey(s.ctx, k, Event()))
	return k
}

func testSignIns(s *suite) {
	key, other := s.apiKey("one"), s.apiKey("two")
	in := &rolebroker.SignIn{ID: rolebroker.NewSignInID(), APIKey: key.ID, KeyHash: []byte{0, 1}, Hash: []byte{2, 0xff},
		Link: true, CreatedAt: t0, ExpiresAt: t1}
	s.must(s.store.CreateSignIn(s.ctx, in, Event()))
	got, err := s.store.SignIn(s.ctx, in.ID)
	s.must(err)
	s.equal(got, in)
	s.code(s.store.CreateSignIn(s.ctx, in, Event()), rolebroker.CodeConflict, "")
	stray := *in
	stray.ID, stray.APIKey = rolebroker.NewSignInID(), "key_gone"
	s.code(s.store.CreateSignIn(s.ctx, &stray, Event()), rolebroker.CodeNotFound, `there is no API key "key_gone"`)
	_, err = s.store.SignIn(s.ctx, "sig_none")
	s.code(err, rolebroker.CodeNotFound, `there is no sign-in "sig_none"`)

	// Of concurrent deletions one succeeds.
	s.must(s.store.DeleteSignIn(s.ctx, in.ID))
	s.code(s.store.DeleteSignIn(s.ctx, in.ID), rolebroker.CodeNotFound, "")

	// Expired sign-ins are deleted, and so are those of a deleted key.
	old, late, others := *in, *in, *in
	old.ID, late.ID, others.ID = rolebroker.NewSignInID(), rolebroker.NewSignInID(), rolebroker.NewSignInID()
	late.ExpiresAt, others.ExpiresAt, others.APIKey = t2, t2, other.ID
	for _, one := range []*rolebroker.SignIn{&old, &late, &others} {
		s.must(s.store.CreateSignIn(s.ctx, one, Event()))
	}
	s.must(s.store.DeleteSignIns(s.ctx, t1.Add(time.Millisecond)))
	_, err = s.store.SignIn(s.ctx, old.ID)
	s.code(err, rolebroker.CodeNotFound, "")
	_, err = s.store.SignIn(s.ctx, late.ID)
	s.must(err)
	s.must(s.store.DeleteAPIKey(s.ctx, key.ID, time.Time{}, Event()))
	_, err = s.store.SignIn(s.ctx, late.ID)
	s.code(err, rolebroker.CodeNotFound, "")
	_, err = s.store.SignIn(s.ctx, others.ID)
	s.must(err)
}

func testCounts(s *suite) {
	n, err := s.store.Counts(s.ctx, t0)
	s.must(err)
	s.equal(n, rolebroker.Counts{})
	first, second := s.createIntegration("first", "readonly"), s.createIntegration("second", "readonly")
	s.createIntegration("third", "readonly")
	a, b := s.createAgent("a"), s.createAgent("b")
	for agent, to := range map[*rolebroker.Agent][]*rolebroker.Integration{a: {first, second}, b: {first}} {
		for _, in := range to {
			agent.Connections = append(agent.Connections, rolebroker.NewConnection(in, t0))
		}
		agent.Version++
		s.must(s.store.UpdateAgent(s.ctx, agent, agent.Version-1, Event()))
	}
	n, err = s.store.Counts(s.ctx, t0)
	s.must(err)
	s.equal(n, rolebroker.Counts{Integrations: 3, Agents: 2})
	counted, err := s.store.CountAgents(s.ctx, []rolebroker.IntegrationID{first.ID, second.ID, "int_x"})
	s.must(err)
	s.equal(counted, map[rolebroker.IntegrationID]int{first.ID: 2, second.ID: 1})
	counted, err = s.store.CountAgents(s.ctx, []rolebroker.IntegrationID{second.ID})
	s.must(err)
	s.equal(counted, map[rolebroker.IntegrationID]int{second.ID: 1})
}

func testUsers(s *suite) {
	_, err := s.store.UserOf(s.ctx, "https://login", "1")
	s.code(err, rolebroker.CodeNotFound, "")
	ada := &rolebroker.User{ID: "usr_b", Issuer: "https://login", Subject: "1", Name: "Ada", Email: "ada@example.com",
		Access: rolebroker.KeyAdmin, Salt: []byte{1, 0xff}, CreatedAt: t0, SeenAt: t0}
	bob := &rolebroker.User{ID: "usr_a", Issuer: "https://other", Subject: "1", Salt: []byte{2}, CreatedAt: t0}
	event := Event()
	s.must(s.store.PutUser(s.ctx, ada, &event))
	s.must(s.store.PutUser(s.ctx, bob, nil))
	got, err := s.store.User(s.ctx, ada.ID)
	s.must(err)
	s.equal(got, ada)
	got, err = s.store.UserOf(s.ctx, "https://other", "1")
	s.must(err)
	s.equal(got, bob)
	all, err := s.store.Users(s.ctx, rolebroker.Page{Limit: 5})
	s.must(err)
	s.equal(all, []rolebroker.User{*bob, *ada})
	all, err = s.store.Users(s.ctx, rolebroker.Page{Limit: 5, After: "usr_a"})
	s.must(err)
	s.equal(all, []rolebroker.User{*ada})

	// Issuer, subject, salt and the time of the first sign-in stay.
	changed := *ada
	changed.Name, changed.Email, changed.Access, changed.SeenAt = "Ada L.", "", "", t1
	stray := changed
	stray.Issuer, stray.Subject, stray.Salt, stray.CreatedAt = "https://x", "2", []byte{3}, t2
	s.must(s.store.PutUser(s.ctx, &stray, nil))
	got, err = s.store.User(s.ctx, ada.ID)
	s.must(err)
	s.equal(got, &changed)
	stray = *ada
	stray.ID = "usr_c"
	s.code(s.store.PutUser(s.ctx, &stray, nil), rolebroker.CodeConflict, "")

	// The owner of an agent may be a person.
	agent := s.createAgent("scout")
	agent.Owner, agent.Version = rolebroker.PrincipalID(ada.ID), agent.Version+1
	s.must(s.store.UpdateAgent(s.ctx, agent, agent.Version-1, Event()))
	owned, err := s.store.Agent(s.ctx, string(agent.ID))
	s.must(err)
	s.equal(owned.OwnerName, "Ada L.")
}

func testUserSignIns(s *suite) {
	ada := &rolebroker.User{ID: "usr_b", Issuer: "https://login", Subject: "1", Salt: []byte{1}, CreatedAt: t0}
	s.must(s.store.PutUser(s.ctx, ada, nil))
	in := &rolebroker.SignIn{ID: rolebroker.NewSignInID(), User: ada.ID, Hash: []byte{2, 0xff}, Link: true,
		CommandLine: true, Renewal: []byte{3}, CheckedAt: t0, CheckAt: t1, CreatedAt: t0, ExpiresAt: t1}
	s.must(s.store.CreateSignIn(s.ctx, in, Event()))
	got, err := s.store.SignIn(s.ctx, in.ID)
	s.must(err)
	s.equal(got, in)
	s.code(s.store.CreateSignIn(s.ctx, in, Event()), rolebroker.CodeConflict, "")
	stray := *in
	stray.ID, stray.User = rolebroker.NewSignInID(), "usr_gone"
	s.code(s.store.CreateSignIn(s.ctx, &stray, Event()), rolebroker.CodeNotFound, `there is no user "usr_gone"`)

	// One of those who find that a check is due makes it.
	won, err := s.store.ClaimCheck(s.ctx, in.ID, t1, t2)
	s.must(err)
	lost, err := s.store.ClaimCheck(s.ctx, in.ID, t1, t2)
	s.must(err)
	s.equal([]bool{won, lost}, []bool{true, false})
	in.Renewal, in.CheckedAt, in.CheckAt = []byte{4}, t1, t2
	s.must(s.store.StoreCheck(s.ctx, in))
	got, err = s.store.SignIn(s.ctx, in.ID)
	s.must(err)
	s.equal(got, in)
	s.code(s.store.StoreCheck(s.ctx, &stray), rolebroker.CodeNotFound, "")

	// It ends by signing out, when the provider says so, and when it expires.
	s.must(s.store.DeleteSignIn(s.ctx, in.ID))
	s.code(s.store.DeleteSignIn(s.ctx, in.ID), rolebroker.CodeNotFound, "")
	s.must(s.store.CreateSignIn(s.ctx, in, Event()))
	s.must(s.store.EndSignIn(s.ctx, in.ID, Event()))
	s.code(s.store.EndSignIn(s.ctx, in.ID, Event()), rolebroker.CodeNotFound, "")
	s.must(s.store.CreateSignIn(s.ctx, in, Event()))
	s.must(s.store.DeleteSignIns(s.ctx, t1.Add(time.Millisecond)))
	_, err = s.store.SignIn(s.ctx, in.ID)
	s.code(err, rolebroker.CodeNotFound, "")
}

func testUseOfAPIKeys(s *suite) {
	ada := &rolebroker.User{ID: "usr_b", Issuer: "https://login", Subject: "1", Email: "ada@example.com",
		Salt:      []byte{1},
		CreatedAt: t0}
	s.must(s.store.PutUser(s.ctx, ada, nil))
	first := s.apiKey("first")
	owned := &rolebroker.APIKey{ID: rolebroker.NewAPIKeyID(), Name: "owned", Access: rolebroker.KeyReadOnly,
		Hash: []byte{1}, CreatedAt: t0, Owner: rolebroker.PrincipalID(first.ID), OwnerName: "first"}
	s.must(s.store.CreateAPIKey(s.ctx, owned, Event()))
	hers := *owned
	hers.ID, hers.Name, hers.Owner, hers.OwnerName = rolebroker.NewAPIKeyID(), "hers", "usr_b", "ada@example.com"
	s.must(s.store.CreateAPIKey(s.ctx, &hers, Event()))
	for _, want := range []*rolebroker.APIKey{owned, &hers} {
		got, err := s.store.APIKey(s.ctx, want.ID)
		s.must(err)
		s.equal(got, want)
	}
	s.must(s.store.UseAPIKey(s.ctx, owned.ID, t1))
	s.must(s.store.UseAPIKey(s.ctx, owned.ID, t0)) // another server is late
	s.must(s.store.UseAPIKey(s.ctx, "key_gone", t1))
	owned.UsedAt = t1
	got, err := s.store.APIKey(s.ctx, owned.ID)
	s.must(err)
	s.equal(got, owned)
	all, err := s.store.APIKeys(s.ctx, rolebroker.Page{Limit: 5})
	s.must(err)
	s.equal(len(all), 3)
}
