package web

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rolebroker/rolebroker"
)

// everyPage has the struct of each page.
var everyPage = map[string]func() any{
	"audit":                func() any { return &auditPage{} },
	"agent":                func() any { return &agentPage{} },
	"agent-activity":       func() any { return &agentActivityPage{} },
	"agent-connections":    func() any { return &agentConnectionsPage{} },
	"agent-edit":           func() any { return &agentEditPage{} },
	"agent-tokens":         func() any { return &agentTokensPage{} },
	"agents":               func() any { return &agentsPage{} },
	"calls":                func() any { return &callsPage{} },
	"catalogue":            func() any { return &cataloguePage{} },
	"cut-off":              func() any { return &cutOffPage{} },
	"delete-agent":         func() any { return &deleteAgentPage{} },
	"delete-integration":   func() any { return &deleteIntegrationPage{} },
	"delete-runner":        func() any { return &deleteRunnerPage{} },
	"error":                func() any { return &errorPage{} },
	"form":                 func() any { return &formPage{} },
	"integration":          func() any { return &rolesPage{} },
	"integration-activity": func() any { return &integrationActivityPage{} },
	"integration-agents":   func() any { return &integrationAgentsPage{} },
	"integration-setup":    func() any { return &integrationSetupPage{} },
	"integrations":         func() any { return &integrationsPage{} },
	"join-token":           func() any { return &joinPage{} },
	"limits":               func() any { return &limitsPage{} },
	"new-agent":            func() any { return &newAgentPage{} },
	"new-runner":           func() any { return &newRunnerPage{} },
	"overview":             func() any { return &overviewPage{} },
	"role":                 func() any { return &rolePage{} },
	"role-activity":        func() any { return &roleActivityPage{} },
	"request":              func() any { return &requestPage{} },
	"remove-roles":         func() any { return &removeRolesPage{} },
	"requests":             func() any { return &requestsPage{} },
	"new-rule":             func() any { return &newRulePage{} },
	"rule":                 func() any { return &rulePage{} },
	"rule-activity":        func() any { return &ruleActivityPage{} },
	"rule-edit":            func() any { return &ruleEditPage{} },
	"rules":                func() any { return &rulesPage{} },
	"runner":               func() any { return &runnerPage{} },
	"runner-accounts":      func() any { return &runnerAccountsPage{} },
	"runner-activity":      func() any { return &runnerActivityPage{} },
	"runner-edit":          func() any { return &runnerEditPage{} },
	"runners":              func() any { return &runnersPage{} },
	"session-activity":     func() any { return &sessionActivityPage{} },
	"session-calls":        func() any { return &sessionCallsPage{} },
	"session":              func() any { return &sessionPage{} },
	"search":               func() any { return &searchPage{} },
	"sessions":             func() any { return &sessionsPage{} },
	"settings":             func() any { return &settingsPage{} },
	"signin":               func() any { return &signInPage{} },
	"token":                func() any { return &tokenPage{} },
}

// hostile is a text that a stranger might enter.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>' javascript:alert(1) {{.}}`

// fill sets every field that can be reached: to hostile text, to true, to lists of
// two.
func fill(v reflect.Value, depth int) {
	if depth > 8 || !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Now()))
		return
	case rolebroker.Secret:
		v.Set(reflect.ValueOf(rolebroker.NewSecret(hostile)))
		return
	case rolebroker.Caller:
		v.Set(reflect.ValueOf(rolebroker.Caller{APIKey: "key_x", Name: hostile, Access: rolebroker.KeyAdmin}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(2)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"name", "description", "arn", "region", "session_duration", "roles",
			"default_role", "access", "label", "expires", hostile} {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value, depth+1)
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(reflect.NewAt(v.Field(i).Type(), v.Field(i).Addr().UnsafePointer()).Elem(), depth+1)
		}
	}
}

func TestEveryTemplateIsExecutedEmptyAndFull(t *testing.T) {
	for name := range pages() {
		if everyPage[name] == nil {
			t.Errorf("the page %s is not tested", name)
		}
	}
	for name, data := range everyPage {
		empty, full := data(), data()
		fill(reflect.ValueOf(full).Elem(), 0)
		for state, value := range map[string]any{"empty": empty, "full": full} {
			var b bytes.Buffer
			if err := pages()[name].ExecuteTemplate(&b, "layout", reflect.ValueOf(value).Interface()); err != nil {
				t.Errorf("%s, %s: %v", name, state, err)
				continue
			}
			text := b.String()
			if !strings.Contains(text, "</html>") || strings.Contains(text, "ZgotmplZ") && state == "empty" {
				t.Errorf("%s, %s: the page is not whole", name, state)
			}
			for _, live := range []string{"<script>alert", "<img src=x", ` onerror=alert(1)>'`, `href="javascript:`} {
				if strings.Contains(text, live) {
					t.Errorf("%s, %s: %q is live on the page", name, state, live)
				}
			}
			for _, inline := range []string{" style=", " onclick=", " onload=", "<style", "<script>"} {
				if strings.Contains(text, inline) {
					t.Errorf("%s, %s: %q is inline", name, state, inline)
				}
			}
		}
	}
}

func TestHintsHaveBoxesToCopyFrom(t *testing.T) {
	var page strings.Builder
	hint := rolebroker.Hint{{Text: "do this:", Command: "aws iam get-role > x\nsecond"},
		{Text: "then:", Policy: "{\n  \"a\": {\n  }\n}"}, {Text: "{ of its own accord"}}
	if err := pages()["error"].ExecuteTemplate(&page, "advice", hint); err != nil {
		t.Fatal(err)
	}
	const box, end = `<div class="code"><pre tabindex="0">`, `</pre></div>`
	want := "<p>Do this:</p>" + box + "aws iam get-role &gt; x\nsecond" + end + "<p>Then:</p>" + box +
		"{\n  &#34;a&#34;: {\n  }\n}" + end + "<p>{ of its own accord.</p>"
	if page.String() != want {
		t.Errorf("it is\n%s\nwant\n%s", page.String(), want)
	}
}

func TestAMomentIsAlsoExact(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	want := moment{Ago: "1 hour ago", Exact: "Tuesday, 24 November 2026, 11:00:00 UTC", Machine: "2026-11-24T11:00:00Z"}
	if got := when(now.Add(-time.Hour), now); got != want {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	if got := when(time.Time{}, now); got != (moment{Ago: "never", Never: true}) {
		t.Errorf("no time is %+v", got)
	}
}
