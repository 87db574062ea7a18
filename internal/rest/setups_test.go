package rest_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolebroker/rolebroker/api"
)

// text is s as JSON.
func text(s string) string {
	encoded, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

func TestTheSetupIsAnsweredInEveryForm(t *testing.T) {
	w := newAWSWorld(t)
	in := w.saved("production", "Closed", "Good")
	all := w.as(w.reader, "GET", "/api/v1/integrations/production/setup", "").want(200)
	s := read[api.Setup](all)
	if byID := w.as(w.reader, "GET", "/api/v1/integrations/"+in.ID+"/setup", "").want(200); byID.Body != all.Body {
		t.Errorf("by ID it is %s", byID.Body)
	}
	if s.Integration != "production" || s.AssumptionMode != "platform" ||
		s.Principal != "arn:aws:iam::"+platformAccount+":root" || s.IdentityError != "" ||
		!cmp.Equal(s.ExternalIDs, []string{w.externalID}) {
		t.Errorf("the setup is %s", all.Body)
	}
	if len(s.Modes) != 2 || s.Modes[0].Mode != "platform" || !s.Modes[0].Recommended || s.Modes[1].Mode != "cluster" ||
		len(s.Modes[1].Disadvantages) == 0 {
		t.Errorf("the modes are %+v", s.Modes)
	}
	if len(s.Roles) != 2 || s.Roles[0].Name != "closed" || s.Roles[1].ARN != "arn:aws:iam::"+
		customerAccount+":role/Good" {
		t.Errorf("the roles are %+v", s.Roles)
	}
	for name, form := range map[string]string{"text": s.Text, "AWS CLI": s.AWSCLI, "CloudFormation": s.CloudFormation,
		"Terraform":    s.Terraform,
		"trust policy": s.TrustPolicy, "a role's trust policy": s.Roles[0].TrustPolicy,
		"a role's statement": s.Roles[0].Statement} {
		if !strings.Contains(form, w.externalID) || !strings.Contains(form, platformAccount) {
			t.Errorf("the %s has no external ID or account in it: %s", name, form)
		}
	}
	if s.Roles[0].MergedTrustPolicy != "" || s.Roles[0].Diff != "" ||
		strings.Contains(all.Body, "merged_trust_policy") ||
		strings.Contains(all.Body, `\u003c`) {
		t.Errorf("the setup has what nobody asked for: %s", all.Body)
	}
	w.assumes(0)

	// What it says works.
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").
		comesTo(false, "closed failed denied", "good assumable assumable")
	w.aws.Account(customerAccount).SetTrustPolicy("Closed", s.Roles[0].TrustPolicy)
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").
		comesTo(true, "closed assumable assumable", "good assumable assumable")
}

func TestTheSetupDependsOnItsParameters(t *testing.T) {
	w := newAWSWorld(t)
	in := w.saved("production", "Closed", "Good")
	get := func(query string) api.Setup {
		t.Helper()
		return read[api.Setup](w.as(w.reader, "GET", "/api/v1/integrations/production/setup"+query, "").want(200))
	}
	for _, role := range []string{"good", in.Roles[1].ID} {
		if s := get("?role=" + role); len(s.Roles) != 1 || s.Roles[0].Name != "good" ||
			strings.Contains(s.AWSCLI, "Closed") {
			t.Errorf("of the role %s alone it is %+v", role, s.Roles)
		}
	}
	if s := get("?principal=exact"); s.Principal != "arn:aws:iam::"+platformAccount+":user/rolebroker" ||
		!strings.Contains(s.TrustPolicy, s.Principal) {
		t.Errorf("with the exact principal it is %q: %s", s.Principal, s.TrustPolicy)
	}
	if s := get("?principal=account"); s.Principal != "arn:aws:iam::"+platformAccount+":root" ||
		!strings.Contains(s.AWSCLI, "--role good --principal account ") {
		t.Errorf("with the account as principal it is %q:\n%s", s.Principal, s.AWSCLI)
	}
	if diff := cmp.Diff(get(""), get("?variant=irsa&namespace=rolebroker&service_account=rolebroker-runner&role=&issuer=")); diff != "" {
		t.Errorf("with the defaults written out it is another:\n%s", diff)
	}

	cluster := strings.Replace(w.draft("cluster", "Good"), w.externalID, w.reserve(), 1)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip",
		strings.Replace(cluster, `{`, `{"assumption_mode": "cluster", `, 1)).want(201)
	const path = "/api/v1/integrations/cluster/setup"
	s := read[api.Setup](w.as(w.reader, "GET",
		path+"?issuer=https%3A%2F%2Foidc.example%2Fid%2F1&namespace=agents&service_account=runner", "").want(200))
	for _, want := range []string{"oidc-provider/oidc.example/id/1", "system:serviceaccount:agents:runner",
		"sts:AssumeRoleWithWebIdentity"} {
		if !strings.Contains(s.Roles[0].TrustPolicy, want) {
			t.Errorf("the trust policy of a cluster's role has no %s: %s", want, s.Roles[0].TrustPolicy)
		}
	}
	if s.AssumptionMode != "cluster" || len(s.ExternalIDs) != 0 || s.ExternalIDs == nil {
		t.Errorf("in cluster mode it is %+v", s)
	}
	if s := read[api.Setup](w.as(w.reader, "GET", path+"?variant=pod-identity", "").
		want(200)); !strings.Contains(s.TrustPolicy, "pods.eks.amazonaws.com") {
		t.Errorf("with pod identity it is %s", s.TrustPolicy)
	}

	// Without an identity there is a placeholder, and the reason for it.
	none := newWorld(t)
	none.createIntegration("production")
	if s := read[api.Setup](none.as(none.reader, "GET", "/api/v1/integrations/production/setup", "").
		want(200)); s.IdentityError == "" || s.TrustPolicy == "" || strings.Contains(s.TrustPolicy, platformAccount) {
		t.Errorf("without an identity it is %q: %s", s.IdentityError, s.TrustPolicy)
	}
}

