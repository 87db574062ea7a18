package lend

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// fakeRecords are records in memory that a test can hold up and have fail.
type fakeRecords struct {
	mu       sync.Mutex
	tell     func(rolebroker.Change)
	agents   map[rolebroker.AgentID]*rolebroker.Grants
	tokens   map[rolebroker.TokenID]*rolebroker.Token
	began    []rolebroker.Session // as they were recorded before STS was asked
	finished []rolebroker.Session // with their outcome
	events   []rolebroker.AuditEvent
	fetches  map[rolebroker.SessionID]int64
	reads    int
	gate     chan struct{}    // the next read is answered when it closes; nil: at once
	deaf     bool             // the news of changes does not arrive
	writes   map[string]int   // calls of each method that writes, whatever came of them
	failing  map[string]error // what a method answers, by its name
}

func newFakeRecords() *fakeRecords {
	return &fakeRecords{
		agents: map[rolebroker.AgentID]*rolebroker.Grants{}, tokens: map[rolebroker.TokenID]*rolebroker.Token{},
		fetches: map[rolebroker.SessionID]int64{}, failing: map[string]error{}, writes: map[string]int{},
	}
}

// put stores an agent and its token; name is the agent's name and the token's
// label. The first integration is the default.
func (f *fakeRecords) put(agent rolebroker.AgentID, name string, integrations ...rolebroker.Integration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	grants := &rolebroker.Grants{Agent: rolebroker.Agent{ID: agent, Name: name}, Integrations: integrations}
	for _, in := range slices.Backward(integrations) {
		grants.Agent.DefaultIntegration = in.ID
		grants.Agent.Connections = append(grants.Agent.Connections, rolebroker.NewConnection(&in, time.Time{}))
	}
	f.agents[agent] = grants
	f.tokens[tokenOf(agent)] = &rolebroker.Token{ID: tokenOf(agent), Agent: agent, Label: name}
}

func tokenOf(agent rolebroker.AgentID) rolebroker.TokenID {
	return rolebroker.TokenID("token of " + agent)
}

// change changes what the records hold and tells of it.
func (f *fakeRecords) change(what rolebroker.Change, change func(*fakeRecords)) {
	f.mu.Lock()
	change(f)
	f.mu.Unlock()
	f.tell(what)
}

// hold has the next read wait, after it has taken its answer, until release is
// called.
func (f *fakeRecords) hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gate = gate
	return sync.OnceFunc(func() { close(gate) })
}

// fail has a method fail from now on; nil: it works again.
func (f *fakeRecords) fail(method string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing[method] = err
}

var errAway = rolebroker.Errorf(rolebroker.CodeUnavailable, "the records are away")

// read takes an answer and returns when it may be given.
func (f *fakeRecords) read(ctx context.Context, method string, answer func()) error {
	f.mu.Lock()
	answer()
	f.reads++
	gate, err := f.gate, f.failing[method]
	f.gate = nil
	f.mu.Unlock()
	if gate == nil {
		return err
	}
	select {
	case <-gate:
		return err
	case <-ctx.Done():
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "the read took too long: %w", ctx.Err())
	}
}

// readsOf counts the reads that do causes.
func (f *fakeRecords) readsOf(do func()) int {
	before := f.reads
	do()
	return f.reads - before
}

func (f *fakeRecords) Grants(ctx context.Context, id rolebroker.AgentID) (found *rolebroker.Grants, err error) {
	if err := f.read(ctx, "Grants", func() { found = f.agents[id] }); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no agent %s", id)
	}
	return found, nil
}

func (f *fakeRecords) Token(ctx context.Context, id rolebroker.TokenID) (found *rolebroker.Token, err error) {
	if err := f.read(ctx, "Token", func() { found = f.tokens[id] }); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, rolebroker.Errorf(rolebroker.CodeNotFound, "there is no token %s", id)
	}
	return found, nil
}

// write does what a method does, unless the method fails or ctx has ended.
func (f *fakeRecords) write(ctx context.Context, method string, do func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes[method]++
	if err := f.failing[method]; err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return rolebroker.Errorf(rolebroker.CodeUnavailable, "nothing can be recorded: %w", err)
	}
	do()
	return nil
}

func (f *fakeRecords) RecordSession(
	ctx context.Context, s *rolebroker.Session, event rolebroker.AuditEvent,
) error {
	return f.write(ctx, "RecordSession", func() { f.began, f.events = append(f.began, *s), append(f.events, event) })
}

func (f *fakeRecords) FinishSession(
	ctx context.Context, s *rolebroker.Session, event rolebroker.AuditEvent,
) error {
	return f.write(ctx, "FinishSession", func() {
		f.finished, f.events = append(f.finished, *s), append(f.events, event)
	})
}

func (f *fakeRecords) RecordFetches(ctx context.Context, fetches []rolebroker.Fetch) error {
	return f.write(ctx, "RecordFetches", func() {
		for _, fetch := range fetches {
			f.fetches[fetch.Session] += fetch.Count
		}
	})
}

func (f *fakeRecords) RecordTokenUse(ctx context.Context, _ map[rolebroker.TokenID]time.Time) error {
	return f.write(ctx, "RecordTokenUse", func() {})
}

func (f *fakeRecords) Subscribe(tell func(rolebroker.Change)) { f.tell = tell }

func (f *fakeRecords) Watching() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.deaf
}

