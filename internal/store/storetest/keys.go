package storetest

import (
	"time"

	"github.com/rolebroker/rolebroker"
)

func (s *suite) createToken(agent *rolebroker.Agent) *rolebroker.Token {
	s.Helper()
	t := &rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: agent.ID, Label: "laptop", Hash: []byte{0, 1, 0xff},
		CreatedAt: t0}
	s.must(s.store.CreateToken(s.ctx, t, Event()))
	return t
}

func (s *suite) hasToken(want *rolebroker.Token) {
	s.Helper()
	got, err := s.store.Token(s.ctx, want.ID)
	s.must(err)
	s.equal(got, want)
}

func testToken(s *suite) {
	a, other := s.createAgent("scout"), s.createAgent("other")
	full := &rolebroker.Token{ID: "tok_0", Agent: a.ID, Label: "CI ½", Hash: []byte("0123456789abcdef0123456789abcdef"),
		CreatedAt: t0, ExpiresAt: t2, RevokedAt: t1, UsedAt: t1.Add(time.Minute)}
	s.must(s.store.CreateToken(s.ctx, full, Event()))
	s.hasToken(full)
	s.hasToken(s.createToken(a))
	s.code(s.store.CreateToken(s.ctx, full, Event()), rolebroker.CodeConflict,
		"a token with the ID tok_0 exists already")
	orphan := &rolebroker.Token{ID: rolebroker.NewTokenID(), Agent: "agt_gone", CreatedAt: t0}
	s.code(s.store.CreateToken(s.ctx, orphan, Event()), rolebroker.CodeNotFound, `there is no agent "agt_gone"`)
	_, err := s.store.Token(s.ctx, orphan.ID)
	s.code(err, rolebroker.CodeNotFound, `there is no token "`+string(orphan.ID)+`"`)

	for range 5 {
		s.createToken(a)
		s.createToken(other)
	}
	list := func(p rolebroker.Page) ([]rolebroker.Token, error) { return s.store.Tokens(s.ctx, a.ID, p) }
	got := pages(s, 2, list, func(t *rolebroker.Token) string { return string(t.ID) })
	s.equal(len(got), 7)
	for i := range got {
		if got[i].Agent != a.ID || i > 0 && got[i].ID <= got[i-1].ID {
			s.Fatalf("not a list of the agent's by ID: %v", got)
		}
	}
}

func testRevokeToken(s *suite) {
	a, other := s.createAgent("scout"), s.createAgent("other")
	token := s.createToken(a)
	s.code(s.store.RevokeToken(s.ctx, other.ID, token.ID, t1, Event()), rolebroker.CodeNotFound,
		`there is no token "`+string(token.ID)+`"`)
	s.code(s.store.RevokeToken(s.ctx, a.ID, "tok_none", t1, Event()), rolebroker.CodeNotFound,
		`there is no token "tok_none"`)
	s.hasToken(token)
	s.code(s.store.LabelToken(s.ctx, other.ID, token.ID, "x", Event()), rolebroker.CodeNotFound,
		`there is no token "`+string(token.ID)+`"`)
	s.must(s.store.LabelToken(s.ctx, a.ID, token.ID, "laptop", Event()))
	token.Label = "laptop"
	s.hasToken(token)
	s.must(s.store.RevokeToken(s.ctx, a.ID, token.ID, t1, Event()))
	token.RevokedAt = t1
	s.hasToken(token)
	s.must(s.store.RevokeToken(s.ctx, a.ID, token.ID, t2, Event()))
	s.hasToken(token)
}

func testTokenUse(s *suite) {
	a := s.createAgent("scout")
	used := map[rolebroker.TokenID]time.Time{rolebroker.NewTokenID(): t1, "\xff": t1}
	var tokens []*rolebroker.Token
	for i := range 60 {
		token := s.createToken(a)
		token.UsedAt = t0.Add(time.Duration(i) * time.Minute)
		used[token.ID] = token.UsedAt
		tokens = append(tokens, token)
	}
	s.must(s.store.RecordTokenUse(s.ctx, used))
	s.must(s.store.RecordTokenUse(s.ctx, map[rolebroker.TokenID]time.Time{tokens[1].ID: t0})) // never backward
	s.must(s.store.RecordTokenUse(s.ctx, nil))
	for _, token := range tokens {
		s.hasToken(token)
	}
}

func key(name string, access rolebroker.KeyAccess, expires time.Time) *rolebroker.APIKey {
	return &rolebroker.APIKey{ID: rolebroker.NewAPIKeyID(), Name: name, Access: access, Hash: []byte(name),
		CreatedAt: t0, ExpiresAt: expires}
}

func (s *suite) hasAPIKey(want *rolebroker.APIKey) {
	s.Helper()
	got, err := s.store.APIKey(s.ctx, want.ID)
	s.must(err)
	s.equal(got, want)
}

