package broker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/internal/broker"
)

// notAudited are the exported methods of a Broker that do not ask May, and why.
var notAudited = map[string]string{
	"APIKey":         "auth reads it to identify the caller",
	"RunnerKey":      "auth reads it to identify the caller",
	"SignInRecord":   "auth reads it to identify the caller",
	"Token":          "auth reads it to identify the caller",
	"UseRunnerKey":   "auth calls it for the runner that it identified",
	"User":           "auth reads it to identify the caller",
	"UsedAPIKey":     "auth calls it for the holder that it identified",
	"Confirm":        "auth calls it to identify the caller",
	"Admit":          "it identifies the caller, by what the identity provider says, and records whom it refuses",
	"RecordEvent":    "it records what auth refused",
	"SignOut":        "the caller needs the secret of the sign-in, and can end only that",
	"BootstrapAdmin": "the server's configuration asks for it, which the event names",

	"ForgetSessions": "the server calls it on a schedule",
	"ForgetSignIns":  "the server calls it on a schedule",

	"ForgetAccessRequests": "the server calls it on a schedule",

	"ForgetEvents": "the server calls it on a schedule",
	"GrowTrail":    "the server calls it on a schedule",
	"DigestCalls":  "the server calls it on a schedule",
	"ForgetCalls":  "the server calls it on a schedule",
	"OthersSign":   "the server calls it when it starts",

	"Revalidate": "the server calls it on a schedule",

	"RevalidateSuspects": "the server runs it until it closes",
}

// untouched is a store that must be used for nothing but to record events.
type untouched struct{ broker.Store }

func (untouched) RecordEvent(context.Context, rolebroker.AuditEvent) error { return nil }

// events returns the audit events in a log that slog.JSONHandler wrote.
func events(t *testing.T, log *bytes.Buffer) (found []map[string]any) {
	t.Helper()
	for lines := json.NewDecoder(log); lines.More(); {
		var line map[string]any
		if err := lines.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] == "audit event" {
			found = append(found, line)
		}
	}
	return found
}

// Every exported method refuses a caller who may do nothing, before it uses the store, and records the refusal once.
func TestEveryMethodAsksFirst(t *testing.T) {
	var log bytes.Buffer
	b := broker.New(broker.Options{Store: untouched{}, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	stranger := rolebroker.Caller{APIKey: "key_stranger", Name: "stranger", Access: "nothing"}
	methods := reflect.TypeOf(b)
	for name := range notAudited {
		if _, ok := methods.MethodByName(name); !ok {
			t.Errorf("%s is listed and does not exist", name)
		}
	}
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		if notAudited[name] != "" {
			continue
		}
		log.Reset()
		err := call(reflect.ValueOf(b).Method(i), stranger)
		if rolebroker.CodeOf(err) != rolebroker.CodeDenied {
			t.Errorf("%s: %v, want denied", name, err)
		}
		found := events(t, &log)
		if len(found) != 1 || found[0]["outcome"] != "refused" || found[0]["by_id"] != "key_stranger" {
			t.Errorf("%s: it left the events %v", name, found)
		}
	}
}

// call calls a method as a caller, with zero values otherwise, and returns its error. A panic is an error too.
func call(method reflect.Value, who rolebroker.Caller) (err error) {
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("it went on until it panicked: %v", caught)
		}
	}()
	var args []reflect.Value
	for i := range method.Type().NumIn() {
		switch in := method.Type().In(i); in {
		case reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(context.Background()))
		case reflect.TypeFor[rolebroker.Caller]():
			args = append(args, reflect.ValueOf(who))
		case reflect.TypeFor[*rolebroker.Integration]():
			args = append(args, reflect.ValueOf(&rolebroker.Integration{}))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	do := method.Call
	if method.Type().IsVariadic() {
		do = method.CallSlice
	}
	results := do(args)
	err, _ = results[len(results)-1].Interface().(error)
	return err
}

