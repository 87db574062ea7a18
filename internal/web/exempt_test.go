package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rolebroker/rolebroker"
)

// Who wants an agent to read a bucket and to ask for everything else names the bucket, and need not know a policy.
func TestAnAgentReadsABucketAndAsksForEverythingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	b := s.as(s.admin)
	b.create("production")
	in, err := s.broker.Integration(t.Context(), root, "production")
	if err != nil {
		t.Fatal(err)
	}
	id := string(in.ID)
	connection := func() *rolebroker.Connection {
		t.Helper()
		agent, err := s.broker.Agent(t.Context(), root, "scout")
		if err != nil {
			t.Fatal(err)
		}
		return agent.Connection(in.ID)
	}
	asks := []string{"name", "scout", "integration", id, "preset." + id, "ask-calls"}
	const wrong = http.StatusUnprocessableEntity
	b.answers(b.post("/agents/new", append(asks, "action", "say")...), http.StatusOK,
		"In production, scout waits for a person’s yes before each call. It holds no AWS key.")
	b.answers(b.post("/agents/new", append(asks, "action", "create")...), wrong, "Name a bucket that it reads",
		`href="#buckets-`+id+`"`)
	b.answers(b.post("/agents/new", append(asks, "buckets."+id, "reports/a", "action", "create")...), wrong,
		"&#34;reports/a&#34; is not the name or the ARN of a bucket", `value="reports/a"`)
	b.answers(b.post("/agents/new", "name", "my scout", "another", "nothing", "integration", id, "preset."+id, "ask-calls",
		"action", "create"), wrong, "3 fields are not right", `href="#name"`, "Use my-scout", "Name a bucket that it reads",
		`href="#another"`)
	b.answers(b.post("/agents/new", append(asks, "buckets."+id, "reports", "action", "say")...), http.StatusOK,
		"In production, scout reads the bucket reports by itself; every other call waits for a person’s yes. It holds "+
			"no AWS key.")
	b.answers(b.post("/agents/new", append(asks, "buckets."+id, "reports, s3://media", "action", "create")...),
		http.StatusSeeOther)
	want, err := rolebroker.ReadBuckets("aws", []string{"reports", "media"})
	if err != nil {
		t.Fatal(err)
	}
	if c := connection(); c.Approval != rolebroker.ApprovalCall || c.Keys != rolebroker.KeysWithheld ||
		c.Access != rolebroker.AccessFull || c.ExemptPolicy != want {
		t.Errorf("the connection is %+v, want the exempt policy %s", c, want)
	}

	// On its page the buckets are there, and can be changed; so can the policy.
	agent := "/agents/scout"
	b.shows(agent, "reads the buckets reports and media by itself; every other call waits", "never waits for a person")
	form := "/agents/scout/limits/" + id
	page := b.get(form).Body.String()
	for _, text := range []string{`value="reports media"`, "s3:GetObjectVersion", `value="call" checked`} {
		if !strings.Contains(page, text) {
			t.Errorf("the form has no %q", text)
		}
	}
	limits := func(version, buckets, policy string, more ...string) []string {
		return append([]string{"form", "limits", "version", version, "access", "full", "keys", "withheld", "scope", "all",
			"approval", "call", "exempt_buckets", buckets, "exempt_policy", policy}, more...)
	}
	b.answers(b.post(form, limits("1", "a/b", want)...), wrong, "&#34;a/b&#34; is not the name", `value="a/b"`)
	b.answers(b.post(form, limits("1", "logs", "", "action", "buckets")...), http.StatusOK, "arn:aws:s3:::logs/*", "not saved")
	b.answers(b.post(form, limits("1", "reports", want)...), http.StatusSeeOther)
	if want, _ = rolebroker.ReadBuckets("aws", []string{"reports"}); connection().ExemptPolicy != want {
		t.Errorf("after the change of the buckets it is %s", connection().ExemptPolicy)
	}
	const own = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:Get*","Resource":"*"}]}`
	b.answers(b.post(form, limits("2", "reports", own)...), http.StatusSeeOther)
	if got := connection().ExemptPolicy; got != own {
		t.Errorf("a policy of one's own is %s", got)
	}
	b.shows(agent, "makes the calls that its exempt policy allows by itself; every other call waits")
	conditional := strings.Replace(own, `"*"}`, `"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, 1)
	b.answers(b.post(form, limits("3", "", conditional)...), wrong, "Statement[0].Condition: ", "dynamodb:Get*",
		`href="#exempt-policy"`)
	b.answers(b.post(form, "form", "limits", "version", "3", "access", "full", "keys", "lent", "scope", "all",
		"approval", "none", "exempt_policy", own), http.StatusSeeOther)
	b.lacks(agent, "never waits for a person")
	if c := connection(); c.ExemptPolicy != "" || c.Approval != rolebroker.ApprovalNone {
		t.Errorf("without approval it is %+v", c)
	}
}
