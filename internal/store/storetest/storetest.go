package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/store"
)

// Run is the conformance suite. open makes a new store without rows and closes
// it when its test ends. The tests run in parallel.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for name, test := range map[string]func(*suite){
		"Audit":                        testAudit,
		"AuditSinks":                   testAuditSinks,
		"AuditTrail":                   testAuditTrail,
		"ForgetEvents":                 testForgetEvents,
		"Integration":                  testIntegration,
		"IntegrationConflicts":         testIntegrationConflicts,
		"ExternalIDs":                  testExternalIDs,
		"UpdateIntegration":            testUpdateIntegration,
		"RolesChangeNames":             testRolesChangeNames,
		"ManyRoles":                    testManyRoles,
		"DeleteIntegration":            testDeleteIntegration,
		"ListIntegrations":             testListIntegrations,
		"Validations":                  testValidations,
		"Hints":                        testHints,
		"NewestValidationWins":         testNewestValidationWins,
		"ValidationsAfterChanges":      testValidationsAfterChanges,
		"ValidationsAreKept":           testValidationsAreKept,
		"ValidationsOfDeletedRoles":    testValidationsOfDeletedRoles,
		"Lendings":                     testLendings,
		"ManyValidations":              testManyValidations,
		"ValidationText":               testValidationText,
		"Attribution":                  testAttribution,
		"ClaimIntegrations":            testClaimIntegrations,
		"ClaimsAtOnce":                 testClaimsAtOnce,
		"CountIntegrations":            testCountIntegrations,
		"SetExternalIDs":               testSetExternalIDs,
		"LateValidations":              testLateValidations,
		"ExternalIDsOfOthers":          testExternalIDsOfOthers,
		"RotationsAtOnce":              testRotationsAtOnce,
		"EarlierExternalIDs":           testEarlierExternalIDs,
		"Reservation":                  testReservation,
		"ReservationOf":                testReservationOf,
		"ReservationFollows":           testReservationFollows,
		"ExternalIDIsReservedAgain":    testExternalIDIsReservedAgain,
		"UpdateWithAnotherExternalID":  testUpdateWithAnotherExternalID,
		"ReleaseExternalID":            testReleaseExternalID,
		"ReleasesMeetCreations":        testReleasesMeetCreations,
		"Search":                       testSearch,
		"SearchEverywhere":             testSearchEverywhere,
		"Find":                         testFind,
		"FindByID":                     testFindByID,
		"SortedIntegrations":           testSortedIntegrations,
		"SortedAgents":                 testSortedAgents,
		"SortedRunners":                testSortedRunners,
		"UsualRegion":                  testUsualRegion,
		"Troubles":                     testTroubles,
		"NewestTroubles":               testNewestTroubles,
		"Activity":                     testActivity,
		"Ending":                       testEnding,
		"Agent":                        testAgent,
		"AgentConflicts":               testAgentConflicts,
		"UpdateAgent":                  testUpdateAgent,
		"AgentOfDeletedIntegration":    testAgentOfDeletedIntegration,
		"DeleteAgent":                  testDeleteAgent,
		"ListAgents":                   testListAgents,
		"Grants":                       testGrants,
		"Limits":                       testLimits,
		"SessionPolicies":              testSessionPolicies,
		"Generations":                  testGenerations,
		"EndSession":                   testEndSession,
		"EndSessions":                  testEndSessions,
		"CutOff":                       testCutOff,
		"DenyPolicies":                 testDenyPolicies,
		"EndedWhileItChanges":          testEndedWhileItChanges,
		"Reconnected":                  testReconnected,
		"OneOfManyUpdatesWins":         testOneOfManyUpdatesWins,
		"DeletionMeetsUpdates":         testDeletionMeetsUpdates,
		"Token":                        testToken,
		"RevokeToken":                  testRevokeToken,
		"TokenUse":                     testTokenUse,
		"Runner":                       testRunner,
		"UpdateRunner":                 testUpdateRunner,
		"ListRunners":                  testListRunners,
		"RunnerOfIntegrations":         testRunnerOfIntegrations,
		"DeletedRunner":                testDeletedRunner,
		"RunnersChange":                testRunnersChange,
		"RunnerReport":                 testRunnerReport,
		"RunnerKeys":                   testRunnerKeys,
		"ValidationRequests":           testValidationRequests,
		"Join":                         testJoin,
		"JoinsAtOnce":                  testJoinsAtOnce,
		"UseRunnerKey":                 testUseRunnerKey,
		"CredentialsAtOnce":            testCredentialsAtOnce,
		"Binding":                      testBinding,
		"BindingsByPage":               testBindingsByPage,
		"BindingsOfIssuer":             testBindingsOfIssuer,
		"OneOfManyBindingsWins":        testOneOfManyBindingsWins,
		"AccessRequest":                testAccessRequest,
		"SameAccessRequest":            testSameAccessRequest,
		"DecisionsAtOnce":              testDecisionsAtOnce,
		"ManyAccessRequests":           testManyAccessRequests,
		"WriteRequests":                testWriteRequests,
		"ListAccessRequests":           testListAccessRequests,
		"AccessRequestsChange":         testAccessRequestsChange,
		"ApprovalRules":                testApprovalRules,
		"APIKey":                       testAPIKey,
		"PutAPIKey":                    testPutAPIKey,
		"LastAdminKey":                 testLastAdminKey,
		"LastAdminKeyRace":             testLastAdminKeyRace,
		"SignIns":                      testSignIns,
		"Users":                        testUsers,
		"UserSignIns":                  testUserSignIns,
		"UseOfAPIKeys":                 testUseOfAPIKeys,
		"Counts":                       testCounts,
		"Call":                         testCall,
		"CallList":                     testCallList,
		"CallKinds":                    testCallKinds,
		"CallDigest":                   testCallDigest,
		"Session":                      testSession,
		"SessionReportedTwice":         testSessionReportedTwice,
		"ValidationsByRunner":          testValidationsByRunner,
		"SessionsByPage":               testSessionsByPage,
		"SessionFilter":                testSessionFilter,
		"LiveSessions":                 testLiveSessions,
		"Fetches":                      testFetches,
		"FirstLike":                    testFirstLike,
		"DeleteSessions":               testDeleteSessions,
		"SessionsOutliveTheRest":       testSessionsOutliveTheRest,
		"InvalidText":                  testInvalidText,
		"Changes":                      testChanges,
		"FailedChangesAreNotPublished": testFailedChangesAreNotPublished,
		"Cancelled":                    testCancelled,
		"Closed":                       testClosed,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(&suite{T: t, store: open(t), ctx: t.Context()})
		})
	}
}