// A read-only key reads and nothing else; a runner and a join token do what is theirs.
func TestNobodyDoesWhatIsAnothers(t *testing.T) {
	reads := "Agent Agents Grants Tokens AgentToken Bindings BindingsOfIssuer Integration Integrations IntegrationsOf " +
		"AddHints IntegrationOfRole Setup SetupDraft Reservation Runner Runners APIKeys AuditEvents AuditTrail " +
		"TrailState " +
		"ExportTrail FollowTrail Session Sessions LearnedPolicy Calls Call ExportCalls Platform Counts " +
		"CountAgents SignIn SignInLink SignInCode " +
		"LoopbackName AccessRequest AccessRequests ApprovalRule ApprovalRules LastCutOff EndedSession " +
		"JudgeLimits Users SignInPerson Overview Search SortedAgents SortedIntegrations SortedRunners " +
		"UsualRegion"
	decides, asks := "ApproveRequest DenyRequest EndRequest", "RequestAccess MyAccessRequest MyAccessRequests MyCalls MayCall"
	runs := "NamedRunner RenewCredential RecordReport SeeRunner SeeReplica Watch AgentOfAccount AgentOfToken " +
		"RunnerToken RunnerGrants " +
		"BeginRunnerSession FinishRunnerSession RecordRunnerUse RecordRunnerRefusals LendThrough AgentThrough RunnerIntegrations RecordRunnerValidations " +
		"RunnerValidationRequests AnswerValidationRequest KeyThrough IsKeyOf AgentOfCall RecordRunnerCalls"
	admin := rolebroker.Caller{APIKey: "key_a", Access: rolebroker.KeyAdmin}
	reader := rolebroker.Caller{APIKey: "key_r", Access: rolebroker.KeyReadOnly}
	approver := rolebroker.Caller{APIKey: "key_p", Access: rolebroker.KeyApprover}
	runner := rolebroker.Caller{Runner: "run_r"}
	joining := rolebroker.Caller{Joining: "run_j"}
	agent := rolebroker.Caller{Agent: "agt_a", Token: "tok_a"}
	b := broker.New(broker.Options{Store: untouched{}, STS: &identitySTS{err: errors.New("there is no AWS here")}})
	listed := func(names, name string) bool { return strings.Contains(" "+names+" ", " "+name+" ") }
	for i := range reflect.TypeOf(b).NumMethod() {
		name := reflect.TypeOf(b).Method(i).Name
		if notAudited[name] != "" || name == "May" {
			continue
		}
		for who, may := range map[rolebroker.Caller]bool{
			admin: !listed(runs, name) && !listed(asks, name) && name != "Join", reader: listed(reads, name),
			approver: listed(reads, name) || listed(decides, name), runner: listed(runs, name),
			joining: name == "Join", agent: listed(asks, name), {}: false,
		} {
			err := call(reflect.ValueOf(b).Method(i), who)
			code := rolebroker.CodeOf(err)
			if refused := code == rolebroker.CodeDenied || code == rolebroker.CodeUnauthenticated; refused == may {
				t.Errorf("%s for %+v: %v", name, who, err)
			}
		}
	}
}

// What the API cannot do leaves one event each, too: the web app's own actions, a runner's, and the first key.
func TestWhatTheAPICannotDoIsRecorded(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *broker.Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	runner := w.runner("eks")
	key, token, err := w.broker.JoinToken(w.ctx, admin, "eks", 0)
	if err != nil {
		t.Fatal(err)
	}
	joining := rolebroker.Caller{Joining: runner.ID, RunnerKey: key.ID, Name: "eks", Address: "192.0.2.7"}
	joined := rolebroker.Caller{Runner: runner.ID, Name: "eks", Address: "192.0.2.7"}
	person := rolebroker.Caller{APIKey: "key_bootstrap", Name: "bootstrap", Access: rolebroker.KeyAdmin}
	secrets := []string{token.Reveal()}
	made := func(secret rolebroker.Secret, err error) error {
		secrets = append(secrets, secret.Reveal())
		return err
	}
	for _, c := range []struct {
		action, by, subject string
		do                  func() error
	}{
		{"api-key.create", "the server's configuration", "api_key_id=key_bootstrap", func() error {
			return made(w.broker.BootstrapAdmin(w.ctx, rolebroker.Secret{}))
		}},
		{"api-key.create", "the server's configuration", "api_key_id=key_bootstrap", func() error {
			return made(w.broker.BootstrapAdmin(w.ctx, rolebroker.NewSecret("a key that the operator chose")))
		}},
		{"", "", "", func() error { // it is the key already
			return made(w.broker.BootstrapAdmin(w.ctx, rolebroker.NewSecret("a key that the operator chose")))
		}},
		{"sign-in.create", "bootstrap", "", func() error {
			secret, _, err := w.broker.SignIn(w.ctx, person)
			return made(secret, err)
		}},
		{"sign-in.create-link", "bootstrap", "", func() error { return made(w.broker.SignInLink(w.ctx, person)) }},
		{"agent.disable", "test", "agent=scout", func() error {
			_, err := w.broker.DisableAgent(w.ctx, admin, "scout")
			return err
		}},
		{"", "", "", func() error { _, err := w.broker.DisableAgent(w.ctx, admin, "scout"); return err }},
		{"agent.enable", "test", "agent=scout", func() error {
			_, err := w.broker.EnableAgent(w.ctx, admin, "scout")
			return err
		}},
		{"agent.set-default", "test", "integration=production", func() error {
			_, err := w.broker.ChooseDefault(w.ctx, admin, "scout", "production")
			return err
		}},
		{"runner.join", "eks", "runner=eks", func() error {
			_, _, secret, err := w.broker.Join(w.ctx, joining, "v1.2.3")
			return made(secret, err)
		}},
		{"runner.renew-credential", "eks", "runner=eks", func() error {
			_, _, secret, err := w.broker.RenewCredential(w.ctx, joined)
			return made(secret, err)
		}},
	} {
		log.Reset()
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.action, err)
		}
		for _, secret := range secrets {
			if secret != "" && strings.Contains(log.String(), secret) {
				t.Errorf("%s: the log has a secret: %s", c.action, log.String())
			}
		}
		found := events(t, &log)
		if c.action == "" {
			if len(found) != 0 {
				t.Errorf("nothing changed, and there are the events %v", found)
			}
			continue
		}
		field, value, _ := strings.Cut(c.subject, "=")
		if len(found) != 1 || found[0]["action"] != c.action || found[0]["outcome"] != "done" ||
			found[0]["by"] != c.by || field != "" && found[0][field] != value {
			t.Errorf("%s: it left the events %v", c.action, found)
		}
	}

	// A second process with the same join token is refused.
	log.Reset()
	_, _, _, err = w.broker.Join(w.ctx, joining, "v1.2.3")
	found := events(t, &log)
	if rolebroker.CodeOf(err) != rolebroker.CodeUnauthenticated || len(found) != 1 ||
		found[0]["action"] != "runner.join" || found[0]["outcome"] != "refused" || found[0]["address"] != "192.0.2.7" {
		t.Errorf("a join token that was used: %v, %v", err, found)
	}
}