// sessions returns the records that were made before STS was asked, and those
// with an outcome.
func (f *fakeRecords) sessions() (began, finished []rolebroker.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.began), slices.Clone(f.finished)
}

// recorded returns the audit events of the sessions.
func (f *fakeRecords) recorded() []rolebroker.AuditEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

// counted returns the recorded fetches of all sessions.
func (f *fakeRecords) counted() map[rolebroker.SessionID]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.fetches)
}

// fakeSTS gives credentials, slowly or not at all if a test wants.
type fakeSTS struct {
	mu       sync.Mutex
	calls    []stsCall
	takes    time.Duration // how long a call takes
	lifetime time.Duration // of the credentials; 0: as asked for
	err      error         // nil: it gives credentials
}

type stsCall struct {
	at time.Time
	rolebroker.Assumption
}

func (f *fakeSTS) Assume(ctx context.Context, a rolebroker.Assumption) (*rolebroker.Assumed, error) {
	f.mu.Lock()
	f.calls = append(f.calls, stsCall{time.Now(), a})
	takes, lifetime, err := f.takes, f.lifetime, f.err
	f.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "the call was cut off"}
	}
	if err != nil {
		return nil, err
	}
	if lifetime == 0 {
		lifetime = a.Duration
	}
	given := rolebroker.Credentials{AccessKeyID: "ASIA", Expires: time.Now().Add(lifetime)}
	return &rolebroker.Assumed{RequestID: "request", Credentials: given}, nil
}

// times returns when the calls so far were made.
func (f *fakeSTS) times() (times []time.Time) {
	for _, c := range f.made() {
		times = append(times, c.at)
	}
	return times
}

// set changes how STS behaves.
func (f *fakeSTS) set(change func(*fakeSTS)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// made returns the calls so far.
func (f *fakeSTS) made() []stsCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

var (
	errUnreachable = &rolebroker.Refusal{Kind: rolebroker.RefusedUnreachable, Message: "STS cannot be reached"}
	errRefused     = &rolebroker.Refusal{Kind: rolebroker.RefusedDenied, Code: "AccessDenied", Message: "no"}
)

// fake is a lender on fake records and a fake STS. The agent scout may borrow
// the role production/readonly.
type fake struct {
	*testing.T
	records *fakeRecords
	sts     *fakeSTS
	lender  *Lender

	generation int64 // of the role
}

var scout = rolebroker.Caller{Agent: "scout", Token: tokenOf("scout")}

// production is an integration with the role readonly, changed by the test.
func production(change ...func(*rolebroker.Integration)) rolebroker.Integration {
	in := rolebroker.Integration{
		ID: "int_production", Name: "production", Enabled: true,
		AssumptionMode: rolebroker.ModePlatform, ExternalID: "external",
		DefaultRole: "readonly",
		Roles: []rolebroker.Role{{ID: "rol_readonly", Name: "readonly", Region: "us-east-1", Enabled: true,
			ARN: rolebroker.RoleARN{Partition: "aws", Account: "444455556666", Path: "/", Name: "ReadOnly"}}},
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func newFake(t *testing.T, change ...func(*Options)) *fake {
	f := &fake{T: t, records: newFakeRecords(), sts: &fakeSTS{}}
	f.records.put("scout", "scout", production())
	opts := Options{Records: f.records, Assumer: f.sts}
	for _, c := range change {
		c(&opts)
	}
	f.lender = New(opts)
	t.Cleanup(func() {
		if err := f.lender.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

func (f *fake) lend(task string) (*rolebroker.Loan, error) {
	return f.lender.Lend(f.Context(), scout, rolebroker.Request{Task: task})
}

func (f *fake) mustLend(task string) *rolebroker.Loan {
	f.Helper()
	loan, err := f.lend(task)
	if err != nil {
		f.Fatalf("lending for the task %q: %v", task, err)
	}
	return loan
}

// refuses checks the code of a refusal.
func (f *fake) refuses(code rolebroker.Code) {
	f.Helper()
	if _, err := f.lend(""); rolebroker.CodeOf(err) != code {
		f.Errorf("lending gave %v, want %s", err, code)
	}
}

func (f *fake) leases() []*lease {
	f.lender.mu.Lock()
	defer f.lender.mu.Unlock()
	return slices.Collect(maps.Values(f.lender.leases))
}

// lease returns the only one.
func (f *fake) lease() *lease {
	f.Helper()
	leases := f.leases()
	if len(leases) != 1 {
		f.Fatalf("there are %d leases", len(leases))
	}
	return leases[0]
}

// counts returns how many leases there are, how many of them are counted as
// scout's, how many agents have an allowance, and how many loans are retired.
func (f *fake) counts() (leases, scouts, agents, retired int) {
	f.lender.mu.Lock()
	defer f.lender.mu.Unlock()
	if allowance := f.lender.agents["scout"]; allowance != nil {
		scouts = len(allowance.leases)
	}
	return len(f.lender.leases), scouts, len(f.lender.agents), len(f.lender.retired)
}

// deleteAgent deletes scout.
func (f *fake) deleteAgent() {
	f.records.change(rolebroker.Change{Agent: "scout"}, func(r *fakeRecords) { delete(r.agents, "scout") })
}

// update changes scout's integration.
func (f *fake) update(change ...func(*rolebroker.Integration)) {
	f.records.put("scout", "scout", production(change...))
	f.records.tell(rolebroker.Change{Integration: "int_production"})
}