// Open opens the database and closes it when the test ends.
func Open(t testing.TB, database string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

// Eventually waits until the condition holds. The test fails after a minute,
// which is long enough for a machine that has much else to do.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("never:", what)
		}
	}
}

// suite is one test of the suite with its store.
type suite struct {
	*testing.T
	store *store.Store
	ctx   context.Context
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v (cause: %v)", err, rolebroker.AsError(err).Cause)
	}
}

// code checks an error's code and, unless it is empty, its message.
func (s *suite) code(err error, want rolebroker.Code, message string) {
	s.Helper()
	got := rolebroker.AsError(err)
	if err == nil || got.Code != want || message != "" && got.Error() != message {
		s.Fatalf("got %s %q (cause: %v), want %s %q", rolebroker.CodeOf(err), err, got.Cause, want, message)
	}
}

func (s *suite) equal(got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("not as wanted (-want +got):\n%s", diff)
	}
}

// Times for the tests, in whole milliseconds, as they are stored.
var (
	t0 = time.Date(2025, 3, 1, 12, 30, 15, 123e6, time.UTC)
	t1 = t0.Add(time.Hour + time.Millisecond)
	t2 = t1.Add(24 * time.Hour)
)

func role(name string) rolebroker.Role {
	return rolebroker.Role{ID: rolebroker.NewRoleID(), Name: name, Region: "eu-west-1", Enabled: true,
		ARN: rolebroker.RoleARN{Partition: "aws", Account: "012345678901", Path: "/team/", Name: name}}
}