func testAPIKey(s *suite) {
	first := key("first", rolebroker.KeyAdmin, time.Time{})
	second := key("second", rolebroker.KeyReadOnly, t2)
	s.must(s.store.CreateAPIKey(s.ctx, first, Event()))
	s.must(s.store.CreateAPIKey(s.ctx, second, Event()))
	s.hasAPIKey(first)
	s.hasAPIKey(second)
	s.code(s.store.CreateAPIKey(s.ctx, key("first", rolebroker.KeyAdmin, t2), Event()), rolebroker.CodeConflict,
		`an API key named "first" exists already`)
	same := *first
	same.Name = "third"
	s.code(s.store.CreateAPIKey(s.ctx, &same, Event()), rolebroker.CodeConflict,
		"an API key with the ID "+string(first.ID)+" exists already")
	_, err := s.store.APIKey(s.ctx, "key_none")
	s.code(err, rolebroker.CodeNotFound, `there is no API key "key_none"`)
	got := pages(s, 1, func(p rolebroker.Page) ([]rolebroker.APIKey, error) { return s.store.APIKeys(s.ctx, p) },
		func(k *rolebroker.APIKey) string { return string(k.ID) })
	if len(got) != 2 || got[0].ID >= got[1].ID {
		s.Fatalf("not a list by ID: %v", got)
	}
}

func testPutAPIKey(s *suite) {
	first, second := key("first", rolebroker.KeyAdmin, time.Time{}), key("second", rolebroker.KeyReadOnly, t2)
	s.must(s.store.PutAPIKey(s.ctx, first, Event()))
	s.must(s.store.PutAPIKey(s.ctx, second, Event()))
	s.hasAPIKey(first)
	first.Name, first.Access, first.Hash, first.CreatedAt, first.ExpiresAt = "renamed", rolebroker.KeyReadOnly,
		[]byte("other"), t1, t2
	s.must(s.store.PutAPIKey(s.ctx, first, Event()))
	s.hasAPIKey(first)
	taken := *first
	taken.Name = "second"
	s.code(s.store.PutAPIKey(s.ctx, &taken, Event()), rolebroker.CodeConflict,
		`an API key named "second" exists already`)
	s.hasAPIKey(first)
}

func testLastAdminKey(s *suite) {
	admin := key("admin", rolebroker.KeyAdmin, time.Time{})
	expiring, reader := key("expiring", rolebroker.KeyAdmin, t2),
		key("reader", rolebroker.KeyReadOnly, time.Time{})
	for _, k := range []*rolebroker.APIKey{admin, expiring, reader} {
		s.must(s.store.CreateAPIKey(s.ctx, k, Event()))
	}
	s.code(s.store.DeleteAPIKey(s.ctx, admin.ID, time.Time{}, Event()), rolebroker.CodeConflict,
		"without the API key "+string(admin.ID)+" no admin key would be left that never expires")
	s.code(s.store.DeleteAPIKey(s.ctx, "key_none", time.Time{}, Event()), rolebroker.CodeNotFound,
		`there is no API key "key_none"`)
	s.hasAPIKey(admin)
	s.must(s.store.DeleteAPIKey(s.ctx, expiring.ID, time.Time{}, Event()))
	s.must(s.store.DeleteAPIKey(s.ctx, reader.ID, time.Time{}, Event()))
	s.code(s.store.DeleteAPIKey(s.ctx, reader.ID, time.Time{}, Event()), rolebroker.CodeNotFound, "")
	s.must(s.store.CreateAPIKey(s.ctx, key("second", rolebroker.KeyAdmin, time.Time{}), Event()))
	s.must(s.store.DeleteAPIKey(s.ctx, admin.ID, time.Time{}, Event()))
}

// testLastAdminKeyRace deletes all admin keys at once: one is left.
func testLastAdminKeyRace(s *suite) {
	for range 5 {
		keys, err := s.store.APIKeys(s.ctx, rolebroker.Page{Limit: 100})
		s.must(err)
		for _, name := range numbered("admin", 8)[len(keys):] {
			k := key(name+string(rolebroker.NewAPIKeyID()), rolebroker.KeyAdmin, time.Time{})
			s.must(s.store.CreateAPIKey(s.ctx, k, Event()))
			keys = append(keys, *k)
		}
		for _, err := range atOnce(len(keys), func(i int) error {
			return s.store.DeleteAPIKey(s.ctx, keys[i].ID, time.Time{}, Event())
		}) {
			if err != nil {
				s.code(err, rolebroker.CodeConflict, "")
			}
		}
		left, err := s.store.APIKeys(s.ctx, rolebroker.Page{Limit: 100})
		s.must(err)
		s.equal(len(left), 1)
	}
}
