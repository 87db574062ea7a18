package storetest

import (
	"strings"
	"time"

	"github.com/rolebroker/rolebroker"
)

func testIntegration(s *suite) {
	in := s.integration("production", "readonly", "deployer", "admin")
	in.Roles[1].Enabled = false
	in.Roles[1].SessionDuration = 90 * time.Minute
	in.Roles[2].ARN = rolebroker.RoleARN{Partition: "aws-us-gov", Account: "000000000001", Path: "/",
		Name: "Admin+=,.@-"}
	in.DefaultRole = "admin"
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	for _, ref := range []string{in.Name, string(in.ID)} {
		got, err := s.store.Integration(s.ctx, ref)
		s.must(err)
		s.equal(got, in)
		if got.CreatedAt.Location() != time.UTC {
			s.Errorf("times come back in %s", got.CreatedAt.Location())
		}
	}
	for _, ref := range []string{"", "Production", "production ", "nope"} {
		_, err := s.store.Integration(s.ctx, ref)
		s.code(err, rolebroker.CodeNotFound, `there is no integration "`+ref+`"`)
	}
	_, err := s.store.Integration(s.ctx, strings.Repeat("x", 5000))
	s.code(err, rolebroker.CodeNotFound, `there is no integration "`+strings.Repeat("x", 100)+`…"`)

	bare := s.integration("bare")
	bare.Enabled = false
	bare.CreatedAt, bare.UpdatedAt, bare.Description = time.Time{},
		t0.Add(999*time.Microsecond).In(time.FixedZone("", 3600)), ""
	s.must(s.store.CreateIntegration(s.ctx, bare, Event()))
	bare.UpdatedAt = t0
	s.hasIntegration(bare)
}

func testIntegrationConflicts(s *suite) {
	first := s.createIntegration("production", "readonly")
	same := s.integration("other", "readonly")
	same.Name = "production"
	s.code(s.store.CreateIntegration(s.ctx, same, Event()), rolebroker.CodeConflict,
		`an integration named "production" exists already`)

	same.Name, same.ID = "other", first.ID
	s.code(s.store.CreateIntegration(s.ctx, same, Event()), rolebroker.CodeConflict,
		`an integration with the ID `+string(first.ID)+` exists already`)

	same.ID, same.Roles[0].ID = rolebroker.NewIntegrationID(), first.Roles[0].ID
	s.code(s.store.CreateIntegration(s.ctx, same, Event()), rolebroker.CodeConflict,
		`a role of integration "other" has the ID of another`)

	same.Roles = []rolebroker.Role{role("twin"), role("twin")}
	same.DefaultRole = ""
	s.code(s.store.CreateIntegration(s.ctx, same, Event()), rolebroker.CodeConflict,
		`two roles of integration "other" have the same name`)

	same.Roles = []rolebroker.Role{role("readonly")} // the name is free in another integration
	s.must(s.store.CreateIntegration(s.ctx, same, Event()))
	s.hasIntegration(first)
	s.hasIntegration(same)
}

func testExternalIDs(s *suite) {
	const refused = "the integration is not valid: " +
		"external_id: is not one that was reserved here, or it was used already"
	in := s.integration("production", "readonly")
	own := *in
	own.ExternalID = "of-my-own-choosing"
	s.code(s.store.CreateIntegration(s.ctx, &own, Event()), rolebroker.CodeInvalid, refused)
	s.code(s.store.ReserveExternalID(s.ctx, rolebroker.NewReservationID(), in.ExternalID, t1, Event()),
		rolebroker.CodeConflict,
		"this external ID was reserved before")
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))

	second := s.integration("second", "readonly")
	second.ExternalID = in.ExternalID
	s.code(s.store.CreateIntegration(s.ctx, second, Event()), rolebroker.CodeInvalid, refused)

	// It stays used after its integration was deleted.
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	s.code(s.store.CreateIntegration(s.ctx, second, Event()), rolebroker.CodeInvalid, refused)
	s.code(s.store.ReserveExternalID(s.ctx, rolebroker.NewReservationID(), in.ExternalID, t1, Event()),
		rolebroker.CodeConflict,
		"")

	// A creation that failed does not use it.
	s.createIntegration("third")
	second.ExternalID, second.Name = "external-second", "third"
	s.code(s.store.CreateIntegration(s.ctx, second, Event()), rolebroker.CodeConflict, "")
	second.Name = "second"
	s.must(s.store.CreateIntegration(s.ctx, second, Event()))
}

func testUpdateIntegration(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer")
	s.createIntegration("staging", "readonly")
	changed := *in
	changed.Name, changed.Description, changed.AssumptionMode = "prod", "", rolebroker.ModeCluster
	changed.Version, changed.UpdatedAt, changed.CreatedAt, changed.ExternalID = 7, t2, t2, "another"
	s.code(s.store.UpdateIntegration(s.ctx, &changed, 1, Event()), rolebroker.CodeInvalid, "") // it is not reserved
	s.hasIntegration(in)
	s.reserve("another", t1)
	changed.Roles = []rolebroker.Role{role("new"), in.Roles[1]}
	changed.DefaultRole = "deployer"
	s.must(s.store.UpdateIntegration(s.ctx, &changed, 1, Event()))
	changed.CreatedAt = in.CreatedAt // stays
	s.hasIntegration(&changed)

	const stale = `integration "prod" was changed by someone else (it is at version 7)`
	s.code(s.store.UpdateIntegration(s.ctx, in, 1, Event()), rolebroker.CodeStale, stale)
	s.code(s.store.DeleteIntegration(s.ctx, in.ID, 1, Event()), rolebroker.CodeStale, stale)
	s.code(s.store.UpdateIntegration(s.ctx, in, 0, Event()), rolebroker.CodeStale, stale)

	taken := changed
	taken.Name = "staging"
	s.code(s.store.UpdateIntegration(s.ctx, &taken, 7, Event()), rolebroker.CodeConflict,
		`an integration named "staging" exists already`)
	twins := changed
	twins.Roles = []rolebroker.Role{role("twin"), role("twin")}
	twins.DefaultRole = ""
	s.code(s.store.UpdateIntegration(s.ctx, &twins, 7, Event()), rolebroker.CodeConflict, "")
	s.hasIntegration(&changed)

	unknown := *in
	unknown.ID = rolebroker.NewIntegrationID()
	s.code(s.store.UpdateIntegration(s.ctx, &unknown, 1, Event()), rolebroker.CodeNotFound,
		`there is no integration "`+string(unknown.ID)+`"`)
}