// integration makes an integration with the named roles, of which the first is
// the default. It reserves its external ID and does not store it.
func (s *suite) integration(name string, roles ...string) *rolebroker.Integration {
	s.Helper()
	in := &rolebroker.Integration{Enabled: true, ID: rolebroker.NewIntegrationID(), Name: name,
		Description: "The " + name + " accounts, ½ of them", AssumptionMode: rolebroker.ModePlatform,
		ExternalID: "external-" + name, Version: 1, CreatedAt: t0, UpdatedAt: t1}
	for _, name := range roles {
		in.Roles = append(in.Roles, role(name))
	}
	if len(roles) > 0 {
		in.DefaultRole = roles[0]
	}
	s.must(s.store.ReserveExternalID(s.ctx, rolebroker.NewReservationID(), in.ExternalID, t0, Event()))
	return in
}

// createIntegration makes an integration as integration does and stores it.
func (s *suite) createIntegration(name string, roles ...string) *rolebroker.Integration {
	s.Helper()
	in := s.integration(name, roles...)
	s.must(s.store.CreateIntegration(s.ctx, in, Event()))
	return in
}

// agent makes an agent that is connected to the integrations, of which the first
// is its default. It does not store it.
func (s *suite) agent(name string, integrations ...*rolebroker.Integration) *rolebroker.Agent {
	a := &rolebroker.Agent{ID: rolebroker.NewAgentID(), Name: name, Description: "Looks around", Version: 1,
		CreatedAt: t0, UpdatedAt: t1}
	for i, in := range integrations {
		a.Connections = append(a.Connections, rolebroker.NewConnection(in, t0.Add(time.Duration(i)*time.Second)))
	}
	if len(integrations) > 0 {
		a.DefaultIntegration = integrations[0].ID
	}
	return a
}

func (s *suite) createAgent(name string, integrations ...*rolebroker.Integration) *rolebroker.Agent {
	s.Helper()
	a := s.agent(name, integrations...)
	s.must(s.store.CreateAgent(s.ctx, a, Event()))
	return a
}

func (s *suite) hasIntegration(want *rolebroker.Integration) {
	s.Helper()
	got, err := s.store.Integration(s.ctx, string(want.ID))
	s.must(err)
	s.equal(s.hinted(got), want)
}

// hinted is an integration as it was read, which has no hints, with all of them.
func (s *suite) hinted(in *rolebroker.Integration) *rolebroker.Integration {
	s.Helper()
	for _, role := range in.Roles {
		if role.Validation != nil && role.Validation.Hint != nil {
			s.Errorf("role %s was read with a hint", role.Name)
		}
	}
	s.must(s.store.AddHints(s.ctx, in))
	return in
}

func (s *suite) hasAgent(want *rolebroker.Agent) {
	s.Helper()
	got, err := s.store.Agent(s.ctx, string(want.ID))
	s.must(err)
	s.equal(got, want)
}

// atOnce starts n calls at the same time and returns their errors.
func atOnce(n int, do func(i int) error) []error {
	errs := make([]error, n)
	begin, done := make(chan struct{}), make(chan struct{})
	for i := range n {
		go func() {
			<-begin
			errs[i] = do(i)
			done <- struct{}{}
		}()
	}
	close(begin)
	for range n {
		<-done
	}
	return errs
}

// pages reads a whole list in pages of limit.
func pages[T any](s *suite, limit int, list func(rolebroker.Page) ([]T, error), cursor func(*T) string) []T {
	s.Helper()
	var all []T
	page := rolebroker.Page{Limit: limit}
	for {
		items, err := list(page)
		s.must(err)
		if len(items) > limit {
			s.Fatalf("a page of %d has %d items", limit, len(items))
		}
		if len(items) == 0 {
			return all
		}
		all = append(all, items...)
		page.After = cursor(&items[len(items)-1])
	}
}

// names returns the names of items.
func names[T any](items []T, name func(*T) string) []string {
	out := []string{}
	for i := range items {
		out = append(out, name(&items[i]))
	}
	return out
}

func integrationName(in *rolebroker.Integration) string { return in.Name }
func agentName(a *rolebroker.Agent) string              { return a.Name }

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return out
}

// Event returns an audit event for a change that a test makes.
func Event() rolebroker.AuditEvent {
	return rolebroker.AuditEvent{ID: rolebroker.NewAuditEventID(), At: time.Now(), Action: "test.change",
		Actor: rolebroker.Caller{Name: "a test"}}
}