func TestBadSetups(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Good")
	const path = "/api/v1/integrations/production/setup"
	for _, c := range []struct{ query, parameter, says string }{
		{"principal=everybody", "principal", "account, exact"},
		{"variant=magic", "variant", "irsa, pod-identity"},
		{"issuer=http%3A%2F%2Foidc.example", "issuer", "https://"},
		{"issuer=https%3A%2F%2Foidc.example%3A8443", "issuer", "port"},
		{"issuer=https%3A%2F%2Foidc.example%2F%22%0A", "issuer", "https://"},
		{"issuer=https%3A%2F%2Foidc.example%2F" + strings.Repeat("x", 300_000), "issuer", "at most 255"},
		{"issuer=" + strings.Repeat("x", 300_000), "issuer", "https://"},
		{"namespace=a%0Ab", "namespace", `"a\nb"`},
		{"namespace=Agents", "namespace", "lower-case"},
		{"namespace=*", "namespace", "lower-case"},
		{"namespace=" + strings.Repeat("n", 300_000), "namespace", "at most 63"},
		{"namespace=a%00", "namespace", "not text"},
		{"service_account=%FF", "service_account", "not text"},
		{"service_account=a:b", "service_account", "lower-case"},
		{"service_account=%24%28id%29", "service_account", "lower-case"},
		{"current_trust_policy=%7B%7D", "current_trust_policy", "unknown"},
		{"format=aws-cli", "format", "unknown"},
	} {
		a := w.as(w.reader, "GET", path+"?"+c.query, "")
		a.what = a.what[:min(len(a.what), 200)]
		a.refused(400, "invalid", "").at(c.parameter, "", "") // which is not in a body
		if len(a.Body) > 5000 {
			t.Errorf("%s is answered with %d bytes", a.what, len(a.Body))
		}
		if len(c.query) < 1000 && !strings.Contains(a.problem.Errors[0].Message, c.says) {
			t.Errorf("%s says %q, want %q", a.what, a.problem.Errors[0].Message, c.says)
		}
	}
	w.as(w.reader, "GET", path+"?namespace=X&service_account=Y&issuer=z", "").refused(400, "invalid", "").
		at("namespace", "", "").at("service_account", "", "").at("issuer", "", "")
	w.as(w.reader, "GET", path+"?role=admin", "").refused(404, "not_found", `no role \"admin\"`)
	w.as(w.reader, "GET", path+"?role="+strings.Repeat("x", 10_000), "").refused(404, "not_found", "")
	w.as(w.reader, "GET", path+"?role=%0A%1b", "").refused(404, "not_found", "")
	w.as(w.reader, "GET", "/api/v1/integrations/staging/setup", "").refused(404, "not_found", "staging")
	w.as("", "GET", path, "").refused(401, "unauthenticated", "")

	for _, c := range []struct{ body, field, pointer, says string }{
		{`{"principal": "everybody"}`, "principal", "/principal", "account, exact"},
		{`{"issuer": "http://oidc.example"}`, "issuer", "/issuer", "https://"},
		{`{"namespace": "a\nb"}`, "namespace", "/namespace", "lower-case"},
		{`{"namespace": "a\u0000"}`, "namespace", "/namespace", "NUL"},
		{`{"service_account": 1}`, "service_account", "/service_account", "is a number"},
		{`{"format": "x"}`, "format", "/format", "unknown field"},
		{`{"current_trust_policy": "{}"}`, "role", "/role", "is required"},
		{`{"role": "good", "current_trust_policy": "{"}`, "current_trust_policy", "/current_trust_policy",
			"is not JSON"},
		{`{"role": "good", "current_trust_policy": "[]"}`, "current_trust_policy", "/current_trust_policy", ""},
		{`{"role": "good", "current_trust_policy": {}}`, "current_trust_policy", "/current_trust_policy",
			"is an object; expected a string"},
		{`{"role": "good", "current_trust_policy": ` +
			text(`{"Statement":`+strings.Repeat("[", 100_000)+strings.Repeat("]",
				100_000)+`}`) + `}`, "current_trust_policy", "/current_trust_policy", ""},
		{`{"role": "good", "current_trust_policy": ` +
			text(strings.Repeat(" ", 1<<20)+`{"Statement":[]}`+strings.Repeat("x",
				1<<20)) + `}`, "current_trust_policy", "/current_trust_policy", ""},
	} {
		a := w.as(w.admin, "POST", path, c.body)
		a.refused(400, "invalid", "").at(c.field, c.pointer, c.says)
		if len(a.Body) > 5000 {
			t.Errorf("%d bytes are answered with %d", len(c.body), len(a.Body))
		}
	}
	w.as(w.admin, "POST", path, `{"role": "admin", "current_trust_policy": "{}"}`).refused(404, "not_found", "admin")
	w.as(w.admin, "POST", "/api/v1/integrations/staging/setup", `{}`).refused(404, "not_found", "staging")
}

