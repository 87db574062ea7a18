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
