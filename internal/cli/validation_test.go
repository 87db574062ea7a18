package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker/api"
	"github.com/rolebroker/rolebroker/internal/testbed"
)

func TestAStatementIsPrintedOnce(t *testing.T) {
	steps := func(arn string) []api.HintStep {
		return []api.HintStep{
			{Text: "in this order:"},
			{Text: "1. its trust policy:", Policy: "{\n  \"a\": {\n    \"b\": 1\n  }\n}"},
			{Text: "2. its policy:", Policy: "{\n  \"arn\": \"" + arn + "\"\n}"},
			{Text: "then again:", Command: "aws again"},
		}
	}
	got := findings([]api.RoleValidation{
		{Name: "good", Validation: api.Validation{Status: "assumable", Message: "can be assumed"}},
		{Name: "x", Validation: api.Validation{Status: "failed", Message: "cannot", Hint: "its text",
			HintSteps: steps("x"), RequestID: "r-1"}},
		{Name: "y", Validation: api.Validation{Status: "failed", Message: "can\nnot", HintSteps: steps("y")}},
		{Name: "z", Validation: api.Validation{Status: "unknown", Code: clusterMode, Message: "who knows",
			Hint: "wait"}},
		{Name: "old", Validation: api.Validation{Status: "warning", Message: "of an earlier server",
			Hint: "add\n{\n}"}},
		{Name: "plain", Validation: api.Validation{Status: "warning", Message: "so so"}},
	})
	want := `
x: cannot (AWS request ID r-1)
  in this order:
  1. its trust policy:
  {
    "a": {
      "b": 1
    }
  }
  2. its policy:
  {
    "arn": "x"
  }
  then again:
    aws again

y: can not
  in this order:
  1. its trust policy:
  { the same statement as above }
  2. its policy:
  {
    "arn": "y"
  }
  then again:
    aws again

old: of an earlier server
  add
  {
  }

plain: so so
`
	if got != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
}

func TestCountsOfRoles(t *testing.T) {
	outcome := func(status, code string) api.RoleValidation {
		return api.RoleValidation{Validation: api.Validation{Status: status, Code: code}}
	}
	failed, open, warned, unknown := outcome("failed", ""), outcome("warning", externalIDNotRequired),
		outcome("warning", ""), outcome("unknown", "")
	all := func(r ...api.RoleValidation) []api.RoleValidation { return r }
	is := func(results []api.RoleValidation, words, verdict string) {
		t.Helper()
		got := tallyOf(results, enabled(results)).words()
		err := (&validation{}).verdict(api.Validations{Roles: results})
		if got != words || err == nil || err.Error() != verdict {
			t.Errorf("it is said as %q and %v, want %q and %s", got, err, words, verdict)
		}
	}
	is(all(failed), "1 of 1 role cannot be assumed", "1 of 1 role failed")
	is(all(failed, failed, open), "2 of 3 roles cannot be assumed, 1 of 3 roles can also be assumed by others",
		"2 of 3 roles failed")
	is(all(unknown, unknown, warned), "1 of 3 roles has a warning, 2 of 3 roles could not be checked",
		"2 of 3 roles could not be checked")
	is(all(unknown, failed, warned, warned),
		"1 of 4 roles cannot be assumed, 2 of 4 roles have a warning, 1 of 4 roles could not be checked",
		"1 of 4 roles failed, 1 could not be checked")
	paused := failed
	paused.Disabled = true
	is(all(failed, paused), "1 of 1 role cannot be assumed", "1 of 1 role failed")
	is(all(paused), "", "no role is enabled")
}

func TestWhatIsSaidOfWhatWasSaved(t *testing.T) {
	role := func(status, code string) api.Role {
		return api.Role{Enabled: true, State: api.RoleState{Status: status, Code: code, CheckedAt: &time.Time{}}}
	}
	good, bad, open := role(assumable, assumable), role("failed", "denied"), role("warning", externalIDNotRequired)
	is := func(mode string, in api.Integration, want string) {
		t.Helper()
		var out bytes.Buffer
		in.Name = "production"
		newApp(Process{Stderr: &out}).saved(in, mode)
		if got := strings.TrimSuffix(out.String(), "\n"); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
	of := func(roles ...api.Role) api.Integration {
		return api.Integration{AssumptionMode: "platform", Roles: roles}
	}
	is(api.ValidateWarn, of(good, good), "")
	is(api.ValidateWarn, of(good, bad, good),
		"saved; 1 of 3 roles cannot be assumed. What to change: rolebroker integration validate production")
	paused := bad
	paused.Enabled = false
	is(api.ValidateWarn, of(good, paused), "")
	is(api.ValidateRequire, of(good, open, good),
		"saved; 1 of 3 roles can also be assumed by others. What to change: rolebroker integration validate production")
	is(api.ValidateWarn, of(good, role("unknown", "throttled")),
		"saved; 1 of 2 roles could not be checked. To try again: rolebroker integration validate production")
	is(api.ValidateSkip, of(bad, api.Role{Enabled: true}),
		"saved without trying its roles. What to do in AWS: rolebroker integration setup production")
	is(api.ValidateWarn, api.Integration{AssumptionMode: "cluster", Roles: []api.Role{role("unknown", clusterMode)}},
		"saved; no agent can borrow its roles until it has a runner: "+
			"rolebroker integration update production --runner RUNNER")
	is(api.ValidateWarn, api.Integration{AssumptionMode: "cluster", Runner: "eks",
		Roles: []api.Role{role("unknown", clusterMode)}},
		"saved; runner eks assumes its roles")
}

func TestThePlatformThatIsNotKnown(t *testing.T) {
	var out bytes.Buffer
	if err := platformTable(api.Platform{Version: "v1",
		IdentityError: "there are no credentials"}).write(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), "\nNot known because:  there are no credentials\n") {
		t.Error(out.String())
	}
}