func TestTheSetupIsMergedIntoTheCurrentPolicy(t *testing.T) {
	w := newAWSWorld(t)
	in := w.saved("production", "Closed", "Good")
	merge := func(current string) api.RoleSetup {
		t.Helper()
		s := read[api.Setup](w.as(w.admin, "POST", "/api/v1/integrations/production/setup",
			`{"role": "closed", "current_trust_policy": `+text(current)+`}`).want(200))
		if len(s.Roles) != 1 || s.Roles[0].Name != "closed" {
			t.Fatalf("the roles are %+v", s.Roles)
		}
		return s.Roles[0]
	}
	theirs := trusting("999999999999")
	merged := merge(theirs)
	for _, want := range []string{"999999999999", platformAccount, w.externalID} {
		if !strings.Contains(merged.MergedTrustPolicy, want) {
			t.Errorf("merged, %s is not in it: %s", want, merged.MergedTrustPolicy)
		}
	}
	if !strings.Contains(merged.Diff, "\n+") || !strings.Contains(merged.Diff, w.externalID) {
		t.Errorf("the difference is %s", merged.Diff)
	}
	w.aws.Account(customerAccount).SetTrustPolicy("Closed", merged.MergedTrustPolicy)
	w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").
		comesTo(true, "closed assumable assumable", "good assumable assumable")

	again := merge(merged.MergedTrustPolicy)
	if again.Diff != "" || !sameJSON(t, again.MergedTrustPolicy, merged.MergedTrustPolicy) {
		t.Errorf("merged once more it is\n%s\n%s", again.MergedTrustPolicy, again.Diff)
	}
	open := merge(trusting(platformAccount)) // which asks for no external ID
	w.aws.Account(customerAccount).SetTrustPolicy("Closed", open.MergedTrustPolicy)
	w.as(w.admin, "POST", "/api/v1/integrations/"+in.ID+"/validate", "").
		comesTo(true, "closed assumable assumable", "good assumable assumable")

	// Who is trusted exactly stays so, unless the account is asked for.
	exactly := strings.ReplaceAll(merged.MergedTrustPolicy, platformAccount+":root", platformAccount+":user/rolebroker")
	if same := merge(exactly); same.Diff != "" {
		t.Errorf("what is trusted exactly changes:\n%s", same.Diff)
	}
	widened := read[api.Setup](w.as(w.admin, "POST", "/api/v1/integrations/production/setup",
		`{"role": "closed", "principal": "account", "current_trust_policy": `+text(exactly)+`}`).want(200))
	if !sameJSON(t, widened.Roles[0].MergedTrustPolicy, merged.MergedTrustPolicy) || len(widened.Notes) != 1 ||
		!strings.Contains(widened.Notes[0], "the whole account") {
		t.Errorf("where the account is asked for it is %s, and says %q",
			widened.Roles[0].MergedTrustPolicy, widened.Notes)
	}

	// Without a policy that is there it is what GET answers.
	get := w.as(w.reader, "GET", "/api/v1/integrations/production/setup?role=good&principal=exact", "").want(200)
	if post := w.as(w.admin, "POST", "/api/v1/integrations/production/setup", `{"role": "good", "principal": "exact"}`).
		want(200); post.Body != get.Body {
		t.Errorf("POST answers\n%s, and GET\n%s", post.Body, get.Body)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

func TestTheSetupOfADraft(t *testing.T) {
	w := newAWSWorld(t)
	draft := func(integration, setup string) *answer {
		t.Helper()
		return w.as(w.admin, "POST", "/api/v1/setup", `{"integration": `+integration+`, "setup": `+setup+`}`)
	}
	good := w.draft("new", "Closed", "Good")
	s := read[api.Setup](draft(good, `{}`).want(200))
	if s.Integration != "new" || !cmp.Equal(s.ExternalIDs, []string{w.externalID}) || len(s.Roles) != 2 {
		t.Errorf("the setup is %+v", s)
	}
	if s := read[api.Setup](draft(good, `null`).want(200)); len(s.Roles) != 2 {
		t.Errorf("with nothing asked for, the setup is %+v", s)
	}
	if s := read[api.Setup](draft(good, `{"role": "good", "principal": "exact"}`).want(200)); len(s.Roles) != 1 ||
		!strings.Contains(s.Principal, ":user/") {
		t.Errorf("of one role, exactly, it is %+v", s)
	}
	merged := read[api.Setup](draft(good, `{"role": "closed", "current_trust_policy": `+
		text(trusting("999999999999"))+`}`).
		want(200)).Roles[0]
	w.aws.Account(customerAccount).SetTrustPolicy("Closed", merged.MergedTrustPolicy)
	// What is not known yet is left out.
	early := read[api.Setup](draft(`{"external_id": "`+w.externalID+`", "roles": [{"arn": "arn:aws:iam::`+
		customerAccount+`:role/Good", "region": "us-east-1"}]}`, `{}`).want(200))
	if early.Integration != "" || early.TrustPolicy == "" || len(early.Roles) != 1 {
		t.Errorf("of what has no name yet it is %+v", early)
	}

	for _, c := range []struct{ integration, setup, field, pointer, says string }{
		{strings.Replace(good, w.externalID, "of-my-own-choosing", 1), `{}`, "integration.external_id",
			"/integration/external_id", "reserved"},
		{strings.Replace(good, w.externalID, "", 1), `{}`, "integration.external_id",
			"/integration/external_id", "reserved"},
		{`{}`, `{}`, "integration.external_id", "/integration/external_id", "reserved"},
		{strings.Replace(good, ":role/Good", ":user/ann", 1), `{}`, "integration.roles[1].arn",
			"/integration/roles/1/arn",
			"of a user"},
		{strings.Replace(good, `"region"`, `"session_duration": "soon", "region"`, 1), `{}`,
			"integration.roles[0].session_duration", "/integration/roles/0/session_duration", "not a duration"},
		{strings.Replace(good, `{`, `{"assumption_mode": "magic", `, 1), `{}`, "integration.assumption_mode",
			"/integration/assumption_mode", "platform, cluster"},
		{strings.Replace(good, `"new"`, `"a\n$(id)"`, 1), `{}`, "integration.name", "/integration/name", "character"},
		{strings.Replace(good, `"name": "good"`, `"name": "b'; id\n"`, 1), `{}`, "integration.roles[1].name",
			"/integration/roles/1/name", "character"},
		{good, `{"namespace": "a\nb"}`, "setup.namespace", "/setup/namespace", "lower-case"},
		{good, `{"issuer": "` + strings.Repeat("x", 1<<20) + `"}`, "setup.issuer", "/setup/issuer", ""},
		{good, `{"principal": "x"}`, "setup.principal", "/setup/principal", "account, exact"},
		{good, `{"current_trust_policy": "{}"}`, "setup.role", "/setup/role", "is required"},
		{good, `{"role": "good", "current_trust_policy": "nonsense"}`, "setup.current_trust_policy",
			"/setup/current_trust_policy", "is not JSON"},
		{good, `{"surprise": 1}`, "setup.surprise", "/setup/surprise", "unknown field"},
	} {
		a := draft(c.integration, c.setup)
		a.refused(400, "invalid", "").at(c.field, c.pointer, c.says)
		if len(a.Body) > 5000 {
			t.Errorf("the answer has %d bytes", len(a.Body))
		}
	}
	draft(good, `{"role": "admin"}`).refused(404, "not_found", "admin")
	w.as(w.reader, "POST", "/api/v1/setup", `{}`).refused(403, "denied", "read-only")

	// What was pasted works.
	w.as(w.admin, "POST", "/api/v1/integrations?validate=require", good).want(201)
}

// A client that reserved an external ID gets the right trust policy with it at any
// time, even if the role does not exist yet.
func TestADraftFollowsItsExternalID(t *testing.T) {
	w := newAWSWorld(t)
	ask := func(externalID, current string) *answer {
		t.Helper()
		setup := `{}`
		if current != "" {
			setup = `{"role": "r", "current_trust_policy": ` + text(current) + `}`
		}
		return w.as(w.admin, "POST", "/api/v1/setup", `{"integration": {"external_id": "`+externalID+`",
			"roles": [{"name": "r", "arn": "arn:aws:iam::`+customerAccount+`:role/not/There", "region": "us-east-1"}]}, "setup": `+setup+`}`)
	}
	requires := func(externalID string, want ...string) api.Setup {
		t.Helper()
		s := read[api.Setup](ask(externalID, "").want(200))
		if !cmp.Equal(s.ExternalIDs, want) || len(s.Roles) != 1 || s.Roles[0].TrustPolicy != s.TrustPolicy {
			t.Errorf("the setup requires %v of %+v, want %v", s.ExternalIDs, s.Roles, want)
		}
		for _, externalID := range want {
			if !strings.Contains(s.TrustPolicy, `"`+externalID+`"`) {
				t.Errorf("the trust policy does not accept %s: %s", externalID, s.TrustPolicy)
			}
		}
		return s
	}
	first := w.externalID
	before := requires(first, first)
	w.assumes(0)
	w.saved("production", "Good")
	after := requires(first, first)
	if after.TrustPolicy != before.TrustPolicy || before.Integration != "" || after.Integration != "production" {
		t.Errorf("before it is\n%s\nand after\n%s", before.TrustPolicy, after.TrustPolicy)
	}
	rotate := func(step string) api.Integration {
		t.Helper()
		return read[api.Integration](w.as(w.admin, "POST", "/api/v1/integrations/production/rotate-external-id",
			`{"step": "`+step+`", "force": true}`).want(200))
	}
	second := rotate("start").NextExternalID
	requires(first, first, second)
	requires(second, first, second)
	rotate("finish")
	changed := requires(first, second)
	requires(second, second)
	if strings.Contains(changed.TrustPolicy, first) {
		t.Errorf("the trust policy accepts the earlier external ID: %s", changed.TrustPolicy)
	}

	// The earlier one is taken out of what is there, as for the integration itself.
	merged := read[api.Setup](ask(first, requiring(first, second)).want(200)).Roles[0]
	if strings.Contains(merged.MergedTrustPolicy, first) || !strings.Contains(merged.MergedTrustPolicy, second) {
		t.Errorf("merged, it is %s", merged.MergedTrustPolicy)
	}

	w.as(w.admin, "DELETE", "/api/v1/integrations/production", "").want(204)
	for _, externalID := range []string{first, second} {
		ask(externalID, "").refused(400, "invalid", "external-id reserve").
			at("integration.external_id", "/integration/external_id", "was deleted")
	}
}

// In cluster mode a draft needs no external ID.
func TestADraftOfACluster(t *testing.T) {
	w := newAWSWorld(t)
	ask := func(externalID, setup string) *answer {
		t.Helper()
		return w.as(w.admin, "POST", "/api/v1/setup", `{"integration": {`+externalID+`"assumption_mode": "cluster",
			"roles": [{"arn": "arn:aws:iam::`+customerAccount+`:role/NotThere", "region": "us-east-1"}]}, "setup": `+setup+`}`)
	}
	for setup, want := range map[string]string{
		`{"issuer": "https://oidc.example/id/1", "namespace": "agents", "service_account": "runner"}`: "system:serviceaccount:agents:runner",
		`{"variant": "pod-identity"}`: "pods.eks.amazonaws.com",
	} {
		for _, externalID := range []string{"", `"external_id": "", `, `"external_id": "` + w.externalID + `", `} {
			s := read[api.Setup](ask(externalID, setup).want(200))
			if len(s.Roles) != 1 || !strings.Contains(s.Roles[0].TrustPolicy, want) || len(s.ExternalIDs) > 0 ||
				strings.Contains(s.TrustPolicy, "sts:ExternalId") {
				t.Errorf("%s is answered with %+v", setup, s)
			}
		}
	}
	ask(`"external_id": "of-my-own-choosing", `, `{}`).refused(400, "invalid", "").
		at("integration.external_id", "/integration/external_id", "reserved")
}

func TestAnExternalIDIsChangedInSteps(t *testing.T) {
	w := newAWSWorld(t)
	first := w.saved("production", "Good", "Better").ExternalID
	const path = "/api/v1/integrations/production/rotate-external-id"
	step := func(body string) *answer { return w.as(w.admin, "POST", path, body) }
	shown := func(a *answer) api.Integration {
		t.Helper()
		in := read[api.Integration](a.want(200))
		if got := w.as(w.reader, "GET", "/api/v1/integrations/production", ""); got.Body != a.Body ||
			got.Header.Get("ETag") != a.Header.Get("ETag") || a.Header.Get("ETag") != in.ETag() {
			t.Errorf("%s answers %s with %v, and GET %s", a.what, a.Body, a.Header, got.Body)
		}
		return in
	}
	validates := func(ok bool, want ...string) {
		t.Helper()
		w.as(w.admin, "POST", "/api/v1/integrations/production/validate", "").comesTo(ok, want...)
	}
	accept := func(role string, externalIDs ...string) {
		w.aws.Account(customerAccount).SetTrustPolicy(role, requiring(externalIDs...))
	}
	validates(true, "good assumable assumable", "better assumable assumable")

	step(`{"step": "finish"}`).refused(409, "conflict", "is not being changed")
	step(`{"step": "cancel"}`).refused(409, "conflict", "is not being changed")
	step(`{"step": "finish", "force": true}`).refused(409, "conflict", "is not being changed")

	w.later()
	started := shown(step(`{"step": "start"}`))
	second := started.NextExternalID
	if started.ExternalID != first || !strings.HasPrefix(second, "rolebroker-") || second == first ||
		started.Version != 2 || !started.UpdatedAt.Equal(w.now) || started.Roles[0].Validation == nil {
		t.Errorf("when it has begun it is %+v", started)
	}
	step(`{"step": "start"}`).refused(409, "conflict", "is being changed already")
	w.as(w.admin, "POST", "/api/v1/integrations", strings.Replace(w.draft("new", "Good"), first, second, 1)).
		refused(400, "invalid", "").at("external_id", "/external_id", "used")

	// Roles follow one by one, and all of them work at any time.
	if s := read[api.Setup](w.as(w.reader, "GET", "/api/v1/integrations/production/setup", "").
		want(200)); !cmp.Equal(s.ExternalIDs, []string{first, second}) {
		t.Errorf("the setup is for %v", s.ExternalIDs)
	}
	validates(true, "good warning next_external_id_refused", "better warning next_external_id_refused")
	accept("Good", first, second)
	validates(true, "good assumable assumable", "better warning next_external_id_refused")
	a := step(`{"step": "finish"}`).refused(409, "conflict", "role better cannot be assumed with the new external ID")
	if a.problem.Hint == "" {
		t.Errorf("nothing is said about what to do: %s", a.Body)
	}
	if in := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/production", "")); in.Version != 2 ||
		in.NextExternalID != second {
		t.Errorf("a refused step made of it %+v", in)
	}
	accept("Better", first, second)
	finished := shown(step(`{"step": "finish"}`))
	if finished.ExternalID != second || finished.NextExternalID != "" || finished.Version != 3 {
		t.Errorf("when it is finished it is %+v", finished)
	}
	validates(true, "good warning previous_external_id_accepted", "better warning previous_external_id_accepted")
	accept("Good", second)
	accept("Better", first)
	validates(false, "good assumable assumable", "better failed external_id_outdated")
	accept("Better", second)

	// Cancelled, it stays as it was; forced, it does not wait for roles.
	third := shown(step(`{"step": "start"}`)).NextExternalID
	if in := shown(step(`{"step": "cancel"}`)); in.ExternalID != second || in.NextExternalID != "" || in.Version != 5 {
		t.Errorf("when it is cancelled it is %+v", in)
	}
	fourth := shown(step(`{"step": "start"}`)).NextExternalID
	if fourth == third {
		t.Error("what was cancelled is used once more")
	}
	up := w.down()
	step(`{"step": "finish"}`).refused(409, "conflict", "")
	if in := shown(step(`{"step": "finish", "force": true}`)); in.ExternalID != fourth || in.NextExternalID != "" {
		t.Errorf("when it is forced it is %+v", in)
	}
	up()
	validates(false, "good failed external_id_outdated", "better failed external_id_outdated")
}

func TestDisabledRolesDoNotBlockANewExternalID(t *testing.T) {
	w := newAWSWorld(t)
	body := strings.Replace(w.draft("production", "Good", "Closed"), `"name": "closed"`,
		`"name": "closed", "enabled": false`, 1)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip", body).want(201)
	const path = "/api/v1/integrations/production/rotate-external-id"
	next := read[api.Integration](w.as(w.admin, "POST", path, `{"step": "start"}`).want(200)).NextExternalID
	w.aws.Account(customerAccount).SetTrustPolicy("Good", requiring(w.externalID, next))
	w.as(w.admin, "POST", path, `{"step": "finish"}`).want(200)

	// Nobody can know what a cluster's roles accept.
	cluster := strings.Replace(w.draft("cluster", "Closed"), w.externalID, w.reserve(), 1)
	w.as(w.admin, "POST", "/api/v1/integrations?validate=skip",
		strings.Replace(cluster, `{`, `{"assumption_mode": "cluster", `, 1)).want(201)
	w.as(w.admin, "POST", "/api/v1/integrations/cluster/rotate-external-id", `{"step": "start"}`).want(200)
	w.as(w.admin, "POST", "/api/v1/integrations/cluster/rotate-external-id", `{"step": "finish"}`).want(200)
}

func TestBadRotations(t *testing.T) {
	w := newAWSWorld(t)
	w.saved("production", "Good")
	const path = "/api/v1/integrations/production/rotate-external-id"
	for _, c := range []struct{ body, field, says string }{
		{`{}`, "step", "start, finish, cancel"},
		{`{"step": ""}`, "step", "start, finish, cancel"},
		{`{"step": "Start"}`, "step", "start, finish, cancel"},
		{`{"step": "undo"}`, "step", "start, finish, cancel"},
		{`{"step": "` + strings.Repeat("x", 1<<20) + `"}`, "step", ""},
		{`{"step": 1}`, "step", "is a number"},
		{`{"step": "start", "force": "yes"}`, "force", "true or false"},
		{`{"step": "start", "external_id": "mine"}`, "external_id", "unknown field"},
	} {
		a := w.as(w.admin, "POST", path, c.body)
		a.refused(400, "invalid", "").at(c.field, "/"+c.field, c.says)
		if len(a.Body) > 5000 {
			t.Errorf("%s: %d bytes", a.what, len(a.Body))
		}
	}
	w.as(w.admin, "POST", path, "").refused(400, "invalid", "empty")
	w.as(w.reader, "POST", path, `{"step": "start"}`).refused(403, "denied", "read-only")
	w.as(w.admin, "POST", "/api/v1/integrations/staging/rotate-external-id", `{"step": "start"}`).
		refused(404, "not_found", "staging")
	if in := read[api.Integration](w.as(w.reader, "GET", "/api/v1/integrations/production", "").
		want(200)); in.Version != 1 || in.NextExternalID != "" {
		t.Errorf("what was refused made of it %+v", in)
	}

	// An update while it is being changed leaves it alone; a guard notices a step.
	started := w.as(w.admin, "POST", path, `{"step": "start"}`).want(200)
	w.later()
	w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", started.Body, "If-Match", `"1"`).
		refused(412, "stale", "")
	updated := read[api.Integration](w.as(w.admin, "PUT", "/api/v1/integrations/production?validate=skip", started.Body,
		"If-Match", started.Header.Get("ETag")).want(200))
	want := read[api.Integration](started)
	want.Version, want.UpdatedAt = 3, w.now
	if diff := cmp.Diff(want, updated); diff != "" {
		t.Errorf("after writing back what was read (-want +got):\n%s", diff)
	}
	if took := updated.UpdatedAt.Sub(updated.CreatedAt); took != time.Minute {
		t.Errorf("it was updated after %s", took)
	}
}
