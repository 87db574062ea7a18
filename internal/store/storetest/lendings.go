package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
)

// refusal is that STS refused a role at a time.
func refusal(at time.Time) *rolebroker.Lending {
	return &rolebroker.Lending{Refused: rolebroker.RefusedDenied, Message: "AWS does not let us, ½",
		RequestID: "request", Agent: "scout", By: "eks", At: at, Since: at.Add(-time.Hour)}
}

func testLendings(s *suite) {
	in := s.createIntegration("production", "readonly", "deployer")
	a := s.createAgent("scout", in)
	lend := func(i int, l *rolebroker.Lending) {
		s.Helper()
		s.must(s.store.RecordLending(s.ctx, in.ID, in.Roles[i].ID, in.Fingerprint(&in.Roles[i]), l))
	}
	hasStates := func() {
		s.Helper()
		s.hasIntegration(in)
		grants, err := s.store.Grants(s.ctx, a.ID)
		s.must(err)
		s.must(s.store.AddStates(s.ctx, grants))
		for i, role := range s.hinted(&grants.Integrations[0]).Roles {
			if diff := cmp.Diff(in.Roles[i].Lending, role.Lending); diff != "" {
				s.Errorf("the lending of role %d in grants (-want +got):\n%s", i, diff)
			}
			if diff := cmp.Diff(in.Roles[i].Validation, role.Validation); diff != "" {
				s.Errorf("the validation of role %d in grants (-want +got):\n%s", i, diff)
			}
		}
	}
	hasStates()
	s.validate(in, t1)
	lend(0, refusal(t1))
	in.Roles[0].Lending = refusal(t1)
	hasStates()

	// The newest one wins.
	lend(0, refusal(t0))
	hasStates()
	credentials := &rolebroker.Lending{Agent: "other", At: t2, Since: t2}
	lend(0, credentials)
	in.Roles[0].Lending = credentials
	hasStates()

	// It stays when something else changes, and counts no more when the role does.
	in.Description, in.Version = "other", in.Version+1
	s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
	hasStates()
	before := *in
	before.Roles = append([]rolebroker.Role{}, in.Roles...)
	in.Roles[0].Region, in.Version = "eu-west-3", in.Version+1
	in.Roles[0].Lending, in.Roles[0].Validation = nil, nil
	s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
	hasStates()
	s.must(s.store.RecordLending(s.ctx, in.ID, in.Roles[0].ID, before.Fingerprint(&before.Roles[0]), refusal(t2)))
	hasStates()

	// It goes with its role, and with its integration.
	lend(1, refusal(t2))
	gone := in.Roles[1]
	in.Roles, in.Version = in.Roles[:1], in.Version+1
	s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
	s.must(s.store.RecordLending(s.ctx, in.ID, gone.ID, in.Fingerprint(&gone), refusal(t2)))
	gone.Validation = nil
	in.Roles, in.Version = append(in.Roles, gone), in.Version+1
	s.must(s.store.UpdateIntegration(s.ctx, in, in.Version-1, Event()))
	hasStates()
	s.must(s.store.DeleteIntegration(s.ctx, in.ID, 0, Event()))
	lend(0, refusal(t2))
}