func TestSetupIsAskedForInOneWay(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	setup := func(args ...string) ran { return run(env, append([]string{"integration", "setup"}, args...)...) }
	const help = "hint: rolebroker integration setup --help"
	noRoles := "rolebroker: there are no roles to print this for; " +
		"use -f with a file that has roles, or --format trust-policy"
	says(t, setup("--external-id", "x", "--role", "y"), 2,
		"rolebroker: --role needs an integration or a file; --external-id has no roles", help)
	says(t, setup("--external-id", "x", "--format", "aws-cli"), 2, noRoles, help)
	says(t, setup("production", "--format", "text", "-o", "json"), 2,
		"rolebroker: --format and --output json cannot be combined: the JSON has every format", help)
	if got := setup("production", "--format", "terraform", "-o", "table"); got.code != 0 || got.stderr != "" {
		t.Errorf("a table: %+v", got)
	}

	file := filepath.Join(t.TempDir(), "plan.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const role = "roles: [{name: a, arn: \"arn:aws:iam::444455556666:role/A\", region: us-east-1}]\n"
	write("name: plan\ndefault_role: a\n" + role)
	got := setup("-f", file, "--format", "aws-cli")
	line, found := strings.CutPrefix(got.stderr, "add this line to the file: ")
	if got.code != 0 || !found || !strings.Contains(got.stdout,
		strings.TrimSpace(strings.TrimPrefix(line, "external_id: "))) {
		t.Fatalf("of a file without an external ID: %+v", got)
	}
	write("name: plan\ndefault_role: a\n" + line + role)
	if again := setup("-f", file, "--format", "aws-cli"); again.code != 0 || again.stderr != "" ||
		again.stdout != got.stdout {
		t.Errorf("with that line: %+v", again)
	}
	if made := run(env, "integration", "create", "-f", file, "--validate", "skip"); made.code != 0 {
		t.Errorf("made of it: %+v", made)
	}
	write("name: plan\nassumption_mode: cluster\n" + role)
	if got := setup("-f", file, "--format", "trust-policy"); got.code != 0 || got.stderr != "" {
		t.Errorf("in cluster mode: %+v", got)
	}
	write("name: plan\n")
	if got := setup("-f", file, "--format", "terraform"); got.code != 2 || !strings.HasPrefix(got.stderr, noRoles) {
		t.Errorf("without roles: %+v", got)
	}
}

// Notes about a current policy are on stderr, where a redirection does not hide them.
func TestNotesAreOnStderr(t *testing.T) {
	tb := testbed.New(t, nil)
	env := []string{"ROLEBROKER_URL=" + tb.URL, "ROLEBROKER_TOKEN=" + tb.AdminKey.Reveal()}
	file := filepath.Join(t.TempDir(), "current.json")
	if err := os.WriteFile(file, []byte(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*"}}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	const note = "The current policy's statement 1 denies sts:AssumeRole to everyone; it wins over every allow."
	for _, format := range setupFormats() {
		if format == "cut-off" || format == "stack-set" {
			continue // they are for all roles; a current policy is one role's
		}
		got := run(env, "integration", "setup", "production", "--role", "readonly", "--current", file, "--format",
			format)
		want := "note: " + note + "\n"
		if format == "text" {
			want = ""
		}
		if got.code != 0 || got.stderr != want || !strings.Contains(got.stdout,
			"denies sts:AssumeRole to everyone") != (format == "trust-policy") {
			t.Errorf("%s: %+v", format, got)
		}
	}
	if got := run(env, "integration", "setup", "production", "--role", "readonly", "--current", file, "-o",
		"json"); !strings.Contains(got.stdout, note) || got.stderr != "" {
		t.Errorf("as JSON: %+v", got)
	}
	if got := run(env, "integration", "setup", "production", "-o", "json"); !strings.Contains(got.stdout,
		`"notes": []`) {
		t.Errorf("without a current policy: %+v", got)
	}
}