// A runner that reaches for what is not its own is refused, which leaves one event.
func TestARunnerThatReachesForWhatIsAnothersIsRecorded(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, func(o *broker.Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	runner := rolebroker.Caller{Runner: w.runner("eks").ID, Name: "eks", Address: "192.0.2.7"}
	w.runner("other")
	in, err := w.clustered("theirs", "other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.broker.Connect(w.ctx, admin, "scout", "theirs", nil, 0); err != nil {
		t.Fatal(err)
	}
	binding, err := w.broker.Bind(w.ctx, admin, "scout", scoutAccount, nil)
	if err != nil {
		t.Fatal(err)
	}
	session := rolebroker.Session{ID: rolebroker.NewSessionID(), Agent: w.scout.Agent, Integration: in.ID,
		Role: in.Roles[0].ID, ARN: in.Roles[0].ARN, Region: in.Roles[0].Region, SessionName: "scout",
		AgentName: "scout", IntegrationName: "theirs", RoleName: "readonly",
		RequestedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	for _, c := range []struct {
		action, subject string
		do              func() error
	}{
		{"runner.identify", "", func() error {
			_, err := w.broker.AgentOfAccount(w.ctx, runner, scoutAccount, nil)
			return err
		}},
		{"runner.lend", "binding_id=" + string(binding.ID), func() error {
			_, err := w.broker.LendThrough(w.ctx, runner, binding.ID, rolebroker.Workload{}, "", rolebroker.Request{})
			return err
		}},
		{"runner.record", "agent=scout", func() error {
			return w.broker.BeginRunnerSession(w.ctx, runner, session, false)
		}},
		{"runner.record", "agent_id=" + string(w.scout.Agent), func() error {
			return w.broker.BeginRunnerSession(w.ctx, runner, session, true)
		}},
		{"runner.identify", "agent=scout", func() error { // a key of another runner
			_, err := w.broker.IsKeyOf(w.ctx, runner, rolebroker.GatewayKey{Agent: w.scout.Agent, Integration: in.ID,
				Role: in.Roles[0].ID})
			return err
		}},
		{"runner.lend", "agent=scout", func() error { // an agent that has not identified itself
			_, _, _, err := w.broker.AgentOfCall(w.ctx, runner, rolebroker.Call{ID: rolebroker.NewCallID(time.Now()),
				Agent: w.scout.Agent, Token: w.scout.Token, Integration: in.ID, Role: in.Roles[0].ID,
				Level: rolebroker.CallWrite}, "")
			return err
		}},
		{"runner.record", "integration=theirs", func() error {
			return w.broker.RecordRunnerValidations(w.ctx, runner, "theirs", in.Version, nil)
		}},
	} {
		log.Reset()
		err := c.do()
		found := events(t, &log)
		field, value, _ := strings.Cut(c.subject, "=")
		if rolebroker.CodeOf(err) != rolebroker.CodeDenied || len(found) != 1 || found[0]["action"] != c.action ||
			found[0]["outcome"] != "refused" || found[0]["by"] != "eks" || found[0]["address"] != "192.0.2.7" ||
			field != "" && found[0][field] != value {
			t.Errorf("%s: %v, and the events %v", c.action, err, found)
		}
	}
}

// busy is a store in which another update comes first, so many times.
type busy struct {
	broker.Store
	others int
}

func (s *busy) UpdateAgent(
	ctx context.Context, a *rolebroker.Agent, expected int64, event rolebroker.AuditEvent,
) error {
	if s.others--; s.others >= 0 {
		return rolebroker.Errorf(rolebroker.CodeStale, "another update came first")
	}
	return s.Store.UpdateAgent(ctx, a, expected, event)
}

// An update without a version is tried again, and recorded once; one with a version is not.
func TestAnUpdateWithoutAVersionIsTriedAgain(t *testing.T) {
	var log bytes.Buffer
	s := &busy{}
	w := newWorld(t, func(o *broker.Options) {
		s.Store = o.Store
		o.Store, o.Log = s, slog.New(slog.NewJSONHandler(&log, nil))
	})
	for _, c := range []struct {
		others  int
		version int64
		want    rolebroker.Code
	}{
		{3, 0, ""},
		{99, 0, ""},
		{100, 0, rolebroker.CodeStale},
		{1, 3, rolebroker.CodeStale},
	} {
		log.Reset()
		s.others = c.others
		_, err := w.broker.UpdateAgent(w.ctx, admin, "scout", broker.AgentSpec{Name: "scout"}, c.version)
		if rolebroker.CodeOf(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if found := events(t, &log); len(found) != map[bool]int{true: 1}[err == nil] {
			t.Errorf("%+v: it left the events %v", c, found)
		}
	}
}

// overtaken is a store in which another update always comes first.
type overtaken struct{ broker.Store }

func (overtaken) UpdateIntegration(
	context.Context, *rolebroker.Integration, int64, rolebroker.AuditEvent,
) error {
	return rolebroker.Errorf(rolebroker.CodeStale, "another update came first")
}

// An update that has to validate first is not tried again, because that would validate again.
func TestAnUpdateThatValidatesFirstIsNotTriedAgain(t *testing.T) {
	w := newWorld(t, func(o *broker.Options) { o.Store = overtaken{o.Store} })
	in, err := w.broker.Integration(w.ctx, admin, "staging")
	if err != nil {
		t.Fatal(err)
	}
	w.validate("staging")
	once := w.aws.Calls("AssumeRole")
	_, err = w.broker.UpdateIntegration(w.ctx, admin, "staging", *in, 0, rolebroker.ValidateRequire.Saving())
	if rolebroker.CodeOf(err) != rolebroker.CodeStale {
		t.Errorf("%v", err)
	}
	if n := w.aws.Calls("AssumeRole") - once; n != once {
		t.Errorf("it called STS %d times, and one validation %d times", n, once)
	}
}

func TestALogLineHasAHundredFactsAtMost(t *testing.T) {
	var log bytes.Buffer
	b := broker.New(broker.Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	facts := rolebroker.Facts{}
	for i := range 150 {
		facts[fmt.Sprintf("roles.r%03d", i)] = "x"
	}
	b.RecordEvent(t.Context(), rolebroker.AuditEvent{Action: rolebroker.ActionIntegrationCreate, After: facts})
	found := events(t, &log)
	after, _ := found[0]["after"].(map[string]any)
	if len(after) != 101 || after["more"] != 50.0 || after["roles.r000"] != "x" {
		t.Errorf("the line has %d facts, and says that there are %v more", len(after), after["more"])
	}
}

// A caller who is refused again and again does not fill the database. The log has every refusal.
func TestRefusalsThatAreStoredAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		w := newWorld(t, func(o *broker.Options) { o.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
		log.Reset()
		const tries = 200
		for range tries {
			_ = w.broker.DeleteAgent(w.ctx, reader, "scout", 0)
		}
		refused := func() int {
			found, err := w.broker.AuditEvents(w.ctx, reader, rolebroker.AuditFilter{Outcome: rolebroker.OutcomeRefused},
				rolebroker.Page{Limit: 2 * tries})
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		if n := refused(); n == 0 || n > tries/2 {
			t.Errorf("%d of %d refusals are stored", n, tries)
		}
		if n := len(events(t, &log)); n != tries {
			t.Errorf("the log has %d of %d refusals", n, tries)
		}
		before := refused()
		time.Sleep(time.Minute)
		_ = w.broker.DeleteAgent(w.ctx, reader, "scout", 0)
		if n := refused(); n != before+1 {
			t.Errorf("a minute later %d refusals are stored, and %d before", n, before)
		}
	})
}