func testRolesChangeNames(s *suite) {
	in := s.createIntegration("production", "a", "b", "c")
	a, b, c := in.Roles[0], in.Roles[1], in.Roles[2]
	a.Name, b.Name = "b", "a" // they swap, and the default follows the name
	in.Roles = []rolebroker.Role{c, b, a}
	in.DefaultRole, in.Version = "b", 2
	s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
	s.hasIntegration(in)

	a.Name, b.Name, c.Name = "c", "b", "a"
	in.Roles = []rolebroker.Role{a, b, c}
	in.DefaultRole, in.Version = "a", 3
	s.must(s.store.UpdateIntegration(s.ctx, in, 2, Event()))
	s.hasIntegration(in)
}

func testManyRoles(s *suite) {
	in := s.createIntegration("production", numbered("role", 213)...)
	s.hasIntegration(in)
	in.Roles = in.Roles[:25]
	in.Version = 2
	s.must(s.store.UpdateIntegration(s.ctx, in, 1, Event()))
	s.hasIntegration(in)
}

func testDeleteIntegration(s *suite) {
	in := s.createIntegration("production", "readonly")
	kept := s.createIntegration("staging", "readonly")
	scout := s.createAgent("scout", in, kept)
	builder := s.createAgent("builder", kept, in)
	s.code(s.store.DeleteIntegration(s.ctx, in.ID, 2, Event()), rolebroker.CodeStale,
		`integration "production" was changed by someone else (it is at version 1)`)
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 1, Event()))
	s.code(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()), rolebroker.CodeNotFound,
		`there is no integration "`+string(in.ID)+`"`)
	_, err := s.store.Integration(s.ctx, "production")
	s.code(err, rolebroker.CodeNotFound, `there is no integration "production"`)

	// The agents keep their versions and lose the connection. Nothing else becomes
	// their default.
	scout.Connections, scout.DefaultIntegration = scout.Connections[1:], ""
	s.hasAgent(scout)
	builder.Connections = builder.Connections[:1]
	s.hasAgent(builder)
	s.hasIntegration(kept)

	again := s.integration("again", "readonly")
	again.Name = "production"
	again.Roles[0].ID = in.Roles[0].ID
	s.must(s.store.CreateIntegration(s.ctx, again, Event()))
}

func testListIntegrations(s *suite) {
	none, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: 10})
	s.must(err)
	s.equal(len(none), 0)
	// Names are ordered by bytes, whatever the locale of the database.
	order := []string{"0", "A-b", "A.b", "AB", "A_b", "Z", "a", "a-b", "a.b", "a_b", "aa", "b"}
	want := map[string]*rolebroker.Integration{}
	for i := range order {
		name := order[(i*5)%len(order)]
		want[name] = s.createIntegration(name, "x", "w")
	}
	for _, limit := range []int{1, 3, 100} {
		got := pages(s, limit, func(p rolebroker.Page) ([]rolebroker.Integration, error) {
			return s.store.Integrations(s.ctx, p)
		}, integrationName)
		s.equal(names(got, integrationName), order)
		for i := range got {
			s.equal(&got[i], want[got[i].Name])
		}
	}
	for _, limit := range []int{0, -1} {
		none, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: limit})
		s.must(err)
		s.equal(len(none), 0)
	}
}

func testSearch(s *suite) {
	for _, name := range []string{"Prod-EU", "prod_us", "staging", "reprod"} {
		s.createAgent(name, s.createIntegration(name, "readonly"))
	}
	for search, want := range map[string][]string{
		"":                         {"Prod-EU", "prod_us", "reprod", "staging"},
		"PROD":                     {"Prod-EU", "prod_us", "reprod"},
		"od_":                      {"prod_us"}, // not a wildcard
		"%":                        {},
		`\`:                        {},
		"-eu":                      {"Prod-EU"},
		"ſtaging":                  {}, // only the case of ASCII letters is ignored
		"a\x00":                    {},
		"\xff":                     {},
		strings.Repeat("%", 60000): {},
	} {
		integrations, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: 10, Search: search})
		s.must(err)
		s.equal(names(integrations, integrationName), want)
		agents, err := s.store.Agents(s.ctx, rolebroker.Page{Limit: 10, Search: search})
		s.must(err)
		s.equal(names(agents, agentName), want)
	}
	second, err := s.store.Integrations(s.ctx, rolebroker.Page{Limit: 1, Search: "prod", After: "Prod-EU"})
	s.must(err)
	s.equal(names(second, integrationName), []string{"prod_us"})
}
