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
	"RecordEvent":    "it records what auth refused",
	"SignOut":        "the caller needs the secret of the sign-in, and can end only that",
	"BootstrapAdmin": "the server's configuration asks for it, which the event names",

	"ForgetSessions": "the server calls it on a schedule",
	"ForgetSignIns":  "the server calls it on a schedule",
	"Revalidate":     "the server calls it on a schedule",
}

// untouched is a store that must not be used.
type untouched struct{ broker.Store }

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
	reads := "Agent Agents Grants Tokens AgentToken Bindings Integration Integrations IntegrationsOf Setup SetupDraft " +
		"Reservation Runner Runners APIKeys Sessions Platform Counts CountAgents SignIn SignInLink"
	runs := "NamedRunner RenewCredential RecordReport SeeRunner Watch AgentOfAccount RunnerToken RunnerGrants " +
		"BeginRunnerSession FinishRunnerSession RecordRunnerUse LendThrough RunnerIntegrations RecordRunnerValidations"
	admin := rolebroker.Caller{APIKey: "key_a", Access: rolebroker.AccessAdmin}
	reader := rolebroker.Caller{APIKey: "key_r", Access: rolebroker.AccessReadOnly}
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
			admin: !listed(runs, name) && name != "Join", reader: listed(reads, name), runner: listed(runs, name),
			joining: name == "Join", agent: false, {}: false,
		} {
			err := call(reflect.ValueOf(b).Method(i), who)
			code := rolebroker.CodeOf(err)
			if refused := code == rolebroker.CodeDenied || code == rolebroker.CodeUnauthenticated; refused == may {
				t.Errorf("%s for %+v: %v", name, who, err)
			}
		}
	}
}
